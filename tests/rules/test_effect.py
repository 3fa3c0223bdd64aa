"""Rule effect: exactly the grant, whoever calls, and a process that its caller did not prepare."""

import errno
import re
import resource
import shutil
from pathlib import Path

import pytest
from kit import (
    AS_USER,
    BUILD,
    GENUINE,
    GRANT,
    SETS,
    STATUS,
    USER,
    bit,
    bounding,
    filtered,
    four,
    genuine,
    grant,
    jobs,
    lacks,
)

CAPSH = shutil.which("capsh", path="/usr/sbin:/sbin:/usr/bin:/bin")
OTHERS = "cap_chown,cap_dac_override,cap_kill"
CAP = bit(GRANT)


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
    ("capset", 0, (-1, 0), "EFFECT_DIFFER", "--contain --unproven {tool}"),
    ("rt_sigaction", errno.EINVAL, (-1, 0), "EFFECT_SIGNALS", "python3"),
    ("rt_sigprocmask", errno.EINVAL, (-1, 0), "EFFECT_SIGNALS", "Rscript"),
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


def test_root_gets_no_more(report):
    """And its children can't either: that uid 0 means nothing is locked."""
    seen = report(uid=0)
    assert "CapEff:\t%016x\n" % CAP in seen.status and "CapPrm:\t%016x\n" % CAP in seen.status
    assert seen.securebits & 3 == 3


def test_root_s_child_gets_no_more(world):
    script = world.script("show", "dash", "grep ^Cap /proc/self/status\n")
    assert four(world.run(script, uid=0).sets) == grant(CAP)


@pytest.mark.parametrize("own", [
    ["--inh-caps=+net_admin,+net_raw"],
    ["--inh-caps=+net_admin,+kill", "--ambient-caps=+net_admin,+kill"],
    ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"],
    ["--bounding-set=-all,+net_raw,+kill,+setpcap"],
], ids=" ".join)
@pytest.mark.parametrize("caps", ["cap_net_raw", "cap_kill"])
def test_nothing_of_the_caller_s_own_capabilities_survives(world, own, caps):
    script = world.script("show", "python3", STATUS, f"{caps}=i")
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *own, "sh", "-c", 'exec "$1"', "sh"]
    result = world.run(*drop, script, uid=0)
    assert (result.code, four(result.sets)) == (0, grant(bit(caps))), result


@pytest.mark.parametrize("line", ["--no-new-privs python3", "-n python3"])
def test_no_new_privs(report, line):
    seen = report(line)
    assert "NoNewPrivs:\t1\n" in seen.status and "CapEff:\t%016x\n" % CAP in seen.status


@pytest.mark.parametrize(("line", "uid"), [("dash", 0), ("-n dash", USER)])
def test_no_new_privs_stops_set_user_id_programs(world, line, uid):
    world.program("id", Path("/usr/bin/id"), caps="").chmod(0o4755)
    assert world.run(world.script("show", line, f"{world.top}/id -u\n")).text == f"{uid}\n"


def test_script_runs_another(world, refused):
    """Each has its own grant; under --no-new-privs the other one is refused."""
    inner = world.script("inner", "python3", STATUS, "cap_kill=i")
    result = world.run(world.script("outer", "dash", f"exec {inner}\n"))
    assert four(result.sets) == grant(bit("cap_kill")), result
    refused(world.run(world.script("outer", "-n dash", f"exec {inner}\n")), "CEILING_NO_NEW_PRIVS", inner)


@pytest.mark.parametrize("mask", [0, 0o002, 0o022, 0o027, 0o077, 0o777])
def test_umask_gains_022(report, mask):
    assert report(umask=mask).umask == mask | 0o022


@pytest.mark.parametrize("wrapper", ["naive", "wrapper"])
def test_pages_are_not_merged(world, wrapper):
    """The caller may ask for that, with whose pages they are compared, and it passes through execve."""
    ask = "import ctypes, os, sys; print(ctypes.CDLL(None).prctl(67, 1, 0, 0, 0), flush=True); os.execv(sys.argv[1], sys.argv[1:])"
    script = world.script("job", "python3", "import ctypes; print(ctypes.CDLL(None).prctl(68, 0, 0, 0, 0))\n", wrapper=getattr(world, wrapper))
    asked, merged = world.run("/usr/bin/python3", "-c", ask, script).text.split()
    if asked != "0":
        pytest.skip("this machine's kernel merges no pages")
    assert merged == ("1" if wrapper == "naive" else "0")


@pytest.mark.parametrize("limits", [(0, 0), (0, resource.RLIM_INFINITY), (resource.RLIM_INFINITY,) * 2, (1, 1)])
def test_core_limit(report, limits):
    """1 stops a core file and a core pipe. What a hard limit of 0 makes of it, asks for a capability to mend."""
    seen = report(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, limits))
    mendable = limits[1] or bounding() & bit("cap_sys_resource")
    assert seen.core == ([1, 1] if mendable else [0, 0])


def test_no_descriptor_leaks(report):
    """The wrapper's own: the caller's pass through, as for any program."""
    assert report().open == [0, 1, 2]
    with open("/dev/zero") as given:
        assert report(pass_fds=[given.fileno()]).open == [0, 1, 2, given.fileno()]


KIB, MIB = 1 << 10, 1 << 20


@pytest.mark.parametrize(("name", "limits"), [
    ("RLIMIT_AS", [size * KIB for size in (64, 128, 256, 512, 768, 832, 896, 960, 1024, 1100, 1200, 2048, 4096)]),
    ("RLIMIT_DATA", [0, 4 * KIB, 64 * KIB, 128 * KIB, 136 * KIB, 200 * KIB, MIB]),
    ("RLIMIT_STACK", [64 * KIB, 96 * KIB, 128 * KIB, MIB]),
    ("RLIMIT_NOFILE", [0, 1, 3, 4, 5, 73, 74]),
    ("RLIMIT_FSIZE", [0]),
    ("RLIMIT_NPROC", [0]),
    ("RLIMIT_MEMLOCK", [0]),
])
def test_low_limits(world, name, limits):
    """Under any limit that lets programs start at all, it is the exact grant or a plain refusal."""
    show = world.program("show", BUILD / "tests/programs/show", caps="")
    script = world.script("script", f"--unproven {show}")
    outcomes = set()
    for size in limits:
        def lower(size=size):
            resource.setrlimit(getattr(resource, name), (size, size))

        starts = all(world.run(*program, preexec_fn=lower).code == 0 for program in ([show], [world.wrapper, "--help"]))
        result = world.run(script, preexec_fn=lower)
        if not starts:
            assert result.out == b""
        elif result.code == 0:
            assert four(result.sets) == grant(CAP), (size, result)
        else:
            assert result.code in (125, 126) and re.fullmatch("capwrap: .+; .+\n", result.err), (size, result)
            assert result.out == b""
        outcomes.add(result.code)
    assert 0 in outcomes
