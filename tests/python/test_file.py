"""File capabilities: against setcap, getcap and the bytes of the attribute."""

import errno
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st
from support import UID, become, forked, masks, of, python, xattr

from capwrap import Cap, CapSet, Caps

ATTRIBUTE = 'security.capability'
ALL = 2**64 - 1
names = st.sets(st.sampled_from([c.value for c in Cap]), min_size=1)


def getcap(path):
    out = subprocess.run(['getcap', '-n', str(path)], capture_output=True, text=True, check=True)
    return out.stdout.strip().removeprefix(str(path)).strip()


def attribute(path):
    try:
        return os.getxattr(path, ATTRIBUTE)
    except OSError as error:
        assert error.errno == errno.ENODATA
        return None


def made(permitted, inheritable, effective):
    caps = Caps()
    caps.permitted.mask, caps.inheritable.mask = permitted, inheritable
    if effective:
        caps.effective = caps.permitted | caps.inheritable
    return caps


@given(names, names, st.sampled_from(['p', 'i', 'ip', 'ep', 'ei', 'eip']))
def test_what_setcap_writes_is_read(file, some, others, flags):
    text = f'{",".join(some)}={flags}'
    if 'e' not in flags:
        text += f' {",".join(others - some)}=p' if others - some else ''
    subprocess.run(['setcap', '-q', text, str(file)], check=True)
    caps = Caps.from_file(file)
    assert caps == Caps(text)
    assert set(caps.permitted) == (some if 'p' in flags else set()) | (
        others - some if 'e' not in flags else set())
    assert bool(caps.effective) == ('e' in flags)
    assert not caps.ambient and caps.bounding.mask == ALL


@given(names, names, st.booleans())
def test_what_is_applied_getcap_prints(file, permitted, inheritable, effective):
    caps = Caps()
    caps.permitted, caps.inheritable = permitted, inheritable
    if effective:
        caps.activate().effective.mask |= caps.inheritable.mask
    assert caps.apply(file) is caps
    assert getcap(file) == str(caps)


@given(masks, masks, st.booleans(), st.integers(0, 2**32 - 2))
def test_every_bit_survives(file, permitted, inheritable, effective, rootid):
    caps = made(permitted, inheritable, effective)
    caps.rootid = rootid
    caps.apply(file)
    found = Caps.from_file(file)
    if not permitted | inheritable:
        assert attribute(file) is None and found == Caps()
        return
    assert found == caps
    assert attribute(file) == xattr(permitted, inheritable, effective, rootid or None)


@given(masks, masks, st.booleans(), st.integers(1, 2**32 - 2) | st.none())
def test_every_attribute_is_read_and_written_back(file, permitted, inheritable, effective, rootid):
    raw = xattr(permitted, inheritable, effective and permitted | inheritable, rootid)
    os.setxattr(file, ATTRIBUTE, raw)
    caps = Caps.from_file(file)
    assert caps == made(permitted, inheritable, effective) or caps.rootid
    assert caps.rootid == (rootid or 0)
    caps.apply(file, empty=True)
    assert attribute(file) == raw


def test_setcaps_root_id(file):
    subprocess.run(['setcap', '-q', '-n', str(UID), 'cap_net_raw=ep', str(file)], check=True)
    caps = Caps.from_file(file)
    assert caps.rootid == UID and caps == Caps('cap_net_raw=ep', rootid=UID)
    other = file.with_name('other')
    other.touch()
    caps.apply(other)
    assert getcap(other) == f'cap_net_raw=ep [rootid={UID}]'


def test_an_attribute_that_is_none_is_an_error(file, monkeypatch):
    """The kernel writes no such, but a file system may come from elsewhere."""
    good = xattr(1, 2, True)
    for raw in (b'', good[:4], good[:-1], good + b'\0\0\0\0', b'\x01\0\0\x04' + good[4:], xattr(1, 2, 1, 3)[:20]):
        monkeypatch.setattr(os, 'getxattr', lambda *_: raw)
        with pytest.raises(OSError) as raised:
            Caps.from_file(str(file))
        assert (raised.value.errno, raised.value.filename) == (errno.EINVAL, str(file))


def test_every_way_to_name_a_file(file):
    wanted = Caps('cap_kill=p')
    for name in (str(file), os.fsencode(file), file):
        wanted.apply(name)
        assert Caps.from_file(name) == wanted and getcap(file) == 'cap_kill=p'
        Caps().apply(name)
        assert attribute(file) is None
    with open(file, 'rb') as stream:
        for name in (stream, stream.fileno()):
            wanted.apply(name)
            assert Caps.from_file(name) == wanted and getcap(file) == 'cap_kill=p'
            Caps().apply(name)
            assert attribute(file) is None
    odd = file.with_name('\udcff odd\n')
    odd.touch()
    assert Caps.from_file(wanted.apply(odd) and odd) == wanted
    for wrong in (None, 1.5, ['file']):
        with pytest.raises(TypeError):
            Caps.from_file(wrong)
    for wrong in ('a\0b', b'a\0b', -1):
        with pytest.raises(ValueError):
            Caps.from_file(wrong)
        with pytest.raises(ValueError):
            wanted.apply(wrong)


def test_a_file_without_any_has_empty_sets(file):
    assert Caps.from_file(file) == Caps()
    assert Caps.from_file(file.parent) == Caps()
    assert Caps.from_file('/proc/self/status') == Caps()  # where none can be


def test_empty_sets_remove_and_empty_ones_can_be_written(file):
    before = Caps.from_file(file)
    Caps('cap_kill=ep').apply(file)
    before.apply(file)
    assert attribute(file) is None
    before.apply(file)  # nothing to remove is no error
    Caps().apply(file, empty=True)
    assert attribute(file) == xattr(0, 0, 0) and Caps.from_file(file) == Caps()
    Caps().apply(file)
    assert attribute(file) is None


def test_what_a_file_cannot_hold(file):
    Caps('cap_chown=p').apply(file)
    raw = attribute(file)
    for caps, word in (
        (Caps('cap_kill=p cap_net_raw=ep'), 'cap_kill'),
        (Caps('cap_kill=e'), 'cap_kill'),
        (Caps('cap_kill=ep cap_net_raw=e'), 'cap_net_raw'),
        (Caps('cap_kill=ep cap_net_raw=i'), 'cap_net_raw'),
        (Caps('cap_kill=pi', ambient=['cap_kill']), 'cap_kill'),
    ):
        with pytest.raises(ValueError, match=word):
            caps.apply(file)
        assert attribute(file) == raw
    Caps('cap_kill=p', bounding=['cap_chown']).apply(file)  # no matter of a file's
    assert getcap(file) == 'cap_kill=p'


def test_errors_have_errno_and_name(file, place):
    missing, link, fifo, folder = (place / n for n in ('missing', 'link', 'fifo', 'folder'))
    link.symlink_to(file)
    os.mkfifo(fifo)
    folder.mkdir()
    caps = Caps('cap_kill=p')
    for call in (Caps.from_file, caps.apply):
        for name in (str(missing), os.fsencode(missing)):
            with pytest.raises(FileNotFoundError) as raised:
                call(name)
            assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, name)
        with pytest.raises(OSError) as raised:
            call(10**6)
        assert (raised.value.errno, raised.value.filename) == (errno.EBADF, 10**6)
    for name in (link, fifo, folder, '/dev/null'):
        for change in (caps, Caps()):
            with pytest.raises(OSError) as raised:
                change.apply(name)
            number = errno.ELOOP if name == link else errno.EINVAL
            assert (raised.value.errno, raised.value.filename) == (number, str(name))
    caps.apply(file)
    assert Caps.from_file(link) == caps  # reading follows
    with socket.socket() as stream, pytest.raises(OSError):
        caps.apply(stream)
    with open(file) as stream:
        stream.close()
        with pytest.raises(ValueError):
            Caps.from_file(stream)


def test_an_ordinary_user_changes_nothing(file):
    os.chown(file, UID, UID)
    Caps('cap_chown=p').apply(file)
    raw = attribute(file)

    def child(change, way):
        become()
        with open(file) as stream, pytest.raises(PermissionError) as raised:
            change.apply(stream if way == 'stream' else str(file))
        return raised.value.errno, raised.value.filename

    for change in (Caps('cap_kill=ep'), Caps()):
        for way in ('stream', 'path'):
            assert forked(child, change, way) == (errno.EPERM, str(file))
            assert attribute(file) == raw


def test_an_unreadable_attribute_is_an_error_not_an_empty_one(file):
    file.parent.chmod(0o700)

    def child():
        become()
        with pytest.raises(PermissionError):
            Caps.from_file(file)
        return True

    assert forked(child)


def test_the_kernel_takes_it(file):
    """A program that was given a capability has it when an ordinary user starts it."""
    program = file.with_name('cat')
    program.write_bytes(open('/bin/cat', 'rb').read())
    program.chmod(0o755)
    Caps('cap_kill=ep').apply(program)
    out = subprocess.run(
        ['setpriv', f'--reuid={UID}', '--clear-groups', str(program), '/proc/self/status'],
        capture_output=True, text=True, check=True).stdout
    assert f'CapEff:\t{1 << 5:016x}' in out


def test_a_file_in_a_user_namespace(file):
    """Root of a user namespace grants for that namespace; the root id tells."""
    os.chown(file, UID, UID)
    done = subprocess.run(
        ['unshare', '--user', f'--setuid={0}', '--map-root-user', sys.executable, '-c',
         f'from capwrap import Caps; c = Caps("cap_kill=p").apply({str(file)!r});'
         f'assert Caps.from_file({str(file)!r}) == c'],
        user=UID, group=UID, extra_groups=[], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    caps = Caps.from_file(file)
    assert caps.rootid == UID and caps == Caps('cap_kill=p', rootid=UID)


def test_imported_by_an_ordinary_user():
    done = python('from capwrap import Caps; print(Caps.from_process())')
    assert (done.stdout, done.stderr) == ('=\n', '')
    done = python('from capwrap import Caps; print(Caps.from_process())',
                  inheritable='kill', ambient='kill')
    assert done.stdout == 'cap_kill=eip\n'
    assert CapSet(['cap_kill']).mask == 32
