"""IMAP sessions (RFC 3501)."""
