"""The listeners: how many connections each protocol may have, and what makes sessions of them."""

import resource
from collections.abc import Iterable, Mapping
from functools import partial

from mailnode.auth.live import Live
from mailnode.config import Limits
from mailnode.events.log import Log
from mailnode.net.breath import Breather
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Door, Serve, SessionFactory
from mailnode.net.tls import TlsServer
from mailnode.runtime import Runtime

# How a peer is sent away, by the protocol of the listener; then why.
_SENT_AWAY = {
    "smtp": b"421 4.3.2 ",
    "submission": b"421 4.3.2 ",
    "lmtp": b"421 4.3.2 ",
    "pop3": b"-ERR [SYS/TEMP] ",
    "imap": b"* BYE [UNAVAILABLE] ",
}

_OTHER_DESCRIPTORS = 1000  # caches of the accounts in use, listeners, the log, files that are being written


def connection_limits(protocol: str, numbers: Limits) -> ConnectionLimits:
    """How many connections a protocol may have.

    Other mail servers never log in: on the port for them the limit before login is that of all sessions.
    Stress is SMTP's: the other protocols give strangers little time anyway.
    """
    sessions, per_person = {
        "smtp": (numbers.smtp_sessions, numbers.smtp_sessions),
        "submission": (numbers.smtp_sessions, numbers.sessions_per_user_submission),
        "lmtp": (numbers.smtp_sessions, numbers.smtp_sessions),
        "pop3": (numbers.pop3_sessions, numbers.sessions_per_user_pop3),
        "imap": (numbers.imap_sessions, numbers.sessions_per_user_imap),
    }[protocol]
    return ConnectionLimits(
        per_address=numbers.connections_per_address,
        rate=numbers.connection_rate,
        before_login=sessions if protocol in ("smtp", "lmtp") else numbers.preauth_connections,
        sessions=sessions,
        per_person=per_person,
        stress_percent=numbers.stress_percent if protocol in ("smtp", "submission") else 100,
    )


def make_gates(live: Live, runtime: Runtime, protocols: Iterable[str]) -> dict[str, Gate]:
    """The limits of each protocol."""
    return {protocol: _gate(protocol, live, runtime) for protocol in protocols}


def session_factories(
    live: Live,
    runtime: Runtime,
    serve: Mapping[str, Serve],
    tls: Mapping[str, TlsServer | None],
    gates: Mapping[str, Gate],
) -> dict[str, SessionFactory]:
    """A factory for each listener that is served, by endpoint; those of one protocol share its gate."""
    breather = Breather(runtime.clock)
    return {
        listener.endpoint: SessionFactory(
            Door(
                listener=listener,
                runtime=runtime,
                breather=breather,
                gate=gates[listener.protocol],
                serve=serve[listener.protocol],
                sent_away=_SENT_AWAY[listener.protocol],
                tls=tls[listener.protocol],
                trusted_networks=lambda: live.config.trusted_networks,
                proxy_networks=lambda: live.config.proxy_networks,
                handshake_timeout=lambda: float(live.config.limits.tls_handshake_timeout),
                write_timeout=lambda: float(live.config.limits.write_timeout),
                log=Log(f"mailnode.{listener.protocol}"),
            )
        )
        for listener in live.config.listeners
        if listener.protocol in serve
    }


def make_room(limits: Limits) -> str:
    """Let the process have a descriptor, and a file of mail, for each session that there may be.

    A shell gives 1,024, and strangers alone could take more. Gives what to say where that is not possible.
    """
    sessions = 3 * limits.smtp_sessions + limits.imap_sessions + limits.pop3_sessions
    wanted = 2 * sessions + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if hard == resource.RLIM_INFINITY or hard >= sessions + _OTHER_DESCRIPTORS:
        return ""
    return f"the system allows {hard} descriptors, which is too few for {sessions} sessions"


def _gate(protocol: str, live: Live, runtime: Runtime) -> Gate:
    limits = partial(_limits_now, protocol, live)
    return Gate(limits, runtime.now, Log(f"mailnode.{protocol}"))


def _limits_now(protocol: str, live: Live) -> ConnectionLimits:
    return connection_limits(protocol, live.config.limits)
