"""The second door: binfmt_misc starts the wrapper with the script's own capabilities. The same rules, in the same order."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from kit import (
    ACCOUNT,
    BUILD,
    CHECK,
    FIRST,
    FLIP,
    GENUINE,
    GRANT,
    REPORT,
    TELL,
    TRACE,
    USER,
    WRAPPER,
    Registered,
    Seen,
    bit,
    bounding,
    container,
    fix_of,
    four,
    genuine,
    grant,
    holding,
    interpreter,
    linux,
    mount,
    often,
    permitted_only,
    sets_in,
    small_tree,
)



@pytest.fixture
def registered(world):
    """Registers the wrapper, in one or another way; ends that in any case."""
    made = []

    def register(*args, **more) -> Registered:
        made.append(Registered(world, *args, **more))
        return made[-1]

    yield register
    for each in made:
        each.close()


@pytest.mark.parametrize("caller", [USER, 0], ids=["user", "root"])
@pytest.mark.parametrize("closed", ["", "<&-", ">&-", "2>&-", "<&- 2>&-"])
def test_door(world, registered, caller, closed):
    """A wrapper that holds nothing: exactly the grant, the arguments as they are, and no descriptor of the script's left."""
    door = registered()
    script = world.script("job", "python3", REPORT.replace("sys.stdout)", f"open('{world.top}/told', 'w'))"), "cap_net_raw=ip")
    (world.top / "told").touch()
    (world.top / "told").chmod(0o666)
    result = world.run("sh", "-c", f'exec "$0" "$@" {closed}', script, "a b", "--", "-x", uid=caller)
    assert result.code == 0, result
    seen = Seen(type(result)(0, (world.top / "told").read_bytes(), ""))
    assert four(sets_in(seen.status)) == grant(bit(GRANT))
    assert seen.argv[-4:] == [str(script), "a b", "--", "-x"]
    assert seen.open == [0, 1, 2]
    said = door.check(script, uid=caller)
    assert (said["verdict"], said["door"]) == ("runs", "binfmt_misc"), said


@pytest.mark.parametrize(("caps", "line", "binfmt"), [
    ("cap_net_raw=ip", "", ""),
    ("cap_net_raw=eip", "", ""),
    ("cap_net_raw=i", "", "GRANT_INHERITABLE"),
    ("cap_net_raw=p", "GRANT_PERMITTED", ""),
    ("cap_net_raw=ip cap_kill+i", "", "GRANT_INHERITABLE"),
    ("cap_net_raw=ip cap_kill+p", "GRANT_PERMITTED", "more"),
    (None, "GRANT_NONE", "GRANT_NONE"),
    ("=", "GRANT_NONE", "GRANT_NONE"),
])
def test_door_bits(world, registered, refused, caps, line, binfmt):
    """=ip is right for both doors; what one of them can't use is refused with what mends it."""
    for by, reason in (("#!", line), ("binfmt_misc", binfmt)):
        if by != "#!":
            door = registered()
        else:
            world.setcap("all=p", world.wrapper)
        script = world.script("job", "python3", GENUINE, caps)
        result = world.run(script)
        if by != "#!":
            said = door.check(script)
            assert said["door"] == "binfmt_misc" and said["verdict"] == ("refused" if result.code else "runs")
            assert result.code == 0 or said["reason"] in result.err
        if reason == "more":
            genuine(result, "cap_net_raw,cap_kill")
        elif reason:
            refused(result, reason, script)
            subprocess.run(["sh", "-c", fix_of(result).replace("cap_NAME", GRANT)], check=True)
            assert world.run(script).code == 0
        else:
            genuine(result, "cap_net_raw,cap_kill" if caps == "cap_net_raw=ip cap_kill+i" else GRANT)


def test_door_contained(world, registered):
    registered()
    tool = interpreter(world, caps=f"{GRANT}=i")
    permitted_only(world.run(world.script("job", f"--contain {tool}", GENUINE, f"{GRANT}=ip")))


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6755])
def test_door_set_user_id(world, registered, refused, mode):
    """By this door the kernel honours the bits of a script. Whoever is root for a moment opens no file."""
    door = registered()
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    script.chmod(mode)
    result = world.run(script)
    refused(result, "CALL_SETID", script)
    assert door.check(script)["reason"] in result.err
    others = world.run(BUILD / "tests/programs/as", 0, USER, script, uid=0)  # and whose group it is does not matter
    os.chown(script, 0, USER)
    script.chmod(mode)
    world.setcap(f"{GRANT}=ip", script)
    assert others.code == world.run(script).code == 125
    for said in (door.check(script), door.check(script, uid=0), door.check(script, uid=0)["others"]):
        assert said["verdict"] == "refused", said
    subprocess.run(["sh", "-c", fix_of(result)], check=True)
    genuine(world.run(script))


@pytest.mark.parametrize(("mode", "caller"), [(0o711, USER), (0o111, 0)], ids=["user", "root"])
def test_door_unreadable(world, registered, refused, mode, caller):
    """The kernel could open it, the interpreter can't: root's access(2) counts capabilities that it will not have."""
    registered()
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip", mode=mode)
    refused(world.run(script, uid=caller), "FILE_OPEN", script)


@pytest.mark.parametrize("bits", ["+noroot,+noroot_locked", "+noroot"])
def test_door_root_with_securebits(world, registered, bits):
    """Root that is narrow already needs nothing for it; the wrapper has no cap_setpcap here."""
    door = registered()
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    result = world.run("setpriv", f"--securebits={bits}", script, uid=0)
    if "locked" in bits:
        genuine(result)
    else:
        assert result.code == 125 and "root's run can't be narrowed" in result.err
    done = world.run("unshare", "--mount", "sh", "-c", f"mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; "
                     f"setpriv --securebits={bits} {CHECK} {script}", uid=0)
    assert done.code == (0 if "locked" in bits else 1) and door.names, done


def test_door_true_causes(world, registered, refused):
    """Why the kernel withheld the script's capabilities."""
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    os.removexattr(world.wrapper, "security.capability")
    refused(world.run(script), "CEILING_WRAPPER", script)
    door = registered()
    genuine(world.run(script))
    refused(world.run("setpriv", "--no-new-privs", script), "CEILING_NO_NEW_PRIVS", script)
    refused(world.run("/usr/bin/python3", "-c", TRACE, script), "CEILING_REGISTERED", script)
    launch = [BUILD / "tests/programs/launch", USER, "0", "0", "0", f"{bounding() & ~bit(GRANT):x}", "0", "0"]
    refused(world.run(*launch, script, uid=0), "CEILING_BOUNDING", script)
    world.setcap(f"{GRANT}=eip", script)
    assert world.run(*launch, script, uid=0).code == 98  # the kernel does not start it
    world.setcap(f"{GRANT}=ip", script)
    alone = world.run("unshare", "--user", "--map-root-user", script)
    assert alone.code == 125 and "root directory" in alone.err, alone
    assert door.check(script)["verdict"] == "runs"


@pytest.mark.parametrize("owner", [0, FIRST], ids=["root", "user namespace"])
def test_door_of_a_host(world, registered, refused, owner):
    """The host's entry starts what a container has by that path, with what that script's file permits."""
    tree = small_tree(world, owner)
    world.setcap(f"{GRANT}=ip", tree / "job")
    enter = container(tree, "/job") if owner else ["/usr/sbin/chroot", f"--userspec={USER}:{USER}", "--groups=", tree, "/job"]
    refused(world.run(*enter, uid=0), "CEILING_WRAPPER", "/job")
    registered(magic="#!/capwrap", interpreter=Path("/capwrap"))
    genuine(world.run(*enter, uid=0))


def test_door_effective_outside_the_bounding_set(world, registered):
    """What the kernel does not start, capwrap-check explains."""
    door = registered()
    script = world.script("job", "python3", GENUINE, "cap_sys_resource=eip")
    if bounding() & bit("cap_sys_resource"):
        pytest.skip("this machine's bounding set is whole")
    with pytest.raises(PermissionError):
        world.run(script)
    assert "does not start it" in door.check(script)["reason"]


def test_door_nosuid(world, registered, refused):
    registered()
    place = world.folder("place")
    mount("-t", "tmpfs", "-o", "mode=755,nosuid", "none", place)
    script = world.script("place/job", "python3", GENUINE, f"{GRANT}=ip")
    refused(world.run(script), "FILE_NOSUID", script)


@pytest.mark.parametrize(("flags", "caps", "reason"), [
    ("OC", "", ""),
    ("C", "", ""),
    ("OC", "all=p", ""),
    ("O", "all=p", ""),
    ("O", "", "CEILING_REGISTERED"),
    ("OCP", "", ""),
    ("OCF", "", ""),
    ("", "", "LINE_DIFFERS"),
    ("", "all=p", "LINE_DIFFERS"),
    ("P", "all=p", "LINE_DIFFERS"),
])
def test_door_registrations(world, registered, refused, flags, caps, reason):
    """However it is registered: the grant and nothing else, or a clear word."""
    door = registered(flags, caps)
    script = world.script("job", "python3", GENUINE + "print(sys.argv[1:])\n", f"{GRANT}=ip")
    for caller in (USER, 0):
        result = world.run(script, "a", "b", uid=caller)
        if reason and not (caller == 0 and reason == "CEILING_REGISTERED"):
            assert result.code == 125 and result.out == b"", result
            if reason != "LINE_DIFFERS":
                refused(result, reason, script)
        else:
            genuine(result)
            assert result.text.endswith("\n['a', 'b']\n"), result
        assert door.check(script, uid=caller)["verdict"] == ("refused" if result.code else "runs"), result


def test_door_of_another_line(world, registered, refused):
    """An entry whose magic does not name the wrapper: the line decides."""
    other = world.program("other", WRAPPER, caps="")
    door = registered()
    door.register(f"#!{other}\\x20", "OC")
    script = world.script("job", f"#!{other} python3\n", GENUINE, f"{GRANT}=ip")
    refused(world.run(script), "LINE_WRAPPER", script)


def test_door_entries_of_other_kinds(world, registered):
    """By extension, with a name that begins with a dot, by another name of the wrapper; with F and an upgrade since."""
    door = registered()
    script = world.script("job.cwx", "python3", GENUINE, f"{GRANT}=ip")
    (door.place / "register").write_text(f":.{world.top.name}:E::cwx::/bin/true:\n")
    try:
        assert world.run(script).text == ""
        assert door.check(script)["verdict"] == "refused"
    finally:
        (door.place / f".{world.top.name}").write_text("-1")
    genuine(world.run(script))
    (world.top / "link").symlink_to(world.top)
    door.register(f"#!{world.top}/link/capwrap\\x20", "OC")
    linked = world.script("linked", f"#!{world.top}/link/capwrap python3\n", GENUINE, f"{GRANT}=ip")
    genuine(world.run(linked))
    assert door.check(linked)["verdict"] == "runs"


def test_door_flag_that_keeps_the_old(world, registered, refused):
    door = registered("OCF")
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    genuine(world.run(script))
    assert [warning["code"] for warning in door.check(script)["warnings"]] == ["registered-for-good"]
    world.program("new", WRAPPER, caps="").rename(world.wrapper)
    refused(world.run(script), "LINE_WRAPPER", script)


@pytest.mark.skipif(not linux(6, 7), reason="this machine's kernel has one binfmt_misc for all")
@pytest.mark.parametrize("flags", ["OC", "O", "OCF"])
def test_door_of_the_caller(world, flags):
    """In a user namespace of their own the caller registers what they like: the wrapper gets nothing there."""
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    commands = (f"mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && "
                f"echo ':x:M::#!{world.wrapper}\\x20::{world.wrapper}:{flags}' >/proc/sys/fs/binfmt_misc/register && exec {script}")
    result = world.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", commands)
    assert result.code == 125 and "the root directory / is not owned by root" in result.err, result


def test_door_two_entries(world, registered):
    door = registered()
    door.register(f"#!{world.wrapper}\\x20", "OC")
    genuine(world.run(world.script("job", "python3", GENUINE, f"{GRANT}=ip")))


def test_door_wrapper_gone(world, registered):
    """What the shell says then is the kernel's."""
    registered()
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    world.wrapper.unlink()
    with pytest.raises(FileNotFoundError):
        world.run(script)


def test_door_named_like_an_option(world, registered):
    """--help as a script's name is no option."""
    registered()
    script = world.script("--help", "python3", GENUINE, f"{GRANT}=ip")
    result = world.run("sh", "-c", f"cd {world.top}; exec env ./--help")
    genuine(result)
    genuine(world.run("/usr/bin/python3", "-c", f"import os; os.chdir({str(world.top)!r}); os.execv('--help', ['x'])"))
    assert script.exists()


def test_door_account(world, registered, accounts, refused):
    """The two capabilities that --user takes are the wrapper's alone, and end there."""
    registered()
    script = world.script("job", "--user acct python3", GENUINE, f"{GRANT}=ip")
    result = accounts.run(script)
    refused(result, "CEILING_ACCOUNT", script)
    subprocess.run(["sh", "-c", fix_of(result).replace("cap_NAME", GRANT)], check=True)
    result = accounts.run(script)
    genuine(result)
    assert f"Uid:\t{ACCOUNT}\t{ACCOUNT}\t{ACCOUNT}\t{ACCOUNT}\n" in result.text


@pytest.mark.parametrize("by", ["binfmt_misc", "#!"])
@pytest.mark.parametrize("limit", [3, 4, 5, 6, 73, 80])
def test_door_few_descriptors(world, registered, by, limit):
    """A limit of descriptors, and 0 to 2 closed: the grant or a refusal, and never a file in the place of standard output."""
    if by == "binfmt_misc":
        registered()
    script = world.script("job", "dash", "echo genuine\n" + TELL, f"{GRANT}=ip")
    for closed in ("", "<&-", "<&- 2>&-"):
        result = world.run("sh", "-c", f'ulimit -n {limit}; exec "$0" {closed}', script)
        if result.code == 0 and result.out:
            genuine(result)
        else:  # 2: dash itself has none left; SIGSEGV: the kernel has none for the script, when it can't go back any more
            assert result.code in (2, 125, 126, 127) or (by, limit, result.code) == ("binfmt_misc", 3, -signal.SIGSEGV), result


BY_DESCRIPTOR = """
import ctypes, os, sys
way, script, evil = sys.argv[1:]
fd = os.open(script, os.O_RDONLY if way != "path" else os.O_PATH)
os.set_inheritable(fd, True)
libc = ctypes.CDLL(None)
if way == "proc":
    os.execv(f"/proc/self/fd/{fd}", [script])
if way == "memfd":
    memory = os.memfd_create("x", 0)
    os.write(memory, open(evil, "rb").read())
    os.execv(f"/proc/self/fd/{memory}", [script])
words = (ctypes.c_char_p * 2)(os.fsencode(script), None)
libc.execveat(fd, b"", words, (ctypes.c_char_p * 1)(None), 0x1000)
"""


@pytest.mark.parametrize("by", ["binfmt_misc", "#!"])
@pytest.mark.parametrize("way", ["empty path", "path", "proc", "memfd"])
def test_door_by_descriptor(world, registered, attacker, by, way):
    """execveat with AT_EMPTY_PATH, /proc/self/fd and memfd: the script itself, with its grant, or nothing."""
    if by == "binfmt_misc":
        registered()
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    evil = attacker.writes(attacker.home / "evil-job", attacker.shell(world.wrapper))
    result = attacker.python(BY_DESCRIPTOR, way, script, evil)
    if result.code == 0:
        genuine(result)
    else:
        assert result.code == 125 and result.out == b"", result
    attacker.loses()
    if way != "memfd":
        assert result.code == 0, result


@pytest.mark.parametrize("by", ["binfmt_misc", "#!"])
def test_door_flips(world, registered, attacker, by):
    """A link that turns between a granted script and the caller's own, for hundreds of runs."""
    if by == "binfmt_misc":
        registered()
    script = world.script("job", "dash", "echo genuine\n" + TELL, f"{GRANT}=ip")
    link, other = attacker.home / "one", attacker.home / "two"
    world.run("ln", "-s", script, link)
    world.run("ln", "-s", attacker.writes(attacker.home / "evil-job", attacker.shell(world.wrapper)), other)
    with holding(FLIP, link, other):
        told = attacker.repeats(link, often(400))
    assert any(each.text.startswith("genuine") for each in told)
    for each in told:
        if each.text.startswith("genuine"):
            genuine(each)
        else:
            assert each.text.startswith("capwrap: "), each
    attacker.loses()


def test_door_hard_link_and_copy(world, registered, attacker):
    """A hard link in a directory of the caller's, and a copy: the first has the grant, and is not where it may be."""
    registered()
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    hard = attacker.home / "hard"
    os.link(script, hard)
    attacker.stopped(world.run(hard))
    world.run("cp", script, attacker.home / "copy")
    attacker.stopped(world.run(attacker.home / "copy"))


def test_door_path_of_another(world, registered, refused):
    """What the kernel has opened is not what its path leads to, where something was mounted over its directory."""
    registered()
    hidden = world.script("tools/job", "python3", GENUINE, f"{GRANT}=ip")
    held = os.open(hidden.parent, os.O_PATH | os.O_DIRECTORY)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", hidden.parent)
    other = world.script("tools/job", "python3", "print('another')\n", f"{GRANT}=ip")
    assert world.run(other).text == "another\n"
    refused(world.run(f"/proc/self/fd/{held}/job", pass_fds=[held]), "PATH_MOVED", f"/proc/self/fd/{held}/job")
    os.close(held)


def test_door_replaced_while_it_starts(world, registered, attacker):
    """Root replaces a script: who starts it meanwhile gets the old one, the new one or a refusal."""
    registered()
    script = world.script("job", "dash", "echo genuine\n" + TELL, f"{GRANT}=ip")
    fresh = world.script("fresh", "dash", "echo genuine\n" + TELL, f"{GRANT}=ip")
    with holding("import time\nprint('on', flush=True)\ntime.sleep(60)"):
        flip = subprocess.Popen(["/usr/bin/python3", "-c", FLIP, script, fresh], stdout=subprocess.PIPE)
        flip.stdout.readline()
        told = attacker.repeats(script, often(300))
        flip.kill()
        flip.communicate()
    assert {each.text.split()[0] for each in told} <= {"genuine", "capwrap:"}
    for each in told:
        if each.text.startswith("genuine"):
            genuine(each)


def test_door_before_it_is_registered(world, registered):
    """capwrap-check --binfmt tells what would happen by this door."""
    script = world.script("job", "python3", GENUINE, f"{GRANT}=ip")
    done = world.run(CHECK, "--binfmt", script)
    assert "door        binfmt_misc, once it is registered\n" in done.text, done
    spaced = world.script("spaced", f"#! {world.wrapper} python3\n", GENUINE, f"{GRANT}=ip")
    assert world.run(CHECK, "-b", spaced).text.count("binfmt_misc") == 0  # it would not fit
    world.setcap(f"{GRANT}=i", script)
    done = world.run(CHECK, "-b", script)
    assert done.code == 1 and "as binfmt_misc wants them" in done.text
    listed = world.run(CHECK, "-br", world.top)
    assert "refused  " in listed.text
