"""`python -m tests.fuzz.one TARGET [libFuzzer option...]`: one target, until it fails or its time is over.

The corpus lies in .fuzz/ and grows from run to run. What makes the target fail is kept there too, as
TARGET-crash-...: mend it, and put the file into tests/fuzz/found, where the tests run it from then on.
"""

import sys
import tempfile
from pathlib import Path

import atheris

MEMORY = Path("/dev/shm")  # where a disk's time is not spent on the mail of sessions
if MEMORY.is_dir():
    tempfile.tempdir = str(MEMORY)

# What is here sees where the octets lead; the rest is not for the octets of a stranger.
SEEN = [
    "mailnode.wire",
    "mailnode.smtp",
    "mailnode.pop3",
    "mailnode.imap",
    "mailnode.auth.sasl",
    "mailnode.auth.scram",
    "mailnode.delivery.route",
    "mailnode.message.address_list",
    "mailnode.message.header",
    "mailnode.net.stream",
]

with atheris.instrument_imports(include=SEEN):
    from tests.fuzz.targets import TARGETS, seeds
    from tests.vectors.vector import vectors

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent.parent / ".fuzz"
INPUT_LIMIT = {
    "session": 4096,
    "maildrop": 1200,
    "imap": 1500,
}  # octets; more than the limits of the session are


def main(name: str, options: list[str]) -> None:
    """Fuzz; the process ends here."""
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(sorted(seeds(vectors())[name])):
        (corpus / f"seed-{number:04d}").write_bytes(seed)
    arguments = [
        sys.argv[0],
        f"-dict={HERE / 'words.dict'}",
        f"-max_len={INPUT_LIMIT.get(name, 600)}",
        f"-artifact_prefix={KEPT}/{name}-",
        "-timeout=20",
        "-print_final_stats=1",
        *options,
        str(corpus),
    ]
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
