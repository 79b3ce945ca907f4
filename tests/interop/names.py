"""A small DNS server of ours, for mail servers in networks that have no other one."""

import socket
from collections.abc import Mapping, Sequence
from threading import Thread

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 300
LARGEST = 65535

Records = Mapping[tuple[str, str], Sequence[str]]


class NameServer(Thread):
    """Answers over UDP from `records`, by name and kind, with records written as in a zone file."""

    def __init__(self, address: str, records: Records, port: int = 53) -> None:
        super().__init__(daemon=True)
        self._records = {(dns.name.from_text(name), kind): lines for (name, kind), lines in records.items()}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.port: int = self._socket.getsockname()[1]
        self.start()

    def run(self) -> None:
        """Answer, for as long as the process lives."""
        while True:
            asked, peer = self._socket.recvfrom(LARGEST)
            self._socket.sendto(self._answer(dns.message.from_wire(asked)).to_wire(), peer)

    def _answer(self, asked: dns.message.Message) -> dns.message.Message:
        (question,) = asked.question
        answer = dns.message.make_response(asked, recursion_available=True)
        answer.flags |= dns.flags.AA
        lines = self._records.get((question.name, dns.rdatatype.to_text(question.rdtype)))
        if lines is not None:
            answer.answer.append(dns.rrset.from_text_list(question.name, TTL, "IN", question.rdtype, lines))
        elif all(name != question.name for name, _ in self._records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
