"""Every fix is pasted into sh, as root, in the state that brought it about: then the cause is gone, and nothing was changed but
the script, and what the fix names."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from kit import CHECKER, GENUINE, PYTHON_FILE, USER, World, check, mount

# Fixes that are words, since only who looks after the script or the machine knows what to do.
WORDS = {
    "CALL_USAGE": "it is called, or it is not",
    "CALL_LIMIT": "the limit is the caller's",
    "PATH_LINK": "somebody turned a link meanwhile",
    "PATH_ROOT": "in a user namespace nobody is root",
    "PATH_MOVED": "it was exchanged just now",
    "FILE_OPEN": "who may read a script is its owner's decision",
    "FILE_TYPE": "it is no script",
    "EXECUTE_OTHERS": "who may run a script is its owner's decision",
    "LINE_PROGRAM": "it is no script",
    "LINE_MAGIC": "what its first line should be, its author knows",
    "LINE_END": "the same",
    "LINE_WRAPPER": "the same",
    "LINE_DIFFERS": "the caller has to call it in another way",
    "LINE_OPTION": "what its first line should be, its author knows",
    "LINE_ENV_NAME": "the same",
    "LINE_ENV_LOADER": "the same",
    "LINE_DIRECTORY": "the same",
    "LINE_ENV_OPTION": "the same",
    "LINE_ENV_QUOTES": "the same",
    "LINE_VARIABLE_NAME": "the same",
    "LINE_VARIABLE_LOADER": "the same",
    "LINE_VARIABLE_SET": "the same",
    "LINE_VARIABLE_VALUE": "the same",
    "LINE_INTERPRETER": "the same",
    "INTERPRETER_RELATIVE": "the same",
    "INTERPRETER_ABSENT": "the same, or a package is missing",
    "INTERPRETER_OWNER": "another one has to be chosen",
    "INTERPRETER_STICKY": "the same",
    "INTERPRETER_NOSUID": "the same",
    "INTERPRETER_TYPE": "the same",
    "INTERPRETER_SELF": "the same",
    "INTERPRETER_SETID": "the same; a system program is not changed",
    "INTERPRETER_PROGRAM": "the same",
    "INTERPRETER_CAPABILITIES": "the same; a system program is not changed",
    "ACCOUNT_WORD": "what its first line should be, its author knows",
    "ACCOUNT_RANGE": "the same",
    "ACCOUNT_ROOT": "the same",
    "ACCOUNT_GROUP": "the same",
    "ACCOUNT_GROUPS": "the same",
    "ACCOUNT_UNKNOWN": "the same, or an account is missing",
    "ACCOUNT_HOME": "where an account has its home, the administrator knows",
    "ACCOUNT_DIRECTORY": "the same, or the caller has to be elsewhere",
    "PROVEN_NEVER": "what its first line should be, its author knows",
    "PROVEN_UNKNOWN": "the same",
    "PROVEN_NEEDS": "what its first line should be, its author knows",
    "PROVEN_OPTION": "the same",
    "PROVEN_REREAD": "the same, or the wrapper has to be elsewhere",
    "CONTAIN_UNCOVERED": "where the copy is to be, the administrator knows",
    "CEILING_NO_NEW_PRIVS": "it is run where that is set",
    "CEILING_BOUNDING": "the same",
    "CEILING_NOSUID": "the wrapper has to be elsewhere",
    "CEILING_REGISTERED": "it is run where the kernel withholds it",
    "CEILING_WITHHELD": "it is run where the kernel withholds it",
    "EFFECT_CORE": "a filter forbids it",
    "EFFECT_NOROOT": "the bounding set forbids it",
    "EFFECT_NO_NEW_PRIVS": "a filter forbids it",
    "EFFECT_IDS": "the same",
    "EFFECT_SIGNALS": "the same",
    "EFFECT_LENGTH": "the caller passes too much",
    "EFFECT_MEMORY": "the limit is the caller's",
    "CALL_CAPABILITIES": "a filter forbids it",
    "CALL_MEMORY": "the caller's process has it",
}

# Commands that show what is to be known, and change nothing.
SHOWS = {"PATH_RESOLVE", "PATH_STEP", "EXECUTE_BUSY", "EXECUTE_ERROR", "LINE_READ", "LINE_CONTROL", "INTERPRETER_STEP",
         "INTERPRETER_DENIED", "INTERPRETER_EXEC", "CEILING_NARROW", "EFFECT_SETS", "EFFECT_DIFFER", "ACCOUNT_STEP", "ACCOUNT_BROKEN",
         "EFFECT_ACCOUNT", "EFFECT_DIRECTORY", "EFFECT_KEYRING"}

# Commands for the machine as a whole, which the rules' own tests paste, in namespaces.
ELSEWHERE = {"CALL_DESCRIPTORS", "CALL_SELF", "PATH_PROC", "ACCOUNT_OWNER", "ACCOUNT_WRITABLE", "ACCOUNT_NOSUID", "ACCOUNT_EXECUTE", "ACCOUNT_READ",
             "CALL_SETID", "GRANT_INHERITABLE", "CEILING_ACCOUNT", "CEILING_SCRIPT"}


def script(world: World, line: str | bytes = "python3", name: str = "tools/it's a job", **more) -> Path:
    """A name that a shell has to be told how to read."""
    return world.script(name, line, GENUINE, **more)


def spoilt(spoil, **more):
    def state(world: World) -> Path:
        path = script(world, **more)
        spoil(world, path)
        return path

    return state


def owned_by_user(world: World, path: Path) -> None:
    os.chown(path, USER, USER)
    world.setcap("cap_net_raw=i", path)


def capabilities(path: Path, value: str) -> None:
    subprocess.run(["setcap", *value.split(), path], check=True)


def bytes_before(head: bytes):
    def state(world: World) -> Path:
        return script(world, head.replace(b"%w", bytes(world.wrapper)))

    return state


def on_mount(kind: str, options: str):
    def state(world: World) -> Path:
        mount("-t", kind, "-o", f"mode=755,{options}" if options else "mode=755", "none", world.folder("tools"))
        return script(world, caps=None if kind == "ramfs" else "cap_net_raw=i")

    return state


def interpreter_writable(world: World) -> Path:
    tool = world.folder("lib") / PYTHON_FILE.name
    shutil.copyfile(PYTHON_FILE, tool)
    tool.chmod(0o775)
    return script(world, tool)


def node_below_sticky(world: World) -> Path:
    world.folder("tools", 0o1777)
    return script(world, "node --permission --allow-fs-read=*", name="tools/below/job")


# By reason: the state.
STATES = {
    "CALL_IDS": spoilt(lambda world, path: world.wrapper.chmod(0o4755)),
    "PATH_OWNER": spoilt(lambda world, path: os.chown(path.parent, USER, USER)),
    "PATH_WRITABLE": spoilt(lambda world, path: path.parent.chmod(0o775)),
    "PATH_STICKY": spoilt(lambda world, path: path.parent.chmod(0o1777)),
    "FILE_OWNER": spoilt(owned_by_user),
    "FILE_WRITABLE": spoilt(lambda world, path: path.chmod(0o775)),
    "FILE_NOSUID": on_mount("tmpfs", "nosuid"),
    "EXECUTE_DENIED": spoilt(lambda world, path: path.chmod(0o644)),
    "EXECUTE_NOEXEC": on_mount("tmpfs", "noexec"),
    "LINE_CR": bytes_before(b"#!%w python3\r\n"),
    "LINE_MARK": bytes_before(b"\xef\xbb\xbf#!%w python3\n"),
    "GRANT_READ": spoilt(lambda world, path: (os.setxattr(path, "security.capability", b""))),
    "GRANT_UNSUPPORTED": on_mount("ramfs", ""),
    "GRANT_NONE": spoilt(lambda world, path: None, caps=None),
    "GRANT_ROOTID": spoilt(lambda world, path: capabilities(path, f"-n {USER} cap_net_raw=i"), caps=None),
    "GRANT_PERMITTED": spoilt(lambda world, path: None, caps="cap_net_raw=p"),
    "INTERPRETER_WRITABLE": interpreter_writable,
    "PROVEN_ABOVE": node_below_sticky,
    "CEILING_WRAPPER": spoilt(lambda world, path: capabilities(world.wrapper, "-r")),
    "CEILING_EFFECTIVE": spoilt(lambda world, path: capabilities(world.wrapper, "all=ep")),
}


def test_every_reason_is_known(refusals):
    known = [STATES.keys(), WORDS.keys(), SHOWS, ELSEWHERE]
    assert set(refusals) == set().union(*known)
    assert sum(map(len, known)) == len(refusals)


def snapshot(top: Path) -> dict[str, tuple]:
    """What a fix could change, of every file below, and of what the system has."""
    def facts(path: Path) -> tuple:
        status = path.lstat()
        try:
            xattr = os.getxattr(path, "security.capability", follow_symlinks=False)
        except OSError:
            xattr = b""
        return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, xattr

    outside = [Path(name) for name in ("/etc/shadow", "/usr/bin/python3", PYTHON_FILE, "/bin/sh", "/usr/bin")]
    return {str(path): facts(path) for path in [top, *top.rglob("*"), *outside]}


def judged(world: World, path: Path) -> list[dict]:
    """What capwrap-check finds for root and for a user without rights."""
    (report,) = check(world, path, uid=0)
    return [report, *([report["others"]] if report["others"] else [])]


def reasons(verdicts: list[dict], pattern: str) -> list[str]:
    return [fault["reason"] for verdict in verdicts for fault in verdict["faults"] if re.fullmatch(pattern, fault["reason"])]


@pytest.mark.parametrize("name", STATES)
def test_pasted(world, refusals, name, request):
    if name == "CEILING_EFFECTIVE" and not subprocess.run(["capsh", "--has-p=cap_sys_resource"], capture_output=True).returncode:
        pytest.skip("this machine's bounding set lacks nothing that all=ep has")
    path = STATES[name](world)
    grants = request.getfixturevalue("grants")
    refuge = world.folder("bin")
    pattern = re.sub("%[oegpw]", ".+", re.escape(refusals[name]["reason"]).replace("\\%", "%"))
    before = judged(world, path)
    assert reasons(before, pattern), before
    seen = snapshot(world.top)
    at_fault = next(verdict for verdict in before if reasons([verdict], pattern))
    for fix in at_fault["fixes"]:
        command = fix.replace("/usr/local/bin", str(refuge)).replace("cap_NAME", "cap_net_raw")
        done = grants.run("sh", "-c", command)
        assert done.code == 0 and not done.err, (command, done)
    moved = refuge / path.name
    now = moved if moved.exists() else path
    assert not reasons(judged(world, now), pattern), judged(world, now)
    changed = {file for file, facts in snapshot(world.top).items() if seen.get(file, facts) != facts}
    assert {file for file in changed if file != str(path) and not any(file in fix for fix in at_fault["fixes"])} == set()


@pytest.mark.parametrize("target", ["/etc/shadow", "/bin/sh", "/dev/null"])
def test_what_is_no_script_is_left_alone(world, target):
    """A link to a file of the system's: nothing that is proposed would change it."""
    (world.top / "link").symlink_to(target)
    for verdict in judged(world, world.top / "link"):
        assert not [fix for fix in verdict["fixes"] if re.match("(chmod|chown|setcap|install|sed) ", fix)], verdict


def test_all_at_once(world, grants):
    """As an administrator meets it: five faults, each told once, mended in one go, the grant at the end."""
    path = script(world, b"#!" + bytes(world.wrapper) + b" no-such-python\r\n", name="tools/job")
    path.chmod(0o664)
    os.chown(path, USER, USER)
    world.setcap("cap_net_raw=i", path)
    path.parent.chmod(0o2775)
    (report,) = check(world, path, uid=0)
    assert [fault["rule"] for fault in report["faults"]] == ["path", "file", "file", "execute", "line", "interpreter"]
    *_, last = report["fixes"]
    assert last == f"capwrap-grant cap_net_raw {path}" and not any("setcap" in fix for fix in report["fixes"])
    for fix in report["fixes"]:
        if not fix.startswith(("correct its name", "capwrap-grant")):
            subprocess.run(["sh", "-c", fix], check=True)
    path.write_bytes(path.read_bytes().replace(b"no-such-", b"").replace(b"python", b"python3"))
    assert grants.run("sh", "-c", last).code == 0
    assert check(world, path, uid=0)[0]["verdict"] == "runs"
    assert world.run(path).code == 0


def test_a_name_that_begins_with_a_dash(world):
    """It is no option of the command."""
    for result in world.run(world.wrapper, "python3", "-U"), world.run(CHECKER, "--", "-U", uid=0):
        assert "namei -l ./-U" in result.text + result.err, result
