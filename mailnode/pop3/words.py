"""What POP3 says to people, in the languages there are (RFC 6856 section 3). English is the key.

What programs read, numbers and response codes, is the same in all of them.
"""

from collections.abc import Mapping

ENGLISH = "en"

# Tag, and the name of the language in itself.
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "de": "Deutsch", "fr": "Français", "es": "Español"}

_ROWS: tuple[tuple[str, str, str, str], ...] = (  # English, German, French, Spanish
    ("Language changed", "Sprache geändert", "Langue changée", "Idioma cambiado"),
    ("Languages follow", "Sprachen:", "Langues :", "Idiomas:"),
    (
        "This language is not known here",
        "Diese Sprache gibt es hier nicht",
        "Cette langue n'est pas connue ici",
        "Este idioma no se conoce aquí",
    ),
    ("Unknown command", "Unbekannter Befehl", "Commande inconnue", "Orden desconocida"),
    (
        "This command takes no argument",
        "Dieser Befehl nimmt kein Argument",
        "Cette commande n'accepte pas d'argument",
        "Esta orden no admite argumentos",
    ),
    (
        "This command needs an argument",
        "Dieser Befehl braucht ein Argument",
        "Cette commande demande un argument",
        "Esta orden necesita un argumento",
    ),
    (
        "Not possible before login",
        "Vor der Anmeldung nicht möglich",
        "Impossible avant la connexion",
        "No es posible antes de iniciar sesión",
    ),
    (
        "Not possible after login",
        "Nach der Anmeldung nicht möglich",
        "Impossible après la connexion",
        "No es posible después de iniciar sesión",
    ),
    ("Capability list follows", "Fähigkeiten:", "Capacités :", "Capacidades:"),
    ("This is POP3", "Hier ist POP3", "Ici POP3", "Esto es POP3"),
    ("No such message", "Keine solche Nachricht", "Aucun message de ce numéro", "No existe ese mensaje"),
    (
        "The maildrop cannot be used now, try again later",
        "Das Postfach ist zurzeit nicht benutzbar, bitte später noch einmal",
        "La boîte n'est pas utilisable pour le moment, réessayez plus tard",
        "El buzón no se puede usar ahora; inténtelo más tarde",
    ),
    (
        "The maildrop cannot be used; the administrator must look into it",
        "Das Postfach ist nicht benutzbar; der Administrator muss danach sehen",
        "La boîte n'est pas utilisable ; l'administrateur doit s'en occuper",
        "El buzón no se puede usar; el administrador debe revisarlo",
    ),
    (
        "Something went wrong here, try again later",
        "Hier ist etwas schiefgegangen, bitte später noch einmal",
        "Quelque chose a mal tourné ici, réessayez plus tard",
        "Algo ha fallado aquí; inténtelo más tarde",
    ),
    (
        "Passwords are not taken in clear here; start TLS first (STLS, or port 995)",
        "Hier gehen Passwörter nicht im Klartext; zuerst TLS (STLS oder Port 995)",
        "Pas de mot de passe en clair ici ; d'abord TLS (STLS ou port 995)",
        "Aquí no se aceptan contraseñas sin cifrar; primero TLS (STLS o puerto 995)",
    ),
    (
        "Passwords are not taken here; use AUTH",
        "Hier werden keine Passwörter angenommen; mit AUTH anmelden",
        "Pas de mot de passe ici ; utilisez AUTH",
        "Aquí no se aceptan contraseñas; use AUTH",
    ),
    ("UTF-8 from now on", "Ab jetzt UTF-8", "UTF-8 désormais", "UTF-8 desde ahora"),
    ("STLS comes before UTF8", "STLS kommt vor UTF8", "STLS vient avant UTF8", "STLS va antes de UTF8"),
    ("Now the password", "Jetzt das Passwort", "Maintenant le mot de passe", "Ahora la contraseña"),
    ("USER comes first", "Zuerst kommt USER", "USER vient d'abord", "Primero USER"),
    (
        "Unknown mechanism; known: {}",
        "Unbekanntes Verfahren; bekannt sind: {}",
        "Mécanisme inconnu ; connus : {}",
        "Mecanismo desconocido; conocidos: {}",
    ),
    (
        "Authentication cancelled",
        "Anmeldung abgebrochen",
        "Authentification annulée",
        "Autenticación cancelada",
    ),
    (
        "Authentication failed",
        "Anmeldung fehlgeschlagen",
        "L'authentification a échoué",
        "La autenticación ha fallado",
    ),
    (
        "Too many logins at once, try again later",
        "Zu viele Anmeldungen auf einmal, bitte später noch einmal",
        "Trop de connexions à la fois, réessayez plus tard",
        "Demasiados inicios de sesión a la vez; inténtelo más tarde",
    ),
    (
        "Too soon after the last login; {} seconds must pass",
        "Zu bald nach der letzten Anmeldung; es müssen {} Sekunden vergehen",
        "Trop tôt après la dernière connexion ; il faut attendre {} secondes",
        "Demasiado pronto tras el último inicio de sesión; deben pasar {} segundos",
    ),
    (
        "The maildrop is locked by another session",
        "Das Postfach ist durch eine andere Sitzung gesperrt",
        "La boîte est verrouillée par une autre session",
        "El buzón está bloqueado por otra sesión",
    ),
    (
        "{} messages ({} octets)",
        "{} Nachrichten ({} Oktette)",
        "{} messages ({} octets)",
        "{} mensajes ({} octetos)",
    ),
    ("{} octets", "{} Oktette", "{} octets", "{} octetos"),
    ("TLS is active already", "TLS läuft schon", "TLS est déjà actif", "TLS ya está activo"),
    (
        "TLS is not possible here",
        "TLS ist hier nicht möglich",
        "TLS n'est pas possible ici",
        "Aquí no es posible TLS",
    ),
    ("Begin TLS now", "TLS kann beginnen", "Commencez TLS", "Comience TLS"),
    (
        "Top of message follows",
        "Anfang der Nachricht:",
        "Début du message :",
        "Principio del mensaje:",
    ),
    ("Marked as deleted", "Zum Löschen markiert", "Marqué pour suppression", "Marcado para borrar"),
    ("Goodbye", "Auf Wiedersehen", "Au revoir", "Adiós"),
    (
        "some deleted messages not removed",
        "einige gelöschte Nachrichten sind noch da",
        "certains messages supprimés sont encore là",
        "algunos mensajes borrados siguen ahí",
    ),
    (
        "Message numbers start at 1",
        "Nachrichten zählen ab 1",
        "Les numéros de message commencent à 1",
        "Los números de mensaje empiezan en 1",
    ),
    (
        "TOP takes a message number and a number of lines",
        "TOP nimmt eine Nachrichtennummer und eine Zahl von Zeilen",
        "TOP prend un numéro de message et un nombre de lignes",
        "TOP lleva un número de mensaje y un número de líneas",
    ),
)
_TEXTS: Mapping[str, Mapping[str, str]] = {
    tag: {row[0]: row[column] for row in _ROWS} for column, tag in enumerate(LANGUAGES)
}


def said(tag: str, text: str, *values: object) -> str:
    """A text with its values in a language; what nobody has translated is in English."""
    found = _TEXTS[tag].get(text, text)
    return found.format(*values) if values else found


def chosen(wanted: str, preferred: str) -> str | None:
    """The tag for a language range (RFC 4647 section 3.4): "de-AT" is "de"; "*" is what is preferred here.

    None for a language that there is not.
    """
    if wanted == "*":
        return preferred if preferred in LANGUAGES else ENGLISH
    found = wanted.lower()
    while found and found not in LANGUAGES:
        found = found.rpartition("-")[0]
    return found or None
