"""What the server announces (RFC 3501 section 7.2.1): a row for each capability, and none without."""

from collections.abc import Callable
from itertools import groupby

from mailnode.imap.session import Session, State
from mailnode.values import frozen


def _always(session: Session) -> bool:
    return True


def _nothing(session: Session) -> str:
    return ""


def _login_disabled(session: Session) -> bool:
    return session.state is State.NOT_AUTHENTICATED and not session.takes_passwords


def _append_limit(session: Session) -> str:
    """RFC 7889 section 2 (a): one limit for all mailboxes."""
    return f"={session.config.limits.message_size}"


def _message_limit(session: Session) -> str:
    """RFC 9738 section 3: of COPY and APPEND alone where it is no limit of the others."""
    limits = session.config.limits
    return f"={limits.imap_message_limit or limits.imap_save_limit}"


def _limits_messages(session: Session) -> bool:
    return bool(session.config.limits.imap_message_limit)


def _limits_saving(session: Session) -> bool:
    limits = session.config.limits
    return bool(limits.imap_save_limit and not limits.imap_message_limit)


def _starttls_possible(session: Session) -> bool:
    return session.state is State.NOT_AUTHENTICATED and session.starttls_offered


def _shares(session: Session) -> bool:
    """Whether the administrator has given the mailboxes of others a name."""
    return bool(session.config.store.shared_namespace)


def _logged_in(session: Session) -> bool:
    return session.state is not State.NOT_AUTHENTICATED


def _not_compressed(session: Session) -> bool:
    return _logged_in(session) and not session.stream.compressed


@frozen
class Extension:
    """A capability, its RFC, the commands it brings, when it is announced, and whether ENABLE takes it.

    `value` gives what stands behind the name.
    """

    name: str
    rfc: int
    commands: tuple[str, ...] = ()
    announced: Callable[[Session], bool] = _always
    enabled: bool = False
    value: Callable[[Session], str] = _nothing

    @property
    def constant(self) -> bool:
        """Whether every session announces the same."""
        return self.announced is _always and self.value is _nothing


# LITERAL- must not stand beside LITERAL+ (RFC 7888 section 5), which allows all that it allows.
EXTENSIONS = (
    Extension("IMAP4rev1", 3501),
    Extension("IMAP4rev2", 9051, enabled=True),
    Extension("LITERAL+", 7888),
    Extension("SASL-IR", 4959),
    Extension("ID", 2971, ("ID",)),
    Extension("ENABLE", 5161, ("ENABLE",)),
    Extension("CONDSTORE", 7162, enabled=True),
    Extension("QRESYNC", 7162, enabled=True),
    Extension("MOVE", 6851, ("MOVE", "UID MOVE")),
    Extension("STARTTLS", 3501, ("STARTTLS",), _starttls_possible),
    Extension("LOGINDISABLED", 3501, (), _login_disabled),
    Extension("ESEARCH", 4731),
    Extension("SEARCHRES", 5182),
    Extension("SORT", 5256, ("SORT", "UID SORT")),
    Extension("SORT=DISPLAY", 5957),
    Extension("ESORT", 5267),
    Extension("THREAD=ORDEREDSUBJECT", 5256, ("THREAD", "UID THREAD")),
    Extension("THREAD=REFERENCES", 5256),
    Extension("THREAD=REFS", 5256),  # draft-ietf-morg-inthread section 4
    Extension("I18NLEVEL=2", 5255, ("COMPARATOR",)),
    Extension("WITHIN", 5032),
    Extension("FILTERS", 5466),
    Extension("SEARCH=FUZZY", 6203),
    Extension("MULTISEARCH", 7377, ("ESEARCH",)),
    Extension("CONTEXT=SEARCH", 5267, ("CANCELUPDATE",)),
    Extension("CONTEXT=SORT", 5267),
    Extension("IDLE", 2177, ("IDLE",)),
    Extension("NOTIFY", 5465, ("NOTIFY",)),
    Extension("NAMESPACE", 2342, ("NAMESPACE",)),
    Extension("UIDPLUS", 4315, ("UID EXPUNGE",)),
    Extension("UNSELECT", 3691, ("UNSELECT",)),
    Extension("UIDONLY", 9586, ("ENABLE",), enabled=True),
    Extension("OBJECTID", 8474),
    Extension("SAVEDATE", 8514),
    Extension("PREVIEW", 8970),
    Extension("PARTIAL", 9394),
    Extension("INPROGRESS", 9585),
    Extension("COMPRESS=DEFLATE", 4978, ("COMPRESS",), _not_compressed),
    Extension("LANGUAGE", 5255, ("LANGUAGE",)),
    Extension("QUOTA", 9208, ("GETQUOTA", "GETQUOTAROOT")),
    Extension("QUOTA=RES-STORAGE", 9208),
    Extension("QUOTA=RES-MESSAGE", 9208),
    Extension("UNAUTHENTICATE", 8437, ("UNAUTHENTICATE",), _logged_in),
    Extension("CHILDREN", 3348),
    Extension("LIST-EXTENDED", 5258, ("LIST",)),
    Extension("LIST-STATUS", 5819),
    Extension("STATUS=SIZE", 8438),
    Extension("SPECIAL-USE", 6154),
    Extension("CREATE-SPECIAL-USE", 6154, ("CREATE",)),
    Extension("METADATA", 5464, ("GETMETADATA", "SETMETADATA"), enabled=True),
    Extension("LIST-METADATA", 9590, ("LIST",)),
    Extension("ACL", 4314, ("SETACL", "DELETEACL", "GETACL", "LISTRIGHTS", "MYRIGHTS"), announced=_shares),
    Extension("RIGHTS=texk", 4314, announced=_shares),
    Extension("LIST-MYRIGHTS", 8440, ("LIST",), announced=_shares),
    Extension("MULTIAPPEND", 3502, ("APPEND",)),
    Extension("BINARY", 3516, ("APPEND", "FETCH")),
    Extension("UTF8=ACCEPT", 6855, ("APPEND", "ENABLE"), enabled=True),
    Extension("CATENATE", 4469, ("APPEND",)),
    Extension("URLAUTH", 4467, ("GENURLAUTH", "RESETKEY", "URLFETCH")),
    Extension("URL-PARTIAL", 5550, ("APPEND", "URLFETCH")),
    Extension("REPLACE", 8508, ("REPLACE", "UID REPLACE")),
    Extension("APPENDLIMIT", 7889, ("STATUS",), value=_append_limit),
    Extension("MESSAGELIMIT", 9738, announced=_limits_messages, value=_message_limit),
    Extension("SAVELIMIT", 9738, announced=_limits_saving, value=_message_limit),
)


# In the same order; what every session announces is one text up to the next row that is not so.
_ANNOUNCED: tuple[str | Extension, ...] = tuple(
    piece
    for constant, rows in groupby(EXTENSIONS, lambda row: row.constant)
    for piece in ([" ".join(row.name for row in rows)] if constant else rows)
)


def capabilities(session: Session) -> bytes:
    """capability-data = "CAPABILITY" *(SP capability), as it is true in this state of the session.

    auth-type capabilities are those of the mechanisms, which are told to all protocols by one table.
    """
    names = [
        one if isinstance(one, str) else one.name + one.value(session)
        for one in _ANNOUNCED
        if isinstance(one, str) or one.announced(session)
    ]
    mechanisms = [f"AUTH={name}" for name in session.mechanisms]
    return " ".join(["CAPABILITY", *names, *mechanisms]).encode("ascii")


# What ENABLE takes (RFC 5161 section 3.1), by its name in upper case.
ENABLEABLE = {extension.name.upper(): extension.name for extension in EXTENSIONS if extension.enabled}
