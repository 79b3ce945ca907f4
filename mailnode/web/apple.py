"""Apple's configuration profile with a mail account (com.apple.mail.managed)."""

import plistlib
import uuid
from collections.abc import Sequence
from typing import Any

from mailnode.config_services import ClientService

KIND = "application/x-apple-aspen-config"

_TYPES = {"imap": "EmailTypeIMAP", "pop3": "EmailTypePOP"}
_PASSWORD = "EmailAuthPassword"


def profile(address: str, hostname: str, services: Sequence[ClientService]) -> bytes | None:
    """The profile for an address: IMAP where there is any, else POP3; None where one cannot read or send.

    Its identifiers depend on the address and the hostname only, so that a second profile takes the place of
    the first.
    """
    reading = next((one for one in services if one.name in _TYPES), None)
    sending = next((one for one in services if one.name == "submission"), None)
    if reading is None or sending is None:
        return None
    name = f"{'.'.join(reversed(hostname.split('.')))}.mailnode"
    mail: dict[str, Any] = {
        **_payload("com.apple.mail.managed", f"{name}.mail", f"mail:{address}@{hostname}", address),
        "EmailAccountDescription": address,
        "EmailAccountType": _TYPES[reading.name],
        "EmailAddress": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
        **_server("Incoming", reading, address),
        **_server("Outgoing", sending, address),
    }
    whole = {
        **_payload("Configuration", name, f"profile:{address}@{hostname}", f"Mail of {address}"),
        "PayloadDescription": f"Sets up the mail of {address} at {hostname}.",
        "PayloadOrganization": hostname,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [mail],
    }
    return plistlib.dumps(whole)


def _payload(kind: str, identifier: str, seed: str, shown: str) -> dict[str, Any]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailnode:{seed}")).upper(),
        "PayloadDisplayName": shown,
    }


def _server(way: str, service: ClientService, address: str) -> dict[str, Any]:
    """UseSSL means STARTTLS too: the client sees which it is."""
    return {
        f"{way}MailServerAuthentication": _PASSWORD,
        f"{way}MailServerHostName": service.host,
        f"{way}MailServerPortNumber": service.port,
        f"{way}MailServerUseSSL": True,
        f"{way}MailServerUsername": address,
    }
