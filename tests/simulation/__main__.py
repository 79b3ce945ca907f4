"""python -m tests.simulation 12345 --verbose, or --seeds 0-5000: runs worlds, says what is wrong in them."""

import argparse
import gc
import sys
import time
from collections.abc import Iterable
from multiprocessing import Pool
from typing import cast

from twisted.logger import ILogObserver, globalLogBeginner

from tests.simulation.running import ONE_LINE, Result, run


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="*", help="worlds to run")
    parser.add_argument("--seeds", metavar="FROM-TO", help="all worlds of these numbers")
    parser.add_argument("--verbose", action="store_true", help="tell the story")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    # Worlds look at what is logged themselves; what the dead say when they are buried is for nobody.
    globalLogBeginner.beginLoggingTo([cast(ILogObserver, lambda event: None)], redirectStandardIO=False)
    gc.freeze()  # what is there by now is nobody's garbage
    seeds = list(options.seed)
    if options.seeds:
        first, _, last = options.seeds.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    if options.verbose or options.processes < 2 or len(seeds) < 2:
        return _report(map(_told if options.verbose else run, seeds), len(seeds))
    with Pool(options.processes) as pool:
        return _report(pool.imap_unordered(run, seeds, chunksize=10), len(seeds))


def _told(seed: int) -> Result:
    return run(seed, say=print)


def _report(results: Iterable[Result], count: int) -> int:
    began, failed = time.monotonic(), 0
    for number, (seed, _, problems) in enumerate(results, 1):
        if problems:
            failed += 1
            print(f"\nseed {seed}: {ONE_LINE.format(seed)}")
            for problem in problems:
                print(f"  {problem}")
        if number % 50 == 0 or number == count:
            seconds = time.monotonic() - began
            sys.stderr.write(f"\r{number} of {count}, {failed} failed, {1000 * seconds / number:.0f} ms each")
            sys.stderr.flush()
    sys.stderr.write("\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
