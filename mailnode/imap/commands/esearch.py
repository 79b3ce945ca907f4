"""ESEARCH (RFC 7377): one search of many mailboxes, in which the selected one stays selected."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from mailnode.imap import contexts, filters, names, scopes
from mailnode.imap.commands.search import Findings, Search, saving, searching
from mailnode.imap.contexts import Context
from mailnode.imap.lent import of_others, of_removed
from mailnode.imap.places import Place
from mailnode.imap.replies import Reply, no, ok
from mailnode.imap.results import EVERYTHING, Response, Returning
from mailnode.imap.runs import NONE
from mailnode.imap.scopes import SELECTED, Scope
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.errors import NoRight, NoSuchMailbox
from mailnode.store.values import Name
from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

ONLY_SELECTED = (Scope(SELECTED),)
_OWN = (SELECTED, "INBOXES", "PERSONAL")  # where nobody else's mailboxes are looked for


@frozen
class Esearch:
    """A search, and where."""

    scopes: tuple[Scope, ...]
    search: Search

    @property
    def returning(self) -> Returning:
        """What is to be said."""
        return self.search.returning or EVERYTHING


def parse(args: Cursor) -> Esearch:
    """esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program"""
    where = _source(args.sp())
    parsed = Esearch(where, searching(args, by_uid=True))
    if parsed.returning.save and set(where) != set(ONLY_SELECTED):
        raise BadSyntax("Only what was found in the selected mailbox can be saved")
    return parsed


def _source(args: Cursor) -> tuple[Scope, ...]:
    """[ "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")" SP ], where no scope-options are defined

    source-mbox = filter-mailboxes *(SP filter-mailboxes)
    """
    if not args.accept_keyword("IN"):
        return ONLY_SELECTED
    found = args.sp().list_of(scopes.parse)
    args.sp()
    return tuple(dict.fromkeys(found))


async def run(session: Session, command: Esearch) -> Reply:
    """A response for each mailbox where something was found."""
    selected = session.selected
    if selected is None and (Scope(SELECTED) in command.scopes or "UPDATE" in command.returning.options):
        raise BadSyntax("No mailbox is selected")
    with saving(selected, command.returning) as saved:
        if command.search.refusal is not None:
            raise command.search.refusal
        search = command.search
        key = await filters.filled(session, search.key, scored=search.scored)
        command = replace(command, search=replace(search, key=key))
        follow = contexts.wanted(session, command.returning)
        if command.search.key.modseqs:
            session.use_modseqs()
        everywhere = Everywhere(session, command, follow=follow)
        for account, places in groupby(await everywhere.places(), key=lambda place: place.account):
            if everywhere.trouble is None:
                await session.send(everywhere.chunks(places), of=account)
        if everywhere.trouble is not None:
            raise everywhere.trouble
        if everywhere.unreadable:
            return no("Some messages or mailboxes cannot be read now; try again later", b"UNAVAILABLE")
        if selected is not None and everywhere.context is not None:
            await session.lane(everywhere.context.bind, of=selected.place.account)
            selected.contexts[session.tag] = everywhere.context
        elif follow:
            contexts.refuse(session, "Only the selected mailbox sends updates, and it was not searched")
        saved.append(everywhere.kept)
    return ok("Searched")


class Everywhere:
    """The responses, made in the accounts' lanes, a mailbox after the other; only one is held open."""

    def __init__(self, session: Session, command: Esearch, *, follow: bool) -> None:
        self._session = session
        self._command = command
        self._tag = session.tag
        self._separator = session.config.store.separator
        self._follow = follow
        self.context: Context | None = None  # of the selected mailbox; no other can be followed
        self.kept = NONE
        self.unreadable = 0
        self.trouble: Exception | None = None

    async def places(self) -> list[Place]:
        """The mailboxes that are to be searched, in the order of their names."""
        session, view, command = self._session, self._session.selected, self._command
        selected = None if view is None else session.places.shown(view.place)
        if view is not None and command.scopes == ONLY_SELECTED:
            return [view.place]
        wide = any(scope.kind not in _OWN for scope in command.scopes)
        known = (
            {
                name: one
                for name, one in {**await of_others(session), **await of_removed(session)}.items()
                if "r" in one.rights
            }
            if wide
            else {}
        )
        places = {name: one.place for name, one in known.items()}
        others = {name: one.listed and not session.places.is_removed(name) for name, one in known.items()}
        if view is not None and view.place.reader and selected is not None:
            places[selected] = view.place
            others.setdefault(selected, False)

        def names() -> list[Name]:
            store, read = session.account.store, session.places.read
            return list(scopes.resolve(command.scopes, store, selected, session.name, others, read))

        own = session.account
        return [places.get(name) or Place(own, name) for name in await session.lane(names)]

    def chunks(self, places: Iterable[Place]) -> Iterator[bytes]:
        """Responses for mailboxes of one account; what goes wrong as a whole ends them: it is `trouble`."""
        try:
            for place in places:
                shown = names.shown(self._session.places.shown(place), self._separator)
                view = self._view(place) if shown is not None else None
                if shown is not None and view is not None:
                    yield from self._search(view, shown)
                yield b""
        except Exception as error:
            self.trouble = error

    def _view(self, place: Place) -> Selected | None:
        """The mailbox; None when it has gone meanwhile, or cannot be read."""
        selected = self._session.selected
        if selected is not None and selected.place == place:
            return selected
        try:
            return Selected.opened(place, read_only=True)
        except (NoSuchMailbox, NoRight):
            return None
        except OSError:
            self.unreadable += 1
            return None

    def _search(self, view: Selected, shown: str) -> Iterator[bytes]:
        mailbox = names.encode(shown, utf8=self._session.utf8), view.mailbox.uid_validity
        response = Response(self._tag, by_uid=True, mailbox=mailbox)
        follow = self._follow and view is self._session.selected
        findings = Findings(view, self._command.search, follow=follow)
        yield from findings.extended(self._command.returning, response)
        if isinstance(findings.trouble, NoSuchMailbox):
            return  # it has gone meanwhile
        if findings.trouble is not None:
            raise findings.trouble
        self.unreadable += findings.unreadable
        self.kept = findings.kept
        self.context = self.context or findings.context
