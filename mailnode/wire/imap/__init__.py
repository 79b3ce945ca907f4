"""The grammar of IMAP (RFC 3501 section 9): commands in, responses out."""
