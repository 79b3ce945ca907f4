"""What monitoring asks for: /metrics for Prometheus, and /healthz, which is 200 or says what is wrong."""

from mailnode.upkeep.figures import Observer
from mailnode.upkeep.health import Health
from mailnode.web.exposition import KIND, exposition
from mailnode.web.metrics import families
from mailnode.web.pages import Answer, Asked, Route, Routes


def watching(observer: Observer, health: Health) -> Routes:
    """The pages of a listener for metrics."""

    async def metrics(_: Asked) -> Answer:
        return Answer(exposition(families(await observer.look())), KIND)

    async def healthz(_: Asked) -> Answer:
        if problems := await health.problems():
            return Answer("".join(f"{one}\n" for one in problems).encode(), status=503)
        return Answer(b"ok\n")

    return {"/metrics": Route(metrics), "/healthz": Route(healthz)}
