"""Attacks on the script as a file: what its name leads to changes, or it has no name at all."""

import subprocess
from collections import Counter

import pytest
from kit import FLIP, GENUINE, GRANT, TELL, Result, bit, four, genuine, grant, held, holding, often, sysctl

# Stops what it runs at a moment of chance, turns a link elsewhere, and lets it go on.
STOP = r"""
import os, random, signal, subprocess, sys, time
link, other, tries, won = sys.argv[1:]
for _ in range(int(tries)):
    child = subprocess.Popen([link], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.perf_counter() + random.random() * 0.003
    while time.perf_counter() < end:
        pass
    child.send_signal(signal.SIGSTOP)
    os.rename(link, link + ".aside")
    os.rename(other, link)
    child.send_signal(signal.SIGCONT)
    out = child.communicate()[0]
    os.rename(link, other)
    os.rename(link + ".aside", link)
    sys.stdout.buffer.write(out + b"\036")
    if b"attacker" in out and won.encode() in out:
        break
"""

# Holds a script open, and runs it by that descriptor when it is told so.
KEEP = """
import os, sys
os.dup2(os.open(sys.argv[1], os.O_RDONLY), 9)
print("open", flush=True)
sys.stdin.readline()
os.execv("/proc/self/fd/9", sys.argv[1:])
"""

# A file without a name, to which a user namespace lets its owner grant something; runs it by a wrapper.
NAMELESS = """
import ctypes, os, struct, sys
kind, home, wrapper, code = sys.argv[1:]
fd = os.memfd_create("job", 0) if kind == "memfd" else os.open(home, os.O_TMPFILE | os.O_RDWR, 0o755)
os.write(fd, code.encode())
os.fchmod(fd, 0o755)
uid = os.getuid()
child = os.fork()
if not child:
    if ctypes.CDLL(None).unshare(0x10000000):
        os._exit(1)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {uid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    os.setxattr(fd, "security.capability", struct.pack("<5I", 0x2000000, 0, 1 << 13, 0, 0))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
os.close(fd)  # nobody runs what somebody writes
os.set_inheritable(reader, True)
os.execv(wrapper, [wrapper, "python3", f"/proc/self/fd/{reader}"])
"""

IMPORTS = "try:\n    import colour\nexcept ImportError:\n    pass\n" + GENUINE
HOLE = "import os, sys\nos.execv(sys.argv[1], sys.argv[1:])\n"  # a flaw of a script that root got rid of
RUNS = often(500)


def outcomes(results) -> Counter:
    """How often the script ran with exactly its grant, was refused, or code of the attacker's ran."""
    seen = Counter()
    for result in results:
        if result.text.startswith("capwrap: "):
            seen["refused"] += 1
            continue
        who = result.text.split("\n")[0]
        assert who in ("genuine", "attacker"), result
        if who == "genuine":
            assert four(result.sets) == grant(bit(GRANT)), result
        seen[who] += 1
    return seen


def flips(world, attacker, kind):
    """For each wrapper, two names of the attacker's to exchange, and what to run meanwhile."""
    for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
        script = world.script(name, "dash", "echo genuine\n" + TELL, wrapper=wrapper)
        folder = attacker.home / name
        world.run("mkdir", folder, folder / "tools")
        attacker.writes(folder / "tools" / name, attacker.shell(wrapper))
        if kind == "link":
            world.run("ln", "-s", script, folder / "one")
            world.run("ln", "-s", folder / "tools" / name, folder / "two")
            yield folder / "one", folder / "two", folder / "one"
        elif kind == "folder":
            world.run("ln", "-s", world.top, folder / "one")
            yield folder / "one", folder / "tools", folder / "one" / name
        else:
            world.run("mkdir", folder / "good", folder / "evil")
            world.run("ln", "-s", world.top, folder / "good/tools")
            world.run("mv", folder / "tools", folder / "evil")
            yield folder / "good", folder / "evil", folder / "good/tools" / name


@pytest.mark.parametrize("kind", ["link", "folder", "further up"])
def test_flips(world, attacker, kind):
    """CVE-2015-5602 (sudoedit) and all races of a check with a use: a name turns for thousands of runs."""
    naive, own = flips(world, attacker, kind)
    with holding(FLIP, *naive[:2]):
        won = attacker.repeats(naive[2], 20 * RUNS)
    attacker.wins(won[-1])

    seen = Counter()
    with holding(FLIP, *own[:2]):
        while not (seen["genuine"] and seen["refused"]) or sum(seen.values()) < RUNS:
            seen += outcomes(attacker.repeats(own[2], RUNS))
            assert not seen["attacker"], seen
            attacker.loses()
            assert sum(seen.values()) < 20 * RUNS, seen


def test_stopped_and_turned(world, attacker):
    """SIGSTOP, as exploits of slow races use it: the wrapper stands still at any point while its link is turned."""
    for wrapper, name, tries in ((world.naive, "naive-job", 5000), (world.wrapper, "job", 400)):
        script = world.script(name, "dash", "echo genuine\n" + TELL, wrapper=wrapper)
        link, other = attacker.home / name, attacker.home / f"{name}-other"
        world.run("ln", "-s", script, link)
        world.run("ln", "-s", attacker.writes(attacker.home / f"{name}-evil", attacker.shell(wrapper)), other)
        done = attacker.python(STOP, link, other, tries, f"{bit(GRANT):016x}")
        assert done.code == 0, done
        results = [Result(0, told, "") for told in done.out.split(b"\036")[:-1]]
        if wrapper == world.naive:
            attacker.wins(results[-1])
    seen = outcomes(results)
    assert seen["genuine"] and not seen["attacker"], seen
    attacker.loses()


def test_hard_link(world, attacker, beaten):
    """Hard links to set-user-ID programs, before fs.protected_hardlinks: a module is planted beside one's own."""
    naive = world.script("naive-job", "python3", IMPORTS, wrapper=world.naive)
    script = world.script("job", "python3", IMPORTS)
    planted = attacker.writes(attacker.home / "colour.py")
    with sysctl("fs.protected_hardlinks", 0):
        for path in (naive, script):
            assert world.run("ln", path, attacker.home / path.name).code == 0
    attacker.wins(world.run(attacker.home / naive.name))
    beaten(world.run(attacker.home / script.name), "PATH_OWNER", attacker.home / script.name)
    planted.unlink()
    genuine(world.run(script))


def test_hard_link_outlives_an_update(world, attacker, beaten):
    """Hard links that kept flawed set-user-ID programs for after their update: the old file has its grant still."""
    with sysctl("fs.protected_hardlinks", 0):
        for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
            script = world.script(name, "python3", HOLE, wrapper=wrapper)
            assert world.run("ln", script, attacker.home / name).code == 0
            script = world.script(name, "python3", GENUINE, wrapper=wrapper)
    attacker.wins(world.run(attacker.home / "naive-job", attacker.program))
    beaten(world.run(attacker.home / "job", attacker.program), "PATH_OWNER", attacker.home / "job")
    genuine(world.run(script, attacker.program))


@pytest.mark.parametrize("decoy", [False, True], ids=["deleted", "decoy"])
def test_deleted_script(world, attacker, decoy):
    """A descriptor that outlives an update, as with deleted set-user-ID programs: a flawed script that root removed.
    The decoy has the name that the kernel gives to the deleted one."""
    for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
        script = world.script(name, "python3", HOLE, wrapper=wrapper)
        if decoy:
            world.script(f"{name} (deleted)", "python3", GENUINE, wrapper=wrapper)
        process = held(KEEP, script, attacker.program, stderr=subprocess.PIPE)
        script.unlink()
        out, err = process.communicate("go\n", timeout=60)
        result = Result(process.returncode, out.encode(), err)
        if wrapper == world.naive:
            attacker.wins(result)
    if decoy:
        genuine(result)
        attacker.loses()
    else:
        attacker.stopped(result)


@pytest.mark.parametrize("kind", ["memfd", "O_TMPFILE"])
def test_nameless(world, attacker, kind):
    """Programs in memory only, as fileless malware has them: a namespaced grant on a file that lies in no folder."""
    for wrapper in (world.naive, world.wrapper):
        code = f"#!{wrapper} python3\n{attacker.code}"
        result = attacker.python(NAMELESS, kind, attacker.home, wrapper, code)
        if wrapper == world.naive:
            attacker.wins(result)
    attacker.stopped(result)
