"""The header that a proxy sends first, read from the connection that it opened."""

from mailnode.net.stream import Stream
from mailnode.runtime import Runtime
from mailnode.wire import proxy
from mailnode.wire.errors import BadSyntax

PATIENCE = 5.0  # seconds for the whole header; a proxy sends it at once


async def relayed(stream: Stream, runtime: Runtime) -> proxy.Relayed | None:
    """Whose connection this is; None where it is the proxy's own, as for its health checks.

    What follows the header stays in the stream. Raises BadSyntax, TimedOut and ConnectionClosed.
    """
    deadline = runtime.now() + PATIENCE

    async def exactly(count: int) -> bytes:
        stream.timeout = max(0.0, deadline - runtime.now())
        return await stream.exactly(count)

    start = await exactly(proxy.START)
    if start == proxy.SIGNATURE:
        head = await exactly(proxy.HEAD)
        return proxy.parse_block(head, await exactly(proxy.block_size(head)))
    if not start.startswith(b"PROXY "):
        raise BadSyntax("There is no PROXY header")
    stream.timeout = max(0.0, deadline - runtime.now())
    return proxy.parse_line(start + await stream.line(proxy.LINE - proxy.START))
