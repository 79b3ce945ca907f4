"""All rows, by what they are about."""

from bench.row import Group
from bench.rows import calm, idle, imap, mixed, pop3, relay, service, smtp, tls

GROUPS: tuple[Group, ...] = (
    smtp.SMTP,
    smtp.ALONE,
    smtp.LMTP,
    relay.RELAY,
    tls.SUBMISSION,
    tls.HANDSHAKES,
    pop3.RATE,
    pop3.MAILDROP,
    imap.RATE,
    imap.MAILBOX,
    mixed.MIXED,
    idle.FEW,
    idle.MANY,
    calm.CALM,
    calm.LORISES,
    service.START,
)
