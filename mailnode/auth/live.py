"""The configuration of this moment; a reload swaps it as a whole."""

from dataclasses import dataclass

from mailnode.config import Config, Mailboxes
from mailnode.wire.srs import Srs


@dataclass(slots=True)
class Live:
    """What sessions read anew for each command, so that a reload reaches them at once.

    `srs` makes reverse-paths of ours for mail of others that goes on; without it they stay as they are.
    """

    config: Config
    mailboxes: Mailboxes
    srs: Srs | None = None
