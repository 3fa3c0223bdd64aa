"""Rule file: a script that is root's alone to write."""

import os
import socket

import pytest
from kit import GENUINE, ROOM, USER, World, acl, genuine, mend, mount, moved


def owned(path):
    os.chown(path, USER, 0)


def group(path):
    os.chown(path, 0, USER)
    path.chmod(0o775)


FILES = {
    "user": (owned, "FILE_OWNER"),
    "group": (group, "FILE_WRITABLE"),
    "others": (lambda path: path.chmod(0o757), "FILE_WRITABLE"),
    "acl": (lambda path: acl(path, f"u:{USER}:rwx"), "FILE_WRITABLE"),
    "acl for a group": (lambda path: acl(path, f"g:{USER}:rwx"), "FILE_WRITABLE"),
}


@pytest.mark.parametrize("kind", FILES)
def test_file_overwritten(world, attacker, beaten, kind):
    """Whoever may write to the script puts other code there by a mapping, which leaves the grant."""
    spoil, name = FILES[kind]
    naive = world.script("naive-job", "python3", GENUINE + ROOM, wrapper=world.naive)
    script = world.script("job", "python3", GENUINE + ROOM)
    for path in (naive, script):
        spoil(path)
        World.setcap("cap_net_raw=i", path)
        attacker.overwrites(path)
    attacker.wins(world.run(naive))
    result = beaten(world.run(script), name, script)

    attacker.overwrites(script, uid=0, code=GENUINE)
    mend(result, ("cap_net_raw=i", script) if name == "FILE_OWNER" else None)
    genuine(world.run(script))


def test_file_open(world, beaten):
    """A script that its caller may run and not read: a grant that reads all files would show it to them."""
    for wrapper, path in ((world.naive, "naive-job"), (world.wrapper, "job")):
        script = world.script(path, "python3", GENUINE, "cap_dac_read_search=i", 0o711, wrapper=wrapper)
        result = world.run(wrapper, "cat", script)
        if wrapper == world.naive:
            assert GENUINE in result.text
    beaten(world.run(script), "FILE_OPEN", script)
    script.chmod(0o755)
    genuine(world.run(script), "cap_dac_read_search")


def node(kind, path):
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, 0o020666, os.makedev(1, 3))
    elif kind == "folder":
        path.mkdir()
    else:
        socket.socket(socket.AF_UNIX).bind(str(path))
    path.chmod(0o755)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "socket"])
def test_file_type(world, refused, kind):
    """Mistakes, that must not hang: none of these can be granted anything, so the naive wrapper resists."""
    node(kind, world.top / "job")
    refused(world.run(world.wrapper, "python3", world.top / "job", timeout=10), "FILE_TYPE", world.top / "job")


def test_file_nosuid(world, attacker, beaten):
    """A file system that its owner prepared elsewhere, with a grant, and plugs in or mounts through FUSE."""
    stick = world.folder("stick")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "none", stick)
    naive = world.script("stick/naive-job", "python3", attacker.code, wrapper=world.naive)
    script = world.script("stick/job", "python3", attacker.code)
    attacker.wins(world.run(naive))
    result = beaten(world.run(script), "FILE_NOSUID", script)

    world.script("stick/job", "python3", GENUINE)
    genuine(world.run(moved(world, result)))


def test_file_nosuid_crossed(world, attacker, beaten):
    """A mount without nosuid below one that has it: who can write to the upper one decides what is on the way."""
    stick = world.folder("stick")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "none", stick)
    world.script("other/naive-job", "python3", attacker.code, wrapper=world.naive)
    world.script("other/job", "python3", attacker.code)
    inner = world.folder("stick/inner")
    mount("--bind", world.top / "other", inner)
    attacker.wins(world.run(inner / "naive-job"))
    result = beaten(world.run(inner / "job"), "FILE_NOSUID", inner / "job")
    assert f"{stick} is mounted nosuid" in result.err

    world.script("other/job", "python3", GENUINE)
    genuine(world.run(moved(world, result)))
    mount("-o", "remount,suid", stick)
    genuine(world.run(inner / "job"))


def test_file_nosuid_single_file(world, attacker, beaten):
    """One file, bound from a mount with nosuid over a script that is trusted."""
    stick = world.folder("stick")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "none", stick)
    for name, wrapper in (("naive-job", world.naive), ("job", world.wrapper)):
        script = world.script(name, "python3", GENUINE, wrapper=wrapper)
        mount("--bind", world.script(f"stick/{name}", "python3", attacker.code, wrapper=wrapper), script)
    attacker.wins(world.run(world.top / "naive-job"))
    beaten(world.run(script), "FILE_NOSUID", script)


def test_file_type_behind_a_link(world, attacker, refused):
    """A FIFO that the caller calls by a link is not waited for."""
    fifo, link = world.top / "fifo", attacker.home / "link"
    os.mkfifo(fifo, 0o755)
    world.run("ln", "-s", fifo, link)
    refused(world.run(world.wrapper, "python3", link, timeout=10), "FILE_TYPE", link)
    os.mkfifo(attacker.home / "fifo", 0o755)
    world.run("ln", "-sfn", "fifo", link)
    assert world.run(world.wrapper, "python3", link, timeout=10).code == 125
