"""Rule path: the way to the script, which nobody but root can turn elsewhere."""

import errno
import os
import shutil
import subprocess
import time

import pytest
from kit import (
    CHECK,
    CHECKER,
    FLIP,
    GENUINE,
    GRANT,
    IMPORTS,
    STATUS,
    USER,
    World,
    acl,
    bit,
    filtered,
    fix_of,
    four,
    genuine,
    grant,
    held,
    mend,
    moved,
)

CAP = bit(GRANT)
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
    ("nothing", "no such file or directory"), ("link", "too many links"), ("job/x", "not a directory"),
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


def test_path_proc(world, refused):
    """In a chroot without /proc a script is known by its own path; whither another leads can't be seen. The fix is a command."""
    world.script("job", "python3", GENUINE)
    alone = ["unshare", "--mount", "sh", "-c"]
    for words in "./job", f"{world.wrapper} python3 job":
        command = f"cd {world.top} && exec setpriv --reuid={USER} --regid={USER} --clear-groups {words}"
        result = world.run(*alone, f"umount -l /proc && {command}", uid=0)
        refused(result, "PATH_PROC", words.split()[-1])
        genuine(world.run(*alone, f"umount -l /proc && {fix_of(result)} && {command}", uid=0))
    result = world.run(*alone, f"umount -l /proc && cd {world.top} && {CHECK} job", uid=0)
    assert "fix         mount -t proc proc /proc\n" in result.text and "can't be found" not in result.text, result


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


@pytest.mark.parametrize("name", ["two words", "new\nline", "-c", "--help", b"\xff", "$(id)", "a'b\"c", "é"], ids=repr)
def test_odd_names(world, name):
    script = world.script(os.fsdecode(name), "python3", STATUS)
    assert four(world.run(script).sets) == grant(CAP)


@pytest.mark.parametrize("command", [
    ["../show"], ["./hop"], ["sub/../../show"], ["sh", "-c", "hop"], ["env", "hop"],
], ids=" ".join)
def test_path_is_resolved(world, command):
    """Relative, through a link, found in PATH: the script sees its canonical path, and the module beside it."""
    world.script("beside.py", b"", "where = 'the module beside the script'\n", caps=None)
    script = world.script("show", "python3", "import beside, sys; print(sys.argv, beside.where)\n")
    world.folder("home/sub/sub", uid=USER)
    world.script("home/sub/beside.py", b"", "where = 'EVIL'\n", caps=None, uid=USER)
    (world.top / "home/sub/hop").symlink_to("../../show")
    (world.top / "home/show").symlink_to(script)
    result = world.run(*command, cwd=world.top / "home/sub", env={"PATH": f"/usr/bin:{world.top}/home/sub"})
    assert result.text == f"['{script}'] the module beside the script\n", result


@pytest.mark.parametrize("whose", ["mine", "root's"])
def test_path_in_a_mirrored_tree(world, attacker, refused, whose):
    """A current directory that has the same tree as /: a relative path is the script's there, not the granted one of /."""
    script = world.script("job", "python3", GENUINE)
    uid = USER if whose == "mine" else 0
    mirror = world.folder("mirror", uid=uid)
    relative = str(script)[1:]
    (mirror / relative).parent.mkdir(parents=True)
    other = world.script(mirror / relative, "python3", attacker.code, None, uid=uid)
    for path in relative, f"./{relative}":
        result = world.run(world.wrapper, "python3", path, cwd=mirror)
        refused(result, "PATH_OWNER" if whose == "mine" else "GRANT_NONE", path)
    attacker.loses()
    World.setcap(f"{GRANT}=i", other)
    if whose != "mine":
        attacker.wins(world.run(world.wrapper, "python3", relative, cwd=mirror))  # it is root's, with a grant of its own


@pytest.mark.parametrize("name", [
    "a;touch x", "a&touch x", "a|touch x", "a\ntouch x", "a'b", "$(touch x)", "`touch x`", "a b", "é", "~", "#a", "!a", "*", "\n",
    "a\n", "%s%d", "a\\b", "{a,b}", "-x",
], ids=repr)
def test_fix_of_an_odd_name(world, refused, name):
    """The fix is for a POSIX shell, and names that file and nothing else."""
    script = world.script(name, "python3", GENUINE, f"{GRANT}=p")
    before = set(world.top.iterdir())
    result = world.run(script)
    assert result.code == 125 and result.err.count("\n") == 1 and result.err.isascii(), result
    for shell in "dash", "bash", "mksh":
        World.setcap(f"{GRANT}=p", script)
        fix = result.err.split("; ", 1)[1]
        done = subprocess.run([shell, "-c", fix], cwd=world.top, capture_output=True)
        if name.endswith("\n"):  # a shell loses that: the fix fails, and names no other file
            assert done.returncode
            continue
        assert done.returncode == 0, done
        genuine(world.run(script))
    assert set(world.top.iterdir()) == before


def test_path_through_a_descriptor(world):
    script = world.script("show", "python3", STATUS)
    with script.open() as file:
        result = world.run(f"/dev/fd/{file.fileno()}", pass_fds=[file.fileno()])
    assert four(result.sets) == grant(CAP), result


@pytest.mark.parametrize("last", [8, 9, 98, 99])
def test_path_where_descriptors_are_open(world, last):
    """Whatever number the wrapper's own descriptor has."""
    script = world.script("show", "python3", STATUS)
    taken = f'for fd in {{3..{last}}}; do eval "exec $fd<\\"\\$0\\""; done; exec /dev/fd/{last}'
    result = world.run("bash", "-c", taken, script)
    assert four(result.sets) == grant(CAP), result


@pytest.mark.parametrize("length", [4096, 4145, 17_300, 22_000, 33_000, 131_000])
def test_path_too_long(world, length):
    """What follows a .. is kept in a room of PATH_MAX bytes, and the caller's word is longer."""
    below = f"{world.folder('below')}/"
    path = below + "../below/" * ((length - len(below)) // 9) + "job"
    for result in world.run(world.wrapper, "python3", path), world.run(CHECKER, path, uid=0):
        assert result.code in (125, 1) and (result.err + result.text).startswith(("capwrap: /", "/")), result.code
