"""Every system call that the wrapper makes, from its own start to the interpreter's, fails in turn, with each error
that it can plausibly give: it refuses, or runs exactly what it promised. Never more, never a hang, never a signal."""

import os
import re
import subprocess
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import product

import pytest
from kit import BUILD, THOROUGH, USER, WRAPPER, Registered, Result, World, bit, bounding, four, grant, sets_in

CAPS = "cap_kill,cap_net_raw"
ENVIRONMENT = {"LANG": "C.UTF-8", "TZ": "UTC", "KEPT": "a b", "PYTHONPATH": "/tmp", "LD_LIBRARY_PATH": "/tmp"}

# By call: how the kernel, a resource limit or a seccomp filter could make it fail. An error that is an answer, and a
# wrong one, is not a failure: EBADF of a descriptor that is open, ENODATA of an interpreter that has capabilities.
ERRORS = {
    "capget": "EPERM ENOSYS",
    "capset": "EPERM ENOSYS",
    "chdir": "EACCES ENOENT ENOTDIR",
    "close": "EIO EINTR",
    "execve": "EACCES ENOMEM E2BIG ENOENT ETXTBSY EAGAIN",
    "execveat": "EACCES EINVAL ENOSYS ETXTBSY ENOMEM EPERM",
    "faccessat": "EACCES ENOENT EIO",
    "fgetxattr": "ENODATA EOPNOTSUPP EPERM EIO ERANGE ENOMEM",
    "fstatfs": "EIO ENOSYS",
    "getgroups": "EINVAL ENOSYS",
    "getresgid": "EPERM ENOSYS",
    "getresuid": "EPERM ENOSYS",
    "getxattr": "EACCES EPERM EIO ERANGE ENOMEM",
    "keyctl": "EDQUOT ENOMEM",
    "mmap": "ENOMEM",
    "openat": "EACCES ENOENT EMFILE ENFILE ENOMEM ELOOP EINTR",
    "prctl": "EPERM EINVAL",
    "pread64": "EIO EINTR EISDIR",
    "prlimit64": "EPERM EINVAL ENOSYS",
    "read": "EIO EINTR",
    "readlinkat": "EACCES ENOENT EIO ENOMEM ENAMETOOLONG",
    "rt_sigaction": "EINVAL ENOSYS",
    "rt_sigpending": "EINVAL ENOSYS",
    "rt_sigprocmask": "EINVAL ENOSYS",
    "sendmsg": "EAGAIN ECONNREFUSED ENOENT EACCES ENOBUFS EPERM",
    "setfsgid": "ENOSYS",
    "setfsuid": "ENOSYS",
    "setgroups": "EPERM ENOMEM",
    "setitimer": "EINVAL ENOSYS",
    "setresgid": "EPERM ENOSYS",
    "setresuid": "EPERM EAGAIN ENOSYS",
    "socket": "EMFILE EACCES EAFNOSUPPORT ENOMEM EPERM",
    "statfs": "EIO EACCES ENOSYS",
    "statx": "EACCES ENOENT ENOMEM EIO ENOSYS",
    "write": "EIO EPIPE ENOSPC EAGAIN",
}

# These have no error that could occur to the wrapper. fcntl asks whether a descriptor is open; where it makes one, test_door.py has
# the limits.
NEVER_FAIL = {"exit_group", "fcntl", "getpid", "umask"}


@dataclass
class State:
    """A run that is then disturbed."""

    interpreter: str = "status"
    options: str = ""
    ceiling: str = "all=p"
    capabilities: str = ""  # of the interpreter
    uid: int = USER
    closed: bool = False  # is standard input
    refused: bool = False
    arguments: int = 1
    by_link: bool = False  # which the wrapper has to resolve
    binfmt: bool = False  # started by binfmt_misc


STATES = {
    "ambient": State(),
    "contained": State(options="--contain", capabilities=f"{CAPS}=i"),
    "no new privileges": State(options="--no-new-privs"),
    "root": State(uid=0),
    "closed standard input": State(closed=True),
    "many arguments": State(arguments=100),
    "link to an interpreter": State("link"),
    "link to a script": State("link-to-status", refused=True),
    "called by a link": State(by_link=True),
    "binfmt_misc": State(binfmt=True),
    "binfmt_misc, closed standard input": State(binfmt=True, closed=True),
    "binfmt_misc, refused": State(binfmt=True, ceiling="=i", refused=True),
    "account": State(options="--user backup --chdir /"),
    "root's account": State(options="--user 34:34", uid=0),
    "refused for its ceiling": State(ceiling="cap_kill=p", refused=True),
    "refused for its interpreter": State(capabilities=f"{CAPS}=p", refused=True),
    "refused for what its interpreter starts": State("starts-evil", refused=True),
}


class Disturbed:
    """One state, and strace to disturb it. As root, strace leaves the wrapper its file capabilities."""

    def __init__(self, world: World, state: State) -> None:
        self.trace = world.top / "trace"
        wrapper = world.program("capwrap", WRAPPER, state.ceiling)
        world.program("status", BUILD / "tests/programs/status", state.capabilities)
        os.chown(world.program("evil", BUILD / "tests/programs/status", caps=""), USER, USER)
        world.script("starts-status", f"#!{world.top}/status of-the-script\n", caps=None)
        world.script("starts-evil", f"#!{world.top}/evil\n", caps=None)
        (world.top / "link").symlink_to("status")
        (world.top / "link-to-status").symlink_to("starts-status")
        self.door = Registered(world) if state.binfmt else None
        line = f"--env KEPT --unproven {state.options} {world.top}/{state.interpreter}"
        self.script = world.script("script", line, caps=f"{CAPS}{state.ceiling if state.refused and state.binfmt else '=ip'}",
                                   wrapper=wrapper)
        if state.by_link:
            (world.top / "link-to-script").symlink_to(self.script)
            self.script = world.top / "link-to-script"
        shell = ["sh", "-c", 'exec "$@" <&-', "sh"] if state.closed else []
        launch = [BUILD / "tests/programs/launch", state.uid, "0", "0", "0", f"{bounding():x}", "0", "0"]
        self.command = [str(word) for word in [*shell, *launch, self.script, *["argument"] * state.arguments]]

    def close(self) -> None:
        if self.door:
            self.door.close()

    def run(self, *options: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["strace", "-qq", "-o", self.trace, *options, *self.command], capture_output=True, text=True,
            env=ENVIRONMENT | {"PATH": "/usr/bin:/bin"}, umask=0, timeout=20)

    def calls(self) -> dict[str, list[int]]:
        """Of the wrapper, in the trace, up to the interpreter's execve: by name, which ones they are of that name."""
        seen, of_wrapper, inside = defaultdict(int, execve=-1), defaultdict(list), False  # strace's own does not count
        for name, rest in re.findall(r"^(\w+)\((.*)", self.trace.read_text(), re.M):
            seen[name] += 1
            if inside:
                of_wrapper[name].append(seen[name])
            if name == "execve" and rest.endswith(" = 0"):
                if inside:
                    break
                inside = rest.startswith(f'"{self.script}"')
        return of_wrapper


def promised(done: subprocess.CompletedProcess) -> list[str]:
    """The part of what an interpreter told that is nobody else's business."""
    told = "Umask|Uid|Gid|Groups|SigIgn|SigBlk|Cap...|NoNewPrivs|Securebits|Core|Argument|Variable"
    return re.findall(rf"^(?:{told}):.*$", done.stdout, re.M)


def flaw(done: subprocess.CompletedProcess, wanted: list[str] | None, call: str, error: str) -> str:
    """What is wrong with a disturbed run; nothing, mostly."""
    if done.returncode in (125, 126, 127):
        lines = done.stderr.count("\n")
        return "" if not done.stdout and (lines == 1 or (call == "write" and not lines)) else "not a plain refusal"
    if done.returncode != 0:
        return f"ends with {done.returncode}"
    if wanted is None:
        return "runs"
    seen = promised(done)
    if (call, error) == ("prlimit64", "EPERM"):  # the one failure that is let pass: the limit is 0 for good
        wanted, seen = ([row for row in rows if not row.startswith("Core")] for rows in (wanted, seen))
    return "" if seen == wanted and not done.stderr else "runs with something else"


def undisturbed(disturbed: Disturbed, state: State) -> list[str] | None:
    """What the state promises; None where it is refused. Without this the rest would prove nothing."""
    done = disturbed.run()
    if state.refused:
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1), done
        return None
    wanted = grant(bit(CAPS)) | ({"CapEff": 0, "CapAmb": 0} if state.capabilities else {})
    assert (done.returncode, four(sets_in(done.stdout))) == (0, wanted), done
    rows = promised(done)
    assert {"Umask:\t0022", "Variable:\tKEPT=a b", "Variable:\tLANG=C.UTF-8", "Argument:\targument"} <= set(rows)
    assert not any("=/tmp" in row for row in rows), rows
    return rows


@pytest.mark.parametrize("name", list(STATES) if THOROUGH else ["ambient", "binfmt_misc"])
def test_every_call_fails_in_turn(world, name):
    state = STATES[name]
    with closing(Disturbed(world, state)) as disturbed:
        every_call_fails(disturbed, state, name)


def every_call_fails(disturbed: Disturbed, state: State, name: str) -> None:
    wanted = undisturbed(disturbed, state)
    calls = disturbed.calls()
    assert {"capget", "statx", "readlinkat" if state.binfmt else "execveat"} <= calls.keys(), calls
    assert wanted is None or {"capset", "prctl"} <= calls.keys(), calls
    assert calls.keys() <= ERRORS.keys() | NEVER_FAIL, calls.keys() - ERRORS.keys() - NEVER_FAIL

    flaws = {}
    for call in calls.keys() - NEVER_FAIL:
        ordinals = calls[call]
        one_by_one = ordinals if THOROUGH or name == "ambient" else []
        for error, when in product(ERRORS[call].split(), [*one_by_one, f"{ordinals[0]}..{ordinals[-1]}"]):
            fault = f"{call}:error={error}:when={when}"
            done = disturbed.run("-e", f"trace={call}", "-e", f"inject={fault}")
            assert "(INJECTED)" in disturbed.trace.read_text(), fault
            wrong = flaw(done, wanted, call, error)
            if wrong:
                flaws[fault] = wrong, done.stderr
    assert not flaws, "\n".join(f"{fault}: {wrong}" for fault, wrong in sorted(flaws.items()))


@pytest.mark.parametrize(("name", "call", "reason"), [
    ("account", "setresuid", "EFFECT_IDS"), ("account", "setresgid", "EFFECT_IDS"),
    ("root's account", "setresuid", "EFFECT_IDS"), ("ambient", "capset", "EFFECT_SETS"),
    ("ambient", "prctl", "EFFECT_DIFFER"), ("contained", "capset", "EFFECT_DIFFER"),
])
def test_what_does_not_take(world, refused, name, call, reason):
    """A call that says that it succeeded, and did nothing: ids and sets are read back."""
    disturbed = Disturbed(world, STATES[name])
    assert undisturbed(disturbed, STATES[name])
    ordinals = disturbed.calls()[call]
    done = disturbed.run("-e", f"trace={call}", "-e", f"inject={call}:retval=0:when={ordinals[0]}..{ordinals[-1]}")
    assert "(INJECTED)" in disturbed.trace.read_text()
    refused(Result(done.returncode, done.stdout.encode(), done.stderr), reason, disturbed.script)


def test_exchanged_before_it_is_opened(world, refused):
    """Between the look at its path and its opening the script becomes a FIFO: what was opened is looked at again."""
    disturbed = Disturbed(world, State())
    fifo = world.top / "fifo"
    os.mkfifo(fifo, 0o755)
    waits = ["-P", disturbed.script, "-e", "trace=statx,openat", "-e", "inject=openat:delay_enter=2000000"]
    with ThreadPoolExecutor() as pool:
        run = pool.submit(disturbed.run, *waits)
        while not run.done() and not (disturbed.trace.exists() and re.search(r"statx\(.* = 0$", disturbed.trace.read_text(), re.M)):
            time.sleep(0.01)
        fifo.rename(disturbed.script)
        done = run.result()
    refused(Result(done.returncode, done.stdout.encode(), done.stderr), "FILE_TYPE", disturbed.script)
    assert "openat(" in disturbed.trace.read_text()
