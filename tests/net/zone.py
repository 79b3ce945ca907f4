"""A whole DNS in a dictionary, in place of a resolver."""

from collections.abc import Mapping, Sequence

from mailnode.net.resolver import Answer, Kind, LookupFailed, Mx, NoRecords, NoSuchName, Record, Tlsa

ALIASES = 16


class Zone:
    """A Resolver of what stands in `records`, by name and kind, with records written as in a zone file.

    A name ending in "!" is signed: all that is asked of it is secure, also that something is not there. A
    question for what has FAILS as its records is a LookupFailed. Every question is noted in `asked`.
    """

    FAILS = ("fails",)

    def __init__(self, records: Mapping[tuple[str, Kind], Sequence[str]]) -> None:
        self.asked: list[tuple[str, Kind]] = []
        self.records = {(name.removesuffix("!"), kind): lines for (name, kind), lines in records.items()}
        self.signed = {name.removesuffix("!") for name, _ in records if name.endswith("!")}

    async def query(self, name: str, kind: Kind) -> Answer:
        """As of a Resolver."""
        self.asked.append((name, kind))
        name, secure, aliases = name.lower(), True, 0
        while (name, kind) not in self.records and (name, "CNAME") in self.records and aliases < ALIASES:
            secure = secure and name in self.signed
            (name,), aliases = self.records[name, "CNAME"], aliases + 1
        secure = secure and name in self.signed
        lines = self.records.get((name, kind))
        if lines == self.FAILS or aliases == ALIASES:
            raise LookupFailed("SERVFAIL")
        if lines is None:
            there = any(one == name for one, _ in self.records)
            raise (NoRecords if there else NoSuchName)(f"{name} {kind}", secure=secure)
        records = tuple(_record(kind, line) for line in lines)
        return Answer(records, secure, 300, name, aliases)


def _record(kind: Kind, line: str) -> Record:
    words = line.split()
    if kind == "MX":
        return Mx(int(words[0]), words[1].removesuffix("."))
    if kind == "TLSA":
        usage, selector, matching = map(int, words[:3])
        return Tlsa(usage, selector, matching, bytes.fromhex("".join(words[3:])))
    return line
