"""`python -m tests.fuzz SECONDS [TARGET...]`: each target for its share of the time, in its own process."""

import re
import subprocess
import sys

from tests.fuzz.targets import TARGETS

EXECUTED = re.compile(r"number_of_executed_units: (\d+)")
SECONDS_AT_LEAST = 2
SHOWN = 60  # lines of what a target that failed has said


def shares(seconds: int, names: list[str]) -> dict[str, int]:
    """The seconds for each; a session has as much as all others together."""
    weights = {name: max(1, len(names) - 1) if name == "session" else 1 for name in names}
    total = sum(weights.values())
    return {name: max(SECONDS_AT_LEAST, seconds * weight // total) for name, weight in weights.items()}


def fuzz(name: str, seconds: int) -> bool:
    """Whether the target held; says how many inputs it had, or what has failed."""
    command = [sys.executable, "-m", "tests.fuzz.one", name, f"-max_total_time={seconds}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    said = done.stderr + done.stdout  # what has failed is said on stdout, and is to stand last
    executed = EXECUTED.search(said)
    if done.returncode or not executed:
        print(*said.splitlines()[-SHOWN:], f"{name}: FAILED", sep="\n", flush=True)
        return False
    print(f"{name}: {executed[1]} inputs in {seconds} seconds", flush=True)
    return True


def main(seconds: int, names: list[str]) -> int:
    """How many targets failed."""
    return sum(not fuzz(name, share) for name, share in shares(seconds, names or list(TARGETS)).items())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
