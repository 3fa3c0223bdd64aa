"""The arrangement of 2010, and the same job with ambient capabilities: a backup of what only root may read."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from kit import OTHER, USER, bit

READ = bit("cap_dac_read_search")

# Shows its sets, tries to read by itself and by a plain child, and then has rsync copy.
SCRIPT = """
import subprocess, sys
rsync, source, target = sys.argv[1:]
print(open("/proc/self/status").read())
try:
    open(f"{source}/secret")
except PermissionError:
    print("denied to the script")
if subprocess.run(["cat", f"{source}/secret"], stderr=subprocess.DEVNULL).returncode:
    print("denied to its child")
subprocess.run(["grep", "^CapEff", "/proc/self/status"], stdout=open(f"{target}.child", "w"))
sys.exit(subprocess.run([rsync, "-aHS", f"{source}/", target]).returncode)
"""


def plant(top: Path, uid: int = 0) -> None:
    """A tree that only its owner may read, with whatever a backup may meet."""
    top.mkdir(exist_ok=True)
    files = {
        b"secret": b"secret\n", b"empty": b"", b"two words": b"x", b"new\nline": b"x", b"-rf": b"x", b"--delete": b"x",
        b"\xff\xfe": b"not UTF-8", "grün".encode(): b"x", b"$(id)": b"x", b"host:path": b"x", b"*": b"x",
        b"'\"\\": b"x", b".hidden": b"x", b"big": os.urandom(3_000_000), b"x" * 255: b"x",
    }
    for name, data in files.items():
        Path(os.fsdecode(os.fsencode(top) + b"/" + name)).write_bytes(data)
    with (top / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(50_000_000)
        file.write(b"end")
    for number, mode in enumerate((0o000, 0o400, 0o444, 0o600, 0o640, 0o755, 0o711)):
        (top / f"mode{number}").write_text("x")
        (top / f"mode{number}").chmod(mode)
    deep = top / "a/b/c"
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")
    os.link(top / "big", deep / "hard link")
    os.mkfifo(top / "fifo")
    (top / "link").symlink_to("secret")
    (top / "absolute").symlink_to("/etc/shadow")
    (top / "dangling").symlink_to("no\nwhere")
    (deep / "up").symlink_to("../..")
    (top / "a").chmod(0o500)
    (top / "a/b").chmod(0o000)
    for path in (top, *top.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)
        os.utime(path, ns=(10**18, 10**18 + 123456789), follow_symlinks=False)
    top.chmod(0o700)


def tree(top: Path) -> dict[bytes, tuple]:
    """All that a backup keeps: kinds, modes, times, contents, links."""
    found: dict[bytes, tuple] = {}
    for folder, folders, files in os.walk(os.fsencode(top)):
        for path in (os.path.join(folder, name) for name in sorted(folders + files)):
            name, info = os.path.relpath(path, os.fsencode(top)), os.lstat(path)
            time, content = info.st_mtime_ns // 10**9, None  # of all but files rsync keeps whole seconds
            if stat.S_ISREG(info.st_mode):
                time, content = info.st_mtime_ns, Path(os.fsdecode(path)).read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            found[name] = (info.st_mode, time, content, info.st_nlink)
    return found


def sparse(path: Path) -> bool:
    return path.stat().st_blocks * 512 < path.stat().st_size / 10


@pytest.fixture
def tools(world):
    """Copies of Python and rsync with the file capabilities of 2010, a secret tree, and a folder to copy it to."""
    world.python = world.program("python3", Path("/usr/bin/python3"), "cap_dac_read_search=i")
    world.rsync = world.program("rsync", Path("/usr/bin/rsync"), "cap_dac_read_search=ei")
    plant(world.top / "secret")
    world.target = world.folder("home", uid=USER) / "copy"
    return world


@pytest.mark.parametrize("option", [
    "--contain ", *(pytest.param(option, marks=pytest.mark.thorough) for option in ("", "-c ", "--contain --no-new-privs ")),
])
def test_permitted_and_not_effective(tools, option):
    script = tools.script("script", f"{option}{tools.python}", SCRIPT, "cap_dac_read_search=i")
    secret = tools.top / "secret"
    result = tools.run(script, tools.rsync, secret, tools.target)
    assert (result.code, result.err) == (0, ""), result
    sets = result.sets
    assert (sets["CapInh"], sets["CapPrm"], sets["CapEff"], sets["CapAmb"]) == (READ, READ, 0, 0)
    assert "denied to the script\ndenied to its child\n" in result.text
    assert int(Path(f"{tools.target}.child").read_text().split()[1], 16) == 0
    assert tree(tools.target) == tree(secret)
    assert sparse(secret / "sparse") and sparse(tools.target / "sparse")
    assert {path.stat().st_uid for path in (tools.target, tools.target / "secret")} == {USER}


@pytest.mark.parametrize("rsync", ["stock", "copy"])
def test_the_tools_alone_give_nothing(tools, rsync):
    """Whoever runs the copies without the wrapper has nothing to inherit."""
    command = {"stock": "/usr/bin/rsync", "copy": tools.rsync}[rsync]
    script = tools.script("script", f"#!{tools.python}\n", SCRIPT, "cap_dac_read_search=i")
    result = tools.run(script, command, tools.top / "secret", tools.target)
    assert result.code == 23 and result.sets["CapPrm"] == 0, result
    assert not (tools.target / "secret").exists()


def test_stock_rsync_gets_nothing_from_a_contained_script(tools):
    script = tools.script("script", f"--contain {tools.python}", SCRIPT, "cap_dac_read_search=i")
    result = tools.run(script, "/usr/bin/rsync", tools.top / "secret", tools.target)
    assert result.code == 23 and not (tools.target / "secret").exists(), result


def test_ambient(tools):
    """Stock Python and stock rsync: the capability is effective, and reaches every child."""
    script = tools.script("script", "python3", SCRIPT, "cap_dac_read_search=i")
    secret = tools.top / "secret"
    result = tools.run(script, "/usr/bin/rsync", secret, tools.target)
    assert (result.code, result.err) == (0, ""), result
    assert "denied" not in result.text
    assert tree(tools.target) == tree(secret)


def test_python_raises_what_is_permitted(tools):
    """What the kernel left permitted the script itself can make effective, in one call."""
    body = """
import ctypes
libc, header, data = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
libc.capget(header, data)
data[0] = data[1]
assert libc.capset(header, data) == 0
print(open(__import__("sys").argv[1]).read())
"""
    script = tools.script("script", f"--contain {tools.python}", body, "cap_dac_read_search=i")
    assert tools.run(script, tools.top / "secret/secret").text == "secret\n\n"


@pytest.mark.parametrize(("example", "target"), [
    ("backup", "srv/backup"), pytest.param("backup-2010", "srv/backup-2010", marks=pytest.mark.thorough),
])
def test_example(machine, example, target):
    """Both examples as their headers say, twice, with changes in between; alone the user can't."""
    homes, target = {name: machine.top / name for name in ("home", "root")}, machine.top / target
    plant(homes["home"] / "other", uid=OTHER)
    plant(homes["root"])
    command = machine.install(example)

    alone = machine.run("rsync", "-a", "/root", "/home", "/srv/" + target.name, user="backup")
    assert alone.code == 23 and "Permission denied" in alone.err, alone
    assert not list(target.rglob("secret"))
    subprocess.run(["find", str(target), "-mindepth", "1", "-delete"], check=True)

    for _ in range(2):
        result = machine.run(*command, user="backup")
        assert (result.code, result.err) == (0, ""), result
        for name, home in homes.items():
            assert tree(target / name) == tree(home)
        assert sparse(target / "root/sparse")
        assert (target / "root/big").samefile(target / "root/a/b/c/hard link")
        assert stat.S_IMODE(target.stat().st_mode) == 0o700
        (homes["root"] / "a/b/c/file").write_text("changed")
        (homes["root"] / "secret").unlink(missing_ok=True)


@pytest.mark.parametrize("example", ["backup", "backup-2010"])
def test_example_follows_no_link(machine, example):
    """Neither in what it reads, nor, planted by its own user, out of where it writes."""
    command = machine.install(example)
    (machine.top / "root/secret").write_text("secret")
    (machine.top / "home/link").symlink_to("/root/secret")
    (machine.top / "home/folder").symlink_to("/root")
    victim = machine.world.folder("machine/srv/victim", 0o755)
    (machine.top / f"srv/{example}/home").symlink_to("/srv/victim")
    result = machine.run(*command, user="backup")
    assert result.code in (0, 23), result
    assert (machine.top / f"srv/{example}/root/secret").read_text() == "secret"
    assert not list(victim.iterdir())
    assert (machine.top / f"srv/{example}/home/link").is_symlink()
    assert (machine.top / f"srv/{example}/home/folder").is_symlink()
