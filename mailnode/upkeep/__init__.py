"""What the server does for itself when nobody waits for it."""
