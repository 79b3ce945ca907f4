"""Real and tortured messages that lie beside the repository; absent elsewhere."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "../shared/data/messages"
ABSENT = "" if FOLDER.is_dir() else "the message corpus is not beside the repository"


def messages() -> list[tuple[str, bytes]]:
    """Name and bytes of every message, in the order of the names."""
    files = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    return [(str(path.relative_to(FOLDER)), path.read_bytes()) for path in files]
