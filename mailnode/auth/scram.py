"""SCRAM (RFC 5802, RFC 7677), with channel binding and without.

The dialogue is the same for everybody, whether there is such a mailbox or not, up to the proof. A client that
says it could bind the channel but was not offered it ("y"), where it was, has somebody in between who takes
mechanisms away: it fails (RFC 5802 section 6). Sessions of TLS are never resumed here, without which
tls-unique would prove nothing (RFC 7677 section 4).
"""

import hmac

from mailnode.auth.claims import Claim, Proven, Wrong
from mailnode.auth.evidence import Evidence, Person
from mailnode.auth.names import prepared
from mailnode.auth.sasl import Exchange
from mailnode.wire.base64 import base64
from mailnode.wire.errors import BadSyntax
from mailnode.wire.scram import ClientFirst, parse_client_final, parse_client_first


async def scram(exchange: Exchange, evidence: Evidence, *, scheme: str, plus: bool) -> Claim:
    """The exchange of a scheme such as "SCRAM-SHA-256"; with `plus`, of its form that binds the channel."""
    first = parse_client_first(await exchange.first())
    username = first.username.encode()
    channel = first.header + _binding(first, evidence, scheme, plus=plus)
    person = evidence.person(username)
    verifier = evidence.verifier(scheme, person)
    nonce = first.nonce + evidence.nonce()
    challenge = b"r=%s,s=%s,i=%d" % (nonce, base64(verifier.salt), verifier.iterations)

    final = parse_client_final(await exchange.ask(challenge))
    auth_message = b",".join((first.bare, challenge, final.unproved))
    right = (
        verifier.proves(final.proof, auth_message),
        hmac.compare_digest(final.nonce, nonce),
        hmac.compare_digest(final.channel, channel),
        not first.authzid or _same(first, evidence, person),
    )
    if person.entry is None or not all(right):
        # No two proofs are alike, so each one counts, also of the same wrong password.
        raise Wrong(username, auth_message)
    if await exchange.ask(b"v=" + base64(verifier.signature(auth_message))):
        raise BadSyntax("The last response of SCRAM is empty")
    return Proven(username, person.address, person.entry)


def _binding(first: ClientFirst, evidence: Evidence, scheme: str, *, plus: bool) -> bytes:
    """What must follow the gs2-header in "c=". Raises Wrong where the flag does not fit the mechanism."""
    data = evidence.binding(first.binding) if first.flag == "p" else b""
    downgraded = first.flag == "y" and evidence.binds(scheme)
    if plus != (first.flag == "p") or downgraded or data is None:
        raise Wrong(first.username.encode(), first.header + first.bare, reason="channel binding does not fit")
    return data


def _same(first: ClientFirst, evidence: Evidence, person: Person) -> bool:
    """Whether the authzid is who logs in: nobody may act for another."""
    return (
        bool(prepared(first.authzid.encode()))
        and evidence.person(first.authzid.encode()).address == person.address
    )
