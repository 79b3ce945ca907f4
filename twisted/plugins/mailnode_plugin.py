"""Tells twistd where mailnode is."""

from twisted.application.service import ServiceMaker

mailnode = ServiceMaker(
    "mailnode",
    "mailnode.service",
    "A mail server for a small office: SMTP, POP3 and IMAP over one Maildir store.",
    "mailnode",
)
