"""The part tree."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.mime import Part, parse


def outline(data: bytes, part: Part) -> object:
    """The type of a part, and its body or what is in it."""
    kind = (part.type + b"/" + part.subtype).decode()
    if part.children:
        return kind, [outline(data, child) for child in part.children]
    return kind, data[part.body_start : part.end].decode()


def multipart(boundary: str, rest: str, subtype: str = "mixed") -> str:
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"\n\n{rest}'


MIXED, MESSAGE, PLAIN, OCTETS = "multipart/mixed", "message/rfc822", "text/plain", "application/octet-stream"


class ParseTests(SynchronousTestCase):
    TABLE: tuple[tuple[str, str, object], ...] = (
        ("no MIME", "A: b\n\nx\n", (PLAIN, "x\n")),
        ("the preamble and epilogue are in no part",
         multipart("b", "pre\n--b\n\nx\n\n--b\n\ny\n--b--\npost"), (MIXED, [(PLAIN, "x\n"), (PLAIN, "y")])),
        ("not closed", multipart("b", "--b\n\nx\n"), (MIXED, [(PLAIN, "x\n")])),
        ("white space after the boundary", multipart("b", "--b \t\n\nx\n--b-- \n"), (MIXED, [(PLAIN, "x")])),
        ("boundary with trailing space", multipart("b ", "--b\n\nx\n--b--"), (MIXED, [(PLAIN, "x")])),
        ("not the boundary", multipart("b", "--b\n\nx\n--bb\n--\n -- b\n--b-\n--b--"),
         (MIXED, [(PLAIN, "x\n--bb\n--\n -- b\n--b-")])),
        ("71 octets and more", multipart("b" * 80, "--" + "b" * 79 + "\n--" + "b" * 80 + "\n\nx"),
         (MIXED, [(PLAIN, "x")])),
        ("inner is a prefix of outer",
         multipart("bb", "--bb\n" + multipart("b", "--b\n\nx\n--bb\n\ny\n--b\n--bb--")),
         (MIXED, [(MIXED, [(PLAIN, "x")]), (PLAIN, "y\n--b")])),
        ("outer is a prefix of inner",
         multipart("b", "--b\n" + multipart("bb", "--bb\n\nx\n--bb--\n--b\n\ny")),
         (MIXED, [(MIXED, [(PLAIN, "x")]), (PLAIN, "y")])),
        ("outer closes inner", multipart("o", "--o\n" + multipart("i", "--i\n\nx\n--o--\n--i\n\ny")),
         (MIXED, [(MIXED, [(PLAIN, "x")])])),
        ("equal boundaries: the inner one counts",
         multipart("b", "--b\n" + multipart("b", "--b\n\nx\n--b--\n--b--")),
         (MIXED, [(MIXED, [(PLAIN, "x")])])),
        ("a boundary that ends like a closing one",
         multipart("b", "--b\n" + multipart("b--", "--b--\n\nx\n--b")),
         (MIXED, [(MIXED, [(PLAIN, "x")]), (PLAIN, "")])),
        ("header without empty line", multipart("b", "--b\nA: b\n--b\nA: b\n\n--b--"),
         (MIXED, [(PLAIN, ""), (PLAIN, "")])),
        ("parts of nothing", multipart("b", "--b\n--b\n\n--b\n"), (MIXED, [(PLAIN, "")] * 3)),
        ("no boundary", "Content-Type: multipart/mixed\n\n--b\n\nx", (PLAIN, "--b\n\nx")),
        ("no parts", multipart("b", "x\n--b--\n"), (PLAIN, "x\n--b--\n")),
        ("first of two types", "Content-Type: text/html\nContent-Type: text/x\n\n", ("text/html", "")),
        ("broken type", "Content-Type: text\n\n", (PLAIN, "")),
        ("digest", multipart("b", "--b\n\nSubject: x\n\ny\n--b\nContent-Type: text/plain\n\nz", "digest"),
         ("multipart/digest", [(MESSAGE, [(PLAIN, "y")]), (PLAIN, "z")])),
        ("message", "Content-Type: message/rfc822\n\n" + multipart("b", "--b\n\nx"),
         (MESSAGE, [(MIXED, [(PLAIN, "x")])])),
        ("message cut in its header", multipart("b", "--b\nContent-Type: message/rfc822\n\nA: b\n--b\n\ny"),
         (MIXED, [(MESSAGE, [(PLAIN, "")]), (PLAIN, "y")])),
        ("message without a message", multipart("b", "--b\nContent-Type: message/rfc822\n--b\n\ny"),
         (MIXED, [(MESSAGE, [(PLAIN, "")]), (PLAIN, "y")])),
        ("message in base64",
         "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==", (OCTETS, "QQ==")),
    )  # fmt: skip

    def test_table(self) -> None:
        """RFC 2046 section 5.1, and a meaning for everything that it forbids (C3, C5)."""
        for name, text, expected in self.TABLE:
            for data in (text.encode(), text.encode().replace(b"\n", b"\r\n")):
                found = repr(outline(data, parse(data))).replace("\\r", "")
                self.assertEqual(found, repr(expected), name)

    def test_sizes(self) -> None:
        """Octets are of the wire, lines are line ends, and the line end before a boundary is in no part."""
        data = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\na\nb\r\nc\n--b--\n"
        part = parse(data).children[0]
        self.assertEqual((part.octets, part.lines), (7, 2))
        self.assertEqual(parse(data, True).children[0].octets, 6)

    def test_description(self) -> None:
        """The fields of a part are kept as written."""
        part = parse(
            b"Content-ID: <a@b>\nContent-Description: a\n b\nContent-MD5: x==\nContent-Location: http://x\n"
            b"Content-Language: en\nContent-Disposition: inline; filename=x\n"
            b"Content-Type: image/gif; name=y\n"
            b"Content-Transfer-Encoding: BASE64\n\n"
        )
        self.assertEqual((part.id, part.description, part.md5), (b"<a@b>", b"a b", b"x=="))
        self.assertEqual((part.location, part.language, part.encoding), (b"http://x", (b"en",), b"base64"))
        self.assertEqual(part.disposition and part.disposition.parameters, ((b"filename", b"x"),))
        self.assertEqual(part.params, ((b"name", b"y"),))

    def test_walk(self) -> None:
        """Parts come in the order of their octets."""
        text = multipart("b", "--b\n" + multipart("c", "--c\n\nx\n--c--\n") + "\n--b\n\ny")
        starts = [part.header_start for part in parse(text.encode()).walk()]
        self.assertEqual(starts, sorted(starts))
        self.assertEqual(len(starts), 4)
