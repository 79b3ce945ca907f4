"""Hypothesis strategies for messages: random octets, and trees of parts that go wrong in every way."""

from hypothesis import strategies as st

_PIECES = [
    b"Content-Type: ", b"multipart/mixed", b"multipart/digest", b"message/rfc822",
    b"text/plain", b"text/html",
    b"; boundary=", b"b", b"bb", b'"b b"', b"b--", b"--b", b"--bb", b"--b--", b"--bb--",
    b"\n", b"\n\n", b"\r\n", b"\r", b" ", b"\t", b"x", b"\0", b"\xff", b"(", b"\\", b":", b'"',
    b"From: ", b"To: a@b, c:d@e;\n", b"Subject: =?utf-8?q?=C3?=\n", b"From me\n",
    b"Content-Transfer-Encoding: base64\n", b"Content-Disposition: inline; filename=x\n",
    b"Content-Language: de, en\n", b"Content-MD5: x\n", b"<script>", b"<p", b"&#65;",
]  # fmt: skip

# Pieces that mean something, in any order.
scraps = st.lists(st.sampled_from(_PIECES), max_size=60).map(b"".join)

_BOUNDARIES = st.sampled_from([b"b", b"bb", b"b-", b"b--", b"=_b", b"b c"])


def _multipart(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    def build(boundary: bytes, parts: list[bytes], closed: bool, between: bytes) -> bytes:
        line = b"--" + boundary
        head = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\n\n'
        return (
            head
            + b"".join(line + b"\n" + part + between for part in parts)
            + (line + b"--\n" if closed else b"")
        )

    ends = st.sampled_from([b"\n", b"\n\n", b"\r\n", b""])
    return st.builds(build, _BOUNDARIES, st.lists(inner, max_size=4), st.booleans(), ends)


def _message(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return inner.map(lambda body: b"Content-Type: message/rfc822\n\nSubject: x\n" + body)


_LEAVES = st.one_of(
    scraps, st.binary(max_size=30), st.just(b"\nhello\nworld"), st.just(b"Content-Type: image/gif\n\nR0")
)

# MIME trees with equal, prefixed and unclosed boundaries, with LF or CRLF.
trees = st.builds(
    lambda tree, crlf: tree.replace(b"\n", b"\r\n") if crlf else tree,
    st.recursive(_LEAVES, lambda inner: st.one_of(_multipart(inner), _message(inner)), max_leaves=12),
    st.booleans(),
)

messages = st.one_of(st.binary(max_size=200), scraps, trees)
