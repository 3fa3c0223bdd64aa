"""capwrap-grant CAPABILITIES SCRIPT: the first line, what stays as it was, and what is refused."""

import os
import re
import subprocess
import time

import pytest
from kit import (ACCOUNT, GRANTER, HOLD, INSTALLED, OTHER, OVERWRITE, PYTHON_FILE, SOURCE, STATUS, USER, acl, all_of, bit, complete,
                 four, grant, holding, sets_in)


@pytest.fixture
def plain(world):
    return world.script("plain", "#!/usr/bin/python3 -I\n", STATUS, caps=None)


LINES = {
    "#!/usr/bin/python3": "/usr/bin/python3",
    "#! \t/usr/bin/python3 \t-I -u ": "/usr/bin/python3 -I -u",
    "#!/usr/bin/env python3": "/usr/bin/env python3",
    "#!/usr/bin/env -S python3 -I -u": "/usr/bin/env -S python3 -I -u",
    "#!/usr/bin/env -S A=1 python3": "/usr/bin/env -S A=1 python3",
}


@pytest.mark.parametrize("line", LINES)
def test_first_line(world, grants, line):
    """The wrapper stands before what the line had, the rest of the script is the same, and it runs with the grant."""
    script = world.script("job", f"{line}\n", STATUS, caps=None)
    result = grants("cap_net_raw", script)
    assert script.read_text() == f"#!{INSTALLED} {LINES[line]}\n{STATUS}"
    assert result.err == ""
    assert f"{script}: granted cap_net_raw\n" in result.text
    shown = line.rstrip().replace("\t", "\\x09")
    assert f"  first line  #!{INSTALLED} {LINES[line]}\n  was         {shown}" in result.text
    grants.runs(script)


def test_virtual_environment(world, grants):
    """The interpreter's link is what makes it one: it stays."""
    (world.folder("venv/bin") / "python3").symlink_to(PYTHON_FILE)
    (world.top / "venv/pyvenv.cfg").write_text(f"home = {PYTHON_FILE.parent}\n")
    script = world.script("job", f"#!{world.top}/venv/bin/python3\n",
                          "import sys; assert sys.prefix.endswith('/venv'), sys.prefix\n" + STATUS, caps=None)
    grants("cap_net_raw", script)
    grants.runs(script)


def test_shell_without_newline_at_the_end(world, grants):
    script = world.script("job", "#!/bin/dash -e\n", "cat /proc/self/status", caps=None)
    grants("cap_net_raw,cap_kill", script)
    assert script.read_bytes() == f"#!{INSTALLED} /bin/dash -e\ncat /proc/self/status".encode()
    grants.runs(script, caps="cap_net_raw,cap_kill")


def test_all_else_stays(world, grants, plain):
    """Mode, owner, times, access control list, other attributes; and nothing lies beside it."""
    os.chown(plain, 0, OTHER)
    plain.chmod(0o750)
    acl(plain, f"u:{USER}:rx")
    os.setxattr(plain, "user.origin", b"here")
    os.utime(plain, ns=(1_000_000_000_123_456_789, 1_100_000_000_987_654_321))
    beside, before = sorted(os.listdir(world.top)), plain.stat()
    listed = subprocess.run(["getfacl", "-cp", plain], capture_output=True, text=True).stdout
    grants("cap_net_raw", plain)
    after = plain.stat()
    for member in ("st_mode", "st_uid", "st_gid", "st_mtime_ns"):
        assert getattr(after, member) == getattr(before, member), member
    assert os.getxattr(plain, "user.origin") == b"here"
    assert subprocess.run(["getfacl", "-cp", plain], capture_output=True, text=True).stdout == listed
    assert sorted(os.listdir(world.top)) == beside
    grants.runs(plain)


@pytest.mark.parametrize("default", ["u:USER:rx", "g::---,m::rx", "u:USER:rwx,g::rwx"])
def test_directory_with_a_list(world, grants, default):
    """What a directory gives to all that is made in it is not the script's: who may run it stays as it was."""
    script = world.script("place/job", "#!/usr/bin/python3\n", STATUS, caps=None, mode=0o750)
    os.chown(script, 0, OTHER)
    subprocess.run(["setfacl", "-d", "-m", default.replace("USER", str(USER)), script.parent], check=True)
    listed = subprocess.run(["getfacl", "-cp", script], capture_output=True, text=True).stdout
    grants("cap_net_raw", script)
    assert subprocess.run(["getfacl", "-cp", script], capture_output=True, text=True).stdout == listed
    with pytest.raises(PermissionError):
        grants.run(script, uid=USER)
    grants.runs(script, uid=OTHER)


def test_twice_is_once(grants, plain):
    grants("cap_net_raw", plain)
    before, listed = all_of(plain), all_of(grants.own)
    result = grants("cap_net_raw", plain)
    assert f"{plain}: has already cap_net_raw\n" in result.text
    assert (all_of(plain), all_of(grants.own)) == (before, listed)


def test_another_grant_of_a_turned_one(grants, plain):
    grants("cap_net_raw", plain)
    text = plain.read_text()
    grants("cap_kill", plain)
    assert plain.read_text() == text
    grants.runs(plain, caps="cap_kill")
    assert [row["capabilities"] for row in grants.status(0).values()] == [["cap_kill"]]


@pytest.mark.parametrize("words", ["cap_net_raw,cap_kill", "CAP_KILL,net_raw", "kill,Net_Raw=ip", "cap_net_raw,cap_kill+i"])
def test_spelling(grants, plain, words):
    grants(words, plain)
    grants.runs(plain, caps="cap_net_raw,cap_kill")


@pytest.mark.parametrize(("words", "said"), [
    ("cap_net_rwa", "there is no capability cap_net_rwa; is it cap_net_raw?"),
    ("cap_dac_read,kill", "there is no capability cap_dac_read"),
    ("all", "all of them are root's power: name those that it needs"),
    ("", "name one or more capabilities, with commas between"),
    ("cap_kill,", "name one or more capabilities, with commas between"),
    ("cap_kill=eip", "write names and commas only, and not =eip"),
    ("cap_kill cap_net_raw", "there is no capability cap_kill cap_net_raw"),
])
def test_spelled_wrong(grants, plain, words, said):
    before = all_of(plain)
    result = grants(words, plain, code=2)
    assert result.err.startswith(f"capwrap-grant: {said}"), result
    assert all_of(plain) == before
    assert not grants.own.exists()


# ---- Refused

def refused(grants, script, reason, *options):
    """With the check's words, and nothing is changed or listed."""
    before = all_of(script)
    result = grants(*options, "cap_net_raw", script, code=1)
    assert reason in result.text + result.err, result
    assert f"capwrap-grant: {script}: not granted, and not changed\n" in result.err or f"{script}: refused" in result.text
    assert all_of(script) == before
    assert sorted(path.name for path in script.parent.iterdir() if "capwrap-new" in path.name) == []
    assert not grants.own.exists() or str(script) not in grants.own.read_text()
    return result


@pytest.mark.parametrize(("line", "reason"), [
    ("print(1)\n", "it does not begin with #! and the path of a program"),
    ("#!/usr/bin/python3\r\n", "its first line has a carriage return"),
    (f"#!/usr/bin/python3 {'x' * 240}\n", "its first line does not end within 255 bytes"),
    ("#!/usr/bin/env -i python3\n", "env in its first line has -i"),
    ("#!/usr/bin/nowhere\n", "interpreter /usr/bin/nowhere is not found"),
    ("#!/usr/bin/make -f\n", "/usr/bin/make runs what its arguments name"),
    ("#!/usr/bin/python3 -m\n", "is not known to keep the caller out with -m"),
    ("#!/opt/other/bin/capwrap python3\n", "names /opt/other/bin/capwrap, which is not this wrapper"),
])
def test_refused_line(world, grants, line, reason):
    refused(grants, world.script("job", line.encode(), STATUS, caps=None), reason)


def test_nothing_but_a_first_line(world, grants):
    refused(grants, world.script("job", b"#!/usr/bin/python3", caps=None), "its first line does not end within 255 bytes")


def test_unproven_is_the_authors_word(world, grants):
    """Never added silently; with the option it stands in the line, and is said."""
    script = world.script("job", "#!/usr/bin/m4\n", "syscmd(`cat /proc/self/status')\n", caps=None)
    refused(grants, script, "put --unproven before it and answer for it yourself")
    result = grants("--unproven", "cap_net_raw", script)
    assert script.read_text().startswith(f"#!{INSTALLED} --unproven /usr/bin/m4\n")
    assert "unproven:" in result.text
    grants.runs(script)
    before = all_of(script)
    grants("--unproven", "cap_net_raw", script)
    assert all_of(script) == before


def test_owner_and_mode(world, grants, plain):
    for change, reason in ((lambda: os.chown(plain, USER, 0), "not owned by root"),
                           (lambda: (os.chown(plain, 0, 0), plain.chmod(0o775)), "writable by group or others"),
                           (lambda: plain.chmod(0o644), "nobody may execute it")):
        change()
        refused(grants, plain, reason)


def test_directory_of_a_user(world, grants, attacker):
    """Who owns a directory can turn it: what is granted there is refused, also below it and through the user's link."""
    for name in ("mine/job", "mine/deep/job"):
        refused(grants, world.script(name, "#!/usr/bin/python3\n", STATUS, caps=None), f"{world.top}/mine is not owned by root")
    other = world.script("job", "#!/usr/bin/python3\n", STATUS, caps=None)
    (attacker.home / "link").symlink_to(other)
    before = all_of(other)
    result = grants("cap_net_raw", attacker.home / "link", code=1)
    assert f"{world.top}/mine is not owned by root" in result.text + result.err
    assert all_of(other) == before


def test_link_of_root(world, grants, plain):
    """What it leads to is granted, and listed by its own name."""
    (world.top / "link").symlink_to("plain")
    grants("cap_net_raw", world.top / "link")
    assert list(grants.status(0)) == [str(plain)]
    grants.runs(plain)


def test_relative(world, grants, plain):
    result = grants.run("sh", "-c", f"cd {world.top}/bin/.. && capwrap-grant cap_net_raw ./plain", cwd=world.folder("bin"))
    assert result.code == 0, result
    assert list(grants.status(0)) == [str(plain)]


def test_hard_link(world, grants, plain):
    """Its other name would keep the old file."""
    os.link(plain, world.top / "other")
    refused(grants, plain, "it has other names, which would keep the old file")


def test_somebody_writes(world, grants, plain):
    """A user who has it open since it was theirs could change what is granted."""
    os.chown(plain, USER, USER)
    with holding(HOLD, plain):
        os.chown(plain, 0, 0)
        refused(grants, plain, "some process has it open or mapped for writing")
    os.chown(plain, USER, USER)
    with holding(OVERWRITE, plain, "#!/usr/bin/python3\n"):
        os.chown(plain, 0, 0)
        refused(grants, plain, "some process has it open or mapped for writing")
    grants("cap_net_raw", plain)


def test_written_before_it_is_looked_at(world, grants, plain):
    """Who has it open from before writes, and closes it, between what capwrap-grant reads and the look whether anybody could."""
    os.chown(plain, USER, USER)
    before, trace = plain.read_text(), world.top / "trace"
    with plain.open("r+") as old:
        os.chown(plain, 0, 0)
        granting = subprocess.Popen([str(word) for word in grants.command(
            "strace", "-o", trace, "-e", "trace=pread64,fcntl", "-e", "inject=fcntl:delay_enter=1000000", "capwrap-grant", "cap_net_raw", plain)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while granting.poll() is None and not (trace.exists() and "/usr/bin/python3" in trace.read_text()):
            time.sleep(0.01)
        time.sleep(0.5)
        old.write(before.replace("import", "import os,"))
    told = granting.communicate()[0]
    assert granting.returncode == 1 and "open or mapped for writing" in told, told
    assert "security.capability" not in os.listxattr(plain) and grants.status(0) == {}


def test_granted_by_hand_is_made_anew(world, grants, plain):
    """It may have been another's before, who can still write to the file that lies there."""
    grants("cap_net_raw", plain)
    text = plain.read_text()
    grants("--revoke", plain)
    plain.write_text(text)
    world.setcap("cap_net_raw=ip", plain)
    before = plain.stat().st_ino
    assert f"{plain}: granted cap_net_raw\n" in grants("cap_net_raw", plain).text
    after = plain.stat().st_ino
    assert after != before
    assert f"{plain}: has already cap_net_raw\n" in grants("cap_net_raw", plain).text and plain.stat().st_ino == after



def test_set_user_id_and_others(world, grants, plain):
    """A user for whom capwrap could not run it, since it is not readable, is told of."""
    plain.chmod(0o711)
    refused(grants, plain, "can't be opened for reading")


def test_wrapper_without_ceiling_is_only_said(world, grants, plain):
    """The script is right; what the wrapper holds is mended there."""
    os.removexattr(grants.wrapper, "security.capability")
    result = grants("cap_net_raw", plain)
    assert "the wrapper has no capabilities" in result.text
    assert f"setcap all=p {INSTALLED}" in result.text
    grants.world.setcap("all=p", grants.wrapper)
    grants.runs(plain)


# ---- An account, and a contained one

def test_account(world, grants, plain):
    """--user is written into the line; the file permits what that takes, which ends with the wrapper."""
    with grants.at("etc/passwd").open("a") as passwd:
        passwd.write(f"job:x:{ACCOUNT}:{ACCOUNT}::/nonexistent:/bin/sh\n")
    grants("--user", "job", "cap_net_raw", plain)
    assert plain.read_text().startswith(f"#!{INSTALLED} --user job /usr/bin/python3 -I\n")
    held_by = subprocess.run(["getcap", plain], capture_output=True, text=True).stdout
    assert held_by == f"{plain} cap_net_raw=ip cap_setgid,cap_setuid+p\n"
    result = grants.run(plain, uid=USER)
    assert four(sets_in(result.text)) == grant(bit("cap_net_raw"))
    assert f"Uid:\t{ACCOUNT}\t{ACCOUNT}\t{ACCOUNT}" in result.text
    result = grants("--user", "backup", "cap_net_raw", plain, code=1)
    assert "its first line has --user job already" in result.err


@pytest.mark.parametrize("words", [
    ["{s}", "--sha256"], ["{s}", "--contain"], ["{s}", "--user", "x"], ["-U", "{s}"], ["{s}", "--"], ["{s}", "-"]])
def test_option_behind_the_capabilities(grants, plain, words):
    """Taken for the name of another script it would be missing in the line, or in the list."""
    before = all_of(plain)
    result = grants("cap_net_raw", *(word.format(s=plain) for word in words), code=2)
    assert result.err == "capwrap-grant: options stand before CAPABILITIES; see capwrap-grant --help\n"
    assert all_of(plain) == before and not grants.own.exists()


def test_name_with_a_hyphen(world, grants):
    """Behind --, as elsewhere."""
    script = world.script("-U", "#!/usr/bin/python3 -I\n", STATUS, caps=None)
    result = grants.run("sh", "-c", f"cd {world.top} && capwrap-grant cap_net_raw -- -U")
    assert result.code == 0, result
    grants.runs(script)
    assert "no script is named" in grants("cap_net_raw", "--", code=2).err


@pytest.mark.parametrize("word", ["", "-x", "65534 --unproven", "65534 /bin/sh\nx", "a\tb"])
def test_account_is_one_word(grants, plain, word):
    before = all_of(plain)
    assert "--user takes a name or a number" in grants("--user", word, "cap_net_raw", plain, code=2).err
    assert all_of(plain) == before


def test_contained(world, grants):
    interpreter = world.program("bin/python3", PYTHON_FILE, "cap_net_raw=i") if world.folder("bin") else None
    script = world.script("job", f"#!{interpreter}\n", STATUS, caps=None)
    grants("--contain", "cap_net_raw", script)
    assert script.read_text().startswith(f"#!{INSTALLED} --contain {interpreter}\n")
    result = grants.run(script, uid=USER)
    assert sets_in(result.text)["CapAmb"] == 0 and sets_in(result.text)["CapPrm"] == bit("cap_net_raw"), result


# ---- Completion

def test_bash_completion():
    assert complete("grant", "capwrap-grant --st") == ["--status"]
    assert set(complete("grant", "capwrap-grant cap_net_r")) == {"cap_net_raw"}
    assert complete("grant", "capwrap-grant --unproven cap_kill,cap_net_r") == ["cap_kill,cap_net_raw"]
    assert "/etc/passwd" in complete("grant", "capwrap-grant cap_kill /etc/passw")
    assert complete("grant", "capwrap-grant --user roo") == ["root"]
    assert "cap_kill" in complete("grant", "capwrap-grant --user root cap_ki")


def test_zsh_completion():
    """It is read, and all options are those of the program."""
    file = SOURCE / "src/grant/_capwrap-grant"
    assert subprocess.run(["zsh", "-n", file]).returncode == 0
    help_text = subprocess.run([GRANTER, "--help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"(--[a-z0-9-]+)['\[}]", file.read_text())) == set(re.findall(r"(--[a-z0-9-]+)", help_text)) | {
        "--help", "--version"} - {"--"}


# ---- Who may

def test_as_a_user(grants, plain):
    before = all_of(plain)
    result = grants.run("capwrap-grant", "cap_net_raw", plain, uid=USER)
    assert (result.code, result.err) == (2, "capwrap-grant: only root can grant: run it as root; see capwrap-grant --help\n")
    assert all_of(plain) == before


def test_never_without(world, grants, plain):
    """Granted over and over with other capabilities while a user runs it: each run has one of them, none is refused."""
    grants("cap_net_raw", plain)
    command = grants.command("sh", "-c", f"while [ ! -e {world.top}/end ]; do {plain} | grep CapEff || echo refused; done", uid=USER)
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as user:
        for turn in range(20):
            grants("cap_kill" if turn % 2 else "cap_net_raw", plain)
        (world.top / "end").touch()
        told = user.communicate()[0].splitlines()
    assert len(told) > 5
    assert {line.split()[-1] for line in told} <= {f"{bit('cap_kill'):016x}", f"{bit('cap_net_raw'):016x}"}, told
