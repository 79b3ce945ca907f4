"""Who gets it: mailboxes, aliases, lists, subaddresses, catch-all, postmaster."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import Config, MailboxEntry, Mailboxes, MailingList
from mailnode.config_names import LEVELS
from mailnode.delivery.route import Local, NotHere, Route, Router, Unknown
from mailnode.wire.address import Address, parse_address

CONFIG = Config(hostname="mx.example", domains=("a.example", "b.example", "c.example", "empty.example"))
BOX = MailboxEntry("x")
MAILBOXES = Mailboxes(
    {"anna@a.example": BOX, "bob@a.example": BOX, "carl@b.example": BOX},
    {
        "info@a.example": ("anna@a.example",),
        "all@a.example": ("staff@a.example", "carl@b.example", "anna@a.example"),
        "staff@a.example": ("bob@a.example", "all@a.example", "info@a.example"),
        "anna+lists@a.example": ("bob@a.example",),
        "out@a.example": ("anna@a.example", "anna@elsewhere.example"),
        "deep@a.example": ("out@a.example",),
        "circle@a.example": ("round@a.example",),
        "round@a.example": ("circle@a.example",),
        "@c.example": ("anna@a.example",),
        "sales@c.example": ("team@a.example",),
        "both@a.example": ("anna@a.example", "team@a.example"),
    },
    {
        "team@a.example": MailingList(("anna@a.example", "more@a.example", "team@a.example"), "The team"),
        "more@a.example": MailingList(("info@a.example", "carl@b.example", "team@a.example")),
        "far@a.example": MailingList(("anna@a.example", "x@elsewhere.example")),
    },
)
ROUTES: dict[str, Route] = {
    "anna@a.example": Local(("anna@a.example",)),
    "ANNA@A.example": Local(("anna@a.example",)),
    "anna+tag@a.example": Local(("anna@a.example",)),
    "anna+tag+more@a.example": Local(("anna@a.example",)),
    "anna+lists@a.example": Local(("bob@a.example",)),
    "info+tag@a.example": Local(("anna@a.example",)),
    "+anna@a.example": Unknown(),
    "+@a.example": Unknown(),
    '""@a.example': Unknown(),
    '"anna@a.example"@b.example': Unknown(),
    "anna@b.example": Unknown(),
    "nobody@a.example": Unknown(),
    "info@a.example": Local(("anna@a.example",)),
    "all@a.example": Local(("bob@a.example", "anna@a.example", "carl@b.example")),
    "circle@a.example": Unknown(),
    "team@a.example": Local(("anna@a.example", "carl@b.example")),
    "Team+tag@a.example": Local(("anna@a.example", "carl@b.example")),
    "both@a.example": Local(("anna@a.example", "carl@b.example")),
    "far@a.example": NotHere(forwarded=True),
    "anybody@c.example": Local(("anna@a.example",)),
    "any+body@c.example": Local(("anna@a.example",)),
    '""@c.example': Local(("anna@a.example",)),
    "sales@c.example": Local(("anna@a.example", "carl@b.example")),
    "sales+tag@c.example": Local(("anna@a.example", "carl@b.example")),
    "anybody@sub.c.example": NotHere(forwarded=False),
    "out@a.example": NotHere(forwarded=True),
    "deep@a.example": NotHere(forwarded=True),
    "anna@elsewhere.example": NotHere(forwarded=False),
    "anna@sub.a.example": NotHere(forwarded=False),
    "anna@[192.0.2.1]": NotHere(forwarded=False),
    "anna@mx.example": NotHere(forwarded=False),
    "postmaster@elsewhere.example": NotHere(forwarded=False),
    "abuse@elsewhere.example": NotHere(forwarded=False),
    "abuse@mx.example": NotHere(forwarded=False),
    "abuse": NotHere(forwarded=False),
}


class Routes(SynchronousTestCase):
    """Router.resolve"""

    def route(self, text: str, config: Config = CONFIG, mailboxes: Mailboxes = MAILBOXES) -> Route:
        """The route of an address."""
        address = parse_address(text) if "@" in text else Address(text, "")
        return Router(Live(config, mailboxes)).resolve(address)

    def test_routes(self) -> None:
        """B5: names, aliases in circles, tags, and what is not ours."""
        for text, route in ROUTES.items():
            self.assertEqual(self.route(text), route, text)

    def test_no_subaddress(self) -> None:
        """Without a separator a tag is part of the name; with another one, that one counts."""
        self.assertEqual(self.route("anna+tag@a.example", replace(CONFIG, subaddress="")), Unknown())
        route = self.route("anna-tag@a.example", replace(CONFIG, subaddress="-"))
        self.assertEqual(route, Local(("anna@a.example",)))

    def test_postmaster(self) -> None:
        """RFC 5321 section 4.5.1: postmaster is always somebody."""
        for text in (
            "postmaster",
            "Postmaster@A.example",
            "postmaster@mx.example",
            "postmaster@empty.example",
        ):
            self.assertEqual(self.route(text), Local(("anna@a.example",), always=True), text)
        self.assertEqual(self.route("postmaster@b.example"), Local(("carl@b.example",), always=True))
        self.assertEqual(self.route("postmaster", CONFIG, Mailboxes()), Unknown())

    def test_postmaster_configured(self) -> None:
        """The configured postmaster, unless the domain has one of its own that is here."""
        config = replace(CONFIG, postmaster="bob@a.example")
        for text in ("postmaster", "postmaster@b.example"):
            self.assertEqual(self.route(text, config), Local(("bob@a.example",), always=True))
        aliases = {
            "postmaster@b.example": ("carl@b.example",),
            "postmaster@a.example": ("x@elsewhere.example",),
        }
        own = Mailboxes(MAILBOXES.mailboxes, aliases)
        self.assertEqual(
            self.route("postmaster@b.example", config, own), Local(("carl@b.example",), always=True)
        )
        self.assertEqual(
            self.route("postmaster@a.example", config, own), Local(("bob@a.example",), always=True)
        )

    def test_abuse(self) -> None:
        """RFC 2142 section 4: abuse is the postmaster of the domain, where nobody has that name."""
        self.assertEqual(self.route("Abuse@A.example"), Local(("anna@a.example",)))
        self.assertEqual(self.route("abuse@b.example"), Local(("carl@b.example",)))
        config = replace(CONFIG, postmaster="bob@a.example")
        self.assertEqual(self.route("abuse@b.example", config), Local(("bob@a.example",)))
        aliases = {"abuse@b.example": ("anna@a.example",), "postmaster@a.example": ("carl@b.example",)}
        own = Mailboxes(MAILBOXES.mailboxes, aliases)
        self.assertEqual(self.route("abuse@b.example", config, own), Local(("anna@a.example",)))
        self.assertEqual(self.route("abuse@a.example", config, own), Local(("carl@b.example",)))

    def test_catch_all_is_last(self) -> None:
        """Postmaster goes to the catch-all of a domain only where no postmaster is configured."""
        people = Mailboxes(MAILBOXES.mailboxes, {"@b.example": ("bob@a.example",)})
        self.assertEqual(self.route("postmaster@b.example", CONFIG, people).accounts, ("bob@a.example",))
        config = replace(CONFIG, postmaster="anna@a.example")
        self.assertEqual(self.route("postmaster@b.example", config, people).accounts, ("anna@a.example",))
        self.assertEqual(self.route("carl@b.example", config, people), Local(("carl@b.example",)))

    def test_depth(self) -> None:
        """B5: aliases are followed LEVELS deep; what is deeper is nobody, however long the chain."""
        aliases = {f"n{index}@a.example": (f"n{index + 1}@a.example",) * 3 for index in range(5000)}
        aliases["n5000@a.example"] = ("anna@a.example",)
        people = Mailboxes(MAILBOXES.mailboxes, aliases)
        found = [self.route(f"n{5001 - levels}@a.example", CONFIG, people) for levels in (LEVELS, LEVELS + 1)]
        self.assertEqual(found, [Local(("anna@a.example",)), Unknown()])
        self.assertEqual(self.route("n0@a.example", CONFIG, people), Unknown())


class Telling(SynchronousTestCase):
    """Router.verify and Router.expand (RFC 5321 section 3.5)"""

    def setUp(self) -> None:
        named = {"anna@a.example": MailboxEntry("x", "Anna A."), "bob@a.example": BOX, "carl@b.example": BOX}
        self.router = Router(Live(CONFIG, Mailboxes(named, MAILBOXES.aliases, MAILBOXES.lists)))

    def test_verify(self) -> None:
        """VRFY names mailboxes with their people, and a list as itself."""
        for text, people in (
            ("Anna+tag@a.example", (("Anna A.", "anna@a.example"),)),
            (
                "staff@a.example",
                (("", "bob@a.example"), ("", "carl@b.example"), ("Anna A.", "anna@a.example")),
            ),
            ("team@a.example", (("The team", "team@a.example"),)),
            ("anybody@c.example", (("Anna A.", "anna@a.example"),)),
            ("postmaster@b.example", (("", "carl@b.example"),)),
            ("nobody@a.example", ()),
            ("anna@elsewhere.example", ()),
            ("out@a.example", ()),
        ):
            self.assertEqual(self.router.verify(parse_address(text)), people, text)

    def test_expand(self) -> None:
        """EXPN names what stands in an alias or list, one level, and tells nothing of others."""
        for text, people in (
            ("info@a.example", (("Anna A.", "anna@a.example"),)),
            (
                "TEAM@a.example",
                (("Anna A.", "anna@a.example"), ("", "more@a.example"), ("The team", "team@a.example")),
            ),
            ("out@a.example", (("Anna A.", "anna@a.example"), ("", "anna@elsewhere.example"))),
            ("anna@a.example", ()),
            ("nobody@a.example", ()),
            ("anna@elsewhere.example", ()),
        ):
            self.assertEqual(self.router.expand(parse_address(text)), people, text)
