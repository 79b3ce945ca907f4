"""Reading the messages of a mailbox: their octets, what is prepared of them, and what POP3 calls them.

All methods run in the account's lane. A file that another program renames meanwhile is looked for again.
"""

import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from operator import not_
from typing import Any

from mailnode.message.rendered import OF_HEADER, Rendered
from mailnode.message.section import fields_of_headers
from mailnode.message.text import Searchable, searchable
from mailnode.message.wire_form import to_wire, wire_size
from mailnode.store import filenames, of_headers
from mailnode.store.body import SMALL, Body
from mailnode.store.context import Context
from mailnode.store.download import NONE, Download, measure, measure_small
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.store.index import UNKNOWN
from mailnode.store.messages import Message, Several
from mailnode.store.prepared_tables import SHORT, Answer, Prepared
from mailnode.store.preparing import Piece, prepare_some
from mailnode.store.synchronised import Synchronised
from mailnode.store.text_index import SHORT as SHORT_TEXT
from mailnode.store.text_index import Found, Text
from mailnode.store.text_words import Where
from mailnode.store.uidlist import Record, UidList
from mailnode.store.values import Name
from mailnode.wire.uidl import default_id, is_unique_id, unique_id

_FEW_BETWEEN = 12  # messages for each that is asked for, which may be looked at for nothing
_LEARNT = 64  # messages whose sizes and dates are put into the cache at once
_EVERYONE = 4  # of so many messages that there are, one of which the text index has to be sure
_MISNAMED = "misnamed"  # what is remembered under this name, see Derived
_NAMED = 1024  # whose names are compared at once
_TEXTS = 16  # that are put into the text index at once; each has up to SHORT_TEXT characters
_TRIES = 20  # how often a file that another program renames under our hands is looked for again


class Reading(Synchronised):
    """A mailbox, as far as its messages are read."""

    _corrections = 0

    def __init__(self, context: Context, name: Name, path: str) -> None:
        super().__init__(context, name, path)
        self._learnt: list[Message] = []  # whose sizes and dates the cache has not heard of
        self._texts: list[Text] = []  # that were read, and that the text index has not heard of

    def _listed(self, uid: int) -> Message:
        message = self._messages.get(uid)
        if message is None:
            raise NoSuchMessage(uid)
        return message

    def _path(self, message: Message) -> str:
        return self._folder.file_path(message.base, message.place)

    def body(self, uid: int) -> Body:
        """Open a message. Raises NoSuchMessage when it has gone."""
        message = self._listed(uid)
        verbatim = filenames.is_verbatim(message.base)
        for _ in range(_TRIES):
            try:
                return Body(self._context.files.open(self._path(message)), verbatim=verbatim)
            except FileNotFoundError:
                self._folder.forget()  # another program renamed or removed it
                self.sync()
                message = self._listed(uid)
        raise NoSuchMessage(uid)

    def stored(self, uid: int) -> bytes:
        """A small message as it lies on the disk. Raises Unread for a larger one, and NoSuchMessage."""
        return self._stored(self._listed(uid))

    def _stored(self, message: Message) -> bytes:
        path = self._folder.file_path(message.base, message.place)
        try:
            data = self._context.files.read_small(path, SMALL)
        except FileNotFoundError:
            with self.body(message.uid) as body:  # which looks for it
                data = body.data if body.is_small else None
        if data is None:
            raise Unread
        return data

    def small(self, uid: int) -> bytes:
        """The wire form of a small message. Raises as stored() does."""
        message = self._listed(uid)
        return to_wire(self._stored(message), filenames.is_verbatim(message.base))

    def octets(self, uid: int) -> int:
        """RFC822.SIZE: the size of the wire form, exactly. Raises NoSuchMessage."""
        return self.sizes((uid,))[0]

    def sizes(self, uids: Sequence[int]) -> list[int]:
        """The same of many messages; what had to be counted is remembered.

        Raises NoSuchMessage, and Unread where one of several would have to be read that is not small.
        """
        messages = self._messages.each(uids)
        octets = [message.octets for message in messages]
        if UNKNOWN not in octets:
            return octets
        counted: list[Message] = []
        try:
            for message in messages:
                if message.octets == UNKNOWN:
                    message.octets = self._stated_octets(message)
                if message.octets == UNKNOWN and self._may_be_read(message, messages):
                    with self.body(message.uid) as body:
                        message.octets = body.octets()
                    counted.append(message)
        finally:
            self._learn(*counted)
        octets = [message.octets for message in messages]
        if UNKNOWN in octets:
            raise Unread
        return octets

    def _may_be_read(self, message: Message, among: Sequence[Message]) -> bool:
        """Whether it is alone, or small: between long ones others are to have their turn."""
        if len(among) == 1:
            return True
        size = filenames.sizes(message.base)[0]
        facts = None if size is not None else self._context.files.stat(self._path(message))
        return (size or (facts.st_size if facts is not None else 0)) <= SMALL

    def _stated_octets(self, message: Message) -> int:
        """What the name or the uid list says of the size, or UNKNOWN."""
        on_wire = filenames.sizes(message.base)[1]
        if on_wire is not None:
            return on_wire
        record = self._folder.list.records.get(message.base)
        stated = record.field("W") if record else None
        return int(stated[:15]) if stated is not None and stated.isascii() and stated.isdigit() else UNKNOWN

    def internal_dates(self, uids: Sequence[int]) -> list[float]:
        """INTERNALDATE of many messages. Raises NoSuchMessage."""
        messages = self._messages.each(uids)
        dates = [message.internal_date for message in messages]
        if UNKNOWN not in dates:
            return dates
        return [
            self.internal_date(one.uid) if one.internal_date == UNKNOWN else one.internal_date
            for one in messages
        ]

    def record(self, uid: int) -> Record:
        """What the uid list says of a message. Raises NoSuchMessage."""
        message = self._listed(uid)
        return self._folder.list.records.get(message.base) or Record(uid, message.base)

    def downloads(self, uids: Iterable[int]) -> list[tuple[Message, Download]]:
        """Those of these messages that are there, with what POP3 sends of each.

        A plain message says so in its name; any other is opened once, and what was found is remembered.
        """
        found: list[tuple[Message, Download]] = []
        looked: list[Message] = []
        try:
            for uid in uids:
                message = self._messages.get(uid)
                if message is None:
                    continue
                if message.download is None:
                    try:
                        message.download = self._download(message)
                    except NoSuchMessage:
                        continue
                    looked.append(message)
                found.append((message, message.download))
        finally:
            self._learn(*looked)
        return found

    def _download(self, message: Message) -> Download:
        if filenames.is_plain(message.base):
            return Download(self.octets(message.uid))
        verbatim = filenames.is_verbatim(message.base)
        try:
            data = self._context.files.read_small(self._path(message), SMALL)
        except OSError:
            data = None
        if data is None:
            with self.body(message.uid) as body:
                return self._measure(message, body)
        octets = self._on_wire(message, lambda: wire_size(data, 0, len(data), verbatim))
        return measure_small(data, verbatim, octets)

    def _measure(self, message: Message, body: Body) -> Download:
        if message.internal_date == UNKNOWN:
            message.internal_date = body.stat().st_mtime
        return measure(body, self._on_wire(message, body.octets))

    def _on_wire(self, message: Message, count: Callable[[], int]) -> int:
        """RFC822.SIZE, which is counted where nothing says it."""
        if message.octets == UNKNOWN:
            message.octets = self._stated_octets(message)
        if message.octets == UNKNOWN:
            message.octets = count()
        return message.octets

    def ascii_headers(self, uids: Sequence[int]) -> list[bool]:
        """Whether the header of each of these messages is in ASCII. Raises as sizes()."""
        messages = self._messages.each(uids)
        unknown = [message for message in messages if message.download is None]
        if unknown:
            headers = self._answers.column(Several(messages), "header") if len(messages) > 1 else None
            if headers is not None:
                return list(map(bytes.isascii, headers))
            plain = filenames.is_plain
            self.downloads(one.uid for one in unknown if plain(one.base) or self._may_be_read(one, messages))
            if len(messages) > 1 and any(message.download is None for message in unknown):
                raise Unread
        return [one.download is not None and one.download.with_surrogate == NONE for one in messages]

    def internal_date(self, uid: int) -> float:
        """INTERNALDATE in seconds since the epoch: the file's modification time."""
        message = self._listed(uid)
        if message.internal_date == UNKNOWN:
            facts = self._context.files.stat(self._path(message))
            if facts is None:
                with self.body(uid) as body:
                    facts = body.stat()
            message.internal_date = facts.st_mtime
        return message.internal_date

    def download_place(self, record: Record) -> int | None:
        """The O of the uid list's line: its place in the order of POP3, before all that have none."""
        stated = record.field("O")
        return int(stated[:15]) if stated and stated.isascii() and stated.isdigit() else None

    @property
    def edition(self) -> tuple[UidList, int]:
        """Changes where what POP3 was told of messages that were there before may be wrong now."""
        return self._folder.list, self._corrections

    @property
    def uidl_format(self) -> str:
        """The format of the POP3 unique-ids that no line of the uid list states."""
        return self._context.uidl()

    def uidls(self, record: Record) -> Iterator[str]:
        """The POP3 unique-id: the P of the uid list's line, or as the configured format makes it.

        An empty P, as Dovecot writes it where its unique-ids are file names, stands for the base name. What
        follows is for a message whose unique-id is that of another: others that no two messages share, but
        by what somebody writes into the list.
        """
        stated = record.field("P")
        found = self._made_uidl(record) if stated is None else stated or record.base
        if is_unique_id(found):
            yield found
        uid, validity = record.uid, self.uid_validity
        yield default_id(uid, validity)
        for number in itertools.count():
            yield unique_id("%Mf", uid=uid, validity=validity, base=f"{record.base}{number}", guid="")

    def rendered(self, uid: int) -> Rendered:
        """The prepared answers for a message, from the cache or made now."""
        message = self._listed(uid)
        found = self._answers.known(message)
        if found is None:
            with self.body(uid) as body:
                found = self._answers.make(message, body)
        self._correct_octets(message, found)
        return found

    def _correct_octets(self, message: Message, found: Rendered) -> None:
        """The name or the uid list may say something untrue, or nothing."""
        if message.octets == UNKNOWN:
            message.octets = self._stated_octets(message)
        if message.octets == UNKNOWN:
            message.octets = found.octets
            self._learn(message)
        elif found.octets != message.octets:
            message.octets = found.octets
            message.download = None
            self._corrections += 1
            self._remember_sizes((message,))

    def searchable(self, uid: int, limit: int) -> Searchable | None:
        """All that SEARCH compares of a message; its answers are prepared by the way.

        None where it has more than `limit` characters, and where there is no text index. Raises NoSuchMessage
        and OSError.
        """
        message = self._listed(uid)
        if not self._text.wanted:
            self.prepared(uid, "octets")
            return None
        was_made = self._answers.ready(message, "octets") is not None  # one look at the cache for many
        found = self._answers.known(message) if was_made else None
        with self.body(uid) as body:
            found = found or self._answers.make(message, body)
            text = searchable(body.data, found.parts, limit)
            self._correct_octets(message, found)
            if message.download is None or message.internal_date == UNKNOWN:
                message.download = self._measure(message, body)
                self._learn(message)
        return text

    def text(self, uid: int) -> Searchable | None:
        """The same of a message whose texts are not long; keep_texts() keeps them for the next who asks."""
        said = self.searchable(uid, SHORT_TEXT)
        if said is not None:
            self._texts.append(Text(uid, self._listed(uid).base, said))
            if len(self._texts) >= _TEXTS:
                self.keep_texts()
        return said

    def keep_texts(self) -> None:
        """Give the text index those that were read, of messages that are still there, and where they were."""

        def is_there(text: Text) -> bool:
            message = self._messages.get(text.uid)
            if message is None or message.base != text.base:
                return False
            return self._context.files.stat(self._path(message)) is not None

        texts, self._texts = self._texts, []
        if texts:
            self._text.keep(texts, is_there)

    def _learn(self, *messages: Message) -> None:
        """Tell the cache of their sizes and dates; of a single one together with others."""
        self._learnt += messages
        if len(messages) > 1 or len(self._learnt) >= _LEARNT:
            self._remember_learnt()

    def _remember_learnt(self) -> None:
        learnt, self._learnt = self._learnt, []
        if learnt:
            self._remember_sizes(learnt)

    def prepare_some(self, seconds: float) -> Piece:
        """Prepare answers and texts of messages that nobody has asked for yet, for about so long.

        Half of the time is for reading; writing down what came together takes as long.
        """
        until = self._context.now() + seconds / 2
        return prepare_some(self, self._text, lambda: self._context.now() >= until)

    def candidates(self, needle: str) -> "array[int] | None":
        """The UIDs of all messages that may hold a folded string anywhere, ascending; None for every one.

        There may be others among them, of messages that are gone.
        """
        found = self._text.candidates(needle)
        if found is None:
            return None
        uids, until = found
        return array("I", sorted(uids)) + self._above(until)

    def found(self, needle: str, where: Where) -> "tuple[array[int], array[int]] | None":
        """The UIDs of messages that hold a folded string, and of those that have to be asked; both ascend.

        None where all have to be. There may be others among them, of messages that are gone.
        """
        found = self._text.found(needle, where, self.uids)
        if found is None:
            return None
        sure, perhaps = found.sure, found.perhaps
        if misnamed := self._misnamed(found) if sure else None:
            sure = array("I", [uid for uid in sure if uid not in misnamed])
            perhaps = array("I", sorted(misnamed.union(perhaps)))
        return sure, perhaps + self._above(found.until)

    def _misnamed(self, found: Found) -> set[int]:
        """Messages whose texts the text index has not under their names: of those of which it is sure, all.

        Where it is sure of much of the mailbox all messages are looked at, once.
        """
        uids = self.uids
        folder, until, known = self.derived.get(_MISNAMED, uids) or (0, 0, set())
        if (folder, until) == (found.folder, found.until):
            return set(known)
        everyone = _EVERYONE * len(found.sure) > len(uids)
        asked = uids[: bisect_right(uids, found.until)] if everyone else found.sure
        misnamed: set[int] = set()
        lasting = everyone
        for start in range(0, len(asked), _NAMED):
            there = [one for one in map(self._messages.get, asked[start : start + _NAMED]) if one is not None]
            some = [one.uid for one in there]
            right = self._text.called(some, [one.base for one in there], found.folder) if some else []
            if right is None:
                lasting = False  # it may be known again
                misnamed.update(some)
            else:
                misnamed.update(compress(some, map(not_, right)))
        if lasting and len(misnamed) <= _NAMED:
            self.derived.keep(_MISNAMED, uids, (found.folder, found.until, misnamed))
        return misnamed

    def _above(self, uid: int) -> "array[int]":
        return self.uids[bisect_right(self.uids, uid) :]

    def texts_holding(self, uids: Sequence[int], needle: str, *, in_header: bool) -> list[bool | None]:
        """Whether a folded string stands in the texts of messages in order of UID, or in their headers.

        None where nobody knows before they are read, and for a long one of several. Raises NoSuchMessage.
        """
        messages = self._messages.each(uids)
        if not messages:
            return []
        held = self._text.held(needle.encode("utf-8", "surrogatepass"), uids, in_header=in_header)
        called = self._text.called(uids, [message.base for message in messages])
        known = zip(map(held.get, uids), called or [False] * len(uids), strict=True)
        return [bool(holds) if named and holds is not None else None for holds, named in known]

    def save_prepared(self) -> None:
        """Put what was prepared lately into the cache."""
        self._answers.save()
        self._remember_learnt()
        self.keep_texts()

    def prepared(self, uid: int, what: Prepared) -> Any:
        """One of the prepared answers (the fields of Rendered); messages are asked for in order of UID."""
        message = self._listed(uid)
        found = self._answers.ready(message, what)
        if found is None and what in OF_HEADER:
            (found,) = self._of_headers((message,), (None,), what)
        return getattr(self.rendered(uid), what) if found is None else found

    def _of_headers(
        self, messages: Sequence[Message], known: Sequence[Any | None], what: Answer
    ) -> list[Any | None]:
        """One answer of each message; those that are not known are made of headers, see of_headers.made()."""
        now = self._context.now
        return of_headers.made(self._answers, messages, known, what, header=self._header, now=now)

    def _header(self, message: Message) -> bytes | None:
        return of_headers.header_at(self._context.files, self._path(message))

    def column(self, some: Several, what: Prepared) -> Sequence[Any]:
        """One of the prepared answers of each of some messages, which were there a moment ago.

        Raises Unread where one of them has to be read first, or is long.
        """
        found = self._answers.column(some, what)
        if found is not None:
            return found
        if what in OF_HEADER:
            known = [self._short(message, what) for message in some.messages]
            made = self._of_headers(some.messages, known, what)
            if None not in made:
                return made
        raise Unread

    def _short(self, message: Message, what: Prepared) -> Any | None:
        """One of the answers, if it is ready. Raises Unread where it is long."""
        answer = self._answers.ready(message, what)
        if answer is not None and len(answer) > SHORT:
            raise Unread
        return answer

    def fields(self, some: Several, names: Sequence[bytes]) -> Sequence[bytes | None]:
        """The header fields of these names, of messages as column(); None for a header that is not ASCII."""
        found = self._answers.fields(some, names)
        if found is None:
            found = fields_of_headers(self.column(some, "header"), names)
        return found

    def orderings(self, uids: Sequence[int]) -> list[bytes | None]:
        """What SORT and THREAD compare of messages (message.ordering), which are named in order of UID.

        None for those that have to be read first: rendered() has it too. Of neighbours all comes with one
        look at the cache. Raises NoSuchMessage.
        """
        known = [one for part in self._neighbours(uids) for one in self._answers.orderings(part)]
        return self._of_headers(self._messages.each(uids), known, "ordering") if None in known else known

    def headers(self, uids: Sequence[int]) -> list[bytes | None]:
        """The headers, likewise; None also for a long one."""
        return [one for part in self._neighbours(uids) for one in self._answers.headers(part)]

    def _neighbours(self, uids: Sequence[int]) -> list[list[Message]]:
        """These messages together, or each for itself where many others are between them."""
        messages = self._messages.each(uids)
        between = bisect_right(self.uids, uids[-1]) - bisect_left(self.uids, uids[0]) if uids else 0
        together = 0 < between <= _FEW_BETWEEN * len(uids)
        return [messages] if together else [[one] for one in messages]

    def holding(self, uids: Sequence[int], name: bytes, needle: bytes) -> list[int | None]:
        """Whether the octets stand in a text of message.searched, of messages in order of UID.

        None where nobody knows before they are read. Raises NoSuchMessage.
        """
        messages = self._messages.each(uids)
        return self._answers.holding(messages, name, needle) if messages else []

    def days(self, uids: Sequence[int]) -> list[int | None]:
        """The days of message.searched, likewise."""
        messages = self._messages.each(uids)
        return self._answers.days(messages) if messages else []

    def ready(self, uid: int, what: Prepared) -> Any | None:
        """The same, but None where the message would have to be read first."""
        return self._answers.ready(self._listed(uid), what)
