"""How a command can end other than well, and the replies that more than one command gives."""

from mailnode.wire.smtp import Reply

OK = Reply(250, "2.0.0", "Ok")
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
IN_TRANSACTION = Reply(503, "5.5.1", "A mail transaction is open; send RSET to drop it")
NO_TRANSACTION = Reply(503, "5.5.1", "Send MAIL first")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Unknown parameter")
NO_SUCH_MAILBOX = Reply(550, "5.1.1", "No such mailbox here")
NO_ROOM = Reply(452, "4.3.1", "Not enough room; try again later")
TEMPORARY = Reply(451, "4.3.0", "Temporary failure; try again later")
OUT_OF_STEP = Reply(554, "5.5.0", "SMTP protocol synchronization: wait for the reply")


class Refused(Exception):
    """The command is answered with this 4yz or 5yz reply, and had no effect."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Farewell(Exception):
    """This reply is the last; the connection is closed after it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply
