"""Rules ceiling and effect: what keeps a script from its grant, and what it would get beyond that."""

import errno
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from kit import (
    AS_USER,
    GENUINE,
    GRANT,
    SETS,
    SOURCE,
    TRACE,
    World,
    bit,
    bounding,
    filtered,
    genuine,
    jobs,
    lacks,
    last_cap,
    mend,
    mount,
)

CAPSH = shutil.which("capsh", path="/usr/sbin:/sbin:/usr/bin:/bin")
OTHERS = "cap_chown,cap_dac_override,cap_kill"


# ---- ceiling: no attacks, but scripts that would run without what they were granted


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
    """A wrapper on a mount with nosuid, which has no capabilities at all; the fix is a command."""
    tools = world.folder("tools")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "none", tools)
    naive = world.script("naive-job", "python3", GENUINE, wrapper=world.program("tools/naive", world.naive))
    script = world.script("job", "python3", GENUINE, wrapper=world.program("tools/capwrap", world.wrapper))
    lacks(world.run(naive))
    result = world.run(script)
    refused(result, "CEILING_NOSUID", script)
    mend(result)
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
        printf '#!/capwrap cat\\ngenuine\\n' > job
        chmod 755 job
        setcap cap_dac_override=i job
        exec chroot . /job /proc/self/status /mine /host/secret
    """
    result = world.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", prepare,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert "genuine" in result.text and result.sets["CapEff"] == bit("cap_dac_override"), result
    assert "a secret of" not in result.text and result.err == "/bin/cat: /host/secret: Permission denied\n", result


def test_ceiling_highest_capability(world):
    """The last capability that the kernel knows, or the highest that the bounding set has, is like any other."""
    number = max(cap for cap in range(last_cap() + 1) if bounding() >> cap & 1)
    name = subprocess.run(["capsh", f"--decode={1 << number:x}"], capture_output=True, text=True, check=True).stdout
    _, script = jobs(world, caps=name.strip().split("=")[1])
    genuine(world.run(script), name.strip().split("=")[1])


# ---- effect


def test_effect_root_is_narrowed(world):
    """Run by root, a script without the wrapper's care has every capability, and so has all that it starts."""
    again = GENUINE + "sys.stdout.flush(); import os; os.system('echo child; cat /proc/self/status')\n"
    naive, script = jobs(world, body=again)
    for part in world.run(naive, uid=0).text.split("child\n"):
        assert f"CapEff:\t{bounding():016x}\n" in part
    result = world.run(script, uid=0)
    assert result.code == 0, result
    for part in result.text.split("child\n"):
        for name in SETS:
            assert f"{name}:\t{bit(GRANT):016x}\n" in part


def test_effect_root_can_not_widen_again(world):
    """SECBIT_NOROOT is locked, with a grant that could take it off."""
    body = (
        "import ctypes\nlibc = ctypes.CDLL(None)\nbits = libc.prctl(27, 0, 0, 0, 0)\n"
        "print(bits & 3, libc.prctl(28, bits & ~3, 0, 0, 0))\n")
    _, script = jobs(world, body=body, caps="cap_setpcap")
    assert world.run(script, uid=0).text == "3 -1\n"


def test_effect_root_without_setpcap(world, refused):
    """A root that may not set securebits can't be narrowed, and gets nothing."""
    naive, script = jobs(world)
    alone = ["setpriv", "--bounding-set=-setpcap"]
    assert world.run(*alone, naive, uid=0).sets["CapEff"] & bit(OTHERS) == bit(OTHERS)
    result = world.run(*alone, script, uid=0)
    refused(result, "EFFECT_NOROOT", script)
    # The fix names another user.
    genuine(world.run(*alone, *AS_USER, script, uid=0))


def test_effect_ambient_locked(world, refused):
    """A caller whose securebits forbid ambient capabilities; locked, they can't be mended from below."""
    naive, script = jobs(world)
    alone = [CAPSH, "--secbits=0xc0", "--", "-c", 'exec "$0" "$@"', *AS_USER]
    lacks(world.run(*alone, naive, uid=0))
    refused(world.run(*alone, script, uid=0), "EFFECT_SETS", script)
    genuine(world.run(*AS_USER, script, uid=0))


def test_effect_caller_with_capabilities(world):
    """What a caller has by itself, inheritable and ambient, does not reach the script."""
    naive, script = jobs(world)
    names = "+" + OTHERS.replace("cap_", "").replace(",", ",+")
    alone = [*AS_USER, f"--inh-caps={names}", f"--ambient-caps={names}"]
    tell = ["cat", "/proc/self/status"]
    assert world.run(*alone, *tell, uid=0).sets["CapEff"] == bit(OTHERS)
    genuine(world.run(*alone, script, uid=0))
    genuine(world.run(*alone, naive, uid=0))  # the naive wrapper sets all four as well


@pytest.mark.parametrize("line", ["--no-new-privs python3", "-n python3"])
def test_effect_no_new_privs(world, line):
    """A script that starts a program with capabilities of its own gains those; with --no-new-privs it does not."""
    tool = world.program("tool", Path("/usr/bin/cat"), f"{OTHERS}=ep")
    body = f"import os; os.execv('{tool}', ['cat', '/proc/self/status'])\n"
    for options, more in (("python3", OTHERS), (line, "")):
        result = world.run(world.script("job", options, body))
        assert result.sets["CapEff"] & bit(OTHERS) == (bit(more) if more else 0), result
        assert f"NoNewPrivs:\t{int(not more)}\n" in result.text


@pytest.mark.parametrize(("call", "error", "arg", "name", "line"), [
    ("prlimit64", errno.EINVAL, (1, resource.RLIMIT_CORE), "EFFECT_CORE", "python3"),
    ("prctl", errno.EINVAL, (0, 38), "EFFECT_NO_NEW_PRIVS", "-n python3"),
    ("prctl", errno.EINVAL, (0, 47), "EFFECT_SETS", "python3"),
    ("capset", 0, (-1, 0), "EFFECT_DIFFER", "--contain {tool}"),
])
def test_effect_under_a_filter(world, refused, call, error, arg, name, line):
    """A seccomp filter that makes a step fail, or makes believe that it did not."""
    tool = world.program("tool", Path("/usr/bin/cat"), f"{GRANT}=i")
    script = world.script("job", line.format(tool=tool), GENUINE)
    refused(filtered(world, call, error, script, arg=arg), name, script)


def test_effect_length(world, refused):
    """Arguments that just fit into the call of the wrapper, and not beside the environment that the script gets."""
    script = world.script("job", "python3", GENUINE)
    stack = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20)), "env": {}}
    for length in range(12000, 0, -500):
        try:
            result = world.run(script, *["x" * 1000] * ((1 << 18) // 1012 - 8), "x" * length, **stack)
        except OSError as error:
            assert error.errno == errno.E2BIG
            continue
        if result.code:
            break
    refused(result, "EFFECT_LENGTH", script)


def test_effect_memory(world, refused):
    """A caller who leaves little memory gets a refusal, whatever it is that did not fit, and never less than all."""
    script = world.script("job", "python3", GENUINE)
    seen, arguments = set(), ["x"] * 60000
    for size in range(1024, 8192, 64):
        result = world.run("prlimit", f"--as={size << 10}", script, *arguments)
        if result.code == 125:
            assert result.out == b"" and result.err.startswith("capwrap: "), result
            seen.add(result.err.split(": ")[-1])
            if "raise the memory limit" in result.err:
                refused(result, "EFFECT_MEMORY", script)
                break
    else:
        pytest.fail(f"never for want of memory, but {seen}")
    genuine(world.run(script, *arguments))


@pytest.mark.parametrize("limit", ["nofile=3", "nofile=0", "fsize=0", "stack=65536", "nproc=0", "core=0", "memlock=0"])
def test_effect_limits_of_the_caller(world, limit):
    """A caller's limits make a script run as it is, or not at all."""
    script = world.script("job", "python3", GENUINE)
    result = world.run("prlimit", f"--{limit}", script)
    if result.code == 0:
        genuine(result)
    else:
        assert result.out == b"", result


# ---- effect: the environment


ENVIRONMENT = {
    "python path": ("PYTHONPATH", "", "python3"),
    "ruby options": ("RUBYOPT", "-revil", "ruby"),
    "lua start": ("LUA_INIT", "@evil.lua", "lua5.4"),
    "perl options": ("PERL5OPT", "-Mevil", "perl"),
    "bash start": ("BASH_ENV", "/evil.sh", "bash"),
}


@pytest.mark.parametrize("kind", ENVIRONMENT)
def test_effect_environment(world, attacker, kind):
    """Variables by which an interpreter loads code from the caller's folder."""
    name, value, line = ENVIRONMENT[kind]
    body = {"python3": GENUINE, "bash": "echo genuine"}.get(line, "print('genuine')")
    attacker.writes(attacker.home / "sitecustomize.py")
    attacker.writes(attacker.home / "evil.pm", f'system("{attacker.program}"); 1;\n')
    attacker.writes(attacker.home / "evil.rb", f'system("{attacker.program}")\n')
    attacker.writes(attacker.home / "evil.lua", f'os.execute("{attacker.program}")\n')
    attacker.writes(attacker.home / "evil.sh", f"{attacker.program}\n")
    value = value.replace("@", f"@{attacker.home}/")
    env = {"PATH": "/usr/bin", "PERL5LIB": str(attacker.home), "RUBYLIB": str(attacker.home),
           name: value if value[:1] in ("-", "@") else f"{attacker.home}{value}"}
    naive, script = jobs(world, line=line, body=body)
    won = world.run(naive, env=env)
    assert "attacker\n" in won.text and won.sets["CapEff"] & bit(GRANT), won
    attacker.mark.unlink()
    assert world.run(script, env=env).text.startswith("genuine")
    attacker.loses()


def test_every_refusal_is_tested(refusals):
    """No refusal is added without a test that names it."""
    here = SOURCE / "tests/e2e"
    text = "".join(path.read_text() for path in here.glob("test_*.py"))
    assert [name for name in refusals if f'"{name}"' not in text] == []
