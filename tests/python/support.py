"""What the tests check against: the kernel's own words, not the package's."""

import ctypes
import os
import pickle
import signal
import struct
import subprocess
import sys

from hypothesis import HealthCheck, settings, strategies as st

UID = 64123  # no user's
NAMES = ('effective', 'permitted', 'inheritable', 'ambient', 'bounding')
LAST = int(open('/proc/sys/kernel/cap_last_cap').read())
KNOWN = 2 ** (LAST + 1) - 1
ASAN = 'libasan' in os.environ.get('LD_PRELOAD', '')

THOROUGH = os.environ.get('THOROUGH') == '1'
settings.register_profile(
    'real', deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200 if THOROUGH else 40
)
settings.load_profile('real')

# Any bits, and runs of bits up to the end.
masks = st.integers(0, 2**64 - 1) | st.sampled_from([2**64 - 2**n for n in range(64)]) | st.sampled_from([2**n - 1 for n in range(65)])
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_SET_SECUREBITS = 8, 22, 28
SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6


class TimeIsUp(BaseException):
    """No Exception, so that neither hypothesis nor a test takes it for its own."""


def time_limit(seconds):
    def end(number, frame):
        raise TimeIsUp(f'a test ran longer than {seconds} s')

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def prctl(*args):
    if libc.prctl(*(ctypes.c_ulong(a) if isinstance(a, int) else a for a in args)) != 0:
        raise OSError(ctypes.get_errno(), 'prctl')


def status(who='thread-self'):
    """The five masks as /proc shows them."""
    with open(f'/proc/{who}/status') as lines:
        found = dict(line.rstrip().split(':\t', 1) for line in lines if line.startswith('Cap'))
    return tuple(int(found[k], 16) for k in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb', 'CapBnd'))


def of(caps):
    return tuple(caps[name].mask for name in NAMES)


def forked(function, *args):
    """Call it in a child, so that what it gives up is the child's; its result or exception."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                result = True, function(*args)
            except BaseException as error:
                result = False, error
            with open(writing, 'wb') as pipe:
                pickle.dump(result, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        with open(reading, 'rb') as pipe:
            data = pipe.read()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.waitpid(pid, 0)
    good, value = pickle.loads(data)
    if not good:
        raise value
    return value


def become(uid=UID, keep=False):
    """This process as an ordinary user, keeping the permitted set if asked to."""
    if keep:
        prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def user(command, *, inheritable='', ambient='', **kwargs):
    """Run a command as an ordinary user with these capabilities, by setpriv."""
    setpriv = ['setpriv', f'--reuid={UID}', f'--regid={UID}', '--clear-groups']
    inh = ','.join(f'+{c}' for c in inheritable.split())
    amb = ','.join(f'+{c}' for c in ambient.split())
    if inh:
        setpriv.append(f'--inh-caps={inh}')
    if amb:
        setpriv.append(f'--ambient-caps={amb}')
    return subprocess.run(
        [*setpriv, *map(str, command)], capture_output=True, text=True, **kwargs
    )


def python(code, **kwargs):
    return user([sys.executable, '-c', code], **kwargs)


def xattr(permitted, inheritable, effective, rootid=None):
    """security.capability by hand: version 2, or 3 with a root id (linux/capability.h)."""
    words = [(0x02000000 if rootid is None else 0x03000000) | bool(effective)]
    for shift in (0, 32):
        words += [permitted >> shift & 0xFFFFFFFF, inheritable >> shift & 0xFFFFFFFF]
    if rootid is not None:
        words.append(rootid)
    return struct.pack(f'<{len(words)}I', *words)
