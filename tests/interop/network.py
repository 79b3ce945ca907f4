"""Networks of their own for several mail servers on one machine: each has an address and all ports.

The addresses look public, so that servers treat each other as on the Internet, where they find each other by
the DNS. No way leads out of these networks: nothing that is sent in them reaches anybody.

All of it lives as long as the process that has called alone(): it is process 1 of its own, and whatever it
has started ends with it. Needs root, unshare and nsenter of util-linux, and ip of iproute2.
"""

import os
import subprocess
import sys
import tempfile

from tests.interop.harness import program, run, wait_until

NET = "11.0.0"
GATEWAY = f"{NET}.1"  # of whoever has started it all
_BRIDGE = "mail0"
_RESOLV_CONF = "/etc/resolv.conf"


def apart(command: list[str]) -> list[str]:
    """The command in networks, mounts and processes of its own, which all end when it is killed."""
    own = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [program("unshare"), *own, *command]


def can_be_apart() -> bool:
    """Whether this machine lets us."""
    if os.geteuid() != 0:
        return False
    return subprocess.run(apart(["true"]), check=False, capture_output=True).returncode == 0


def set_up() -> None:
    """To be called by a command that is apart(): make the network, and a resolv.conf that names us."""
    ip = program("ip")
    for words in (
        "link set lo up",
        f"link add {_BRIDGE} type bridge",
        f"addr add {GATEWAY}/24 dev {_BRIDGE}",
        f"link set {_BRIDGE} up",
    ):
        run([ip, *words.split()])
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
        file.write(f"nameserver {GATEWAY}\n")
        file.flush()
        os.chmod(file.name, 0o644)
        run([program("mount"), "--bind", file.name, os.path.realpath(_RESOLV_CONF)])


class Host:
    """One of the hosts in the network, by its number from 2 on."""

    def __init__(self, number: int) -> None:
        ip = program("ip")
        self.address = f"{NET}.{number}"
        # It does nothing, and ends when nobody holds the other end of its input any more.
        holder = subprocess.Popen([program("unshare"), "--net", "cat"], stdin=subprocess.PIPE)
        space = f"/proc/{holder.pid}/ns/net"
        ours = os.stat("/proc/self/ns/net").st_ino
        wait_until(lambda: os.stat(space).st_ino != ours, "a network of its own")
        self.inside = [program("nsenter"), f"--net={space}", "--"]
        self._holder = holder
        run([ip, *f"link add mail{number} type veth peer name eth0 netns {holder.pid}".split()])
        run([ip, *f"link set mail{number} master {_BRIDGE} up".split()])
        for words in ("link set lo up", f"addr add {self.address}/24 dev eth0", "link set eth0 up"):
            run([*self.inside, ip, *words.split()])

    def connections(self, ports: set[int]) -> int:
        """How many TCP connections with other hosts there are now, from or to one of these ports."""
        with open(f"/proc/{self._holder.pid}/net/tcp", encoding="ascii") as table:
            lines = [line.split() for line in table][1:]
        found = 0
        for _, here, there, state, *_ in lines:
            mine, theirs = (int(place.rpartition(":")[2], 16) for place in (here, there))
            outside = _address(there) not in (GATEWAY, "0.0.0.0") and not _address(there).startswith("127.")
            found += state == "01" and outside and bool(ports & {mine, theirs})
        return found


def _address(place: str) -> str:
    """The IP address of a line in /proc/net/tcp: hexadecimal, in the order of this machine."""
    octets = int(place.partition(":")[0], 16).to_bytes(4, sys.byteorder)
    return ".".join(map(str, octets))
