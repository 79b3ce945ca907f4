"""What IMAP says to people, in the languages there are (RFC 5255 section 3)."""
