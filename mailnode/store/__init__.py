"""The Maildir store: synchronous Python that knows UIDs, flags and folders, but no command."""
