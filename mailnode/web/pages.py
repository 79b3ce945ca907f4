"""What is asked for and what is answered, as values, and the table that leads from one to the other."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field

from mailnode.values import frozen

TEXT = "text/plain; charset=utf-8"
READING = ("GET", "HEAD")


@frozen
class Asked:
    """A request: its method, path, query (the first value of each name), host, and body."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    body: bytes = b""


@frozen
class Answer:
    """A response: its body and media type, its status, and further fields of its header."""

    body: bytes
    kind: str = TEXT
    status: int = 200
    fields: Mapping[str, str] = field(default_factory=dict)


Page = Callable[[Asked], Awaitable[Answer]]


@frozen
class Route:
    """A page and the methods by which it may be asked for."""

    page: Page
    methods: tuple[str, ...] = READING


Routes = Mapping[str, Route]

NOT_FOUND = Answer(b"There is nothing here.\n", status=404)


async def answered(routes: Routes, asked: Asked) -> Answer:
    """What the routes have for a request: paths are compared in lower case. Raises what the page raises.

    A route that ends in "/" is for all that lies directly below it.
    """
    path = asked.path.lower()
    route = routes.get(path) or routes.get(path.rpartition("/")[0] + "/")
    if route is None:
        return NOT_FOUND
    if asked.method not in route.methods:
        allowed = ", ".join(route.methods)
        return Answer(f"Only: {allowed}\n".encode(), status=405, fields={"Allow": allowed})
    return await route.page(asked)
