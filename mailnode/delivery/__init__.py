"""Who gets a message, and how it is carried there."""
