"""Rule channel: interpreters that let any process of the same user in while they run."""

import base64
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit import BUILD, GRANT, NODE_FILE, USER, bit, sets_in

WAIT = "console.log('genuine'); setTimeout(() => {}, 20000);\n"
STATUS = "require('fs').readFileSync('/proc/self/status', 'utf8')"
CLOSING = ["--disable-sigusr1", "--permission --allow-fs-read=*", "--experimental-permission --allow-fs-read=*"]
JAVA_CLOSING = "-XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage"


@contextmanager
def running(script: Path, cwd: Path | str = "/"):
    """Starts a script as the user, without waiting for it."""
    process = subprocess.Popen(
        [script], user=USER, group=USER, extra_groups=[], cwd=cwd, env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def evaluate(url: str, expression: str) -> str:
    """What node's debugger makes of an expression: a WebSocket client of one question."""
    host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/\S*)", url).groups()
    asks = {"expression": expression, "includeCommandLineAPI": True, "returnByValue": True}
    data = json.dumps({"id": 1, "method": "Runtime.evaluate", "params": asks}).encode()
    with socket.create_connection((host, int(port)), 10) as stream, stream.makefile("rb") as answers:
        key = base64.b64encode(os.urandom(16)).decode()
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        while answers.readline().strip():
            pass
        stream.sendall(b"\x81\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data)
        while True:
            length = answers.read(2)[1]
            if length > 125:
                length = int.from_bytes(answers.read(2 if length == 126 else 8), "big")
            answer = json.loads(answers.read(length))
            if answer.get("id") == 1:
                return answer["result"]["result"]["value"]


def signalled(world, process: subprocess.Popen) -> str:
    """The attack: what a script tells on standard error, to its caller, within two seconds of the user's SIGUSR1."""
    assert process.stdout.readline() == b"genuine\n", process.stderr.read()
    sent = world.run("/usr/bin/python3", "-c", "import os, sys; os.kill(int(sys.argv[1]), 10)", process.pid)
    assert sent.code == 0, sent
    told, end = b"", time.monotonic() + 2
    while b"ws://" not in told and time.monotonic() < end:
        if select.select([process.stderr], [], [], 0.1)[0]:
            part = os.read(process.stderr.fileno(), 65536)
            if not part:
                break
            told += part
    return told.decode()


def lines(world) -> dict[str, str]:
    """The ways to call node; a link that tells the version, and one that tells nothing."""
    for name in ("node20", "javascript"):
        (world.top / name).symlink_to(NODE_FILE)
    return {"bare": "node", "env": "env node", "env -S": "env -S node", "absolute": NODE_FILE,
            "version": str(world.top / "node20"), "env version": f"env {world.top}/node20",
            "link": str(world.top / "javascript")}


@pytest.mark.parametrize("kind", ["bare", "env", "env -S", "absolute", "version", "env version", "link"])
def test_channel_node(world, refused, kind):
    """The user sends SIGUSR1, and has code of theirs run by the debugger that opens."""
    line = lines(world)[kind]
    with running(world.script("naive-job", f"{line} --inspect-port=0", WAIT, wrapper=world.naive)) as process:
        url = re.search(r"ws://\S+", signalled(world, process))
        assert url, "no debugger opened"
        assert sets_in(evaluate(url[0], STATUS))["CapEff"] == bit(GRANT)
    script = world.script("job", f"{line} --inspect-port=0", WAIT)
    refused(world.run(script), "CHANNEL_NODE", script)


@pytest.mark.parametrize("line", ["node", "env node"])
@pytest.mark.parametrize("closing", CLOSING)
def test_channel_node_closed(world, line, closing):
    """With what capwrap asks for the same attack opens nothing; a node that does not know the option runs nothing."""
    if world.run(NODE_FILE, *closing.split(), "-e", "0").code:
        result = world.run(world.script("job", f"{line} {closing}", WAIT))
        assert result.code == 9 and result.out == b"" and "bad option" in result.err, result
        return
    for wrapper in (world.naive, world.wrapper):
        with running(world.script("job", f"{line} {closing} --inspect-port=0", WAIT, wrapper=wrapper)) as process:
            told = signalled(world, process)
            assert "ws://" not in told and "listening" not in told, told


def test_channel_node_options_of_the_caller(world):
    """The debugger opened by the caller's environment."""
    env = {"PATH": "/usr/bin", "NODE_OPTIONS": "--inspect=0"}
    naive = world.script("naive-job", "node", "console.log('genuine')", wrapper=world.naive)
    assert "ws://" in world.run(naive, env=env).err
    for closing in CLOSING:
        script = world.script("job", f"node {closing}", "console.log('genuine')")
        assert "ws://" not in world.run(script, env=env).err


def test_channel_env_link(world, refused):
    """What env starts is looked at behind its links: node by another name does not open its debugger either."""
    link = Path("/usr/local/bin/capwrap-test-js")
    link.symlink_to(NODE_FILE)
    try:
        script = world.script("job", f"env {link.name} --inspect-port=0", WAIT)
        refused(world.run(script), "CHANNEL_NODE", script)
    finally:
        link.unlink()


def test_channel_script_of_node(world, refused):
    """An interpreter that is itself a script for node, as tsx and ts-node are."""
    tool = world.script("tool", "#!/usr/bin/node\n", WAIT, None)
    script = world.script("job", tool, "")
    refused(world.run(script), "CHANNEL_NODE", script)


def java_stand_in(world) -> Path:
    """Named as Java is, and telling its arguments: all that the rule looks at."""
    return world.script("jvm/bin/java", "#!/bin/sh\n", 'printf "%s\\n" "$@"\n', None)


@pytest.mark.parametrize("line", ["{}", "env {}", "{}-17", "env -S {}"])
def test_channel_java(world, refused, line):
    """The rule, by a stand-in: refused without the option, started with it."""
    stand_in = java_stand_in(world)
    stand_in.with_name("java-17").symlink_to(stand_in)
    line = line.format(stand_in)
    script = world.script("job", f"{line} -Xmx64m", "")
    refused(world.run(script), "CHANNEL_JAVA", script)
    script = world.script("job", f"{line} {JAVA_CLOSING}", "")
    assert world.run(script, "x").text == "\n".join([*JAVA_CLOSING.split(), str(script), "x", ""])
    script = world.script("job", f"{line} {JAVA_CLOSING.split()[0]}", "")
    refused(world.run(script), "CHANNEL_JAVA_LOG", script)


def test_channel_java_log(world, attacker):
    """Sent SIGSEGV, Java writes a log with objects of the script's into the current folder: the caller's."""
    if not shutil.which("javac"):
        return  # the stand-in above has to do
    body = ('public class Job { public static void main(String[] a) throws Exception {'
            ' System.out.println("genuine"); Thread.sleep(20000); } }\n')
    for wrapper, options in ((world.naive, JAVA_CLOSING.split()[0]), (world.wrapper, JAVA_CLOSING)):
        script = world.script("job", f"java {options} -XX:-CreateCoredumpOnCrash --source 11", body, wrapper=wrapper)
        with running(script, cwd=attacker.home) as process:
            assert process.stdout.readline() == b"genuine\n", process.stderr.read()
            world.run("kill", "-SEGV", process.pid)
            process.wait(timeout=30)
        logs = list(attacker.home.glob("hs_err_pid*"))
        assert bool(logs) == (wrapper == world.naive), logs
        for log in logs:
            log.unlink()


# The attach protocol: a file, SIGQUIT, a socket that Java then opens, and the name of a library to load.
ATTACH = """
import os, signal, socket, sys, time
pid, library, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
asks = f"/tmp/.attach_pid{pid}"
open(asks, "w").close()
os.kill(pid, signal.SIGQUIT)
end = time.monotonic() + 3
while not os.path.exists(f"/tmp/.java_pid{pid}"):
    if time.monotonic() > end:
        os.unlink(asks)
        sys.exit("closed")
    time.sleep(0.02)
os.unlink(asks)
stream = socket.socket(socket.AF_UNIX)
stream.connect(f"/tmp/.java_pid{pid}")
stream.sendall(b"1\\0load\\0" + library.encode() + b"\\0true\\0" + out.encode() + b"\\0")
print(stream.recv(4096))
"""


def test_channel_java_attach(world, attacker, refused):
    """Where there is Java: a library loaded by the user into a running script holds its capability."""
    if not shutil.which("javac"):
        return  # the stand-in above has to do
    library = attacker.home / "agent.so"
    shutil.copyfile(BUILD / "tests/programs/agent.so", library)
    out = attacker.home / "out"
    body = ('public class Job { public static void main(String[] a) throws Exception {'
            ' System.out.println("genuine"); Thread.sleep(20000); } }\n')
    for wrapper, option in ((world.naive, "-Xmx64m"), (world.wrapper, JAVA_CLOSING)):
        with running(world.script("job", f"java {option} --source 11", body, wrapper=wrapper)) as process:
            assert process.stdout.readline() == b"genuine\n", process.stderr.read()
            result = attacker.python(ATTACH, process.pid, library, out)
        if wrapper == world.naive:
            assert sets_in(out.read_text())["CapEff"] == bit(GRANT), result
            out.unlink()
    assert result.err == "closed\n" and not out.exists(), result
    script = world.script("job", "java --source 11", body)
    refused(world.run(script), "CHANNEL_JAVA", script)
