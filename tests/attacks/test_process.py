"""Attacks on the process: the state that its caller leaves it, and whoever reaches into it while it runs."""

import fcntl
import os
import re
import resource
import select
import signal
import socket
import subprocess
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit import (
    BUILD,
    GENUINE,
    GRANT,
    OTHER,
    SETS,
    TELL,
    USER,
    Result,
    bit,
    bounding,
    genuine,
    interpreter,
    jobs,
    linux,
    often,
    sets_in,
    sysctl,
)

# Goes on for as long as a test needs it.
LASTING = GENUINE + "sys.stdout.flush()\nimport signal\nsignal.pause()\n"


@contextmanager
def running(*argv, cwd="/", **more):
    """Starts something as the user, and waits for its first line."""
    process = subprocess.Popen(
        [str(word) for word in argv], user=USER, group=USER, extra_groups=[], cwd=cwd, env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    try:
        assert process.stdout.readline() in (b"genuine\n", b"ready\n"), process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def status(process) -> dict[str, int]:
    return sets_in(Path(f"/proc/{process.pid}/status").read_text())


# ---- what it is started with


def test_ids_that_differ(world, attacker, beaten):
    """Set-user-ID programs of other users, as games had them, that start a script: two users in one process."""
    become = f"import os, sys; os.setresuid({USER}, {OTHER}, {OTHER}); os.execv(sys.argv[1], sys.argv[1:])"
    naive, script = jobs(world)
    attacker.home.chmod(0o777)
    won = world.run("/usr/bin/python3", "-c", become, world.naive, attacker.program, naive, uid=0)
    if linux(6, 16):  # before, the ambient set ends where the ids differ
        attacker.wins(won)
    attacker.mark.unlink(missing_ok=True)
    assert f"Uid:\t{USER}\t{OTHER}\t" in won.text
    beaten(world.run("/usr/bin/python3", "-c", become, script, uid=0), "CALL_IDS", script)


# Runs a script with one of its standard streams opened on a file.
OPENED = """
import os, sys
stream, flags, path = sys.argv[1:4]
os.dup2(os.open(path, int(flags)), int(stream))
os.execv(sys.argv[4], sys.argv[4:])
"""


@pytest.mark.parametrize("stream, flags, mode, body", [
    (0, os.O_PATH, 0o600, "read -r word </dev/stdin"),
    (0, os.O_WRONLY, 0o622, "read -r word </dev/stdin"),
    (1, os.O_PATH, 0o600, "echo changed >/dev/stdout"),
    (1, os.O_RDONLY, 0o644, "echo changed >/dev/stdout"),
    (2, os.O_PATH, 0o600, "echo changed >/dev/stderr"),
    (2, os.O_RDONLY, 0o644, "echo changed >/dev/stderr"),
])
def test_streams_that_are_opened_again(world, attacker, stream, flags, mode, body):
    """By its name a script opens a stream again, with its capabilities: a file that the caller may not write to, or not read."""
    told = []
    for script in jobs(world, "dash", f'{body}\necho "$word" >"$1"\n', caps="cap_dac_override"):
        secret, out = world.top / "secret", attacker.home / script.name
        secret.write_text("secret\n")
        secret.chmod(mode)
        attacker.writes(out, "", mode=0o644)
        done = attacker.python(OPENED, stream, flags, secret, script, out)
        told.append((done.code, secret.read_text().strip(), out.read_text().strip()))
    assert told == ([(0, "secret", "secret"), (0, "secret", "")] if stream == 0 else [(0, "changed", ""), (0, "secret", "")])


@pytest.mark.parametrize("stream", [1, 2])
def test_file_of_proc_as_a_stream(world, attacker, stream):
    """It is the writer whom the kernel asks: what a harmless script prints sets something of another user's process."""
    told = []
    with subprocess.Popen(["sleep", "60"], user=OTHER) as process:
        slack = Path(f"/proc/{process.pid}/timerslack_ns")
        for script, number in zip(jobs(world, "dash", f'echo "$1" >&{stream}\n', caps="cap_sys_nice"), (77777, 88888)):
            done = attacker.python(OPENED, stream, os.O_WRONLY, slack, script, number)
            told.append((done.code, slack.read_text()))
        process.kill()
    assert told == [(0, "77777\n"), (0, "77777\n")]


# Leaves a program few descriptors, by a limit or by holding the others, and has it write to a file.
FEW = """
import os, resource, sys
way, limit, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.dup2(os.open(out, os.O_RDWR), 1)
for fd in range(limit, 1024 if way == "held" else 0):
    os.dup2(0, fd)
most = 1024 if way == "held" else limit
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.execv(sys.argv[4], sys.argv[4:])
"""


@pytest.mark.parametrize("way", ["limit", "held"])
def test_script_read_on_where_it_writes(world, attacker, beaten, way):
    """bash keeps its script open at the highest number that is left, and reads on there after the script has put its output there."""
    body = f"exec 9>&1\n/bin/true\necho genuine >&9\n{TELL}"
    naive, script = jobs(world, "bash", body)

    def run(*argv, limit=10):
        attacker.writes(attacker.home / "out", attacker.shell(world.wrapper).split("\n", 1)[1])
        return attacker.python(FEW, way, limit, attacker.home / "out", *argv)

    run(naive)
    attacker.mark.unlink()
    beaten(run(script), "CALL_LIMIT", script)
    # A limit can be lowered later: then it does not matter how many were left at the start.
    for limit in range(6, 20):
        run("/usr/bin/bash", "--norc", "-c", '. "$0"', script, limit=limit)
        attacker.loses()
    run("/usr/bin/bash", script)
    attacker.mark.unlink()


def test_umask(world, attacker):
    """Set-user-ID programs that took over a umask of 0: what a script makes for root is the caller's to write to."""
    caps = "cap_chown,cap_dac_override"
    body = "import os, sys\nopen(sys.argv[1], 'w').close()\nos.chown(sys.argv[1], 0, 0)\n"
    for script in jobs(world, body=body, caps=caps):
        made = world.top / f"made-by-{script.name}"
        assert world.run(script, made, umask=0).code == 0
        stopped = attacker.python("import sys; open(sys.argv[1], 'w')", made)
        assert ("Permission denied" in stopped.err) == (script.name == "job"), stopped


@pytest.mark.parametrize("bits", [0x01, 0x03, 0x04, 0x0c, 0x10, 0x2f, 0x40, 0xc0, 0xef])
def test_securebits(world, refused, bits):
    """CVE-2000-0506 (sendmail), where the caller decided what becomes of capabilities: keep_caps, no_setuid_fixup,
    noroot and no_cap_ambient_raise, and their locks. Naive gets less, and runs the script all the same."""
    naive, script = jobs(world)
    launch = [BUILD / "tests/programs/launch", USER, 0, 0, 0, f"{bounding():x}", f"{bits:x}", 0]
    result = world.run(*launch, script, uid=0)
    if bits & 0x40:
        assert world.run(*launch, naive, uid=0).sets["CapPrm"] == 0
        refused(result, "EFFECT_SETS", script)
    else:
        genuine(world.run(*launch, naive, uid=0))
        genuine(result)


def test_personality(world, attacker):
    """CVE-2009-1895 (personality): memory at fixed places for what gains privileges. The kernel undoes it, for naive
    too; the test is there because the interpreter itself gains nothing that the kernel would see."""
    body = GENUINE + "print(open('/proc/self/personality').read())\n"
    for script in jobs(world, body=body):
        result = world.run("setarch", "--addr-no-randomize", "--read-implies-exec", "--addr-compat-layout", script)
        genuine(result)
        assert result.text.split()[-1] == "00000000", result


def with_signals(what: str):
    """For the child process, before it executes."""
    every = set(range(1, signal.NSIG)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
    if what == "ignored":
        for number in every:
            signal.signal(number, signal.SIG_IGN)
    else:
        signal.pthread_sigmask(signal.SIG_BLOCK, every)
    if what == "pending":
        for number in every:
            os.kill(os.getpid(), number)


@pytest.mark.parametrize("what", ["ignored", "blocked", "pending"])
def test_signals(world, what):
    """Programs that fell over the signals that they were born with, such as SIGPIPE in nohup: the script has its grant
    and nothing else. A caller can stop and kill it anyway, so naive has nothing to lose here."""
    for script in jobs(world):
        genuine(world.run(script, preexec_fn=lambda: with_signals(what)))


def test_ignored_children(world):
    """Set-user-ID programs that misjudged a child when SIGCHLD was ignored: Python takes a command that failed for one
    that did not, and so a check by a program for passed."""
    body = "import subprocess\nsubprocess.run(['/bin/false'], check=True)\nprint('went on')\n"
    naive, script = jobs(world, body=body)
    ignored = {"preexec_fn": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)}
    assert world.run(naive, **ignored).text == "went on\n"
    result = world.run(script, **ignored)
    assert result.code == 1 and result.out == b"" and "CalledProcessError" in result.err, result


ENDS = {
    "alarm": (lambda: signal.setitimer(signal.ITIMER_REAL, 0.2), signal.SIGALRM),
    "virtual timer": (lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 0.001), signal.SIGVTALRM),
    "profiling timer": (lambda: signal.setitimer(signal.ITIMER_PROF, 0.001), signal.SIGPROF),
    "time limit": (lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 1)), signal.SIGKILL),
}


@pytest.mark.parametrize("kind", ENDS)
def test_ends_of_the_caller_s_choice(world, kind):
    """Timers and limits outlive exec, and killed set-user-ID programs halfway: they end the wrapper or the script
    wherever it is, which the caller may do, and leave nobody with the grant. Naive has nothing to lose here
    either."""
    start, number = ENDS[kind]
    for script in jobs(world, body=GENUINE + "sys.stdout.flush()\nwhile True: pass\n"):
        result = world.run(script, preexec_fn=start)
        assert result.code == -number, result
        assert result.out == b"" or result.sets["CapEff"] == bit(GRANT), result


def test_parent_death_signal(world):
    """CVE-2007-3848: a signal at the death of the parent, which the kernel takes from what gains privileges, with
    naive too; the test is there because the interpreter must not have it either."""
    body = GENUINE + (
        "import ctypes\nnumber = ctypes.c_int()\nctypes.CDLL(None).prctl(2, ctypes.byref(number))\nprint(number)\n")
    ask = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 10); os.execv(sys.argv[1], sys.argv[1:])"
    for script in jobs(world, body=body):
        result = world.run("/usr/bin/python3", "-c", ask, script)
        genuine(result)
        assert result.text.endswith("c_int(0)\n"), result


# A filter of the user's own: capset succeeds, and does nothing. That takes no_new_privs.
OWN_FILTER = """
import ctypes, os, platform, struct, sys
call = {"x86_64": 126, "aarch64": 91}[platform.machine()]
code = b"".join(struct.pack("HBBI", *step) for step in [
    (0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x50000), (0x06, 0, 0, 0x7fff0000)])
steps = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(steps)))
libc = ctypes.CDLL(None, use_errno=True)
if sys.argv[1] == "no_new_privs":
    libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, program, 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_filter(world, attacker, beaten):
    """CVE-2000-0506 (sendmail) by seccomp: giving capabilities up seems to work. A filter of the user's own takes
    no_new_privs, so naive has nothing to give up either."""
    naive, script = jobs(world)
    assert attacker.python(OWN_FILTER, "alone", script).err == "Permission denied\n"
    assert attacker.python(OWN_FILTER, "no_new_privs", naive).sets["CapPrm"] == 0
    beaten(attacker.python(OWN_FILTER, "no_new_privs", script), "CEILING_NO_NEW_PRIVS", script)


# ---- who reaches into it


# Every way into a process that there is for another one of the same user; prints those that are open.
INTRUDE = r"""
import ctypes, os, platform, struct, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
call = libc.syscall
call.restype = ctypes.c_long
NUMBERS = {
    "x86_64": dict(readv=310, writev=311, kcmp=312, move_pages=279, robust=274, perf=298),
    "aarch64": dict(readv=270, writev=271, kcmp=272, move_pages=239, robust=100, perf=241)}[platform.machine()]
buffer = ctypes.create_string_buffer(8)
here = struct.pack("QQ", ctypes.addressof(buffer), 8)
there = int(sys.argv[2], 16)  # of memory that it can write to
def attach():
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    return libc.ptrace(0x4206, pid, 0, 0) == 0
def robust():
    head, size = ctypes.c_void_p(), ctypes.c_size_t()
    return call(NUMBERS["robust"], pid, ctypes.byref(head), ctypes.byref(size)) == 0
WAYS = {
    "attach": attach,
    "mem": lambda: os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR)) is None,
    "environ": lambda: open(f"/proc/{pid}/environ", "rb").read(1),
    "maps": lambda: open(f"/proc/{pid}/maps").read(1),
    "auxv": lambda: open(f"/proc/{pid}/auxv", "rb").read(1),
    "syscall": lambda: open(f"/proc/{pid}/syscall").read(1),
    "exe": lambda: os.readlink(f"/proc/{pid}/exe"),
    "cwd": lambda: os.readlink(f"/proc/{pid}/cwd"),
    "root": lambda: os.stat(f"/proc/{pid}/root/"),
    "fd": lambda: os.readlink(f"/proc/{pid}/fd/0"),
    "map_files": lambda: os.listdir(f"/proc/{pid}/map_files"),
    "ns": lambda: os.readlink(f"/proc/{pid}/ns/net"),
    "pidfd_getfd": lambda: call(438, call(434, pid, 0), 0, 0) >= 0,
    "process_vm_readv": lambda: call(NUMBERS["readv"], pid, here, 1, struct.pack("QQ", there, 8), 1, 0) == 8,
    "process_vm_writev": lambda: call(NUMBERS["writev"], pid, here, 1, struct.pack("QQ", there, 8), 1, 0) == 8,
    "kcmp": lambda: call(NUMBERS["kcmp"], os.getpid(), pid, 1, 0, 0) >= 0,
    "move_pages": lambda: call(NUMBERS["move_pages"], pid, 0, 0, 0, 0, 0) == 0,
    "robust list": robust,
    "process_madvise": lambda: call(440, call(434, pid, 0), struct.pack("QQ", there & ~4095, 4096), 1, 20, 0) >= 0,
    "setns": lambda: call(268 if platform.machine() == "aarch64" else 308, call(434, pid, 0), 0x04000000) == 0,
}
def tried(way):
    try:
        return way()
    except OSError:
        return False
for name in [*list(WAYS)[1:], "attach"]:
    if tried(WAYS[name]):
        print(name)
"""


def writable(process) -> str:
    """An address of the process's heap, as root can see it."""
    return re.search(r"^(\w+)-\w+ rw\S+ .*\[heap\]$", Path(f"/proc/{process.pid}/maps").read_text(), re.M)[1]


def intrusions(world, process, *alone) -> set[str]:
    done = world.run(*alone, "/usr/bin/python3", "-c", INTRUDE, process.pid, writable(process))
    assert not done.err, done
    return set(done.text.splitlines())


OPEN = {"attach", "mem", "environ", "maps", "fd", "pidfd_getfd", "process_vm_readv", "process_vm_writev"}


@pytest.mark.parametrize("kind", ["ambient", "contained"])
@pytest.mark.parametrize("alone", [[], ["unshare", "--user", "--map-root-user"]], ids=["user", "root of a namespace"])
def test_reaching_into_the_script(world, kind, alone):
    """CVE-2019-13272 (ptrace) and all debuggers: a process of the same user reads, writes and takes over what runs.
    The kernel keeps those out who lack its capabilities, with naive too; what has none is an open house."""
    with running("/usr/bin/python3", "-c", LASTING) as process:
        assert intrusions(world, process) >= OPEN
    line = "python3"
    if kind == "contained":
        line = f"--contain {interpreter(world, caps=f'{GRANT}=i')}"
    for script in jobs(world, body=LASTING, line=line):
        with running(script) as process:
            assert status(process)["CapPrm"] == bit(GRANT)
            assert intrusions(world, process, *alone) == set()


def test_reaching_into_what_gave_it_up(world):
    """CVE-2016-9962 (runC), where descriptors were taken out of a process: no rule stops this, the manual warns. With
    naive as with capwrap, a script that gave its capabilities up is the caller's again, open socket and all."""
    body = (
        "import ctypes, signal, socket, struct\n"
        "raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.capset(struct.pack('Ii', 0x20080522, 0), struct.pack('6I', *[0] * 6))\n"
        "print('genuine', raw.fileno(), sep='\\n', flush=True)\n"
        "signal.pause()\n")
    take = (
        "import ctypes, os, sys\n"
        "print(ctypes.CDLL(None).syscall(438, os.pidfd_open(int(sys.argv[1])), int(sys.argv[2]), 0))\n")
    for script in jobs(world, body=body):
        with running(script) as process:
            number = int(process.stdout.readline())
            assert status(process)["CapPrm"] == 0
            assert int(world.run("/usr/bin/python3", "-c", take, process.pid, number).text) >= 0
            assert intrusions(world, process) >= OPEN


# Starts a program again and again, and attaches to it a little later each time; tells whether it could.
SEIZE = r"""
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long] * 4
turns = int(sys.argv.pop(1))
for turn in range(turns):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.execv(sys.argv[1], sys.argv[1:])
    os.close(writer)
    end = time.perf_counter() + turn * 0.006 / turns
    while time.perf_counter() < end:
        pass
    taken = libc.ptrace(0x4206, child, 0, 0) == 0
    with open(reader) as pipe:
        sys.stdout.write(f"{taken}\n{pipe.read()}\x1e")
    os.waitpid(child, 0)
"""


def test_attached_to_at_any_moment(world):
    """CVE-2001-0317 and CVE-2003-0127 (ptrace against exec): a debugger comes while the wrapper gains its
    capabilities. Who is there before it does keeps it from any, and afterwards nobody gets in; the kernel sees to
    that with naive too."""
    seen = set()
    for script in jobs(world, body="echo genuine\n" + TELL, line="dash"):
        done = world.run("/usr/bin/python3", "-c", SEIZE, often(200), script)
        assert done.code == 0 and not done.err, done
        for told in done.text.split("\x1e")[:-1]:
            taken, _, out = told.partition("\n")
            sets = sets_in(out)
            seen.add(taken)
            if script.name == "job" and taken == "True":
                assert re.fullmatch("capwrap: .*: the kernel withheld .*\n", out), told
            elif taken == "True":
                assert sets["CapPrm"] == 0, told
            else:
                assert out.startswith("genuine\n") and {sets[name] for name in SETS} == {bit(GRANT)}, told
    assert "False" in seen


# Has a program's memory open from before it executes: the child as its standard error, or the parent, which writes.
MEMORY = r"""
import os, sys
how, *argv = sys.argv[1:]
if how == "standard error":
    fd = os.open("/proc/self/mem", os.O_RDWR)
    os.dup2(fd, 2)
    os.execv(argv[0], argv)
reader, writer = os.pipe()
child = os.fork()
if not child:
    os.read(reader, 1)
    os.execv(argv[0], argv)
fd = os.open(f"/proc/{child}/mem", os.O_RDWR)
places = [line.split("-")[0] for line in open(f"/proc/{child}/maps") if " rw" in line]
os.write(writer, b"x")
while open(f"/proc/{child}/comm").read() == "python3\n":
    if os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        break
for place in places:
    try:
        os.pwrite(fd, b"attacker", int(place, 16))
    except OSError:
        pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("how", ["standard error", "parent"])
def test_memory_that_was_opened_before(world, how):
    """CVE-2012-0056 (Mempodipper): a program's memory, opened before it gains anything and written to afterwards.
    Since Linux 3.3 that is the memory of before, so naive is as safe."""
    for script in jobs(world, body="echo genuine\n" + TELL, line="dash"):
        result = world.run("/usr/bin/python3", "-c", MEMORY, how, script)
        genuine(result)
    bare = world.script("bare", "dash", "", None)
    result = world.run("/usr/bin/python3", "-c", MEMORY, how, bare)
    assert (result.code, result.out) == (125, b""), result


# ---- what it leaves when it crashes

SECRET = "only root may read this"
READS = """
import signal, sys
told = open(sys.argv[1]).read()
told = told + " " + told  # as it stands in no file
print("genuine", flush=True)
signal.pause()
"""


def secret(world) -> tuple[Path, bytes]:
    path = world.top / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path, f"{SECRET} {SECRET}".encode()


def unlimited():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)


def crashes(world, script, path, cwd="/", lowered=False) -> int:
    """The caller makes it crash, with the core limit that they would like best."""
    with running(script, path, cwd=cwd, preexec_fn=unlimited) as process:
        if lowered:
            world.run("prlimit", "--core=0:0", f"--pid={process.pid}")
        world.run("kill", "-SEGV", process.pid)
        process.wait(timeout=60)
    return process.pid


def test_core_file(world, attacker):
    """CVE-2006-2451 (prctl), and ftpd of old with the shadow file in its core: what a script has read comes to lie in
    the caller's folder."""
    path, wanted = secret(world)
    with sysctl("kernel.core_pattern", f"{attacker.home}/core-of-%e"):
        for script in jobs(world, body=READS, caps="cap_dac_read_search"):
            crashes(world, script, path, attacker.home)
            cores = list(attacker.home.glob("core-of-*"))
            if script.name == "naive-job":
                assert wanted in cores[0].read_bytes()
                cores.pop().unlink()
            assert not cores


def found_by_the_kernel(folder: Path) -> None:
    """The kernel looks for what core_pattern names from init's root: a process that crashes tells whether it was run."""
    child = os.fork()
    if child == 0:
        unlimited()
        os.kill(os.getpid(), signal.SIGTRAP)
    if not os.WCOREDUMP(os.waitpid(child, 0)[1]):
        pytest.skip("this machine is a container, where the kernel does not find what core_pattern names")
    core, end = folder / str(child), time.monotonic() + 30
    while not core.exists() and time.monotonic() < end:
        time.sleep(0.05)
    core.unlink()


@contextmanager
def core_pipe(world):
    """A program that is handed cores, as apport and systemd-coredump are; they come to lie in the folder that it
    is."""
    folder = world.folder("cores", 0o700)
    body = f'cd {folder}\ncat > "part-$1"\nmv "part-$1" "$1"\n'
    catcher = world.script("catcher", "#!/bin/sh\n", body, None)
    with sysctl("kernel.core_pattern", f"|{catcher} %P"):
        found_by_the_kernel(folder)
        yield folder


def core_of(folder: Path, pid: int) -> bytes:
    end = time.monotonic() + 60
    while not (folder / str(pid)).exists():
        assert time.monotonic() < end, "there is no core"
        time.sleep(0.05)
    return (folder / str(pid)).read_bytes()


def test_core_pipe(world):
    """CVE-2025-4598 (systemd-coredump) and CVE-2022-4415: what handles cores hands their user what the script has
    read. A limit of 0 does not stop it, 1 does."""
    path, wanted = secret(world)
    naive, script = jobs(world, body=READS, caps="cap_dac_read_search")
    with core_pipe(world) as folder:
        none = crashes(world, script, path)
        assert wanted in core_of(folder, crashes(world, naive, path))
        assert not (folder / str(none)).exists()


def test_core_pipe_after_all(world):
    """CVE-2025-4598 (systemd-coredump), after prlimit(2) from outside has made the script's limit 0: no rule stops
    this, the manual warns."""
    path, wanted = secret(world)
    with core_pipe(world) as folder:
        for script in jobs(world, body=READS, caps="cap_dac_read_search"):
            assert wanted in core_of(folder, crashes(world, script, path, lowered=True))


def test_core_socket(world):
    """CVE-2025-4598 (systemd-coredump) by a socket, Linux 6.16's way to hand over cores: it is handed them whatever
    the limit is. No rule stops this, the manual warns."""
    if not linux(6, 16):
        pytest.skip("this machine's Linux is before 6.16, and has no core sockets")
    with core_pipe(world):
        path, wanted = secret(world)
    place = world.folder("cores", 0o700) / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        listener.settimeout(60)
        with sysctl("kernel.core_pattern", f"@{place}"):
            for script in jobs(world, body=READS, caps="cap_dac_read_search"):
                with running(script, path, preexec_fn=unlimited) as process:
                    world.run("kill", "-SEGV", process.pid)
                    while True:  # other tests crash as well
                        with listener.accept()[0] as stream, stream.makefile("rb") as core:
                            if wanted in core.read():
                                break


# ---- the terminal


PUSH = "import fcntl, sys\nfor byte in sys.argv[1].encode(): fcntl.ioctl(1, 0x5412, bytes([byte]))\n"


@contextmanager
def terminal(*argv, **env):
    """Runs something as the user, on a terminal of its own; yields what writes to the terminal, and what reads all."""
    master, slave = os.openpty()
    process = subprocess.Popen(
        [str(word) for word in argv], user=USER, group=USER, extra_groups=[], cwd="/",
        env={"PATH": "/usr/bin:/bin", **env}, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY))
    os.close(slave)

    def until(pattern: str) -> str:
        told, end = "", time.monotonic() + 60
        while not re.search(pattern, told):
            assert time.monotonic() < end, told
            if select.select([master], [], [], 1)[0]:
                try:
                    told += os.read(master, 65536).decode().replace("\r", "")
                except OSError:  # the other side is closed
                    pytest.fail(told)
        return told

    try:
        yield lambda text: os.write(master, text.encode()), until
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_terminal_of_the_caller(world):
    """CVE-2016-2568 (pkexec) and CVE-2017-5226 (bubblewrap): what runs on a terminal types on it. What it types is
    the caller's to run, who has no capabilities; so it is with naive."""
    body = PUSH.replace("sys.argv[1]", r"'cat /proc/self/status\n'") + GENUINE
    with sysctl("dev.tty.legacy_tiocsti", 1):
        for script in jobs(world, body=body):
            with terminal("dash", PS1="") as (types, until):
                types(f"{script}\n")
                told = until(r"(?s)CapAmb.*CapAmb.*\n")
                assert re.findall(r"CapEff:\s*(\w+)", told) == [f"{bit(GRANT):016x}", f"{0:016x}"], told


def test_terminal_of_the_script(world, attacker):
    """CVE-2006-0151 (sudo and PYTHONINSPECT) by TIOCSTI: the caller types on the script's terminal, which asks for
    more."""
    naive, script = jobs(world, body="print('genuine', input())\n")
    text = f"one line\nexec(open('{attacker.program}').read())\n"
    both = '/usr/bin/python3 -c "$1" "$2" & exec "$0"'
    with sysctl("dev.tty.legacy_tiocsti", 1):
        with terminal("dash", "-c", both, naive, PUSH, text, PYTHONINSPECT="1") as (_, until):
            told = until(r"(?s)attacker\n.*CapAmb.*\n")
        attacker.wins(Result(0, told[told.index("attacker\n"):].encode(), ""))
        with terminal("dash", "-c", both + "; echo", script, PUSH, text, PYTHONINSPECT="1") as (_, until):
            until("genuine one line\n")
    attacker.loses()
