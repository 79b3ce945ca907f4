"""What can be wrong with another host."""

from enum import Enum


class Habit(Enum):
    """What is wrong with a host."""

    # Which stop nothing.
    OLD = "knows HELO only"
    NO_PIPELINING = "announces no PIPELINING"
    SEVEN_BIT = "announces no 8BITMIME"
    FEW_RECIPIENTS = "takes few recipients at a time"
    STAYS = "does not close after QUIT"
    SLOW = "thinks for long before each reply"
    TIRES = "leaves soon after a message"
    NO_TLS = "offers STARTTLS and then has none"
    # After which the message is to be sent again.
    BUSY = "421 for a greeting"
    HANGS = "says nothing at all"
    PUTS_OFF_ONE = "450 to a recipient"
    PUTS_OFF_ALL = "451 to the content"
    LEAVES = "421 somewhere"
    LATE_GO_AHEAD = "250 to DATA, and the 354 later"
    EARLY_YES = "says yes before the content has ended"
    DROPS_TAKEN = "takes the message and drops the connection without a word"
    DROPS_UNTAKEN = "drops the connection behind the content"
    ENDLESS = "a reply that does not end"
    GARBAGE = "a reply that is none"
    TWO_CODES = "a reply of lines with different codes"
    WRONG_CODE = "a reply with a code that makes no sense"
    STALLS = "does not read the content"
    INJECTS = "speaks in clear behind its yes to STARTTLS"
    # After which it is not.
    CLOSED = "554 for a greeting"
    REFUSES_ONE = "550 to a recipient"
    REFUSES_ALL = "554 to the content"
    TOO_SMALL = "takes only small messages"


HARMLESS = (
    Habit.OLD,
    Habit.NO_PIPELINING,
    Habit.SEVEN_BIT,
    Habit.FEW_RECIPIENTS,
    Habit.STAYS,
    Habit.SLOW,
    Habit.TIRES,
    Habit.NO_TLS,
)
FOR_GOOD = (Habit.CLOSED, Habit.REFUSES_ONE, Habit.REFUSES_ALL, Habit.TOO_SMALL)
TEMPORARY = tuple(habit for habit in Habit if habit not in (*HARMLESS, *FOR_GOOD))

STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")
GARBAGE = (b"abc\r\n", b"\x00\xff\r\n", b"25\r\n", b"2500 x\r\n", b"\r\n")
SPOILT = (Habit.ENDLESS, Habit.GARBAGE, Habit.TWO_CODES, Habit.WRONG_CODE, Habit.LEAVES)
