"""Rule ceiling: no attacks, but scripts that would run without what they were granted."""

import re
import subprocess

import pytest
from kit import (
    AS_USER,
    FIRST,
    GENUINE,
    GRANT,
    STATUS,
    TRACE,
    USER,
    World,
    bit,
    bounding,
    container,
    fix_of,
    four,
    genuine,
    grant,
    jobs,
    lacks,
    last_cap,
    mend,
    mount,
    small_tree,
)

CAP = bit(GRANT)


def test_ceiling_no_new_privs(world, refused):
    """A caller under no_new_privs."""
    naive, script = jobs(world)
    alone = ["setpriv", "--no-new-privs"]
    lacks(world.run(*alone, naive))
    result = world.run(*alone, script)
    refused(result, "CEILING_NO_NEW_PRIVS", script)
    assert f"did not get {GRANT}:" in result.err


def test_ceiling_bounding(world, refused):
    """A bounding set without one of the capabilities: it alone is named, and none is given."""
    naive, script = jobs(world, caps=f"cap_kill,{GRANT}")
    alone = ["setpriv", f"--bounding-set=-{GRANT.removeprefix('cap_')}", *AS_USER]
    lacks(world.run(*alone, naive, uid=0))
    result = world.run(*alone, script, uid=0)
    refused(result, "CEILING_BOUNDING", script)
    assert f"did not get {GRANT}:" in result.err


def test_ceiling_nosuid(world, refused):
    """A wrapper on a mount with nosuid, which has no capabilities at all."""
    tools = world.folder("tools")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "none", tools)
    naive = world.script("naive-job", "python3", GENUINE, wrapper=world.program("tools/naive", world.naive))
    script = world.script("job", "python3", GENUINE, wrapper=world.program("tools/capwrap", world.wrapper))
    lacks(world.run(naive))
    result = world.run(script)
    refused(result, "CEILING_NOSUID", script)
    mount("-o", "remount,suid", tools)
    genuine(world.run(script))


@pytest.mark.parametrize("caps", ["", "=", "cap_kill=p", "all=i"])
def test_ceiling_wrapper(world, refused, caps):
    """A wrapper that was given less than the script, as after an update that lost its capabilities."""
    World.setcap(caps or "all=p", world.wrapper)
    if not caps:
        subprocess.run(["setcap", "-r", world.wrapper], check=True)
    World.setcap("cap_kill=p", world.naive)
    naive, script = jobs(world, caps=f"cap_kill,{GRANT}")
    lacks(world.run(naive))
    result = world.run(script)
    if caps == "cap_kill=p":
        refused(result, "CEILING_NARROW", script)
        assert f"not to grant {GRANT};" in result.err
        return
    refused(result, "CEILING_WRAPPER", script)
    mend(result)
    genuine(world.run(script), f"cap_kill,{GRANT}")


def test_ceiling_traced(world, refused):
    """A tracer could change what the wrapper does, so the kernel gives a traced one nothing: naive resists as well."""
    naive, script = jobs(world)
    lacks(world.run("/usr/bin/python3", "-c", TRACE, naive))
    refused(world.run("/usr/bin/python3", "-c", TRACE, script), "CEILING_WITHHELD", script)


def test_ceiling_shared_folder(world, refused):
    """A process that shares its current folder with another, by clone(CLONE_FS), gets nothing either."""
    share = (
        "import ctypes, os, sys\n"
        "argv = (ctypes.c_char_p * len(sys.argv))(*map(os.fsencode, sys.argv[1:]), None)\n"
        "libc = ctypes.CDLL(None)\n"
        "run = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: libc.execv(argv[0], argv))\n"
        "stack = ctypes.create_string_buffer(1 << 20)\n"
        "top = ctypes.c_void_p((ctypes.addressof(stack) + (1 << 20)) & ~15)\n"
        "child = libc.clone(run, top, 0x200 | 17, None)\n"  # CLONE_FS | SIGCHLD
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n")
    naive, script = jobs(world)
    lacks(world.run("/usr/bin/python3", "-c", share, naive))
    refused(world.run("/usr/bin/python3", "-c", share, script), "CEILING_WITHHELD", script)


@pytest.mark.parametrize("options", [["--map-root-user"], ["--map-user=1000"], ["--map-root-user", "--mount"], []])
def test_ceiling_user_namespace(world, attacker, beaten, options):
    """In a user namespace of the caller's making root's files belong to nobody, and capabilities reach nothing else."""
    naive, script = jobs(world)
    alone = ["unshare", "--user", *options]
    assert world.run(*alone, naive).sets["CapPrm"] & bit(GRANT)
    beaten(world.run(*alone, script), "PATH_ROOT", script)
    # What is the caller's own looks as if it were root's there, but the way to it does not.
    attacker.writes(attacker.home / "job", f"#!{world.wrapper} python3\n{attacker.code}")
    beaten(world.run(*alone, attacker.home / "job"), "PATH_ROOT", attacker.home / "job")


def test_ceiling_user_namespace_of_their_own_tree(world, attacker):
    """In a tree of their own all rules may hold: the script runs, with capabilities over nothing but that tree."""
    secret = world.top / "secret"
    secret.write_text("a secret of root's\n")
    secret.chmod(0o600)
    naive, _ = jobs(world, f"cat {secret}", "", "cap_dac_override")
    assert "a secret" in world.run(naive).text  # outside of a user namespace that is what the capability does

    tree = attacker.home / "tree"
    world.run("mkdir", tree)
    prepare = f"""
        set -e
        mount -t tmpfs -o mode=755 none {tree}
        cd {tree}
        cp -L --parents $(ldd /bin/cat | grep -o '/[^ ]*') .
        mkdir -p bin proc host
        cp /bin/cat bin
        touch capwrap mine
        chmod 0 mine
        mount --bind {world.wrapper} capwrap
        mount --bind {world.top} host
        mount --rbind /proc proc
        printf '#!/capwrap --unproven cat\\ngenuine\\n' > job
        chmod 755 job
        setcap cap_dac_override=i job
        exec chroot . /job /proc/self/status /mine /host/secret
    """
    result = world.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", prepare,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert "genuine" in result.text and result.sets["CapEff"] == bit("cap_dac_override"), result
    assert "a secret of" not in result.text and re.fullmatch("(/bin/)?cat: /host/secret: Permission denied\n", result.err), result


@pytest.mark.parametrize(("job", "wrapper", "reason"), [
    ("by its root", "by its root", ""),
    ("by the host's", "by the host's", ""),
    ("by another's", "by its root", "GRANT_READ"),
    ("by its root", "by another's", "CEILING_WRAPPER"),
    ("by its root", "for another user", "CEILING_WRAPPER"),
    ("for another user", "by its root", "GRANT_ROOTID"),
])
def test_ceiling_of_a_container(world, refused, job, wrapper, reason):
    """Root of a user namespace with ids of its own gives capabilities that hold there; those that root of another one gave don't,
    and are told from none. Its own root mends that."""
    tree = small_tree(world, FIRST)
    options = {"by its root": ["-n", str(FIRST)], "by the host's": [], "by another's": ["-n", str(FIRST + 65536)],
               "for another user": ["-n", str(FIRST + 1)]}
    subprocess.run(["setcap", *options[wrapper], "all=p", tree / "capwrap"], check=True)
    subprocess.run(["setcap", *options[job], f"{GRANT}=ip", tree / "job"], check=True)
    result = world.run(*container(tree, "/job"), uid=0)
    if reason:
        refused(result, reason, "/job")
        assert reason != "GRANT_READ" or "can't be read: set in another user namespace;" in result.err, result
        fix = fix_of(result).replace("cap_NAME", GRANT)
        done = world.run(*container(tree, "/bin/sh", "-c", f"PATH=/usr/sbin; {fix}", uid=0), uid=0)
        assert done.code == 0, done
        result = world.run(*container(tree, "/job"), uid=0)
    genuine(result)
    other = world.run(*container(tree, "/job", first=FIRST + 65536), uid=0)
    assert other.code == 125 and "the root directory / is not owned by root" in other.err, other


def test_ceiling_highest_capability(world):
    """The last capability that the kernel knows, or the highest that the bounding set has, is like any other."""
    number = max(cap for cap in range(last_cap() + 1) if bounding() >> cap & 1)
    name = subprocess.run(["capsh", f"--decode={1 << number:x}"], capture_output=True, text=True, check=True).stdout
    _, script = jobs(world, caps=name.strip().split("=")[1])
    genuine(world.run(script), name.strip().split("=")[1])


def test_without_new_privileges_a_caller_s_own_capability_is_enough(world, refused):
    """Under no_new_privs the wrapper has what the caller had: a grant within it runs, another does not."""
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=+net_raw,+kill",
            "--ambient-caps=+net_raw,+kill", "sh", "-c", 'exec setpriv --no-new-privs "$1"', "sh"]
    held = world.script("held", "python3", STATUS, "cap_net_raw=i")
    result = world.run(*drop, held, uid=0)
    assert four(result.sets) == grant(CAP), result
    lacking = world.script("lacking", "python3", STATUS, "cap_net_raw,cap_chown=i")
    refused(world.run(*drop, lacking, uid=0), "CEILING_NO_NEW_PRIVS", lacking)
