"""The grants that are found, for scripts and commands whose needs are known."""

import json
import os
import re
import shutil
import subprocess

import pytest
from kit import INSTALLED, LEARN, OTHER, USER, Registered, bit, four, grant, sets_in

SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
ADDRESS = "127.77.0.1"  # where nobody else binds


def need(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program, path=SEARCH):
            pytest.skip(f"this machine has no {program}")


@pytest.fixture
def secret(world):
    path = world.top / "secret"
    path.write_text("root's")
    path.chmod(0o600)
    return path


@pytest.fixture
def theirs(world):
    """A closed tree of another user's."""
    folder = world.folder("theirs/closed", 0o700, uid=OTHER)
    (folder / "file").write_text("theirs")
    (folder / "file").chmod(0o600)
    subprocess.run(["chown", "-R", f"{OTHER}:{OTHER}", str(world.top / "theirs")], check=True)
    return folder.parent


def python(world, body: str):
    return world.script("script", "#!/usr/bin/python3\n", body, caps=None)


def shell(world, body: str, first: str = "#!/bin/sh -e\n"):
    return world.script("script", first, body, caps=None)


# ---- Files


def test_read(world, learn, secret):
    found = learn(python(world, f"print(open('{secret}').read())\n"))
    assert found["capabilities"] == ["cap_dac_read_search"]
    (row,) = found["needs"]
    assert row["meaning"] == "read any file and search any directory"
    assert "Permission denied" in row["without"]
    if found["traced"]:
        assert [row["capability"] for row in found["unneeded"]] == ["cap_dac_override"]


def test_write(world, learn, secret):
    found = learn(python(world, f"open('{secret}', 'a').write('more')\n"))
    assert found["capabilities"] == ["cap_dac_override"]
    assert "cap_dac_read_search was tried" in found["needs"][0]["weaker"][0]


def test_a_group_would_do(world, learn, secret):
    """What needs no capability at all is named."""
    os.chown(secret, 0, 4)
    secret.chmod(0o640)
    found = learn(python(world, f"print(open('{secret}').read())\n"))
    assert found["capabilities"] == ["cap_dac_read_search"]
    assert any(re.search(rf"group \w+ may do that with {secret}", text) for text in found["needs"][0]["weaker"]), found


def test_chown(world, learn, secret):
    assert learn.needs("--reset", f"chown 0 {secret}", shell(world, f"chown {OTHER} {secret}\n")) == "cap_chown"


@pytest.mark.thorough
def test_chown_of_a_set_user_id_file(world, learn, secret):
    """The bit goes with the owner, and that is a change of mode."""
    script = shell(world, f"chown {OTHER} {secret}\n")
    assert learn.needs("--reset", f"chown 0 {secret}; chmod 4755 {secret}", script) == "cap_chown,cap_fowner"
    assert secret.stat().st_mode & 0o7777 == 0o4755


@pytest.mark.thorough
def test_chown_of_a_closed_tree(world, learn, theirs):
    script = shell(world, f"chown -R {USER} {theirs}\n")
    assert learn.needs("--reset", f"chown -R {OTHER} {theirs}", script) == "cap_chown,cap_dac_read_search"


@pytest.mark.thorough
def test_backup(world, learn, theirs):
    need("rsync")
    to = world.folder("to", uid=USER)
    script = shell(world, f"rsync -r {theirs}/ {to}/\n")
    assert learn.needs("--reset", f"rm -rf {to}/*", script) == "cap_dac_read_search"


def test_backup_with_owners(world, learn, theirs):
    need("rsync")
    to = world.folder("to", uid=USER)
    os.utime(theirs, (0, 0))
    script = shell(world, f"rsync -a --super {theirs}/ {to}/\n")
    found = learn("--reset", f"rm -rf {to}; install -d -o {USER} {to}", script)
    assert found["capabilities"] == ["cap_chown", "cap_dac_override", "cap_fowner"], found


# ---- Network


@pytest.mark.thorough
def test_port(world, learn):
    script = python(world, f"import socket\nsocket.socket().bind(('{ADDRESS}', 80))\n")
    found = learn(script)
    assert found["capabilities"] == ["cap_net_bind_service"]
    assert "ip_unprivileged_port_start" in found["needs"][0]["weaker"][0]


def test_raw_socket(world, learn):
    script = python(world, "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n")
    found = learn(script)
    assert found["capabilities"] == ["cap_net_raw"]
    assert "ping_group_range" in found["needs"][0]["weaker"][0]
    if found["traced"]:
        assert found["needs"][0]["calls"][0]["call"] == "socket"
        assert found["needs"][0]["calls"][0]["target"] in ("AF_INET SOCK_RAW, protocol 1", "")


@pytest.mark.thorough
def test_tcpdump(world, learn):
    need("tcpdump")
    sends = "while sleep 0.1; do echo >/dev/udp/127.0.0.1/9; done 2>&1 &\n"
    assert learn.needs(shell(world, f"{sends}tcpdump -i lo -c 1 -w -\n", "#!/bin/bash\n")) == "cap_net_raw"


@pytest.mark.thorough
def test_ip_link(world, learn):
    need("ip")
    assert learn.needs("ip", "link", "set", "lo", "mtu", 1500, before=["unshare", "--net"]) == "cap_net_admin"


# ---- Processes, clock, mounts


@pytest.mark.thorough
def test_kill(world, learn):
    with subprocess.Popen(["sleep", "600"], user=OTHER, group=OTHER, extra_groups=[]) as process:
        try:
            assert learn.needs("kill", "-CONT", process.pid) == "cap_kill"
        finally:
            process.kill()


@pytest.mark.thorough
def test_nice(world, learn):
    assert learn.needs(python(world, "import os\nos.setpriority(os.PRIO_PROCESS, 0, -5)\n")) == "cap_sys_nice"


@pytest.mark.thorough
def test_clock(world, learn):
    """To what it is."""
    assert learn.needs(python(world, "import time\ntime.clock_settime(0, time.clock_gettime(0))\n")) == "cap_sys_time"


def test_mount(world, learn):
    """It is set-user-ID, and would drop what it has."""
    place = world.folder("place")
    found = learn("mount", "-t", "tmpfs", "none", place)
    assert found["capabilities"] == ["cap_sys_admin"]
    assert any("set-user-ID" in note for note in found["notes"])
    assert any("--no-new-privs" in line for line in found["paste"])
    assert not os.path.ismount(place)


# ---- Several, none, too many


def test_two_at_once(world, learn, secret):
    script = python(world, f"import socket\nopen('{secret}')\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n")
    assert learn.needs(script) == "cap_dac_read_search,cap_net_raw"


def test_nothing(world, learn):
    found = learn("true")
    assert (found["verdict"], found["runs"], found["paste"]) == ("nothing", 3, [])


def test_never(world, learn, secret):
    found = learn(shell(world, f"cat {secret} && exit 3\n"), code=1)
    assert (found["verdict"], found["capabilities"], found["paste"]) == ("never", [], [])
    assert "Permission denied" in found["failure"]


def test_too_much(world, learn):
    """It fails with everything, as programs do that check that they have dropped their privileges."""
    body = ("import os, socket\ntry:\n    os.setuid(0)\nexcept PermissionError:\n    pass\n"
            "else:\n    raise SystemExit('too much')\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n")
    assert learn.needs(python(world, body)) == "cap_net_raw"


@pytest.mark.thorough
def test_up_only(world, learn, secret):
    """It never has more than what it was denied."""
    log = world.folder("log", 0o777)
    body = (f"import os, re, socket\nname = str(len(os.listdir('{log}')))\n"
            f"open('{log}/' + name, 'w').write(re.search('CapEff:.*', open('/proc/self/status').read())[0])\n"
            f"open('{secret}')\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n")
    result = learn.run("--json", "--up-only", python(world, body))
    found = json.loads(result.out)
    if not found["traced"]:
        pytest.skip("this machine's kernel does not tell what it denies")
    assert found["capabilities"] == ["cap_dac_read_search", "cap_net_raw"]
    most = bit("cap_dac_read_search,cap_dac_override,cap_net_raw,cap_sys_ptrace")
    for file in log.iterdir():
        assert not int(file.read_text().split()[1], 16) & ~most


@pytest.mark.thorough
def test_unsteady(world, learn):
    log = world.folder("log", 0o777)
    body = f"import os\nn = len(os.listdir('{log}'))\nopen(f'{log}/{{n}}', 'w')\nraise SystemExit(n % 2 == 0)\n"
    found = learn(python(world, body), code=1)
    assert found["verdict"] == "unsteady" and found["unsteady"] and not found["paste"]


def test_shell_that_goes_on(world, learn, secret):
    """Its exit status tells nothing: what it survived is listed, and --ok judges."""
    script = shell(world, f"chown {OTHER} {secret}\ntrue\n", "#!/bin/sh\n")
    found = learn(script)
    assert found["verdict"] == "nothing"
    if found["traced"]:
        assert [row["capabilities"] for row in found["survived"] if row["answer"] == "EPERM"] == [["cap_chown"]]
        assert any("--ok" in note for note in found["notes"])
    judged = learn.needs("--reset", f"chown 0 {secret}", "--ok", f"[ $(stat -c %u {secret}) = {OTHER} ]", script)
    assert judged == "cap_chown"


@pytest.mark.thorough
def test_with_an_argument_only(world, learn):
    body = "import socket, sys\nif '--raw' in sys.argv:\n    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n"
    script = python(world, body)
    assert learn.needs(script) == ""
    assert learn.needs(script, "--raw") == "cap_net_raw"


# ---- How it is run


def test_ok_reads_the_output(world, learn, secret):
    script = shell(world, f"cat {secret} || true\n")
    assert learn.needs("--ok", "grep -q root", script) == "cap_dac_read_search"


@pytest.mark.thorough
def test_a_server(world, learn):
    """It runs on: --ok judges while it does."""
    body = f"import socket, time\ns = socket.socket()\ns.bind(('{ADDRESS}', 81))\ns.listen()\ntime.sleep(600)\n"
    script = python(world, body)
    tries = f"python3 -c 'import socket; socket.create_connection((\"{ADDRESS}\", 81))'"
    assert learn.needs("-t", 1, "--ok", tries, script) == "cap_net_bind_service"


@pytest.mark.thorough
def test_time(world, learn):
    """Whatever runs on has not worked."""
    found = learn("-t", 0.2, "sleep", 600, code=1)
    assert (found["verdict"], found["failure"]) == ("never", "still running after 0.2 s")


@pytest.mark.thorough
def test_standard_input(world, learn, secret):
    """Each run has it from the beginning."""
    given = world.top / "given"
    given.write_text(f"{secret}\n")
    assert learn.needs("--stdin", given, python(world, "print(open(input()).read())\n")) == "cap_dac_read_search"


def test_environment(world, learn):
    """What the wrapper makes of it, with nothing too."""
    body = "import os\nfor name in ('HOME', 'PATH', 'PYTHONPATH', 'LANG'):\n    print(name, os.environ.get(name))\n"
    script = python(world, body)
    log = world.folder("log")
    expected = ("HOME /dev/null\nPATH /usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin\n"
                f"PYTHONPATH {world.top}\nLANG C.UTF-8\n")
    keep = f"cat >{log}/$(ls {log} | wc -l); false"
    learn("--ok", keep, script, code=1)
    assert {file.read_text() for file in log.iterdir()} == {expected}
    assert len(list(log.iterdir())) >= 2


@pytest.mark.thorough
def test_groups(world, learn):
    """The user's own, as after a login."""
    found = learn("-u", "daemon", "--ok", "[ \"$(cat)\" = \"$(id -G daemon)\" ]", "id", "-G")
    assert found["verdict"] == "nothing"


@pytest.mark.thorough
def test_turned_already(world, learn, secret):
    """Options of the line count; with an account of its own as well."""
    body = f"import os\nassert os.getuid() == {OTHER} and os.environ['WORD'] == 'right'\nopen('{secret}')\n"
    script = world.script("script", f"#!{INSTALLED} --user {OTHER}:{OTHER} WORD=right python3\n", body, caps=None)
    found = learn(script)
    assert found["capabilities"] == ["cap_dac_read_search"]
    assert found["paste"] == [f"capwrap-grant cap_dac_read_search {script}"]


def test_paste(world, learn, secret):
    """What is to be pasted grants it."""
    script = python(world, f"print(open('{secret}').read())\nprint(open('/proc/self/status').read())\n")
    found = learn(script)
    done = learn.grants.run("sh", "-ec", "\n".join(found["paste"]))
    assert done.code == 0, done
    result = learn.grants.run(script, uid=USER)
    assert result.code == 0 and four(sets_in(result.text)) == grant(bit("cap_dac_read_search"))


@pytest.mark.thorough
def test_paste_of_a_command(world, learn, secret):
    found = learn("cat", secret)
    done = learn.grants.run("sh", "-ec", "\n".join(found["paste"]))
    assert done.code == 0, done
    assert learn.grants.run("granted-cat", uid=USER).text == "root's"


@pytest.mark.thorough
def test_somewhere_untrusted(world, learn, secret):
    """A copy elsewhere is tried, and what lies beside it is found."""
    home = world.folder("home", uid=USER)
    body = f"import beside\nopen('{secret}')\n"
    script = world.script("home/script", "#!/usr/bin/python3\n", body, caps=None, uid=USER, mode=0o644)
    (home / "beside.py").write_text("")
    found = learn(script)
    assert found["capabilities"] == ["cap_dac_read_search"]
    assert any("copy" in note for note in found["notes"])
    assert found["paste"][0].startswith("install -o root")
    assert learn.grants.run("sh", "-ec", "\n".join(found["paste"][:1])).code == 0


@pytest.mark.thorough
def test_unproven(world, learn, secret):
    """An interpreter that is not in the table is its author's word."""
    found = learn(world.script("script", "#!/usr/bin/cat\n", "", caps=None), secret)
    assert found["capabilities"] == ["cap_dac_read_search"]
    assert "--unproven" in found["paste"][-1]


@pytest.mark.thorough
@pytest.mark.parametrize(("first", "body", "line"), [
    ("#!/bin/bash\n", "# a comment\nfor i in 1; do\n    cat SECRET\ndone\n", 4),
    ("#!/usr/bin/python3\n", '"""A docstring."""\nfrom __future__ import annotations\n\nopen("SECRET")\n', 5),
    ("#!/usr/bin/perl\n", "use strict;\nuse warnings;\nsub say_it {\n    open(my $f, '<', 'SECRET') or die;\n}\nsay_it();\n", 5),
], ids=["bash", "python", "perl"])
def test_lines(world, learn, secret, first, body, line):
    """The line that asked."""
    found = learn("--lines", world.script("script", first, body.replace("SECRET", str(secret)), caps=None))
    assert found["capabilities"] == ["cap_dac_read_search"]
    if not found["traced"]:
        pytest.skip("this machine's kernel does not tell what it is asked")
    assert found["lines"] and line in [row["line"] for row in found["needs"][0]["calls"]], found


def test_for_people(world, learn, secret):
    script = python(world, f"print(open('{secret}').read())\n")
    text = learn.run(script).text
    rows = text.splitlines()
    assert rows[0] == f"{script}: needs cap_dac_read_search"
    assert rows[1].startswith("  cap_dac_read_search: read any file and search any directory")
    assert rows[-1] == f"capwrap-grant cap_dac_read_search {script}"
    assert re.search(rf"proven by \d+ runs as {USER}, \d+ capabilities weighed", text)
    assert all(char.isprintable() for row in rows for char in row)


@pytest.mark.thorough
def test_what_the_kernel_tells(world, learn, secret):
    """The file, where it can be had."""
    found = learn(python(world, f"print(open('{secret}').read())\n"))
    if not found["traced"]:
        pytest.skip("this machine's kernel does not tell what it is asked")
    calls = found["needs"][0]["calls"]
    assert "openat" in [row["call"] for row in calls]
    if not any("no kprobes" in note for note in found["notes"]):
        assert str(secret) in [row["target"] for row in calls]


# ---- What can't be


def test_for_root_only(learn):
    result = learn.grants.run(LEARN, "true", uid=USER)
    assert result.code == 2 and "run it as root" in result.err


@pytest.mark.parametrize(("words", "said"), [
    ([], "which script?"), (["--nothing", "true"], "--nothing"), (["-t", "soon", "true"], "soon: not a number"),
    (["--stdin", "/nonexistent", "true"], "/nonexistent: No such file"),
])
def test_usage(learn, words, said):
    result = learn.run(*words)
    assert result.code == 2 and said in result.err and result.out == b"", result


@pytest.mark.parametrize(("make", "said"), [
    (lambda world: world.top / "none", "there is no such script or command"),
    (lambda world: world.script("text", b"no first line\n", caps=None), "neither a program nor a script"),
    (lambda world: world.script("closed", "#!/bin/sh\n", caps=None, mode=0o700), "not among those who may execute it"),
    (lambda world: world.script("make", "#!/usr/bin/make -f\n", caps=None), ""),
])
def test_refused(world, learn, make, said):
    result = learn.run(make(world))
    assert result.code == 1 and said in result.err and result.err.count("\n") == 1, result


def test_no_wrapper(world, learn):
    learn.grants.wrapper.unlink()
    result = learn.run("true")
    assert result.code == 1 and "has to be installed" in result.err


@pytest.mark.thorough
def test_ceiling(world, learn, secret):
    """What the wrapper does not hold it can't find."""
    world.setcap("cap_net_raw=p", learn.grants.wrapper)
    assert learn(python(world, f"open('{secret}')\n"), code=1)["verdict"] == "never"
    assert learn.needs(python(world, "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n")) == "cap_net_raw"


@pytest.mark.thorough
def test_second_door(world, learn, secret):
    """Registered with binfmt_misc, the wrapper holds nothing: then all can be granted."""
    door = Registered(world)
    try:
        script = world.script("script", "python3", f"open('{secret}')\n", caps=None)
        here = ["unshare", "--mount", "sh", "-ec", "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; exec \"$@\"", "sh"]
        found = learn(script, before=here)
    finally:
        door.close()
    assert found["capabilities"] == ["cap_dac_read_search"]
    assert found["paste"] == [f"capwrap-grant cap_dac_read_search {script}"]
