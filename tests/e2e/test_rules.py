"""Rules call, path, file and execute: an attack that wins a capability without the rule, and is refused with it."""

import errno
import os
import resource
import shutil
import socket
import subprocess
import time

import pytest
from kit import (
    EMPTY_ARGV,
    FLIP,
    GENUINE,
    GRANT,
    HOLD,
    IMPORTS,
    OVERWRITE,
    USER,
    World,
    acl,
    bit,
    execve_check,
    filtered,
    fix_of,
    genuine,
    held,
    mend,
    mount,
    moved,
)

ROOM = "#" * 2000 + "\n"  # for an attacker's code to be written over


# ---- call


def test_call_needs_a_line_and_a_script(world, refused):
    """A mistake, and no attack: the naive wrapper has nothing to go by either."""
    refused(world.run(world.wrapper), "CALL_USAGE", None)
    refused(world.run(world.wrapper, "python3"), "PATH_RESOLVE", "python3")
    refused(world.run("/usr/bin/python3", "-c", EMPTY_ARGV, world.wrapper), "CALL_USAGE", None)
    script = world.script("job", f"#!{world.wrapper}\n", GENUINE)
    refused(world.run(script), "LINE_INTERPRETER", script)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6755])
def test_call_set_user_id(world, attacker, refused, mode):
    """A wrapper that is set-user-ID root as well hands on root's uid or gid."""
    naive = world.script("naive-job", "python3", GENUINE, wrapper=world.naive)
    script = world.script("job", "python3", GENUINE)
    world.naive.chmod(mode)
    won = world.run(world.naive, attacker.program, naive)
    attacker.wins(won)
    assert f"{'Uid' if mode & 0o4000 else 'Gid'}:\t{USER}\t0\t0\t0\n" in won.text

    world.wrapper.chmod(mode)
    result = world.run(script)
    refused(result, "CALL_IDS", script)
    mend(result)
    genuine(world.run(script))


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1], [0, 1, 2]], ids=str)
def test_call_closed_descriptors(world, attacker, closed):
    """With a descriptor closed, the first file that the script opens would be what it reads or prints to."""
    body = (
        "import os, sys\n"
        "out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o644)\n"
        "told = f'{out} {os.read(0, 9)} {os.write(1, b\"\")} {os.write(2, b\"\")}'\n"
        "os.write(out, (told + ''.join(' ' + os.readlink(f'/proc/self/fd/{fd}') for fd in range(3))).encode())\n"
    )
    script = world.script("job", "python3", body)
    out = attacker.home / "out"
    close = " ".join(f"{fd}>&-" for fd in closed)
    shell = f'exec "$0" "$1" {close}'
    done = world.run("/bin/sh", "-c", shell, script, out)
    assert done.code == 0, done
    number, data, wrote, errors, *links = out.read_text().split()
    assert (int(number), data, wrote, errors) == (3, "b''", "0", "0")
    assert [link for fd, link in enumerate(links) if fd in closed] == ["/dev/null"] * len(closed)


def test_call_closed_descriptors_without_null(world, refused):
    """Where there is no /dev/null the script does not run; with a caller without root glibc stops the wrapper first."""
    script = world.script("job", "python3", GENUINE)
    shell = 'mount -t tmpfs none /dev && exec "$@" <&-'
    alone = ["unshare", "--mount", "sh", "-c", shell, "-"]
    refused(world.run(*alone, script, uid=0), "CALL_DESCRIPTORS", script)
    user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    result = world.run(*alone, *user, script, uid=0)
    assert result.code != 0 and result.out == b"", result
    fix = 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec "$@" <&-'
    genuine(world.run("unshare", "--mount", "sh", "-c", fix, "-", script, uid=0))


@pytest.mark.parametrize("call", ["capget", "capset"])
def test_call_capabilities(world, refused, call):
    """A seccomp filter that hides or keeps the effective set would leave the caller's files opened with the wrapper's
    capabilities."""
    script = world.script("job", "python3", GENUINE, wrapper=world.program("raised", world.wrapper, f"{GRANT}=ep"))
    refused(filtered(world, call, errno.EPERM, script), "CALL_CAPABILITIES", script)


def test_call_self(world, refused):
    """In a chroot without /proc the wrapper knows itself by the script's line where the kernel executed the script. By
    hand it does not, nor is another wrapper taken for the one that is named there; the fix is a command."""
    see = "import ctypes\nctypes.CDLL(None).mount(b'proc', b'/proc', b'proc', 0, None)\n"
    script = world.script("job", "python3", see + GENUINE, caps=f"{GRANT},cap_sys_admin=i")
    user = f"setpriv --reuid={USER} --regid={USER} --clear-groups"
    alone = ["unshare", "--mount", "sh", "-c"]
    result = world.run(*alone, f'umount -l /proc && {user} "$0"', script, uid=0)
    assert result.sets["CapEff"] == bit(f"{GRANT},cap_sys_admin"), result

    script = world.script("job", "python3", GENUINE)
    other = world.program("other", world.wrapper)
    for wrapper in world.wrapper, other:
        by_hand = f'{user} "$1" python3 "$0"'
        result = world.run(*alone, f"umount -l /proc && {by_hand}", script, wrapper, uid=0)
        refused(result, "CALL_SELF", script)
        result = world.run(*alone, f"umount -l /proc && {fix_of(result)} && {by_hand}", script, wrapper, uid=0)
        if wrapper == other:
            refused(result, "LINE_WRAPPER", script)
        else:
            genuine(result)


def test_call_reads_with_the_rights_of_the_caller(world, attacker, refused):
    """A script in a folder that is closed to the caller: the wrapper's capabilities do not open it."""
    script = world.script("closed/job", "python3", GENUINE, caps="cap_dac_read_search=i")
    world.folder("closed", 0o700)
    attacker.wins(world.run(world.naive, attacker.program, world.script("job", "python3")))
    refused(world.run(world.wrapper, "python3", script), "PATH_RESOLVE", script)


# ---- path


FOLDERS = {
    "user": (lambda folder: os.chown(folder, USER, 0), "PATH_OWNER"),
    "group": (lambda folder: (os.chown(folder, 0, USER), folder.chmod(0o775)), "PATH_WRITABLE"),
    "others": (lambda folder: folder.chmod(0o777), "PATH_WRITABLE"),
    "acl": (lambda folder: acl(folder, f"u:{USER}:rwx"), "PATH_WRITABLE"),
    "sticky": (lambda folder: folder.chmod(0o1777), "PATH_STICKY"),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_path_planted_module(world, attacker, beaten, kind):
    """A module that is put beside the script runs with its capabilities."""
    spoil, name = FOLDERS[kind]
    folder = world.folder("tools")
    naive = world.script("tools/naive-job", "python3", IMPORTS, wrapper=world.naive)
    script = world.script("tools/job", "python3", IMPORTS)
    spoil(folder)
    planted = attacker.writes(folder / "colour.py")
    attacker.wins(world.run(naive))
    result = beaten(world.run(script), name, script)

    planted.unlink()
    if kind in ("sticky", "user"):
        script = moved(world, result)
    else:
        mend(result)
    genuine(world.run(script))
    with pytest.raises(AssertionError, match="Permission denied"):
        attacker.writes(script.with_name("colour.py"))


@pytest.mark.parametrize("kind", ["user", "group", "others", "acl"])
def test_path_swapped_folder(world, attacker, beaten, kind):
    """The folder that the script lies in is renamed, and another put there, between the check and the interpreter."""
    spoil, name = FOLDERS[kind]
    above = world.folder("above")
    naive = world.script("above/tools/job", "python3", GENUINE, wrapper=world.naive)
    spoil(above)
    world.run("mkdir", above / "evil")
    attacker.writes(above / "evil/job")
    attacker.wins(attacker.races(above / "tools", above / "evil", naive))

    script = world.script("above/tools/job", "python3", GENUINE)
    result = beaten(attacker.races(above / "tools", above / "evil", script, tries=5), name, script)
    if kind == "user":
        script = moved(world, result)
    else:
        mend(result)
    genuine(world.run(script))


def test_path_sticky_further_up(world, attacker):
    """Nobody but root renames root's folder in a sticky one, so a script below that runs; naive resists as well."""
    above = world.folder("above", 0o1777)
    script = world.script("above/tools/job", "python3", IMPORTS)
    attacker.writes(above / "colour.py")
    genuine(world.run(script))
    stopped = attacker.python("import os, sys; os.rename(*sys.argv[1:])", above / "tools", above / "other")
    assert "PermissionError" in stopped.err
    attacker.loses()


def test_path_swapped_link(world, attacker):
    """A link to the script is turned elsewhere when the interpreter is about to open it."""
    naive = world.script("naive-job", "python3", GENUINE, wrapper=world.naive)
    script = world.script("job", "python3", GENUINE)
    link = attacker.home / "link"
    for target, tries in ((naive, 40), (script, 10)):
        world.run("ln", "-sfn", target, link)
        genuine(world.run(link))
        result = attacker.races(link, attacker.program, link, tries=tries)
        if target == naive:
            attacker.wins(result)
    genuine(result)
    attacker.loses()


def test_path_modules_are_those_beside_the_script(world, attacker):
    """Perl's FindBin and shell scripts look beside the path that they are given: not beside the caller's link."""
    body = 'use FindBin; do "$FindBin::Bin/colour.pl"; print "from $FindBin::Bin\\n";'
    naive = world.script("naive-job", "perl", body, wrapper=world.naive)
    script = world.script("job", "perl", body)
    attacker.writes(attacker.home / "colour.pl", f'system("{attacker.program}"); exit;')
    link = attacker.home / "link"
    world.run("ln", "-sfn", naive, link)
    attacker.wins(world.run(link))
    world.run("ln", "-sfn", script, link)
    result = world.run("./link", cwd=attacker.home)
    assert result.text == f"from {world.top}\n", result
    attacker.loses()


@pytest.mark.parametrize(("target", "reason"), [
    ("nothing", "no such file or folder"), ("link", "too many links"), ("job/x", "not a folder"),
    ("x" * 300, "name too long"),
])
def test_path_resolve(world, attacker, refused, target, reason):
    """Paths that lead nowhere are mistakes; the naive wrapper finds no grant there."""
    world.script("job", "python3", GENUINE)
    link = attacker.home / "link"
    world.run("ln", "-s", world.top / target if target != "link" else "link", link)
    result = world.run(world.wrapper, "python3", link)
    refused(result, "PATH_RESOLVE", link)
    assert reason in result.err and fix_of(result) == f"namei -l {link}"


def test_path_becomes_a_link(world, attacker, refused):
    """A folder in a sticky one is exchanged for a link over and over: never is anything but a refusal the result."""
    above = world.folder("above", 0o1777)
    world.script("good/job", "python3", GENUINE)
    world.run("mkdir", above / "tools")
    attacker.writes(above / "tools/job", f"#!{world.wrapper} python3\n{attacker.code}")
    world.run("ln", "-s", world.top / "good", above / "link")
    swaps = held(FLIP, above / "tools", above / "link")
    script, seen, end = above / "tools/job", set(), time.monotonic() + 20
    try:
        while "became a link" not in seen and time.monotonic() < end:
            result = world.run(world.wrapper, "python3", script)
            if result.code == 0:
                genuine(result)  # it was the link, and led to root's script
            else:
                seen.add("became a link" if "became a link" in result.err else result.err)
                assert result.code == 125, result
    finally:
        swaps.kill()
        swaps.communicate()
    attacker.loses()
    refused(result, "PATH_LINK", script)


def test_path_step(world, refused):
    """A step that can't be looked at: by a seccomp filter here, by a path that vanishes in a race."""
    script = world.script("job", "python3", GENUINE)
    refused(filtered(world, "statx", errno.EPERM, script), "PATH_STEP", script)


def test_path_deep(world, refused):
    """Far down a walk goes on from a folder that it holds open; where it can't be held, from / again. A flaw is found
    there as well."""
    deep = "/".join(f"folder-{i}" for i in range(30))
    script = world.script(f"{deep}/job", "python3", GENUINE)
    genuine(world.run(script))
    hold = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    genuine(filtered(world, "openat", errno.EMFILE, script, arg=(2, hold)))
    (world.top / "link").symlink_to(script)
    genuine(world.run(world.top / "link", preexec_fn=lambda: [os.dup2(0, n) for n in range(3, 16)], close_fds=False))
    for folder in script.parents[0], script.parents[9], script.parents[20]:
        os.chown(folder, USER, USER)
        refused(world.run(script), "PATH_OWNER", script)
        os.chown(folder, 0, 0)


def test_path_root(world, refused):
    """In a user namespace without root nobody knows to whom / belongs."""
    script = world.script("job", "python3", GENUINE)
    refused(world.run("unshare", "--user", script), "PATH_ROOT", script)


def test_path_too_long(world, refused):
    """From a folder so far down that the kernel has no name for it."""
    world.folder("home", uid=USER)
    down = """
import os, sys
for _ in range(20):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
os.symlink(sys.argv[2], "link")
open("job", "w").close()
os.execv(sys.argv[1], [sys.argv[1], "python3", sys.argv[3]])
"""
    script = world.script("job", "python3", GENUINE)
    run = ["/usr/bin/python3", "-c", down, world.wrapper, script]
    refused(world.run(*run, "job", cwd=world.top / "home"), "PATH_RESOLVE", "job")
    shutil.rmtree(world.top / "home")
    world.folder("home", uid=USER)
    genuine(world.run(*run, "link", cwd=world.top / "home"))
    shutil.rmtree(world.top / "home")


# ---- file


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
    mend(beaten(world.run(script), "FILE_OPEN", script))
    genuine(world.run(script), "cap_dac_read_search")


def test_file_limit(world, refused):
    """No descriptor is left: the caller's own doing, and not the file's mode. Naive opens nothing."""
    script = world.script("job", "python3", GENUINE)
    link = world.top / "link"
    link.symlink_to(script)
    for path in script, link:
        for limit in 0, 3, 4:
            result = world.run(path, preexec_fn=lambda most=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
            refused(result, "FILE_LIMIT", path)


def test_refusal_on_a_small_stack(world, refused):
    """A refusal needs no more stack than a run: nobody is left without a word."""
    script = world.script("job", "python3", GENUINE)
    small = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_STACK, (17 << 10, 17 << 10)), "env": {}}
    refused(world.run(world.wrapper, "python2", script, **small), "LINE_DIFFERS", script)


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
    mend(result)
    genuine(world.run(script))


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

    mend(result)
    world.script("other/job", "python3", GENUINE)
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


# ---- execute


@pytest.mark.parametrize("kind", ["mode", "group", "acl"])
def test_execute_denied(world, refused, kind):
    """Who may not execute a script, but read it, calls the wrapper by hand."""
    naive = world.script("naive-job", "python3", GENUINE, wrapper=world.naive)
    script = world.script("job", "python3", GENUINE)
    for path in (naive, script):
        if kind == "acl":
            acl(path, f"u:{USER}:r")
        else:
            path.chmod(0o644 if kind == "mode" else 0o754)
    genuine(world.run(world.naive, "python3", naive))
    result = world.run(world.wrapper, "python3", script)
    refused(result, "EXECUTE_DENIED" if kind == "mode" else "EXECUTE_OTHERS", script)
    if kind == "mode":
        mend(result)
        genuine(world.run(world.wrapper, "python3", script))
    elif kind == "group":
        genuine(world.run(world.wrapper, "python3", script, gid=0))


def test_execute_noexec(world, refused):
    """Nothing on a mount with noexec is run by the kernel, but by the wrapper called by hand."""
    data = world.folder("data")
    mount("-t", "tmpfs", "-o", "noexec,mode=755", "none", data)
    naive = world.script("data/naive-job", "python3", GENUINE, wrapper=world.naive)
    script = world.script("data/job", "python3", GENUINE)
    genuine(world.run(world.naive, "python3", naive))
    result = world.run(world.wrapper, "python3", script)
    refused(result, "EXECUTE_NOEXEC", script)
    mend(result)
    genuine(world.run(script))


@pytest.mark.parametrize("mapped", [False, True], ids=["descriptor", "mapping"])
def test_execute_busy(world, attacker, beaten, mapped):
    """Who could write to the file once holds on to it, until root has made it theirs and granted it something.
    Through the descriptor that would take a race, since a write takes the grant; through a mapping it does not."""
    if not execve_check():
        pytest.skip("Linux before 6.14 does not tell who holds a file open for writing")
    writers = []
    for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
        script = world.script(name, "python3", GENUINE + ROOM, None, uid=USER, wrapper=wrapper)
        first = script.read_text().split("\n", 1)[0]
        writers.append(held(OVERWRITE if mapped else HOLD, script, f"{first}\n{attacker.code}"))
        os.chown(script, 0, 0)
        World.setcap("cap_net_raw=i", script)
        if mapped and wrapper == world.naive:
            print(file=writers[0].stdin, flush=True)
            assert writers[0].stdout.readline() == "written\n"
            attacker.wins(world.run(world.naive, "python3", script))
    result = beaten(world.run(world.wrapper, "python3", script), "EXECUTE_BUSY", script)
    shown = subprocess.run(["bash", "-c", fix_of(result)], capture_output=True, text=True, check=False)
    assert str(writers[1].pid) in shown.stdout + shown.stderr, shown
    for writer in writers:
        writer.kill()
        writer.communicate()
    genuine(world.run(script))


def test_execute_error(world, refused):
    """Any other failure: by a seccomp filter here."""
    script = world.script("job", "python3", GENUINE)
    refused(filtered(world, "execveat", errno.EIO, script), "EXECUTE_ERROR", script)
