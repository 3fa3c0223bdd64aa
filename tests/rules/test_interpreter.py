"""Rule interpreter: a program that root installed, and that adds no capabilities of its own."""

import os
import platform
import shutil
import subprocess

import pytest
from kit import (
    GENUINE,
    PYTHON_FILE,
    USER,
    World,
    acl,
    bit,
    fix_of,
    genuine,
    interpreter,
    jobs,
    mend,
    mount,
    permitted_only,
)


@pytest.mark.parametrize("line", ["bin/tool", "./tool", "../mine/tool", "bin/../tool"])
def test_interpreter_relative(world, attacker, beaten, line):
    """A relative path is looked up in the folder that the caller chooses."""
    world.run("mkdir", attacker.home / "bin")
    for name in ("tool", "bin/tool"):
        attacker.writes(attacker.home / name)
    naive, script = jobs(world, line)
    attacker.wins(world.run(naive, cwd=attacker.home))
    beaten(world.run(script, cwd=attacker.home), "INTERPRETER_RELATIVE", script)


def test_interpreter_absent(world, attacker, beaten):
    """An interpreter that is in the caller's PATH only."""
    attacker.writes(attacker.home / "capwrap-test-tool")
    naive, script = jobs(world, "capwrap-test-tool")
    path = {"PATH": f"{attacker.home}:/usr/bin"}
    attacker.wins(world.run(naive, env=path))
    beaten(world.run(script, env=path), "INTERPRETER_ABSENT", script)
    script = world.script("job", "/usr/bin/capwrap-test-tool", GENUINE)
    result = beaten(world.run(script, env=path), "INTERPRETER_ABSENT", script)
    assert result.code == 127, result  # as shells have it, whatever the list says
    script = world.script("job", "/usr/bin/env/tool", GENUINE)
    beaten(world.run(script, env=path), "INTERPRETER_ABSENT", script)


def test_interpreter_in_the_path_of_the_caller(world, attacker):
    """An interpreter of the same name that comes first in the caller's PATH is not found at all."""
    attacker.writes(attacker.home / "python3")
    path = {"PATH": f"{attacker.home}:/usr/bin"}
    for line in ("python3", "env python3"):
        naive, script = jobs(world, line)
        attacker.wins(world.run(naive, env=path))
        genuine(world.run(script, env=path))
    attacker.loses()


def test_interpreter_denied(world, refused):
    """An interpreter that its caller may not execute: the kernel stops the naive wrapper as well."""
    tool = interpreter(world)
    tool.chmod(0o744)
    naive, script = jobs(world, tool)
    assert world.run(naive).code == 126
    result = world.run(script)
    refused(result, "INTERPRETER_DENIED", script)
    assert result.code == 126, result
    tool.chmod(0o755)
    genuine(world.run(script))


def test_interpreter_denied_by_name(machine, refused):
    """The first that is found counts, and not one behind it that the caller may execute."""
    for folder, mode in (("sbin", 0o700), ("bin", 0o755)):
        machine.world.program(f"machine/usr/local/{folder}/python3.99", PYTHON_FILE, "").chmod(mode)
    job = "/usr/local/bin/job"
    machine.world.script(f"machine{job}", "#!/usr/local/bin/capwrap python3.99\n", GENUINE)
    refused(machine.run(job), "INTERPRETER_DENIED", job)
    (machine.top / "usr/local/sbin/python3.99").unlink()
    genuine(machine.run(job))


FILES = {
    "user": (lambda path: os.chown(path, USER, 0), "INTERPRETER_OWNER"),
    "group": (lambda path: (os.chown(path, 0, USER), path.chmod(0o775)), "INTERPRETER_WRITABLE"),
    "others": (lambda path: path.chmod(0o777), "INTERPRETER_WRITABLE"),
    "acl": (lambda path: acl(path, f"u:{USER}:rwx"), "INTERPRETER_WRITABLE"),
}


@pytest.mark.parametrize("kind", FILES)
def test_interpreter_overwritten(world, attacker, beaten, kind):
    """Whoever may write to the interpreter puts other code there."""
    spoil, name = FILES[kind]
    tool = interpreter(world)
    spoil(tool)
    attacker.python("import sys; open(sys.argv[1], 'w').write(sys.argv[2])", tool, attacker.program.read_text())
    naive, script = jobs(world, tool)
    attacker.wins(world.run(naive))
    result = beaten(world.run(script), name, script)
    tool.write_bytes(PYTHON_FILE.read_bytes())
    if kind == "user":
        assert fix_of(result).startswith("put the path of one that root installed")
        os.chown(tool, 0, 0)
    else:
        mend(result)
    genuine(world.run(script))


FOLDERS = FILES | {"sticky": (lambda path: path.chmod(0o1777), "INTERPRETER_STICKY")}


@pytest.mark.parametrize("kind", FOLDERS)
def test_interpreter_folder(world, attacker, beaten, kind):
    """Who may write to the interpreter's folder puts another in its place, or beside it what it reads: pyvenv.cfg."""
    spoil, name = FOLDERS[kind]
    tool = interpreter(world)
    spoil(tool.parent)
    if kind == "sticky":
        world.run("mkdir", attacker.home / "lib")
        world.run("cp", "-r", f"/usr/lib/{PYTHON_FILE.name}", attacker.home / "lib")
        attacker.writes(attacker.home / "lib" / PYTHON_FILE.name / "colorsys.py")
        attacker.writes(tool.parent / "pyvenv.cfg", f"home = {attacker.home}/bin\n")
    else:
        world.run("mv", tool, tool.with_name("old"))
        attacker.writes(tool)
    naive, script = jobs(world, tool, GENUINE if kind != "sticky" else "import colorsys\n" + GENUINE)
    attacker.wins(world.run(naive))
    result = beaten(world.run(script), name, script)

    if kind in ("sticky", "user"):
        assert fix_of(result).startswith("put the path of one that root installed")
        return
    shutil.copyfile(PYTHON_FILE, tool)
    os.chown(tool, 0, 0)
    mend(result)
    genuine(world.run(script))


@pytest.mark.parametrize("kind", ["last", "middle", "folder", "second"])
def test_interpreter_link(world, attacker, beaten, kind):
    """A link on the way to the interpreter that the user owns, and turns elsewhere."""
    tool = interpreter(world, "tools/tool")
    sticky = world.folder("sticky", 0o1777)
    if kind == "last":
        link, name = sticky / "tool", "INTERPRETER_STICKY"
        world.run("ln", "-s", attacker.program, link)
        line = link
    elif kind == "middle":
        link, name = sticky / "tools", "INTERPRETER_OWNER"
        world.run("ln", "-s", attacker.home, link)
        line = link / "evil"
    elif kind == "folder":
        link, name = attacker.home / "tool", "INTERPRETER_OWNER"
        world.run("ln", "-s", attacker.program, link)
        line = link
    else:
        world.run("ln", "-s", attacker.home, sticky / "tools")
        link, name, line = world.top / "tool", "INTERPRETER_OWNER", world.top / "tool"
        line.symlink_to(sticky / "tools/evil")
    naive, script = jobs(world, line)
    attacker.wins(world.run(naive))
    result = beaten(world.run(script), name, script)
    if kind == "folder":
        assert f"interpreter: {attacker.home} is not owned by root" in result.err
    elif kind != "last":
        assert f"interpreter: {sticky / 'tools'} is not owned by root" in result.err
    assert tool.exists()


def test_interpreter_trusted_links(world):
    """Links that root owns are followed, in a sticky folder too, where they lead to another folder."""
    tool = interpreter(world, f"tools/{PYTHON_FILE.name}")
    sticky = world.folder("sticky", 0o1777)
    (sticky / "tools").symlink_to("../tools")
    (world.top / "python3").symlink_to("sticky/tools/../tools/two")
    (world.top / "tools/two").symlink_to(tool)
    genuine(world.run(world.script("job", world.top / "python3", GENUINE)))


def test_interpreter_step(world, refused):
    """A way that the kernel can go and the wrapper can't write down is refused; no attack is known."""
    interpreter(world, "tools/tool")
    (world.top / "long").symlink_to("./" * 2000 + "longer")
    (world.top / "longer").symlink_to("./" * 2000 + "tools")
    script = world.script("job", f"{world.top}/long/{'./' * 60}tool", GENUINE)
    assert os.access(f"{world.top}/long/{'./' * 60}tool", os.X_OK)
    result = world.run(script)
    refused(result, "INTERPRETER_STEP", script)
    assert "name too long" in result.err


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6755])
def test_interpreter_set_user_id(world, attacker, beaten, mode):
    """A set-user-ID interpreter gives root to a script that was granted one capability."""
    tool = interpreter(world)
    tool.chmod(mode)
    naive, script = jobs(world, tool, attacker.code)
    result = world.run(naive)
    assert f"{'Uid' if mode & 0o4000 else 'Gid'}:\t{USER}\t0\t0\t0\n" in result.text
    if mode & 0o4000:
        attacker.wins(result, "cap_dac_override,cap_net_raw")
    attacker.mark.unlink(missing_ok=True)
    beaten(world.run(script), "INTERPRETER_SETID", script)
    tool.chmod(0o755)
    world.script("job", tool, GENUINE)
    genuine(world.run(script))


def test_interpreter_self(world, refused):
    """A wrapper that starts itself is a mistake; the naive one does so without harm."""
    (world.top / "link").symlink_to(world.wrapper)
    for line in (world.wrapper, world.top / "link"):
        script = world.script("job", f"{line} python3", GENUINE)
        refused(world.run(script), "INTERPRETER_SELF", script)


MORE = "cap_net_raw,cap_dac_override"


@pytest.mark.parametrize(("caps", "gives"), [
    ("cap_dac_override=p", "cap_dac_override"),
    ("cap_dac_override=ep", "cap_dac_override"),
    ("cap_net_raw=ip cap_dac_override=p", MORE),
    ("cap_net_raw=eip", "cap_net_raw"),
    ("cap_kill=i", ""),
    ("=", ""),
])
def test_interpreter_capabilities(world, refused, caps, gives):
    """An interpreter's own capabilities would make the script's another set than the grant: more, or less."""
    tool = interpreter(world, caps=caps)
    naive, script = jobs(world, tool)
    assert world.run(naive).sets["CapPrm"] == (bit(gives) if gives else 0)
    result = world.run(script)
    refused(result, "INTERPRETER_CAPABILITIES", script)

    World.setcap("cap_net_raw=i", tool)
    permitted_only(world.run(script))
    subprocess.run(["setcap", "-r", tool], check=True)
    genuine(world.run(script))


def test_interpreter_empty_attribute(world, refused):
    """A malformed attribute, which the kernel lets in."""
    tool = interpreter(world)
    os.setxattr(tool, "security.capability", b"")
    script = world.script("job", tool, GENUINE)
    result = world.run(script)
    refused(result, "INTERPRETER_CAPABILITIES", script)
    os.removexattr(tool, "security.capability")
    genuine(world.run(script))


def test_interpreter_capabilities_of_a_namespace(world, refused):
    """Inheritable ones that cover the grant, but of a user namespace."""
    tool = interpreter(world)
    subprocess.run(["setcap", "-n", str(USER), "cap_net_raw=i", tool], check=True)
    script = world.script("job", tool, GENUINE)
    refused(world.run(script), "INTERPRETER_CAPABILITIES", script)


@pytest.mark.parametrize("line", ["/usr/bin", "/usr/bin/..", "/dev/null/.."])
def test_interpreter_folder_named(world, refused, line):
    """A folder is executable, and no program: a mistake that the kernel refuses to the naive wrapper."""
    naive, script = jobs(world, line)
    assert world.run(naive).code == 126
    refused(world.run(script), "INTERPRETER_TYPE" if line != "/dev/null/.." else "INTERPRETER_ABSENT", script)


NO_PROGRAMS = [b"", b"\x7fELF", b"\x7fELF" + bytes(60), b"#!/bin/sh\r\n", b"pass\n"]


@pytest.mark.parametrize("content", NO_PROGRAMS, ids=repr)
def test_interpreter_no_program(world, refused, content):
    """What the kernel can't run itself; the naive wrapper's execvp hands such files to a shell."""
    tool = world.top / "tool"
    tool.write_bytes(content)
    tool.chmod(0o755)
    for line in f"{tool} -x", f"--unproven {tool} -x":
        script = world.script("job", line, GENUINE)
        result = world.run(script)
        refused(result, "INTERPRETER_PROGRAM", script)
        assert f"interpreter: {tool} is not a program" in result.err


def test_interpreter_of_another_machine(world, refused):
    """Such a program is started by another one, if at all, that binfmt_misc names."""
    tool = interpreter(world)
    content = bytearray(tool.read_bytes())
    content[18:20] = b"\xf3\0" if platform.machine() != "riscv64" else b"\x3e\0"
    tool.write_bytes(content)
    naive, script = jobs(world, tool)
    assert world.run(naive).out == b""
    refused(world.run(script), "INTERPRETER_PROGRAM", script)


@pytest.mark.parametrize("head", ["#!{evil}", "#! {evil} -I", "#!/usr/bin/env {evil}", "#!{top}/middle"])
def test_interpreter_that_is_a_script(world, attacker, beaten, head):
    """An interpreter of root's that is a script starts another program, which here is the caller's own."""
    middle = interpreter(world, "mine/middle")  # it is only a name that is not looked at
    os.chown(middle, USER, USER)
    world.script("middle", f"#!{middle}\n", attacker.code, None)
    tool = world.script(f"bin/{PYTHON_FILE.name}", head.format(evil=middle, top=world.top) + "\n", attacker.code, None)
    naive, script = jobs(world, tool, "")
    attacker.wins(world.run(naive))
    beaten(world.run(script), "INTERPRETER_PROGRAM", script)
    script = world.script("job", f"--unproven env {tool}", "")
    beaten(world.run(script), "INTERPRETER_PROGRAM", script)


def test_interpreter_exec(world, refused):
    """A program that is cut short is refused with the kernel's reason."""
    tool = world.top / "bin" / PYTHON_FILE.name
    tool.parent.mkdir()
    tool.write_bytes(PYTHON_FILE.read_bytes()[:64])
    tool.chmod(0o755)
    script = world.script("job", f"{tool} -I", GENUINE)
    assert world.run(world.script("naive-job", tool, wrapper=world.naive)).code
    result = world.run(script)
    refused(result, "INTERPRETER_EXEC", script)
    assert result.code == 126, result
    assert fix_of(result) == f"file -L {tool}"


def test_interpreter_nosuid(world, attacker, beaten):
    """An interpreter on a file system that somebody else wrote."""
    stick = world.folder("stick")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "none", stick)
    name = f"stick/{PYTHON_FILE.name}"
    naive, script = jobs(world, world.script(name, "#!/usr/bin/python3\n", attacker.code, None))
    attacker.wins(world.run(naive))
    beaten(world.run(script), "INTERPRETER_NOSUID", script)
    interpreter(world, name)
    mount("-o", "remount,suid", stick)
    genuine(world.run(script))


def test_interpreter_noexec(world, refused):
    """Refused by the kernel, and so to the naive wrapper."""
    data = world.folder("data")
    mount("-t", "tmpfs", "-o", "noexec,mode=755", "none", data)
    script = world.script("job", interpreter(world, "data/tool"), GENUINE)
    refused(world.run(script), "INTERPRETER_DENIED", script)


def test_programs_without_end(world, refused):
    """Scripts that name each other neither hang nor crash it."""
    for name, other in (("one", "two"), ("two", "one")):
        world.script(name, f"#!{world.top}/{other}\n", "", None)
    for line in world.top / "one", f"--unproven env {world.top}/one":
        script = world.script("job", line, "")
        refused(world.run(script), "INTERPRETER_PROGRAM", script)
