"""The threading algorithms word by word, as slow and as plain as RFC 5256 section 3 tells them."""

from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Mail:
    """What is known of a message."""

    identity: str = ""
    references: tuple[str, ...] = ()
    subject: str = ""
    reply: bool = False
    sent: int = 0
    arrived: int = 0


@dataclass(eq=False)
class Container:
    """A message, or a dummy."""

    number: int | None = None
    parent: "Container | None" = None
    children: "list[Container]" = field(default_factory=list)

    def descends_from(self, other: "Container") -> bool:
        """Whether the other one is this one or above it."""
        one: Container | None = self
        while one is not None:
            if one is other:
                return True
            one = one.parent
        return False

    def put_under(self, parent: "Container") -> None:
        """Link, but make no loop."""
        if not parent.descends_from(self):
            self.parent = parent
            parent.children.append(self)

    def leave(self) -> None:
        """Break the link."""
        if self.parent is not None:
            self.parent.children.remove(self)
            self.parent = None


class Model:
    """One mailbox."""

    def __init__(self, mails: list[Mail]) -> None:
        self.mails = mails

    def ordered_subject(self) -> object:
        """ORDEREDSUBJECT."""
        threads: dict[str, list[int]] = {}
        for number in sorted(range(len(self.mails)), key=lambda n: (self.mails[n].subject, self.date(n))):
            threads.setdefault(self.mails[number].subject, []).append(number)
        ordered = sorted(threads.values(), key=lambda thread: self.date(thread[0]))
        return [(first, [(one, []) for one in rest]) for first, *rest in ordered]

    def references(self) -> object:
        """REFERENCES."""
        top = self.linked()
        self.sort(top)
        top = self.by_subject(top)
        self.sort(top)
        return self.shown(top)

    def refs(self) -> object:
        """REFS."""
        top = self.linked()
        self.sort(top)
        top.sort(key=lambda one: max(self.mails[n].arrived for n in self.numbers(one)))
        return self.shown(top)

    def date(self, number: int) -> tuple[int, int]:
        """Section 2.2, with the tie-breaker."""
        return self.mails[number].sent, number

    def numbers(self, one: Container) -> list[int]:
        """All messages of a thread."""
        own = [] if one.number is None else [one.number]
        return own + [number for child in one.children for number in self.numbers(child)]

    def linked(self) -> list[Container]:
        """Steps 1 to 3."""
        table: dict[str, Container] = {}
        everybody: list[Container] = []

        def named(identity: str) -> Container:
            if identity not in table:
                table[identity] = Container()
                everybody.append(table[identity])
            return table[identity]

        for number, mail in enumerate(self.mails):
            chain = [named(reference) for reference in mail.references]
            for parent, child in pairwise(chain):
                if child.parent is None:
                    child.put_under(parent)
            own = named(mail.identity) if mail.identity else Container()
            if own.number is not None:
                own = Container()
            if own not in everybody:
                everybody.append(own)
            own.number = number
            own.leave()
            if chain:
                own.put_under(chain[-1])
        top = [one for one in everybody if one.parent is None]
        return [kept for one in top for kept in self.pruned(one, at_top=True)]

    def pruned(self, one: Container, *, at_top: bool) -> list[Container]:
        """Step 3."""
        one.children = [kept for child in one.children for kept in self.pruned(child, at_top=False)]
        for child in one.children:
            child.parent = one
        if one.number is not None or (at_top and len(one.children) > 1):
            return [one]
        for child in one.children:
            child.parent = None
        return one.children

    def sort(self, siblings: list[Container]) -> None:
        """Steps 4 and 6."""
        for one in siblings:
            self.sort(one.children)
        siblings.sort(key=lambda one: self.date(self.speaker(one)))

    def speaker(self, one: Container) -> int:
        """The message itself, or the first child of a dummy."""
        number = one.children[0].number if one.number is None else one.number
        assert number is not None
        return number

    def by_subject(self, top: list[Container]) -> list[Container]:
        """Step 5."""

        def subject(one: Container) -> str:
            return self.mails[self.speaker(one)].subject

        def is_reply(one: Container) -> bool:
            return one.number is not None and self.mails[one.number].reply

        table: dict[str, Container] = {}
        for one in top:
            held = table.setdefault(subject(one), one)
            if held.number is not None and (one.number is None or (is_reply(held) and not is_reply(one))):
                table[subject(one)] = one
        result = list(top)
        for one in top:
            held = table[subject(one)]
            if not subject(one) or held is one or one not in result:
                continue
            result.remove(one)
            if held.number is None and one.number is None:
                held.children += one.children
            elif held.number is None or (is_reply(one) and not is_reply(held)):
                held.children.append(one)
            else:
                dummy = Container(children=[held, one])
                result[result.index(held)] = dummy
                table[subject(one)] = dummy
        return result

    def shown(self, top: list[Container]) -> object:
        """As nested lists."""
        return [(one.number, self.shown(one.children)) for one in top]
