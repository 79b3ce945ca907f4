"""Room to work in."""

import os
import tempfile

SHARED_MEMORY = "/dev/shm"


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A directory that is gone afterwards, in memory if there is such a place."""
    shared = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="mailnode-test-", dir=shared)
