"""A report on TLS as the octets of a message (RFC 8460 section 5.3)."""

import binascii
from datetime import UTC, date, datetime, time, timedelta

from mailnode.message import trace
from mailnode.values import frozen
from mailnode.wire.address import Address

MEDIA_TYPE = "application/tlsrpt+gzip"
_BASE64_LINE = 57  # octets that make a line of 76 characters

_WORDS = """\
This is a report on how well connections to the mail servers of
{domain}
were encrypted on {day:%Y-%m-%d} (UTC), as seen from {submitter}.
Your domain asks for such reports in the DNS, at
_smtp._tls.{domain}
The attachment is JSON (RFC 8460), compressed with gzip.
"""


@frozen
class Mail:
    """A report to a domain on a day, compressed, and who made it when, in seconds since the epoch."""

    domain: str
    submitter: str
    contact: str
    id: str
    day: date
    seconds: float
    content: bytes

    @property
    def file_name(self) -> str:
        """As section 5.1 builds it."""
        start = datetime.combine(self.day, time(), UTC)
        end = start + timedelta(days=1, seconds=-1)
        times = f"{int(start.timestamp())}!{int(end.timestamp())}"
        return f"{self.submitter}!{self.domain}!{times}.json.gz"


def compose(mail: Mail, to: Address, name: str) -> bytes:
    """The message in wire form; `name` is its own, which makes Message-ID and boundary."""
    boundary = f"tls-report-{name}"
    words = _WORDS.format(domain=mail.domain, day=mail.day, submitter=mail.submitter)
    text = _part(("Content-Type", "text/plain; charset=us-ascii")) + words.replace("\n", "\r\n").encode(
        "ascii"
    )
    attached = _part(
        ("Content-Type", MEDIA_TYPE),
        ("Content-Transfer-Encoding", "base64"),
        ("Content-Disposition", "attachment;", f'filename="{mail.file_name}"'),
    )
    parts = (text, attached + _base64(mail.content))
    content = b"".join(b"--%s\r\n%s" % (boundary.encode(), part) for part in parts)
    return _header(mail, to, name, boundary) + b"\r\n" + content + b"--%s--\r\n" % boundary.encode()


def _header(mail: Mail, to: Address, name: str, boundary: str) -> bytes:
    fields = (
        ("From", f"TLS reports <{mail.contact}>"),
        ("To", f"<{to}>"),
        (
            "Subject",
            f"Report Domain: {mail.domain}",
            f"Submitter: {mail.submitter}",
            f"Report-ID: <{mail.id}>",
        ),
        ("Date", trace.date_time(mail.seconds)),
        ("Message-ID", f"<{int(mail.seconds)}.{name}@{mail.submitter}>"),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834 section 5
        ("TLS-Report-Domain", mail.domain),
        ("TLS-Report-Submitter", mail.submitter),
        ("TLS-Required", "No"),  # RFC 8689 section 3: nobody on the way is to insist on TLS
        ("MIME-Version", "1.0"),
        ("Content-Type", 'multipart/report; report-type="tlsrpt";', f'boundary="{boundary}"'),
    )
    return b"".join(trace.field(*one) for one in fields)


def _part(*fields: tuple[str, ...]) -> bytes:
    return b"".join(trace.field(*one) for one in fields) + b"\r\n"


def _base64(content: bytes) -> bytes:
    starts = range(0, len(content), _BASE64_LINE)
    lines = (binascii.b2a_base64(content[at : at + _BASE64_LINE], newline=False) for at in starts)
    return b"".join(line + b"\r\n" for line in lines)
