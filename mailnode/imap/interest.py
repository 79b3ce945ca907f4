"""What a client wants to hear of the selected mailbox (RFC 5465 section 6.1); without NOTIFY, everything."""

from typing import Any

from mailnode.values import frozen


@frozen
class Interest:
    """Message events: new messages and expunges always go together, and other flags only with them.

    `items` are told of every new message. What is `delayed` are expunges, until a command allows them.
    """

    messages: bool = True
    flags: bool = True
    delayed: bool = False
    items: tuple[Any, ...] = ()


EVERYTHING = Interest()
NOTHING = Interest(messages=False, flags=False)
