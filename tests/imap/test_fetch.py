"""FETCH of odd messages and odd sections: what is answered is always grammatical, and true.

Each row names the attack (I and C) or the rule of IMAP (T) that it is for.
"""

import os
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.commands import fetch
from mailnode.imap.fetch_items import ATTRIBUTES, MACROS
from mailnode.message.wire_form import to_wire
from mailnode.store.delivery import deliver
from mailnode.wire.imap.cursor import Cursor
from tests.imap.world import Client, World
from tests.message import corpus, strategies
from tests.scratch import room_of

_ITEM = re.compile(rb"BODY\[[^\]\r\n{]*\](?:<\d+>)?|[A-Z0-9.]+")
_QUOTED = re.compile(rb'"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])*"')
_ATOM = re.compile(rb"[^\x00-\x20(){\"\x7f-\xff]+")
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")

PLAIN = b"Subject: hi\r\nX-Odd: 1\r\n\r\none\r\ntwo\r\n"
NESTED = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntwo\r\n--b--\r\n"
)
EIGHT_BIT = (
    b'Subject: gr\xc3\xbc\xdf\r\nFrom: "\xe4" <\xf6@x>\r\nTo: a\x00b@x\r\nB\xc4d: x\r\n\r\n\xff\x00\r\n'
)


def value_at(text: bytes, at: int) -> tuple[bytes, int]:
    """The octets of one value as they were sent, of a literal what is in it, and where it ends."""
    literal = _LITERAL.match(text, at)
    if literal:
        end = literal.end() + int(literal[1])
        assert end <= len(text) and b"\0" not in text[literal.end() : end]
        return text[literal.end() : end], end
    if text[at : at + 1] == b"(":
        start, at = at, at + 1
        while text[at : at + 1] != b")":
            _, at = value_at(text, at)
            at += text[at : at + 1] == b" "
        return text[start : at + 1], at + 1
    found = _QUOTED.match(text, at) or _ATOM.match(text, at)
    assert found, text[at : at + 60]
    return found[0], found.end()


def responses(text: bytes, tag: bytes = b"f") -> tuple[list[dict[bytes, bytes]], bytes]:
    """All FETCH responses, read to the octet, and the tagged line."""
    found: list[dict[bytes, bytes]] = []
    at = 0
    while (head := re.compile(rb"\* \d+ FETCH \(").match(text, at)) is not None:
        at = head.end()
        items: dict[bytes, bytes] = {}
        while True:
            name = _ITEM.match(text, at)
            assert name and text[name.end() : name.end() + 1] == b" ", text[at : at + 60]
            items[name[0]], at = value_at(text, name.end() + 1)
            if text[at : at + 1] == b")":
                break
            assert text[at : at + 1] == b" ", text[at : at + 60]
            at += 1
        assert text[at : at + 3] == b")\r\n"
        at += 3
        found.append(items)
    rest = text[at:]
    assert rest.startswith(tag + b" ") and rest.index(b"\r\n") == len(rest) - 2, rest
    return found, rest


class FetchCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(room_of(self))
        self.addCleanup(self.world.close)
        self.me: Client = self.world.client().login()
        self.me.say("e ENABLE CONDSTORE UTF8=ACCEPT")  # all items, and headers as they are

    def put(self, message: bytes) -> None:
        """Deliver a message, as that may be what APPEND refuses, and have it seen."""
        store = self.world.account().store
        draft = store.draft()
        draft.write(message)
        deliver(draft, [store], self.world.files)
        self.me.say("n NOOP")

    def fetch(self, items: str | bytes, messages: str = "*") -> list[dict[bytes, bytes]]:
        """The items of messages; the command must end in OK."""
        items = items if isinstance(items, bytes) else items.encode()
        found, end = responses(self.me.say(b"f FETCH %s (%s)" % (messages.encode(), items)))
        self.assertTrue(end.startswith(b"f OK"), end)
        return found

    def one(self, items: str | bytes) -> dict[bytes, bytes]:
        """The items of the last message."""
        (found,) = self.fetch(items)
        return found


class SectionTests(FetchCase):
    """Sections that are there, and that are not."""

    # Vector, message, section as it is asked for, and what is answered; None: the command is refused.
    TABLE: tuple[tuple[str, bytes, bytes, bytes | None], ...] = (
        ("I11", PLAIN, b"[" + b".".join([b"1"] * 100) + b"]", b"NIL"),
        ("I11", PLAIN, b"[4294967295]", b"NIL"),
        ("I11", PLAIN, b"[4294967296]", None),
        ("I11", PLAIN, b"[0]", None),
        ("I11", PLAIN, b"[01]", None),
        ("I11", PLAIN, b"[1.0]", None),
        ("I11", PLAIN, b"[1.]", None),
        ("I11", PLAIN, b"[.1]", None),
        ("I11", PLAIN, b"[-1]", None),
        ("I11", PLAIN, b"[]<4294967295.4294967295>", b""),
        ("I11", PLAIN, b"[]<4294967296.1>", None),
        ("I11", PLAIN, b"[]<5.0>", None),
        ("I11", PLAIN, b"[]<.5>", None),
        ("I11", PLAIN, b"[]<5>", None),
        ("I11", PLAIN, b"[]<0.4294967295>", PLAIN),
        ("T partial", PLAIN, b"[]<0.3>", b"Sub"),
        ("T partial", PLAIN, b"[TEXT]<4.100>", b"\ntwo\r\n"),
        ("T partial", PLAIN, b"[TEXT]<10.1>", b""),
        ("T partial", PLAIN, b"[2]<0.1>", b"NIL"),
        ("T partial", PLAIN, b"[HEADER.FIELDS (X-ODD)]<2.4>", b"Odd:"),
        ("T BODY[1]", PLAIN, b"[1]", b"one\r\ntwo\r\n"),
        ("T BODY[1]", PLAIN, b"[1.1]", b"NIL"),
        ("T BODY[1]", PLAIN, b"[1.MIME]", b"Subject: hi\r\nX-Odd: 1\r\n\r\n"),
        ("T BODY[1]", PLAIN, b"[1.HEADER]", b"NIL"),
        ("T BODY[1]", PLAIN, b"[1.TEXT]", b"NIL"),
        ("T BODY[1]", PLAIN, b"[2.MIME]", b"NIL"),
        ("T BODY[1]", NESTED, b"[2.1]", b"two"),
        ("T BODY[1]", NESTED, b"[2.1.MIME]", b"Subject: in\r\n\r\n"),
        ("T BODY[1]", NESTED, b"[2.TEXT]", b"two"),
        ("T BODY[1]", NESTED, b"[2.2]", b"NIL"),
        ("T BODY[1]", NESTED, b"[3]", b"NIL"),
        ("T BODY[1]", NESTED, b"[1.HEADER]", b"NIL"),
        ("T MIME", PLAIN, b"[MIME]", None),
        ("T MIME", NESTED, b"[2.MIME]", b"Content-Type: message/rfc822\r\n\r\n"),
        ("T MIME", PLAIN, b"[TEXT.1]", None),
        ("T MIME", PLAIN, b"[HEADER.1]", None),
        ("T HEADER.FIELDS", PLAIN, b"[HEADER.FIELDS ()]", None),
        ("T HEADER.FIELDS", PLAIN, b"[HEADER.FIELDS]", None),
        ("T HEADER.FIELDS", PLAIN, b"[HEADER.FIELDS(Subject)]", None),
        ("T HEADER.FIELDS", PLAIN, b"[HEADER.FIELDS (Subject) ]", None),
        ("T HEADER.FIELDS", PLAIN, b"[HEADER.FIELDS (x-odd X-ODD nothing)]", b"X-Odd: 1\r\n\r\n"),
        ("T HEADER.FIELDS", PLAIN, b'[HEADER.FIELDS ("" "X Odd" "X-Odd:" NIL)]', b"\r\n"),
        ("T HEADER.FIELDS", PLAIN, b'[HEADER.FIELDS (".*" "|" "^" X-Odd?)]', b"\r\n"),
        ("T HEADER.FIELDS", PLAIN, b"[HEADER.FIELDS.NOT (subject)]", b"X-Odd: 1\r\n\r\n"),
        ("T HEADER.FIELDS", NESTED, b"[2.HEADER.FIELDS (subject)]", b"Subject: in\r\n\r\n"),
        ("T HEADER.FIELDS", NESTED, b"[1.HEADER.FIELDS (subject)]", b"NIL"),
        ("C17", b"", b"[]", b""),
        ("C17", b"", b"[1]", b""),
        ("C17", b"", b"[HEADER]", b""),
        ("C17", b"a: b", b"[HEADER]", b"a: b"),
        ("C17", b"a: b", b"[TEXT]", b""),
        ("C17", b"a: b\r\n", b"[HEADER.FIELDS (a)]", b"a: b\r\n"),
        ("C17", b"\r\nbody", b"[HEADER]", b"\r\n"),
        ("C17", b"\r\nbody", b"[1.MIME]", b"\r\n"),
        ("C17", b"no header at all\r\n", b"[HEADER]", b"no header at all\r\n"),
        ("C17", b"From x Mon\r\na: b\r\n\r\n", b"[HEADER.FIELDS (from)]", b"\r\n"),
        ("C17", EIGHT_BIT, b"[HEADER.FIELDS (subject)]", b"Subject: gr\xc3\xbc\xdf\r\n\r\n"),
        ("C17", EIGHT_BIT, b"[TEXT]", b"\xff\x80\r\n"),
        ("C5", b"A : 1\r\na: 2\r\n A: 3\r\n\r\n", b"[HEADER.FIELDS (A)]", b"A : 1\r\na: 2\r\n A: 3\r\n\r\n"),
        ("C5", b"A: \0\r\n\r\n", b"[HEADER]", b"A: \x80\r\n\r\n"),
    )

    def test_table(self) -> None:
        """Each, alone and as one of several items, whole and octet by octet."""
        for number, message, section, expected in self.TABLE:
            self.put(message)
            answer = self.me.say(b"f FETCH * BODY.PEEK" + section)
            if expected is None:
                self.assertTrue(answer.startswith(b"f BAD"), (number, section, answer))
                continue
            found, end = responses(answer)
            self.assertTrue(end.startswith(b"f OK"), (number, end))
            (value,) = found[0].values()
            self.assertEqual(value, expected, (number, section))
            several = self.one(b"UID BODY.PEEK%b RFC822.SIZE BODY.PEEK%b" % (section, section))
            self.assertEqual(list(several.values())[1], expected, (number, section))

    def test_names_that_need_a_literal(self) -> None:
        """T HEADER.FIELDS: the response repeats a name as it must be written (RFC 3501 section 9)."""
        self.put(PLAIN)
        for name, shown in (
            (b"a\r\nb", b"{4}\r\na\r\nb"),
            (b"\xe4", b"{1}\r\n\xe4"),
            (b"\r\n", b"{2}\r\n\r\n"),
            (b'"', b'"\\""'),
            (b"x" * 2000, b"x" * 2000),
        ):
            answer = self.me.send(b"f FETCH * BODY.PEEK[HEADER.FIELDS ({%d+}\r\n%b)]\r\n" % (len(name), name))
            expected = b"FETCH (BODY[HEADER.FIELDS (%b)] {2}\r\n\r\n)\r\nf OK" % shown
            self.assertIn(expected, answer)

    def test_very_many_names(self) -> None:
        """T HEADER.FIELDS: a command full of names costs one look at the header."""
        self.put(PLAIN)
        names = b" ".join(b"x%d" % number for number in range(9000))
        found = self.one(b"BODY.PEEK[HEADER.FIELDS (%b subject)]" % names)
        self.assertEqual(list(found.values()), [b"Subject: hi\r\n\r\n"])


class EveryItemTests(FetchCase):
    """Every item of every message."""

    SECTIONS = (
        "[]", "[HEADER]", "[TEXT]", "[1]", "[1.MIME]", "[1.1]", "[2]", "[2.HEADER]", "[2.TEXT]", "[2.1.MIME]",
        "[HEADER.FIELDS (from subject)]", "[HEADER.FIELDS.NOT (from subject)]", "[1.HEADER]",
    )  # fmt: skip

    def check(self, message: bytes) -> None:
        """What must hold for any message at all."""
        self.put(message)
        verbatim = to_wire(message, True)
        names = [name for name in ATTRIBUTES if name != "BODY"]
        found = self.one(" ".join([*names, "BODY", *(f"BODY.PEEK{section}" for section in self.SECTIONS)]))
        whole = found[b"BODY[]"]
        self.assertEqual(whole, verbatim.replace(b"\0", b"\x80"))
        self.assertEqual(int(found[b"RFC822.SIZE"]), len(whole))
        self.assertEqual(found[b"BODY[HEADER]"] + found[b"BODY[TEXT]"], whole)
        self.assertEqual(found[b"RFC822"], whole)
        kept, other = (found[b"BODY[HEADER.FIELDS%b (from subject)]" % word] for word in (b"", b".NOT"))
        self.assertLessEqual(len(kept) + len(other), len(found[b"BODY[HEADER]"]) + 2)
        for section in self.SECTIONS:
            value = found[b"BODY" + section.encode()]
            for start, count in ((0, 1), (3, 5), (len(value), 1), (max(0, len(value) - 2), 100)):
                (piece,) = self.one(f"BODY.PEEK{section}<{start}.{count}>").values()
                expected = b"NIL" if value == b"NIL" else value[start : start + count]
                self.assertEqual(piece, expected, (section, start, count))
        for macro in MACROS:
            responses(self.me.say(f"f FETCH * {macro}"))

    def test_rows(self) -> None:
        """C17, and those of C1, C3, C5 and C6 that are small."""
        for message in (
            b"",
            b"\r\n",
            b"\r\n\r\n",
            b"a: b",
            b"no header",
            PLAIN,
            NESTED,
            EIGHT_BIT,
            b"From a Mon\r\nSubject: x\r\n\r\nb",
            b"To: a@b\r\n" * 2000 + b"\r\n",
            b"Subject: " + b"x" * 70000 + b"\r\n\r\n",
            b"Subject: " + b"=?utf-8?q?" * 5000 + b"\r\n\r\n",
            b"From: " + b"(" * 5000 + b"\r\nTo: a:b@c;, (\\\r\nCc:\r\n\r\n",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
            b"Content-Type: multipart/mixed\r\n\r\n--b\r\n",
            b"Content-Type: message/rfc822\r\n\r\n" * 150,
            b"".join(b"Content-Type: multipart/x; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(150)),
            b"Content-Type: multipart/digest; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 1500,
            b"Content-Type: text/plain; a=\"\xe4\\\"\r\nContent-Type: text/html\r\n\r\n",
            b"Content-Disposition: x; y=\0\r\nContent-Language: \xff\r\nContent-ID: \0\r\n\r\n\0",
        ):  # fmt: skip
            self.check(message)

    @settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    @given(strategies.messages)
    def test_any_message(self, message: bytes) -> None:
        """Octets of any kind."""
        self.check(message)

    @settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(strategies.messages, min_size=1, max_size=4))
    def test_several(self, messages: list[bytes]) -> None:
        """One response for each, in order, whatever stands in the one before."""
        for message in messages:
            self.put(message)
        count = len(self.fetch("UID", "1:*"))
        found = self.fetch("UID ENVELOPE BODYSTRUCTURE BODY.PEEK[]", "1:*")
        self.assertEqual(len(found), count)
        ends = [to_wire(message, True).replace(b"\0", b"\x80") for message in messages]
        self.assertEqual([one[b"BODY[]"] for one in found[-len(messages) :]], ends)

    def test_corpus(self) -> None:
        """Real and tortured messages."""
        for _, message in corpus.messages()[::8]:
            self.check(to_wire(message, False))

    if corpus.ABSENT:
        test_corpus.skip = corpus.ABSENT  # type: ignore[attr-defined]


class TogetherTests(FetchCase):
    """What is got of many messages at once is what is got of each alone."""

    ITEMS = (
        "FLAGS",
        "UID RFC822.SIZE INTERNALDATE",
        "ENVELOPE BODYSTRUCTURE BODY",
        "BODY.PEEK[]",
        "BODY.PEEK[]<3.70000> UID",
        "BODY.PEEK[HEADER]",
        'BODY.PEEK[HEADER.FIELDS (Subject From "b%d")] FLAGS',
        "BODY.PEEK[HEADER.FIELDS (Subject)]<2.3>",
        "BODY.PEEK[HEADER.FIELDS.NOT (Subject)] BODY.PEEK[]",
        "RFC822.HEADER BODY.PEEK[TEXT]",
        "EMAILID THREADID SAVEDATE PREVIEW",
    )
    MESSAGES = (
        PLAIN,
        EIGHT_BIT,
        NESTED,
        b"",
        b"a: b",
        b"Subject: " + b"x" * 20000 + b"\r\n\r\n",
        PLAIN + b"y" * 70000,
        "Subject: gr\u00fc\u00df\r\nFrom: \u00e4 <a@x>\r\n\r\n\u00e4\r\n".encode(),
        b"Subject: a\n\nb\r\n",
        b"Subject: \0\r\n\r\n\0",
        PLAIN,
        PLAIN,
    )

    def setUp(self) -> None:
        super().setUp()
        for one in self.MESSAGES:
            self.put(one)

    def compare(self, client: Client) -> None:
        """All items, before anything was prepared and after."""
        for items in self.ITEMS * 2:
            together = client.say(f"f FETCH 1:12 ({items})")
            alone = [client.say(f"f FETCH {number} ({items})") for number in range(1, 13)]
            end = b"f OK Fetched\r\n"
            self.assertEqual(together, b"".join(one.removesuffix(end) for one in alone) + end, items)
            if items == self.ITEMS[4]:
                self.world.account().store.mailbox(("INBOX",)).prepare_some(10_000)

    def test_with_utf8(self) -> None:
        """For a client that takes UTF-8 in headers."""
        self.compare(self.me)

    def test_without(self) -> None:
        """For one that does not."""
        self.compare(self.world.client().login())

    def test_gone_in_the_middle(self) -> None:
        """Those that another program has removed are left out, and no others."""
        gone = (2, 7, 11)
        for uid in gone:
            mailbox = self.world.account().store.mailbox(("INBOX",))
            message = mailbox.get(uid)
            assert message is not None
            os.unlink(mailbox._path(message))
        for items in ("BODY.PEEK[]", "BODY.PEEK[HEADER] RFC822"):
            said = self.me.say(f"f FETCH 1:12 ({items})")
            numbers = [int(one) for one in re.findall(rb"\* (\d+) FETCH", said)]
            self.assertEqual(numbers, [n for n in range(1, 13) if n not in gone], items)
            self.assertIn(b"f NO [EXPUNGEISSUED]", said)
            break  # the end of the command has told of it

    def test_number_of_texts(self) -> None:
        """128 texts of each message, and no more, as all of a short one are held together."""
        for count, end in (
            (128, b"OK Fetched"),
            (129, b"NO [LIMIT] A FETCH has at most 128 texts of each message"),
        ):
            items = " ".join(f"BODY.PEEK[]<{n}.9>" for n in range(count - 1))
            said = self.me.say(f"f FETCH 1 ({items} BINARY.PEEK[1])")
            self.assertEqual(said.splitlines()[-1], b"f " + end)

    def test_what_is_asked_bounds_how_much_is_held(self) -> None:
        """Who wants many texts of each message gets them of one message after the other."""
        parsed = fetch.parse(
            Cursor([b" 1:* (FLAGS %b)" % b" ".join(b"BODY.PEEK[]<%d.9>" % n for n in range(9))])
        )
        self.assertLessEqual(parsed.together, 1)
        self.assertEqual(fetch.parse(Cursor([b" 1:* (BODY.PEEK[] UID)"])).together, 16)
