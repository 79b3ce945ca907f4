"""The MTA-STS policies of other domains: fetched, and kept on disk for as long as they hold (RFC 8461).

A policy in force stays in force, whatever becomes of the record or of the host it came from, until its time
is over: otherwise who can hold up a look-up could switch it off. A file for each domain, in JSON, whose
"policy" is the text of the policy; one that cannot be read counts as none.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.https import FetchFailed
from mailnode.net.resolver import Budgeted, LookupFailed, NoAnswer, Resolver
from mailnode.net.turns import Turns
from mailnode.runtime import Runtime
from mailnode.wire.errors import BadSyntax
from mailnode.wire.mta_sts import POLICY_LIMIT, StsPolicy, parse_policy, parse_record

PATH = "/.well-known/mta-sts.txt"
REFRESH = 86_400.0  # seconds after which an unchanged policy is fetched again, so that it does not run out
PAUSE = 300.0  # seconds until a fetch that failed is tried again (section 3.3)
REMEMBERED = 2000  # domains in memory

FETCH_ERROR = "sts-policy-fetch-error"  # result types of RFC 8460 section 4.3.2.2
INVALID = "sts-policy-invalid"
WEBPKI_INVALID = "sts-webpki-invalid"


class Fetcher(Protocol):
    """Fetches texts by HTTPS."""

    async def fetch(self, host: str, path: str, *, limit: int) -> bytes:
        """The text. Raises FetchFailed."""


@dataclass(slots=True)
class _Known:
    """What is known of a domain. `id` and `fetched` are those of the policy."""

    policy: StsPolicy | None = None
    id: str = ""
    fetched: float = 0.0
    pause_until: float = 0.0

    def holds(self, now: float) -> bool:
        """Whether its policy is in force."""
        return self.policy is not None and self.fetched <= now < self.fetched + self.policy.max_age


class StsCache:
    """Knows policies. Without a directory ("") they are kept in memory only.

    `failed` hears of a policy that could not be had: the domain and the result type.
    """

    def __init__(
        self,
        runtime: Runtime,
        files: FileSystem,
        directory: Callable[[], str],
        resolver: Resolver,
        fetcher: Fetcher,
        *,
        failed: Callable[[str, str], None] = lambda domain, result: None,
    ) -> None:
        self._runtime = runtime
        self._files = files
        self._directory = directory
        self._resolver = resolver
        self._fetcher = fetcher
        self._failed = failed
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._turns: dict[str, Turns] = {}
        self._log = Log("mailnode.sts")

    async def policy(self, domain: str) -> StsPolicy | None:
        """The policy of a domain that is in force, fetched if need be; None for none. Raises nothing."""
        turns = self._turns.setdefault(domain, Turns(self._runtime.clock))
        try:
            async with turns:
                return await self._policy(domain)
        finally:
            if turns.idle:
                self._turns.pop(domain, None)

    async def _policy(self, domain: str) -> StsPolicy | None:
        known = await self._recall(domain)
        now = self._runtime.now()
        if now >= known.pause_until:
            id = await self._published(domain)
            stale = not known.holds(now) or id != known.id or now >= known.fetched + REFRESH
            if id and stale:
                await self._refresh(domain, known, id)
        return known.policy if known.holds(self._runtime.now()) else None

    async def _published(self, domain: str) -> str | None:
        """The id that the domain publishes (section 3.1)."""
        resolver = Budgeted(self._resolver, self._runtime.clock)
        try:
            return parse_record((await resolver.query(f"_mta-sts.{domain}", "TXT")).texts)
        except (NoAnswer, LookupFailed):
            return None

    async def _refresh(self, domain: str, known: _Known, id: str) -> None:
        """Fetch the policy (section 3.3); where that fails what is known stays, and there is a pause."""
        try:
            data = await self._fetcher.fetch(f"mta-sts.{domain}", PATH, limit=POLICY_LIMIT)
            policy = parse_policy(data)
        except (FetchFailed, BadSyntax) as error:
            known.pause_until = self._runtime.now() + PAUSE
            self._failed(domain, _result(error))
            self._log.warn("no MTA-STS policy", domain=domain, reason=error)
            return
        known.policy, known.id, known.fetched = policy, id, self._runtime.now()
        await self._on_disk(self._save, domain, id, known.fetched, policy)

    # Remembering

    async def _recall(self, domain: str) -> _Known:
        known = self._known.get(domain)
        if known is None:
            known = await self._on_disk(self._load, domain) or _Known()
            self._known[domain] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(domain)
        return known

    async def _on_disk(self, work: Callable[..., "_Known | None"], *arguments: object) -> "_Known | None":
        """What work on the disk gives; an error costs a policy, or that it is kept, and no more."""
        if not self._directory():
            return None
        done: Awaitable[_Known | None] = self._runtime.blocking.run(work, *arguments)
        try:
            return await done
        except OSError as error:
            self._log.warn("MTA-STS policies on disk", reason=error)
            return None

    def _path(self, domain: str) -> str:
        return os.path.join(self._directory(), f"{domain}.json")

    def _load(self, domain: str) -> _Known | None:
        if self._files.stat(self._path(domain)) is None:
            return None
        try:
            written = json.loads(self._files.read(self._path(domain), limit=2 * POLICY_LIMIT))
            policy = parse_policy(str(written["policy"]).encode())
            return _Known(policy, str(written["id"]), float(written["fetched"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _save(self, domain: str, id: str, fetched: float, policy: StsPolicy) -> None:
        content = {"version": 1, "id": id, "fetched": fetched, "policy": "\n".join(policy.lines)}
        self._files.make_directories(self._directory())
        self._files.replace(self._path(domain), json.dumps(content, indent=1).encode())


def _result(error: Exception) -> str:
    if isinstance(error, FetchFailed):
        return WEBPKI_INVALID if error.identity else FETCH_ERROR
    return INVALID
