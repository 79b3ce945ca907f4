"""mailnode: SMTP, POP3 and IMAP over one Maildir store, run by twistd."""

__version__ = "0.1.0"
