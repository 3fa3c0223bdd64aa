"""The log: one message for each run and each refusal, whose fields nobody can forge."""

import os
import re
import socket

import pytest
from kit import GRANT, OTHER, STATUS, USER, bit, four, grant

CAP = bit(GRANT)
AUTHPRIV, WARNING, INFO = 10 << 3, 4, 6

# In a mount namespace of its own /dev is a folder of the test: the machine's log is left alone.
PRIVATE_DEV = """
dev=$1 uid=$2; shift 2
for node in null zero full random urandom; do
	: >"$dev/$node" && mount --bind "/dev/$node" "$dev/$node" || exit 99
done
mount --rbind "$dev" /dev || exit 99
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups sh -c 'exec "$@"' sh "$@"
"""


class Log:
    """A /dev/log, and runs that see it."""

    def __init__(self, world) -> None:
        self.world = world
        self.dev = world.folder("dev")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.dev / "log"))
        self.socket.setblocking(False)
        (self.dev / "log").chmod(0o666)

    def run(self, *argv, uid: int = USER, **more):
        private = ["unshare", "--mount", "sh", "-c", PRIVATE_DEV, "sh", self.dev, uid]
        return self.world.run(*private, *argv, uid=0, **more)

    def read(self) -> list[str]:
        """What came in since the last time."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65536).decode("ascii"))
            except BlockingIOError:
                return messages


@pytest.fixture
def log(world):
    log = Log(world)
    yield log
    log.socket.close()


@pytest.mark.parametrize("uid", [USER, OTHER, 0])
def test_log_of_a_granted_run(world, log, uid):
    script = world.script("show", "env python3", STATUS, "cap_net_raw,cap_kill=i")
    assert log.run(script, "-v", "secret", uid=uid).code == 0
    [message] = log.read()
    assert re.fullmatch(
        rf"<{AUTHPRIV | INFO}>capwrap\[\d+\]: granted uid={uid} script={script} capabilities=cap_kill,cap_net_raw "
        r"interpreter=/usr/bin/python3", message), message


def test_log_of_a_refusal(world, log):
    script = world.script("show", "python3", STATUS, caps=None)
    assert log.run(script).code == 125
    [message] = log.read()
    assert re.fullmatch(
        rf"<{AUTHPRIV | WARNING}>capwrap\[\d+\]: refused uid={USER} script={script} rule=grant "
        r"reason=\$'it has no capabilities \(an edit, a copy or an upgrade loses them\)'",
        message), message


FORGED = "x\nuid=0 script=/bin/x rule=none\r\x1b[2J' \\' \xff"


def test_log_of_a_forged_name(world, log):
    """Control bytes, blanks, quotes in a name stay within its field."""
    field = r"\$'.*x\\x0auid=0 script=/bin/x rule=none\\x0d\\x1b\[2J\\' \\\\\\' \\xc3\\xbf'"
    script = world.script(FORGED.replace("/", "_"), "python3", STATUS)
    assert log.run(script).code == 0
    assert log.run(world.wrapper, "python3", FORGED).code == 125
    granted, denied = log.read()
    assert re.fullmatch(rf"<\d+>\S+ granted uid={USER} script={field.replace('/', '_')} capabilities=cap_net_raw "
                        r"interpreter=/usr/bin/python3", granted), granted
    assert re.fullmatch(rf"<\d+>\S+ refused uid={USER} script={field} rule=path reason=\$'.+'", denied), denied


@pytest.mark.parametrize("length", [4000, 8192, 100_000])
def test_log_of_a_long_name(world, log, length):
    """What does not fit is cut, and marked as cut; what is behind it is there all the same."""
    assert log.run(world.wrapper, "python3", "x" * length).code == 125
    [message] = log.read()
    assert len(message) <= 8192
    assert re.search(r" script=\$'x{2400,2500} \[cut\]' rule=path reason=\S.*$", message), message[-200:]


def test_log_of_a_long_name_that_is_granted(world, log):
    """Neither does the path of a script push out what it was granted, nor that of its interpreter."""
    deep = "/".join(["\x1b" * 200] * 12)
    script = world.script(f"{deep}/job", "env python3", STATUS)
    assert log.run(script).code == 0
    [message] = log.read()
    assert re.search(r" \[cut\]' capabilities=cap_net_raw interpreter=/usr/bin/python3$", message), message[-200:]


def test_log_of_a_forged_reason(world, log, refused):
    """What a reason is about is the caller's or the author's word, too: a wrapper's path here, on the terminal and in the
    log without a byte that a terminal would obey, and within its field."""
    forged = "x\x9b2J'uid=0\\"
    script = world.script("job", f"#!/{forged} python3\n".encode("latin-1"), STATUS)
    result = log.run(world.wrapper, "python3", script)
    refused(result, "LINE_WRAPPER", script)
    assert "names /x\\x9b2J'uid=0\\\\, which" in result.err and result.err.isascii()
    [message] = log.read()
    assert message.endswith(r" reason=$'its first line names /x\x9b2J\'uid=0\\, which is not this wrapper'"), message


def test_log_has_the_real_path(world, log):
    """Where a link was called it is the script that is logged, as granted and as refused: links are the caller's."""
    script = world.script("job", "python3", STATUS)
    link = world.folder("home", uid=USER) / "link"
    world.run("ln", "-s", script, link)
    assert log.run(link).code == 0
    world.setcap("cap_net_raw=p", script)
    result = log.run(link)
    assert result.code == 125 and result.err.startswith(f"capwrap: {link}: "), result
    assert f"setcap cap_net_raw=ip {script}\n" in result.err
    for message in log.read():
        assert f" script={script} " in message and str(link) not in message, message


def test_log_does_not_leak(world, log):
    """The socket is the wrapper's: no script inherits it, while somebody listens."""
    body = "import os\nprint([fd for fd in range(3, 100) if os.path.exists(f'/proc/self/fd/{fd}')])\n"
    assert log.run(world.script("job", "python3", body)).text == "[]\n"
    assert len(log.read()) == 1


@pytest.mark.parametrize("how", ["pipe", "full file"])
def test_refusal_that_nobody_reads(world, log, how):
    """A refusal ends with its exit code, and is logged, where standard error is a closed pipe or a file at its limit."""
    script = world.script("job", "python3", STATUS, caps=None)
    full = world.folder("home", uid=USER) / "full"
    full.write_text("x" * 1024)
    full.chmod(0o666)
    ready = "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 2); os.execv(sys.argv[1], sys.argv[1:])"
    if how == "pipe":
        # Python ignores SIGPIPE, and what it executes would as well.
        ready = "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); " + ready
        result = log.run("/usr/bin/python3", "-c", ready, script)
    else:
        result = log.run("bash", "-c", 'ulimit -f 0; "$@" 2>>"$0"', full, script)
        assert full.stat().st_size == 1024
    assert (result.code, result.out) == (125, b""), result
    assert len(log.read()) == 1


def test_full_log_does_not_block(world, log):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sender.sendto(b"x", str(log.dev / "log"))
    result = log.run(world.script("show", "python3", STATUS), timeout=10)
    assert four(result.sets) == grant(CAP), result
    assert log.run(world.script("show", "python3", STATUS, caps=None), timeout=10).code == 125
    assert set(log.read()) == {"x"}


@pytest.mark.parametrize("spoil", [
    lambda path: None,
    lambda path: path.touch(),
    lambda path: path.mkdir(),
    lambda path: os.mkfifo(path),
    lambda path: path.symlink_to("log"),
    lambda path: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).bind(str(path)),
], ids=["absent", "file", "folder", "fifo", "loop", "stream"])
def test_log_that_is_none(world, log, spoil):
    (log.dev / "log").unlink()
    spoil(log.dev / "log")
    result = log.run(world.script("show", "python3", STATUS), timeout=10)
    assert (four(result.sets), result.err) == (grant(CAP), ""), result
