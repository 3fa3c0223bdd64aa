"""No call leaks, on no path: memory, Python objects and descriptors after thousands of each."""

import ctypes
import gc
import os
import sys

import pytest
from support import ASAN, THOROUGH, forked

from capwrap import CapSet, Caps, _libcap, raised, supported

TIMES = 10_000 if THOROUGH else 2_000


class Mallinfo2(ctypes.Structure):
    _fields_ = [(n, ctypes.c_size_t) for n in (
        'arena', 'ordblks', 'smblks', 'hblks', 'hblkhd', 'usmblks', 'fsmblks',
        'uordblks', 'fordblks', 'keepcost')]


def used():
    """Bytes that malloc has given out, exactly; and Python's own objects."""
    gc.collect()
    info = ctypes.CDLL(None).mallinfo2
    info.restype = Mallinfo2
    return info().uordblks, sys.getallocatedblocks(), len(os.listdir('/proc/self/fd'))


def refused(error, function, *args):
    try:
        function(*args)
    except error:
        return
    raise AssertionError('not refused')


@raised('cap_kill')
def in_a_block():
    pass


def calls(path, stream):
    caps = Caps('cap_kill=p')
    return {
        'from_process': Caps.from_process,
        'from_process pid': lambda: Caps.from_process(os.getpid()),
        'from_process none': lambda: refused(ProcessLookupError, Caps.from_process, 0),
        'apply': lambda: Caps.from_process().apply(),
        'apply refused': lambda: refused(OSError, _libcap.set_process, 0, 32, 0, 1, 0),
        'raised': in_a_block,
        'raised refused': lambda: refused(ZeroDivisionError, raised('cap_kill')(lambda: 1 / 0)),
        'effective refused': lambda: refused(OSError, _libcap.set_effective, 1, True),
        'from_file': lambda: Caps.from_file(path),
        'from_file bytes': lambda: Caps.from_file(os.fsencode(path)),
        'from_file fd': lambda: Caps.from_file(stream),
        'from_file none': lambda: refused(FileNotFoundError, Caps.from_file, path + 'x'),
        'from_file bad': lambda: refused(TypeError, Caps.from_file, 1.5),
        'apply file': lambda: caps.apply(path),
        'apply fd': lambda: caps.apply(stream),
        'apply file none': lambda: refused(FileNotFoundError, caps.apply, path + 'x'),
        'apply file fifo': lambda: refused(OSError, caps.apply, '/dev/null'),
        'apply file bad': lambda: refused(ValueError, caps.apply, -1),
        'remove': lambda: Caps().apply(path),
        'remove none': lambda: refused(FileNotFoundError, Caps().apply, path + 'x'),
        'from_text': lambda: Caps('cap_kill,cap_chown=eip'),
        'from_text wrong': lambda: refused(ValueError, Caps, 'cap_chown,cap_slip=eip'),
        'to_text': lambda: str(caps),
        'to_text long': lambda: str(Caps(ambient=5)) + repr(caps),
        'to_text unnamed': lambda: _libcap.to_text(2**41, 0, 0),
        'names': lambda: CapSet(['cap_kill', '63']).mask == list(CapSet(2**64 - 1)),
        'name wrong': lambda: refused(ValueError, CapSet, ['cap_slip']),
        'supported': supported,
        'copy': lambda: caps.copy() == caps,
    }


@pytest.mark.parametrize('name', calls('', None))
@pytest.mark.skipif(ASAN, reason='its allocator counts by itself')
def test_no_leak(file, name):
    def child():
        with open(file) as stream:
            call = calls(str(file), stream)[name]
            if name == 'effective refused':
                Caps('cap_kill=p').apply()
            for _ in range(200):
                call()
            before = used()
            for _ in range(TIMES):
                call()
            after = used()
        return [b - a for a, b in zip(before, after)]

    memory, objects, descriptors = forked(child)
    assert memory < 2 * TIMES and objects < TIMES // 20 and descriptors == 0
