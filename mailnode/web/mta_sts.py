"""The policy page of MTA-STS (RFC 8461 section 3.3), for each of our domains under its host `mta-sts`."""

from mailnode.auth.live import Live
from mailnode.web.pages import NOT_FOUND, Answer, Asked, Route, Routes

PATH = "/.well-known/mta-sts.txt"
HOST = "mta-sts."


def mta_sts(live: Live) -> Routes:
    """The page, as the configuration of the moment has it."""

    async def page(asked: Asked) -> Answer:
        config = live.config
        domain = asked.host.removeprefix(HOST)
        if config.mta_sts.mode == "off" or asked.host == domain or domain not in config.domains:
            return NOT_FOUND
        lines = config.mta_sts.policy(config.hostname).lines
        return Answer("".join(f"{line}\r\n" for line in lines).encode("ascii"))

    return {PATH: Route(page)}
