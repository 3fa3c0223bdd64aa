"""Rule call: how the wrapper is called, and by whom."""

import errno
import itertools
import os
import platform
import resource
import subprocess

import pytest
from kit import EMPTY_ARGV, GENUINE, GRANT, USER, Result, bit, filtered, fix_of, genuine, linux, mend


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
    if mode & 0o4000 or linux(6, 16):  # before, the ambient set ends where the ids differ
        attacker.wins(won)
    assert f"{'Uid' if mode & 0o4000 else 'Gid'}:\t{USER}\t0\t0\t0\n" in won.text

    world.wrapper.chmod(mode)
    result = world.run(script)
    refused(result, "CALL_IDS", script)
    mend(result)
    genuine(world.run(script))


# A callback, by which C calls Python, is code that libffi writes. The child gives up its capabilities, and so is the caller's.
CALLBACK = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None)
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
child = os.fork()
if not child:
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
    print(os.getpid(), flush=True)
    signal.pause()
sys.stdin.readline()
libc.qsort((ctypes.c_int * 4)(), 4, 4, callback)
print("genuine")
"""
# Runs that under PR_SET_MDWE, and writes an exit with 42 to what the child shares of memory that is executed.
SHARES = r"""
import ctypes, os, subprocess, sys
if sys.argv.pop(1) == "mdwe" and ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    raise SystemExit("there is none")
script = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
told = script.stdout.readline()
child = told.strip().isdigit() and int(told)
if child:
    for line in open(f"/proc/{child}/maps"):
        words = line.split()
        if words[1] == "rw-s":
            begin, end = (int(word, 16) for word in words[0].split("-"))
            code = b"\xbf\x2a\0\0\0\xb8\x3c\0\0\0\x0f\x05"
            with open(f"/proc/{child}/mem", "r+b") as memory:
                memory.seek(begin)
                memory.write(b"\x90" * (end - begin - len(code)) + code)
    script.stdin.write(b"\n")
    script.stdin.close()
    script.wait()
    try:
        os.kill(child, 9)
    except ProcessLookupError:
        pass
told += script.stdout.read()
print(script.wait(), told.decode())
"""


@pytest.mark.skipif(not linux(6, 3) or platform.machine() != "x86_64", reason="Linux has it from 6.3 on; the code is x86-64's")
def test_call_under_mdwe(world, attacker, refused):
    """What the caller sets for good before: a library then asks for a shared file for its code, which a child can write to."""
    naive, script = (world.script(name, "python3", CALLBACK, wrapper=wrapper)
                     for name, wrapper in (("naive-job", world.naive), ("job", world.wrapper)))
    won = world.run("/usr/bin/python3", "-c", SHARES, "mdwe", naive)
    assert won.text.startswith("42 "), won
    for kept in (naive, script):
        told = world.run("/usr/bin/python3", "-c", SHARES, "plain", kept)
        assert told.text.startswith("0 ") and told.text.endswith("genuine\n\n"), told
    told = world.run("/usr/bin/python3", "-c", SHARES, "mdwe", script)
    code, _, message = told.text.strip().partition(" ")
    refused(Result(int(code), b"", f"{message}\n"), "CALL_MEMORY", script)


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


STREAMS = """
import os, sys
with open(sys.argv[1], "w") as out:
    for fd in range(3):
        print(os.readlink(f"/proc/self/fd/{fd}"), file=out)
"""
USED = """
    print(os.read(0, 1), os.write(1, b"x"), os.write(2, b"x"), file=out)
"""


@pytest.mark.parametrize("closed", [
    fds for count in (1, 2, 3) for fds in itertools.combinations(range(3), count)], ids=str)
def test_closed_descriptors_are_on_dev_null(world, closed):
    """And can be used: otherwise the script's own files would come to lie there."""

    def close():
        for fd in closed:
            os.close(fd)

    told = world.folder("home", uid=USER) / "told"
    result = world.run(world.script("show", "python3", STREAMS + USED), told, preexec_fn=close)
    assert result.code == 0, result
    *paths, used = told.read_text().splitlines()
    assert [paths[fd] for fd in closed] == ["/dev/null"] * len(closed)
    assert used == "b'' 1 1"


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_RDWR, os.O_PATH], ids=oct)
def test_descriptors_for_what_they_are_not_used_for(world, number, flags):
    """Others come to lie on /dev/null; those that can be used stay. Both bits of the access mode ask for both rights."""
    home = world.folder("home", uid=USER)
    file, told = home / "file", home / "told"
    file.write_text("x")
    file.chmod(0o666)
    fd = os.open(file, flags)
    result = world.run(world.script("show", "python3", STREAMS), told,
        preexec_fn=lambda: os.dup2(fd, number))
    os.close(fd)
    assert result.code == 0, result
    used = flags in (os.O_RDONLY if number == 0 else os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_RDWR)
    assert told.read_text().splitlines()[number] == (str(file) if used else "/dev/null")


@pytest.mark.parametrize("way", ["limit", "held"])
def test_call_limit(world, refused, way):
    """64 have to be left above those that scripts use by number, whatever keeps them. The script has them again."""
    script = world.script("job", "python3", "import os\nprint(*sorted(map(int, os.listdir('/proc/self/fd'))))\n")

    def few(left):
        os.closerange(3, 256)
        for fd in range(10 + left, 256 if way == "held" else 0):
            os.dup2(0, fd)
        limit = 256 if way == "held" else 10 + left
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    for left in -6, -1, 0, 63:
        refused(world.run(script, preexec_fn=lambda left=left: few(left), close_fds=False), "CALL_LIMIT", script)
    told = world.run(script, preexec_fn=lambda: few(64), close_fds=False)
    assert told.code == 0 and told.text.split()[:4] == ["0", "1", "2", "3"], told


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


@pytest.mark.parametrize(("option", "start"), [("--help", "usage: #!"), ("--version", "capwrap ")])
@pytest.mark.parametrize("uid", [USER, 0])
def test_help_and_version(world, option, start, uid):
    result = world.run(world.wrapper, option, uid=uid)
    assert (result.code, result.err) == (0, "") and result.text.startswith(start) and result.text.endswith("\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_output_that_fails(world, option):
    with open("/dev/full", "w") as full:
        command = [world.wrapper, option]
        assert subprocess.run(command, stdout=full, user=USER, group=USER, extra_groups=[]).returncode == 125
        assert subprocess.run(command, preexec_fn=lambda: os.close(1), user=USER, extra_groups=[]).returncode == 125
