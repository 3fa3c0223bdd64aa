"""Killed at each of its system calls, or each of them failing: the script is whole, has its old or its new content, and a grant;
whoever comes next finishes or removes what is left."""

import os
import re
import subprocess
from collections import Counter

import pytest
from kit import INSTALLED, STATUS, THOROUGH, USER, bit, sets_in

EVERY = 1 if THOROUGH else 30
OLD = f"#!{INSTALLED} python3\n{STATUS}# old\n"
NEW = OLD.replace("# old", "# new")
EDITOR = "sed -i s/old/new/"
# Errors that a file system gives for those calls that change something.
FAILS = {"openat": "EROFS", "write": "ENOSPC", "pwrite64": "ENOSPC", "fchown": "EPERM", "fchmod": "EPERM", "fsetxattr": "ENOSPC",
         "utimensat": "EPERM", "fsync": "EIO", "rename": "EIO", "renameat": "EROFS", "ftruncate": "ENOSPC", "mkdir": "ENOSPC",
         "flistxattr": "EIO", "fgetxattr": "EIO", "fstat": "EIO", "newfstatat": "EIO", "pread64": "EIO", "statx": "EIO"}


def trace(grants, out, *options):
    """An edit below strace, which follows nothing that it starts: the editor and what judges are others' processes."""
    return grants.run("strace", "-o", out, *options, "capwrap-grant", "--edit", grants.script, timeout=60,
                      env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/bin:/bin", "EDITOR": EDITOR})


@pytest.fixture
def granted(world, grants):
    grants.script = world.script("job", OLD.encode(), caps=None)
    grants("cap_net_raw", grants.script)
    return grants


def again(grants):
    """As it was before the run."""
    grants.script.write_text(OLD)
    grants("--apply")


def holds(grants, world):
    """Whole, granted, and it runs so; nothing that is left can be run, once somebody has come by."""
    assert grants.script.read_text() in (OLD, NEW)
    result = grants.run(grants.script, uid=USER)
    assert result.code == 0 and sets_in(result.text)["CapEff"] == bit("cap_net_raw"), result
    grants("--apply")
    assert [path.name for path in world.top.iterdir() if "capwrap-new" in path.name] == []
    assert {path: row["state"] for path, row in grants.status(0).items()} == {str(grants.script): "granted"}


def calls_of(grants, world):
    """Each call of an undisturbed run, as its name and which one of these it is."""
    out = world.top / "trace"
    assert trace(grants, out).code == 0
    assert grants.script.read_text() == NEW
    again(grants)
    seen = Counter()
    calls = []
    for name in re.findall(r"^(\w+)\(", out.read_text(), re.M):
        seen[name] += 1
        calls.append((name, seen[name]))
    assert len(calls) > 100
    return calls[calls.index(("umask", 1)):]  # behind its loader


def clean(grants):
    for copy in grants.at("var/tmp").glob("capwrap-edit-*"):
        subprocess.run(["rm", "-r", copy], check=True)


def test_killed(world, granted):
    calls = calls_of(granted, world)
    killed = 0
    for name, number in calls[::EVERY]:
        done = trace(granted, "/dev/null", "-e", f"inject={name}:signal=KILL:when={number}")
        killed += done.code != 0
        holds(granted, world)
        clean(granted)
        again(granted)
    assert killed > len(calls[::EVERY]) / 2


def test_failing(world, granted):
    """Each call that changes or reads something fails once: it is told, or did not matter."""
    calls = [call for call in calls_of(granted, world) if call[0] in FAILS]
    for name, number in calls[::EVERY]:
        done = trace(granted, "/dev/null", "-e", f"inject={name}:error={FAILS[name]}:when={number}")
        assert done.code in (0, 1, 2), (name, number, done)
        if done.code:
            assert done.err, (name, number)
            if granted.script.read_text() == NEW:
                assert "capwrap-grant: " in done.err, (name, number, done)
        else:
            assert granted.script.read_text() == NEW or "not changed" in done.text, (name, number, done)
        holds(granted, world)
        clean(granted)
        again(granted)


def test_terminated(world, granted):
    """By a signal that can wait: nothing at all is left beside it."""
    for name, number in [call for call in calls_of(granted, world) if call[0] in ("fsetxattr", "fsync", "renameat", "write")]:
        trace(granted, "/dev/null", "-e", f"inject={name}:signal=TERM:when={number}")
        assert [path.name for path in world.top.iterdir() if "capwrap-new" in path.name] == []
        holds(granted, world)
        clean(granted)
        again(granted)


def test_left_where_another_rules_by_now(world, granted):
    """The directory becomes a user's, who puts a link where the one is on record: what it leads to is left alone."""
    folder = world.folder("theirs")
    granted.script.rename(folder / "job")
    granted.script = folder / "job"
    granted("cap_net_raw", granted.script)
    trace(granted, "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:signal=KILL:when=1")
    (left,) = folder.glob(".job.capwrap-new")
    victim = world.folder("victim") / "job"
    victim.touch()
    os.chown(folder, USER, USER)
    left.rename(folder / "kept")
    left.symlink_to(victim.parent)
    result = granted.run("capwrap-grant", "--apply")
    assert victim.exists() and f"{left}: " in result.err, result


def test_left_behind(world, granted):
    """What a killed one has left beside it is a granted script: a later revoking must not leave it."""
    (name, number), = [call for call in calls_of(granted, world) if call[0] == "renameat"]
    trace(granted, "/dev/null", "-e", f"inject={name}:signal=KILL:when={number}")
    left = [path for path in world.top.iterdir() if "capwrap-new" in path.name]
    assert len(left) == 1 and "security.capability" in os.listxattr(left[0] / granted.script.name)
    with pytest.raises(PermissionError):
        granted.run(left[0] / granted.script.name, uid=USER)  # nobody but root gets at it
    granted("--revoke", granted.script)
    assert not left[0].exists()
    assert os.listxattr(granted.script) == []
    clean(granted)


@pytest.mark.parametrize("number", ["TERM", "INT", "PIPE", "XFSZ"])
def test_failing_and_ended(world, granted, number):
    """A command that fails takes back what it has listed, also when a signal comes in just then."""
    plain = world.script("plain", "#!/usr/bin/python3\n", STATUS, caps=None)
    before = granted.own.read_text(), granted.ledger.read_text()
    granted.run("strace", "-o", "/dev/null", "-e", "trace=renameat", "-e", f"inject=renameat:error=EPERM:signal={number}",
                "capwrap-grant", "cap_net_raw", plain)
    assert (granted.own.read_text(), granted.ledger.read_text()) == before
    assert plain.read_text().startswith("#!/usr/bin/python3")


def test_nothing_to_be_run_of_what_fails(world, granted):
    """Until it is in its place only root gets at the new one: a user who tries all the time gets no grant of what then fails."""
    subprocess.run(["chattr", "+i", granted.script], check=True)
    left = world.top / ".job.capwrap-new/job"
    command = f"while [ ! -e {world.top}/end ]; do {left} 2>/dev/null; done"
    try:
        with subprocess.Popen([str(word) for word in granted.command("sh", "-c", command, uid=USER)], stdout=subprocess.PIPE) as user:
            for _ in range(10):
                granted("cap_dac_override", granted.script, code=2)
            (world.top / "end").touch()
            assert user.communicate()[0] == b""
    finally:
        subprocess.run(["chattr", "-i", granted.script], check=True)
