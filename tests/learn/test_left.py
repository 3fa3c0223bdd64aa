"""Nothing is left: of a run, of one that is ended by a signal, and of one that is killed. And the script is not touched."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kit import USER, all_of, end_all_of, mount

SLEEPS = "#!/usr/bin/python3\n"


@pytest.fixture
def tracefs(world):
    """The kernel's account, as far as there is one."""
    for place in map(Path, ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")):
        if (place / "instances").is_dir():
            return place
    place = world.folder("tracing")
    try:
        mount("-t", "tracefs", "none", place)
    except subprocess.CalledProcessError:
        pass
    return place


def processes() -> list[str]:
    """The user's that still run."""
    done = subprocess.run(["ps", "-o", "stat=,args=", "-U", str(USER)], capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if not line.startswith("Z")]


def left(tracefs: Path, pid: int) -> list[str]:
    """What the run of that process has left."""
    found = [str(path) for path in tracefs.glob(f"instances/capwrap-learn-{pid}")]
    probes = tracefs / "kprobe_events"
    found += re.findall(rf".*capwrap_learn_{pid}/.*", probes.read_text()) if probes.exists() else []
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if "capwrap-learn" in line]
    return found + processes()


def gone(tracefs: Path, pid: int) -> None:
    end = time.monotonic() + 60
    while left(tracefs, pid):
        assert time.monotonic() < end, left(tracefs, pid)
        time.sleep(0.05)


def wait_for(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def script(world):
    """It leaves a process that has made a session of its own."""
    body = ("import os, subprocess, time\nsubprocess.Popen(['setsid', 'sleep', '600'])\n"
            "if os.path.exists('WAITS'): time.sleep(600)\n")
    return world.script("script", SLEEPS, body.replace("WAITS", f"{world.top}/waits"), caps=None)


def begun(learn, script) -> subprocess.Popen:
    """capwrap-learn, in the middle of a trial."""
    script.parent.joinpath("waits").touch()
    words = [str(word) for word in learn.command(script)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    wait_for(lambda: any("sleep 600" in line for line in processes()))
    return process


def test_of_a_run(learn, tracefs, script):
    before = all_of(script)
    words = [str(word) for word in learn.command(script)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and b"needs no capability" in out
    assert left(tracefs, process.pid) == []
    assert all_of(script) == before


@pytest.mark.parametrize("number", [
    signal.SIGTERM, *(pytest.param(number, marks=pytest.mark.thorough) for number in (signal.SIGINT, signal.SIGHUP)),
], ids=lambda number: number.name)
def test_of_a_signal(learn, tracefs, script, number):
    before = all_of(script)
    process = begun(learn, script)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -number
    assert left(tracefs, process.pid) == []
    assert all_of(script) == before


@pytest.mark.thorough
def test_of_keys_on_a_terminal(learn, tracefs, script):
    """A signal to all of its processes."""
    process = begun(learn, script)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("this machine's kernel does not tell of children")
    for pid in (*children.read_text().split(), process.pid):
        os.kill(int(pid), signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert left(tracefs, process.pid) == []


def test_of_being_killed(learn, tracefs, script):
    before = all_of(script)
    process = begun(learn, script)
    process.kill()
    process.communicate(timeout=30)
    gone(tracefs, process.pid)
    assert all_of(script) == before


def test_of_its_worker_being_killed(learn, tracefs, script):
    process = begun(learn, script)
    (worker,) = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(worker), signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == 2
    assert left(tracefs, process.pid) == []


@pytest.mark.thorough
def test_the_next_one_sweeps(learn, tracefs, script):
    """What not even its parent could remove."""
    if not (tracefs / "instances").is_dir():
        pytest.skip("this machine has no tracefs")
    process = begun(learn, script)
    (worker,) = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(int(worker), signal.SIGKILL)
    process.kill()
    process.communicate(timeout=30)
    end_all_of(USER)
    assert (tracefs / f"instances/capwrap-learn-{process.pid}").exists()
    learn("true")
    assert left(tracefs, process.pid) == []


def test_two_of_them(learn, tracefs, world):
    """At once, with the same script: neither sees the other's."""
    body = "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n"
    script = world.script("script", "#!/usr/bin/python3\n", body, caps=None)
    words = [str(word) for word in learn.command(script)]
    both = [subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}) for _ in range(2)]
    outs = [process.communicate(timeout=120)[0] for process in both]
    assert all(out.startswith(f"{script}: needs cap_net_raw\n") for out in outs), outs
    assert [left(tracefs, process.pid) for process in both] == [[], []]


def test_without_tracefs(learn, world):
    """It proves all the same, and says what it could not see."""
    secret = world.top / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    body = f"import socket\nopen('{secret}')\nsocket.socket(2, 3, 1)\n"
    script = world.script("script", "#!/usr/bin/python3\n", body, caps=None)
    (world.top / "filesystems").write_text("nodev\ttmpfs\n\text4\n")
    hidden = f"mount -t tmpfs none /sys/kernel; mount --bind {world.top}/filesystems /proc/filesystems; exec \"$@\""
    found = learn(script, before=["unshare", "--mount", "sh", "-ec", hidden, "sh"])
    assert found["capabilities"] == ["cap_dac_read_search", "cap_net_raw"]
    assert not found["traced"] and found["unneeded"] == found["survived"] == []
    assert any("no tracefs" in note for note in found["notes"])
    assert found["weighed"] > 30
