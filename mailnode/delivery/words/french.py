"""French. Before a colon stands a space at which no line may break."""

from mailnode.delivery.words.shape import Case, Kind, Words
from mailnode.queue.entry import Fate

FRENCH = Words(
    tag="fr",
    months=(
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
    first_day="1er",
    date="{day} {month} {year} à {time} (UTC)",
    subjects={
        Fate.FAILED: "Votre message n'a pas pu être remis",
        Fate.WAITING: "Votre message est retardé",
        Fate.DELIVERED: "Votre message a été remis",
        Fate.EXPANDED: "Votre message a été remis à tous les membres",
        Fate.RELAYED: "Votre message a été transmis",
    },
    opening="Ici le serveur de messagerie {host}. Vous avez envoyé un message qui est arrivé ici le {date}.",
    about="Son objet\u00a0: {subject}",
    headings={
        Fate.FAILED: "Il n'a pas pu être remis à\u00a0:",
        Fate.WAITING: "Il n'a pas encore été remis, et de nouveaux essais suivront, à\u00a0:",
        Fate.DELIVERED: "Il se trouve dans la boîte aux lettres de\u00a0:",
        Fate.EXPANDED: "Il a été remis à tous les membres de\u00a0:",
        Fate.RELAYED: "Il a été transmis à un serveur qui ne signalera pas la suite, pour\u00a0:",
    },
    said="L'autre serveur a répondu\u00a0: {reply}",
    said_by="Le serveur {host} a répondu\u00a0: {reply}",
    details="Détails techniques\u00a0: {reason}",
    to_do="Ce que vous pouvez faire\u00a0:",
    goes_on="Vous n'avez rien à faire\u00a0: nous essaierons encore jusqu'au {date}. Si c'est urgent, "
    "joignez la personne par un autre moyen.",
    given_up="Il n'y aura pas d'autre essai d'envoi.",
    ask="Si cela ne suffit pas, écrivez à {postmaster} en joignant ce rapport en entier.",
    cases={
        Kind.NO_MAILBOX: Case(
            "Il n'existe pas de boîte aux lettres à ce nom.",
            "Vérifiez qu'il n'y a pas de faute de frappe dans l'adresse. Si elle semble juste, demandez à la "
            "personne par un autre moyen si elle a changé d'adresse.",
        ),
        Kind.NO_DOMAIN: Case(
            "Le domaine, c'est-à-dire la partie après le @, n'existe pas, ou aucun serveur de messagerie "
            "n'y correspond.",
            "Vérifiez l'orthographe de la partie après le @. Si elle est juste, demandez une autre adresse à "
            "la personne.",
        ),
        Kind.TAKES_NO_MAIL: Case(
            "Le domaine, c'est-à-dire la partie après le @, n'accepte aucun courrier.",
            "Vérifiez la partie après le @, ou demandez une autre adresse à la personne.",
        ),
        Kind.BAD_ADDRESS: Case(
            "L'adresse n'est pas écrite comme le sont les adresses de courrier.",
            "Saisissez de nouveau l'adresse\u00a0: en la copiant, on emporte souvent quelque chose qui n'en "
            "fait pas partie.",
        ),
        Kind.CLOSED: Case(
            "La boîte aux lettres existe, mais n'accepte pas de courrier en ce moment.",
            "Joignez la personne par un autre moyen, et demandez-lui une autre adresse.",
        ),
        Kind.FULL: Case(
            "La boîte aux lettres est pleine.",
            "Prévenez la personne par un autre moyen. Quand il y aura de nouveau de la place, renvoyez le "
            "message.",
        ),
        Kind.TOO_LARGE: Case(
            "Le message est trop volumineux pour la boîte aux lettres ou pour le serveur.",
            "Réduisez les pièces jointes, répartissez-les sur plusieurs messages, ou envoyez plutôt un lien "
            "vers les fichiers.",
        ),
        Kind.TOO_MANY: Case(
            "Le message a plus de destinataires que le serveur n'en accepte.",
            "Envoyez-le à moins de personnes à la fois.",
        ),
        Kind.UNFIT: Case(
            "Le message, ou une adresse qui y figure, a une forme que le serveur ne peut pas accepter.",
            "Envoyez-le en texte simple, avec des pièces jointes courantes, et n'utilisez que des adresses "
            "sans accents.",
        ),
        Kind.REFUSED: Case(
            "Les règles du serveur ne laissent pas entrer le message.",
            "Lisez ce que le serveur a répondu\u00a0: il indique souvent la raison, ou une page qui "
            "l'explique. En attendant, joignez la personne par un autre moyen.",
        ),
        Kind.DOUBTED: Case(
            "Le serveur ne croit pas que le message vienne de vous (SPF, DKIM ou DMARC).",
            "Transmettez ce rapport aux responsables de votre domaine de messagerie\u00a0: c'est là que cela "
            "doit être corrigé.",
        ),
        Kind.NOT_SAFE: Case(
            "Aucune connexion avec le serveur n'est chiffrée aussi bien qu'il le faut (TLS).",
            "Si vous avez exigé le chiffrement et pouvez vous en passer, renvoyez le message sans cette "
            "exigence. Sinon, c'est aux responsables de l'autre serveur d'agir\u00a0: joignez la personne "
            "par un autre moyen.",
        ),
        Kind.LOOP: Case(
            "Le message tournerait en rond\u00a0: les serveurs le ramènent là d'où il vient.",
            "Dites à la personne qu'une redirection, ou une entrée du DNS, est incorrecte chez elle.",
        ),
        Kind.TOO_OLD: Case(
            "De nombreux essais ont été faits pendant {days} jours, en vain.",
            "L'autre serveur est peut-être hors service pour longtemps. Joignez la personne par un autre "
            "moyen, ou renvoyez le message plus tard.",
        ),
        Kind.TOO_LATE: Case(
            "Le délai dans lequel vous vouliez qu'il soit remis est écoulé.",
            "S'il est encore utile, renvoyez-le avec un délai plus long, ou sans délai.",
        ),
        Kind.UNREACHABLE: Case(
            "L'autre serveur de messagerie ne répond pas, ou la connexion avec lui s'interrompt.",
            "Renvoyez le message demain. Si c'est urgent, joignez la personne par un autre moyen.",
        ),
        Kind.DNS_SILENT: Case(
            "Personne ne peut dire en ce moment où va le courrier de ce domaine\u00a0: le DNS ne répond pas.",
            "Le plus souvent, cela passe tout seul. Renvoyez le message dans quelques heures.",
        ),
        Kind.BUSY: Case(
            "Le serveur est surchargé en ce moment, ou en cours d'entretien.",
            "Renvoyez le message dans quelques heures.",
        ),
        Kind.TROUBLE: Case(
            "Un serveur de messagerie est lui-même en panne\u00a0; votre message n'est pas en cause.",
            "Renvoyez le message plus tard. Si cela se reproduit, prévenez le responsable du serveur.",
        ),
        Kind.NOT_NOW: Case(
            "Le serveur n'a pas accepté le message à ce moment-là.",
            "Renvoyez le message plus tard.",
        ),
        Kind.NEVER: Case(
            "Le message ne peut pas être remis à cette adresse.",
            "Vérifiez l'adresse, et lisez ce que le serveur a répondu.",
        ),
    },
)
