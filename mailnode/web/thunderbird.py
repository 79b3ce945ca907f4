"""Thunderbird's autoconfig: config-v1.1.xml, which K-9, Evolution, KMail and others read too.

https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat : the client puts the address for
%EMAILADDRESS%, so that nothing of what was asked is in the answer.
"""

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mailnode.config_services import ClientService

KIND = "application/xml; charset=utf-8"

_TYPES = {
    "imap": ("incomingServer", "imap"),
    "pop3": ("incomingServer", "pop3"),
    "submission": ("outgoingServer", "smtp"),
}


def autoconfig(
    domain: str, domains: Iterable[str], services: Iterable[ClientService], mechanisms: Iterable[str]
) -> bytes:
    """The file for a domain of ours, among all of them."""
    root = Element("clientConfig", version="1.1")
    provider = SubElement(root, "emailProvider", id=domain)
    for one in domains:
        SubElement(provider, "domain").text = one
    SubElement(provider, "displayName").text = domain
    SubElement(provider, "displayShortName").text = domain
    ways = authentication(mechanisms)
    for service in services:
        tag, kind = _TYPES[service.name]
        server = SubElement(provider, tag, type=kind)
        SubElement(server, "hostname").text = service.host
        SubElement(server, "port").text = str(service.port)
        SubElement(server, "socketType").text = "SSL" if service.implicit else "STARTTLS"
        for way in ways:
            SubElement(server, "authentication").text = way
        SubElement(server, "username").text = "%EMAILADDRESS%"
    return document(root)


def authentication(mechanisms: Iterable[str]) -> Sequence[str]:
    """The ways to log in by their names there; SCRAM has none, but its clients take it by themselves."""
    known = set(mechanisms)
    names = {"password-cleartext": {"PLAIN", "LOGIN"}, "password-encrypted": {"CRAM-MD5"}}
    return [name for name, of in names.items() if of & known] or ["password-cleartext"]


def document(root: Element) -> bytes:
    """The octets of a whole XML document."""
    indent(root)
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"
