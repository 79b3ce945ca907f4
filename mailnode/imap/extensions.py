"""What the server announces (RFC 3501 section 7.2.1): a row for each capability, and none without."""

from collections.abc import Callable
from dataclasses import dataclass

from mailnode.imap.session import Session, State


def _always(session: Session) -> bool:
    return True


def _login_disabled(session: Session) -> bool:
    return session.state is State.NOT_AUTHENTICATED and not session.takes_passwords


def _append_limit(session: Session) -> str:
    """RFC 7889 section 2 (a): one limit for all mailboxes."""
    return f"={session.config.limits.message_size}"


def _starttls_possible(session: Session) -> bool:
    return session.state is State.NOT_AUTHENTICATED and session.starttls_offered


@dataclass(frozen=True, slots=True)
class Extension:
    """A capability, its RFC, the commands it brings, when it is announced, and whether ENABLE takes it.

    `value` gives what stands behind the name.
    """

    name: str
    rfc: int
    commands: tuple[str, ...] = ()
    announced: Callable[[Session], bool] = _always
    enabled: bool = False
    value: Callable[[Session], str] = lambda _: ""


# LITERAL- must not stand beside LITERAL+ (RFC 7888 section 5), which allows all that it allows.
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
    Extension("MULTIAPPEND", 3502, ("APPEND",)),
    Extension("BINARY", 3516, ("APPEND", "FETCH")),
    Extension("UTF8=ACCEPT", 6855, ("APPEND", "ENABLE"), enabled=True),
    Extension("CATENATE", 4469, ("APPEND",)),
    Extension("REPLACE", 8508, ("REPLACE", "UID REPLACE")),
    Extension("APPENDLIMIT", 7889, ("STATUS",), value=_append_limit),
)


def capabilities(session: Session) -> bytes:
    """capability-data = "CAPABILITY" *(SP capability), as it is true in this state of the session.

    auth-type capabilities are those of the mechanisms, which are told to all protocols by one table.
    """
    announced = (extension for extension in EXTENSIONS if extension.announced(session))
    names = [extension.name + extension.value(session) for extension in announced]
    mechanisms = [f"AUTH={name}" for name in session.mechanisms]
    return " ".join(["CAPABILITY", *names, *mechanisms]).encode("ascii")


def enableable() -> frozenset[str]:
    """What ENABLE takes (RFC 5161 section 3.1)."""
    return frozenset(extension.name for extension in EXTENSIONS if extension.enabled)
