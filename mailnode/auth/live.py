"""The configuration of this moment; a reload swaps it as a whole."""

from dataclasses import dataclass

from mailnode.config import Config, Mailboxes


@dataclass(slots=True)
class Live:
    """What sessions read anew for each command, so that a reload reaches them at once."""

    config: Config
    mailboxes: Mailboxes
