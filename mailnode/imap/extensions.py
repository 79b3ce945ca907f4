"""What the server announces (RFC 3501 section 7.2.1): a row for each capability, and none without."""

from collections.abc import Callable
from dataclasses import dataclass

from mailnode.imap.session import Session, State


def _always(session: Session) -> bool:
    return True


def _login_disabled(session: Session) -> bool:
    return session.state is State.NOT_AUTHENTICATED and not session.takes_passwords


def _starttls_possible(session: Session) -> bool:
    return session.state is State.NOT_AUTHENTICATED and session.starttls_offered


@dataclass(frozen=True, slots=True)
class Extension:
    """A capability, its RFC, the commands it brings, when it is announced, and whether ENABLE takes it."""

    name: str
    rfc: int
    commands: tuple[str, ...] = ()
    announced: Callable[[Session], bool] = _always
    enabled: bool = False


EXTENSIONS = (
    Extension("IMAP4rev1", 3501),
    Extension("LITERAL+", 7888),
    Extension("SASL-IR", 4959),
    Extension("ID", 2971, ("ID",)),
    Extension("ENABLE", 5161, ("ENABLE",)),
    Extension("STARTTLS", 3501, ("STARTTLS",), _starttls_possible),
    Extension("LOGINDISABLED", 3501, (), _login_disabled),
    Extension("IDLE", 2177, ("IDLE",)),
    Extension("NAMESPACE", 2342, ("NAMESPACE",)),
    Extension("UIDPLUS", 4315, ("UID EXPUNGE",)),
    Extension("UNSELECT", 3691, ("UNSELECT",)),
    Extension("CHILDREN", 3348),
    Extension("LIST-EXTENDED", 5258, ("LIST",)),
    Extension("LIST-STATUS", 5819),
    Extension("STATUS=SIZE", 8438),
    Extension("SPECIAL-USE", 6154),
    Extension("CREATE-SPECIAL-USE", 6154, ("CREATE",)),
    Extension("METADATA", 5464, ("GETMETADATA", "SETMETADATA")),
)


def capabilities(session: Session) -> bytes:
    """capability-data = "CAPABILITY" *(SP capability), as it is true in this state of the session.

    auth-type capabilities are those of the mechanisms, which are told to all protocols by one table.
    """
    names = [extension.name for extension in EXTENSIONS if extension.announced(session)]
    mechanisms = [f"AUTH={name}" for name in session.mechanisms]
    return " ".join(["CAPABILITY", *names, *mechanisms]).encode("ascii")


def enableable() -> frozenset[str]:
    """What ENABLE takes (RFC 5161 section 3.1)."""
    return frozenset(extension.name for extension in EXTENSIONS if extension.enabled)
