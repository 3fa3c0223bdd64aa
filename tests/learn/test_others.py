"""Other processes of the user who tries it: they may trace what has no capability, and so get into a run, but not at a grant."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from kit import USER, World, held

# Waits, in each run anew, until it is let go.
WAITS = """
import os, time
log = 'LOG'
number = len(os.listdir(log))
open(f'{log}/{number}', 'w').write(str(os.getpid()))
while not os.path.exists(f'GO/{number}'):
    time.sleep(0.01)
"""


def begin(learn, *argv: object) -> subprocess.Popen:
    return subprocess.Popen([str(word) for word in learn.command(*argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def pid_in(path: Path) -> int:
    """What is written there, once it is."""
    end = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return int(path.read_text())


@pytest.fixture(params=["over the script", "elsewhere"])
def waits(world, request):
    """A script that needs something, where its copy lies over it, and where it lies elsewhere."""
    log, go = world.folder("log", 0o777), world.folder("go")
    secret = world.top / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    body = WAITS.replace("LOG", str(log)).replace("GO", str(go)) + f"open('{secret}')\n"
    uid = {"elsewhere": USER}.get(request.param, 0)
    script = world.script("home/script", "#!/usr/bin/python3\n", body, caps=None, uid=uid)
    os.chown(script.parent, uid, uid)
    return script


def copies(namespace: int, script: Path) -> list[str]:
    """All files of that name, as they are seen there, and behind a blank the capabilities that they have."""
    find = f"for file in {script} $(find /usr/local/share/capwrap -name {script.name}); do getcap $file; ls $file; done"
    done = subprocess.run(["nsenter", f"--mount=/proc/self/fd/{namespace}", "sh", "-c", find], capture_output=True, text=True,
                          pass_fds=[namespace], check=True)
    return done.stdout.splitlines()


def test_an_earlier_run_sees_no_later_grant(world, learn, waits):
    """Who has got into the first run, which has nothing, stays there, whatever is tried afterwards."""
    log, go = world.top / "log", world.top / "go"
    process = begin(learn, waits)
    first = os.open(f"/proc/{pid_in(log / '0')}/ns/mnt", os.O_RDONLY)
    (go / "0").touch()
    second = os.open(f"/proc/{pid_in(log / '1')}/ns/mnt", os.O_RDONLY)
    assert any(" " in line for line in copies(second, waits)), "the second run is with everything"
    seen = copies(first, waits)
    os.close(first)
    os.close(second)
    for number in range(1, 30):
        (go / str(number)).touch()
    out, _ = process.communicate(timeout=60)
    assert str(waits) in seen and not any(" " in line for line in seen), seen
    assert "needs cap_dac_read_search" in out


# ---- What does not end

# Attaches to a process, which may end afterwards but can't be waited for by its parent, and keeps it so.
KEEPS = """
import ctypes, os, signal, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid = int(sys.argv[1])
assert ptrace(0x4206, pid, None, None) == 0, ctypes.get_errno()
print("kept", flush=True)
signal.pause()
"""


def test_what_can_not_be_ended(world, learn, waits):
    """Then nothing is tried any more."""
    process = begin(learn, "-t", 1, waits)
    pid = pid_in(world.top / "log/0")
    tracer = held(KEEPS, pid)
    try:
        out, errors = process.communicate(timeout=60)
    finally:
        tracer.kill()
        tracer.communicate()
        process.kill()
    assert (process.returncode, out) == (1, "")
    assert errors == f"capwrap-learn: processes of a run can't be ended: {pid}\n"
    assert [file.name for file in (world.top / "log").iterdir()] == ["0"]


# Some chains of processes, each of which starts the next one and ends, and begins a chain anew that has been broken; for so many
# seconds. With those that are not yet waited for they are never more than MOST.
CHAINS = """
import mmap, os, resource, struct, time

def fork():
    try:
        return os.fork()
    except OSError:
        return -1

resource.setrlimit(resource.RLIMIT_NPROC, (MOST, MOST))
end, beats, own = time.monotonic() + SECONDS, mmap.mmap(-1, 4096), 0
if os.fork():
    time.sleep(0.2)
    os._exit(0)
while (now := time.monotonic()) < end:
    struct.pack_into("d", beats, 8 * own, now)
    for other in range(8):
        if now - struct.unpack_from("d", beats, 8 * other)[0] > 0.01:
            struct.pack_into("d", beats, 8 * other, now)
            if not fork():
                own = other
    if fork() > 0:
        break
os._exit(0)
"""


def test_chains(world, learn):
    """Whatever is quicker than what ends it: then it says so, in time, and tries nothing any more."""
    seconds = 40
    body = CHAINS.replace("SECONDS", str(seconds)).replace("MOST", "200")
    script = world.script("script", "#!/usr/bin/python3\n", body, caps=None)
    began = time.monotonic()
    result = learn.run(script)
    took = time.monotonic() - began
    left = subprocess.run(["ps", "-o", "stat=,args=", "-U", str(USER)], capture_output=True, text=True).stdout
    assert took < seconds, (took, result)
    assert (result.code, left) == (0, "") or result.code == 1 and "can't be ended: " in result.err, (result, left)
