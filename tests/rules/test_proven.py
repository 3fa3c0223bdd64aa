"""Rule proven: the table of interpreters, and nothing else. tests/proven has the proof of each row; here is what is not in
it, each shown to let the caller in first. Some run the caller's code, some let any process of the same user in."""

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
from kit import BUILD, GENUINE, GRANT, NODE_FILE, TELL, USER, Result, bit, executes, genuine, jobs, sets_in

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


def won(attacker, result: Result, *, err: bool = False) -> None:
    """The attacker's program ran, maybe after something else, and held the capability."""
    text = result.err if err else result.text
    assert "attacker\n" in text, result
    assert sets_in(text.partition("attacker\n")[2])["CapEff"] & bit(GRANT), result
    attacker.mark.unlink()


def which(program: str) -> str | None:
    """Where the system has it."""
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")


# ---- programs that start programs

LAUNCHERS = ["nice", "nohup", "timeout 60", "setsid -w", "stdbuf -o0", "setpriv --nnp", "busybox env", "xargs",
             "ionice -c3", "chrt -o 0", "flock /dev/null", "unshare --user", "script -qec", "busybox timeout 60"]


@pytest.mark.parametrize("launcher", LAUNCHERS[:7])
def test_proven_launcher(world, attacker, beaten, launcher):
    """They look the interpreter up in PATH: the caller's."""
    attacker.writes(attacker.home / "python3")
    naive, script = jobs(world, f"{launcher} python3")
    path = {"PATH": f"{attacker.home}:/usr/bin:/bin"}
    attacker.wins(world.run(naive, env=path))
    result = beaten(world.run(script, env=path), "PROVEN_UNKNOWN", script)
    assert "is not known to keep the caller out, by this name" in result.err


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_proven_launcher_of_a_trusted_program(world, refused, launcher):
    """Whatever they start, and by whatever path they are called."""
    found = which(launcher.split()[0])
    for line in launcher, launcher.replace(launcher.split()[0], found, 1), f"env {launcher}":
        script = world.script("job", f"{line} /usr/bin/python3", GENUINE)
        refused(world.run(script), "PROVEN_UNKNOWN", script)


CHILD = "import subprocess\nsubprocess.run(['/usr/bin/python3', '-c', 'import json'])\n" + GENUINE


@pytest.mark.parametrize("launcher", ["setpriv --reset-env", "busybox env -i", "busybox env -u PYTHONSAFEPATH -u PYTHONPATH"])
def test_proven_launcher_that_resets(world, attacker, beaten, launcher):
    """What the wrapper set is gone behind them; so --unproven is not enough to be safe, and the attack wins."""
    attacker.writes(attacker.home / "json.py")
    nobody = 65534  # setpriv asks passwd
    world.folder("mine", 0o777)
    for options, wins in (("--unproven ", True), ("", False)):
        script = world.script("job", f"{options}{launcher} python3", CHILD)
        result = world.run(script, uid=nobody, cwd=attacker.home)
        if wins:
            attacker.wins(result)
    beaten(result, "PROVEN_UNKNOWN", script)


def test_proven_env_by_another_name(world, attacker, beaten):
    """env that is called otherwise is a launcher as any other; called env, another program is not started."""
    for name, file in (("tool", "/usr/bin/env"), ("env", "/usr/bin/python3")):
        (world.folder("bin") / name).symlink_to(file)
    attacker.writes(attacker.home / "python3")
    path = {"PATH": f"{attacker.home}:/usr/bin:/bin"}
    naive, script = jobs(world, f"{world.top}/bin/tool python3")
    attacker.wins(world.run(naive, env=path))
    for options in "", "--unproven ":
        script = world.script("job", f"{options}{world.top}/bin/tool python3", GENUINE)
        beaten(world.run(script, env=path), "PROVEN_NEVER", script)
    genuine(world.run(world.script("job", f"{world.top}/bin/env python3", GENUINE), env=path))
    attacker.loses()


def test_proven_never_by_another_name(world, refused):
    """make and R are known by their real names as well."""
    for name, file in (("tool", "make"), ("make", "dash"), ("R", "dash"), ("gmake", "dash"), ("bmake", "dash")):
        link = world.folder("bin") / name
        link.symlink_to(which(file))
        for options in "", "-U ", "-U env ":
            script = world.script("job", f"{options}{link} -f", "")
            refused(world.run(script), "PROVEN_NEVER", script)


# ---- code from the current directory, from settings, and from arguments

COLOUR = "pcall(require, 'colour')\nprint('genuine')\n"


@pytest.mark.parametrize("line", ["lua5.4 -E", "lua5.4 -W -E"])
def test_proven_current_directory(world, attacker, beaten, line):
    """-E makes Lua ignore what the wrapper set for it, and its own default has the current directory."""
    attacker.writes(attacker.home / "colour.lua", f"os.execute('{attacker.program}')\n")
    won(attacker, world.run(world.script("job", f"--unproven {line}", COLOUR), cwd=attacker.home))
    script = world.script("job", line, COLOUR)
    beaten(world.run(script, cwd=attacker.home), "PROVEN_OPTION", script)
    assert world.run(world.script("job", "lua5.4", COLOUR), cwd=attacker.home).text == "genuine\n"
    attacker.loses()


# Line, script, the caller's arguments, and what the caller has at home.
OTHERS = {
    "gdb": ("gdb -batch -x", "echo genuine\n", ["-ex", "shell {evil}"], None),
    "m4": ("m4", "genuine\n", ["{home}/x"], ("x", "syscmd({evil})")),
    "dc": ("dc -f", "[genuine]p\n", ["-e", "!{evil}"], None),
    "ed": ("ed -s", "genuine\n", [], "!{evil}\nq\n"),
    "sqlite3": ("sqlite3 -batch -init", "\n", [":memory:", ".shell {evil}"], None),
}


@pytest.mark.parametrize("program", OTHERS)
def test_proven_arguments(world, attacker, beaten, program):
    """Programs that nobody looked at: the caller's arguments, or standard input, are commands."""
    if not which(program):
        pytest.skip(f"this machine has no {program}")
    line, body, added, more = OTHERS[program]
    fill = {"evil": attacker.program, "home": attacker.home}
    if isinstance(more, tuple):
        attacker.writes(attacker.home / more[0], more[1].format(**fill))
    stdin = more.format(**fill).encode() if isinstance(more, str) else b""
    added = [word.format(**fill) for word in added]
    for options in "--unproven ", "":
        script = world.script("job", options + line, body)
        result = world.run(script, *added, stdin=stdin)
        if options:
            won(attacker, result)
    beaten(result, "PROVEN_UNKNOWN", script)


def test_proven_settings(world, attacker, beaten):
    """expect without -f reads settings from the caller's home, and its script's options too."""
    attacker.writes(attacker.home / ".expect.rc", f"puts [exec {attacker.program}]\n")
    naive, script = jobs(world, "expect", "puts genuine\n")
    home = {"PATH": "/usr/bin", "HOME": str(attacker.home)}
    won(attacker, world.run(naive, env=home))
    beaten(world.run(script, env=home), "PROVEN_NEEDS", script)
    assert world.run(world.script("job", "expect -f", "puts genuine\n"), env=home).text == "genuine\n"
    attacker.loses()


# ---- code from standard input

INPUT = {
    "python3 -i": ("import os; os.system('{evil}')\n", "PROVEN_OPTION"),
    "python3 -": ("import os; os.system('{evil}')\n", "PROVEN_OPTION"),
    "python3 -Bi": ("import os; os.system('{evil}')\n", "PROVEN_OPTION"),
    "bash -s": ("{evil}\n", "PROVEN_OPTION"),
    "bash -es": ("{evil}\n", "PROVEN_OPTION"),
    "dash -s": ("{evil}\n", "PROVEN_OPTION"),
    "perl -d": ("system('{evil}')\n", "PROVEN_OPTION"),
    "php -a": ("system('{evil}');\n", "PROVEN_OPTION"),
    "lua5.4 -i": ("os.execute('{evil}')\n", "PROVEN_OPTION"),
    "lua5.4 -": ("os.execute('{evil}')\n", "PROVEN_OPTION"),
    "node -": ("require('child_process').execFileSync('{evil}', {{stdio: 'inherit'}})\n", "PROVEN_NEEDS"),
}
NOTHING = {"perl": "1;\n", "node": "//\n", "php": "<?php\n"}


@pytest.mark.parametrize("line", INPUT)
def test_proven_standard_input(world, attacker, beaten, line):
    """The script is an argument, or is followed, and the caller types."""
    code, name = INPUT[line]
    code = code.format(evil=attacker.program).encode()
    body = NOTHING.get(line.split()[0], "\n")
    alone = {"stdin": code, "start_new_session": True}  # without a terminal of the tester's
    won(attacker, world.run(world.script("naive-job", line, body, wrapper=world.naive), **alone))
    won(attacker, world.run(world.script("job", f"--unproven {line}", body), **alone))
    script = world.script("job", line, body)
    beaten(world.run(script, **alone), name, script)


@pytest.mark.parametrize(("line", "link"), [("python3 -m", "job"), ("python3 -Im", ""), ("python3 -c", "import json")])
def test_proven_script_by_another_meaning(world, attacker, beaten, line, link):
    """The path of the script is taken for a module's name, or for code; the caller calls it by a link as they like."""
    naive, script = jobs(world, line)
    if link:
        attacker.writes(attacker.home / "job.py")
        attacker.writes(attacker.home / "json.py")
        world.run("ln", "-s", naive, attacker.home / link)
        attacker.wins(world.run("false", cwd=attacker.home, preexec_fn=executes(link, program=link)))
        world.run("ln", "-sfn", script, attacker.home / link)
        beaten(world.run("false", cwd=attacker.home, preexec_fn=executes(link, program=link)), "PROVEN_OPTION", link)
    beaten(world.run(script), "PROVEN_OPTION", script)


@pytest.mark.parametrize("line", [
    "python3 -x", "python3 -Wx -q -x", "python3 --", "PYTHONPATH=x python3", "perl -n", "perl -I x", "PERL5LIB=/x perl",
    "ruby -rsocket", "bash -c", "bash --rcfile /x", "bash -o history", "bash -i", "bash -io pipefail", "BASH_ENV=/x bash",
    "dash -", "env ENV=/x sh", "zsh -o login", "sed -i -f", "gawk -i x -E", "php -d x=y", "guile -l",
    "tclsh -encoding iso8859-1", "NODE_OPTIONS=x node", "LANG=C.UTF-8 ksh93",
    "java -cp x -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage",
])
def test_proven_option(world, refused, line):
    """What no test has shown to keep the caller out is refused, option or variable."""
    script = world.script("job", line, "")
    refused(world.run(script), "PROVEN_NEEDS" if " node" in line else
            "LINE_VARIABLE_SET" if "PYTHONPATH" in line else "PROVEN_OPTION", script)


@pytest.mark.parametrize(("line", "needs"), [
    ("gawk", "-E"), ("gawk -f", "-E"), ("gawk -E x", "-E"), ("mawk", "-f"), ("sed", "-f"), ("sed -n", "-f"), ("sed --f", "-f"),
    ("expect", "-f"), ("java -XX:+DisableAttachMechanism", "-XX:+SuppressFatalErrorMessage"),
    ("java", "-XX:+DisableAttachMechanism"),
    ("node --no-warnings", "--disable-sigusr1"), ("busybox", None), ("busybox awk -f", None), ("busybox env", None),
    ("busybox ash", None),
])
def test_proven_needs(world, refused, line, needs):
    script = world.script("job", line, "")
    result = world.run(script)
    refused(result, "PROVEN_NEEDS" if needs else "PROVEN_UNKNOWN", script)
    assert not needs or f"only with {needs}" in result.err


# ---- programs by other names


@pytest.mark.parametrize("name", ["tool", "sh", "python3", "node.js", "bin/node"])
def test_proven_node_by_another_name(world, refused, name):
    """A debugger opens by SIGUSR1 whatever its name is: a copy, and links that are named as shells are."""
    tool = world.top / name
    if name == "tool":
        world.program(name, Path(NODE_FILE).resolve(), "")
    elif name == "bin/node":  # by its own name, but another program's inside
        world.folder("bin")
        world.program("javascript", Path(NODE_FILE).resolve(), "")
        tool.symlink_to(world.top / "javascript")
    else:
        tool.symlink_to(NODE_FILE)
    line = f"{tool} --inspect-port=0"
    with running(world.script("naive-job", line, WAIT, wrapper=world.naive)) as process:
        url = re.search(r"ws://\S+", signalled(world, process))
        assert url, "no debugger opened"
        assert sets_in(evaluate(url[0], STATUS))["CapEff"] == bit(GRANT)
    for words in line, f"env {line}", f"{tool} --disable-sigusr1":
        script = world.script("job", words, WAIT)
        refused(world.run(script), "PROVEN_UNKNOWN", script)


@pytest.mark.parametrize(("name", "file"), [
    ("python", "bash"), ("bash", "python3"), ("perl", "dash"), ("python3", "dash"), ("sh", "python3"), ("gawk", "mawk"),
    ("lua", "dash"), ("sed", "gawk"), ("tool", "dash"), ("python3x", "python3"), ("xpython3", "python3"), ("Python3", "python3"),
])
def test_proven_name_and_file(world, refused, name, file):
    """The row is that of the name and of the real file."""
    (world.folder("bin") / name).symlink_to(which(file))
    script = world.script("job", f"{world.top}/bin/{name}", "")
    refused(world.run(script), "PROVEN_UNKNOWN", script)


@pytest.mark.parametrize(("name", "file"), [("sh", "dash"), ("sh", "bash"), ("sh", "busybox"), ("python", "python3"),
                                            ("python3.99", "python3"), ("ksh", "mksh")])
def test_proven_link(world, name, file):
    """Names that the row has, of files that it has."""
    (world.folder("bin") / name).symlink_to(which(file))
    python = "python" in name
    result = world.run(world.script("job", f"{world.top}/bin/{name}", GENUINE if python else f"echo genuine\n{TELL}"))
    genuine(result)


# ---- node


def lines(world) -> dict[str, str]:
    """The ways to call node; a link that tells the version."""
    (world.top / "node-20").symlink_to(NODE_FILE)
    return {"bare": "node", "env": "env node", "env -S": "env -S node", "absolute": NODE_FILE,
            "version": str(world.top / "node-20"), "env version": f"env {world.top}/node-20"}


@pytest.mark.parametrize("kind", ["bare", "env", "env -S", "absolute", "version", "env version"])
def test_proven_node(world, refused, kind):
    """The user sends SIGUSR1, and has code of theirs run by the debugger that opens."""
    line = lines(world)[kind]
    with running(world.script("naive-job", f"{line} --inspect-port=0", WAIT, wrapper=world.naive)) as process:
        url = re.search(r"ws://\S+", signalled(world, process))
        assert url, "no debugger opened"
        assert sets_in(evaluate(url[0], STATUS))["CapEff"] == bit(GRANT)
    script = world.script("job", f"{line} --inspect-port=0", WAIT)
    refused(world.run(script), "PROVEN_NEEDS", script)


def knows(closing: str) -> bool:
    return not subprocess.run([NODE_FILE, *closing.split(), "-e", "0"], capture_output=True).returncode


@pytest.mark.parametrize("line", ["node", "env node"])
@pytest.mark.parametrize("closing", CLOSING)
def test_proven_node_closed(world, line, closing):
    """With what capwrap asks for the same attack opens nothing; a node that does not know the option runs nothing."""
    if not knows(closing):
        result = world.run(world.script("job", f"{line} {closing}", WAIT))
        assert result.code == 9 and result.out == b"" and "bad option" in result.err, result
        return
    for wrapper in (world.naive, world.wrapper):
        with running(world.script("job", f"{line} {closing} --inspect-port=0", WAIT, wrapper=wrapper)) as process:
            told = signalled(world, process)
            assert "ws://" not in told and "listening" not in told, told


def test_proven_node_options_of_the_caller(world):
    """The debugger opened by the caller's environment."""
    env = {"PATH": "/usr/bin", "NODE_OPTIONS": "--inspect=0"}
    naive = world.script("naive-job", "node", "console.log('genuine')", wrapper=world.naive)
    assert "ws://" in world.run(naive, env=env).err
    for closing in CLOSING:
        result = world.run(world.script("job", f"node {closing}", "console.log('genuine')"), env=env)
        assert "ws://" not in result.err
        assert result.text == ("genuine\n" if knows(closing) else ""), result


def test_proven_script_of_node(world, refused):
    """An interpreter that is itself a script for node, as tsx and ts-node are."""
    tool = world.script("node", "#!/usr/bin/node\n", WAIT, None)
    with running(world.script("naive-job", f"{tool}", "", wrapper=world.naive)) as process:
        assert "istening" in signalled(world, process)
    script = world.script("job", tool, "")
    refused(world.run(script), "INTERPRETER_PROGRAM", script)


# ---- bash


@pytest.mark.parametrize(("name", "line", "told"), [
    ("bash", "bash", ["--norc", "-c", '. "$0"']),
    ("bash", "bash --posix -eu -o pipefail", ["--norc", "--posix", "-eu", "-o", "pipefail", "-c", '. "$0"']),
    ("bash", "--unproven bash -e --", ["--norc", "-e", "--"]),
    ("sh", "sh -e", ["-e", "-c", '. "$0"']),
])
def test_proven_bash_reads_it_whole(world, name, line, told):
    """By whatever name it is bash, it sources the script, which then is as always: its name, its arguments, its exit status."""
    folder = world.folder("bin")
    if name == "sh":
        (folder / "sh").symlink_to("/usr/bin/bash")
        line = line.replace("sh", str(folder / "sh"))
    body = "tr '\\0' '\\n' </proc/$$/cmdline\n[ \"$BASH_SOURCE\" = \"$0\" ] && echo $0 $LINENO $#\nset -- a\nshift\nexit 7\n"
    script = world.script("job", line, body)
    result = world.run(script, "-x", "two words")
    assert (result.code, result.err) == (7, ""), result
    assert result.text.splitlines()[1:] == [*told, str(script), "-x", "two words", f"{script} 3 2"]


# ---- Java


@pytest.mark.parametrize("line", ["{}", "env {}", "env -S {}"])
def test_proven_java(world, refused, line):
    """The rule, by a stand-in that is named as Java is, and tells its arguments."""
    stand_in = world.folder("jvm/bin") / "java"
    world.program("jvm/bin/java", BUILD / "tests/programs/status", "")
    line = line.format(stand_in)
    script = world.script("job", f"{line} -Xmx64m", "")
    refused(world.run(script), "PROVEN_NEEDS", script)
    script = world.script("job", f"{line} {JAVA_CLOSING.split()[0]}", "")
    refused(world.run(script), "PROVEN_NEEDS", script)
    script = world.script("job", f"{line} {JAVA_CLOSING}", "")
    result = world.run(script, "x")
    told = re.findall(r"^Argument:\t(.*)$", result.text, re.M)
    assert told == [str(stand_in), "-XX:-UsePerfData", "-Xrs", "-XX:Flags=/dev/null",
                    "-XX:CompileCommandFile=/dev/null", *JAVA_CLOSING.split(), str(script), "x"], result


def test_proven_java_log(world, attacker):
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


def test_proven_java_attach(world, attacker, refused):
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
    refused(world.run(script), "PROVEN_NEEDS", script)
