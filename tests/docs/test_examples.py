"""The examples, installed by the commands in their own headers, do what the user alone can not, and no more."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from kit import CHECK, EXAMPLES, OTHER, USER

# Which user, in which group, an example is for.
FOR = {
    "backup": ("backup", ""),
    "backup-2010": ("backup", ""),
    "port80": ("www-data", ""),
    "ping.py": (USER, ""),
    "hup": (USER, "staff"),
    "take": (USER, "staff"),
    "never-expires": (USER, "staff"),
    "attach": (USER, "staff"),
}
GRANTED = {path.name for path in EXAMPLES.iterdir() if path.read_bytes().startswith(b"#!/usr/local/bin/capwrap ")}


def test_every_example_is_known():
    """sync, for which each test needs two hosts, has a file of its own."""
    assert GRANTED == {*FOR, "sync"}


def test_the_table():
    """README.md and the examples say the same: a row for each grant, its capabilities, the first line, and a link to each file."""
    text = (EXAMPLES / "README.md").read_text()
    rows = [re.split(r" *\| *", line)[1:-1] for line in text.splitlines() if line.startswith("| [")]
    assert {row[0].split("]")[0][1:] for row in rows} == GRANTED
    for name, _job, capabilities, line, could in rows:
        file, installed = re.fullmatch(r"\[(.+)\]\(\1\)(?: as (.+))?", name).groups()
        source = (EXAMPLES / file).read_text()
        assert re.search(rf"setcap {capabilities}=i /usr/local/s?bin/{re.escape(installed or file)}$", source, re.M), name
        assert source.split("\n")[0] == f"#!/usr/local/bin/capwrap {line.strip('`')}" and could, name
    for file in GRANTED:
        granted = re.findall(r"setcap \S+ /usr/local/s?bin/", (EXAMPLES / file).read_text())
        assert len(granted) == sum(row[0].startswith(f"[{file}]") for row in rows), file
    assert set(re.findall(r"\]\((.+?)\)", text)) == {path.name for path in EXAMPLES.iterdir()} - {"README.md"}


def test_capwrap_check(machine):
    """No warning but of capabilities by which one becomes root; README.md says what those are worth here."""
    for example, (user, group) in FOR.items():
        script, *_ = machine.install(example)
        result = machine.run(CHECK, "--json", script, user=user, group=group)
        [report] = json.loads(result.out)
        expected = {"take", "attach"} & {example} and ["root-in-all-but-name"] or []
        assert report["verdict"] == "runs" and [warning["code"] for warning in report["warnings"]] == expected, report


@pytest.mark.parametrize("example", sorted(set(FOR) - {"ping.py"}))
def test_others_can_not_run_it(machine, example):
    """Neither by its name nor by the wrapper's."""
    [script, *_] = machine.install(example)
    result = machine.run(script)
    assert result.code == 126 and "Permission denied" in result.err, result
    line = (EXAMPLES / example).read_text().split("\n")[0].split(" ", 1)[1]
    result = machine.run("/usr/local/bin/capwrap", line, script)
    assert result.code == 125 and "not among those who may execute it" in result.err, result


@pytest.mark.parametrize("example", ["backup", "backup-2010", "port80", "hup", "never-expires"])
def test_nothing_is_the_caller_s_to_choose(machine, example):
    user, group = FOR[example]
    command = machine.install(example)
    for argument in ("--help", "-e", "/etc", "../..", "$(id)", "--rsh=/tmp/evil", "a b", "-KILL"):
        result = machine.run(*command, argument, user=user, group=group)
        assert result.code in (1, 2) and result.err == f"usage: {example}\n", result
    assert not list(machine.top.glob("srv/*/*"))


# port80

FETCH = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1/{}').read().decode())"


def test_port80(machine):
    """Serves what root put there; alone the user can't bind the port."""
    command = machine.install("port80")
    (machine.top / "srv/www/index.html").write_text("welcome")
    (machine.top / "srv/secret").write_text("secret")
    (machine.top / "srv/secret").chmod(0o600)
    (machine.top / "srv/www/link").symlink_to("../secret")

    alone = machine.run("/usr/bin/python3", machine.top / "examples/port80", user="www-data")
    assert "PermissionError" in alone.err, alone

    server = subprocess.Popen(machine.command(*command, user="www-data"), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while (page := machine.run("/usr/bin/python3", "-c", FETCH.format(""))).code and time.monotonic() < deadline:
            time.sleep(0.05)
        assert page.text == "welcome\n", page
        for path in ("../secret", "%2e%2e/secret", "link", "//srv/secret"):
            assert "HTTP Error 404" in machine.run("/usr/bin/python3", "-c", FETCH.format(path)).err
    finally:
        server.terminate()
        server.wait()


# ping.py


def test_ping(machine):
    command = machine.install("ping.py")
    result = machine.run(*command)
    assert (result.code, result.err) == (0, ""), result
    assert result.text.count("127.0.0.1 replies to ") == 3
    alone = machine.run("/usr/bin/python3", machine.top / "examples/ping.py", "127.0.0.1")
    assert alone.code == 1 and "Operation not permitted" in alone.err, alone


@pytest.mark.parametrize("arguments", [
    [], ["127.0.0.1", "-f"], ["--flood"], ["no such host"], ["$(id)"], ["x" * 300], ["a..b"], [b"\xff"], ["\x1b[2J"],
    ["255.255.255.255"], ["127.0.0.1\n"],
], ids=lambda words: repr(words)[:24])
def test_ping_refuses(machine, arguments):
    """A plain line, without a control byte, and no packet."""
    [script, _] = machine.install("ping.py")
    result = machine.run(script, *arguments)
    assert result.code == 1 and result.out == b"", result
    assert result.err.startswith(("ping.py: ", "usage: ")) and result.err[:-1].isprintable(), result


# hup


class Daemon:
    """A process called gunicorn that says on standard output what it was sent."""

    def __init__(self, machine, user) -> None:
        script = machine.world.script(
            "gunicorn", "#!/bin/sh\n",
            "trap 'echo HUP; exit 0' HUP\necho ready\nwhile :; do sleep 0.02; done\n", caps=None)
        self.process = subprocess.Popen(
            machine.command(script, user=user), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline() == "ready\n"


def test_hup(machine):
    """Reaches the daemon of www-data, and neither one of another user nor another program."""
    command = machine.install("hup")
    daemon, decoy = Daemon(machine, "www-data"), Daemon(machine, OTHER)
    try:
        alone = machine.run("pkill", "-HUP", "--euid", "www-data", "--exact", "gunicorn", group="staff")
        assert alone.code == 1 and "Operation not permitted" in alone.err, alone
        assert machine.run(*command, group="staff").code == 0
        assert daemon.process.communicate(timeout=10) == ("HUP\n", None)
        assert decoy.process.poll() is None
        assert machine.run(*command, group="staff").code == 1
    finally:
        for process in (daemon.process, decoy.process):
            process.kill()
            process.wait()


# take


@pytest.fixture
def take(machine):
    """Installs the example, and puts a file of another user into the inbox; runs it."""
    [script, name] = machine.install("take")
    machine.inbox, machine.taken = machine.top / "srv/inbox", machine.top / "srv/taken"
    leave(machine.inbox / name)

    def run(*names, **more):
        return machine.run(script, *names, group="staff", **more)

    run.file, run.inbox, run.taken = name, machine.inbox, machine.taken
    return run


def leave(path: Path, text: str = "of another user", uid: int = OTHER) -> None:
    path.write_text(text)
    os.chown(path, uid, uid)
    path.chmod(0o600)


def test_take(machine, take):
    alone = machine.run("mv", f"/srv/inbox/{take.file}", "/srv/taken", group="staff")
    assert alone.code == 1 and "Operation not permitted" in alone.err, alone
    result = take(take.file)
    assert (result.code, result.err) == (0, ""), result
    assert [path.name for path in take.taken.iterdir()] == [take.file] and not list(take.inbox.iterdir())
    taken = take.taken / take.file
    assert taken.read_text() == "of another user"
    assert (taken.stat().st_uid, taken.stat().st_mode & 0o777, taken.stat().st_nlink) == (OTHER, 0o600, 1)


@pytest.mark.parametrize("name", [
    "", ".", "..", "/etc/passwd", "../../root/secret", "sub/file", "./report.pdf", "-e", "--", ".hidden", "a b",
    "report.pdf\n", "report.pdf|id", "$(id)", "*", b"\xff", "\x1b[2J",
], ids=repr)
def test_take_takes_only_names(take, name):
    result = take(name)
    assert result.code == 1 and result.err.endswith("not the name of a file\n"), result
    assert result.err[:-1].isprintable() and result.err.count("\n") == 1
    assert not list(take.taken.iterdir())


def test_take_never_replaces(take):
    leave(take.taken / take.file, "first")
    result = take(take.file, "second.pdf")
    assert result.code == 1 and result.err.splitlines() == [
        f"take: {take.file}: File exists", "take: second.pdf: No such file or directory"], result
    assert (take.taken / take.file).read_text() == "first" and (take.inbox / take.file).exists()


@pytest.mark.parametrize("plant", [
    lambda path: path.symlink_to("/root/secret"),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.mkdir(),
    lambda path: os.mkfifo(path),
], ids=["link", "dangling", "folder", "fifo"])
def test_take_takes_only_files(machine, take, plant):
    """Nothing that only looks like a file is followed, opened or left behind."""
    leave(machine.top / "root/secret", "secret", uid=0)
    plant(take.inbox / "odd")
    os.chown(take.inbox / "odd", OTHER, OTHER, follow_symlinks=False)
    result = take("odd", take.file)
    assert result.code == 1 and result.err.startswith("take: odd: "), result
    assert [path.name for path in take.taken.iterdir()] == [take.file]
    assert os.path.lexists(take.inbox / "odd") and (machine.top / "root/secret").read_text() == "secret"


def test_take_without_names(take):
    assert take().err == "usage: take NAME...\n"


# never-expires


def test_never_expires(machine):
    command = machine.install("never-expires")
    shadow = machine.top / "shadow"
    shadow.write_text("root:*:19000:0:99999:7:::\nann:$y$x:19000:0:99999:7:::\nbob:$y$x:1:0:90:7:::\n")
    shadow.chmod(0o600)
    assert machine.run("mount", "--bind", shadow, "/etc/shadow", user="root").code == 0
    result = machine.run(*command, group="staff")
    assert (result.code, result.text, result.err) == (0, "ann\n", "")
    alone = machine.run("/usr/bin/python3", machine.top / "examples/never-expires", group="staff")
    assert alone.code == 1 and "cap_dac_read_search: not permitted" in alone.err, alone
