"""A trusted folder with the programs of the benchmark, and commands that are timed there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

USER = pwd.getpwnam("nobody")  # sudo and doas ask for a name
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8"}


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
        self.target = self.program("bash", folder / "target")  # a name of the table of interpreters
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

    def through_kernel(self, name: str) -> Case:
        """A script that is the target's, through a wrapper without capabilities that is registered with binfmt_misc."""
        wrapper, place = self.program("registered", self.wrapper), self.top / "binfmt_misc"
        place.mkdir()
        subprocess.run(["mount", "-t", "binfmt_misc", "none", place], check=True)
        self.stack.callback(subprocess.run, ["umount", place], check=True)
        entry = place / self.top.name
        (place / "register").write_text(f":{entry.name}:M::#!{wrapper}\\x20::{wrapper}:OC\n")
        self.stack.callback(entry.write_text, "-1")
        return Case(name, [self.script(f"{name}.script", f"{wrapper} {self.target}", "cap_net_raw=ip")], wrapper)

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

        def restore() -> None:
            if saved.exists():
                saved.replace(conf)

        restore()  # after a run that was killed
        old = conf.read_text() if conf.exists() else None
        self.stack.callback(restore if old is not None else lambda: conf.unlink(missing_ok=True))
        if old is not None:
            conf.rename(saved)
        conf.touch(0o600)
        conf.write_text(f"{old or ''}\npermit nopass {USER.pw_name} as root cmd {command}\n")

    def allow_pkexec(self, command: str) -> None:
        """By a rule, with a bus and a polkit of the benchmark's own: no session has to be there."""
        for place in ("/run/dbus", "/etc/polkit-1"):
            os.makedirs(place, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place], check=True)
        Path("/etc/polkit-1/rules.d").mkdir()
        Path("/etc/polkit-1/rules.d/bench.rules").write_text(
            'polkit.addRule(function (action, subject) {\n'
            f'    if (action.lookup("program") == "{command}" && subject.user == "{USER.pw_name}")\n'
            '        return polkit.Result.YES;\n});\n')
        bus = subprocess.Popen(["dbus-daemon", "--system", "--nofork", "--nopidfile", "--print-address"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.stack.callback(bus.wait)
        self.stack.callback(bus.terminate)  # and polkit, which the bus has started, ends
        assert bus.stdout
        bus.stdout.readline()


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
