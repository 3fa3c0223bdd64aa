"""One run of the script with a set of capabilities: through the real wrapper, as the user, and then all that is left is ended."""

from __future__ import annotations

import os
import re
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from capwrap import Cap, Caps

from . import system
from .kernel import BEGIN, Account, Ask, Trace
from .lines import MARKER
from .target import Refused, Target

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
OUTPUT, ERRORS = 1 << 20, 1 << 14  # bytes that are kept


def name_of(capability: int) -> str:
    known = list(Cap)
    return known[capability].value if 0 <= capability < len(known) else str(capability)


def telling(errors: str) -> str:
    """The last line that tells of a permission, or else the last one."""
    rows = errors.splitlines()
    return next((row for row in reversed(rows) if re.search("denied|not permitted|permission|superuser|root", row, re.I)),
                rows[-1] if rows else "").strip()


@dataclass
class Trial:
    granted: frozenset[str]
    works: bool
    status: str
    error: str  # the line of standard error that says most
    account: Account | None = None

    @property
    def seen(self) -> bool:
        """Has the kernel told all?"""
        return self.account is not None and not self.account.lost

    @property
    def asks(self) -> list[Ask]:
        return self.account.asks if self.account else []

    @property
    def asked(self) -> list[str]:
        return [name_of(ask.capability) for ask in self.asks]

    @property
    def denied(self) -> list[str]:
        return [name_of(ask.capability) for ask in self.asks if not ask.granted]


@dataclass
class Run:
    """What a process did: how it ended, None where its time was up, and the beginning and the end of what it wrote."""

    status: int | None = None
    output: bytes = b""
    errors: bytes = b""

    def read(self, data: bytes, error: bool) -> None:
        if error:
            self.errors = (self.errors + data)[-ERRORS:]
        elif len(self.output) < OUTPUT:
            self.output += data


@dataclass
class Runner:
    """How trials are made: what, for how long, and who judges."""

    target: Target
    seconds: float = 60
    stdin: str = os.devnull
    ok: str = ""
    reset: str = ""
    trace: Trace | None = None
    say: Callable[[str], None] = field(default=lambda text: None)
    made: int = 0

    def __call__(self, granted: frozenset[str], lines: bool = False) -> Trial:
        self.resets()
        self.made += 1
        names = ", ".join(sorted(granted)) if len(granted) < 5 else f"{len(granted)} capabilities"
        self.say(f"run {self.made}: with {names or 'nothing'}")
        target = self.target
        try:
            with system.apart(target.place):
                words = target.ready(granted, lines)
                if self.trace:
                    self.trace.start()
                run, works = self.judged(words, bool(granted), lines)
        finally:
            ended = system.end_descendants()
            account = self.trace.stop(2 if granted else 1) if self.trace else None
        if not ended:
            raise Refused(f"processes of a run can't be ended: {', '.join(map(str, system.descendants()))}")
        errors = run.errors.decode(errors="backslashreplace").strip()
        if granted and run.status is not None and os.WIFEXITED(run.status) and os.WEXITSTATUS(run.status) == 125 \
                and errors.startswith("capwrap: "):
            raise Refused(errors.splitlines()[0])
        status = self.how(run.status) + (", which --ok did not accept" if self.ok and not works else "")
        return Trial(granted, works, status, telling(errors), account)

    def resets(self) -> None:
        """As it was, for whoever comes next."""
        if self.reset:
            subprocess.run(["sh", "-c", self.reset], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)

    def judged(self, words: list[str], wrapped: bool, lines: bool) -> tuple[Run, bool]:
        """Runs it, and has it judged while what it has started is still there."""
        pid, output, errors = self.start(words, wrapped, lines)
        run = Run()
        try:
            self.watch(run, pid, output, errors)
            if self.ok:
                return run, self.is_ok(run)
        finally:
            os.close(output)
            os.close(errors)
        return run, run.status == 0

    def how(self, status: int | None) -> str:
        if status is None:
            return f"still running after {self.seconds:g} s"
        if os.WIFSIGNALED(status):
            return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"exit status {os.WEXITSTATUS(status)}"

    def is_ok(self, run: Run) -> bool:
        """What --ok says: it may read what the script wrote, and how it ended."""
        status = "" if run.status is None else str(os.waitstatus_to_exitcode(run.status))
        written = os.memfd_create("output")
        try:
            os.write(written, run.output)
            os.lseek(written, 0, os.SEEK_SET)
            done = subprocess.run(["sh", "-c", self.ok], stdin=written, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=self.seconds, check=False, env={**os.environ, "CAPWRAP_STATUS": status})
        except subprocess.TimeoutExpired:
            return False
        finally:
            os.close(written)
        return done.returncode == 0

    def start(self, words: list[str], wrapped: bool, lines: bool) -> tuple[int, int, int]:
        """The process, and the ends of its output and errors."""
        stdin = os.open(self.stdin, os.O_RDONLY)
        output, errors = os.pipe(), os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            pid = os.fork()
            if not pid:
                try:
                    self.become(stdin, output[1], errors[1], wrapped, lines)
                    os.execve(words[0], words, self.target.environment(wrapped))
                except BaseException as error:
                    os.write(2, f"capwrap-learn: {words[0]}: {error}\n".encode(errors="replace"))
                finally:
                    os._exit(127)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        for fd in (stdin, output[1], errors[1]):
            os.close(fd)
        return pid, output[0], errors[0]

    def become(self, stdin: int, output: int, errors: int, wrapped: bool, lines: bool) -> None:
        """In the child: the user, with nothing of ours but what is meant to be there."""
        os.setsid()
        for fd, number in ((stdin, 0), (output, 1), (errors, 2)):
            os.dup2(fd, number)
        for number in signal.valid_signals():
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if self.trace:
            os.write(self.trace.marker, BEGIN.encode())
            if lines:
                os.dup2(self.trace.marker, MARKER)
        os.umask(0o022)
        with suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
        user = self.target.user if wrapped else self.target.account
        if not wrapped and self.target.directory:
            os.chdir(self.target.directory)
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        caps = Caps.from_process()
        caps.inheritable.clear()
        caps.ambient.clear()
        caps.apply()
        if not wrapped and self.target.no_new_privs:
            system.prctl(system.NO_NEW_PRIVS, 1)

    def watch(self, run: Run, pid: int, output: int, errors: int) -> None:
        """Until it ends, or its time is up."""
        end = time.monotonic() + self.seconds
        handle = -1
        with selectors.DefaultSelector() as watched:
            for fd in (output, errors):
                os.set_blocking(fd, False)
                watched.register(fd, selectors.EVENT_READ)
            with suppress(OSError):  # Linux before 5.3
                handle = os.pidfd_open(pid)
                watched.register(handle, selectors.EVENT_READ)
            try:
                while run.status is None and time.monotonic() < end:
                    for key, _ in watched.select(0.05):
                        if key.fd != handle and not self.read(run, key.fd, key.fd == errors):
                            watched.unregister(key.fd)
                    if self.trace:
                        self.trace.drain(1 << 20)
                    done, status = os.waitpid(pid, os.WNOHANG)
                    run.status = status if done else None
            finally:
                if handle >= 0:
                    os.close(handle)
        for fd in (output, errors):
            for _ in range(OUTPUT >> 16):
                if not self.read(run, fd, fd == errors):
                    break

    @staticmethod
    def read(run: Run, fd: int, error: bool) -> int:
        """How much there was."""
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return 0
        run.read(data, error)
        return len(data)
