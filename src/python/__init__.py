"""Linux capabilities, a line each.

    from capwrap import Caps, raised

    Caps.from_process().activate().apply()      # permitted become effective
    Caps.from_file('/usr/bin/ping').permitted   # what a file grants

    with raised('cap_net_bind_service'):        # effective for this call only
        server.bind(('', 80))

Capabilities belong to a thread, not to the process: what is applied holds for
the thread that does it and for the threads and processes that it starts later.
Apply before starting threads; apply() warns where that is too late.

The rules are the kernel's: capabilities(7). Text is libcap's: cap_from_text(3).
All of it is described in capwrap(3).
"""

from __future__ import annotations

import contextlib
import enum
import errno
import functools
import operator
import os
import stat
import warnings
from collections.abc import Iterable, Iterator, MutableSet

from . import _libcap

TYPE_CHECKING = False  # which a type checker takes for true: typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Protocol, TypeVar, Union

    from typing_extensions import ParamSpec, Self, TypeAlias

    _P = ParamSpec('_P')
    _T = TypeVar('_T')

    class _HasFileno(Protocol):
        def fileno(self) -> int: ...

__all__ = ['Cap', 'CapSet', 'Caps', 'raised', 'supported']
__version__ = _libcap.version()


File: TypeAlias = 'Union[str, bytes, os.PathLike[str], os.PathLike[bytes], int, _HasFileno]'
Names: TypeAlias = 'Union[Iterable[str], int]'

_ALL = 2**64 - 1


class Cap(str, enum.Enum):
    """The capabilities by name, for an editor and a type checker to know.

    A member is the string that libcap uses, so it goes wherever a name goes.
    capabilities(7) says what each of them permits.
    """

    CHOWN = 'cap_chown'
    DAC_OVERRIDE = 'cap_dac_override'
    DAC_READ_SEARCH = 'cap_dac_read_search'
    FOWNER = 'cap_fowner'
    FSETID = 'cap_fsetid'
    KILL = 'cap_kill'
    SETGID = 'cap_setgid'
    SETUID = 'cap_setuid'
    SETPCAP = 'cap_setpcap'
    LINUX_IMMUTABLE = 'cap_linux_immutable'
    NET_BIND_SERVICE = 'cap_net_bind_service'
    NET_BROADCAST = 'cap_net_broadcast'
    NET_ADMIN = 'cap_net_admin'
    NET_RAW = 'cap_net_raw'
    IPC_LOCK = 'cap_ipc_lock'
    IPC_OWNER = 'cap_ipc_owner'
    SYS_MODULE = 'cap_sys_module'
    SYS_RAWIO = 'cap_sys_rawio'
    SYS_CHROOT = 'cap_sys_chroot'
    SYS_PTRACE = 'cap_sys_ptrace'
    SYS_PACCT = 'cap_sys_pacct'
    SYS_ADMIN = 'cap_sys_admin'
    SYS_BOOT = 'cap_sys_boot'
    SYS_NICE = 'cap_sys_nice'
    SYS_RESOURCE = 'cap_sys_resource'
    SYS_TIME = 'cap_sys_time'
    SYS_TTY_CONFIG = 'cap_sys_tty_config'
    MKNOD = 'cap_mknod'
    LEASE = 'cap_lease'
    AUDIT_WRITE = 'cap_audit_write'
    AUDIT_CONTROL = 'cap_audit_control'
    SETFCAP = 'cap_setfcap'
    MAC_OVERRIDE = 'cap_mac_override'
    MAC_ADMIN = 'cap_mac_admin'
    SYSLOG = 'cap_syslog'
    WAKE_ALARM = 'cap_wake_alarm'
    BLOCK_SUSPEND = 'cap_block_suspend'
    AUDIT_READ = 'cap_audit_read'
    PERFMON = 'cap_perfmon'
    BPF = 'cap_bpf'
    CHECKPOINT_RESTORE = 'cap_checkpoint_restore'

    def __str__(self) -> str:
        return self.value


def supported() -> frozenset[str]:
    """The names of the capabilities that the running kernel has.

    One that libcap has no name for yet is its number: '41'.
    """
    return frozenset(map(_libcap.to_name, range(_libcap.count())))


def _bit(name: str) -> int:
    """The bit of a name; libcap alone would stop reading at the first odd character."""
    if not isinstance(name, str):
        raise TypeError(f'a capability is a name, not {type(name).__name__}')
    word = name.value if isinstance(name, Cap) else name
    if word.isascii() and word.replace('_', 'a').isalnum():
        number = _libcap.from_name(word)
        if number >= 0 and (not word[0].isdigit() or word == str(number)):
            return 1 << number
    raise _unknown(word)


def _unknown(word: str) -> ValueError:
    """The error that names a word that is no capability, and the name that it looks like."""
    import difflib

    names = [name.value[4:] for name in Cap]
    bare = word.lower()
    bare = bare[4:] if bare.startswith('cap_') else bare
    meant = difflib.get_close_matches(bare, names, 1)
    hint = f'; did you mean cap_{meant[0]}?' if meant else ''
    return ValueError(f'unknown capability: {word!r}{hint}')


def _mask(names: Names) -> int:
    if isinstance(names, CapSet):
        return names.mask
    if isinstance(names, int):
        if not 0 <= names <= _ALL:
            raise ValueError(f'not a mask of 64 bits: {names:#x}')
        return names
    if isinstance(names, str):
        raise TypeError(f'expected several names, not the string {names!r}')
    mask = 0
    for name in names:
        mask |= _bit(name)
    return mask


def _names(mask: int) -> list[str]:
    return [_libcap.to_name(n) for n in range(mask.bit_length()) if mask >> n & 1]


class CapSet(MutableSet[str]):
    """A set of capability names, kept as one integer, `mask`, a bit each.

    Everything that a Python set of strings does. Names are libcap's, in either
    case; a bit that has no name yet is its number, '41', and is kept. A word
    that is no capability is a ValueError, also for `in`, so that a slip of the
    pen is not silently absent.
    """

    __slots__ = ('_mask',)

    def __init__(self, names: Names = ()) -> None:
        self._mask = _mask(names)

    @property
    def mask(self) -> int:
        """The set as an integer: bit n is capability number n of linux/capability.h."""
        return self._mask

    @mask.setter
    def mask(self, mask: int) -> None:
        self._mask = _mask(operator.index(mask))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._mask & _bit(name))

    def __iter__(self) -> Iterator[str]:
        return iter(_names(self._mask))

    def __len__(self) -> int:
        return bin(self._mask).count('1')

    def add(self, name: str) -> None:
        """Add a capability; ValueError where there is none of that name."""
        self._mask |= _bit(name)

    def discard(self, name: str) -> None:
        """Take a capability out, if it is in; ValueError where there is none of that name."""
        self._mask &= ~_bit(name)

    def clear(self) -> None:
        """Take out every capability."""
        self._mask = 0

    def copy(self) -> Self:
        """Another set with the same content."""
        return type(self)(self._mask)

    def update(self, *others: Names) -> None:
        """Add all that are in the others."""
        for mask in [_mask(names) for names in others]:
            self._mask |= mask

    def intersection_update(self, *others: Names) -> None:
        """Keep what is in each of the others."""
        for mask in [_mask(names) for names in others]:
            self._mask &= mask

    def difference_update(self, *others: Names) -> None:
        """Take out all that are in the others."""
        for mask in [_mask(names) for names in others]:
            self._mask &= ~mask

    def symmetric_difference_update(self, other: Names) -> None:
        """Keep what is in one of the two only."""
        self._mask ^= _mask(other)

    def union(self, *others: Names) -> Self:
        """A new set: what is in this or in one of the others."""
        result = self.copy()
        result.update(*others)
        return result

    def intersection(self, *others: Names) -> Self:
        """A new set: what is in this and in each of the others."""
        result = self.copy()
        result.intersection_update(*others)
        return result

    def difference(self, *others: Names) -> Self:
        """A new set: what is in this and in none of the others."""
        result = self.copy()
        result.difference_update(*others)
        return result

    def symmetric_difference(self, other: Names) -> Self:
        """A new set: what is in one of the two only."""
        return type(self)(self._mask ^ _mask(other))

    def issubset(self, other: Names) -> bool:
        """Whether the other has all that are in this."""
        return not self._mask & ~_mask(other)

    def issuperset(self, other: Names) -> bool:
        """Whether this has all that are in the other."""
        return not _mask(other) & ~self._mask

    def isdisjoint(self, other: Names) -> bool:
        """Whether the two have nothing in common."""
        return not self._mask & _mask(other)

    # MutableSet compares the words, and the other set may spell them CAP_CHOWN.
    def __sub__(self, other: Iterable[Any]) -> Self:
        return self.difference(other) if isinstance(other, Iterable) else NotImplemented

    def __xor__(self, other: Iterable[Any]) -> Self:
        return self.symmetric_difference(other) if isinstance(other, Iterable) else NotImplemented

    __rxor__ = __xor__

    def __repr__(self) -> str:
        return f'CapSet({_names(self._mask)})'


class _Set:
    """A set of a Caps as an attribute: read it, or put another's content in it."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, caps: Any, owner: Any = None) -> CapSet:
        if caps is None:
            return self  # type: ignore[return-value]  # the class's, for help()
        found: CapSet = caps._sets[self._name]
        return found

    def __set__(self, caps: Caps, names: Names) -> None:
        caps._sets[self._name]._mask = _mask(names)


class Caps:
    """The capability sets of a process (rather: of a thread) or of a file.

    effective, permitted, inheritable, ambient and bounding are sets of names,
    to be had as attributes and by [], to be changed and assigned to. Nothing
    reaches the process or a file before apply().

    The methods that change sets return the object, so that they chain. It is
    mutable, hence not hashable.
    """

    _NAMES: ClassVar = ('effective', 'permitted', 'inheritable', 'ambient', 'bounding')
    __slots__ = ('_sets', '_rootid', '_held')
    __hash__ = None  # type: ignore[assignment]

    effective = _Set('What the kernel checks; part of permitted.')
    permitted = _Set('What may become effective or inheritable. What leaves it is gone for good.')
    inheritable = _Set('What a program keeps that has it in its own inheritable set.')
    ambient = _Set('What any ordinary program keeps; part of permitted and of inheritable.')
    bounding = _Set(
        'The limit of what a program file can give. Only ever lowered, by CAP_SETPCAP.\n'
        'With a bit that this kernel does not have, as every Caps that does not come\n'
        'from a process starts, it means: whatever is there, less what is missing here.'
    )

    def __init__(
        self, text: str = '', *, ambient: Names = (), bounding: Names = _ALL, rootid: int = 0
    ) -> None:
        """Sets from libcap's text, such as 'cap_net_raw,cap_chown=ep'.

        The text gives effective, permitted and inheritable; the other two are
        not part of it, so ambient is empty and bounding without limit unless
        given, as names or as a mask. ValueError names the word that is wrong.
        """
        masks = (*_parse(text), _mask(ambient), _mask(bounding))
        self._sets = {name: CapSet(mask) for name, mask in zip(self._NAMES, masks)}
        self.rootid = rootid
        self._held = 0  # ambient in the process, as far as this object knows

    @classmethod
    def _of(cls, *masks: int, rootid: int = 0) -> Self:
        caps = cls(rootid=rootid)
        for name, mask in zip(cls._NAMES, masks):
            caps._sets[name]._mask = mask
        return caps

    @classmethod
    def from_process(cls, pid: int | None = None) -> Self:
        """The sets of this thread, or of the process or thread with that id.

        Another's are one snapshot of /proc/PID/status. ProcessLookupError where
        there is none; PermissionError where /proc does not show it.
        """
        if pid is None:
            return cls._of(*_libcap.get_process())._holding()
        pid = operator.index(pid)
        try:
            with open(f'/proc/{pid}/status', 'rb') as status:
                lines = dict(line.partition(b':')[::2] for line in status)
        except (FileNotFoundError, ProcessLookupError):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), pid) from None
        # Linux before 4.3 has no ambient set, so no line.
        keys = (b'CapEff', b'CapPrm', b'CapInh', b'CapAmb', b'CapBnd')
        return cls._of(*(int(lines.get(key, b'0'), 16) for key in keys))._holding()

    @classmethod
    def from_file(cls, file: File) -> Self:
        """The capabilities of a file: a path, a descriptor or an open file.

        Empty sets for a file that has none. A file has no ambient set and no
        bounding set; its effective set is all or nothing. A link is followed.
        OSError carries errno and the file's name.
        """
        *masks, rootid = _read(*_file(file))
        return cls._of(*masks, rootid=rootid)

    def apply(self, file: File | None = None, *, empty: bool = False) -> Self:
        """Make it so: for this thread, or for a file.

        For this thread, all five sets, or OSError with nothing changed. The
        effective set has to be part of permitted, the ambient set of permitted
        and of inheritable. What was ambient, by from_process() or an earlier
        apply(), and has left one of these, leaves ambient too, as in the
        kernel. A RuntimeWarning tells that there are other threads, which keep
        what they have.

        For a file: needs CAP_SETFCAP, and to read it; a link is refused
        (ELOOP), so is all but a regular file (EINVAL). ValueError for what a file cannot hold: an
        effective set that is not all or nothing, an ambient one. The bounding
        set is no matter of a file's. Empty sets remove what the file had,
        which makes from_file() and apply() a way back. With empty=True they
        are written: the kernel starts such a program with no capabilities at
        all, ambient ones dropped.
        """
        if file is None:
            if empty:
                raise TypeError('empty is for a file')
            self._apply_process()
        else:
            self._apply_file(*_file(file), empty)
        return self

    def _holding(self) -> Self:
        self._held = self.ambient.mask
        return self

    def _apply_process(self) -> None:
        effective, permitted, inheritable, ambient, bounding = self._masks()
        # What leaves permitted or inheritable takes ambient along, as in the kernel; what is new there has to fit.
        ambient &= ~self._held | permitted & inheritable
        now = _libcap.get_process()
        known = (1 << _libcap.count()) - 1
        alien = (effective | permitted | inheritable | ambient) & ~known
        if alien:
            raise ValueError(f'this kernel has no capability {_list(alien)}')
        if bounding & ~known:
            bounding &= now[4]
        for refused, why in (
            (permitted & ~now[1], 'not permitted'),
            (effective & ~permitted, 'effective, but not permitted'),
            (ambient & ~(permitted & inheritable), 'ambient, but not permitted and inheritable'),
            (bounding & ~now[4], 'not in the bounding set, which cannot be raised'),
        ):
            if refused:
                raise PermissionError(
                    errno.EPERM, f'{os.strerror(errno.EPERM)}: {_list(refused)}: {why}'
                )
        others = _threads() - 1
        if others > 0:
            warnings.warn(
                f'capabilities are per thread: {others} other thread(s) keep theirs',
                RuntimeWarning,
                stacklevel=3,
            )
        _libcap.set_process(effective, permitted, inheritable, ambient, bounding)
        self.ambient.mask = ambient
        self._holding()

    def _apply_file(self, file: int | str | bytes, name: object, empty: bool) -> None:
        effective, permitted, inheritable, ambient, _ = self._masks()
        if ambient:
            raise ValueError(f'a file has no ambient set: {_list(ambient)}')
        partly = effective and effective ^ (permitted | inheritable)
        if partly:
            raise ValueError(
                'effective is one flag of a file, for all that is permitted or inheritable'
                f' or for none: {_list(partly)}'
            )
        if not permitted | inheritable and not empty:
            _write(file, name, None)
            return
        words = [(_VERSION_3 if self.rootid else _VERSION_2) | bool(effective)]
        for half in (0, 32):
            words += [permitted >> half & 0xFFFFFFFF, inheritable >> half & 0xFFFFFFFF]
        words += [self.rootid] if self.rootid else []
        _write(file, name, b''.join(word.to_bytes(4, 'little') for word in words))

    def activate(self) -> Self:
        """Permitted become effective."""
        self.effective = self.permitted
        return self

    def deactivate(self) -> Self:
        """None is effective; what is permitted can be had back by activate() or raised()."""
        self.effective.clear()
        return self

    def propagate(self) -> Self:
        """Permitted become inheritable, those that are so already stay so.

        A program keeps them that has them in its own inheritable set. For any
        other program, make them ambient too: caps.ambient = caps.permitted.
        """
        self.inheritable.mask |= self.permitted.mask
        return self

    propagnate = propagate  # as the line was first published

    def terminate(self) -> Self:
        """None is inheritable, so none is ambient: the programs started get none."""
        self.inheritable.clear()
        self.ambient.clear()
        return self

    def clear(self) -> Self:
        """Empty all sets but bounding, which grants nothing, and takes a privilege to lower."""
        self.effective.clear()
        self.permitted.clear()
        return self.terminate()

    def copy(self) -> Self:
        """Another, with the same content."""
        caps = self._of(*self._masks(), rootid=self.rootid)
        caps._held = self._held
        return caps

    __copy__ = copy

    @property
    def rootid(self) -> int:
        """The user id that is root in the user namespace for which a file's
        capabilities hold; 0 but for files written in such a namespace. It means
        nothing for a process."""
        return self._rootid

    @rootid.setter
    def rootid(self, uid: int) -> None:
        uid = operator.index(uid)
        if not 0 <= uid < 2**32 - 1:
            raise ValueError(f'not a user id: {uid}')
        self._rootid = uid

    def _masks(self) -> tuple[int, ...]:
        return tuple(self._sets[name]._mask for name in self._NAMES)

    def __getitem__(self, name: str) -> CapSet:
        return self._sets[name]

    def __setitem__(self, name: str, names: Names) -> None:
        self._sets[name]._mask = _mask(names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Caps):
            return NotImplemented
        return self._masks() == other._masks() and self.rootid == other.rootid

    def __str__(self) -> str:
        """libcap's text of effective, permitted and inheritable; repr() has all."""
        return _libcap.to_text(*self._masks()[:3])

    def __repr__(self) -> str:
        text = str(self)
        parts = [] if text == '=' else [repr(text)]
        if self.ambient:
            parts.append(f'ambient={list(self.ambient)}')
        if self.bounding.mask != _ALL:
            parts.append(f'bounding={self.bounding.mask:#x}')
        if self.rootid:
            parts.append(f'rootid={self.rootid}')
        return f'{type(self).__name__}({", ".join(parts)})'


class raised:
    """Capabilities effective inside the block only; also a decorator.

    PermissionError, before the block, for those that are not permitted. At the
    end, however it comes, it lowers only what it raised: what was effective
    before stays so, so that blocks nest. It leaves alone what else the
    block itself changed. It holds for this thread.

    As a decorator it is a TypeError for coroutine functions and generators:
    they run after the call has ended. Use a block inside of them.
    """

    def __init__(self, *caps: str) -> None:
        self._mask = _mask(caps)
        self._block = _raised(self._mask)

    def __enter__(self) -> None:
        self._block.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)

    def __call__(self, function: Callable[_P, _T]) -> Callable[_P, _T]:
        whose: Any = function
        while isinstance(whose, functools.partial):
            whose = whose.func
        if not hasattr(whose, '__code__'):
            whose = getattr(type(whose), '__call__', None)
        if getattr(getattr(whose, '__code__', None), 'co_flags', 0) & _RUNS_LATER:
            raise TypeError(
                f'raised() cannot decorate {function!r}, a coroutine function or a generator:'
                ' it runs after the call has ended; use a with block inside of it'
            )

        @functools.wraps(function)
        def inside(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            with _raised(self._mask):
                return function(*args, **kwargs)

        return inside


# inspect's CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR; it takes long to import.
_RUNS_LATER = 0x20 | 0x80 | 0x100 | 0x200


@contextlib.contextmanager
def _raised(mask: int) -> Iterator[None]:
    effective, permitted, *_ = _libcap.get_process()
    if mask & ~permitted:
        raise PermissionError(
            errno.EPERM,
            f'{os.strerror(errno.EPERM)}: {_list(mask & ~permitted)}: not permitted',
        )
    try:
        _libcap.set_effective(mask, True)
        yield
    finally:
        _libcap.set_effective(mask & ~effective, False)


def _parse(text: str) -> tuple[int, int, int]:
    """libcap's cap_from_text, and where it refuses, the word that it refuses."""
    try:
        return _libcap.from_text(text)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    for clause in text.split():
        try:
            _libcap.from_text(clause)
        except OSError:
            words = clause.replace('+', '=').replace('-', '=').split('=', 1)[0]
            for word in words.split(','):
                if word.lower() != 'all' and _libcap.from_name(word) < 0 and words:
                    raise _unknown(word) from None
            raise ValueError(f'no capabilities text, see cap_from_text(3): {clause!r}') from None
    raise ValueError(f'no capabilities text, see cap_from_text(3): {text!r}')


def _file(file: File) -> tuple[int | str | bytes, object]:
    """What os takes, and the name that an error shows."""
    if hasattr(file, 'fileno'):
        name = getattr(file, 'name', None)
        file = file.fileno()
        return _descriptor(file), file if name is None else name
    if isinstance(file, int):
        return _descriptor(file), file
    path = os.fspath(file)
    return path, path


def _descriptor(number: int) -> int:
    if number < 0:
        raise ValueError(f'not a file descriptor: {number}')
    return number


# linux/capability.h: little-endian words, the first of them a version and a flag.
_ATTRIBUTE = 'security.capability'
_VERSION_2, _VERSION_3 = 0x02000000, 0x03000000  # five words, and six: a root id
_EFFECTIVE = 1


@contextlib.contextmanager
def _named(name: object) -> Iterator[None]:
    """An OSError shows the file as the caller knows it."""
    try:
        yield
    except OSError as error:
        error.filename = name
        raise


def _read(file: int | str | bytes, name: object) -> tuple[int, int, int, int]:
    """Effective, permitted, inheritable and root id of a file, 0 where it has none or can't."""
    with _named(name):
        try:
            data = os.getxattr(file, _ATTRIBUTE)
        except OSError as error:
            if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
                return 0, 0, 0, 0
            raise
        words = [int.from_bytes(data[n : n + 4], 'little') for n in range(0, 24, 4)]
        if (words[0] & ~_EFFECTIVE, len(data)) not in ((_VERSION_2, 20), (_VERSION_3, 24)):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    permitted, inheritable = words[1] | words[3] << 32, words[2] | words[4] << 32
    # Past the end of version 2 there is a 0.
    return permitted | inheritable if words[0] & _EFFECTIVE else 0, permitted, inheritable, words[5]


def _write(file: int | str | bytes, name: object, data: bytes | None) -> None:
    """Give a regular file this attribute; None removes it."""
    with _named(name), contextlib.ExitStack() as stack:
        if not isinstance(file, int):
            # A FIFO would hang, and a link may have been swapped in.
            file = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
            stack.callback(os.close, file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if data is not None:
            os.setxattr(file, _ATTRIBUTE, data)
            return
        try:
            os.removexattr(file, _ATTRIBUTE)
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise


def _list(mask: int) -> str:
    return ', '.join(_names(mask))


def _threads() -> int:
    try:
        return len(os.listdir('/proc/self/task'))
    except OSError:
        import threading

        return threading.active_count()
