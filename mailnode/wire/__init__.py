"""Bytes to values and back: the grammars of the protocols. No I/O, no Twisted, no clock."""
