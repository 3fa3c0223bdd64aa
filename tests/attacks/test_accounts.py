"""Attacks on a script that runs as a user of its own: what its caller leaves it, and how the caller gets at it all the same."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit import ACCOUNT, BUILD, GENUINE, GRANT, NODE_FILE, USER, bit, bounding, sets_in

LASTING = "import sys, time\nprint('genuine', flush=True)\ntime.sleep(60)\n"
NODE = "console.log('genuine'); setTimeout(() => {}, 60000);\n"


@contextmanager
def running(accounts, *argv, before: str = "", cwd="/"):
    """Runs a script as the user, whose Python does something before; until its first line."""
    program = f"import os, signal, sys, fcntl, socket\nkept = []\n{before}\nos.execv(sys.argv[1], sys.argv[1:])"
    words = accounts.enter("sh", "-c", 'cd "$0" && exec "$@"', cwd, BUILD / "tests/programs/as", USER, USER,
                           "/usr/bin/python3", "-c", program, *argv)
    process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}, text=True)
    try:
        line = process.stdout.readline()
        assert line == "genuine\n", line + process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def listening(uid: int) -> set[str]:
    """The sockets of that user that wait for connections."""
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {words[1] for words in rows if words[3] == "0A" and words[7] == str(uid)}


def alive(process) -> bool:
    return process.poll() is None


REACH = """
import ctypes, os, resource, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def tells(what, attempt):
    try:
        done = attempt()
    except OSError as error:
        done = None
    print(what, "done" if done not in (None, -1) else "no")
tells("kill", lambda: (os.kill(pid, 0), 1))
tells("limit", lambda: resource.prlimit(pid, resource.RLIMIT_CPU))
tells("memory", lambda: open(f"/proc/{pid}/mem", "r+b"))
tells("environment", lambda: open(f"/proc/{pid}/environ").read())
tells("descriptors", lambda: os.listdir(f"/proc/{pid}/fd"))
tells("root", lambda: os.readlink(f"/proc/{pid}/root"))
tells("pidfd", lambda: libc.syscall(438, os.pidfd_open(pid), 0, 0))
tells("nice", lambda: (os.setpriority(os.PRIO_PROCESS, pid, 5), 1))
tells("processors", lambda: (os.sched_setaffinity(pid, {0}), 1))
tells("scheduler", lambda: (os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)), 1))
tells("ptrace", lambda: libc.ptrace(0x4206, pid, 0, 0))
"""


def test_account_out_of_reach(world, accounts):
    """As its own user's a script may be signalled, limited, slowed down; as the account's it may not."""
    for line, expected in (("python3", {"kill", "limit"}), ("--user acct python3", set())):
        script = world.script("job", line, LASTING)
        with running(accounts, script) as process:
            told = accounts.run("/usr/bin/python3", "-c", REACH, process.pid)
            assert told.code == 0, told
            done = {row.split()[0] for row in told.text.splitlines() if row.endswith(" done")}
            assert done >= expected if expected else not done, told
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert sets_in(status)["CapEff"] == bit(GRANT)
            assert f"Uid:\t{USER if expected else ACCOUNT}\t" in status


# What the caller does before, and afterwards to the process.
WAITING = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); os.kill(os.getpid(), signal.SIGUSR1)"
BY_FILE = """
r, w = os.pipe()
os.set_inheritable(r, True)
os.set_inheritable(w, True)
fcntl.fcntl(r, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(r, fcntl.F_SETSIG, signal.SIGUSR1)
fcntl.fcntl(r, fcntl.F_SETFL, fcntl.fcntl(r, fcntl.F_GETFL) | os.O_ASYNC)
if not os.fork():
    import time
    time.sleep(1)
    os.write(w, b"x")
    os._exit(0)
"""


@pytest.mark.skipif(not NODE_FILE, reason="there is no node")
@pytest.mark.parametrize("way", ["sent", "waiting", "by a file"])
def test_account_debugger(world, accounts, refused, way):
    """SIGUSR1 opens node's debugger to everybody on the machine. The caller may not send it to an account's process; but a
    signal that waits passes through execve, and one that a file sends has its sender's rights. A virtual console sends what
    its user chose whoever the process has become: so node is to be closed here, too."""
    refused(accounts.run(world.script("job", f"--user acct {NODE_FILE}", NODE)), "PROVEN_NEEDS", world.top / "job")
    before = {"sent": "", "waiting": WAITING, "by a file": BY_FILE}[way]
    for line, uid in ((f"--unproven {NODE_FILE}", USER), (f"--unproven --user acct {NODE_FILE}", ACCOUNT)):
        script = world.script("job", line, NODE)
        with running(accounts, script, before=before) as process:
            if way == "sent":
                told = accounts.run("sh", "-c", f"kill -USR1 {process.pid}")
                assert (told.code == 0) == (uid == USER), told
            deadline = time.monotonic() + (10 if uid == USER else 3)
            while not listening(uid) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert bool(listening(uid)) == (uid == USER)
            assert alive(process)


LOWER = """
import os, resource, sys
found = set()
for _ in range(40):
    r, w = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(w, 1)
        os.close(r)
        os.execv(sys.argv[1], sys.argv[1:])
    os.close(w)
    try:
        while True:
            resource.prlimit(child, resource.RLIMIT_CORE, (0, 0))
    except (PermissionError, ProcessLookupError):
        pass
    found.add(open(r).read())
    os.waitpid(child, 0)
print(sorted(found))
"""


def test_account_core_limit(world, accounts):
    """The caller lowers the limit of a core file from 1 to 0, which a core pipe ignores, as soon as it was set."""
    if not bounding() & bit("cap_sys_resource"):
        pytest.skip("this machine's bounding set lacks cap_sys_resource, without which a limit of 0 stays 0")
    body = "while read -r line; do case $line in 'Max core'*) echo $line;; esac; done </proc/self/limits\n"
    script = world.script("job", "--user acct dash", body)
    told = accounts.run("/usr/bin/python3", "-c", LOWER, script)
    assert told.text == "['Max core file size 1 1 bytes\\n']\n", told


KEYS = """
import ctypes, sys
libc = ctypes.CDLL("libkeyutils.so.1")
found = libc.request_key(b"user", b"planted", None, -3)
made = libc.add_key(b"user", b"left", b"secret", 6, -3)
print("genuine", found >= 0, made, flush=True)
if len(sys.argv) > 1:
    sys.stdin.read()
"""


def test_account_keys(world, accounts):
    """The caller's session keyring: the script would take what is planted there, and leave its own keys there."""
    plant = ("import ctypes, os, sys; libc = ctypes.CDLL('libkeyutils.so.1'); libc.keyctl_join_session_keyring(None); "
             "assert libc.add_key(b'user', b'planted', b'evil', 4, -3) > 0; os.system(sys.argv[1]); "
             "print(libc.keyctl_search(-3, b'user', b'left', 0) > 0)")
    for line, expected in (("python3", "True"), ("--user acct python3", "False")):
        told = accounts.run("/usr/bin/python3", "-c", plant, world.script("job", line, KEYS))
        assert re.fullmatch(rf"genuine {expected} \d+\n{expected}\n", told.text), told


@pytest.mark.parametrize("timer", ["ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF"])
def test_account_timer(world, accounts, timer):
    """A timer outlives execve, and would send the script a signal when the caller likes."""
    body = "import os\nwhile os.times().user < 0.8: pass\nprint('genuine')\n"
    set_timer = f"import os, signal, sys; signal.setitimer(signal.{timer}, 0.3); os.execv(sys.argv[1], sys.argv[1:])"
    plain, own = (world.script(name, line, body) for name, line in (("plain", "python3"), ("own", "--user acct python3")))
    assert accounts.run("/usr/bin/python3", "-c", set_timer, plain).text == ""
    assert accounts.run("/usr/bin/python3", "-c", set_timer, own).text == "genuine\n"


def test_account_every_signal_that_waits(world, accounts):
    """None is left, also of those in real time."""
    wait = ("import signal, os\nfor number in range(1, 65):\n    if number not in (9, 19, 32, 33):\n"
            "        signal.pthread_sigmask(signal.SIG_BLOCK, [number]); os.kill(os.getpid(), number)\n")
    begin = wait + "import sys\nos.execv(sys.argv[1], sys.argv[1:])\n"
    for line, expected in (("python3", True), ("--user acct python3", False)):
        result = accounts.run("/usr/bin/python3", "-c", begin, world.script("job", line, GENUINE))
        pending = [int(row.split()[1], 16) for row in result.text.splitlines() if row.startswith(("SigPnd", "ShdPnd"))]
        assert any(pending) == expected, result


def test_account_settings_of_the_caller(world, accounts, attacker):
    """ssh finds the caller's settings by passwd, whatever HOME is, and runs commands that stand there."""
    folder = world.folder("mine/.ssh", 0o700, uid=USER)
    evil = attacker.writes(folder / "evil")
    attacker.writes(folder / "config", f"Host *\n  ProxyCommand {evil}\n", 0o600)
    body = "ssh -o BatchMode=yes -o ConnectTimeout=1 nowhere.invalid true 2>/dev/null\n"
    accounts.run(world.script("plain", "dash", body))
    assert attacker.mark.exists()
    attacker.mark.unlink()
    accounts.run(world.script("own", "--user acct dash", body))
    attacker.loses()


def test_account_files_in_tmp(world, accounts):
    """A here-document of bash is a file, which its user could rewrite: that is the account."""
    body = "read -r line </dev/null\nls -ln /proc/self/fd/0 >/dev/null\npython3 -c 'import os; print(os.fstat(0).st_uid)' <<END\n" + \
        "x" * 70000 + "\nEND\n"
    for line, uid in (("bash", USER), ("--user acct bash", ACCOUNT)):
        assert accounts.run(world.script("job", line, body)).text == f"{uid}\n"


def test_account_shared(world, accounts):
    """Two scripts of one account can reach each other: capwrap(1) says one account for each."""
    lasting = world.script("lasting", "--user acct python3", LASTING)
    other = world.script("other", "--user acct python3", "import os, sys\nos.kill(int(sys.argv[1]), 9)\n")
    with running(accounts, lasting) as process:
        assert accounts.run(other, process.pid).code == 0
        assert process.wait() == -signal.SIGKILL
