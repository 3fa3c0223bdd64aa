"""What the tests share: a place to put scripts, scripts that tell what they have, and what an attacker brings."""

from __future__ import annotations  # tests/python loads this as well, with Python 3.9 too

import atexit
import ctypes
import fcntl
import grp
import json
import os
import platform
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# ---- The machine, and who acts on it

SOURCE = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("CAPWRAP_BUILD", SOURCE / "build/tests"))
EXAMPLES = SOURCE / "examples"
# What is tested is this build's, or, with CAPWRAP_INSTALLED, what is installed below that prefix; there CAPWRAP_BUILD has helpers only.
PREFIX = os.environ.get("CAPWRAP_INSTALLED")
PLACE = PREFIX or "/usr/local"  # what programs take for the place where they are installed
INSTALLED = f"{PLACE}/bin/capwrap"
LEARN = f"{PLACE}/sbin/capwrap-learn"
WRAPPER, CHECKER, GRANTER = (
    (Path(PREFIX, "bin/capwrap"), Path(PREFIX, "bin/capwrap-check"), Path(PREFIX, "sbin/capwrap-grant")) if PREFIX else
    (BUILD / "src/capwrap/capwrap", BUILD / "src/check/capwrap-check", BUILD / "src/grant/capwrap-grant"))
THOROUGH = os.environ.get("THOROUGH") == "1"  # what takes long, too, and more of what is tried at random or in every combination
LIBCAP = ctypes.CDLL("libcap.so.2", use_errno=True)
LIBCAP.cap_from_text.restype = ctypes.c_void_p
SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")
PYTHON_FILE = Path("/usr/bin/python3").resolve()
NODE_FILE = shutil.which("node", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")

# Whatever ours are, by nohup or as a job in the background: what the tests run has a shell's.
signal.pthread_sigmask(signal.SIG_SETMASK, [])
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
os.umask(0o022)  # whatever root's is: what the tests install is for others to run


def free_uid(start: int) -> int:
    """A uid that belongs to nobody: what it owns and runs can be told apart from all else."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in range(start, start + 1000) if uid not in taken)


USER = free_uid(50000 + os.getpid() % 5000 * 3)  # so that two runs do not meet
OTHER = free_uid(USER + 1)
ACCOUNT = free_uid(OTHER + 1)  # for scripts
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]


def last_cap() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())


def bounding() -> int:
    """The bounding set of the tests: a machine may have less than all."""
    return int(re.search(r"CapBnd:\s*(\w+)", Path("/proc/self/status").read_text())[1], 16)


def linux(*version: int) -> bool:
    """Is this kernel that one, or a later one?"""
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2]) >= version


def execve_check() -> bool:
    """Has this kernel AT_EXECVE_CHECK?"""
    return linux(6, 14)


def often(times: int) -> int:
    """How many times something is tried that may go wrong at any moment."""
    return times if THOROUGH else times // 4


# ---- Capability sets


def sets_in(status: str) -> dict[str, int]:
    """The capability sets in the text of a /proc/PID/status."""
    return {name: int(value, 16) for name, value in re.findall(r"^(Cap\w+):\s*([0-9a-f]+)", status, re.M)}


@cache
def bit(name: str) -> int:
    """The mask of capabilities, by name and by libcap: cap_net_raw,cap_kill."""
    text = subprocess.run(["capsh", "--decode=ffffffffffffffff"], capture_output=True, text=True, check=True).stdout
    names = text.strip().split("=")[1].split(",")
    return sum(1 << names.index(part) for part in name.split(","))


@cache
def names(mask: int) -> str:
    """A mask as setcap takes it: cap_net_raw,cap_kill."""
    text = subprocess.run(["capsh", f"--decode={mask:x}"], capture_output=True, text=True, check=True).stdout
    return text.strip().split("=")[1]


def grant(mask: int) -> dict[str, int]:
    """The four sets of a script that runs with exactly this grant, as an ordinary run has them."""
    return dict.fromkeys(SETS, mask)


def four(sets: dict[str, int]) -> dict[str, int]:
    """The sets that a grant decides, of all that a status has."""
    return {name: sets[name] for name in SETS}


def all_of(path: Path) -> tuple:
    """All that a file is, but for the time of its last reading."""
    st = path.stat()
    return (path.read_bytes(), st.st_ino, st.st_mtime_ns, st.st_ctime_ns, st.st_mode, st.st_uid, st.st_gid,
            {name: os.getxattr(path, name) for name in os.listxattr(path)})


# ---- A place to put wrappers and scripts


@dataclass
class Result:
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def sets(self) -> dict[str, int]:
        return sets_in(self.text)


class World:
    """A trusted folder with a wrapper that holds every capability, and whatever a test puts beside it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.wrapper = self.program("capwrap", WRAPPER)
        self.naive = self.program("naive", BUILD / "tests/programs/naive")

    def program(self, name: str, source: Path, caps: str = "all=p") -> Path:
        target = self.top / name
        shutil.copyfile(source, target)
        target.chmod(0o755)
        if caps:
            self.setcap(caps, target)
        return target

    def folder(self, name: str, mode: int = 0o755, uid: int = 0) -> Path:
        path = self.top / name
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, uid, uid)
        path.chmod(mode)
        return path

    @staticmethod
    def setcap(caps: str, path: Path | str) -> None:
        """What setcap does, without a process: most of the tests do it several times."""
        value = LIBCAP.cap_from_text(caps.encode())
        assert value, caps
        done = LIBCAP.cap_set_file(os.fsencode(path), ctypes.c_void_p(value))
        error = ctypes.get_errno()
        LIBCAP.cap_free(ctypes.c_void_p(value))
        if done:
            raise OSError(error, os.strerror(error), str(path))

    def script(
        self,
        path: str | Path,
        line: str | bytes | Path,
        body: str | bytes = "",
        caps: str | None = "cap_net_raw=i",
        mode: int = 0o755,
        uid: int = 0,
        wrapper: Path | None = None,
    ) -> Path:
        """Installs a script with #!capwrap LINE. A line that begins with #! or is bytes is taken as it is."""
        line = str(line) if isinstance(line, Path) else line
        path = self.top / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(line, str) and not line.startswith("#!"):
            line = f"#!{wrapper or self.wrapper} {line}\n"
        head = line.encode() if isinstance(line, str) else line
        path.unlink(missing_ok=True)
        path.write_bytes(head + (body.encode() if isinstance(body, str) else body))
        os.chown(path, uid, uid)
        path.chmod(mode)
        if caps:
            self.setcap(caps, path)
        return path

    @staticmethod
    def run(*argv: object, uid: int = USER, gid: int | None = None, stdin: bytes | None = None, **more) -> Result:
        """Runs a command as an unprivileged uid without groups."""
        more.setdefault("timeout", 60)
        more.setdefault("cwd", "/")
        more.setdefault("env", {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
        if stdin is None:
            more.setdefault("stdin", subprocess.DEVNULL)
        else:
            more["input"] = stdin
        words = [arg if isinstance(arg, bytes) else str(arg) for arg in argv]
        gid = uid if gid is None else gid
        if more.keys() & {"executable", "preexec_fn"}:
            more |= {"user": uid, "group": gid, "extra_groups": []}
        else:
            words = [str(BUILD / "tests/programs/as"), str(uid), str(gid), *words]
        done = subprocess.run(words, capture_output=True, **more)
        if done.returncode == 99 and (failed := re.fullmatch(rb"as: (\d+)\n", done.stdout)):
            raise OSError(int(failed[1]), os.strerror(int(failed[1])), os.fsdecode(argv[0]))
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="backslashreplace"))


# What closes node's debugger: it has one or another; before 20 it has none.
CLOSING = ("--disable-sigusr1", "--permission --allow-fs-read=* --allow-child-process",
           "--experimental-permission --allow-fs-read=* --allow-child-process")
CLOSED = next((options for options in CLOSING if NODE_FILE and not subprocess.run(
    [NODE_FILE, *options.split(), "-e", "0"], capture_output=True).returncode), None)
NODE_IS_OPEN = "this machine's node has nothing that closes its debugger"


def end_all_of(*uids: int) -> None:
    """Kills all that they run; pkill -u takes ten times as long."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if int(re.search(r"^Uid:\t\d+\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) in uids:
                os.kill(int(pid), signal.SIGKILL)


def remove_tree(top: Path) -> None:
    """Unmounts whatever a test left mounted below, and removes it all."""
    with open("/proc/self/mountinfo") as table:
        points = [line.split()[4] for line in table]
    for point in reversed(points):
        if point.startswith(f"{top}/"):
            subprocess.run(["umount", "-l", point], check=False)
    try:
        shutil.rmtree(top)
    except PermissionError:  # something is immutable
        subprocess.run(["chattr", "-R", "-f", "-i", "-a", str(top)], check=False)
        shutil.rmtree(top)


def mount(*args: object) -> None:
    subprocess.run(["mount", *map(str, args)], check=True)


def acl(path, *entries):
    subprocess.run(["setfacl", "-m", ",".join(entries), str(path)], check=True)


def interpreter(world, name=f"bin/{PYTHON_FILE.name}", caps=""):
    """A copy of Python, by default under a name that the table of interpreters has."""
    (world.top / name).parent.mkdir(parents=True, exist_ok=True)
    return world.program(name, PYTHON_FILE, caps)


# Keeps the namespaces of a Machine open: binds the folders that it is given, lets changes of /etc go elsewhere, and brings up the
# loopback device.
HOLDER = """
import fcntl, socket, struct, subprocess, sys
top, *places = sys.argv[1:]
for place in places:
    subprocess.run(["mount", "--bind", top + place, place], check=True)
layers = f"lowerdir=/etc,upperdir={top}/etc,workdir={top}/work"
subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", "/etc"], check=True)
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 1))
print("ready", flush=True)
sys.stdin.read()
"""


@cache
def python_package() -> Path:
    """Where the Python package is installed below."""
    place = Path(tempfile.mkdtemp(prefix="capwrap-python-"))
    atexit.register(remove_tree, place)
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "python-runtime",
                    "--destdir", place], check=True, stdout=subprocess.DEVNULL)
    place.chmod(0o755)
    return place


class Machine:
    """The machine with folders of the test in place of /usr/local, /srv, /home and /root, with an /etc on which the machine's shows
    through, and with processes and a network of its own, or the network of another one. When it is closed, its processes end."""

    PLACES = ("/usr/local", "/srv", "/home", "/root")

    def __init__(self, world: World, name: str = "machine", beside: Machine | None = None) -> None:
        self.world = world
        self.top = world.folder(name)
        for place in (*self.PLACES, "/etc", "/work"):
            world.folder(f"{name}{place}", 0o700 if place == "/root" else 0o755)
        for folder in ("bin", "sbin", "lib"):
            world.folder(f"{name}/usr/local/{folder}")
        world.program(f"{name}/usr/local/bin/capwrap", WRAPPER)
        if not PREFIX:
            shutil.copytree(python_package(), self.top, dirs_exist_ok=True)
        shutil.copytree(EXAMPLES, self.top / "examples")
        network = ["nsenter", f"--net=/proc/{beside.holder.pid}/ns/net", "unshare"] if beside else ["unshare", "--net"]
        self.holder = subprocess.Popen(
            [*network, "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
             "/usr/bin/python3", "-c", HOLDER, self.top, *self.PLACES],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"

    def close(self) -> None:
        self.holder.communicate()

    def command(self, *argv: object, user: str | int = USER, group: str = "") -> list[object]:
        """A command line that runs another one there, as a user and a member of one more group."""
        entry = pwd.getpwnam(user) if isinstance(user, str) else None
        uid, gid = (entry.pw_uid, entry.pw_gid) if entry else (user, user)
        groups = f"--groups={grp.getgrnam(group).gr_gid}" if group else "--clear-groups"
        of = f"/proc/{self.holder.pid}/ns"
        # setpriv itself has root's capabilities until it has executed something: a shell.
        drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", groups, "sh", "-c", 'exec "$@"', "sh"]
        return ["nsenter", f"--mount={of}/mnt", f"--net={of}/net", f"--pid={of}/pid_for_children", *drop, *argv]

    def run(self, *argv: object, user: str | int = USER, group: str = "", **more) -> Result:
        return self.world.run(*self.command(*argv, user=user, group=group), uid=0, **more)

    def blocks(self, example: str) -> list[str]:
        """Runs the commands in the header of an example, as root; returns the other blocks there, as text."""
        text = re.sub("^# ?", "", (EXAMPLES / example).read_text(), flags=re.M)
        install, *rest = re.findall(r"(?:^ {4}\S.*\n)+", text.partition("\n\nimport")[0].partition("\nif [")[0], re.M)
        result = self.run("sh", "-ec", f"cd {self.top}/examples\n{install}", user="root",
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert (result.code, result.err) == (0, ""), result
        return rest

    def install(self, example: str) -> list[str]:
        """The same; returns the command to run it."""
        return shlex.split(self.blocks(example)[0])


class Grants:
    """The machine with an /etc, /usr, /var/lib and /var/tmp of the test's own, on which what is there shows through, and with capwrap
    and capwrap-grant where they are installed."""

    PLACES = ("/etc", "/usr", "/var/lib", "/var/tmp")

    def __init__(self, world: World) -> None:
        self.world = world
        self.top = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
        over = 'for options; do mount -t overlay -o "$options" overlay "${options##*=}"; done; echo ready; exec cat'
        layers = []
        for place in self.PLACES:
            upper, work = (self.top / f"{name}{place.replace('/', '_')}" for name in ("upper", "work"))
            upper.mkdir()
            work.mkdir()
            layers.append(f"upperdir={upper},workdir={work},lowerdir={place}")
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-ec", over, "sh", *layers],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"
        for path in ("etc/capwrap.d", "usr/share/capwrap.d", "var/lib/capwrap", *self.at("var/tmp").glob("capwrap-edit-*")):
            shutil.rmtree(self.at(path), ignore_errors=True)
        self.wrapper = self.put(INSTALLED[1:], WRAPPER)
        self.program = self.put("usr/local/sbin/capwrap-grant", GRANTER)
        self.world.setcap("all=p", self.wrapper)
        self.own, self.ledger = self.at("etc/capwrap.d/capwrap-grant.conf"), self.at("var/lib/capwrap/granted")

    def at(self, path: str) -> Path:
        """How a path of that machine is reached from this one."""
        return Path(f"/proc/{self.holder.pid}/root", path)

    def put(self, path: str, source: Path) -> Path:
        target = self.at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755)
        return target

    def list(self, name: str, text: str, place: str = "etc") -> Path:
        """A list, as an administrator or a package has it."""
        file = self.at(f"{place}/capwrap.d/{name}")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    def command(self, *argv: object, uid: int = 0) -> list[object]:
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", BUILD / "tests/programs/as", uid, uid, *argv]

    def run(self, *argv: object, uid: int = 0, **more) -> Result:
        more.setdefault("env", {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        return self.world.run(*self.command(*argv, uid=uid), uid=0, **more)

    def __call__(self, *argv: object, code: int = 0, **more) -> Result:
        """Runs capwrap-grant as root."""
        result = self.run("capwrap-grant", *argv, **more)
        assert result.code == code, result
        return result

    def runs(self, script: Path, *argv: object, caps: str = "cap_net_raw", uid: int = USER) -> None:
        """A user runs it, and it has just that."""
        result = self.run(script, *argv, uid=uid)
        assert result.code == 0, result
        assert four(sets_in(result.text)) == grant(bit(caps)), result

    def status(self, code: int | None = None) -> dict[str, dict]:
        """What --status says, by path."""
        result = self.run("capwrap-grant", "--status", "--json")
        assert result.code == code or code is None, result
        return {row["path"]: row for row in json.loads(result.out)}

    def close(self) -> None:
        self.holder.communicate()
        remove_tree(self.top)


@cache
def learn_files() -> Path:
    """Where capwrap-learn and its modules are installed below."""
    place = Path(tempfile.mkdtemp(prefix="capwrap-learn-", dir="/opt"))
    atexit.register(remove_tree, place)
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "learn,python-runtime",
                    "--destdir", place], check=True, stdout=subprocess.DEVNULL)
    return place


class Learner:
    """capwrap-learn, installed in a machine's /usr/local."""

    def __init__(self, grants: Grants) -> None:
        self.grants, self.world = grants, grants.world
        if not PREFIX:
            shutil.copytree(learn_files() / "usr/local", grants.at("usr/local"), dirs_exist_ok=True)
            grants.put("usr/local/bin/capwrap-check", CHECKER)

    def command(self, *argv: object, before: Sequence[object] = ()) -> list[object]:
        """`before`: a command that runs it, in that machine."""
        return self.grants.command(*before, LEARN, "-u", USER, *argv)

    def run(self, *argv: object, before: Sequence[object] = (), **more) -> Result:
        more.setdefault("env", {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        return self.world.run(*self.command(*argv, before=before), uid=0, timeout=300, **more)

    def __call__(self, *argv: object, code: int = 0, **more) -> dict:
        """What it finds."""
        result = self.run("--json", *argv, **more)
        assert result.code == code and result.err == "", result
        found = json.loads(result.out)
        # Some runs tell what the script needs, and not one more than it takes.
        assert found["runs"] <= found["weighed"] + 4 + found["lines"] or found["verdict"] == "unsteady", found
        return found

    def needs(self, *argv: object, **more) -> str:
        """The proven grant, as setcap takes it."""
        found = self(*argv, **more)
        assert found["verdict"] == ("needs" if found["capabilities"] else "nothing"), found
        assert [row["capability"] for row in found["needs"]] == found["capabilities"], found
        return ",".join(found["capabilities"])


class Registered:
    """The wrapper of a world, registered with binfmt_misc for lines that name it. The entry is the machine's; nothing else has
    its magic."""

    def __init__(self, world: World, flags: str = "OC", caps: str = "", magic: str = "",
                 interpreter: Path | None = None) -> None:
        self.world = world
        self.place = world.folder("binfmt_misc")
        mount("-t", "binfmt_misc", "none", self.place)
        self.sweep()
        if caps:
            world.setcap(caps, world.wrapper)
        else:
            with suppress(OSError):
                os.removexattr(world.wrapper, "security.capability")
        self.names = []
        for blank in ("\\x20", "\\x09"):
            self.register(f"{magic or f'#!{world.wrapper}'}{blank}", flags, interpreter)

    def register(self, magic: str, flags: str, interpreter: Path | None = None) -> None:
        name = f"{self.world.top.name}-{len(self.names)}"
        (self.place / "register").write_text(f":{name}:M::{magic}::{interpreter or self.world.wrapper}:{flags}\n")
        self.names.append(name)

    def sweep(self) -> None:
        """Removes what a run that was killed has left."""
        for entry in self.place.glob("capwrap-test-*"):
            with suppress(OSError):
                if not Path(re.search(r"interpreter (.*)", entry.read_text())[1]).exists():
                    entry.write_text("-1")

    def close(self) -> None:
        for name in self.names:
            with suppress(OSError):
                (self.place / name).write_text("-1")
        self.names = []

    def check(self, script: object, *options: object, uid: int = USER) -> dict:
        """What capwrap-check says, where binfmt_misc is where it looks."""
        at = ["unshare", "--mount", "sh", "-c", 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && exec "$@"', "sh",
              BUILD / "tests/programs/as", uid, uid, CHECK]
        return json.loads(self.world.run(*at, "--json", *options, script, uid=0).out)[0]


class Accounts:
    """The machine with an /etc/passwd and an /etc/group of the test's, which its `passwd` and `group` hold."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.passwd, self.group = (world.folder("etc") / name for name in ("passwd", "group"))
        self.passwd.write_text(f"root:x:0:0:root:/root:/bin/sh\nacct:x:{ACCOUNT}:{ACCOUNT}:an account:/nonexistent:/bin/sh\n"
                               f"caller:x:{USER}:{USER}::{world.top}/mine:/bin/sh\n")
        self.group.write_text(f"root:x:0:\nacct:x:{ACCOUNT}:\none:x:{ACCOUNT + 1}:acct\ntwo:x:{ACCOUNT + 2}:caller,acct\n"
                              f"three:x:{ACCOUNT + 3}:caller\n")
        bind = ('for name in passwd group; do mount --bind "$1/$name" "/etc/$name"; done; echo ready; exec cat')
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-ec", bind, "sh", world.top / "etc"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"

    def close(self) -> None:
        self.holder.communicate()

    def enter(self, *argv: object) -> list[object]:
        """A command line that runs another one there."""
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", *argv]

    def run(self, *argv: object, uid: int = USER, cwd: object = "/", **more) -> Result:
        """As the user, in a directory."""
        into = ["sh", "-c", 'cd "$0" && exec "$@"', cwd, BUILD / "tests/programs/as", uid, uid]
        return self.world.run(*self.enter(*into, *argv), uid=0, **more)

    def mount(self, *args: object) -> None:
        subprocess.run([str(word) for word in self.enter("mount", *args)], check=True)

    def paste(self, result: Result) -> None:
        """Runs the fix of a refusal there, as root."""
        subprocess.run([str(word) for word in self.enter("dash", "-c", fix_of(result))], check=True)


# ---- Scripts that tell what they have

GRANT = "cap_net_raw"
STATUS = "import sys; sys.stdout.write(open('/proc/self/status').read())\n"
GENUINE = "import sys; sys.stdout.write('genuine\\n' + open('/proc/self/status').read())\n"
IMPORTS = "try:\n    import colour\nexcept ImportError:\n    pass\n" + GENUINE

# Tells what it was started with, byte by byte as Latin-1.
REPORT = """
import ctypes, json, os, resource, sys

def read(name):
    return open(f"/proc/self/{name}", "rb").read().decode("latin-1")

def child():
    reader, writer = os.pipe()
    os.posix_spawn("/usr/bin/env", ["env", "-0"], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])
    os.close(writer)
    with open(reader, encoding="latin-1") as told:
        return told.read()

umask = os.umask(0)
os.umask(umask)
json.dump({
    "argv": read("cmdline").split("\\0")[:-1],
    "environment": read("environ").split("\\0")[:-1],
    "child": child().split("\\0")[:-1],
    "status": read("status"),
    "umask": umask,
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "securebits": ctypes.CDLL(None).prctl(27, 0, 0, 0, 0),
    "open": [fd for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{fd}")],
}, sys.stdout)
"""


class Seen:
    """What REPORT told."""

    def __init__(self, result) -> None:
        assert result.code == 0, result
        self.__dict__ |= json.loads(result.out)
        names_of = [entry.partition("=")[0] for entry in self.environment]
        assert len(set(names_of)) == len(names_of), names_of
        self.variables = dict(entry.split("=", 1) for entry in self.environment)


# For shells, without another process: they are started thousands of times.
TELL = 'while read -r line; do case $line in Cap*) echo "$line";; esac; done < /proc/self/status\n'


def jobs(world: World, line: object = "python3", body: str = GENUINE, caps: str = GRANT,
         folder: str = "") -> tuple[Path, Path]:
    """The same script for the naive wrapper and for capwrap."""
    return (world.script(f"{folder}naive-job", line, body, f"{caps}=i", wrapper=world.naive),
            world.script(f"{folder}job", line, body, f"{caps}=i"))


def genuine(result: Result, caps: str = GRANT) -> None:
    """The script itself ran, with its grant and nothing else."""
    assert result.code == 0, result
    assert result.text.startswith("genuine\n"), result
    assert {result.sets[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {bit(caps)}, result


def permitted_only(result, caps=GRANT):
    """The arrangement of an interpreter with =i: permitted, not effective, and not for child processes."""
    assert result.code == 0 and result.text.startswith("genuine\n"), result
    assert [result.sets[name] for name in SETS] == [bit(caps), bit(caps), 0, 0], result


def lacks(result, caps=GRANT):
    """What the naive wrapper does where the kernel gives it less: it runs the script without, and says nothing."""
    assert result.code == 0 and result.text.startswith("genuine\n"), result
    assert not result.sets["CapPrm"] & bit(caps), result


# ---- The same in each language, arguments included

PYTHON = """
import sys
print(open("/proc/self/status").read())
for word in sys.argv[1:]:
    print(f"[{word}]")
"""

PERL = """
open my $status, "<", "/proc/self/status";
print <$status>, map {"[$_]\\n"} @ARGV;
"""

RUBY = """
puts File.read("/proc/self/status")
ARGV.each { |word| puts "[#{word}]" }
"""

SHELL = """
while read -r line; do echo "$line"; done </proc/self/status
for word; do printf '[%s]\\n' "$word"; done
"""

NODE = """
console.log(require("fs").readFileSync("/proc/self/status", "utf8"));
for (const word of process.argv.slice(2)) console.log(`[${word}]`);
"""

LUA = """
print(io.open("/proc/self/status"):read("a"))
for i = 1, #arg do print("[" .. arg[i] .. "]") end
"""

TCL = """
puts [read [open /proc/self/status]]
foreach word $argv {puts "\\[$word\\]"}
"""

AWK = """
BEGIN {
	while ((getline line <"/proc/self/status") > 0) print line
	for (i = 1; i < ARGC; i++) print "[" ARGV[i] "]"
}
"""

PHP = """
<?php
echo file_get_contents("/proc/self/status");
foreach (array_slice($argv, 1) as $word) echo "[$word]\\n";
"""

GUILE = """!#
(use-modules (ice-9 textual-ports))
(display (call-with-input-file "/proc/self/status" get-string-all))
(for-each (lambda (word) (format #t "[~a]~%" word)) (cdr (command-line)))
"""

CSH = """
while ($#argv)
	printf "[%s]\\n" "$1:q"
	shift
end
"""

R = """
writeLines(readLines("/proc/self/status"))
cat(sprintf("[%s]\\n", commandArgs(TRUE)), sep = "")
"""


# ---- The attacker

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
ROOM = "#" * 2000 + "\n"  # for an attacker's code to be written over

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


class Attacker:
    """The user, with a folder of their own, and code that shows whether it got a capability."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.home = world.folder("mine", uid=USER)
        self.mark = self.home / "mark"
        self.code = (f"import sys; open('{self.mark}', 'a').close(); "
                     "sys.stdout.write('attacker\\n' + open('/proc/self/status').read())\n")
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


def evil(world: World, name: str = "evil") -> Path:
    """A program of the caller's that tells, on standard error, which capabilities it was run with."""
    body = "exec >&2\necho EVIL\ngrep ^Cap /proc/self/status\n"
    return world.script(f"home/{name}", "#!/bin/sh\n", body, caps=None, uid=USER)


# ---- Ways to start a program


def executes(*argv: object, environment: Sequence[object] = (), program: object):
    """For preexec_fn: execve with just these arguments, of which there may be none, and this environment."""
    def array(some: Sequence[object]):
        words = (word if isinstance(word, bytes) else os.fsencode(str(word)) for word in some)
        return (ctypes.c_char_p * (len(some) + 1))(*words, None)

    words, variables = array(argv), array(environment)
    return lambda: ctypes.CDLL(None).execve(os.fsencode(program), words, variables)


# execve with an empty argv, which Linux from 5.18 on makes an argv of one empty string.
EMPTY_ARGV = """
import ctypes, sys
ctypes.CDLL(None).execve(sys.argv[1].encode(), (ctypes.c_char_p * 1)(None), (ctypes.c_char_p * 1)(None))
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

# Runs argv as root of a user namespace with 65536 ids, from the given one on, as a container without root has it, and with
# mounts of its own. As root.
CONTAINER = """
import ctypes, os, sys
first, *argv = sys.argv[1:]
unshare = ctypes.CDLL(None).unshare
ready, go = os.pipe(), os.pipe()
child = os.fork()
if not child:
    if unshare(0x10000000 | 0x20000):
        sys.exit("no user namespace")
    os.write(ready[1], b"1")
    os.read(go[0], 1)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.execvp(argv[0], argv)
os.read(ready[0], 1)
for ids in "uid_map", "gid_map":
    with open(f"/proc/{child}/{ids}", "w") as table:
        table.write(f"0 {first} 65536")
os.write(go[1], b"1")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
FIRST = 1 << 30  # an id that nobody has, nor 65535 after it


def namespace(*argv: object, first: int = FIRST) -> list[object]:
    """A command line that runs another one there, as its root."""
    return ["/usr/bin/python3", "-c", CONTAINER, first, *argv]


def container(tree: Path, *argv: object, uid: int = 1000, first: int = FIRST) -> list[object]:
    """The same as a user of it, and in a tree."""
    return namespace("/usr/sbin/chroot", f"--userspec={uid}:{uid}", "--groups=", tree, *argv, first=first)


def small_tree(world: World, owner: int) -> Path:
    """A tree with what a script, and a fix, of a container needs: the wrapper, dash, setcap, and a script without a grant."""
    tree = world.folder("tree")
    for program in ("/usr/bin/dash", "/usr/sbin/setcap"):
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for file in [program, *re.findall(r"(/\S+) \(", libraries)]:
            target = Path(f"{tree}{file}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            target.chmod(0o755)
    world.folder("tree/bin")
    (tree / "bin/sh").symlink_to("/usr/bin/dash")
    shutil.copy(world.wrapper, tree / "capwrap")
    world.script("tree/job", "#!/capwrap dash\n", f"echo genuine\n{TELL}", None)
    for place in ("proc", "dev"):
        world.folder(f"tree/{place}")
    subprocess.run(["chown", "-R", f"{owner}:{owner}", tree], check=True)
    for place in ("proc", "dev"):
        mount("--rbind", f"/{place}", tree / place)
    return tree


SYSCALLS = {
    "x86_64": {"capget": 125, "capset": 126, "execveat": 322, "fgetxattr": 193, "newfstatat": 262, "openat": 257,
               "prctl": 157, "pread64": 17, "prlimit64": 302, "rt_sigaction": 13, "rt_sigprocmask": 14, "statx": 332},
    "aarch64": {"capget": 90, "capset": 91, "execveat": 281, "fgetxattr": 10, "newfstatat": 79, "openat": 56,
                "prctl": 167, "pread64": 67, "prlimit64": 261, "rt_sigaction": 134, "rt_sigprocmask": 135, "statx": 291},
}

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


def filtered(world: World, call: str, error: int, *argv: object, arg: tuple[int, int] = (-1, 0)) -> Result:
    """Runs argv as the user while a system call fails with that errno."""
    number = SYSCALLS[platform.machine()][call]
    return world.run("/usr/bin/python3", "-c", FILTER, USER, number, error, *arg, *argv, uid=0)


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


# ---- The fix of a refusal


def fix_of(result: Result) -> str:
    return result.err.rstrip("\n").split("; ", 1)[1]


def mend(result: Result, again: tuple[str, Path] | None = None) -> None:
    """Runs the fix of a refusal as root, to the letter; `again`: the grant for the files that need it anew."""
    command, _, rest = fix_of(result).partition(" && setcap cap_NAME=ip ")
    assert bool(rest) == bool(again), result
    subprocess.run(["dash", "-c", command], check=True, capture_output=True)
    if again:
        World.setcap(*again)


def moved(world: World, result: Result) -> Path:
    """Runs the fix that installs the script anew and grants it, into a folder of the test."""
    folder = world.folder("bin")
    command = fix_of(result).replace("/usr/local/bin", str(folder)).replace("cap_NAME", GRANT)
    assert command != fix_of(result), result
    subprocess.run(["dash", "-c", command], check=True)
    (script,) = folder.iterdir()
    return script


# ---- The manual


def rendered(page: Path) -> str:
    """A manual page as plain text, in one line for each paragraph."""
    command = ["mandoc", "-Tascii", "-Owidth=900", str(page)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(".\b", "", text)


def section(text: str, name: str) -> str:
    return re.search(rf"^{name}\n(.*?)^(?=\S)", text, re.M | re.S)[1]


# ---- Completion


def complete(program: str, words: str) -> list[str]:
    """What bash offers behind the words of a command line, by the completion of capwrap-PROGRAM."""
    code = f"""
        source {SOURCE}/src/{program}/capwrap-{program}.bash
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE="{words}"; COMP_POINT=${{#COMP_LINE}}
        _capwrap_{program}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout.split()


# ---- Settings of the kernel's


@contextmanager
def sysctl(name: str, value: object):
    """A setting of the kernel's that is another one meanwhile; the lock is for two runs of the tests. What a run that
    was killed did not restore, the next one does."""
    file = Path("/proc/sys", name.replace(".", "/"))
    if not file.exists():
        yield  # what it could forbid is allowed
        return
    original = Path(f"/run/capwrap-test-{name}")
    with file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        original.touch()
        before = original.read_text() or lock.read()
        original.write_text(before)
        try:
            file.write_text(f"{value}\n")
            yield
        finally:
            file.write_text(before)
            original.unlink()


# ---- capwrap-check

def public(program: Path) -> Path:
    """A copy where every user can run it: a clone may lie in a home that is root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    return Path(shutil.copy(program, folder))


CHECK = public(CHECKER) if CHECKER.exists() else None
FIELDS = ["path", "verdict", "rule", "reason", "fix", "faults", "fixes", "others", "capabilities", "door", "starts", "interpreter", "command", "environment",
          "account", "directory", "may_run", "warnings"]


def check(world, *paths, **more) -> list[dict]:
    """The report of --json, as the unprivileged user."""
    result = world.run(CHECK, "--json", *paths, **more)
    assert result.err == "", result
    reports = json.loads(result.out)
    verdicts = [verdict for report in reports for verdict in (report, report["others"]) if verdict]
    assert result.code == any(verdict["verdict"] == "refused" for verdict in verdicts), result
    assert all(list(report) == FIELDS for report in reports)
    return reports
