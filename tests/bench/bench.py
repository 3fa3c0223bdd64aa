"""The benchmark of start-up cost: what a wrapper adds to the start of a script. It judges nothing.

usage: bench.py start WRAPPER FOLDER [--rounds N], as root; `meson test --benchmark -v -C BUILD` runs it. FOLDER has the
programs. Whatever is to be compared runs in turns within one run.
"""

from __future__ import annotations

import argparse
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

USER = pwd.getpwnam("nobody")  # sudo and doas ask for a name
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8"}
GOAL, LIMIT = 2.5, 4
SLOW = 10  # what takes milliseconds runs in each so many-th round


@dataclass
class Case:
    """A command to be timed, and then its times in nanoseconds."""

    name: str
    argv: list[str]
    program: Path | None = None
    every: int = 1
    jobs: int = 0
    variables: int = 0
    arguments: int = 0
    times: list[int] = field(default_factory=list)
    faults: int = 0

    @property
    def median(self) -> float:
        return median(self.times) / 1000

    @property
    def minimum(self) -> float:
        return min(self.times) / 1000


class World:
    """A trusted folder with the programs; whatever else is changed on the machine is undone at the end as well."""

    def __init__(self, wrapper: Path, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.top = Path(tempfile.mkdtemp(prefix="capwrap-bench-", dir="/opt"))
        stack.callback(shutil.rmtree, self.top)
        self.top.chmod(0o755)
        self.target = self.program("target", folder / "target")
        self.wrapper = self.program("capwrap", wrapper, "all=p")
        self.floor = self.program("floor", folder / "floor") if (folder / "floor").exists() else None

    def program(self, name: str, source: Path, caps: str = "") -> Path:
        path = self.top / name
        shutil.copyfile(source, path)
        path.chmod(0o755)
        if caps:
            subprocess.run(["setcap", caps, path], check=True)
        return path

    def script(self, name: str, line: object, caps: str = "", length: int = 0) -> str:
        """A script of that first line, granted a capability where it is the wrapper's."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{line}\n")
        path.chmod(0o755)
        if length:
            os.truncate(path, length)
        if caps:
            subprocess.run(["setcap", caps, path], check=True)
        return str(path)

    def through(self, name: str, wrapper: Path) -> Case:
        """A script that is the target's, through a wrapper."""
        caps = "cap_net_raw=i" if wrapper == self.wrapper else ""
        return Case(name, [self.script(f"{name.replace(' ', '-')}.script", f"{wrapper} {self.target}", caps)], wrapper)

    def measure(self, cases: list[Case], rounds: int) -> None:
        words = [str(USER.pw_uid), str(USER.pw_gid), str(rounds)]
        for case in cases:
            words += [str(n) for n in (case.every, case.jobs, case.variables, case.arguments)] + case.argv + [";"]
        done = subprocess.run([self.folder / "start", *words], env=ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True)
        for case, line in zip(cases, done.stdout.splitlines(), strict=True):
            case.faults, *case.times = map(int, line.split())

    def works(self, case: Case) -> bool:
        done = subprocess.run(case.argv, user=USER.pw_uid, group=USER.pw_gid, extra_groups=[], env=ENVIRONMENT, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            say(f"left out: {case.name}: {done.stderr.strip() or done.returncode}")
        return not done.returncode

    def allow_sudo(self, command: str) -> None:
        rule = Path("/etc/sudoers.d/capwrap-bench")
        self.stack.callback(rule.unlink, missing_ok=True)
        new = self.top / "sudoers"
        new.write_text(f"{USER.pw_name} ALL=(root) NOPASSWD: {command}\n")
        new.chmod(0o440)
        shutil.copy2(new, rule)

    def allow_doas(self, command: str) -> None:
        conf, saved = Path("/etc/doas.conf"), Path("/etc/doas.conf.before-bench")
        old = conf.read_text() if conf.exists() else ""
        if old:
            conf.rename(saved)
            self.stack.callback(saved.replace, conf)
        else:
            self.stack.callback(conf.unlink, missing_ok=True)
        conf.touch(0o600)
        conf.write_text(f"{old}\npermit nopass {USER.pw_name} as root cmd {command}\n")


def say(text: str = "") -> None:
    print(text, flush=True)


def find(program: str) -> str | None:
    path = shutil.which(program, path=PATH)
    if not path:
        say(f"left out: {program} is not installed")
    return path


def table(head: list[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns, the first and the last aligned to the left."""
    cells = [[f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        middle = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        say("  ".join([row[0].ljust(widths[0]), *middle, row[-1]]).rstrip())


def calls(world: World, case: Case) -> object:
    """How many system calls it takes from the first execve to the end."""
    log = world.top / "strace"
    strace = shutil.which("strace")
    if not strace:
        return "-"
    subprocess.run([strace, "-f", "-qq", "-esignal=none", "-u", USER.pw_name, "-o", log, *case.argv], env=ENVIRONMENT,
                   cwd="/", check=True)
    return sum("resumed>" not in line and "(" in line for line in log.read_text(errors="replace").splitlines())


def size(world: World, program: Path) -> int:
    """Without symbols, as programs are shipped."""
    bare = world.top / "stripped"
    strip = shutil.which("strip")
    if strip and not subprocess.run([strip, "-o", bare, program], check=False).returncode:
        program = bare
    return program.stat().st_size


def libraries(program: Path) -> str:
    readelf = shutil.which("readelf")
    if not readelf:
        return "-"
    text = subprocess.run([readelf, "-d", program], capture_output=True, text=True, check=True).stdout
    return " ".join(re.findall(r"\(NEEDED\).*\[(.*)\]", text)) or "none"


def wrappers(world: World) -> list[Case]:
    """The target as a script's interpreter: directly, and through whatever there is."""
    direct = Case("direct", [world.script("direct.script", world.target)])
    cases = [direct]
    if world.floor:
        held = world.program("floor-held", world.folder / "floor", "all=p")
        cases += [world.through("floor", world.floor), world.through("floor =p", held)]
    for kind in ("static", "dynamic"):
        source = world.folder / f"nothing-{kind}"
        if source.exists():
            cases.append(world.through(f"glibc {kind}", world.program(source.name, source)))
    cases.append(world.through("capwrap", world.wrapper))
    if env := find("env"):
        cases.append(world.through("env", Path(env)))
    if setpriv := find("setpriv"):
        cases.append(Case("setpriv", [setpriv, "--no-new-privs", *direct.argv], Path(setpriv)))
    if doas := find("doas"):
        world.allow_doas(direct.argv[0])
        cases.append(Case("doas", [doas, "-n", *direct.argv], Path(doas), every=SLOW))
    if sudo := find("sudo"):
        world.allow_sudo(direct.argv[0])
        cases.append(Case("sudo", [sudo, "-n", *direct.argv], Path(sudo), every=SLOW))
    return cases


def interpreters(world: World) -> list[Case]:
    """Empty scripts, each without and with capwrap."""
    cases = []
    for name in ("dash", "perl", "python3"):
        if path := find(name):
            cases.append(Case(name, [world.script(name, path)], every=SLOW))
            granted = world.script(f"{name}.granted", f"{world.wrapper} {path}", "cap_net_raw=i")
            cases.append(Case(f"{name}, capwrap", [granted], every=SLOW))
    return cases


def tenths(case: Case, direct: Case, floor: Case) -> list[float]:
    """The ratio of the medians in each tenth of the run."""
    found = []
    for i in range(10):
        parts = [median(c.times[len(c.times) * i // 10:len(c.times) * (i + 1) // 10]) for c in (case, direct, floor)]
        found.append((parts[0] - parts[1]) / (parts[2] - parts[1]))
    return sorted(found)


def start(world: World, rounds: int) -> None:
    """What each wrapper adds to a start."""
    first = [case for case in wrappers(world) if case.name in ("direct", "capwrap") or world.works(case)]
    second = interpreters(world)
    world.measure(first + second, rounds)

    direct = first[0]
    floor = next((case for case in first if case.name == "floor"), None)
    rows: list[list[object]] = []
    for case in first:
        ratios = ["-", "-"]
        if floor and case.program:
            ratios = [f"{(case.median - direct.median) / (floor.median - direct.median):.2f}",
                      f"{(case.minimum - direct.minimum) / (floor.minimum - direct.minimum):.2f}"]
        about: list[object] = [size(world, case.program), libraries(case.program)] if case.program else ["-", "-"]
        rows.append([case.name, case.median, case.minimum, case.median - direct.median, case.minimum - direct.minimum,
                     *ratios, calls(world, case), case.faults, *about])
    say(f"\nA script of a program that only exits, in microseconds; {rounds} rounds, sudo and doas {rounds // SLOW}.")
    say("added: over direct. ratio: of that to what the floor, one more execve and no libc, adds.\n")
    table(["through", "median", "minimum", "added", "by minima", "ratio", "by minima", "calls", "faults", "bytes",
           "libraries"], rows)

    rows = []
    for plain, wrapped in zip(second[::2], second[1::2], strict=True):
        rows.append([plain.name, plain.median, plain.minimum, wrapped.median, wrapped.minimum,
                     wrapped.median - plain.median, wrapped.minimum - plain.minimum, wrapped.faults - plain.faults, ""])
    say(f"\nEmpty scripts, without and with capwrap; {rounds // SLOW} rounds.\n")
    table(["script of", "median", "minimum", "capwrap", "minimum", "added", "by minima", "faults", ""], rows)

    if floor:
        capwrap = next(case for case in first if case.name == "capwrap")
        parts = tenths(capwrap, direct, floor)
        ratio = (capwrap.median - direct.median) / (floor.median - direct.median)
        least = (capwrap.minimum - direct.minimum) / (floor.minimum - direct.minimum)
        say(f"\ncapwrap adds {ratio:.2f} times what the floor adds, by minima {least:.2f}; in tenths of the run "
            f"{parts[0]:.2f} to {parts[-1]:.2f}. Goal {GOAL}, limit {LIMIT}.")
    if not Path("/dev/log").exists():
        say("No /dev/log here: where one is, capwrap also sends it a datagram.")


def main() -> None:
    parser = argparse.ArgumentParser(description="the benchmark of start-up cost, as root")
    parser.add_argument("part", choices=["start"])
    parser.add_argument("wrapper", type=Path)
    parser.add_argument("folder", type=Path, help="where its programs are")
    parser.add_argument("--rounds", type=int, default=3000)
    options = parser.parse_args()
    if os.geteuid():
        say("bench.py: it sets file capabilities and becomes another user: run it as root")
        sys.exit(77)  # skipped, to meson
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with ExitStack() as stack:
        start(World(options.wrapper, options.folder.resolve(), stack), options.rounds)


if __name__ == "__main__":
    main()
