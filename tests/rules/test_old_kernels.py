"""Rules where the kernel lacks what they ask first: AT_EXECVE_CHECK (before 6.14) and statx (before 4.11, or under a filter).
What is refused stays refused, with the same reason."""

import errno
import os

import pytest
from kit import GENUINE, PYTHON_FILE, USER, World, filtered, genuine, interpreter, mount

LACKS = {"execveat": errno.EINVAL, "statx": errno.ENOSYS}


def folder(spoil):
    def state(world):
        script = world.script("tools/job", "python3", GENUINE)
        spoil(script.parent)
        return script

    return state


def file(spoil):
    def state(world):
        script = world.script("job", "python3", GENUINE)
        spoil(script)
        World.setcap("cap_net_raw=i", script)
        return script

    return state


def mounted(options):
    def state(world):
        data = world.folder("data")
        mount("-t", "tmpfs", "-o", f"{options},mode=755", "none", data)
        return world.script("data/job", "python3", GENUINE)

    return state


def fifo(world):
    os.mkfifo(world.top / "job", 0o755)
    return world.top / "job"


def tool(spoil, name=f"bin/{PYTHON_FILE.name}"):
    def state(world):
        copy = interpreter(world, name)
        spoil(copy)
        return world.script("job", copy, GENUINE)

    return state


def linked_tool(world):
    """A link in a sticky directory, and one behind it, as far as the user's own program."""
    world.folder("sticky", 0o1777)
    world.folder("mine", uid=USER)
    os.chown(interpreter(world, "mine/python3"), USER, USER)
    (world.top / "sticky/tools").symlink_to(world.top / "mine")
    os.lchown(world.top / "sticky/tools", USER, USER)
    return world.script("job", world.top / "sticky/tools/python3", GENUINE)


def tool_on_nosuid(world):
    data = world.folder("data")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "none", data)
    return world.script("job", interpreter(world, "data/python3"), GENUINE)


STATES = {
    "folder owned": (folder(lambda path: os.chown(path, USER, 0)), "PATH_OWNER"),
    "folder writable": (folder(lambda path: path.chmod(0o777)), "PATH_WRITABLE"),
    "folder sticky": (folder(lambda path: path.chmod(0o1777)), "PATH_STICKY"),
    "file owned": (file(lambda path: os.chown(path, USER, 0)), "FILE_OWNER"),
    "file writable": (file(lambda path: path.chmod(0o757)), "FILE_WRITABLE"),
    "fifo": (fifo, "FILE_TYPE"),
    "nosuid": (mounted("nosuid"), "FILE_NOSUID"),
    "noexec": (mounted("noexec"), "EXECUTE_NOEXEC"),
    "not executable": (file(lambda path: path.chmod(0o644)), "EXECUTE_DENIED"),
    "for others": (file(lambda path: path.chmod(0o754)), "EXECUTE_OTHERS"),
    "another wrapper": (lambda world: world.script("job", "python3", GENUINE, wrapper=world.naive), "LINE_WRAPPER"),
    "the wrapper": (lambda world: world.script("job", f"{world.wrapper} python3", GENUINE), "INTERPRETER_SELF"),
    "tool owned": (tool(lambda path: os.chown(path, USER, 0)), "INTERPRETER_OWNER"),
    "tool writable": (tool(lambda path: path.chmod(0o777)), "INTERPRETER_WRITABLE"),
    "tool set-user-ID": (tool(lambda path: path.chmod(0o4755)), "INTERPRETER_SETID"),
    "tool's folder sticky": (tool(lambda path: path.parent.chmod(0o1777)), "INTERPRETER_STICKY"),
    "sticky further up": (tool(lambda path: path.parents[1].chmod(0o1777), f"a/b/{PYTHON_FILE.name}"), "INTERPRETER_STICKY"),
    "tool by links": (linked_tool, "INTERPRETER_OWNER"),
    "tool nosuid": (tool_on_nosuid, "INTERPRETER_NOSUID"),
}


@pytest.mark.parametrize("call", LACKS)
@pytest.mark.parametrize("kind", STATES)
def test_refused_on_an_old_kernel(world, refused, call, kind):
    state, name = STATES[kind]
    script = state(world)
    line = script.read_text().split("\n")[0].partition(" ")[2] if script.is_file() else "python3"
    refused(filtered(world, call, LACKS[call], world.wrapper, line, script), name, script)


@pytest.mark.parametrize("call", LACKS)
def test_run_on_an_old_kernel(world, call):
    """And what is right runs, called by a link, too."""
    script = world.script("tools/job", interpreter(world), GENUINE)
    (world.top / "link").symlink_to(script)
    for path in script, world.top / "link":
        genuine(filtered(world, call, LACKS[call], path))
