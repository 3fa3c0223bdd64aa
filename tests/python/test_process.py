"""States of processes: applied in a child, read back from /proc."""

import ctypes
import errno
import os
import platform
import struct
import subprocess
import sys
import threading
import time
import warnings

import pytest
from hypothesis import given, settings, strategies as st
from support import (
    KNOWN, LAST, NAMES, PR_SET_SECCOMP, PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE, THOROUGH, UID,
    become, forked, libc, masks, of, prctl, status, user,
)

from capwrap import CapSet, Caps

EFF, PRM, INH, AMB, BND = status()
SETPCAP = CapSet(['cap_setpcap']).mask


def made(*state):
    caps = Caps()
    for name, mask in zip(NAMES, state):
        caps[name].mask = mask
    return caps


def possible(e, p, i, a, b):
    """Any five masks cut to a state that a child of this process can be in."""
    p &= PRM
    i &= BND
    return e & p, p, i, a & p & i, b & BND


states = st.tuples(masks, masks, masks, masks, masks)


def test_what_is_here():
    assert of(Caps.from_process()) == status()
    assert of(Caps.from_process(os.getpid())) == status()
    assert of(Caps.from_process(1)) == status(1)


@given(states)
def test_any_state_is_applied(state):
    state = possible(*state)

    def child():
        made(*state).apply()
        return status(), of(Caps.from_process())

    assert forked(child) == (state, state)


def allowed(old, new):
    """capabilities(7), as an oracle."""
    (e, p, i, a, b), (ne, np, ni, na, nb) = old, new
    setpcap = e & SETPCAP
    return (
        np & ~p == 0 and ne & ~np == 0 and na & ~(np & ni) == 0 and nb & ~b == 0
        and (setpcap or ni & ~(i | p) == 0) and ni & ~(i | b) == 0
        and (b == nb or (e | ne) & SETPCAP)
    )


@settings(max_examples=400 if THOROUGH else 60)
@given(states, states, st.lists(st.booleans(), min_size=5, max_size=5), st.booleans())
def test_from_any_state_to_any_other_or_nothing_changes(old, new, within, whole):
    old = possible(*old)
    new = tuple(mask & KNOWN for mask in new)
    # Half of the sets of the new state within the old, else next to nothing is allowed.
    new = tuple(n & o if w or whole else n for n, o, w in zip(new, old, within))
    if whole:
        e, p, i, a, b = new
        new = e & p, p, i, a & p & i, b

    def child():
        made(*old).apply()
        try:
            made(*new).apply()
        except PermissionError as error:
            assert error.errno == errno.EPERM
            return False, status()
        return True, status()

    good = bool(allowed(old, new))
    assert forked(child) == (good, new if good else old)


def capset(e, p, i):
    """The system call itself, for this thread; version 3 of linux/capability.h."""
    header = struct.pack('<Ii', 0x20080522, 0)
    words = (mask >> shift & 0xFFFFFFFF for shift in (0, 32) for mask in (e, p, i))
    if libc.capset(header, struct.pack('<6I', *words)) != 0:
        raise OSError(ctypes.get_errno(), 'capset')


@given(states, masks, masks)
def test_what_leaves_permitted_or_inheritable_leaves_ambient_as_in_the_kernel(old, drop, lose):
    old = e, p, i, a, b = possible(*old)
    wanted = e & ~drop, p & ~drop, i & ~lose

    def child(way):
        made(*old).apply()
        caps = Caps.from_process()
        if way == 'kernel':
            capset(*wanted)
            return status()
        caps.effective.mask, caps.permitted.mask, caps.inheritable.mask = wanted
        caps = caps.copy().apply()
        assert of(caps) == status()  # the object says what is
        caps.apply()
        return status()

    assert forked(child, 'kernel') == forked(child, 'capwrap') == (*wanted, a & ~drop & ~lose, b)


def test_effective_has_to_be_permitted_as_in_the_kernel():
    def child(way):
        made(1, 1, 0, 0, BND).apply()
        caps = Caps.from_process()
        caps.permitted.clear()
        with pytest.raises(OSError) as raised:
            capset(1, 0, 0) if way == 'kernel' else caps.apply()
        return raised.value.errno, status()

    assert forked(child, 'kernel') == forked(child, 'capwrap') == (errno.EPERM, (1, 1, 0, 0, BND))


def test_ambient_that_is_asked_for_and_cannot_be():
    def child():
        made(1, 1, 1, 1, BND).apply()
        before = status()
        for caps in (
            Caps('cap_chown=p', ambient=['cap_chown']),  # in so many words, whatever is so now
            Caps('cap_chown=i', ambient=['cap_chown']),
        ):
            with pytest.raises(PermissionError, match='cap_chown: ambient, but not'):
                caps.apply()
        caps = Caps.from_process()
        caps.inheritable.clear()
        caps.ambient.add('cap_kill')
        with pytest.raises(PermissionError, match='cap_kill: ambient, but not'):
            caps.apply()
        assert status() == before
        caps.ambient.discard('cap_kill')
        caps.apply()
        # What is gone does not come back by itself.
        caps.inheritable.add('cap_chown')
        caps.apply()
        assert status() == (1, 1, 1, 0, BND)
        caps.ambient.add('cap_chown')
        caps.apply()
        # What this object made ambient it may drop, too.
        caps.inheritable.clear()
        caps.apply()
        return status()

    assert forked(child) == (1, 1, 0, 0, BND)


def test_lines_of_2010():
    def child():
        become(keep=True)
        Caps.from_process().deactivate().apply()
        assert status()[0] == 0
        Caps.from_process().activate().apply()
        assert status()[:3] == (PRM, PRM, 0)
        caps = Caps.from_process()
        caps.propagnate().apply()
        assert status()[2] == PRM
        caps.terminate().apply()
        assert status()[2] == 0
        caps['inheritable'].add('cap_dac_read_search')
        caps.apply()
        assert status()[2] == 1 << 2
        caps.clear().apply()
        return status()

    assert forked(child) == (0, 0, 0, 0, BND)


def test_nothing_stops_a_process_from_giving_all_up():
    def child():
        become(keep=True)
        Caps('cap_kill=ep').apply()  # no cap_setpcap: the bounding set has to stay
        Caps.from_process().clear().apply()
        Caps().apply()
        return status()

    assert forked(child) == (0, 0, 0, 0, BND)


def test_ambient_reaches_an_ordinary_program_and_inheritable_does_not():
    def child(ambient):
        become(keep=True)
        caps = Caps('cap_kill,cap_net_raw=p').propagate()
        if ambient:
            caps.ambient = caps.permitted
        caps.apply()
        return subprocess.run(
            [sys.executable, '-c', 'print(open("/proc/self/status").read())'],
            capture_output=True, text=True, check=True,
        ).stdout

    mask = f'{CapSet(["cap_kill", "cap_net_raw"]).mask:016x}'
    assert f'CapEff:\t{mask}\n' in forked(child, True)
    assert f'CapEff:\t{0:016x}\n' in forked(child, False)
    assert f'CapInh:\t{mask}\n' in forked(child, False)


@pytest.mark.parametrize('name', NAMES[:4])
def test_an_ordinary_user_gets_nothing(name):
    def child():
        become()
        before = status()
        caps = Caps.from_process()
        caps[name].add('cap_net_raw')
        with pytest.raises(PermissionError) as raised:
            caps.apply()
        return before == status(), raised.value.errno, str(raised.value)

    same, number, text = forked(child)
    assert same and number == errno.EPERM
    assert 'cap_net_raw' in text or name == 'inheritable'


def test_an_ordinary_user_lowers_no_bounding_set():
    def child():
        become()
        before = status()
        caps = Caps.from_process()
        caps.bounding.discard('cap_chown')
        with pytest.raises(PermissionError, match='bounding'):
            caps.apply()
        return before == status()

    assert forked(child)


def test_a_refusal_in_the_middle_restores_even_what_cannot_be_had_back():
    """The ambient set is refused after capset: permitted would be lost for good."""

    def child():
        prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE)
        made(PRM, PRM, 1, 0, BND).apply()
        before = status()
        caps = Caps('cap_kill=eip', ambient=['cap_kill'])
        caps.bounding.discard('cap_kill')
        with pytest.raises(PermissionError, match='ambient'):
            caps.apply()
        return before == status()

    assert forked(child)


def test_a_refused_bounding_set_restores_ambient_too():
    def child():
        become(keep=True)
        made(0, PRM & ~SETPCAP, 0b111, 0b001, BND).apply()
        before = status()
        with pytest.raises(PermissionError, match='bounding'):
            made(0, 0b010, 0b110, 0b010, BND & ~1).apply()
        return before == status()

    assert forked(child)


def test_the_bounding_set_is_lowered_by_a_privilege_given_up_in_the_same_line():
    def child():
        caps = Caps('cap_kill=ep')
        caps.bounding = ['cap_kill', 'cap_chown']
        caps.apply()
        return status()

    assert forked(child) == (1 << 5, 1 << 5, 0, 0, 1 << 5 | 1)


def test_bounding_without_limit_and_with_one():
    def child():
        start = Caps.from_process()
        start.bounding.discard('cap_chown')
        start.apply()
        assert status()[4] == BND & ~1
        Caps('=ep' if PRM == KNOWN else 'cap_setpcap=ep').apply()  # a text has no limit
        assert status()[4] == BND & ~1
        caps = Caps('cap_setpcap=ep')
        caps.bounding.discard('cap_kill')  # less one, whatever else is there
        caps.apply()
        assert status()[4] == BND & ~1 & ~(1 << 5)
        caps = Caps.from_process()
        caps.bounding.add('cap_kill')  # it cannot be raised, and that is said
        with pytest.raises(PermissionError, match='cap_kill.*bounding'):
            caps.apply()
        return status()[4]

    assert forked(child) == BND & ~1 & ~(1 << 5)


def test_bits_that_the_kernel_has_not_are_refused():
    for name in NAMES[:4]:
        caps = Caps.from_process()
        caps[name].add('63')
        before = status()
        with pytest.raises(ValueError, match='63'):
            caps.apply()
        assert status() == before


def test_read_back():
    """A kernel that says yes and does nothing, which a seccomp filter can play."""
    number = {'x86_64': 126, 'aarch64': 91, 'riscv64': 91}.get(platform.machine())
    if number is None:
        pytest.skip('which number has capset here?')

    def child():
        code = b''.join(struct.pack('=HBBI', *step) for step in (
            (0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x00050000), (6, 0, 0, 0x7FFF0000)))
        buffer = ctypes.create_string_buffer(code, len(code))
        program = ctypes.create_string_buffer(
            struct.pack('@HP', 4, ctypes.addressof(buffer)))
        prctl(PR_SET_SECCOMP, 2, ctypes.addressof(program), 0, 0)
        before = status()
        with pytest.raises(PermissionError, match='read back'):
            Caps('cap_kill=p').apply()
        return before == status()

    assert forked(child)


def test_another_process():
    child = subprocess.Popen(
        ['setpriv', f'--reuid={UID}', f'--regid={UID}', '--clear-groups', '--inh-caps=+kill',
         '--ambient-caps=+kill', 'sh', '-c', 'echo; read x'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        child.stdout.readline()
        assert of(Caps.from_process(child.pid)) == status(child.pid) == (32, 32, 32, 32, BND)
        child.stdin.close()
    with pytest.raises(ProcessLookupError) as raised:
        Caps.from_process(child.pid)
    assert raised.value.errno == errno.ESRCH
    for pid in (0, -1, 2**40):
        with pytest.raises(ProcessLookupError):
            Caps.from_process(pid)
    for wrong in ('self', 1.5):
        with pytest.raises(TypeError):
            Caps.from_process(wrong)


def test_another_process_is_one_snapshot():
    """Taken by two calls, a process that changes would seem to be in a state that cannot be."""
    pid = os.fork()
    if pid == 0:
        try:
            a, b = made(1, 1, 1, 1, BND), made(0, 1, 0, 0, BND)
            while True:
                a.apply()
                b.apply()
        finally:
            os._exit(1)
    try:
        seen, end = set(), time.monotonic() + 20
        while time.monotonic() < end and (len(seen) < 2 or time.monotonic() < end - 19):
            caps = Caps.from_process(pid)
            assert caps.ambient <= caps.permitted & caps.inheritable
            seen.add(bool(caps.ambient))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert len(seen) == 2


def test_threads_keep_theirs_and_a_warning_says_so():
    def child():
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            Caps.from_process().activate().apply()  # alone: no warning
        go, ids = threading.Event(), []
        thread = threading.Thread(target=lambda: (ids.append(threading.get_native_id()), go.wait()))
        thread.start()
        while not ids:
            time.sleep(0.001)
        before = status()
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            with pytest.raises(RuntimeWarning):
                Caps('cap_kill=ep').apply()
        assert status() == before  # as an error it comes before the change
        with pytest.warns(RuntimeWarning, match='1 other thread') as warned:
            Caps('cap_kill=ep').apply()
        assert warned[0].filename == __file__
        result = status()[0], status(f'self/task/{ids[0]}')[0], of(Caps.from_process(ids[0]))[0]
        go.set()
        thread.join()
        return result

    assert forked(child) == (1 << 5, EFF, EFF)


def test_a_thread_changes_only_itself_and_what_it_starts():
    def child():
        found = []

        def work():
            warnings.simplefilter('ignore')
            Caps('cap_kill=ep').apply()
            later = threading.Thread(target=lambda: found.append(status()[0]))
            later.start()
            later.join()
            found.append(status()[0])

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found, status()[0]

    assert forked(child) == ([1 << 5, 1 << 5], EFF)


def test_empty_is_for_a_file():
    with pytest.raises(TypeError):
        Caps().apply(empty=True)
