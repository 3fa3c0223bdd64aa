"""What the kernel makes of capabilities, and what capwrap makes of that, written down once.

The kernel: capabilities(7), and security/commoncap.c for what that leaves open. capwrap: the rules of capwrap(1) that
are about capabilities, for a script, a wrapper and an interpreter with which nothing else is wrong. A set is a mask.
"""

import resource
from dataclasses import dataclass, replace
from pathlib import Path

VALID = (2 << int(Path("/proc/sys/kernel/cap_last_cap").read_text())) - 1
SETPCAP = 1 << 8
CORE_IS_0 = resource.getrlimit(resource.RLIMIT_CORE)[1] == 0  # for good, in all that the tests start
NOROOT, NO_SETUID_FIXUP, KEEP_CAPS, NO_CAP_AMBIENT_RAISE = 1 << 0, 1 << 2, 1 << 4, 1 << 6
LOCKS = (NOROOT | NO_SETUID_FIXUP | KEEP_CAPS | NO_CAP_AMBIENT_RAISE) << 1


class Eperm(Exception):
    """The kernel says: operation not permitted."""


class Refused(Exception):
    """capwrap says no: which refusal, and the capabilities that it names."""

    def __init__(self, name: str, capabilities: int = 0) -> None:
        super().__init__(name, capabilities)
        self.name, self.capabilities = name, capabilities


@dataclass(frozen=True)
class File:
    """The capabilities of a file that has some, be it an empty set."""

    permitted: int = 0
    inheritable: int = 0
    effective: bool = False
    rootid: int = 0  # of the user namespace that they were set in


@dataclass(frozen=True)
class Process:
    uid: int
    permitted: int
    inheritable: int
    ambient: int
    bounding: int
    effective: int = 0
    securebits: int = 0
    no_new_privs: bool = False

    # The kernel

    def execve(self, file: File | None, nosuid: bool = False) -> "Process":
        if file and (nosuid or file.rootid):
            file = None
        permitted, ambient, effective = 0, self.ambient, False
        if file:
            forced = file.permitted & VALID
            permitted = forced & self.bounding | file.inheritable & self.inheritable
            ambient, effective = 0, file.effective
            if effective and forced & ~permitted:
                raise Eperm  # a program that can't know how to do with less
        if self.uid == 0 and not self.securebits & NOROOT:
            permitted, effective = self.bounding | self.inheritable, True
        if self.no_new_privs:
            permitted &= self.permitted
        permitted |= ambient
        return replace(
            self,
            permitted=permitted,
            effective=permitted if effective else ambient,
            ambient=ambient,
            securebits=self.securebits & ~KEEP_CAPS,
        )

    def capset(self, permitted: int, effective: int, inheritable: int) -> "Process":
        held = self.inheritable | self.permitted
        if (
            permitted & ~self.permitted
            or effective & ~permitted
            or inheritable & ~(self.inheritable | self.bounding)
            or (not self.effective & SETPCAP and inheritable & ~held)
        ):
            raise Eperm
        ambient = self.ambient & permitted & inheritable
        return replace(self, permitted=permitted, effective=effective, inheritable=inheritable, ambient=ambient)

    def raise_ambient(self, mask: int) -> "Process":
        if mask and (self.securebits & NO_CAP_AMBIENT_RAISE or mask & ~(self.permitted & self.inheritable)):
            raise Eperm
        return replace(self, ambient=self.ambient | mask)

    def set_securebits(self, bits: int) -> "Process":
        locks = self.securebits & LOCKS
        if not self.effective & SETPCAP or locks & ~bits or locks >> 1 & (bits ^ self.securebits):
            raise Eperm
        return replace(self, securebits=bits)


# capwrap


@dataclass(frozen=True)
class Setup:
    """What root installed, and how."""

    ceiling: File | None = None  # the wrapper's
    grant: File | None = None  # the script's
    interpreter: File | None = None
    nosuid: bool = False  # is the wrapper's mount
    contain: bool = False
    no_new_privs: bool = False
    binfmt: bool = False  # is the wrapper registered with binfmt_misc?


def covers(file: File | None, grant: int) -> bool:
    """A program with these hands on exactly the grant."""
    return bool(file) and not file.rootid and not file.permitted and not grant & ~file.inheritable


def grant_of(file: File | None, binfmt: bool) -> int:
    every = file.permitted | file.inheritable if file else 0
    if not every:
        raise Refused("GRANT_NONE")
    if file.rootid:
        raise Refused("GRANT_ROOTID", every)
    if binfmt and file.inheritable & ~file.permitted:
        raise Refused("GRANT_INHERITABLE", every)
    if not binfmt and file.permitted & ~file.inheritable:
        raise Refused("GRANT_PERMITTED", every)
    return every


def check_ceiling(setup: Setup, wrapper: Process, grant: int) -> None:
    missing = grant & ~wrapper.permitted
    if not missing:
        return
    if wrapper.no_new_privs:
        raise Refused("CEILING_NO_NEW_PRIVS", missing)
    if missing & ~wrapper.bounding:
        raise Refused("CEILING_BOUNDING", missing & ~wrapper.bounding)
    if setup.binfmt:
        raise Refused("CEILING_REGISTERED", missing)
    if setup.nosuid:
        raise Refused("CEILING_NOSUID", missing)
    held = setup.ceiling.permitted if setup.ceiling and not setup.ceiling.rootid else 0
    if missing & ~held:
        raise Refused("CEILING_NARROW", missing & ~held) if held else Refused("CEILING_WRAPPER")
    raise AssertionError(setup)


def take(setup: Setup, wrapper: Process, grant: int) -> Process:
    process = wrapper.capset(wrapper.permitted, 0, 0) if wrapper.effective else wrapper
    if process.uid == 0 or CORE_IS_0:
        process = process.capset(wrapper.permitted, wrapper.permitted & SETPCAP, 0)
    if process.uid == 0 and process.securebits & 3 != 3:
        try:
            process = process.set_securebits(process.securebits | NOROOT | NOROOT << 1)
        except Eperm:
            raise Refused("EFFECT_NOROOT") from None
    try:
        process = process.capset(grant, 0, grant).raise_ambient(0 if setup.contain else grant)
    except Eperm:
        raise Refused("EFFECT_SETS") from None
    return replace(process, no_new_privs=process.no_new_privs or setup.no_new_privs)


def run(setup: Setup, caller: Process) -> Process:
    """The interpreter as it starts. Raises Refused, or Eperm where not even the wrapper starts."""
    wrapper = caller.execve(setup.grant) if setup.binfmt else caller.execve(setup.ceiling, setup.nosuid)
    grant = grant_of(setup.grant, setup.binfmt)
    if setup.interpreter and not covers(setup.interpreter, grant):
        raise Refused("INTERPRETER_CAPABILITIES", grant)
    if setup.contain and not covers(setup.interpreter, grant):
        raise Refused("CONTAIN_UNCOVERED", grant)
    check_ceiling(setup, wrapper, grant)
    return take(setup, wrapper, grant).execve(setup.interpreter)
