"""The benchmark of start-up cost: what a wrapper adds to the start of a script, and how that grows. It judges nothing.

usage: bench.py start|growth WRAPPER FOLDER [--rounds N], as root; `meson test --benchmark -v -C BUILD` runs both.
FOLDER has the programs, and gets the tables and plots of growth. Whatever is to be compared runs in turns within one
run.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from growth import growth
from start import start
from world import World, say


def main() -> None:
    parser = argparse.ArgumentParser(description="the benchmark of start-up cost, as root")
    parser.add_argument("part", choices=["start", "growth"])
    parser.add_argument("wrapper", type=Path)
    parser.add_argument("folder", type=Path, help="where its programs are")
    parser.add_argument("--rounds", type=int, default=3000)
    options = parser.parse_args()
    if os.geteuid():
        say("bench.py: it sets file capabilities and becomes another user: run it as root")
        sys.exit(77)  # skipped, to meson
    if os.environ.get("BENCH_APART") != "1":  # what is mounted is seen by nobody else
        os.execvpe("unshare", ["unshare", "--mount", sys.executable, "-B", *sys.argv], os.environ | {"BENCH_APART": "1"})
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with ExitStack() as stack:
        world = World(options.wrapper, options.folder.resolve(), stack)
        stack.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)  # the rest is undone first
        (start if options.part == "start" else growth)(world, max(100, options.rounds))


if __name__ == "__main__":
    main()
