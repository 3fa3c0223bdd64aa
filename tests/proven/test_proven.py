"""The proof of the table of interpreters: every row, with every option that it allows, by the same properties. A caller has a
home, a current directory, /tmp and an environment full of traps, and any argument, standard input and signal.

- The script gets the grant and all of the caller's arguments; none is taken for an option, and standard input is not code.
- Nothing is looked up where the caller can put files: by name, not even whether it is there.
- Nothing is written that the caller then owns, and nothing listens.
- No signal makes it tell what it knows.
All this holds of the children that its standard library starts, too."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit import AS_USER, BUILD, SOURCE, THOROUGH, USER, Attacker, Result, World, bit, end_all_of, four, grant
from languages import LANGUAGE_OF, Language

SECURE_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
ELSEWHERE = os.environ.get("CAPWRAP_INTERPRETERS", "")  # further directories, of root's
GRANTS = ("cap_net_raw", "cap_dac_read_search", "cap_dac_override")
PLACES = ("/tmp/", "/dev/shm/", "/var/tmp/")

# Debian's sh is dash.
SHELLS = Path(tempfile.mkdtemp(prefix="capwrap-shells-", dir="/opt"))
SHELLS.chmod(0o755)
(SHELLS / "sh").symlink_to("/usr/bin/bash")
atexit.register(shutil.rmtree, SHELLS)

# Where a row does what a property rules out: the names, HOME being the current directory; and in words, as SECURITY.md has
# it.
EXCEPT = {
    "Rscript": ("/tmp/Rtmp.*", "a directory in /tmp, which it removes with all that is in it: not with cap_dac_override or "
                "cap_fowner, by which a caller who is quick can have other files removed"),
    "ruby": ("HOME/(thread.rb|enumerator.so|fiber.so|rational.so|complex.so)",
             "nothing; but links named thread.rb, enumerator.so and fiber.so in the current directory keep it from loading what "
             "they lead to"),
}
# The same of what the standard library starts: semaphores, shared memory, the forkserver's socket, a name that is tried; what
# a command says on standard error.
CHILDREN_EXCEPT = {
    "python": r"/dev/shm/(sem\.|psm_).*|/tmp/pymp-.*|/tmp/[a-z0-9_]{8}|bind\(.*pymp-.*|listen\(.*",
    "tclsh": "/tmp/tcl_.*",
    "expect": "/tmp/tcl_.*",
}


@dataclass
class Row:
    names: list[str]
    files: list[str]
    applet: str
    options: list[str]
    last: str
    needs: list[str]
    added: list[str]
    command: str
    after: str
    blocked: int
    above: bool
    rereads: bool
    catalogues: bool
    key: str = ""

    @property
    def language(self) -> Language:
        return LANGUAGE_OF[self.names[0].rstrip("#")]

    def fits(self, path: Path) -> bool:
        """By the name of the path, and by that of the real file."""
        return any(alike(path.name, name) for name in self.names) and any(alike(path.resolve().name, file) for file in self.files)

    def programs(self) -> list[str]:
        """All by which it can be called here: bare names as the wrapper looks them up, and paths elsewhere. By each the real
        file is the row's."""
        found = []
        for folder in f"{SECURE_PATH}:{SHELLS}:{ELSEWHERE}".split(":"):
            for path in sorted(Path(folder).glob("*")) if folder else []:
                name = path.name if folder in SECURE_PATH.split(":") else str(path)
                if self.fits(path) and name not in found and os.access(path, os.X_OK):
                    if next(row for row in TABLE.values() if row.fits(path) and row.applet == self.applet) is self:
                        found.append(name)
        return found


def alike(name: str, pattern: str) -> bool:
    """A # at the end of a pattern stands for a version."""
    return bool(re.fullmatch(re.escape(pattern.rstrip("#")) + ("[0-9.-]*" if pattern.endswith("#") else ""), name))


def table() -> dict[str, Row]:
    rows = {}
    for line in subprocess.run([BUILD / "tests/unit/interpreters"], capture_output=True, text=True, check=True).stdout.splitlines():
        names, files, applet, options, last, needs, added, command, after, blocked, above, rereads, catalogues = line.split("\t")
        row = Row(names.split(), files.split(), applet, options.split(), last, needs.split(), added.split(), command, after,
                  int(blocked, 16), above == "1", rereads == "1", catalogues == "1")
        row.key = row.names[0].rstrip("#") + (" before 3.11" if row.needs == ["-I"] else " that is bash" if row.files == ["bash"]
                                              and row.names == ["sh"] else "")
        rows[row.key] = row
    return rows


TABLE = table()


def found(row: Row) -> str:
    """The program of a row: named by its own name where it is there."""
    programs = row.programs()
    if not programs and row.key.endswith("before 3.11"):
        pytest.skip("this machine has no Python before 3.11; CAPWRAP_INTERPRETERS=DIRECTORY names where there is one")
    if not programs:
        pytest.fail(f"no interpreter for the row {row.key}: install one of {row.names}")
    return next((program for program in programs if program in row.names), programs[0])


def works(row: Row, option: str) -> bool:
    """Whether this version of the interpreter knows it: else it refuses to start, and nothing is to be shown."""
    code = {"node": ["-e", "0"], "java": ["-version"]}.get(row.names[0])
    return not code or not subprocess.run([found(row), *option.replace(",", " ").split(), *code], capture_output=True).returncode


def needed(row: Row) -> list[str]:
    """What the line must have: of those with a | between, the first that this interpreter knows."""
    words = [next((word for word in choice.split("|") if works(row, word)), None) for choice in row.needs]
    if None in words:
        pytest.skip(f"this machine's {found(row)} knows none of {row.needs}, and so can't be closed")
    if "permission" in " ".join(words):
        words.append("--allow-fs-read=*")
    return words


def line(row: Row, *options: str, program: str = "") -> str:
    """The first line of a script, behind the wrapper."""
    words = [word for word in needed(row) if word not in options]
    if row.key == "java" and "--source" not in options:
        words += ["--source", "11"]  # else it wants a name that ends in .java
    last = [f"-{row.last}"] if row.last else []
    return " ".join([program or found(row), *([row.applet] if row.applet else []), *words, *options, *last])


def asked(row: Row, option: str) -> str:
    """The first line with an option, which may be a variable; none where this version does not know it."""
    if option and not works(row, option):
        pytest.skip(f"this machine's {found(row)} does not know {option}")
    return f"{option} {line(row)}" if "=" in option and option[0] != "-" else line(row, *option.split())


VALUES = {"-W": "ignore", "-F": ":", "-v": "a=b", "--allow-fs-write": "/opt", "--max-old-space-size": "200", "-Xmx": "64m",
          "-Xms": "8m", "-Xss": "1m", "--inspect-port": "0", "--source": "11", "PYTHONHASHSEED": "1", "PYTHONUTF8": "1",
          "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "--allow-fs-read": "*"}


def spelt(option: str) -> str:
    """An option of the table as a line has it."""
    if option[-1] not in "*#":
        return option.replace(",", " ")
    name = option.rstrip("*#,=")
    return option.rstrip("*#").replace(",", " ") + VALUES[name]


def options(row: Row) -> list[str]:
    """Each option alone: the letters, and the words."""
    letters, *words = row.options
    return [f"-{letter}" for letter in letters[1:]] + [spelt(word) for word in words]


SLOW = ("java", "Rscript")  # take seconds to start
CASES = [(key, option) for key, row in TABLE.items()
         for option in ["", *(options(row) if THOROUGH else [] if key in SLOW else options(row)[::9])]]

# ---- the caller

TRAPS = """
.Rprofile .Renviron .RData Rprofile.site .tclshrc .tcshrc .bashrc .bash_profile .profile .zshrc .zshenv .zprofile .kshrc
.mkshrc .shrc .inputrc .irbrc .gemrc Gemfile .bundle/config .guile .perlrc .perldb .pythonrc.py .expect.rc .gawkrc .sedrc
pyvenv.cfg sitecustomize.py usercustomize.py os.py sys.py site.py json.py multiprocessing.py time.py encodings/__init__.py
python311.zip python3._pth package.json node_modules/fs.js node_modules/colour/index.js .noderc .npmrc php.ini php-cli.ini
.user.ini init.lua colour.lua colour.so colour.php colour.rb colour.pm colour.js .hotspotrc .hotspot_compiler .libnetrc .netrc JDK_JAVA_OPTIONS
META-INF/services/java.nio.file.spi.FileSystemProvider Job.class Job.java tclIndex init.tcl pkgIndex.tcl colour.tcl boot-9.scm
ice-9/boot-9.scm ice-9/popen.scm strict.pm warnings.pm rubygems.rb json.rb did_you_mean.rb libc.so.6 gconv-modules utf8 ignore
pipefail errexit posix echo sh cat sleep
""".split()
NAMES = """
PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE PYTHONPYCACHEPREFIX PYTHONINSPECT PERL5LIB PERLLIB PERL5DB PERL5OPT RUBYLIB
RUBYOPT GEM_HOME GEM_PATH BUNDLE_GEMFILE BASH_ENV ENV ZDOTDIR FPATH CDPATH NODE_PATH NODE_OPTIONS LUA_PATH LUA_CPATH
LUA_PATH_5_4 LUA_INIT TCLLIBPATH TCL_LIBRARY AWKPATH AWKLIBPATH PHPRC PHP_INI_SCAN_DIR GUILE_LOAD_PATH GUILE_LOAD_COMPILED_PATH
XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME R_HOME R_LIBS R_LIBS_USER R_PROFILE R_ENVIRON R_PROFILE_USER R_ENVIRON_USER
EXPECT_LIBRARY DOTDIR JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH LD_LIBRARY_PATH LOCPATH NLSPATH GCONV_PATH
TERMINFO INPUTRC TMPDIR TMP TEMP HOME PATH
""".split()
HOSTILE = ["-e", "--version", "-x", "-c", "-", "--", "--help", "-f", "x=1", "", "two words", "-i", "-r", "@colour", "-m", "-d",
           "--eval", "-s", "--source", "-E", "-l", "-V", "-n"]


def home_of_traps(world: World) -> Path:
    """The caller's, with every trap in it; those that are programs tell when they are run."""
    attacker = Attacker(world)
    for name in TRAPS:
        path = attacker.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{attacker.program}\n")
        path.chmod(0o755)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", attacker.home], check=True)
    # By passwd it is found, too, whatever HOME is.
    (world.top / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\ncaller:x:{USER}:{USER}::{attacker.home}:/bin/sh\n")
    return attacker.home


# ---- what was done, by the kernel's account

CALL = re.compile(r"^(?:\[pid +)?\d+\]? +(\w+)\((.*)\) += (-?\d+|\?)", re.M)
PATH = re.compile(r'(?:(AT_FDCWD|-?\d+)<(.*?)>, )?"((?:[^"\\]|\\.)*)"')
WRITES = {"mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat", "rename", "renameat", "renameat2", "mknod", "mknodat",
          "creat"}


@dataclass
class Deeds:
    """What processes did from the first execve of the script on."""

    looked: set[str]  # names below the caller's places
    wrote: set[str]  # anything that was made, anywhere
    listened: set[str]


def deeds(trace: str, script: Path, home: Path) -> Deeds:
    """Reads what strace wrote."""
    _, _, after = trace.partition(f'execve("{script}"')
    assert after, trace[-2000:]
    seen = Deeds(set(), set(), set())
    for name, arguments, result in CALL.findall(after):
        if name in ("listen", "bind"):
            if "sa_family=AF_NETLINK" not in arguments:
                seen.listened.add(f"{name}({arguments})")
            continue
        paths = []
        for at, directory, path in PATH.findall(arguments):
            if at or not paths or name in ("rename", "link", "symlink"):
                paths.append(os.path.normpath(os.path.join(directory if at not in ("", "AT_FDCWD") else home, path)))
        if name in ("execve", "execveat", "readlink", "readlinkat", "getcwd"):
            paths = paths[:1]
        places = (f"{home}/", *PLACES)
        seen.looked |= {path for path in paths if path.startswith(places) and path != str(home)}
        if result != "-1" and (name in WRITES or "O_CREAT" in arguments or "O_TMPFILE" in arguments):
            seen.wrote |= set(paths[-1:]) - {"/dev/null"}
    return seen


def traced(world: World, home: Path, text: str, body: str, capability: str, *arguments: str, stdin: str = "",
           name: str = "tools/Job") -> tuple[Result, Deeds]:
    """Runs a script of that line as the user, in the user's home and with the user's environment; what it did."""
    script, trace = world.script(name, text, body, f"{capability}=i"), world.top / "trace"
    variables = [f"{variable}={home}" for variable in NAMES] + ["LANG=C.UTF-8"]
    known = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', world.top / "passwd"]
    # A tracer with CAP_SYS_PTRACE does not keep the wrapper from its capabilities.
    result = world.run(
        *known, "strace", "-f", "-y", "-qq", "-s", "4096", "-e", "trace=%file,bind,listen", "-e", "signal=none", "-o", trace,
        *AS_USER, "/usr/bin/env", "-i", *variables, script, *arguments, uid=0, cwd=home, stdin=stdin.encode(), timeout=120)
    return result, deeds(trace.read_text(errors="surrogateescape"), script, home)


def proves(result: Result, seen: Deeds, home: Path, *excepted: str) -> None:
    """The properties of a run; `excepted` are patterns of what is let pass."""
    patterns = [pattern.replace("HOME", str(home)) for pattern in excepted if pattern]
    assert result.code == 0, result
    for deed in seen.looked, seen.wrote, seen.listened:
        assert {name for name in deed if not any(re.fullmatch(pattern, name) for pattern in patterns)} == set()


def excepted_of(row: Row) -> str:
    return EXCEPT.get(row.key, ("", ""))[0]


# ---- the proof


@pytest.fixture
def home(world):
    (world.folder("tools") / "beside.py").touch()
    return home_of_traps(world)


def words_in(text: str) -> list[str]:
    return [word[1:-1] for word in text.splitlines() if word.startswith("[")]


@pytest.mark.parametrize(("key", "option"), CASES, ids=[f"{key} {option}" for key, option in CASES])
def test_row(world, home, attacker, key, option):
    """Every option alone, and the row without any as each of the grants."""
    row = TABLE[key]
    text = asked(row, option)
    evil = row.language.code.replace("EVIL", str(attacker.program))
    for capability in GRANTS if not option else GRANTS[-1:]:
        arguments = HOSTILE
        if key == "sed":  # they are files: what it does with them is to read them, or to say that it can't
            arguments = ["/proc/self/status", "-e", "1e " + str(attacker.program), "-f", "-n"]
        result, seen = traced(world, home, text, row.language.tell, capability, *arguments, stdin=evil)
        attacker.loses()
        if key == "sed":
            result.code = 0 if result.err.count("No such file") == 4 else result.code
        elif "-I" not in option and option != "-h":
            assert words_in(result.text) == HOSTILE, result
        files = [f"HOME/{re.escape(word)}" for word in arguments] if key == "sed" else []
        proves(result, seen, home, excepted_of(row), *files)
        if result.sets:
            assert four(result.sets) == grant(bit(capability)), result


@pytest.mark.parametrize("key", TABLE)
def test_every_program_of_a_row(world, home, attacker, key):
    """By each name that it has here, through each link: sh may be any of several, awk another one tomorrow."""
    row = TABLE[key]
    for program in row.programs():
        result, seen = traced(world, home, line(row, program=program), row.language.tell, GRANTS[0], stdin="")
        proves(result, seen, home, excepted_of(row))


def handed_on(row: Row) -> list[str]:
    """What Python and node hand on to their like: what isolates alone, the rest together."""
    if row.names[0] == "python":
        return ["-E", "-I", "-" + re.sub("[-EI]", "", row.options[0])]
    if row.names[0] == "node":
        return [" ".join(word for word in options(row) if not re.search("permission|allow|sigusr1", word))]
    return []


CHILDREN = [(key, option) for key, row in TABLE.items() for option in ["", *(handed_on(row) if THOROUGH else [])]]


@pytest.mark.parametrize(("key", "option"), CHILDREN, ids=[f"{key} {option}" for key, option in CHILDREN])
def test_children(world, home, attacker, key, option):
    """What the standard library starts is held to the same, with the strongest of the grants."""
    row = TABLE[key]
    text = asked(row, option)
    if "permission" in text and "--allow-child-process" not in text:
        text = line(row, *option.split(), "--allow-child-process")
    body = row.language.children
    if key.endswith("before 3.11"):  # what the script itself starts so is its own affair, and SECURITY.md says so
        body = re.sub(r"^.*sys.executable.*\n", "", body, flags=re.M)
    result, seen = traced(world, home, text, body, GRANTS[-1],
                          *(["/proc/self/status"] if key == "sed" else []))
    attacker.loses()
    assert "child" in result.text, result
    proves(result, seen, home, excepted_of(row), CHILDREN_EXCEPT.get(row.names[0], ""))


@pytest.mark.parametrize("key", ["expect"])
def test_a_home_that_is_kept(world, attacker, key):
    """It reads its settings from HOME, where the line keeps it: not even then."""
    script = world.script("tools/Job", f"--env HOME {key} -f", 'send_user "genuine\\n"\n')
    (attacker.home / ".expect.rc").write_text(f"exec {attacker.program} >@stdout\n")
    naive = world.script("tools/naive", f"{key} -f", "", wrapper=world.naive)
    attacker.wins(world.run(naive, env={"PATH": "/usr/bin:/bin", "HOME": str(attacker.home)}))
    assert world.run(script, env={"PATH": "/usr/bin:/bin", "HOME": str(attacker.home)}).text == "genuine\n"
    attacker.loses()


@pytest.mark.thorough
@pytest.mark.parametrize("key", TABLE)
def test_signals(world, attacker, key):
    """Each signal that the user can send: nothing is told, nothing is left, nothing listens."""
    row = TABLE[key]
    script = world.script("tools/Job", line(row), row.language.wait)
    told_by, left = answers(script, attacker.home, ["/proc/self/status"] if key == "sed" else [])
    assert {number: text for number, text in told_by.items() if "thesecret" in text} == {}
    assert {number: text for number, text in told_by.items() if "istening" in text} == {}
    assert left == set()


def listening() -> set[str]:
    """Sockets of the user that wait for connections."""
    sockets = set()
    for name in ("tcp", "tcp6"):
        for row in Path("/proc/net", name).read_text().splitlines()[1:]:
            words = row.split()
            if words[3] == "0A" and words[7] == str(USER):
                sockets.add(words[1])
    return sockets


def left_by_user(home: Path) -> set[str]:
    """Files that it owns, in its directory and in /tmp."""
    found = set()
    for path in [*home.rglob("*"), *Path("/tmp").iterdir()]:
        with suppress(FileNotFoundError):  # others clean up meanwhile
            if path.lstat().st_uid == USER:
                found.add(str(path))
    return found


def answers(script: Path, home: Path, arguments: list[str]) -> tuple[dict[int, str], set[str]]:
    """What a script tells that is sent each signal in turn, a process for each; what is there afterwards that was not."""
    numbers = [number for number in range(1, 32) if number not in (signal.SIGKILL, signal.SIGSTOP)]
    before, told = left_by_user(home), {}
    for first in range(0, len(numbers), 15):  # more at once would wait for each other
        told |= answers_to(numbers[first:first + 15], script, home, arguments)
    left = left_by_user(home)
    return told, {path for path in left - before if not re.fullmatch(EXCEPT["Rscript"][0], path)}


def answers_to(numbers: list[int], script: Path, home: Path, arguments: list[str]) -> dict[int, str]:
    processes = {number: subprocess.Popen(
        [script, *arguments], user=USER, group=USER, extra_groups=[], cwd=home, env={"PATH": "/usr/bin:/bin"}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for number in numbers}
    told = {}
    try:
        for number, process in processes.items():
            told[number] = process.stdout.readline()
            if told[number].startswith("Picked up JAVA_TOOL_OPTIONS"):  # what java says of itself
                told[number] = process.stdout.readline()
            assert told[number] == "genuine\n"
        time.sleep(0.5)  # until it sleeps
        for number, process in processes.items():
            process.send_signal(number)
        time.sleep(1.5)
        for socket in listening():
            told[numbers[0]] += f"listening: {socket}"
    finally:
        end_all_of(USER)  # with their children, who have the pipe open
        for number, process in processes.items():
            told[number] += process.communicate()[0]
    return told


# ---- that the proof can fail

BAD = {
    "looks": "import os\nos.path.exists('colour.py')\n",
    "looks in /tmp": "import os\nos.path.exists('/tmp/colour.py')\n",
    "writes": "open('/opt/capwrap-test-left', 'w').close()\nimport os; os.unlink('/opt/capwrap-test-left')\n",
    "listens": "import socket\nsocket.create_server(('127.0.0.1', 0))\n",
    "fails": "raise SystemExit(1)\n",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_interpreter_is_seen(world, home, kind):
    """One that does what a property rules out, by way of what it runs."""
    result, seen = traced(world, home, "python3", BAD[kind], "cap_dac_override")
    with pytest.raises(AssertionError):
        proves(result, seen, home)


@pytest.mark.parametrize(("text", "body"), [
    ("--unproven python3 -i", "\n"), ("--unproven lua5.4 -i", "\n"), ("--unproven bash -s", "\n"), ("--unproven perl -d", "1;\n"),
])
def test_standard_input_that_is_code_is_seen(world, home, attacker, text, body):
    language = LANGUAGE_OF[{"python3": "python", "lua5.4": "lua"}.get(text.split()[1], text.split()[1])]
    traced(world, home, text, body, "cap_net_raw", stdin=language.code.replace("EVIL", str(attacker.program)))
    with pytest.raises(AssertionError):
        attacker.loses()


def test_arguments_that_are_options_are_seen(world, home, attacker):
    traced(world, home, "--unproven gawk -f", "BEGIN {}\n", "cap_net_raw", "--source", f'BEGIN {{system("{attacker.program}")}}')
    with pytest.raises(AssertionError):
        attacker.loses()


def test_an_answer_to_a_signal_is_seen(world, attacker):
    body = ("import signal, time\ndef tell(*_): print('thesecret', flush=True); open('left', 'w')\n"
            "signal.signal(signal.SIGUSR2, tell)\nprint('genuine', flush=True)\ntime.sleep(20)\n")
    told_by, left = answers(world.script("tools/Job", "python3", body), attacker.home, [])
    assert [number for number, text in told_by.items() if "thesecret" in text] == [signal.SIGUSR2]
    assert left == {str(attacker.home / "left")}


# ---- what the row says of itself


def test_every_row_has_its_proof():
    """A row without a language, or without an interpreter here, has none."""
    for row in TABLE.values():
        assert row.language and (row.programs() or row.key.endswith("before 3.11")), row.key


def test_modules_above_the_script(world, attacker, refused):
    """node looks for package.json and node_modules in every directory above: one may be for others to write."""
    row = TABLE["node"]
    world.folder("sticky", 0o1777)
    world.script("sticky/app/node_modules/colours/index.js", "#!\n", "console.log('genuine')\n", None)
    attacker.writes(world.top / "sticky/package.json", '{"name": "colours", "exports": "./evil.js"}')
    attacker.writes(world.top / "sticky/evil.js", "console.log(require('fs').readFileSync('/proc/self/status', 'utf8'))\n")
    script = world.script("sticky/app/job", f"--unproven {line(row)}", "require('colours')\n")
    assert world.run(script).sets["CapEff"] == bit("cap_net_raw")
    script = world.script("sticky/app/job", line(row), "require('colours')\n")
    refused(world.run(script), "PROVEN_ABOVE", script)


def test_security_has_the_table():
    """SECURITY.md says what was tried: a line for each row, with its options."""
    text = (SOURCE / "SECURITY.md").read_text()
    assert documented() in text, documented()


def documented() -> str:
    """The table of SECURITY.md."""
    lines = ["| interpreter | options | capwrap adds | leaves |", "| --- | --- | --- | --- |"]
    for row in TABLE.values():
        names = ", ".join(f"`{name}`" for name in row.names if "#" not in name or name == "python3#").replace("#", "")
        names += f" `{row.applet}`" if row.applet else ""
        letters = row.options[0]
        words = [letters] if len(letters) > 1 else []
        words += [option.replace(",", " ").replace("#", "N").replace("*", "...") for option in row.options[1:]]
        words += [f"-{row.last}"] if row.last else []
        must = f"; needs {' and '.join(row.needs).replace('|', ' or ')}" if row.needs else ""
        added = " ".join([*row.added, *([f"-c '{row.command}' before the script"] if row.command else []),
                          *([f"{row.after} behind the script"] if row.after else []), *(["no locale"] if row.catalogues else [])])
        leaves = EXCEPT.get(row.key, ("", "nothing"))[1]
        lines.append(f"| {names}{row.key.removeprefix(row.names[0].rstrip('#'))} | {' '.join(words)}{must} | {added} | {leaves} |"
                     .replace("  ", " "))
    return "\n".join(lines).replace("|permission", "")
