"""One IMAP command each: its grammar and what it does."""
