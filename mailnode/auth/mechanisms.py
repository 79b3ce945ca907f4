"""The table of mechanisms, and which of them are offered on a connection.

None is offered in clear but from this machine, also of those that do not send the password: what comes behind
the login would be read by everybody on the way, and a verifier could be guessed from what was overheard.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from mailnode.auth.challenged import cram_md5
from mailnode.auth.claims import Claim
from mailnode.auth.evidence import Evidence
from mailnode.auth.oauth import oauthbearer, xoauth2
from mailnode.auth.sasl import Exchange, external, login, plain
from mailnode.auth.scram import scram
from mailnode.values import frozen


def _always(_evidence: Evidence) -> bool:
    return True


@frozen
class Mechanism:
    """One mechanism: the coroutine, and whether it can work for somebody on this connection."""

    run: Callable[[Exchange, Evidence], Awaitable[Claim]]
    possible: Callable[[Evidence], bool] = _always


def _scram(scheme: str) -> dict[str, Mechanism]:
    """The two mechanisms of a scheme."""
    return {
        f"{scheme}-PLUS": Mechanism(
            partial(scram, scheme=scheme, plus=True),
            lambda evidence: evidence.everybody_has(scheme) and evidence.binds(scheme),
        ),
        scheme: Mechanism(
            partial(scram, scheme=scheme, plus=False), lambda evidence: evidence.everybody_has(scheme)
        ),
    }


# The stronger ones first, as there are clients that take the first they know.
MECHANISMS: Mapping[str, Mechanism] = {
    **_scram("SCRAM-SHA-256"),
    **_scram("SCRAM-SHA-1"),
    "EXTERNAL": Mechanism(external, lambda evidence: bool(evidence.certified)),
    "OAUTHBEARER": Mechanism(oauthbearer, lambda evidence: evidence.takes_tokens),
    "XOAUTH2": Mechanism(xoauth2, lambda evidence: evidence.takes_tokens),
    "PLAIN": Mechanism(plain),
    "LOGIN": Mechanism(login),
    "CRAM-MD5": Mechanism(cram_md5, Evidence.somebody_has_secret),
}


def offered(evidence: Evidence) -> tuple[str, ...]:
    """The names of the mechanisms that can be used on this connection now."""
    if not evidence.private:
        return ()
    return tuple(
        name for name, one in MECHANISMS.items() if evidence.switched_on(name) and one.possible(evidence)
    )


def apop_offered(evidence: Evidence) -> bool:
    """Whether APOP, which is no mechanism but needs what CRAM-MD5 needs, can be used."""
    return evidence.private and evidence.switched_on("APOP") and evidence.somebody_has_secret()
