"""Rule execute: the caller may execute the script, and nobody is writing to it."""

import errno
import os
import subprocess

import pytest
from kit import (
    GENUINE,
    HOLD,
    OVERWRITE,
    ROOM,
    USER,
    World,
    acl,
    execve_check,
    filtered,
    fix_of,
    genuine,
    held,
    mend,
    mount,
    moved,
)


@pytest.mark.parametrize("kind", ["mode", "group", "acl"])
def test_execute_denied(world, refused, kind):
    """Who may not execute a script, but read it, calls the wrapper by hand."""
    naive = world.script("naive-job", "python3", GENUINE, wrapper=world.naive)
    script = world.script("job", "python3", GENUINE)
    for path in (naive, script):
        if kind == "acl":
            acl(path, f"u:{USER}:r")
        else:
            path.chmod(0o644 if kind == "mode" else 0o754)
    genuine(world.run(world.naive, "python3", naive))
    result = world.run(world.wrapper, "python3", script)
    refused(result, "EXECUTE_DENIED" if kind == "mode" else "EXECUTE_OTHERS", script)
    if kind == "mode":
        mend(result)
        genuine(world.run(world.wrapper, "python3", script))
    elif kind == "group":
        genuine(world.run(world.wrapper, "python3", script, gid=0))


def test_execute_noexec(world, refused):
    """Nothing on a mount with noexec is run by the kernel, but by the wrapper called by hand."""
    data = world.folder("data")
    mount("-t", "tmpfs", "-o", "noexec,mode=755", "none", data)
    naive = world.script("data/naive-job", "python3", GENUINE, wrapper=world.naive)
    script = world.script("data/job", "python3", GENUINE)
    genuine(world.run(world.naive, "python3", naive))
    result = world.run(world.wrapper, "python3", script)
    refused(result, "EXECUTE_NOEXEC", script)
    genuine(world.run(moved(world, result)))


@pytest.mark.parametrize("mapped", [False, True], ids=["descriptor", "mapping"])
def test_execute_busy(world, attacker, beaten, mapped):
    """Who could write to the file once holds on to it, until root has made it theirs and granted it something.
    Through the descriptor that would take a race, since a write takes the grant; through a mapping it does not."""
    if not execve_check():
        pytest.skip("this machine's Linux, before 6.14, does not tell who holds a file open for writing")
    writers = []
    for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
        script = world.script(name, "python3", GENUINE + ROOM, None, uid=USER, wrapper=wrapper)
        first = script.read_text().split("\n", 1)[0]
        writers.append(held(OVERWRITE if mapped else HOLD, script, f"{first}\n{attacker.code}"))
        os.chown(script, 0, 0)
        World.setcap("cap_net_raw=i", script)
        if mapped and wrapper == world.naive:
            print(file=writers[0].stdin, flush=True)
            assert writers[0].stdout.readline() == "written\n"
            attacker.wins(world.run(world.naive, "python3", script))
    result = beaten(world.run(world.wrapper, "python3", script), "EXECUTE_BUSY", script)
    shown = subprocess.run(["bash", "-c", fix_of(result)], capture_output=True, text=True, check=False)
    assert str(writers[1].pid) in shown.stdout + shown.stderr, shown
    for writer in writers:
        writer.kill()
        writer.communicate()
    genuine(world.run(script))


def test_execute_error(world, refused):
    """Any other failure: by a seccomp filter here."""
    script = world.script("job", "python3", GENUINE)
    refused(filtered(world, "execveat", errno.EIO, script), "EXECUTE_ERROR", script)
