"""Fixtures for tests against the real kernel: root sets up, an unprivileged uid acts."""

import grp
import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

BUILD = Path(os.environ["CAPWRAP_BUILD"])
SOURCE = Path(__file__).resolve().parents[2]
SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")

os.umask(0o022)  # whatever root's is: what the tests install is for others to run


def free_uid(start: int) -> int:
    """A uid that belongs to nobody: what it owns and runs can be told apart from all else."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in range(start, start + 1000) if uid not in taken)


USER = free_uid(50000 + os.getpid() % 5000 * 3)  # so that two runs do not meet
OTHER = free_uid(USER + 1)


def last_cap() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())


def bounding() -> int:
    """The bounding set of the tests: a machine may have less than all."""
    return int(re.search(r"CapBnd:\s*(\w+)", Path("/proc/self/status").read_text())[1], 16)


def sets_in(status: str) -> dict[str, int]:
    """The capability sets in the text of a /proc/PID/status."""
    return {name: int(value, 16) for name, value in re.findall(r"^(Cap\w+):\s*([0-9a-f]+)", status, re.M)}


def bit(name: str) -> int:
    """The mask of capabilities, by name and by libcap: cap_net_raw,cap_kill."""
    text = subprocess.run(["capsh", "--decode=ffffffffffffffff"], capture_output=True, text=True, check=True).stdout
    names = text.strip().split("=")[1].split(",")
    return sum(1 << names.index(part) for part in name.split(","))


@dataclass
class Result:
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def sets(self) -> dict[str, int]:
        return sets_in(self.text)


class World:
    """A trusted folder with a wrapper that holds every capability, and whatever a test puts beside it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.wrapper = self.program("capwrap", BUILD / "src/capwrap/capwrap")
        self.naive = self.program("naive", BUILD / "tests/e2e/naive")

    def program(self, name: str, source: Path, caps: str = "all=p") -> Path:
        target = self.top / name
        shutil.copyfile(source, target)
        target.chmod(0o755)
        if caps:
            self.setcap(caps, target)
        return target

    def folder(self, name: str, mode: int = 0o755, uid: int = 0) -> Path:
        path = self.top / name
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, uid, uid)
        path.chmod(mode)
        return path

    @staticmethod
    def setcap(caps: str, path: Path | str) -> None:
        subprocess.run(["setcap", caps, str(path)], check=True)

    def script(
        self,
        path: str | Path,
        line: str | bytes | Path,
        body: str | bytes = "",
        caps: str | None = "cap_net_raw=i",
        mode: int = 0o755,
        uid: int = 0,
        wrapper: Path | None = None,
    ) -> Path:
        """Installs a script with #!capwrap LINE. A line that begins with #! or is bytes is taken as it is."""
        line = str(line) if isinstance(line, Path) else line
        path = self.top / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(line, str) and not line.startswith("#!"):
            line = f"#!{wrapper or self.wrapper} {line}\n"
        head = line.encode() if isinstance(line, str) else line
        path.unlink(missing_ok=True)
        path.write_bytes(head + (body.encode() if isinstance(body, str) else body))
        os.chown(path, uid, uid)
        path.chmod(mode)
        if caps:
            self.setcap(caps, path)
        return path

    @staticmethod
    def run(*argv: object, uid: int = USER, gid: int | None = None, stdin: bytes | None = None, **more) -> Result:
        """Runs a command as an unprivileged uid without groups."""
        more.setdefault("timeout", 60)
        more.setdefault("cwd", "/")
        more.setdefault("env", {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
        if stdin is None:
            more.setdefault("stdin", subprocess.DEVNULL)
        else:
            more["input"] = stdin
        done = subprocess.run(
            [arg if isinstance(arg, bytes) else str(arg) for arg in argv],
            user=uid, group=uid if gid is None else gid, extra_groups=[], capture_output=True, **more,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="backslashreplace"))


def remove_tree(top: Path) -> None:
    """Unmounts whatever a test left mounted below, and removes it all."""
    with open("/proc/self/mountinfo") as table:
        points = [line.split()[4] for line in table]
    for point in reversed(points):
        if point.startswith(f"{top}/"):
            subprocess.run(["umount", "-l", point], check=False)
    subprocess.run(["chattr", "-R", "-f", "-i", "-a", str(top)], check=False)
    shutil.rmtree(top)


@pytest.fixture
def world():
    """A fresh trusted folder, removed at the end, with everything that the test's users left running."""
    top = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
    top.chmod(0o755)
    try:
        yield World(top)
    finally:
        for uid in (USER, OTHER):
            subprocess.run(["pkill", "-KILL", "-u", str(uid)], check=False)
        remove_tree(top)


@pytest.fixture(scope="session")
def refusals() -> dict[str, dict[str, str]]:
    """The program's own list: name, to rule, exit code, reason and fix."""
    lines = subprocess.run([BUILD / "tests/unit/refusals"], capture_output=True, text=True, check=True).stdout
    keys = ("name", "rule", "code", "reason", "fix")
    rows = [dict(zip(keys, line.split("\t"), strict=True)) for line in lines.splitlines()]
    return {row["name"]: row for row in rows}


@pytest.fixture
def refused(refusals):
    """Asserts that a result is the refusal of that name: exit code, one line, script (None: none), reason, fix."""

    def check(result: Result, name: str, script: object) -> None:
        row = refusals[name]
        holes = {"%o": "(.+)", "%e": "(.+)", "%g": "([a-z0-9_,]+)", "%p": "(.+)", "%w": "(.+)"}
        pattern = "".join(
            holes.get(part, re.escape(part)) for part in re.split("(%[oegpw])", f"{row['reason']}; {row['fix']}"))
        about = "" if script is None else f"{script}: "
        assert re.fullmatch(f"capwrap: {re.escape(about)}{pattern}\n", result.err), (name, result)
        assert result.code == int(row["code"]), result
        assert result.out == b"", result

    return check


@pytest.fixture
def attacker(world):
    """The user, with a folder of their own and code that shows whether it got a capability."""
    from attacks import Attacker  # which builds on this file

    return Attacker(world)


@pytest.fixture
def beaten(refused, attacker):
    """Asserts a refusal, and that nothing of the attacker's ran."""

    def check(result: Result, name: str, script: object) -> Result:
        refused(result, name, script)
        attacker.loses()
        return result

    return check


def pytest_runtest_logreport(report) -> None:
    """In CI nothing is skipped."""
    if os.environ.get("CI") == "true" and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"


def grant(mask: int) -> dict[str, int]:
    """The four sets of a script that runs with exactly this grant, as an ordinary run has them."""
    return dict.fromkeys(SETS, mask)


def four(sets: dict[str, int]) -> dict[str, int]:
    """The sets that a grant decides, of all that a status has."""
    return {name: sets[name] for name in SETS}


def names(mask: int) -> str:
    """A mask as setcap takes it: cap_net_raw,cap_kill."""
    text = subprocess.run(["capsh", f"--decode={mask:x}"], capture_output=True, text=True, check=True).stdout
    return text.strip().split("=")[1]


def evil(world: World, name: str = "evil") -> Path:
    """A program of the caller's that tells, on standard error, which capabilities it was run with."""
    body = "exec >&2\necho EVIL\ngrep ^Cap /proc/self/status\n"
    return world.script(f"home/{name}", "#!/bin/sh\n", body, caps=None, uid=USER)


EXAMPLES = SOURCE / "examples"

# Keeps the namespaces of a Machine open: binds the folders that it is given, and brings up the loopback device.
HOLDER = """
import fcntl, socket, struct, subprocess, sys
for place in sys.argv[2:]:
    subprocess.run(["mount", "--bind", sys.argv[1] + place, place], check=True)
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 1))
print("ready", flush=True)
sys.stdin.read()
"""


class Machine:
    """The machine with folders of the test in place of /usr/local, /srv, /home and /root, and with processes and a
    network of its own. When it is closed, its processes end."""

    PLACES = ("/usr/local", "/srv", "/home", "/root")

    def __init__(self, world: World) -> None:
        self.world = world
        self.top = world.folder("machine")
        for place in self.PLACES:
            world.folder(f"machine{place}", 0o700 if place == "/root" else 0o755)
        for folder in ("bin", "sbin", "lib"):
            world.folder(f"machine/usr/local/{folder}")
        world.program("machine/usr/local/bin/capwrap", BUILD / "src/capwrap/capwrap")
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "python-runtime",
                        "--destdir", self.top], check=True, stdout=subprocess.DEVNULL)
        shutil.copytree(EXAMPLES, self.top / "examples")
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child",
             "/usr/bin/python3", "-c", HOLDER, self.top, *self.PLACES],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"

    def close(self) -> None:
        self.holder.communicate()

    def command(self, *argv: object, user: str | int = USER, group: str = "") -> list[object]:
        """A command line that runs another one there, as a user and a member of one more group."""
        entry = pwd.getpwnam(user) if isinstance(user, str) else None
        uid, gid = (entry.pw_uid, entry.pw_gid) if entry else (user, user)
        groups = f"--groups={grp.getgrnam(group).gr_gid}" if group else "--clear-groups"
        of = f"/proc/{self.holder.pid}/ns"
        # setpriv itself has root's capabilities until it has executed something: a shell.
        drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", groups, "sh", "-c", 'exec "$@"', "sh"]
        return ["nsenter", f"--mount={of}/mnt", f"--net={of}/net", f"--pid={of}/pid_for_children", *drop, *argv]

    def run(self, *argv: object, user: str | int = USER, group: str = "", **more) -> Result:
        return self.world.run(*self.command(*argv, user=user, group=group), uid=0, **more)

    def install(self, example: str) -> list[str]:
        """Runs the commands in the header of an example, as root; returns the command to run it."""
        text = re.sub("^# ?", "", (EXAMPLES / example).read_text(), flags=re.M)
        install, run = re.findall(r"(?:^ {4}\S.*\n)+", text.partition("\n\nimport")[0].partition("\nif [")[0], re.M)[:2]
        result = self.run("sh", "-ec", f"cd {self.top}/examples\n{install}", user="root",
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert (result.code, result.err) == (0, ""), result
        return shlex.split(run)


@pytest.fixture
def machine(world):
    machine = Machine(world)
    yield machine
    machine.close()
