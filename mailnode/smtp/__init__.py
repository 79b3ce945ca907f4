"""SMTP and submission sessions (RFC 5321, RFC 6409)."""
