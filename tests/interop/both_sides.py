"""What lies on both sides of a client that synchronises: an account on the server, and a tree of Maildirs.

Messages are told apart by their Message-ID; a folder is a sorted list, so that one that is there twice shows.
"""

import glob
import os
import re
import smtplib
import socket
from dataclasses import dataclass, field

from imapclient import IMAPClient
from imapclient.imap_utf7 import encode

from mailnode.values import frozen
from tests.interop.dovecot import Dovecot
from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, Sample, Server

LETTERS = {b"\\Answered": "R", b"\\Draft": "D", b"\\Flagged": "F", b"\\Seen": "S"}
_MESSAGE_ID = re.compile(rb"^Message-ID: <([^@\r\n]*)@", re.MULTILINE | re.IGNORECASE)
# What clients add: mbsync, mutt, neomutt (which writes keywords so).
_OWN_FIELDS = re.compile(rb"^(?:X-TUID|Content-Length|Lines|Tags): [^\r\n]*\r\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """One message: its name, its flags as letters of a Maildir, and its octets on the wire."""

    name: str
    letters: str
    octets: bytes = field(repr=False)


Side = dict[str, list[Kept]]  # folders by their names on the wire


def kept(octets: bytes, letters: str) -> Kept:
    """A message without the fields that clients add."""
    octets = _OWN_FIELDS.sub(b"", octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    found = _MESSAGE_ID.search(octets)
    assert found, octets[:500]
    return Kept(found[1].decode(), "".join(sorted(letters)), octets)


def login(server: Server | Dovecot, address: str = BEN) -> IMAPClient:
    """A session that changes what a client finds on the server."""
    client = IMAPClient(HOST, server.ports["imap"], ssl=False)
    client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # it sends a command in pieces
    client.login(address, PASSWORD)
    return client


def folders(client: IMAPClient) -> list[str]:
    """The names of all mailboxes that can be selected."""
    return [
        name
        for attributes, _, name in client.list_folders()
        if {one.lower() for one in attributes}.isdisjoint((b"\\noselect", b"\\nonexistent"))
    ]


def uids_by_name(client: IMAPClient, folder: str) -> dict[str, int]:
    """The UIDs of the messages of a folder, which is selected by it."""
    client.select_folder(folder)
    found = client.fetch(client.search(), ["BODY.PEEK[]"])
    return {kept(row[b"BODY[]"], "").name: uid for uid, row in found.items()}


def far_side(server: Server | Dovecot, address: str = BEN) -> Side:
    """All folders of an account."""
    side = {}
    with login(server, address) as client:
        for folder in folders(client):
            client.select_folder(folder, readonly=True)
            rows = client.fetch(client.search(), ["FLAGS", "BODY.PEEK[]"]).values()
            side[encode(folder).decode()] = sorted(
                kept(row[b"BODY[]"], "".join(LETTERS.get(flag, "") for flag in row[b"FLAGS"])) for row in rows
            )
    return side


def known_to_clients(server: Server | Dovecot, address: str = BEN) -> dict[str, object]:
    """What must not change by itself: UIDs with all flags and keywords, UIDVALIDITY and UIDNEXT."""
    found: dict[str, object] = {}
    with login(server, address) as client:
        for folder in folders(client):
            said = client.select_folder(folder, readonly=True)
            rows = client.fetch(client.search(), ["FLAGS", "INTERNALDATE"])
            flags = {
                uid: (sorted(set(row[b"FLAGS"]) - {b"\\Recent"}), row[b"INTERNALDATE"])
                for uid, row in rows.items()
            }
            found[folder] = (said[b"UIDVALIDITY"], said[b"UIDNEXT"], flags)
    return found


@frozen
class Tree:
    """Maildirs in a folder, one for each mailbox; `separator` is what stands in their names for "/"."""

    path: str
    separator: str = "/"

    def files(self) -> dict[str, list[str]]:
        """The messages of each folder: paths."""
        found = {}
        for directory, inside, _ in os.walk(self.path):
            if {"cur", "new"} <= set(inside):
                name = os.path.relpath(directory, self.path).replace(self.separator, "/")
                found[name] = sorted(
                    os.path.join(directory, part, one)
                    for part in ("cur", "new")
                    for one in os.listdir(os.path.join(directory, part))
                )
        return found

    def side(self) -> Side:
        """All that lies there."""
        return {folder: sorted(map(self._read, paths)) for folder, paths in self.files().items()}

    def _read(self, path: str) -> Kept:
        with open(path, "rb") as file:
            letters = path.partition(":2,")[2]
            return kept(file.read(), "".join(set(letters) & set(LETTERS.values())))

    def path_of(self, folder: str, name: str) -> str:
        """Where the one message of that name lies."""
        (path,) = [path for path in self.files()[folder] if self._read(path).name == name]
        return path

    def add(self, folder: str, message: Sample, letters: str = "") -> None:
        """A message that the person has written or saved here."""
        directory = os.path.join(self.path, folder.replace("/", self.separator))
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(directory, part), exist_ok=True)
        with open(
            os.path.join(directory, "cur", f"1700000000.{message.name}.near:2,{letters}"), "wb"
        ) as file:
            file.write(message.octets.replace(b"\r\n", b"\n"))

    def flag(self, folder: str, name: str, letters: str) -> None:
        """Other flags for a message, as a mail reader gives them: by a rename."""
        path = self.path_of(folder, name)
        base = os.path.basename(path).partition(":2,")[0]
        directory = os.path.dirname(os.path.dirname(path))
        os.rename(path, os.path.join(directory, "cur", f"{base}:2,{letters}"))

    def remove(self, folder: str, name: str) -> None:
        """A message that the person does not want any more."""
        os.unlink(self.path_of(folder, name))


def lose_caches(server: Server, address: str = BEN) -> None:
    """Remove all that can be made again from the mail of a server that is down."""
    tree = server.maildir(address)
    found = glob.glob(f"{tree}/**/mailnode-*.sqlite*", recursive=True, include_hidden=True)
    assert os.path.join(tree, "mailnode-index.sqlite") in found, found
    for path in found:
        os.unlink(path)


def deliver(server: Server, messages: list[Sample]) -> None:
    """Mail for BEN that comes from elsewhere."""
    with smtplib.SMTP(HOST, server.ports["smtp"]) as client:
        for message in messages:
            client.sendmail(ANNA, [BEN], message.octets, mail_options=["BODY=8BITMIME"])
