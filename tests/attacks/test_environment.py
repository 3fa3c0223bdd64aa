"""Attacks by the environment: every variable by which an interpreter or the C library finds code."""

import os
import shutil
import struct
from pathlib import Path

import pytest
from kit import CLOSED, GENUINE, GRANT, IMPORTS, NODE_IS_OPEN, PYTHON_FILE, Result, bit, executes, genuine, jobs

LIBRARY = f"lib/{PYTHON_FILE.name}"

# By variable: the line, the script, and what makes it run the attacker's program EVIL, in the attacker's folder MINE.
VARIABLES = {
    "PYTHONPATH": ("python3", IMPORTS, {"PYTHONPATH": "MINE"}),
    "PYTHONHOME": ("python3", GENUINE, {"PYTHONHOME": "MINE"}),
    "PYTHONUSERBASE": ("python3", GENUINE, {"PYTHONUSERBASE": "MINE/base"}),
    "PYTHONWARNINGS": ("python3", GENUINE, {"PYTHONWARNINGS": "all:0:antigravity.x:0:0", "BROWSER": "EVIL"}),
    "PERL5LIB": ("perl", "eval { require colour }; print 'genuine';", {"PERL5LIB": "MINE"}),
    "PERLLIB": ("perl", "eval { require colour }; print 'genuine';", {"PERLLIB": "MINE"}),
    "PERL5DB": ("perl", "print 'genuine';", {"PERL5OPT": "-d", "PERL5DB": "BEGIN { exec 'EVIL' }"}),
    "RUBYLIB": ("ruby", "begin; require 'colour'; rescue LoadError; end; puts 'genuine'", {"RUBYLIB": "MINE"}),
    "LUA_INIT_5_4": ("lua5.4", "print('genuine')", {"LUA_INIT_5_4": "os.execute('EVIL')"}),
    "LUA_PATH": ("lua5.4", "pcall(require, 'colour') print('genuine')", {"LUA_PATH": "MINE/?.lua"}),
    "LUA_PATH_5_4": ("lua5.4", "pcall(require, 'colour') print('genuine')", {"LUA_PATH_5_4": "MINE/?.lua"}),
    "PS4": ("bash", "echo genuine", {"SHELLOPTS": "xtrace", "PS4": "$(EVIL >&3)"}),
    "BASH_FUNC": ("bash", "id > /dev/null\necho genuine", {"BASH_FUNC_id%%": "() { EVIL >&3; }"}),
    "TEXTDOMAINDIR": ("bash", 'echo $"hello" > /dev/null\necho genuine', {
        "TEXTDOMAIN": "job", "TEXTDOMAINDIR": "MINE", "LANGUAGE": "xx", "LANG": "xx_XX.UTF-8"}),
    "ZDOTDIR": ("zsh", "echo genuine", {"ZDOTDIR": "MINE"}),
    "HOME of zsh": ("zsh", "echo genuine", {"HOME": "MINE"}),
    "HOME of tcsh": ("--unproven tcsh", "echo genuine", {"HOME": "MINE"}),
    "NODE_OPTIONS": (f"node {CLOSED}", "console.log('genuine')", {"NODE_OPTIONS": "--require MINE/colour.js"}),
    "NODE_PATH": (f"node {CLOSED}", "try { require('colour') } catch (e) {}\nconsole.log('genuine')", {
        "NODE_PATH": "MINE"}),
    "PHPRC": ("php", "<?php echo 'genuine';", {"PHPRC": "MINE"}),
    "PHP_INI_SCAN_DIR": ("php", "<?php echo 'genuine';", {"PHP_INI_SCAN_DIR": "MINE"}),
    "TCL_LIBRARY": ("tclsh", "puts genuine", {"TCL_LIBRARY": "MINE"}),
    "TCLLIBPATH": ("tclsh", "catch {package require colour}\nputs genuine", {"TCLLIBPATH": "MINE"}),
    "GUILE_LOAD_PATH": ("guile", "!#\n(false-if-exception (load-from-path \"colour.scm\"))\n(display \"genuine\")", {
        "GUILE_LOAD_PATH": "MINE"}),
    "R_PROFILE_USER": ("Rscript", "cat('genuine')", {"R_PROFILE_USER": "MINE/colour.R"}),
    "RHOME": ("Rscript", "cat('genuine')", {"RHOME": "MINE/R"}),
    "PATH of a shell": ("dash", "shade 2> /dev/null\necho genuine", {"PATH": "MINE:/usr/bin"}),
    "PATH of perl": ("perl", "system('shade'); print 'genuine';", {"PATH": "MINE:/usr/bin"}),
}


def translation(text: str, other: str) -> bytes:
    """A catalogue of gettext's: one message, and what is said instead."""
    one, two = text.encode(), other.encode()
    places = struct.pack("<4I", len(one), 44, len(two), 45 + len(one))
    return struct.pack("<7I", 0x950412DE, 0, 1, 28, 36, 0, 44) + places + one + b"\0" + two + b"\0"


def traps(attacker) -> None:
    """Code for every interpreter in the attacker's folder, that starts the attacker's program."""
    evil = attacker.writes(attacker.program, f"#!/usr/bin/python3 -I\n{attacker.code}")  # not for itself to fall into
    shell, module = f"#!/bin/sh\nexec {evil}\n", f"import posix\nposix.execv('{evil}', ['{evil}'])\n"
    for name, text in {
        "colour.py": module, f"{LIBRARY}/encodings/__init__.py": module,
        f"base/{LIBRARY}/site-packages/usercustomize.py": module,
        "colour.pm": f"exec '{evil}';", "colour.rb": f"exec '{evil}'", "colour.lua": f"os.execute('{evil}')",
        ".zshenv": evil, ".tcshrc": evil, "shade": shell, "R/bin/R": shell,
        "colour.js": f"require('child_process').execFileSync('{evil}', {{stdio: 'inherit'}})",
        "colour.php": f"<?php passthru('{evil}'); exit;", "php.ini": f"auto_prepend_file={attacker.home}/colour.php",
        "init.tcl": f"puts [exec {evil}]", "pkgIndex.tcl": f"puts [exec {evil}]", "colour.scm": f'(system "{evil}")',
        "colour.R": f"system('{evil}')", "xx/LC_MESSAGES/job.mo": translation("hello", f"$({evil} >&3)"),
    }.items():
        path = attacker.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())
        path.chmod(0o755)


@pytest.fixture
def translated():
    """Nothing is translated in C.UTF-8, the only locale that every Debian has: it is there by another name."""
    place = Path("/usr/lib/locale/xx_XX.utf8")
    shutil.copytree("/usr/lib/locale/C.utf8", place, dirs_exist_ok=True)
    yield
    shutil.rmtree(place)


@pytest.mark.usefixtures("translated")
@pytest.mark.parametrize("kind", [
    pytest.param(kind, marks=pytest.mark.skipif(CLOSED is None, reason=NODE_IS_OPEN)) if kind.startswith("NODE_") else kind
    for kind in VARIABLES])
def test_variables(world, attacker, kind):
    """Shellshock (CVE-2014-6271), CVE-2005-4158 (sudo), and every variable by which an interpreter
    loads or runs what it names."""
    line, body, variables = VARIABLES[kind]
    traps(attacker)
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | {
        name: value.replace("MINE", str(attacker.home)).replace("EVIL", str(attacker.program))
        for name, value in variables.items()}
    naive, script = jobs(world, line, body)
    more = {"env": env, "close_fds": False, "preexec_fn": lambda: os.dup2(1, 3)}
    won = world.run(naive, **more)
    assert "attacker\n" in won.text and won.sets["CapEff"] == bit(GRANT), won
    attacker.mark.unlink()
    result = world.run(script, **more)
    assert result.text.startswith("genuine"), result
    attacker.loses()


LOADER = [
    "GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A", "LD_PRELOAD=MINE/evil.so", "LD_AUDIT=MINE/evil.so",
    "LD_LIBRARY_PATH=MINE", "LD_DEBUG=all", "LD_ORIGIN_PATH=MINE", "LD_PROFILE=libc.so.6", "LD_SHOW_AUXV=1",
    "GCONV_PATH=MINE", "LOCPATH=MINE", "NLSPATH=MINE/%N", "TZDIR=MINE", "HOSTALIASES=MINE/hosts", "MALLOC_CHECK_=3",
    "RES_OPTIONS=debug", "GETCONF_DIR=MINE", "RESOLV_HOST_CONF=MINE/host.conf", "LOCALDOMAIN=evil", "LD_LIBRARY_PATH",
    "LD_PRELOAD =MINE/evil.so", "=LD_PRELOAD=MINE/evil.so",
]
TOLD = "import os, sys; sys.stdout.write(open('/proc/self/environ').read().replace('\\0', '\\n'))\n" + GENUINE


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
def test_loader(world, attacker, twice):
    """CVE-2023-4911 (Looney Tunables), CVE-2010-3856 (LD_AUDIT), CVE-2021-4034's GCONV_PATH: what steers the loader,
    also twice or malformed. For naive glibc takes it away, of a program that gains capabilities; no C library need."""
    entries = [entry.replace("MINE", str(attacker.home)) for entry in LOADER for _ in range(1 + twice)]
    _, script = jobs(world, body=TOLD)
    result = world.run("false", preexec_fn=executes(script, program=script, environment=entries))
    names, _, rest = result.text.partition("genuine\n")
    assert {entry.partition("=")[0] for entry in names.splitlines()}.isdisjoint(
        {entry.partition("=")[0].strip() for entry in LOADER} | {""}), names
    genuine(Result(result.code, b"genuine\n" + rest.encode(), result.err))


@pytest.mark.parametrize("entries", [
    ["PYTHONPATH=MINE", "PYTHONPATH=/none"], ["PATH=/bin", "PATH=MINE", "PYTHONPATH=MINE", "PATH=/usr/bin"],
    ["", "=", "PYTHONPATH", "PYTHONPATH=MINE"], ["LC_ALL=C"] * 500 + ["PYTHONPATH=MINE"],
], ids=["twice", "amid others", "after malformed ones", "after many"])
def test_malformed_environment(world, attacker, entries):
    """CVE-2000-0824 (glibc's unsetenv): the variable that is looked at is not the one that counts."""
    attacker.writes(attacker.home / "colour.py")
    entries = [entry.replace("MINE", str(attacker.home)) for entry in entries]
    naive, script = jobs(world, body=IMPORTS)
    attacker.wins(world.run("false", preexec_fn=executes(naive, program=naive, environment=entries)))
    genuine(world.run("false", preexec_fn=executes(script, program=script, environment=entries)))
    attacker.loses()


def test_time_zone(world):
    """CVE-2014-9680 (sudo): any file is opened as a time zone, with the script's capabilities."""
    zone = world.top / "zone"
    zone.write_bytes(b"TZif" + bytes(16) + struct.pack(">6IiBB", 0, 0, 0, 0, 1, 5, 0, 0, 0) + b"LEAK\0")
    zone.chmod(0o600)
    for script in jobs(world, "dash", "date +%Z\n", "cap_dac_read_search"):
        told = {world.run(script, env={"PATH": "/usr/bin", "TZ": f"{start}{zone}"}).text
                for start in ("", ":", "../../..", ":../../..")}
        assert ("LEAK\n" in told) == (script.name == "naive-job"), told
    assert told == {"UTC\n"}


@pytest.mark.parametrize("name", ["LANG", "LC_ALL", "LC_MESSAGES", "LANGUAGE"])
def test_locale(world, attacker, name):
    """CVE-2014-0475 (glibc): a locale that is a path. glibc since 2.20 takes none, with naive as well; the test is
    there for other C libraries, and for programs that look catalogues up themselves."""
    _, script = jobs(world, body=TOLD)
    for value in (f"{attacker.home}/locale", f"../../../../../..{attacker.home}/locale", "C/../..", "C:..", "%s"):
        result = world.run(script, env={"PATH": "/usr/bin", name: value})
        assert f"\n{name}=" not in f"\n{result.text.partition('genuine')[0]}", result
        assert result.sets["CapEff"] == bit(GRANT)


# Writes to a file of that name, in that codeset, what prints a word and the process's capabilities.
CODESETS = {
    "tclsh": ("xx.ebcdic", """
set path [lindex $argv 0]
set code {encoding system iso8859-1
fconfigure stdout -encoding iso8859-1
puts attacker
puts [read [open /proc/self/status]]
exit}
set name [encoding convertto ebcdic $path]
set code [encoding convertto ebcdic $code]
encoding system iso8859-1
set file [open $name w]
fconfigure $file -translation binary
puts -nonewline $file $code
close $file
"""),
    "guile": ("xx.UTF-16LE", """
(define path (cadr (command-line)))
(define code "(display \\"attacker\\n\\")
(display ((@ (ice-9 rdelim) read-string) (open-input-file \\"/proc/self/status\\" #:encoding \\"ISO-8859-1\\")))")
(call-with-output-file (make-string (quotient (string-length path) 2) #\\?) (lambda (port) (display code port)))
"""),
}


@pytest.mark.parametrize("name", ["LANG", "LC_ALL", "LC_CTYPE"])
@pytest.mark.parametrize("line", CODESETS)
def test_codeset(world, attacker, request, line, name):
    """CVE-2000-0844 and its kin, locales that are the caller's: under a codeset that is not like ASCII, Tcl and Guile
    take an absolute path for the name of a file in the current folder."""
    codeset, plant = CODESETS[line]
    writer = world.top / "plant"
    writer.write_text(plant)
    # Each two bytes are a character there, and some are transcribed: these are not.
    place = world.top.with_name("capwrap-test-" + "".join(2 * digit for digit in str(os.getpid())))
    request.addfinalizer(lambda: shutil.rmtree(place, ignore_errors=True))
    for wrapper in (world.naive, world.wrapper):
        script = world.script(place / "job", line, "", wrapper=wrapper)
        sought = "/usr/share/tcltk/tcl8.6/init.tcl" if line == "tclsh" else script
        world.run(f"/usr/bin/{line}", writer, sought, cwd=attacker.home, env={"PATH": "/usr/bin", "LANG": "C.UTF-8"})
        result = world.run(script, cwd=attacker.home, env={"PATH": "/usr/bin:/bin", name: codeset})
        assert ("attacker" in result.text) == (wrapper == world.naive), (result, os.listdir(attacker.home))


def test_width_of_a_listing(world):
    """As wide as the caller says, ps cuts the names off by which a script picks what it signals."""
    name = "worker-of-root-7007"
    naive, script = jobs(world, "dash", "ps -o args= -p $$ | cat\n")
    told = [world.run(job, name, env={"COLUMNS": str(len(str(job)) + 24)}).text.strip() for job in (naive, script)]
    assert name not in told[0] and told[1].endswith(f" {name}"), told


def test_settings_in_the_home_of_passwd(world, attacker, accounts):
    """HOME does not say where it is: what Net::SMTP loads runs a file there. Naive is shown by the module alone."""
    attacker.writes(attacker.home / ".libnetrc", f"open F, '>', '{attacker.mark}'; +{{}}\n")
    for line in "perl", "perl -T", "perl -t":
        for job, wins in zip(jobs(world, line, "use Net::SMTP;\nprint 'genuine';\n", folder=f"{line[-1]}/"), (True, False)):
            told = accounts.run(job)
            assert told.text.endswith("genuine") and attacker.mark.exists() == wins, told
            attacker.mark.unlink(missing_ok=True)
