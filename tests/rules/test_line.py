"""Rule line: the script's first line says it all, and it is the line that the wrapper was called with."""

import errno
import os
import resource
import shutil

import pytest
from kit import BUILD, GENUINE, GRANT, STATUS, bit, filtered, fix_of, four, genuine, grant, jobs, mend

CAP = bit(GRANT)
LONG = 255  # bytes of a first line, with its newline, that every kernel reads


def line_of(length: int, start: str) -> bytes:
    """A first line of that many bytes, newline included, that ends in an argument of the interpreter."""
    return start.encode().ljust(length - 1, b"x") + b"\n"


# What a first line may have wrong: the bytes, %w for the wrapper, and the refusal.
LINES = {
    "no #!": (b"import sys\n", "LINE_MAGIC"),
    "a blank before #!": (b" #!%w python3\n", "LINE_MAGIC"),
    "half of #!": (b"#", "LINE_MAGIC"),
    "nothing at all": (b"", "LINE_MAGIC"),
    "a byte order mark": (b"\xef\xbb\xbf#!%w python3\n", "LINE_MARK"),
    "a program": (b"\x7fELF\x02\x01\x01\0", "LINE_PROGRAM"),
    "no newline": (b"#!%w python3", "LINE_END"),
    "too long": (b"#!%w python3 -X " + b"x" * 300 + b"\n", "LINE_END"),
    "carriage return": (b"#!%w python3\r\n", "LINE_CR"),
    "NUL": (b"#!%w python3\0 -I\n", "LINE_CONTROL"),
    "escape": (b"#!%w python3 \x1b[31m\n", "LINE_CONTROL"),
    "vertical tab": (b"#!%w python3\x0b\n", "LINE_CONTROL"),
    "delete": (b"#!%w python3\x7f\n", "LINE_CONTROL"),
    "another program": (b"#!/usr/bin/python3\n", "LINE_WRAPPER"),
    "a copy of the wrapper": (b"#!%w-copy python3\n", "LINE_WRAPPER"),
    "a wrapper that is gone": (b"#!%w-gone python3\n", "LINE_WRAPPER"),
    "a relative wrapper": (b"#!capwrap python3\n", "LINE_WRAPPER"),
    "unknown option": (b"#!%w --keep-env python3\n", "LINE_OPTION"),
    "an option's start": (b"#!%w --cont python3\n", "LINE_OPTION"),
    "joined letters": (b"#!%w -cn python3\n", "LINE_OPTION"),
    "two dashes": (b"#!%w -- python3\n", "LINE_OPTION"),
    "a dash": (b"#!%w - python3\n", "LINE_OPTION"),
    "--env at the end": (b"#!%w --env\n", "LINE_ENV_NAME"),
    "--env of nothing": (b"#!%w --env= python3\n", "LINE_ENV_NAME"),
    "--env and an option": (b"#!%w --env --contain python3\n", "LINE_ENV_NAME"),
    "--env with a value": (b"#!%w --env EDITOR=vi python3\n", "LINE_ENV_NAME"),
    "--env of a pattern": (b"#!%w --env LC_* python3\n", "LINE_ENV_NAME"),
    "--env of a digit": (b"#!%w --env 1A python3\n", "LINE_ENV_NAME"),
    "--env with a comma less": (b"#!%w --env A,,B python3\n", "LINE_ENV_NAME"),
    "--env with a comma more": (b"#!%w --env A, python3\n", "LINE_ENV_NAME"),
    "--env of the loader": (b"#!%w --env EDITOR,LD_PRELOAD python3\n", "LINE_ENV_LOADER"),
    "env -i": (b"#!%w env -i python3\n", "LINE_ENV_OPTION"),
    "env -": (b"#!%w env - python3\n", "LINE_ENV_OPTION"),
    "env -u": (b"#!%w /usr/bin/env -u PATH python3\n", "LINE_ENV_OPTION"),
    "env -C": (b"#!%w env -C /tmp python3\n", "LINE_ENV_OPTION"),
    "env -P": (b"#!%w env -P /tmp python3\n", "LINE_ENV_OPTION"),
    "env -vS": (b"#!%w env -vS python3\n", "LINE_ENV_OPTION"),
    "env -Spython3": (b"#!%w env -Spython3\n", "LINE_ENV_OPTION"),
    "env --split-string": (b"#!%w env --split-string=python3\n", "LINE_ENV_OPTION"),
    "env -S -i": (b"#!%w env -S -i python3\n", "LINE_ENV_OPTION"),
    "env --": (b"#!%w env -- python3\n", "LINE_ENV_OPTION"),
    "env -i, unproven": (b"#!%w --unproven env -i python3\n", "LINE_ENV_OPTION"),
    "quotes": (b"#!%w env -S 'python3' -I\n", "LINE_ENV_QUOTES"),
    "double quotes": (b"#!%w env -S python3 -W \"a b\"\n", "LINE_ENV_QUOTES"),
    "a backslash": (b"#!%w env -S python3\\_-I\n", "LINE_ENV_QUOTES"),
    "a variable of the caller's": (b"#!%w env -S ${EDITOR} -I\n", "LINE_ENV_QUOTES"),
    "no name": (b"#!%w a.b=c python3\n", "LINE_VARIABLE_NAME"),
    "a digit": (b"#!%w env 1A=b python3\n", "LINE_VARIABLE_NAME"),
    "a function": (b"#!%w env BASH_FUNC_ls%%=b bash\n", "LINE_VARIABLE_NAME"),
    "a variable of the loader": (b"#!%w LD_PRELOAD=/tmp/x.so python3\n", "LINE_VARIABLE_LOADER"),
    "the same behind env": (b"#!%w env -S LD_AUDIT=/tmp/x.so python3\n", "LINE_VARIABLE_LOADER"),
    "the same, unproven": (b"#!%w -U A=b GLIBC_TUNABLES=x python3\n", "LINE_VARIABLE_LOADER"),
    "PATH": (b"#!%w env PATH=/tmp python3\n", "LINE_VARIABLE_SET"),
    "HOME": (b"#!%w -U HOME=/tmp python3\n", "LINE_VARIABLE_SET"),
    "PYTHONSAFEPATH": (b"#!%w A=b PYTHONSAFEPATH= python3\n", "LINE_VARIABLE_SET"),
    "variables only": (b"#!%w A=b C=d\n", "LINE_INTERPRETER"),
    "env only": (b"#!%w env\n", "LINE_INTERPRETER"),
    "env -S only": (b"#!%w env -S A=b\n", "LINE_INTERPRETER"),
    "options only": (b"#!%w --contain -n -e EDITOR\n", "LINE_INTERPRETER"),
}


def called_with(head: bytes) -> bytes:
    """What the kernel would pass of a first line."""
    return head[2:].split(b"\n")[0].split(b"\0")[0].strip(b" \t").partition(b" ")[2].strip(b" \t")


@pytest.mark.parametrize("flaw", LINES)
def test_line(world, attacker, beaten, flaw):
    """Called by hand for any file with a grant, the naive wrapper runs what the caller names; so does no capwrap."""
    head, name = LINES[flaw]
    head = head.replace(b"%w", bytes(world.wrapper))
    world.program("capwrap-copy", world.wrapper)
    script = world.script("job", head, GENUINE if head.endswith(b"\n") else b"")
    attacker.wins(world.run(world.naive, attacker.program, script))
    if name in ("LINE_MAGIC", "LINE_PROGRAM", "LINE_MARK", "LINE_END", "LINE_CR", "LINE_CONTROL", "LINE_WRAPPER"):
        beaten(world.run(world.wrapper, attacker.program, script), name, script)
    else:
        beaten(world.run(world.wrapper, attacker.program, script), "LINE_DIFFERS", script)
    beaten(world.run(world.wrapper, called_with(head), script), name, script)
    if name not in ("LINE_MAGIC", "LINE_PROGRAM", "LINE_MARK", "LINE_END", "LINE_WRAPPER"):
        beaten(world.run(script), name, script)


@pytest.mark.parametrize("head", [b"#!\n", b"#! \t \n"])
def test_line_of_blanks(world, attacker, beaten, head):
    """No wrapper at all is another one than this; the kernel runs no such file, the caller may by hand."""
    script = world.script("job", head, GENUINE)
    attacker.wins(world.run(world.naive, attacker.program, script))
    beaten(world.run(world.wrapper, attacker.program, script), "LINE_MAGIC", script)


def test_line_carriage_return_fix(world, refused):
    """A script that was written on Windows: the fix is a command, and the grant must be set again."""
    script = world.script("job", f"#!{world.wrapper} python3\r\n", GENUINE.replace("\n", "\r\n"))
    result = world.run(script)
    refused(result, "LINE_CR", script)
    mend(result, ("cap_net_raw=i", script))
    genuine(world.run(script))
    assert b"\r" not in script.read_bytes()


def test_line_cut_by_the_kernel(world, attacker, beaten):
    """Where a first line is too long the kernel cuts it, and runs what is left: here a path that the user can fill."""
    for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
        folder = attacker.home / ("x" * 100)
        world.run("mkdir", "-p", folder)
        whole = f"#!{wrapper} {folder}/".ljust(300, "y")
        script = world.script(name, whole.encode() + b"\n", GENUINE, wrapper=wrapper)
        attacker.writes(folder / whole[:255].rsplit("/", 1)[1])
        result = world.run(script)
        if wrapper == world.naive:
            attacker.wins(result)
    beaten(result, "LINE_END", script)


@pytest.mark.parametrize(("length", "runs"), [(LONG - 1, True), (LONG, True), (LONG + 1, False), (LONG + 2, False)])
def test_line_length(world, refused, length, runs):
    """Kernels before 5.1 read one byte less, so a line of 256 bytes is refused though this kernel takes it whole."""
    script = world.script("job", line_of(length, f"#!{world.wrapper} python3 -W "), GENUINE)
    result = world.run(script)
    genuine(result) if runs else refused(result, "LINE_END", script)


@pytest.mark.parametrize("head", [
    "#! {} python3\n", "#!\t{}\t python3 \n", "#!{}  --no-new-privs \t python3  \n", "#!{} -e A,B --env=C -n python3\n",
])
def test_line_blanks(world, head):
    """Blanks as the kernel has them are no flaw; options may stand in any order."""
    script = world.script("job", head.format(world.wrapper), GENUINE)
    genuine(world.run(script))


@pytest.mark.parametrize("line", ["", "python3 -I", "python3 ", " python3", "python3\t", "--env LD_PRELOAD python3"])
def test_line_differs(world, attacker, beaten, line):
    """The caller writes the line: another interpreter, or other options for it."""
    script = world.script("job", "python3", GENUINE)
    attacker.wins(world.run(world.naive, attacker.program, script))
    beaten(world.run(world.wrapper, attacker.program, script), "LINE_DIFFERS", script)
    result = beaten(world.run(world.wrapper, line, script), "LINE_DIFFERS", script)
    assert fix_of(result) == f"run the script itself: {script}"
    genuine(world.run(script))


def test_line_injected_options(world, attacker, beaten):
    """Options of the interpreter that run code: python3 -c, perl -e."""
    for line, body in (("python3", GENUINE), ("perl", "")):
        script = world.script("job", line, body)
        evil = f"{line} {attacker.home}/evil"
        attacker.wins(world.run(world.naive, evil if line == "python3" else "perl -x " + str(perl(attacker)), script))
        beaten(world.run(world.wrapper, evil, script), "LINE_DIFFERS", script)


def perl(attacker):
    return attacker.writes(attacker.home / "evil.pl", f'#!perl\nexec "{attacker.program}";\n')


def test_line_of_the_naive_wrapper(world, attacker, beaten):
    """A script that was granted something for another wrapper, which asks for more, is not capwrap's to run."""
    script = world.script("job", "python3", attacker.code, wrapper=world.naive)
    attacker.wins(world.run(script))
    beaten(world.run(world.wrapper, "python3", script), "LINE_WRAPPER", script)


def test_line_wrapper_by_another_name(world):
    """Links to the wrapper are the wrapper, so its path may be any that the administrator likes."""
    (world.top / "link").symlink_to(world.wrapper)
    os.link(world.wrapper, world.top / "hard-link")
    for name in ("link", "hard-link"):
        genuine(world.run(world.script("job", f"#!{world.top / name} python3\n", GENUINE)))


@pytest.mark.parametrize("name", [
    "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "LD_", "GLIBC_TUNABLES", "GCONV_PATH", "MALLOC_CHECK_", "LOCPATH",
    "HOSTALIASES", "RESOLV_HOST_CONF", "TZDIR",
])
def test_line_env_loader(world, refused, name):
    """What steers the loader is never kept. The naive wrapper keeps all but these, as glibc takes them from a program
    that gains capabilities; another C library need not."""
    script = world.script("job", f"--env {name} python3", GENUINE)
    result = world.run(script)
    refused(result, "LINE_ENV_LOADER", script)
    assert f"names {name}," in result.err
    genuine(world.run(world.script("job", "--env MY_LD_PRELOAD python3", GENUINE)))


def test_line_missing_interpreter_name(world, refused):
    """Without a LINE the kernel calls the wrapper with one argument less: the caller's first is not taken for the
    script."""
    script = world.script("job", f"#!{world.wrapper}\n", GENUINE)
    other = world.script("other", "python3", GENUINE)
    for arguments in [], ["argument"], [other], [other, other]:
        refused(world.run(script, *arguments), "LINE_INTERPRETER", script)
    refused(world.run(world.wrapper, "", script), "LINE_INTERPRETER", script)


def test_line_read(world, refused):
    """A read that fails: by a seccomp filter here, by a broken disk elsewhere."""
    script = world.script("job", "python3", GENUINE)
    refused(filtered(world, "pread64", errno.EIO, script, arg=(2, LONG)), "LINE_READ", script)


def test_by_hand(world):
    """As the kernel calls it."""
    script = world.script("show", "--no-new-privs python3  -I", STATUS)
    assert four(world.run(world.wrapper, "--no-new-privs python3  -I", script).sets) == grant(CAP)


def test_refusal_on_a_small_stack(world, refused):
    """A refusal needs no more stack than a run: nobody is left without a word."""
    script = world.script("job", "python3", GENUINE)
    small = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_STACK, (17 << 10, 17 << 10)), "env": {}}
    refused(world.run(world.wrapper, "python2", script, **small), "LINE_DIFFERS", script)


# ---- env and NAME=VALUE: what env would do is done by the wrapper, and env is never started

IMPORTS_IN_A_CHILD = "import subprocess\nsubprocess.run(['/usr/bin/python3', '-c', 'import json'])\n" + GENUINE


@pytest.mark.parametrize("line", ["env -i python3", "env - python3", "/usr/bin/env -u PYTHONSAFEPATH -u PYTHONPATH python3"])
def test_line_env_unsets(world, attacker, beaten, line):
    """Options of env that take away what keeps the current directory out of what the script starts."""
    attacker.writes(attacker.home / "json.py", attacker.code)
    naive, script = jobs(world, line, IMPORTS_IN_A_CHILD)
    attacker.wins(world.run(naive, cwd=attacker.home))
    beaten(world.run(script, cwd=attacker.home), "LINE_ENV_OPTION", script)
    script = world.script("job", f"--unproven {line}", IMPORTS_IN_A_CHILD)
    beaten(world.run(script, cwd=attacker.home), "LINE_ENV_OPTION", script)
    genuine(world.run(world.script("job", "env python3", IMPORTS_IN_A_CHILD), cwd=attacker.home))
    attacker.loses()


@pytest.mark.parametrize("line", ["env PATH={}:/usr/bin python3", "/usr/bin/env -S PATH={} python3", "env A=b PATH={} python3"])
def test_line_env_path(world, attacker, beaten, line):
    """env looks the interpreter up in the PATH that it was given: in a directory of the caller's."""
    attacker.writes(attacker.home / "python3")
    line = line.format(attacker.home)
    naive = world.script("naive-job", line.replace(" -S", ""), GENUINE, wrapper=world.naive)
    attacker.wins(world.run(naive))
    for options in "", "--unproven ":
        script = world.script("job", options + line, GENUINE)
        result = beaten(world.run(script), "LINE_VARIABLE_SET", script)
        assert "sets PATH," in result.err


@pytest.mark.parametrize("line", ["--env PATH env python3", "--env PATH python3", "-e PATH env -S A=b python3",
                                  "--env PATH --unproven env python3"])
def test_line_env_keeps_the_path(world, attacker, line):
    """With the caller's PATH kept, another python3 is not started: the one runs that was judged, by its absolute path."""
    attacker.writes(attacker.home / "python3")
    path = {"PATH": f"{attacker.home}:/usr/bin"}
    attacker.wins(world.run(world.script("naive-job", line.replace(" -S", ""), GENUINE, wrapper=world.naive), env=path))
    body = GENUINE + "import os; print(sys.executable, sys.orig_argv[0], os.environ['PATH'])\n"
    result = world.run(world.script("job", line, body), env=path)
    genuine(result)
    attacker.loses()
    assert result.text.endswith(f"\n/usr/bin/python3 /usr/bin/python3 {path['PATH']}\n"), result


def test_line_env_expands(world, attacker, beaten):
    """env -S expands variables: the caller's."""
    line = "env -S ${EDITOR}"
    naive, script = jobs(world, line)
    editor = {"PATH": "/usr/bin", "EDITOR": str(attacker.program)}
    attacker.wins(world.run(naive, env=editor))
    beaten(world.run(script, env=editor), "LINE_ENV_QUOTES", script)


def test_line_variable_or_path(world, attacker, beaten):
    """What has a = in it may be meant as a path: a relative one, in the caller's directory."""
    world.run("mkdir", attacker.home / "a-b=c")
    attacker.writes(attacker.home / "a-b=c/python3")
    naive, script = jobs(world, "a-b=c/python3")
    attacker.wins(world.run(naive, cwd=attacker.home))
    beaten(world.run(script, cwd=attacker.home), "LINE_VARIABLE_NAME", script)
    script = world.script("job", "a=c/python3 python3", "import os; assert os.environ['a'] == 'c/python3'\n" + GENUINE)
    genuine(world.run(script, cwd=attacker.home))


def test_line_variable_loader(world, attacker, beaten):
    """A library of the caller's is mapped into the interpreter."""
    library = attacker.home / "evil.so"
    shutil.copyfile(BUILD / "tests/programs/agent.so", library)
    maps = "print('evil.so' in open('/proc/self/maps').read())\n"
    naive, script = jobs(world, f"env LD_PRELOAD={library} python3", maps)
    assert world.run(naive).text == "True\n"
    beaten(world.run(script), "LINE_VARIABLE_LOADER", script)
    script = world.script("job", f"--unproven LD_PRELOAD={library} python3", maps)
    beaten(world.run(script), "LINE_VARIABLE_LOADER", script)
    env = {"LD_PRELOAD": str(library)}
    assert world.run(world.script("job", "env A=b python3", maps), env=env).text == "False\n"


def test_line_variable_wins_over_the_caller(world):
    """The last of two in the line counts, and none of the caller's, kept or not."""
    body = "import os; print(os.environ['EDITOR'], os.environ['LANG'])\n"
    for options in "", "--env EDITOR,LANG ":
        script = world.script("job", f"{options}env EDITOR=vi EDITOR=ed LANG=C python3", body)
        assert world.run(script, env={"EDITOR": "evil", "LANG": "en_GB"}).text == "ed C\n"
