"""The system calls that Python before 3.12 does not have, and what is known of processes."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS = 0x20000  # CLONE_NEWNS
BIND, DETACH = 0x1000, 2  # MS_BIND, MNT_DETACH
PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
PDEATHSIG, NO_NEW_PRIVS, SUBREAPER = 1, 38, 36  # of prctl
ANY_CHILD = 0x40000000  # __WALL
ENDING = 5  # seconds in which what is killed has to be gone


def call(name: str, *args: object) -> None:
    if getattr(LIBC, name)(*args) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    call("mount", os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode())


def bind(source: str, target: str) -> None:
    mount(source, target, flags=BIND)


def unmount(target: str) -> None:
    call("umount2", os.fsencode(target), DETACH)


def mounts_apart() -> None:
    """From here on what is mounted is this process's own, and ends with it."""
    call("unshare", NEW_MOUNTS)
    mount("none", "/", flags=PRIVATE)


def enter(namespace: int) -> None:
    """Back to a mount namespace, by its descriptor; the current directory stays what it was called."""
    directory = os.getcwd()
    call("setns", namespace, NEW_MOUNTS)
    with suppress(OSError):
        os.chdir(directory)


@contextmanager
def apart(place: str) -> Iterator[None]:
    """What is mounted meanwhile ends with what is started meanwhile. The place is an empty directory that nobody else ever sees:
    not what was started before, and not what is started later."""
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        mounts_apart()
        os.makedirs(place, exist_ok=True)
        mount("capwrap-learn", place, "tmpfs", options="mode=755")
        yield
    finally:
        enter(before)
        os.close(before)


def prctl(option: int, value: int) -> None:
    call("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def descendants() -> list[int]:
    """The processes that this one has started, and theirs."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def end_descendants() -> bool:
    """Kills them all, also those that made a session of their own: what is orphaned comes to a subreaper, so that who has no child
    has no descendant. That is the kernel's word; of what is new every moment, a look through /proc may see nothing."""
    end = time.monotonic() + ENDING
    while time.monotonic() < end:
        running = descendants()
        for pid in running:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            for _ in range(len(running) + 1):  # not for as long as there are new ones
                if not os.waitpid(-1, os.WNOHANG | ANY_CHILD)[0]:
                    break
        except ChildProcessError:
            return True
        time.sleep(0.005)
    return False
