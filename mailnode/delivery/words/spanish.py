"""Spanish."""

from mailnode.delivery.words.shape import Case, Kind, Words
from mailnode.queue.entry import Fate

SPANISH = Words(
    tag="es",
    months=(
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ),
    first_day="1",
    date="{day} de {month} de {year}, {time} h (UTC)",
    subjects={
        Fate.FAILED: "Su mensaje no se ha podido entregar",
        Fate.WAITING: "Su mensaje se retrasa",
        Fate.DELIVERED: "Su mensaje se ha entregado",
        Fate.EXPANDED: "Su mensaje se ha entregado a todos los miembros",
        Fate.RELAYED: "Su mensaje se ha reenviado",
    },
    opening="Le escribe el servidor de correo {host}. Usted envió un mensaje que llegó aquí el {date}.",
    about="Su asunto: {subject}",
    headings={
        Fate.FAILED: "No se ha podido entregar a:",
        Fate.WAITING: "Aún no se ha entregado, y se volverá a intentar, a:",
        Fate.DELIVERED: "Está en el buzón de:",
        Fate.EXPANDED: "Se ha entregado a todos los miembros de:",
        Fate.RELAYED: "Se ha reenviado a un servidor que no informará de lo que ocurra con él, para:",
    },
    said="El otro servidor respondió: {reply}",
    said_by="El servidor {host} respondió: {reply}",
    details="Detalles técnicos: {reason}",
    to_do="Lo que puede hacer:",
    goes_on="No tiene que hacer nada: lo seguiremos intentando hasta el {date}. Si es urgente, póngase en "
    "contacto con la persona por otro medio.",
    given_up="No se volverá a intentar la entrega.",
    ask="Si eso no ayuda, escriba a {postmaster} y adjunte este informe completo.",
    cases={
        Kind.NO_MAILBOX: Case(
            "No existe ningún buzón con ese nombre.",
            "Compruebe si hay alguna errata en la dirección. Si parece correcta, pregunte a la persona por "
            "otro medio si la ha cambiado.",
        ),
        Kind.NO_DOMAIN: Case(
            "El dominio, es decir, la parte que sigue a la @, no existe o no tiene un servidor de correo que "
            "se pueda encontrar.",
            "Compruebe cómo está escrita la parte que sigue a la @. Si es correcta, pida a la persona otra "
            "dirección.",
        ),
        Kind.TAKES_NO_MAIL: Case(
            "El dominio, es decir, la parte que sigue a la @, no acepta ningún correo.",
            "Compruebe la parte que sigue a la @ o pida a la persona otra dirección.",
        ),
        Kind.BAD_ADDRESS: Case(
            "La dirección no está escrita como lo están las direcciones de correo.",
            "Escriba la dirección de nuevo: al copiarla, a menudo se cuela algo que no forma parte de ella.",
        ),
        Kind.CLOSED: Case(
            "El buzón existe, pero por ahora no acepta correo.",
            "Póngase en contacto con la persona por otro medio y pídale otra dirección.",
        ),
        Kind.FULL: Case(
            "El buzón está lleno.",
            "Avise a la persona por otro medio. Cuando vuelva a haber sitio, envíe el mensaje otra vez.",
        ),
        Kind.TOO_LARGE: Case(
            "El mensaje es demasiado grande para el buzón o para el servidor.",
            "Reduzca los archivos adjuntos, repártalos en varios mensajes o envíe en su lugar un enlace a "
            "los archivos.",
        ),
        Kind.TOO_MANY: Case(
            "El mensaje tiene más destinatarios de los que el servidor acepta.",
            "Envíelo a menos personas a la vez.",
        ),
        Kind.UNFIT: Case(
            "El mensaje, o una dirección que contiene, tiene una forma que el servidor no puede aceptar.",
            "Envíelo como texto sencillo, con archivos adjuntos corrientes, y use solo direcciones sin "
            "acentos ni eñes.",
        ),
        Kind.REFUSED: Case(
            "Las reglas del servidor no dejan entrar el mensaje.",
            "Lea lo que respondió el servidor: a menudo indica el motivo o una página que lo explica. "
            "Mientras tanto, póngase en contacto con la persona por otro medio.",
        ),
        Kind.DOUBTED: Case(
            "El servidor no cree que el mensaje venga de usted (SPF, DKIM o DMARC).",
            "Entregue este informe a quien se ocupa de su dominio de correo: es ahí donde hay que "
            "corregirlo.",
        ),
        Kind.NOT_SAFE: Case(
            "No hay ninguna conexión con el servidor que esté cifrada tan bien como es necesario (TLS).",
            "Si pidió cifrado y puede prescindir de él, envíe el mensaje otra vez sin pedirlo. Si no, tienen "
            "que actuar los responsables del otro servidor: póngase en contacto con la persona por otro "
            "medio.",
        ),
        Kind.LOOP: Case(
            "El mensaje daría vueltas sin fin: los servidores lo llevan de vuelta al lugar de donde vino.",
            "Diga a la persona que allí hay un reenvío o una entrada del DNS que no es correcta.",
        ),
        Kind.TOO_OLD: Case(
            "Se ha intentado una y otra vez durante {days} días, en vano.",
            "Es posible que el otro servidor esté fuera de servicio mucho tiempo. Póngase en contacto con la "
            "persona por otro medio o envíe el mensaje otra vez más tarde.",
        ),
        Kind.TOO_LATE: Case(
            "El plazo en el que quería que se entregara ha terminado.",
            "Si todavía es útil, envíelo otra vez, con más plazo o sin él.",
        ),
        Kind.UNREACHABLE: Case(
            "El otro servidor de correo no responde o la conexión con él se corta.",
            "Envíe el mensaje otra vez mañana. Si es urgente, póngase en contacto con la persona por otro "
            "medio.",
        ),
        Kind.DNS_SILENT: Case(
            "Por ahora nadie puede decir adónde va el correo de este dominio: el DNS no responde.",
            "Casi siempre se pasa solo. Envíe el mensaje otra vez dentro de unas horas.",
        ),
        Kind.BUSY: Case(
            "El servidor tiene ahora demasiado trabajo o está en mantenimiento.",
            "Envíe el mensaje otra vez dentro de unas horas.",
        ),
        Kind.TROUBLE: Case(
            "Un servidor de correo tiene un fallo propio; no se debe a su mensaje.",
            "Envíe el mensaje otra vez más tarde. Si vuelve a ocurrir lo mismo, avise al responsable del "
            "servidor.",
        ),
        Kind.NOT_NOW: Case(
            "El servidor no aceptó el mensaje en ese momento.",
            "Envíe el mensaje otra vez más tarde.",
        ),
        Kind.NEVER: Case(
            "El mensaje no se puede entregar a esta dirección.",
            "Compruebe la dirección y lea lo que respondió el servidor.",
        ),
    },
)
