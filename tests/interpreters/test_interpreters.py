"""Every interpreter gives its script exactly the grant, and all of the caller's arguments."""

import re
import shutil
import subprocess

import pytest
from kit import (
    AWK,
    BUILD,
    CSH,
    GUILE,
    LUA,
    NODE,
    PERL,
    PHP,
    PYTHON,
    R,
    RUBY,
    SHELL,
    TCL,
    bit,
    bounding,
    evil,
    four,
    grant,
    last_cap,
    names,
    sets_in,
)

GRANT = "cap_chown,cap_net_raw,cap_sys_admin"
HOSTILE = ["-e", "--version", "-x", "-c", "-", "--", "--help", "-f", "x=1", "", "two words", "-i"]


def words_in(text: str) -> list[str]:
    """The arguments that a script printed, one a line in brackets."""
    return [line[1:-1] for line in text.splitlines() if line.startswith("[")]


@pytest.mark.parametrize(("line", "body"), [
    ("python3", PYTHON),
    ("python3 -I", PYTHON),
    ("env python3", PYTHON),
    ("perl", PERL),
    ("perl -T", PERL),
    ("ruby", RUBY),
    ("bash", SHELL),
    ("dash", SHELL),
    ("zsh", SHELL),
    ("lua5.4", LUA),
    ("tclsh", TCL),
    ("gawk -E", AWK),
    ("php", PHP),
    ("guile", GUILE),
    ("Rscript", R),
], ids=lambda value: value if "\n" not in value else "")
def test_interpreter(world, line, body):
    """As an unprivileged user, the sets as the interpreter itself reads them, bit by bit."""
    result = world.run(world.script("show", line, body, f"{GRANT}=i"), *HOSTILE)
    assert result.code == 0, result
    assert four(result.sets) == grant(bit(GRANT))
    assert words_in(result.text) == HOSTILE


NODE_LINES = [
    "node --disable-sigusr1",
    "node --permission --allow-fs-read=*",
    "node --experimental-permission --allow-fs-read=*",
]


@pytest.mark.parametrize("line", NODE_LINES)
def test_node(world, line):
    """What this node offers against its debugger works; what it lacks makes node itself refuse to start."""
    offered = subprocess.run(["/usr/bin/" + line.split()[0], *line.split()[1:], "-e", "0"], capture_output=True)
    script = world.script("show", line, NODE, f"{GRANT}=i")
    result = world.run(script, *HOSTILE)
    if offered.returncode:
        assert b"bad option" in offered.stderr
        assert (result.code, result.out) == (9, b"") and "bad option" in result.err
        return
    assert result.code == 0, result
    assert four(result.sets) == grant(bit(GRANT))
    assert words_in(result.text) == HOSTILE


@pytest.mark.parametrize("added", [[], ["--disable-sigusr1", "--permission"]])
def test_node_with_its_debugger_is_refused(world, added, refused):
    """What closes it counts only in the line, not among the caller's arguments."""
    script = world.script("show", "node", NODE)
    refused(world.run(script, *added), "PROVEN_NEEDS", script)


def test_virtual_environment(world):
    """One that root owns works as it is: its interpreter is a link, its modules are found."""
    venv = world.top / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", venv], check=True)
    packages = next(venv.glob("lib/python3*/site-packages"))
    (packages / "only_here.py").write_text("import sys\nwhere = sys.prefix\n")
    script = world.script("show", f"{venv}/bin/python3", f"{PYTHON}import only_here; print(only_here.where)\n")
    result = world.run(script, *HOSTILE)
    assert four(result.sets) == grant(bit("cap_net_raw")), result
    assert words_in(result.text) == HOSTILE
    assert result.text.splitlines()[-1] == str(venv)


@pytest.mark.parametrize("cap", range(last_cap() + 1))
def test_every_capability(world, cap, refused):
    """One by one; what is outside of the bounding set is refused by name."""
    mask = 1 << cap
    script = world.script("show", "dash", SHELL, f"{names(mask)}=i")
    result = world.run(script)
    if mask & bounding():
        assert (result.code, four(result.sets)) == (0, grant(mask)), result
    else:
        refused(result, "CEILING_BOUNDING", script)
        assert f"did not get {names(mask)}: not in the bounding set" in result.err


def test_all_capabilities_at_once(world):
    mask = bounding() & ((1 << last_cap() + 1) - 1)
    result = world.run(world.script("show", "dash", SHELL, f"{names(mask)}=i"))
    assert (result.code, four(result.sets)) == (0, grant(mask)), result


# What is called by these names is a link to a program of another name.
FILES = {"awk": "mawk", "nawk": "original-awk", "sh": "dash", "csh": "bsd-csh"}


def echo(world, line: str) -> list[str]:
    """The command line of an interpreter: a program that prints its arguments takes its place."""
    *options, program = re.match(r"(--unproven )?(\S+)", line).groups(default="")
    file = FILES.get(program, program)
    world.folder("bin")
    world.program(f"bin/{file}", BUILD / "tests/programs/status", "")
    if file != program:
        (world.top / "bin" / program).symlink_to(file)
    script = world.script("script", f"{options[0]}{world.top}/bin/{line.removeprefix(options[0])}")
    result = world.run(script, "-e", "x")
    first, *words = re.findall(r"^Argument:\t(.*)$", result.text, re.M)
    assert (first, result.sets["CapEff"]) == (f"{world.top}/bin/{program}", bit("cap_net_raw")), result
    return " ".join(words).replace(str(script), "SCRIPT").split()


@pytest.mark.parametrize("line", [
    "awk -f", "mawk -f", "nawk -f", "awk -F: -f", "awk -F : -v a=b -f", "sed -f", "sed -nf", "sed -n -f", "sed -Ef",
    "expect -f", "expect -Nf", "--unproven awk --file", "--unproven sed --file",
])
def test_option_for_the_script_is_closed(world, line):
    """Where the script is the argument of an option -f, options end behind it."""
    program, *options = line.removeprefix("--unproven ").split()
    added = ["-n"] if program == "expect" else []
    assert echo(world, line) == [*added, *options, "SCRIPT", "--", "-e", "x"]


ADDED = {"python3": ["-B", "-P"], "python3.9": ["-B"], "php": ["-dinclude_path=/usr/share/php"],
         "bash": ["--norc"], "perl": ["-M-strict;BEGIN{$Net::Config::CONFIGURE=$Net::Config::CONFIGURE=1}"]}
BEFORE_SCRIPT = {"bash": ["-c", ".", '"$0"']}  # blanks part them


@pytest.mark.parametrize("line", [
    "zsh -f", "bash -f", "dash -f", "ksh -f", "mksh -f", "sh -ef", "gawk -E", "gawk -nE", "python3 -I", "python3.9 -I", "php -n",
    "perl -T", "--unproven tool -x", "--unproven tool -", "--unproven tool f", "--unproven tool --f", "--unproven tool -f9",
    "--unproven csh -f", "--unproven tcsh -ef", "--unproven gawk -f", "--unproven nft -f",
])
def test_nothing_is_added_elsewhere(world, line):
    """Shells have another -f, without an argument: there -- would reach the script."""
    program, *options = line.removeprefix("--unproven ").split()
    assert echo(world, line) == [*ADDED.get(program, []), *options, *BEFORE_SCRIPT.get(program, []), "SCRIPT", "-e", "x"]


@pytest.mark.parametrize(("line", "body"), [
    ("--unproven csh -f", CSH),
    ("--unproven tcsh -f", CSH),
    ("zsh -f", "printf '[%s]\\n' \"$@\"\n"),
    ("bash -f", "printf '[%s]\\n' \"$@\"\n"),
    ("env zsh -f", "printf '[%s]\\n' \"$@\"\n"),
])
def test_shells_take_f_without_an_argument(world, line, body):
    result = world.run(world.script("show", line, body), *HOSTILE)
    assert (result.code, words_in(result.text)) == (0, HOSTILE), result


OPTIONS = [
    # line, script, what the caller adds
    ("gawk -f", "BEGIN {}\n", ["-f", "EVIL.awk"]),
    ("gawk -f", "BEGIN {}\n", ["-e", 'BEGIN {system("EVIL")}']),
    ("gawk -f", "BEGIN {}\n", ["--source=BEGIN {system(\"EVIL\")}"]),
    ("mawk -f", "BEGIN {}\n", ["-f", "EVIL.awk"]),
    ("sed -f", "p\n", ["-e", "1e EVIL"]),
    ("sed -nf", "p\n", ["-e", "1e EVIL"]),
    ("sed -nf", "p\n", ["-f", "EVIL.sed"]),
    ("expect -f", "exit 0\n", ["-c", "puts [exec EVIL]"]),
    ("expect -f", "exit 0\n", ["-f", "EVIL.tcl"]),
    ("php -f", "<?php\n", ["-r", "passthru('EVIL');"]),
    ("php -f", "<?php\n", ["-d", "auto_prepend_file=EVIL.php"]),
]


@pytest.mark.parametrize(("line", "body", "added"), OPTIONS, ids=[f"{row[0]} {row[2][0]}" for row in OPTIONS])
def test_caller_adds_no_code(world, refused, line, body, added):
    """Options of the interpreter in the caller's arguments: without the rule they win the grant."""
    program = evil(world)
    for suffix, code in {
        "awk": 'BEGIN {system("EVIL")}',
        "sed": "1e EVIL",
        "tcl": "puts [exec EVIL]",
        "php": "<?php passthru('EVIL');",
    }.items():
        program.with_suffix(f".{suffix}").write_text(code.replace("EVIL", str(program)) + "\n")
    script = world.script("show", line, body)
    added = [word.replace("EVIL", str(program)) for word in added]

    won = world.run(world.naive, line, script, *added, stdin=b"line\n")
    assert sets_in(won.err).get("CapEff") == bit("cap_net_raw"), won
    result = world.run(script, *added, stdin=b"line\n")
    if line in ("gawk -f", "php -f"):
        refused(result, "PROVEN_NEEDS" if line == "gawk -f" else "PROVEN_OPTION", script)
    assert "EVIL\n" not in result.err


@pytest.mark.parametrize(("line", "added", "reason"), [
    ("make -f", ["SHELL=EVIL"], "PROVEN_NEVER"),
    ("make -f", ["x:=$(shell EVIL)"], "PROVEN_NEVER"),
    ("make -f", ["x!=EVIL"], "PROVEN_NEVER"),
    ("/usr/bin/make -rf", ["--eval=$(shell EVIL)"], "PROVEN_NEVER"),
    ("env make -f", ["SHELL=EVIL"], "PROVEN_NEVER"),
    ("R --no-echo --no-restore -f", ["-d", "EVIL"], "INTERPRETER_PROGRAM"),
    ("env R --no-echo --no-restore -f", ["-d", "EVIL"], "INTERPRETER_PROGRAM"),
], ids=lambda value: str(value))
def test_interpreter_that_runs_what_the_caller_says(world, refused, line, added, reason):
    """What -- does not stop: variables of make, and any option of R."""
    program = evil(world)
    body = "all:\n\t@echo x\n" if "make" in line else "1\n"
    script = world.script("show", line, body)
    added = [word.replace("EVIL", str(program)) for word in added]
    end = ["--"] if "make" in line and "--eval" not in added[0] else []
    won = world.run(world.naive, line, script, *end, *added, env={"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"})
    assert sets_in(won.err).get("CapEff") == bit("cap_net_raw"), won
    refused(world.run(script, *added), reason, script)
    script = world.script("show", f"--unproven {line}", body)
    refused(world.run(script, *added), reason, script)


def test_copy_of_an_interpreter_without_capabilities(world):
    """An interpreter of one's own works like the system's."""
    copy = world.program("dash", shutil.which("dash"), caps="")
    result = world.run(world.script("show", str(copy), SHELL))
    assert four(result.sets) == grant(bit("cap_net_raw")), result
