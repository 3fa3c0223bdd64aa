"""What an attacker brings, and what a test needs to tell who won: code that shows its own capability sets."""

import fcntl
import platform
import subprocess
from contextlib import contextmanager
from pathlib import Path

from conftest import USER, Result, World, bit

GRANT = "cap_net_raw"
STATUS = "open('/proc/self/status').read()"
GENUINE = f"import sys; sys.stdout.write('genuine\\n' + {STATUS})\n"

# Runs argv and renames as soon as the interpreter has taken over, when a naive wrapper has read the grant by name.
RACE = r"""
import os, subprocess, sys
good, evil, tries, *argv = sys.argv[1:]
open("/proc/self/comm", "w").write("racer")
for _ in range(int(tries)):
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while child.poll() is None and open(f"/proc/{child.pid}/comm").read() != "python3\n":
        pass
    os.rename(good, good + ".aside")
    os.rename(evil, good)
    out, err = child.communicate()
    os.rename(good, evil)
    os.rename(good + ".aside", good)
    if b"attacker" in out:
        break
sys.stdout.buffer.write(out)
sys.stderr.buffer.write(err)
sys.exit(child.returncode)
"""

# Writes through a mapping, which leaves the file's capabilities alone where write(2) would drop them. No descriptor
# is kept.
OVERWRITE = """
import ctypes, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(fd).st_size
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
memory = libc.mmap(None, ctypes.c_size_t(size), 3, 1, fd, ctypes.c_long(0))
os.close(fd)
print("mapped", flush=True)
sys.stdin.readline()
ctypes.memmove(memory, sys.argv[2].encode().ljust(size, b"\\n"), size)
print("written", flush=True)
sys.stdin.readline()
"""
HOLD = "import os, sys; os.open(sys.argv[1], os.O_WRONLY); print('open', flush=True); sys.stdin.readline()"

# A system call that fails, by a seccomp filter as a container runtime puts it on. Only root can do so without
# no_new_privs. Arguments: uid, system call, errno, which of its arguments to look at (-1: none) and its value, argv.
FILTER = """
import ctypes, os, struct, sys
uid, call, error, which, value = map(int, sys.argv[1:6])
code = [(0x20, 0, 0, 0), (0x15, 0, 3 if which >= 0 else 1, call)]
if which >= 0:
    code += [(0x20, 0, 0, 16 + 8 * which), (0x15, 0, 1, value & 0xffffffff)]
code += [(0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7fff0000)]
code = b"".join(struct.pack("HBBI", *step) for step in code)
steps = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(steps)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, program, 0, 0):
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
os.execv(sys.argv[6], sys.argv[6:])
"""

# Runs argv under ptrace and does nothing with it.
TRACE = """
import ctypes, os, sys
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
child = os.fork()
if not child:
    ptrace(0, 0, None, None)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    status = os.waitpid(child, 0)[1]
    if not os.WIFSTOPPED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
    ptrace(7, child, None, None)
"""

# execve with an empty argv, which Linux from 5.18 on makes an argv of one empty string.
EMPTY_ARGV = """
import ctypes, sys
ctypes.CDLL(None).execve(sys.argv[1].encode(), (ctypes.c_char_p * 1)(None), (ctypes.c_char_p * 1)(None))
"""

# Exchanges two names over and over, each time in one step.
FLIP = """
import ctypes, sys
print("on", flush=True)
rename = ctypes.CDLL(None).renameat2
one, other = (path.encode() for path in sys.argv[1:])
while True:
    rename(-100, one, -100, other, 2)
"""

# Runs $1 for $2 times, or until what it says is like $3. Each answer ends in a record separator.
RUNS = r"""
while [ "$2" -gt "${n:=0}" ]; do
    n=$((n + 1))
    out=$("$1" 2>&1)
    printf '%s\n\036' "$out"
    case $out in $3) break ;; esac
done
"""

# For shells, without another process: they are started thousands of times.
TELL = 'while read -r line; do case $line in Cap*) echo "$line";; esac; done < /proc/self/status\n'

SYSCALLS = {
    "x86_64": {"capget": 125, "capset": 126, "execveat": 322, "fgetxattr": 193, "newfstatat": 262, "openat": 257,
               "prctl": 157, "pread64": 17, "prlimit64": 302, "statx": 332},
    "aarch64": {"capget": 90, "capset": 91, "execveat": 281, "fgetxattr": 10, "newfstatat": 79, "openat": 56,
                "prctl": 167, "pread64": 67, "prlimit64": 261, "statx": 291},
}


class Attacker:
    """The user, with a folder of their own, and code that shows whether it got a capability."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.home = world.folder("mine", uid=USER)
        self.mark = self.home / "mark"
        self.code = f"import sys; open('{self.mark}', 'a').close(); sys.stdout.write('attacker\\n' + {STATUS})\n"
        self.program = world.script("mine/evil", "#!/usr/bin/python3\n", self.code, caps=None, uid=USER)

    def python(self, program: str, *args: object, **more) -> Result:
        """Runs a Python program as the user."""
        return self.world.run("/usr/bin/python3", "-c", program, *args, **more)

    def writes(self, path: Path, text: str | None = None, mode: int = 0o755) -> Path:
        """Makes a file as the user, or fails the test: without the right to do so there is no attack."""
        code = "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2]); os.chmod(sys.argv[1], int(sys.argv[3]))"
        done = self.python(code, path, f"#!/usr/bin/python3\n{self.code}" if text is None else text, mode)
        assert done.code == 0, done
        return path

    def overwrites(self, path: Path, uid: int = USER, code: str | None = None) -> None:
        """Puts the attacker's code behind the first line of a script that the user can open for writing."""
        first = path.read_text().split("\n", 1)[0]
        done = self.python(OVERWRITE, path, f"{first}\n{code or self.code}", stdin=b"\n\n", uid=uid)
        assert done.text.endswith("written\n"), done

    def shell(self, wrapper: Path) -> str:
        """A script of the attacker's for that wrapper and dash, which tells what it was run with."""
        return f"#!{wrapper} dash\necho attacker\n: > {self.mark}\n{TELL}"

    def repeats(self, command: object, tries: int) -> list[Result]:
        """Runs a command that often, or until the attacker's code has the capability; what each run said."""
        won = f"attacker*CapEff:?{bit(GRANT):016x}*"
        done = self.world.run("dash", "-c", RUNS, "dash", command, tries, won, timeout=300)
        assert done.code == 0 and not done.err, done
        return [Result(0, told, "") for told in done.out.split(b"\n\036")[:-1]]

    def races(self, good: Path, evil: Path, *argv: object, tries: int = 40) -> Result:
        return self.python(RACE, good, evil, tries, *argv)

    def wins(self, result: Result, caps: str = GRANT) -> None:
        """The attacker's code ran, and held the capability."""
        assert result.text.startswith("attacker\n"), result
        assert result.sets["CapEff"] & bit(caps) == bit(caps), result
        self.mark.unlink()

    def stopped(self, result: Result) -> None:
        """A refusal of any kind: which one depends on how the wrapper comes by the path of what has none."""
        assert result.code == 125 and result.out == b"", result
        assert result.err.startswith("capwrap: ") and result.err.count("\n") == 1, result
        self.loses()

    def loses(self) -> None:
        assert not self.mark.exists(), "the attacker's code ran"


def genuine(result: Result, caps: str = GRANT) -> None:
    """The script itself ran, with its grant and nothing else."""
    assert result.code == 0, result
    assert result.text.startswith("genuine\n"), result
    assert {result.sets[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {bit(caps)}, result


def fix_of(result: Result) -> str:
    return result.err.rstrip("\n").split("; ", 1)[1]


def mend(result: Result, again: tuple[str, Path] | None = None) -> None:
    """Runs the fix of a refusal as root, to the letter; `again`: the grant for the files that need it anew."""
    command, _, rest = fix_of(result).partition(" && setcap cap_NAME=i ")
    assert bool(rest) == bool(again), result
    subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    if again:
        World.setcap(*again)


def moved(world: World, result: Result) -> Path:
    """Runs the fix that installs the script anew, into a folder of the test, and grants it."""
    folder = world.folder("bin")
    command = fix_of(result).replace("/usr/local/bin", str(folder))
    assert command != fix_of(result), result
    subprocess.run(["bash", "-c", command], check=True)
    (script,) = folder.iterdir()
    World.setcap(f"{GRANT}=i", script)
    return script


def filtered(world: World, call: str, error: int, *argv: object, arg: tuple[int, int] = (-1, 0)) -> Result:
    """Runs argv as the user while a system call fails with that errno."""
    number = SYSCALLS[platform.machine()][call]
    return world.run("/usr/bin/python3", "-c", FILTER, USER, number, error, *arg, *argv, uid=0)


def linux(*version: int) -> bool:
    """Is this kernel that one, or a later one?"""
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2]) >= version


def execve_check() -> bool:
    """Has this kernel AT_EXECVE_CHECK?"""
    return linux(6, 14)


def held(program: str, *args: object, **more) -> subprocess.Popen:
    """Starts a Python program as the user, and waits for its first line."""
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c", program, *map(str, args)], user=USER, group=USER, extra_groups=[],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    assert process.stdout.readline(), "it did not start"
    return process


@contextmanager
def holding(program: str, *args: object, **more):
    """A Python program of the user's that runs meanwhile."""
    process = held(program, *args, **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def sysctl(name: str, value: object):
    """A setting of the kernel's that is another one meanwhile; the lock is for two runs of the tests."""
    file = Path("/proc/sys", name.replace(".", "/"))
    if not file.exists():
        yield  # what it could forbid is allowed
        return
    with file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = lock.read()
        try:
            file.write_text(f"{value}\n")
            yield
        finally:
            file.write_text(before)


def jobs(world: World, line: object = "python3", body: str = GENUINE, caps: str = GRANT,
         folder: str = "") -> tuple[Path, Path]:
    """The same script for the naive wrapper and for capwrap."""
    return (world.script(f"{folder}naive-job", line, body, f"{caps}=i", wrapper=world.naive),
            world.script(f"{folder}job", line, body, f"{caps}=i"))


def mount(*args: object) -> None:
    subprocess.run(["mount", *map(str, args)], check=True)


