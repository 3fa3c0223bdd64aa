"""What is tried: a copy of the script, with the wrapper in its first line, where the wrapper trusts it. The script itself is
not touched."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shlex
import shutil
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field

from capwrap import Caps, supported

from . import lines, system
from .tables import BINDIR, SECURE_PATH

WRAPPER, CHECK = f"{BINDIR}/capwrap", f"{BINDIR}/capwrap-check"
WITH_WORD = ("-e", "--env", "-u", "--user", "-C", "--chdir")
TERMINAL = ("TERM", "LANG", "TZ")
ACCESS_LIST = "system.posix_acl_access"
INSTALL = "/usr/local/sbin"


class Refused(Exception):
    """It can't be tried, and why."""


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def user_of(word: str) -> User:
    """By name or number, with the groups that a login would have."""
    try:
        entry = pwd.getpwuid(int(word)) if word.isdigit() else pwd.getpwnam(word)
    except KeyError:
        if word.isdigit():
            return User(word, int(word), int(word), ())
        raise Refused(f"there is no user {word}") from None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


@dataclass
class Line:
    """A first line: the wrapper, its options, and the interpreter with its own."""

    wrapper: str
    options: list[str]
    words: list[str]

    @property
    def text(self) -> str:
        return " ".join([f"#!{self.wrapper}", *self.options, *self.words])

    @property
    def user(self) -> bool:
        return any(word in ("-u", "--user") or word.startswith("--user=") for word in self.options)

    @property
    def kept(self) -> set[str]:
        """The variables of the caller's that it keeps."""
        names = [after for word, after in zip(self.options, self.options[1:]) if word in ("-e", "--env")]
        names += [word[6:] for word in self.options if word.startswith("--env=")]
        return {name for some in names for name in some.split(",")}


def split(text: str) -> Line:
    """Of a script's first line, without #!; the wrapper is put there if it names none."""
    program, *words = text.split() or [""]
    if os.path.basename(program) != "capwrap":
        return Line(WRAPPER, [], [program, *words])
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in WITH_WORD else 1
    if at < len(words) and os.path.basename(words[at]) == "env":
        at += 2 if words[at + 1:at + 2] == ["-S"] else 1
    while at < len(words) and "=" in words[at] and "/" not in words[at].partition("=")[0]:
        at += 1
    return Line(program, words[:at], words[at:])


@dataclass
class Target:
    word: str
    arguments: list[str]
    user: User
    place: str  # a directory of ours that the wrapper trusts, and that is another one for each trial
    original: str = ""
    path: str = ""  # where it is run
    copied: str = ""  # the copy that lies there: the one file that is ever written to
    line: Line = field(default_factory=lambda: Line("", [], []))
    rest: bytes = b""  # all behind the first line
    mode: int = 0o755
    gid: int = 0
    program: bool = False  # a command that is no script
    install: bool = False  # before a grant it has to be made root's, somewhere else
    unproven: bool = False
    no_new_privs: bool = False
    directory: str = ""
    account: User = User("", 0, 0, ())
    command: list[str] = field(default_factory=list)  # without the wrapper
    variables: dict[str, str] = field(default_factory=dict)
    ceiling: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)

    # ---- Before the trials

    def prepare(self) -> None:
        self.find()
        self.ceiling = self.ceiling_of(self.line.wrapper)
        with system.apart(self.place):
            self.settle()
        with system.apart(self.place):
            self.variables = self.told_environment()

    def find(self) -> None:
        """The file, and what it is to be."""
        search = f"{os.environ.get('PATH', '')}:{SECURE_PATH}"
        path = self.word if os.path.isfile(self.word) else shutil.which(self.word, path=search)
        if not path:
            raise Refused(f"{self.word}: there is no such script or command")
        self.original = os.path.realpath(path)
        with open(self.original, "rb") as file:
            content = file.read() if file.read(2) == b"#!" else b""
        status = os.stat(self.original)
        if not content:
            self.find_program(os.path.abspath(path), status)
            return
        first, _, self.rest = content.partition(b"\n")
        self.line = split(os.fsdecode(first))
        self.no_new_privs = bool({"-n", "--no-new-privs"} & set(self.line.options))
        self.mode, self.gid = status.st_mode & 0o755 if status.st_mode & 0o111 else 0o755, status.st_gid
        if status.st_uid or status.st_mode & 0o022 or not status.st_mode & 0o111:
            self.install = True
            self.notes.append(f"{self.original} has to be root's alone, and executable, before it can be granted anything")

    def find_program(self, path: str, status: os.stat_result) -> None:
        """A script of one line around it."""
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                raise Refused(f"{path}: neither a program nor a script: its first line does not begin with #!")
        self.program, self.original = True, path
        if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
            self.no_new_privs = True
            self.notes.append(f"{path} is set-user-ID or set-group-ID, and would lose the grant: tried with --no-new-privs")
        with suppress(OSError):
            own = Caps.from_file(path).permitted
            if own:
                self.notes.append(f"{path} has capabilities of its own file: {','.join(sorted(own))}")
        self.line = Line(WRAPPER, ["--no-new-privs"] if self.no_new_privs else [], ["sh"])
        self.rest = f'exec {shlex.quote(path)} "$@"\n'.encode(errors="surrogateescape")

    def ceiling_of(self, wrapper: str) -> frozenset[str]:
        """All that it can be granted: registered with binfmt_misc the wrapper holds nothing itself."""
        bounding = frozenset(Caps.from_process().bounding) & supported()
        try:
            return frozenset(Caps.from_file(wrapper).permitted) & bounding or bounding
        except OSError as error:
            raise Refused(f"{wrapper}: {error.strerror}: trials go through the wrapper, so it has to be installed") from None

    def settle(self) -> None:
        """A copy over the script, or in our own place; what the rules say decides."""
        self.copied = f"{self.place}/{os.path.basename(self.original)}"
        self.path = self.copied if self.program else self.original
        self.lay()
        report = self.judged()
        if report["rule"] in ("path", "file") and not self.program:
            system.unmount(self.path)
            self.install = True
            self.notes.append(f"its own directory can't be trusted, so a copy was tried elsewhere: {report['reason']}")
            self.path = self.copied
            self.lay()
            report = self.judged()
        if report["verdict"] != "runs":
            raise Refused(f"{self.original}: {report['reason']}; {report['fix']}")
        self.take(report)

    def lay(self) -> None:
        """The copy: root's, as a script with a grant has to be, for those who may execute the script."""
        with open(self.copied, "wb") as file:
            file.write(self.content())
            os.fchown(file.fileno(), 0, self.gid)
            os.fchmod(file.fileno(), self.mode)
        if not self.program:
            with suppress(OSError):
                os.setxattr(self.copied, ACCESS_LIST, os.getxattr(self.original, ACCESS_LIST))
        if self.path != self.copied:
            system.bind(self.copied, self.path)
        elif not self.program:
            self.neighbours()

    def write(self, content: bytes) -> None:
        with open(self.copied, "wb") as file:
            file.write(content)

    def content(self) -> bytes:
        return os.fsencode(self.line.text) + b"\n" + self.rest

    def neighbours(self) -> None:
        """What lies beside it, by links: modules are looked for there."""
        directory, here = os.path.dirname(self.original), os.path.dirname(self.path)
        with suppress(OSError):
            for name in os.listdir(directory)[:1000]:
                if not os.path.lexists(f"{here}/{name}"):
                    os.symlink(f"{directory}/{name}", f"{here}/{name}")

    def judged(self) -> dict:
        """What the rules say, for the user; with the whole ceiling, or what the interpreter hands on of it."""
        report = self.check()
        interpreter = report["interpreter"]
        if report["verdict"] != "runs" and report["rule"] in ("interpreter", "contain") and interpreter:
            with suppress(OSError):
                self.ceiling = self.ceiling & frozenset(Caps.from_file(interpreter).inheritable) or self.ceiling
            report = self.check()
        if report["rule"] == "proven":
            self.unproven = True
            self.line.options.insert(0, "--unproven")
            self.notes.append(f"tried with --unproven: {report['reason']}")
            self.write(self.content())
            report = self.check()
        return report

    def check(self) -> dict:
        self.give(self.ceiling)
        try:
            done = subprocess.run([CHECK, "--json", "--user", str(self.user.uid), self.path], capture_output=True, text=True,
                                  check=False, stdin=subprocess.DEVNULL, errors="surrogateescape")
            return json.loads(done.stdout)[0]
        except OSError as error:
            raise Refused(f"{CHECK}: {error.strerror}: it has to be installed") from None
        except (ValueError, IndexError):
            raise Refused(f"{CHECK}: {done.stderr.strip()}") from None

    def take(self, report: dict) -> None:
        """What the report foretells of a run."""
        self.command = report["command"]
        self.directory = report["directory"] or ""
        account = report["account"]
        self.account = User(account["name"] or str(account["uid"]), account["uid"], account["gid"], tuple(account["groups"])) \
            if account else self.user
        self.notes += [warning["text"] for warning in report["warnings"]
                       if warning["code"] == "set-user-id" and not self.no_new_privs]

    def give(self, granted: frozenset[str], path: str = "") -> None:
        text = f"{','.join(sorted(granted))}=ip"
        if self.line.user:
            more = ",".join(sorted({"cap_setgid", "cap_setuid"} - granted))
            text += f" {more}+p" if more else ""
        try:
            Caps(text).apply(path or self.copied)
        except OSError as error:
            raise Refused(f"the copy that is tried can't be granted anything: {error.strerror}") from None

    def told_environment(self) -> dict[str, str]:
        """What the wrapper makes of it, told by a shell in place of the interpreter: for the run without the wrapper."""
        path = f"{self.place}/.environment"
        with open(path, "w") as file:
            print(*[f"#!{self.line.wrapper}", *self.line.options, "sh"], file=file)
            print("cat /proc/$$/environ", file=file)
        os.chmod(path, 0o755)
        self.give(frozenset(sorted(self.ceiling, key=lambda name: name != "cap_wake_alarm")[:1]), path)
        done = subprocess.run([path], capture_output=True, user=self.user.uid, group=self.user.gid, extra_groups=self.user.groups,
                              env=self.environment(True), stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise Refused(os.fsdecode(done.stderr).strip() or f"{self.line.wrapper}: it did not run a shell")
        here, there = os.path.dirname(path), os.path.dirname(self.path)
        pairs = (entry.partition("=") for entry in os.fsdecode(done.stdout).split("\0") if entry)
        return {name: there if value == here else value for name, _, value in pairs}

    # ---- For a trial

    def environment(self, wrapped: bool) -> dict[str, str]:
        """The caller's, or what the wrapper would make of that."""
        if not wrapped:
            return self.variables
        kept = {name: value for name, value in os.environ.items()
                if name in TERMINAL or name.startswith("LC_") or name in self.line.kept}
        return {"PATH": SECURE_PATH, **kept}

    def ready(self, granted: frozenset[str], tells_lines: bool) -> list[str]:
        """The words to run it by, with these granted."""
        self.lay()
        if tells_lines:
            self.write(lines.with_lines(self.content(), self.command[0]))
        if not granted:
            return [*self.command, *self.arguments]
        self.give(granted)
        return [self.path, *self.arguments]

    # ---- Afterwards

    def paste(self, granted: list[str]) -> list[str]:
        """The commands that grant it."""
        name = os.path.basename(self.original)
        given = f"capwrap-grant {'--unproven ' if self.unproven else ''}{','.join(granted)} "
        if self.program:
            script = shlex.quote(f"{INSTALL}/granted-{name}")
            words = " ".join(shlex.quote(word) for word in [self.original, *self.arguments])
            return [f"install -m 755 /dev/stdin {script} <<'END'", self.line.text, f"exec {words}", "END", given + script]
        if self.install:
            script = shlex.quote(f"{INSTALL}/{name}")
            return [f"install -o root -g root -m 755 {shlex.quote(self.original)} {script}", given + script]
        return [given + shlex.quote(self.original)]


def group_that_may(path: str, write: bool) -> str:
    """The group by which it could be done without any capability."""
    try:
        status = os.stat(path)
        wanted = 0o020 if write else 0o040
        return grp.getgrgid(status.st_gid).gr_name if status.st_gid and status.st_mode & wanted else ""
    except (OSError, KeyError):
        return ""
