"""What the kernel was asked while a trial ran, and what it denied: its own account, by tracefs, in an instance of our own."""

from __future__ import annotations

import errno
import math
import os
import platform
import re
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field

from . import system
from .tables import CALLS

INSTANCE, GROUP = "capwrap-learn-", "capwrap_learn_"  # each with the process id
BUFFER = 8192  # KiB for each processor
ENOUGH = 64 << 20  # bytes of one trial's account
ANSWER = "ret == -1 || ret == -13"  # EPERM, EACCES

# Frames of checks that mean nothing: memory asks for a reserve at every start of a program, and overlayfs in the name of whoever
# mounted it. And of those that mostly mean nothing: whoever looks through /proc asks for each process.
NOISE = {"cap_vm_enough_memory", "__vm_enough_memory", "security_vm_enough_memory_mm", "ovl_lookup"}
TRACING = {"ptrace_may_access", "__ptrace_may_access", "mm_access"}

# What a system call is about: which argument is a path or an address, or what its numbers are.
PATHS = {
    "access": 0, "acct": 0, "chdir": 0, "chmod": 0, "chown": 0, "chroot": 0, "creat": 0, "execve": 0, "execveat": 1,
    "faccessat": 1, "faccessat2": 1, "fchmodat": 1, "fchmodat2": 1, "fchownat": 1, "getxattr": 0, "lchown": 0, "lgetxattr": 0,
    "link": 1, "linkat": 3, "lremovexattr": 0, "lsetxattr": 0, "lstat": 0, "mkdir": 0, "mkdirat": 1, "mknod": 0, "mknodat": 1,
    "mount": 1, "move_mount": 3, "newfstatat": 1, "newlstat": 0, "newstat": 0, "open": 0, "open_tree": 1, "openat": 1,
    "openat2": 1, "readlink": 0, "readlinkat": 1, "removexattr": 0, "rename": 0, "renameat": 1, "renameat2": 1, "rmdir": 0,
    "sethostname": 0, "setxattr": 0, "statx": 1, "swapoff": 0, "swapon": 0, "symlink": 1, "symlinkat": 2, "truncate": 0,
    "umount": 0, "unlink": 0, "unlinkat": 1, "utimensat": 1, "utimes": 0,
}
ADDRESSES = {"bind": 1, "connect": 1, "sendto": 4}
NUMBERS = {
    "clock_settime": ("clock",), "ioprio_set": ("which", "who", "priority"), "kill": ("process", "signal"),
    "prlimit64": ("process", "limit"), "ptrace": ("request", "process"), "sched_setscheduler": ("process", "policy"),
    "setgid": ("gid",), "setpriority": ("which", "who", "nice"), "setresgid": ("gid", "gid", "gid"),
    "setresuid": ("uid", "uid", "uid"), "setsockopt": ("descriptor", "level", "option"), "setuid": ("uid",),
    "socket": ("family", "type", "protocol"), "tgkill": ("process", "thread", "signal"), "unshare": ("flags",),
}
# Where the arguments lie in what the kernel hands to a system call.
MACHINES = {
    "x86_64": ("__x64_sys_", "%di", (112, 104, 96, 56, 72, 64)),
    "aarch64": ("__arm64_sys_", "%x0", (0, 8, 16, 24, 32, 40)),
}

EVENT = re.compile(r"\s*(.*?)-(\d+)\s+\[\d+\]\s+\S+\s+[\d.]+: (.*)")
FRAME = re.compile(r"(?:__(?:x64|ia32|arm64|riscv|s390x|se|do)_sys|do_sys|__sys)_(\w+)")
SAME = {"umount": "umount2", "newlstat": "lstat", "newstat": "stat", "openat2": "openat"}
BEGIN = "capwrap-learn begins"
LINE = "capwrap-learn line "


class Unseen(Exception):
    """Why the kernel tells nothing."""


@dataclass(frozen=True)
class Ask:
    """The kernel looked whether a process has a capability."""

    capability: int
    granted: bool
    call: str
    target: str
    line: int
    program: str
    tracing: bool  # mostly noise


@dataclass(frozen=True)
class Denial:
    """A system call that failed for want of permission, and the capabilities that would have mattered."""

    call: str
    target: str
    line: int
    program: str
    error: str
    capabilities: tuple[int, ...]


@dataclass
class Account:
    asks: list[Ask] = field(default_factory=list)
    denials: list[Denial] = field(default_factory=list)
    lost: bool = False


# ---- Taking it down


def put(path: str, text: str) -> None:
    """To a file of the kernel's, each write a command; never truncated, which would end what is others'."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def find_tracefs(room: str) -> str:
    """Where it is mounted, or mounts it in a directory of ours, where nobody else sees it."""
    for place in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        if os.path.isdir(f"{place}/instances"):
            return place
    with open("/proc/filesystems") as file:
        if not re.search(r"\ttracefs$", file.read(), re.M):
            raise Unseen("this kernel has no tracefs")
    place = f"{room}/tracing"
    os.makedirs(place, exist_ok=True)
    try:
        system.mount("capwrap-learn", place, "tracefs")
    except OSError as error:
        raise Unseen(f"tracefs can't be mounted: {error.strerror}") from None
    return place


def locked_down() -> bool:
    with suppress(OSError), open("/sys/kernel/security/lockdown") as file:
        return "[confidentiality]" in file.read()
    return False


def remove(tracefs: str, pid: int) -> None:
    """What the run of that process has there, unless it still runs: then the kernel refuses."""
    with suppress(OSError):
        os.rmdir(f"{tracefs}/instances/{INSTANCE}{pid}")
    with suppress(OSError), open(f"{tracefs}/kprobe_events") as file:
        for probe in re.findall(rf"^[pr]\d*:({GROUP}{pid}/\w+)", file.read(), re.M):
            with suppress(OSError):
                put(f"{tracefs}/kprobe_events", f"-:{probe}\n")


def sweep(tracefs: str) -> None:
    """Removes what runs that were killed with all their processes have left."""
    left = re.findall(rf"^{INSTANCE}(\d+)$", "\n".join(os.listdir(f"{tracefs}/instances")), re.M)
    with suppress(OSError), open(f"{tracefs}/kprobe_events") as file:
        left += re.findall(rf":{GROUP}(\d+)/", file.read())
    for pid in set(left):
        if not os.path.exists(f"/proc/{pid}"):
            remove(tracefs, int(pid))


def probes(pid: int, tracepoint: bool) -> tuple[list[str], list[str]]:
    """Kernel probes that have to be, and those of system calls."""
    group = f"{GROUP}{pid}"
    needed = [] if tracepoint else [f"p:{group}/ask cap_capable cap=$arg3:s32", f"r:{group}/answer cap_capable ret=$retval:s32"]
    if platform.machine() not in MACHINES:
        return needed, []
    prefix, register, offsets = MACHINES[platform.machine()]
    calls = [f"p:{group}/call_{name} {prefix}{name} path=+0(+{offsets[which]}({register})):ustring"
             for name, which in PATHS.items()]
    for name, which in ADDRESSES.items():
        at = f"(+{offsets[which]}({register}))"
        calls.append(f"p:{group}/call_{name} {prefix}{name} family=+u0{at}:u16 p=+u2{at}:u8 q=+u3{at}:u8 four=+u4{at}:x32 "
                     f"a=+u8{at}:x64 b=+u16{at}:x64 path=+2{at}:ustring")
    for name, words in NUMBERS.items():
        arguments = " ".join(f"n{at}=+{offsets[at]}({register}):s32" for at in range(len(words)))
        calls.append(f"p:{group}/call_{name} {prefix}{name} {arguments}")
    return needed, calls


class Trace:
    """The instance: from open() to close(), between which trials are recorded one after the other."""

    def __init__(self, room: str, pid: int) -> None:
        """`pid` is that of the whole run, which has its name. Unseen where the kernel does not let us."""
        self.pid, self.pipe, self.marker = pid, -1, -1
        self.taken = bytearray()
        self.full = False
        self.tracefs = find_tracefs(room)
        self.instance = f"{self.tracefs}/instances/{INSTANCE}{pid}"
        try:
            sweep(self.tracefs)
            os.mkdir(self.instance)
            self.prepare()
        except OSError as error:
            self.close()
            why = "the kernel is locked down" if locked_down() else f"{error.filename or 'tracefs'}: {error.strerror}"
            raise Unseen(f"tracefs can't be used: {why}") from None
        except BaseException:
            self.close()
            raise

    def put(self, name: str, text: str) -> None:
        put(f"{self.instance}/{name}", text)

    def prepare(self) -> None:
        self.put("tracing_on", "0")
        self.pipe = os.open(f"{self.instance}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        self.marker = os.open(f"{self.instance}/trace_marker", os.O_WRONLY)
        self.put("buffer_size_kb", str(BUFFER))
        with suppress(OSError):
            self.put("trace_clock", "mono")
        self.put("options/stacktrace", "1")
        self.put("options/event-fork", "1")
        # Our own process, by which it takes in those that we start. In a process namespace the kernel has another number.
        self.put("set_event_pid", str(self.own_number()))
        tracepoint = os.path.isdir(f"{self.instance}/events/capability/cap_capable")
        self.probed = self.add_probes(tracepoint)
        self.put("events/raw_syscalls/sys_exit/filter", ANSWER)
        events = ["raw_syscalls/sys_exit", "sched/sched_process_exec", "sched/sched_process_fork"]
        events += ["capability/cap_capable"] if tracepoint else []
        for event in events:
            self.put(f"events/{event}/enable", "1")
        if os.path.isdir(f"{self.instance}/events/{GROUP}{self.pid}"):
            self.put(f"events/{GROUP}{self.pid}/enable", "1")
        if not self.probed:
            for name in NUMBERS:  # paths are pointers there
                with suppress(OSError):
                    self.put(f"events/syscalls/sys_enter_{name}/enable", "1")

    def own_number(self) -> int:
        self.put("tracing_on", "1")
        os.write(self.marker, BEGIN.encode())
        self.put("tracing_on", "0")
        text = self.take()
        found = re.search(rf"-(\d+)\s+\[\d+\].*{BEGIN}", text)
        return int(found[1]) if found else os.getpid()

    def add_probes(self, tracepoint: bool) -> bool:
        """Whether system calls tell what they are about."""
        needed, calls = probes(self.pid, tracepoint)
        if not os.path.exists(f"{self.tracefs}/kprobe_events"):
            if needed:
                raise Unseen("this kernel has neither the tracepoint capability:cap_capable nor kprobes")
            return False
        for probe in needed:
            put(f"{self.tracefs}/kprobe_events", f"{probe}\n")
        added = 0
        for probe in calls:  # not every machine has every call
            with suppress(OSError):
                put(f"{self.tracefs}/kprobe_events", f"{probe}\n")
                added += 1
        return added > 0

    def start(self) -> None:
        self.take()
        with suppress(OSError), open(f"{self.instance}/trace", "w"):  # empties it
            pass
        self.put("tracing_on", "1")

    def drain(self, most: float = math.inf) -> None:
        """Makes room in the kernel's buffer, meanwhile; so much of it, where more may come than can be read."""
        with suppress(BlockingIOError):
            while most > 0 and (data := os.read(self.pipe, 1 << 16)):
                most -= len(data)
                if len(self.taken) < ENOUGH:
                    self.taken += data
                else:
                    self.full = True

    def take(self) -> str:
        with suppress(OSError):
            self.drain()
        text = self.taken.decode(errors="replace")
        self.taken.clear()
        return text

    def stop(self, execs: int) -> Account:
        """The account of the trial. What comes before the so-manieth program is the wrapper's own."""
        self.put("tracing_on", "0")
        account = understand(self.take(), execs)
        account.lost |= self.full
        self.full = False
        return account

    def close(self) -> None:
        for fd in (self.pipe, self.marker):
            if fd >= 0:
                os.close(fd)
        self.pipe = self.marker = -1
        remove(self.tracefs, self.pid)


# ---- Understanding it


@dataclass
class Event:
    program: str
    pid: int
    text: str
    frames: list[str] = field(default_factory=list)


def events_in(text: str) -> tuple[list[Event], bool]:
    """All in their order, each with the stack that follows it; and whether some were lost."""
    events: list[Event] = []
    last: dict[int, Event] = {}
    current, lost = None, False
    for line in text.splitlines():
        if line.startswith(" => "):
            if current:
                current.frames.append(line[4:].strip())
        elif " EVENTS]" in line and "[LOST " in line:
            lost = True
        elif found := EVENT.match(line):
            pid = int(found[2])
            if found[3].startswith("<stack trace>"):
                current = last.pop(pid, None)
            else:
                event = Event(found[1], pid, found[3])
                events.append(event)
                last[pid] = event
    return events, lost


@dataclass
class Task:
    """What is known of a process at a point of the account."""

    line: int = 0
    call: str = ""
    target: str = ""
    unanswered: list[Event] = field(default_factory=list)
    denied: list[Ask] = field(default_factory=list)


def understand(text: str, execs: int) -> Account:
    events, lost = events_in(text)
    account = Account(lost=lost)
    tasks: dict[int, Task] = {}
    root = None
    for event in events:
        name, _, rest = event.text.partition(": ")
        if name == "tracing_mark_write" and rest.startswith(BEGIN):
            root = event.pid
            tasks = {root: Task()}
            continue
        task = tasks.get(event.pid)
        if task is None:
            continue
        if name == "tracing_mark_write":
            found = re.search(rf"{LINE}(\d+)", rest)
            task.line = int(found[1]) if found else task.line
        elif name == "sched_process_fork":
            tasks[int(rest.rpartition("child_pid=")[2])] = Task(line=task.line)
        elif name == "sched_process_exec":
            execs -= event.pid == root
        elif name.startswith("call_"):
            task.call, task.target = SAME.get(name[5:], name[5:]), target_of(name[5:], rest)
        elif execs <= 0:
            with suppress(ValueError):  # a name of a program may look like anything
                note(account, task, event, name, rest)
    return account


def note(account: Account, task: Task, event: Event, name: str, rest: str) -> None:
    if name == "cap_capable":
        found = re.search(r"cap (-?\d+), ret (-?\d+)", rest)
        if found:
            asked(account, task, event, int(found[1]), int(found[2]))
    elif name == "ask":
        task.unanswered.append(event)
    elif name == "answer" and task.unanswered:
        ask = task.unanswered.pop()
        asked(account, task, ask, int(ask.text.rpartition("cap=")[2]), int(rest.rpartition("ret=")[2]))
    elif name == "sys_exit":
        number, answer = re.findall(r"-?\d+", rest)[:2]
        denied(account, task, event, CALLS.get(int(number), number), -int(answer))
    elif entry := re.match(r"sys_(\w+)\((.*)\)$", event.text):
        values = [int(value, 16) for value in re.findall(r": (?:0x)?([0-9a-f]+)", entry[2])]
        task.call, task.target = entry[1], numbers(entry[1], values)


def asked(account: Account, task: Task, event: Event, capability: int, answer: int) -> None:
    if NOISE & set(event.frames):
        return
    call = next((found[1] for frame in event.frames if (found := FRAME.match(frame))), "")
    call = SAME.get(call, call)
    call = call or task.call
    target = task.target if task.call == call else ""
    ask = Ask(capability, answer == 0, call, target, task.line, event.program, bool(TRACING & set(event.frames)))
    account.asks.append(ask)
    if answer:
        task.denied.append(ask)


def denied(account: Account, task: Task, event: Event, call: str, error: int) -> None:
    call = SAME.get(call, call)
    capabilities = tuple(sorted({ask.capability for ask in task.denied if ask.call == call}))
    task.denied = []
    target = task.target if task.call == call else ""
    account.denials.append(Denial(call, target, task.line, event.program, errno.errorcode[error], capabilities))


def target_of(name: str, text: str) -> str:
    """What a call is about, of its probe's event."""
    if name in PATHS:
        found = re.search(r'path="(.*)"', text)
        return found[1] if found else ""
    values = dict(re.findall(r"(\w+)=(\S+)", text))
    try:
        if name in NUMBERS:
            return numbers(name, [int(values[f"n{at}"]) for at in range(len(NUMBERS[name]))])
        return address(int(values["family"]), values, text)
    except (KeyError, ValueError):
        return ""


def address(family: int, values: dict[str, str], text: str) -> str:
    port = int(values["p"]) << 8 | int(values["q"])
    if family == socket.AF_INET:
        return f"{socket.inet_ntop(family, int(values['four'], 16).to_bytes(4, sys.byteorder))}:{port}"
    if family == socket.AF_INET6:
        return f"[{socket.inet_ntop(family, struct.pack('=QQ', int(values['a'], 16), int(values['b'], 16)))}]:{port}"
    found = re.search(r'path="(.*)"', text)
    if family == socket.AF_UNIX:
        return found[1] if found else ""
    return "AF_NETLINK" if family == socket.AF_NETLINK else ""  # with none, what is read means nothing


def numbers(name: str, values: list[int]) -> str:
    values = [value - (1 << 32) if 1 << 31 <= value < 1 << 32 else value for value in values]
    if name == "socket" and len(values) == 3:
        kind = values[1] & 15
        words = [next((word for word, known in vars(socket).items() if word.startswith(start) and known == value), str(value))
                 for start, value in (("AF_", values[0]), ("SOCK_", kind))]
        return f"{words[0]} {words[1]}, protocol {values[2]}"
    words = [f"{word} {value}" for word, value in zip(NUMBERS.get(name, ()), values)]
    if words and words[-1].startswith("signal "):
        with suppress(ValueError):
            words[-1] = signal.Signals(values[len(words) - 1]).name
    return ", ".join(words)
