"""The only Twisted transport code: streams, TLS, listeners, limits and threads."""
