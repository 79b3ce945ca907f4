"""English."""

from mailnode.delivery.words.shape import Case, Kind, Words
from mailnode.queue.entry import Fate

ENGLISH = Words(
    tag="en",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    first_day="1",
    date="{day} {month} {year} at {time} UTC",
    subjects={
        Fate.FAILED: "Your message could not be delivered",
        Fate.WAITING: "Your message is delayed",
        Fate.DELIVERED: "Your message was delivered",
        Fate.EXPANDED: "Your message was delivered to all members",
        Fate.RELAYED: "Your message was sent on",
    },
    opening="This is the mail server {host}. You sent a message that came here on {date}.",
    about="Its subject: {subject}",
    headings={
        Fate.FAILED: "It could not be delivered to:",
        Fate.WAITING: "It has not been delivered yet, and will be tried again, to:",
        Fate.DELIVERED: "It is in the mailbox of:",
        Fate.EXPANDED: "It was delivered to all members of:",
        Fate.RELAYED: "It was sent on to a server that will not report what becomes of it, for:",
    },
    said="The other server said: {reply}",
    said_by="The server {host} said: {reply}",
    details="Technical details: {reason}",
    to_do="What you can do:",
    goes_on="You need not do anything: it will be tried until {date}. If it is urgent, reach the "
    "person in another way.",
    given_up="The message will not be tried again.",
    ask="If that does not help, ask {postmaster}, and send the whole of this report along.",
    cases={
        Kind.NO_MAILBOX: Case(
            "There is no mailbox of that name.",
            "Check the address for typing mistakes. If it looks right, ask the person in another way whether "
            "it has changed.",
        ),
        Kind.NO_DOMAIN: Case(
            "The domain, which is the part behind the @, does not exist, or has no mail server that can be "
            "found.",
            "Check how the part behind the @ is spelled. If it is right, ask the person for another address.",
        ),
        Kind.TAKES_NO_MAIL: Case(
            "The domain, which is the part behind the @, takes no mail at all.",
            "Check the part behind the @, or ask the person for another address.",
        ),
        Kind.BAD_ADDRESS: Case(
            "The address is not written as mail addresses are.",
            "Type the address anew: when it is copied, something that does not belong to it often comes "
            "along.",
        ),
        Kind.CLOSED: Case(
            "The mailbox is there, but takes no mail at present.",
            "Reach the person in another way, and ask for another address.",
        ),
        Kind.FULL: Case(
            "The mailbox is full.",
            "Let the person know in another way. When there is room again, send the message once more.",
        ),
        Kind.TOO_LARGE: Case(
            "The message is too large for the mailbox, or for the server.",
            "Make the attachments smaller, send them in several messages, or send a link to the files "
            "instead.",
        ),
        Kind.TOO_MANY: Case(
            "The message has more recipients than the server takes.",
            "Send it to fewer people at a time.",
        ),
        Kind.UNFIT: Case(
            "The message, or an address in it, has a form that the server cannot take.",
            "Send it as plain text, with ordinary attachments, and use addresses of unaccented letters only.",
        ),
        Kind.REFUSED: Case(
            "The rules of the server do not let the message in.",
            "Read what the server said: it often names the reason, or a page that explains it. Reach the "
            "person in another way meanwhile.",
        ),
        Kind.DOUBTED: Case(
            "The server does not believe that the message comes from you (SPF, DKIM or DMARC).",
            "Hand this report to whoever looks after your mail domain: it has to be put right there.",
        ),
        Kind.NOT_SAFE: Case(
            "There is no connection to the server that is encrypted as well as it has to be (TLS).",
            "If you asked for encryption and can do without it, send the message again without. Otherwise "
            "the people who run the other server have to act: reach the person in another way.",
        ),
        Kind.LOOP: Case(
            "The message would go round in circles: the servers lead it back to where it came from.",
            "Tell the person that a forwarding, or an entry in the DNS, is wrong there.",
        ),
        Kind.TOO_OLD: Case(
            "It was tried again and again for {days} days, in vain.",
            "The other server may be out of order for long. Reach the person in another way, or send the "
            "message again later.",
        ),
        Kind.TOO_LATE: Case(
            "The time in which you wanted it to be delivered is over.",
            "If it is still of use, send it again, with more time or without a limit.",
        ),
        Kind.UNREACHABLE: Case(
            "The other mail server does not answer, or the connection to it breaks off.",
            "Send the message again tomorrow. If it is urgent, reach the person in another way.",
        ),
        Kind.DNS_SILENT: Case(
            "Nobody can say at present where mail for this domain goes: the DNS gives no answer.",
            "That mostly passes by itself. Send the message again in a few hours.",
        ),
        Kind.BUSY: Case(
            "The server has too much to do at present, or is being worked at.",
            "Send the message again in a few hours.",
        ),
        Kind.TROUBLE: Case(
            "A mail server has a fault of its own; it is not about your message.",
            "Send the message again later. If the same happens again, let the postmaster know.",
        ),
        Kind.NOT_NOW: Case(
            "The server did not take the message at that time.",
            "Send the message again later.",
        ),
        Kind.NEVER: Case(
            "The message cannot be delivered to this address.",
            "Check the address, and read what the server said.",
        ),
    },
)
