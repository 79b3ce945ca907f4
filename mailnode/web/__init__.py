"""The HTTP side: what mail clients ask to set themselves up, and what says how the server is."""
