"""What the server says of itself by HTTP and to the `mailnode` command, put together."""

from collections.abc import Callable, Mapping, Sequence

from mailnode.admin.control import Command
from mailnode.admin.status_control import status_command
from mailnode.fs import FileSystem
from mailnode.net.listen import Serve
from mailnode.runtime import Runtime
from mailnode.service_listeners import Ports
from mailnode.upkeep.figures import Observer, Parts
from mailnode.upkeep.health import Health
from mailnode.values import frozen
from mailnode.web.acme_challenges import acme_challenges
from mailnode.web.exchange import Web
from mailnode.web.mta_sts import mta_sts
from mailnode.web.setting_up import SettingUp
from mailnode.web.watching import watching


@frozen
class WebSide:
    """The sessions of its listeners, by protocol, and the commands of the control socket."""

    serve: Mapping[str, Serve]
    commands: Mapping[str, Command]


def web_side(
    parts: Parts,
    runtime: Runtime,
    files: FileSystem,
    ports: Ports,
    warnings: Callable[[], Sequence[str]],
) -> WebSide:
    """All of it; `warnings` gives those of the configuration."""
    observer = Observer(parts, runtime, files)
    health = Health(parts.live, runtime, files, ports.silent)
    metrics = Web(runtime, watching(observer, health), trusted_only=True)
    status = status_command(observer, health, warnings)
    setting_up = SettingUp(parts.live, runtime.now, ports.taken).routes()
    challenges = acme_challenges(parts.live, runtime, files)
    clients = Web(runtime, {**setting_up, **mta_sts(parts.live), **challenges})
    return WebSide({"metrics": metrics.serve, "http": clients.serve}, {"status": status})
