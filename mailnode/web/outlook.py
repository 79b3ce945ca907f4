"""Outlook's Autodiscover in plain XML (POX; MS-OXDSCLI): what it asks for, and what it gets.

The question is not parsed as XML: an address is looked for where it must stand, and whatever could declare or
expand anything is no question.
"""

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement
from xml.sax.saxutils import unescape

from mailnode.config_services import ClientService
from mailnode.web.thunderbird import document

_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

_ADDRESS = re.compile(r"<(?:[A-Za-z]+:)?EMailAddress>\s*([^<>\s]{1,600})\s*</")
_WANTED = re.compile(r"<(?:[A-Za-z]+:)?AcceptableResponseSchema>\s*([^<>\s]{1,600})\s*</")
_TYPES = {"imap": "IMAP", "pop3": "POP3", "submission": "SMTP"}


def asked_for(body: bytes) -> tuple[str, str]:
    """The address a request is about, and the schema it wants an answer in; "" for what is not there."""
    text = body.decode("utf-8", "replace")
    if "<!" in text:  # a DOCTYPE or CDATA, which Outlook has no use for
        return "", ""
    found = (pattern.search(text) for pattern in (_ADDRESS, _WANTED))
    address, schema = (one[1] if one else "" for one in found)
    return unescape(address, {"&apos;": "'", "&quot;": '"'}), schema


def autodiscover(address: str, services: Iterable[ClientService]) -> bytes:
    """The answer for an address of ours: of each service the first, as Outlook looks at one only."""
    root, response = _response(SCHEMA)
    SubElement(SubElement(response, "User"), "DisplayName").text = address
    account = SubElement(response, "Account")
    SubElement(account, "AccountType").text = "email"
    SubElement(account, "Action").text = "settings"
    first: dict[str, ClientService] = {}
    for service in services:
        first.setdefault(service.name, service)
    for service in first.values():
        protocol = SubElement(account, "Protocol")
        for name, text in _settings(service, address):
            SubElement(protocol, name).text = text
    return document(root)


def _settings(service: ClientService, address: str) -> Iterable[tuple[str, str]]:
    yield "Type", _TYPES[service.name]
    yield "Server", service.host
    yield "Port", str(service.port)
    yield "DomainRequired", "off"
    yield "LoginName", address
    yield "SPA", "off"
    yield "SSL", "on"
    yield "Encryption", "SSL" if service.implicit else "TLS"  # newer Outlooks look at this instead
    yield "AuthRequired", "on"
    if service.name == "submission":
        yield "UsePOPAuth", "on"
        yield "SMTPLast", "off"


def refusal(code: int, text: str, time: str) -> bytes:
    """An answer that there is none, at a time of day such as "13:05:00"."""
    root, response = _response(_RESPONSE)
    error = SubElement(response, "Error", Time=time, Id="0")
    SubElement(error, "ErrorCode").text = str(code)
    SubElement(error, "Message").text = text
    SubElement(error, "DebugData")
    return document(root)


def _response(schema: str) -> tuple[Element, Element]:
    root = Element("Autodiscover", xmlns=_RESPONSE)
    return root, SubElement(root, "Response", xmlns=schema)
