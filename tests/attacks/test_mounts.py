"""Attacks by mounts and namespaces: the caller's own ones, reached from outside, and file systems that lie."""

import ctypes
import os
import subprocess
from contextlib import contextmanager

import pytest
from kit import GENUINE, GRANT, IMPORTS, USER, genuine, holding, jobs, linux

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@contextmanager
def namespace(commands: str):
    """A user and mount namespace of the user's, where they are root and run these; yields its /proc/PID."""
    process = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", commands + "\necho ready\nread -r _"],
        user=USER, group=USER, extra_groups=[], cwd="/", env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield f"/proc/{process.pid}"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["bind", "overlay"])
def test_module_beside_root_s_script(world, attacker, kind):
    """CVE-2021-3493 and CVE-2023-0386 (overlayfs): in mounts of the caller's own root's script, grant and all, has a
    module of theirs beside it."""
    if kind == "overlay" and not linux(5, 11):
        pytest.skip("this machine's kernel has no overlay in user namespaces")
    jobs(world, body=IMPORTS, folder="tools/")
    attacker.writes(attacker.home / "colour.py")
    place = attacker.home / "place"
    world.run("mkdir", place)
    if kind == "bind":
        commands = f"""
            mount -t tmpfs none {place}
            touch {place}/naive-job {place}/job
            mount --bind {world.top}/tools/naive-job {place}/naive-job
            mount --bind {world.top}/tools/job {place}/job
            cp {attacker.home}/colour.py {place}
        """
    else:
        world.run("mkdir", attacker.home / "upper", attacker.home / "work")
        commands = f"""
            mount -t overlay -o userxattr,lowerdir={world.top}/tools,upperdir={attacker.home}/upper,\
workdir={attacker.home}/work none {place}
            cp {attacker.home}/colour.py {place}
        """
    with namespace(commands) as inside:
        there = f"{inside}/root{place}"
        attacker.wins(world.run(f"{there}/naive-job"))
        attacker.stopped(world.run(f"{there}/job"))


def granted(wrapper, name, code) -> str:
    """Commands that put a script of the attacker's there, with a grant as a user namespace lets them set it."""
    return f"""
        cat > {name} <<'end'
#!{wrapper} python3
{code}end
        chmod 755 {name}
        setcap {GRANT}=i {name}
    """


def test_same_path_elsewhere(world, attacker):
    """Ways out of containers by /proc/PID/root: in the caller's namespace another script has the name of root's.
    Outside of it that name is root's script."""
    naive, script = jobs(world, folder="tools/")
    commands = f"mount -t tmpfs none {world.top}/tools\ncd {world.top}/tools\n"
    commands += granted(world.naive, "naive-job", attacker.code) + granted(world.wrapper, "job", attacker.code)
    with namespace(commands) as inside:
        attacker.wins(world.run(f"{inside}/root{naive}"))
        genuine(world.run(f"{inside}/root{script}"))
        for way in ("cwd", "root"):
            genuine(world.run(f"./{script.relative_to('/')}" if way == "root" else "./job", cwd=f"{inside}/{way}"))
    attacker.loses()


@pytest.mark.parametrize("way", ["descriptor", "folder", "current folder"])
def test_detached_mount(world, attacker, way):
    """CVE-2018-1000001 (realpath, out of reach of a root): on a mount that hangs nowhere the kernel's name of the
    attacker's script is, to the letter, the path of root's."""
    naive, script = jobs(world, folder="tools/")
    place = attacker.home / "place"
    world.run("mkdir", place)
    commands = f"mount -t tmpfs none {place}\nmkdir -p {place}{script.parent}\ncd {place}{script.parent}\n"
    commands += granted(world.naive, "naive-job", attacker.code) + granted(world.wrapper, "job", attacker.code)
    commands += f"exec 7< naive-job 8< job 9< .\ncd /\numount -l {place}\n"
    with namespace(commands) as inside:
        assert os.readlink(f"{inside}/fd/8") == str(script)
        for path, number in ((naive, 7), (script, 8)):
            if way == "current folder":
                result = world.run(f"./{path.name}", cwd=f"{inside}/fd/9")
            else:
                result = world.run(f"{inside}/fd/{number}" if way == "descriptor" else f"{inside}/fd/9/{path.name}")
            if path == naive:
                attacker.wins(result)
    if result.code:
        attacker.stopped(result)
    else:
        genuine(result)
    attacker.loses()


# A file system that lies, on a descriptor of /dev/fuse: everything in it belongs to root, and has a grant. A file has
# root's script in it when it is opened first, and the attacker's from then on. `link-N-NAME` leads to NAME among root's
# scripts N times, and then among the attacker's.
FUSE = r"""
import os, struct, sys
fd, top, first, then, home = int(sys.argv[1]), *(text.encode() for text in sys.argv[2:6])
nodes, seen, handles = {}, {}, {}
def attributes(node):
    name = nodes.get(node, b"")
    mode = 0o40755 if node == 1 else 0o120777 if name.startswith(b"link") else 0o100755
    return struct.pack("<6Q10I", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
def count(node):
    seen[node] = seen.get(node, 0) + 1
    return seen[node]
def answer(call, node, data):
    if call == 26:  # INIT
        return struct.pack("<4IHH2IHH8I", 7, 31, 65536, 0, 8, 8, 65536, 1, 16, 0, *[0] * 8)
    if call == 1:  # LOOKUP
        name = data.rstrip(b"\0")
        if not name.startswith((b"link-", b"job", b"naive-job")):
            return -2
        known = next((number for number, other in nodes.items() if other == name), len(nodes) + 2)
        nodes[known] = name
        return struct.pack("<4Q2I", known, 0, 0, 0, 0, 0) + attributes(known)
    if call == 3:  # GETATTR
        return struct.pack("<Q2I", 0, 0, 0) + attributes(node)
    if call == 5:  # READLINK
        _, times, name = nodes[node].split(b"-", 2)
        return (top + b"/tools/" if count(node) <= int(times) else home + b"/") + name
    if call in (14, 27):  # OPEN, OPENDIR
        handle = len(handles)
        handles[handle] = first if count(node) == 1 else then
        return struct.pack("<Q2I", handle, 1, 0)  # nothing is cached
    if call == 15:  # READ
        handle, offset, size = struct.unpack_from("<2QI", data)
        head = top + (b"/naive" if nodes[node].startswith(b"naive") else b"/capwrap")
        return (b"#!" + head + b" python3\n" + handles[handle])[offset:offset + size]
    if call == 22:  # GETXATTR
        size, name = struct.unpack("<I", data[:4])[0], data[8:].rstrip(b"\0")
        if node == 1 or name != b"security.capability":
            return -61
        value = struct.pack("<5I", 0x2000000, 0, 1 << 13, 0, 0)
        return value if size else struct.pack("<2I", len(value), 0)
    if call == 17:  # STATFS
        return bytes(80)
    return b"" if call in (18, 25, 29) else -38  # RELEASE, FLUSH, RELEASEDIR
def serve():
    while True:
        try:
            asked = os.read(fd, 1 << 17)
        except OSError:
            return
        _, call, unique, node = struct.unpack_from("<2I2Q", asked)
        if call in (2, 36, 42):  # FORGET, INTERRUPT and BATCH_FORGET have no answer
            continue
        said = answer(call, node, asked[40:])
        error, said = (said, b"") if isinstance(said, int) else (0, said)
        try:
            os.write(fd, struct.pack("<IiQ", 16 + len(said), error, unique) + said)
        except FileNotFoundError:
            pass  # who asked is gone
"""

# Mounts it in a user namespace of the user's own, without the help of root.
ALONE = FUSE + r"""
import ctypes
uid, gid = os.getuid(), os.getgid()
libc = ctypes.CDLL(None, use_errno=True)
assert not libc.unshare(0x10020000), os.strerror(ctypes.get_errno())
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
os.dup2(os.open(sys.argv[7], os.O_RDWR), fd)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
assert not libc.mount(b"fuse", sys.argv[6].encode(), b"fuse", 0, options), os.strerror(ctypes.get_errno())
print("ready", flush=True)
serve()
"""

def device(world):
    """/dev/fuse, open to everyone as distributions have it."""
    path = world.top / "fuse"
    os.mknod(path, 0o020666, os.makedev(10, 229))
    path.chmod(0o666)
    return path


def contents(world, attacker):
    return world.top, GENUINE, attacker.code, attacker.home


def test_fuse_in_a_user_namespace(world, attacker):
    """CVE-2023-0386 (overlayfs over FUSE): a file system of the caller's own says that its files are root's."""
    place = attacker.home / "place"
    world.run("mkdir", place)
    with holding(ALONE, 9, *contents(world, attacker), place, device(world)) as process:
        there = f"/proc/{process.pid}/root{place}"
        attacker.wins(world.run(f"{there}/naive-job"))
        attacker.stopped(world.run(f"{there}/job"))


@contextmanager
def fuse(world, attacker):
    """Mounts it as the set-user-ID fusermount does, with nosuid, nodev and the user's id; the user serves it."""
    place = world.folder("stick")
    fd = os.open(device(world), os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id={USER},group_id={USER}".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.mount(b"fuse", bytes(place), b"fuse", 6, options), os.strerror(ctypes.get_errno())
    try:
        with holding(FUSE + "print('ready', flush=True)\nserve()\n", fd, *contents(world, attacker), pass_fds=[fd]):
            yield place
    finally:
        os.close(fd)
        subprocess.run(["umount", "-l", place], check=True)


def test_fuse_that_changes_its_mind(world, attacker, beaten):
    """bindfs, sshfs and the like by fusermount: root's script when it is looked at, another when it is run."""
    with fuse(world, attacker) as place:
        attacker.wins(world.run(place / "naive-job"))
        for _ in range(3):
            result = world.run(place / "job")
            beaten(result, "FILE_NOSUID", place / "job")


def test_fuse_link(world, attacker):
    """Symlink races that can't be lost: a link of FUSE's turns elsewhere after just as many looks as it takes."""
    jobs(world, folder="tools/")
    for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
        attacker.writes(attacker.home / name, f"#!{wrapper} python3\n{attacker.code}")
    with fuse(world, attacker) as place:
        results = [world.run(place / f"link-{looks}-naive-job") for looks in range(8)]
        won = [result for result in results if result.sets["CapEff"] and result.text.startswith("attacker")]
        attacker.wins(won[0])
        results = [world.run(place / f"link-{looks}-job") for looks in range(40)]
    for result in results:
        if result.code:
            attacker.stopped(result)
        else:
            genuine(result)
    assert {result.code for result in results} == {0, 125}
    attacker.loses()
