"""What each wrapper adds to the start of a script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from statistics import median

from world import ENVIRONMENT, USER, Case, World, find, say, table

GOAL, LIMIT = 2.5, 4
SLOW = 10  # what takes milliseconds runs in each so many-th round
SLOWER = 20


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
    cases.append(world.through_kernel("binfmt_misc"))
    if env := find("env"):
        cases.append(world.through("env", Path(env)))
    if setpriv := find("setpriv"):
        cases.append(Case("setpriv", [setpriv, "--no-new-privs", *direct.argv], Path(setpriv)))
    if capsh := find("capsh"):
        cases.append(Case("capsh", [capsh, f"--shell={direct.argv[0]}", "--"], Path(capsh)))
    if doas := find("doas"):
        world.allow_doas(direct.argv[0])
        cases.append(Case("doas", [doas, "-n", *direct.argv], Path(doas), every=SLOW))
    if sudo := find("sudo"):
        world.allow_sudo(direct.argv[0])
        cases.append(Case("sudo", [sudo, "-n", *direct.argv], Path(sudo), every=SLOW))
    if (pkexec := find("pkexec")) and find("dbus-daemon"):
        world.allow_pkexec(direct.argv[0])
        cases.append(Case("pkexec", [pkexec, "--disable-internal-agent", *direct.argv], Path(pkexec), every=SLOWER))
    return cases


def interpreters(world: World) -> list[Case]:
    """Empty scripts, each without and with capwrap."""
    cases = []
    for name in ("dash", "perl", "python3"):
        if path := find(name):
            cases.append(Case(name, [world.script(name, path)], every=SLOWER))
            granted = world.script(f"{name}.granted", f"{world.wrapper} {path}", "cap_net_raw=i")
            cases.append(Case(f"{name}, capwrap", [granted], every=SLOWER))
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
    say(f"\nA script of a program that only exits, in microseconds; {rounds} rounds, sudo and doas {rounds // SLOW}, "
        f"pkexec {rounds // SLOWER}.")
    say("added: over direct. ratio: of that to what the floor, one more execve and no libc, adds.\n")
    table(["through", "median", "minimum", "added", "by minima", "ratio", "by minima", "calls", "faults", "bytes",
           "libraries"], rows)

    rows = []
    for plain, wrapped in zip(second[::2], second[1::2], strict=True):
        rows.append([plain.name, plain.median, plain.minimum, wrapped.median, wrapped.minimum,
                     wrapped.median - plain.median, wrapped.minimum - plain.minimum, wrapped.faults - plain.faults, ""])
    say(f"\nEmpty scripts, without and with capwrap; {rounds // SLOWER} rounds.\n")
    table(["script of", "median", "minimum", "capwrap", "minimum", "added", "by minima", "faults", ""], rows)

    if floor:
        capwrap = next(case for case in first if case.name == "capwrap")
        parts = tenths(capwrap, direct, floor)
        ratio = (capwrap.median - direct.median) / (floor.median - direct.median)
        least = (capwrap.minimum - direct.minimum) / (floor.minimum - direct.minimum)
        for case in first:
            if case.name == "binfmt_misc":
                say(f"\nby binfmt_misc capwrap adds {(case.median - direct.median) / (floor.median - direct.median):.2f} times what the "
                    f"floor adds, by minima {(case.minimum - direct.minimum) / (floor.minimum - direct.minimum):.2f}. Goal 2.0.")
        say(f"\ncapwrap adds {ratio:.2f} times what the floor adds, by minima {least:.2f}; in tenths of the run "
            f"{parts[0]:.2f} to {parts[-1]:.2f}. Goal {GOAL}, limit {LIMIT}.")
    if not Path("/dev/log").exists():
        say("No /dev/log here: where one is, capwrap also sends it a datagram.")
