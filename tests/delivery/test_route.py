"""Who gets it: mailboxes, aliases, lists, subaddresses, catch-all, postmaster."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import Config, MailboxEntry, Mailboxes
from mailnode.config_lists import MailingList
from mailnode.config_names import LEVELS
from mailnode.delivery.route import NOBODY, Route, Router
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


def foreign(text: str) -> Route:
    """That of an address on another host."""
    address = parse_address(text) if "@" in text else Address(text, "")
    return Route(elsewhere=(address,), ours=False)


ROUTES: dict[str, Route] = {
    "anna@a.example": Route(("anna@a.example",)),
    "ANNA@A.example": Route(("anna@a.example",)),
    "anna+tag@a.example": Route(("anna@a.example",)),
    "anna+tag+more@a.example": Route(("anna@a.example",)),
    "anna+lists@a.example": Route(("bob@a.example",)),
    "info+tag@a.example": Route(("anna@a.example",)),
    "+anna@a.example": NOBODY,
    "+@a.example": NOBODY,
    '""@a.example': NOBODY,
    '"anna@a.example"@b.example': NOBODY,
    "anna@b.example": NOBODY,
    "nobody@a.example": NOBODY,
    "info@a.example": Route(("anna@a.example",)),
    "all@a.example": Route(("bob@a.example", "anna@a.example", "carl@b.example")),
    "circle@a.example": NOBODY,
    "team@a.example": Route(lists=("team@a.example",)),
    "Team+tag@a.example": Route(lists=("team@a.example",)),
    "both@a.example": Route(("anna@a.example",), lists=("team@a.example",)),
    "far@a.example": Route(lists=("far@a.example",)),
    "anybody@c.example": Route(("anna@a.example",)),
    "any+body@c.example": Route(("anna@a.example",)),
    '""@c.example': Route(("anna@a.example",)),
    "sales@c.example": Route(lists=("team@a.example",)),
    "sales+tag@c.example": Route(lists=("team@a.example",)),
    "anybody@sub.c.example": foreign("anybody@sub.c.example"),
    "out@a.example": Route(("anna@a.example",), (Address("anna", "elsewhere.example"),)),
    "deep@a.example": Route(("anna@a.example",), (Address("anna", "elsewhere.example"),)),
    "anna@elsewhere.example": foreign("anna@elsewhere.example"),
    "anna@sub.a.example": foreign("anna@sub.a.example"),
    "anna@[192.0.2.1]": foreign("anna@[192.0.2.1]"),
    "anna@mx.example": foreign("anna@mx.example"),
    "postmaster@elsewhere.example": foreign("postmaster@elsewhere.example"),
    "abuse@elsewhere.example": foreign("abuse@elsewhere.example"),
    "abuse@mx.example": foreign("abuse@mx.example"),
    "abuse": foreign("abuse"),
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

    def test_members(self) -> None:
        """A list leads to its members, and to those of the lists in it, each once."""
        router = Router(Live(CONFIG, MAILBOXES))
        for name, route in (
            ("team@a.example", Route(("anna@a.example", "carl@b.example"))),
            ("far@a.example", Route(("anna@a.example",), (Address("x", "elsewhere.example"),))),
        ):
            self.assertEqual(router.members(name), route)
            self.assertEqual(router.everybody(parse_address(name)), route)
        everybody = router.everybody(parse_address("both@a.example"))
        self.assertEqual(everybody, Route(("anna@a.example", "carl@b.example")))

    def test_role_lists(self) -> None:
        """What postmaster leads to is a list like any alias: nothing may come between."""
        lists = {"postmaster@a.example": MailingList(("bob@a.example", "x@elsewhere.example"))}
        own = Mailboxes(MAILBOXES.mailboxes, {}, lists)
        there = (Address("x", "elsewhere.example"),)
        self.assertEqual(
            self.route("postmaster@a.example", CONFIG, own), Route(("bob@a.example",), there, always=True)
        )

    def test_no_subaddress(self) -> None:
        """Without a separator a tag is part of the name; with another one, that one counts."""
        self.assertEqual(self.route("anna+tag@a.example", replace(CONFIG, subaddress="")), NOBODY)
        route = self.route("anna-tag@a.example", replace(CONFIG, subaddress="-"))
        self.assertEqual(route, Route(("anna@a.example",)))

    def test_postmaster(self) -> None:
        """RFC 5321 section 4.5.1: postmaster is always somebody."""
        for text in (
            "postmaster",
            "Postmaster@A.example",
            "postmaster@mx.example",
            "postmaster@empty.example",
        ):
            self.assertEqual(self.route(text), Route(("anna@a.example",), always=True), text)
        self.assertEqual(self.route("postmaster@b.example"), Route(("carl@b.example",), always=True))
        self.assertEqual(self.route("postmaster", CONFIG, Mailboxes()), NOBODY)

    def test_postmaster_configured(self) -> None:
        """The configured postmaster, unless the domain has one of its own, here or elsewhere."""
        config = replace(CONFIG, postmaster="bob@a.example")
        for text in ("postmaster", "postmaster@b.example"):
            self.assertEqual(self.route(text, config), Route(("bob@a.example",), always=True))
        aliases = {
            "postmaster@b.example": ("carl@b.example",),
            "postmaster@a.example": ("x@elsewhere.example",),
        }
        own = Mailboxes(MAILBOXES.mailboxes, aliases)
        self.assertEqual(
            self.route("postmaster@b.example", config, own), Route(("carl@b.example",), always=True)
        )
        there = (Address("x", "elsewhere.example"),)
        self.assertEqual(self.route("postmaster@a.example", config, own), Route(elsewhere=there, always=True))

    def test_abuse(self) -> None:
        """RFC 2142 section 4: abuse is the postmaster of the domain, where nobody has that name."""
        self.assertEqual(self.route("Abuse@A.example"), Route(("anna@a.example",)))
        self.assertEqual(self.route("abuse@b.example"), Route(("carl@b.example",)))
        config = replace(CONFIG, postmaster="bob@a.example")
        self.assertEqual(self.route("abuse@b.example", config), Route(("bob@a.example",)))
        aliases = {"abuse@b.example": ("anna@a.example",), "postmaster@a.example": ("carl@b.example",)}
        own = Mailboxes(MAILBOXES.mailboxes, aliases)
        self.assertEqual(self.route("abuse@b.example", config, own), Route(("anna@a.example",)))
        self.assertEqual(self.route("abuse@a.example", config, own), Route(("carl@b.example",)))

    def test_catch_all_is_last(self) -> None:
        """Postmaster goes to the catch-all of a domain only where no postmaster is configured."""
        people = Mailboxes(MAILBOXES.mailboxes, {"@b.example": ("bob@a.example",)})
        self.assertEqual(self.route("postmaster@b.example", CONFIG, people).accounts, ("bob@a.example",))
        config = replace(CONFIG, postmaster="anna@a.example")
        self.assertEqual(self.route("postmaster@b.example", config, people).accounts, ("anna@a.example",))
        self.assertEqual(self.route("carl@b.example", config, people), Route(("carl@b.example",)))

    def test_depth(self) -> None:
        """B5: aliases are followed LEVELS deep; what is deeper is nobody, however long the chain."""
        aliases = {f"n{index}@a.example": (f"n{index + 1}@a.example",) * 3 for index in range(5000)}
        aliases["n5000@a.example"] = ("anna@a.example",)
        people = Mailboxes(MAILBOXES.mailboxes, aliases)
        found = [self.route(f"n{5001 - levels}@a.example", CONFIG, people) for levels in (LEVELS, LEVELS + 1)]
        self.assertEqual(found, [Route(("anna@a.example",)), NOBODY])
        self.assertEqual(self.route("n0@a.example", CONFIG, people), NOBODY)


NAMES = [f"n{number}@a.example" for number in range(6)]
LEAVES = ["anna@a.example", "bob@a.example", "x@elsewhere.example", "y@third.example"]
graphs = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.booleans(), st.lists(st.sampled_from(NAMES + LEAVES), min_size=1, max_size=4)),
    min_size=1,
)


class AnyNames(SynchronousTestCase):
    """Router.resolve, with any aliases and lists."""

    @settings(derandomize=True, database=None, deadline=None)
    @given(graphs)
    def test_everybody_is_reached_once(self, graph: dict[str, tuple[bool, list[str]]]) -> None:
        """B5: whoever can be reached is in the route once, here or elsewhere, and nobody else is."""
        lists = {
            name: MailingList(tuple(to), owner="bob@a.example")
            for name, (listed, to) in graph.items()
            if listed
        }
        aliases = {name: tuple(to) for name, (listed, to) in graph.items() if not listed}
        people = Mailboxes({"anna@a.example": BOX, "bob@a.example": BOX}, aliases, lists)
        for name, (is_list, _) in graph.items():
            reached, waiting = set[str](), [name]
            while waiting:
                one = waiting.pop()
                if one not in reached:
                    reached.add(one)
                    waiting += graph.get(one, (False, []))[1]
            router = Router(Live(CONFIG, people))
            route = router.everybody(parse_address(name))
            found = [*route.accounts, *map(str, route.elsewhere)]
            self.assertCountEqual(found, reached.intersection(LEAVES))
            self.assertEqual((route.lists, route.ours), ((), True))
            if is_list:
                self.assertEqual(router.resolve(parse_address(name)), Route(lists=(name,)))
                self.assertEqual(router.members(name), route)


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
            ("out@a.example", (("Anna A.", "anna@a.example"), ("", "anna@elsewhere.example"))),
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
