"""Who wants TLS reports, and where (RFC 8460 section 3)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.address import Address
from mailnode.wire.tls_rpt import DESTINATIONS, Destination, Web, parse_record

A, B = Address("tls", "a.example"), Address("tls+x", "b.example")
WEB = Web("reports.a.example", "/v1/tls?domain=a.example&x=%2C")

RECORDS: tuple[tuple[tuple[str, ...], tuple[Destination, ...]], ...] = (
    (("v=TLSRPTv1; rua=mailto:tls@a.example",), (A,)),
    (("v=TLSRPTv1;rua=mailto:tls@a.example;",), (A,)),
    (("v=TLSRPTv1 ; x=y ;\trua=MAILTO:tls%2Bx@b.example , mailto:tls@a.example ;",), (B, A)),
    (("v=TLSRPTv1; rua=mailto:tls@a.example,mailto:tls@a.example,",), (A,)),
    (("v=TLSRPTv1; rua=mailto:tls@a.example; rua=mailto:tls+x@b.example",), (A, B)),
    (("v=TLSRPTv1; rua=mailto:tls@a.example?subject=x",), (A,)),
    (("v=TLSRPTv1; rua=https://Reports.a.example/v1/tls?domain=a.example&x=%2C",), (WEB,)),
    (("v=TLSRPTv1; rua=https://a.example,https://a.example:443/",), (Web("a.example", "/"),)),
    (("v=TLSRPTv1; rua=https://a.example?x",), (Web("a.example", "/?x"),)),
    (("v=spf1 -all", "v=TLSRPTv1; rua=mailto:tls@a.example"), (A,)),
    (("v=TLSRPTv1; rua=mailto:tls@a.example", "v=TLSRPTv1; rua=mailto:tls@a.example"), ()),
    ((), ()),
    *(
        ((text,), ())
        for text in (
            "",
            "v=TLSRPTv1",
            "v=TLSRPTv1;",
            "v=TLSRPTv2; rua=mailto:tls@a.example",
            "v=tlsrptv1; rua=mailto:tls@a.example",
            " v=TLSRPTv1; rua=mailto:tls@a.example",
            "rua=mailto:tls@a.example; v=TLSRPTv1",
            "v=TLSRPTv1; RUA=mailto:tls@a.example",
            "v=TLSRPTv1; ruf=mailto:tls@a.example",
            *(
                f"v=TLSRPTv1; rua={uri}"
                for uri in (
                    "tls@a.example",
                    "mailto:",
                    "mailto:tls",
                    "mailto:tls@[192.0.2.1]",
                    "mailto:tls@a.example!10m",
                    "mailto:tls%0D%0A@a.example",
                    "mailto:tls@a.example%3E%0D%0ARCPT",
                    "mailto:t\u00e4@a.example",
                    "mailto:t%C3%A4@a.example",
                    "http://a.example/",
                    "https://",
                    "https:///x",
                    "https://a",
                    "https://192.0.2.1/",
                    "https://[2001:db8::1]/",
                    "https://a.example:8443/",
                    "https://user@a.example/",
                    "https://a.example/\r\nHost:x",
                    "https://a.example/ x",
                    "https://a.example/#x",
                    "https://a.example/!",
                    "https://a.example\\@b.example/",
                    "https://-a.example/",
                    "https://a.example/" + "x" * 2000,
                    "ftp://a.example/",
                )
            ),
        )
    ),
)


class RecordTests(SynchronousTestCase):
    """parse_record()"""

    def test_each(self) -> None:
        """One record, of destinations that are understood; otherwise nobody wants anything."""
        for texts, found in RECORDS:
            self.assertEqual(parse_record(texts), found, texts)

    def test_some(self) -> None:
        """What is not understood is passed over."""
        self.assertEqual(parse_record(["v=TLSRPTv1; rua=ftp://x/,mailto:tls@a.example,mailto:"]), (A,))

    def test_many(self) -> None:
        """A few destinations are enough."""
        uris = ",".join(f"mailto:tls{number}@a.example" for number in range(100))
        self.assertEqual(len(parse_record([f"v=TLSRPTv1; rua={uris}"])), DESTINATIONS)

    @settings(derandomize=True, database=None, deadline=None)
    @given(
        st.lists(
            st.text(max_size=20).map("v=TLSRPTv1;rua=mailto:".__add__)
            | st.text(max_size=20).map("v=TLSRPTv1;rua=https://a.example".__add__)
            | st.lists(
                st.sampled_from(
                    (
                        "v=TLSRPTv1",
                        ";",
                        " ",
                        "rua=",
                        "mailto:",
                        "https://",
                        "a.example",
                        "x@",
                        ",",
                        "%0A",
                        "/?\r",
                    )
                )
            ).map("".join),
            max_size=2,
        )
    )
    def test_any(self, texts: list[str]) -> None:
        """Whatever stands there, a destination is an address or a path that fits into a line."""
        for one in parse_record(texts):
            line = f"{one.host}{one.path}" if isinstance(one, Web) else str(one)
            self.assertTrue(line.isascii() and line.isprintable(), one)
            self.assertLess(len(line), 2400)
            if isinstance(one, Web):
                self.assertRegex(one.path, r"\A/[!-~]*\Z")
                self.assertRegex(one.host, r"\A[a-z0-9.-]+\.[a-z][a-z0-9-]*\Z")
