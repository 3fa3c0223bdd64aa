"""What a granted script gets, and what reaches it unchanged."""

import itertools
import json
import os
import re
import resource
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from kit import BUILD, OTHER, REPORT, SETS, STATUS, USER, Seen, bit, bounding, executes, four, grant

CAP = bit("cap_net_raw")


# The grant


def test_script_gets_its_grant(world):
    script = world.script("show", "python3", STATUS, caps="cap_net_raw,cap_kill=i")
    result = world.run(script)
    assert result.code == 0, result
    assert {result.sets[name] for name in SETS} == {bit("cap_net_raw,cap_kill")}
    assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n" in result.text


@pytest.mark.parametrize("caps", ["cap_net_raw=i", "cap_net_raw=ei", "cap_net_raw=ip", "cap_net_raw=eip"])
def test_inheritable_bits_are_the_grant(world, caps):
    assert four(world.run(world.script("show", "python3", STATUS, caps)).sets) == grant(CAP)


def test_child_has_the_grant_too(world):
    script = world.script("show", "dash", "grep ^Cap /proc/self/status\n")
    assert four(world.run(script).sets) == grant(CAP)


def test_root_gets_no_more(report):
    """And its children can't either: that uid 0 means nothing is locked."""
    seen = report(uid=0)
    assert "CapEff:\t%016x\n" % CAP in seen.status and "CapPrm:\t%016x\n" % CAP in seen.status
    assert seen.securebits & 3 == 3


def test_root_s_child_gets_no_more(world):
    script = world.script("show", "dash", "grep ^Cap /proc/self/status\n")
    assert four(world.run(script, uid=0).sets) == grant(CAP)


@pytest.mark.parametrize("own", [
    ["--inh-caps=+net_admin,+net_raw"],
    ["--inh-caps=+net_admin,+kill", "--ambient-caps=+net_admin,+kill"],
    ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"],
    ["--bounding-set=-all,+net_raw,+kill,+setpcap"],
], ids=" ".join)
@pytest.mark.parametrize("caps", ["cap_net_raw", "cap_kill"])
def test_nothing_of_the_caller_s_own_capabilities_survives(world, own, caps):
    script = world.script("show", "python3", STATUS, f"{caps}=i")
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *own, "sh", "-c", 'exec "$1"', "sh"]
    result = world.run(*drop, script, uid=0)
    assert (result.code, four(result.sets)) == (0, grant(bit(caps))), result


def test_without_new_privileges_a_caller_s_own_capability_is_enough(world, refused):
    """Under no_new_privs the wrapper has what the caller had: a grant within it runs, another does not."""
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=+net_raw,+kill",
            "--ambient-caps=+net_raw,+kill", "sh", "-c", 'exec setpriv --no-new-privs "$1"', "sh"]
    held = world.script("held", "python3", STATUS, "cap_net_raw=i")
    result = world.run(*drop, held, uid=0)
    assert four(result.sets) == grant(CAP), result
    lacking = world.script("lacking", "python3", STATUS, "cap_net_raw,cap_chown=i")
    refused(world.run(*drop, lacking, uid=0), "CEILING_NO_NEW_PRIVS", lacking)


@pytest.mark.parametrize("line", ["--no-new-privs python3", "-n python3"])
def test_no_new_privs(report, line):
    seen = report(line)
    assert "NoNewPrivs:\t1\n" in seen.status and "CapEff:\t%016x\n" % CAP in seen.status


@pytest.mark.parametrize(("line", "uid"), [("dash", 0), ("-n dash", USER)])
def test_no_new_privs_stops_set_user_id_programs(world, line, uid):
    world.program("id", Path("/usr/bin/id"), caps="").chmod(0o4755)
    assert world.run(world.script("show", line, f"{world.top}/id -u\n")).text == f"{uid}\n"


def test_script_runs_another(world, refused):
    """Each has its own grant; under --no-new-privs the other one is refused."""
    inner = world.script("inner", "python3", STATUS, "cap_kill=i")
    result = world.run(world.script("outer", "dash", f"exec {inner}\n"))
    assert four(result.sets) == grant(bit("cap_kill")), result
    refused(world.run(world.script("outer", "-n dash", f"exec {inner}\n")), "CEILING_NO_NEW_PRIVS", inner)


# Arguments, input, exit


@pytest.mark.parametrize("words", [
    [],
    [""],
    ["", "", ""],
    [" ", "  two  blanks ", "\t"],
    ["new\nline", "\n", "\r"],
    ["-", "--", "-c", "--help", "--version", "--contain", "--env", "-I"],
    [b"\xff\xfe", b"\xc3", "grün".encode()],
    [b"x" * 100_000],
    [str(number) for number in range(5000)],
    ["$(id)", "`id`", "'", '"', "\\", "*", "%s%n", "a=b"],
], ids=lambda words: repr(words[:3])[:24])
def test_arguments_arrive_verbatim(report, words):
    wanted = [os.fsencode(word).decode("latin-1") for word in words]
    assert report(argv=words).argv[2:] == wanted


def test_arguments_of_the_line_come_first(report, world):
    seen = report("python3  -I \t -X utf8", argv=["a"])
    assert seen.argv == ["/usr/bin/python3", "-I", "-X", "utf8", f"{world.top}/report", "a"]


def test_standard_input(world):
    data = bytes(range(256)) * 4096
    assert world.run(world.script("copy", "dash", "exec cat\n"), stdin=data).out == data


def test_every_exit_status(world):
    script = world.script("leave", "dash", 'exit "$1"\n')
    assert [world.run(script, status).code for status in range(256)] == list(range(256))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGHUP", "SIGPIPE"])
def test_death_by_signal(world, name):
    assert world.run(world.script("die", "dash", f"kill -{name[3:]} $$\n")).code == -signal.Signals[name]


# The script's path


@pytest.mark.parametrize("name", ["two words", "new\nline", "-c", "--help", b"\xff", "$(id)", "a'b\"c", "é"], ids=repr)
def test_odd_names(world, name):
    script = world.script(os.fsdecode(name), "python3", STATUS)
    assert four(world.run(script).sets) == grant(CAP)


@pytest.mark.parametrize("command", [
    ["../show"], ["./hop"], ["sub/../../show"], ["sh", "-c", "hop"], ["env", "hop"],
], ids=" ".join)
def test_path_is_resolved(world, command):
    """Relative, through a link, found in PATH: the script sees its canonical path, and the module beside it."""
    world.script("beside.py", b"", "where = 'the module beside the script'\n", caps=None)
    script = world.script("show", "python3", "import beside, sys; print(sys.argv, beside.where)\n")
    world.folder("home/sub/sub", uid=USER)
    world.script("home/sub/beside.py", b"", "where = 'EVIL'\n", caps=None, uid=USER)
    (world.top / "home/sub/hop").symlink_to("../../show")
    (world.top / "home/show").symlink_to(script)
    result = world.run(*command, cwd=world.top / "home/sub", env={"PATH": f"/usr/bin:{world.top}/home/sub"})
    assert result.text == f"['{script}'] the module beside the script\n", result


def test_path_through_a_descriptor(world):
    script = world.script("show", "python3", STATUS)
    with script.open() as file:
        result = world.run(f"/dev/fd/{file.fileno()}", pass_fds=[file.fileno()])
    assert four(result.sets) == grant(CAP), result


@pytest.mark.parametrize("last", [8, 9, 98, 99])
def test_path_where_descriptors_are_open(world, last):
    """Whatever number the wrapper's own descriptor has."""
    script = world.script("show", "python3", STATUS)
    taken = f'for fd in {{3..{last}}}; do eval "exec $fd<\\"\\$0\\""; done; exec /dev/fd/{last}'
    result = world.run("bash", "-c", taken, script)
    assert four(result.sets) == grant(CAP), result


def test_by_hand(world):
    """As the kernel calls it."""
    script = world.script("show", "--no-new-privs python3  -I", STATUS)
    assert four(world.run(world.wrapper, "--no-new-privs python3  -I", script).sets) == grant(CAP)


# The environment

OPTIONS = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
FIXED = {
    "PATH": next(option["value"] for option in OPTIONS if option["name"] == "secure_path"),
    "HOME": "/dev/null",
    "SHELL": "/bin/sh",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GUILE_AUTO_COMPILE": "0",
    "R_PROFILE_USER": "/dev/null",
    "R_ENVIRON_USER": "/dev/null",
    "AWKPATH": "/usr/local/share/awk:/usr/share/awk",
    "DOTNET_EnableDiagnostics": "0",
    "CLASSPATH": "/dev/null/none",
}
LUA = {f"LUA_{kind}{version}" for kind in ("PATH", "CPATH") for version in ("", "_5_2", "_5_3", "_5_4")}


def beyond_fixed(seen: Seen) -> dict[str, str]:
    """What a script's environment has besides what is always set, which it checks."""
    variables = dict(seen.variables)
    for name in LUA:
        assert all(part.startswith("/usr/") for part in variables.pop(name).split(";"))
    assert {name: variables.pop(name) for name in FIXED} == FIXED
    return variables


def test_empty_environment(report):
    """Through `env -i`: only what is always set."""
    assert beyond_fixed(report(command=("env", "-i"))) == {}


@pytest.mark.parametrize("name", [*FIXED, *sorted(LUA)])
def test_set_values_are_the_wrapper_s(report, name):
    assert beyond_fixed(report(env={name: "/tmp/evil"})) == {}


@pytest.mark.parametrize(("name", "value"), [
    ("TERM", "xterm-256color"), ("TERM", ""), ("COLORTERM", "truecolor"), ("NO_COLOR", ""), ("NO_COLOR", "1"),
    ("COLUMNS", "80"), ("LINES", "24"), ("LANG", "de_DE.UTF-8@euro"), ("LANG", "C"), ("LC_ALL", "C.UTF-8"),
    ("LANG", ""), ("LANG", "de_DE.ISO-8859-1"), ("LC_CTYPE", "sr_RS@latin"),
    ("LC_TIME", "en_GB"), ("LC_IDENTIFICATION", "C"), ("TZ", "UTC"), ("TZ", "Europe/Berlin"), ("TZ", "CET-1CEST"),
    ("TZ", "America/Argentina/Buenos_Aires"), ("TZ", "Etc/GMT+3"),
])
def test_sane_value_is_kept(report, name, value):
    assert beyond_fixed(report(env={name: value})) == {name: value}


@pytest.mark.parametrize(("name", "value"), [
    ("TERM", "../evil"), ("TERM", "a/b"), ("TERM", "a b"), ("TERM", "x\x1b[2J"), ("COLORTERM", "$(id)"),
    ("NO_COLOR", "\n"), ("COLUMNS", "80;id"), ("LINES", "/"), ("LANG", "/tmp/evil"), ("LANG", "C:/tmp"),
    ("LANG", "xx.ebcdic"), ("LC_ALL", "ebcdic"), ("LC_CTYPE", "de_DE.UTF-16LE"), ("LC_MESSAGES", "C.IBM037"),
    ("LANG", "de_DE.UTF-8@a.ebcdic"), ("LANG", "%n"), ("LANG", b"\xff"), ("LC_ALL", "../../tmp"),
    ("LC_MESSAGES", "é"), ("LC_a-b", "C"),
    ("TZ", "/etc/shadow"), ("TZ", ":UTC"), ("TZ", ":/etc/shadow"), ("TZ", "../../etc/shadow"), ("TZ", "Europe/../x"),
    ("TZ", "Europe/.."), ("TZ", "U T C"), ("TZ", "UTC\n"),
])
def test_other_value_is_dropped(report, name, value):
    assert beyond_fixed(report(env={name: value})) == {}


@pytest.mark.parametrize("name", [
    "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PERL5LIB", "PERL5OPT", "RUBYOPT", "RUBYLIB", "NODE_OPTIONS",
    "NODE_PATH", "BASH_ENV", "ENV", "BASH_FUNC_ls%%", "LUA_INIT", "TCLLIBPATH", "PHPRC", "PHP_INI_SCAN_DIR",
    "GUILE_LOAD_PATH", "R_LIBS", "R_HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "GCONV_PATH",
    "LOCPATH", "NLSPATH", "TZDIR", "TMPDIR", "IFS", "CDPATH", "PS4", "SHELLOPTS", "USER", "LOGNAME", "MAIL", "EDITOR",
    "LANGUAGE", "TERMINFO", "TERMCAP", "RSYNC_RSH", "ZDOTDIR", "LC", "lang", "TERM2", "http_proxy", "CAPWRAP",
])
def test_other_name_is_dropped(report, name):
    """With a value that any kept name could have."""
    assert beyond_fixed(report(env={name: "C"})) == {}


VALUE = b"any \n value: $(id) /../ \xff %n ="


@pytest.mark.parametrize(("line", "kept"), [
    ("--env FOO python3", ["FOO"]),
    ("-e FOO python3", ["FOO"]),
    ("--env=FOO python3", ["FOO"]),
    ("--env FOO,_b2 python3", ["FOO", "_b2"]),
    ("--env=FOO,_b2 -n python3", ["FOO", "_b2"]),
    ("-e FOO -n -e _b2 python3", ["FOO", "_b2"]),
    ("-e TZ,LANG python3", ["TZ", "LANG"]),
])
def test_env_keeps_verbatim(report, line, kept):
    """Whatever the value; and nothing but those names."""
    given = {name: VALUE for name in ("FOO", "_b2", "FOOL", "FO", "TZ", "LANG")}
    assert beyond_fixed(report(line, env=given)) == {name: VALUE.decode("latin-1") for name in kept}


@pytest.mark.parametrize("name", ["PATH", "HOME", "PYTHONNOUSERSITE", "LUA_PATH"])
def test_env_wins_over_set_values(report, name):
    line = f"--env {name} /usr/bin/python3 -S"
    assert report(line, env={name: "/tmp/of the caller"}).variables[name] == "/tmp/of the caller"
    assert beyond_fixed(report(line, env={})) == {}


@pytest.mark.parametrize(("given", "kept"), [
    ([b"FOO=1", b"FOO=2"], {"FOO": "1"}),
    ([b"TERM=a", b"TERM=b"], {"TERM": "a"}),
    ([b"TZ=/etc/shadow", b"TZ=UTC", b"TZ=CET"], {"TZ": "UTC"}),
    ([b"PATH=/tmp/1", b"PATH=/tmp/2"], {}),
    ([b"LC_ALL=C"] * 300, {"LC_ALL": "C"}),
    ([b"FOO", b"", b"=", b"=x", b"TERM", b"PATH", b"LANG", b"HOME", b"LC_"], {}),
    ([b"FOO", b"FOO=", b"FOO=x"], {"FOO": ""}),
], ids=lambda value: repr(value)[:40])
def test_odd_environment(world, given, kept):
    """Names twice, entries without a name or a value: each name comes once, what is malformed not at all."""
    script = world.script("report", "--env FOO python3", REPORT)
    result = world.run("false", preexec_fn=executes(script, program=script, environment=given))
    assert beyond_fixed(Seen(result)) == kept


@pytest.mark.parametrize("name", ["X{}", "LC_{}", "LD_{}"])
def test_twenty_thousand_variables(report, name):
    """Whatever comes through of them, what is set is set."""
    kept = beyond_fixed(report(env={name.format(number): "C" for number in range(20_000)}))
    assert len(kept) < 256 and all(entry.startswith("LC_") for entry in kept)


def test_child_has_the_same_environment(report):
    seen = report("--env FOO python3", env={"FOO": "1", "LANG": "C.UTF-8", "PYTHONPATH": "/tmp", "PATH": "/tmp"})
    assert sorted(seen.child) == sorted(seen.environment)


# What else the process has


@pytest.mark.parametrize("mask", [0, 0o002, 0o022, 0o027, 0o077, 0o777])
def test_umask_gains_022(report, mask):
    assert report(umask=mask).umask == mask | 0o022


@pytest.mark.parametrize("limits", [(0, 0), (0, resource.RLIM_INFINITY), (resource.RLIM_INFINITY,) * 2, (1, 1)])
def test_core_limit(report, limits):
    """1 stops a core file and a core pipe. What a hard limit of 0 makes of it, asks for a capability to mend."""
    seen = report(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, limits))
    mendable = limits[1] or bounding() & bit("cap_sys_resource")
    assert seen.core == ([1, 1] if mendable else [0, 0])


STANDARD = """
import os, sys
with open(sys.argv[1], "w") as out:
    for fd in range(3):
        print(os.readlink(f"/proc/self/fd/{fd}"), file=out)
    print(os.read(0, 1), os.write(1, b"x"), os.write(2, b"x"), file=out)
"""


@pytest.mark.parametrize("closed", [
    fds for count in (1, 2, 3) for fds in itertools.combinations(range(3), count)], ids=str)
def test_closed_descriptors_are_on_dev_null(world, closed):
    """And can be used: otherwise the script's own files would come to lie there."""

    def close():
        for fd in closed:
            os.close(fd)

    told = world.folder("home", uid=USER) / "told"
    result = world.run(world.script("show", "python3", STANDARD), told, preexec_fn=close)
    assert result.code == 0, result
    *paths, used = told.read_text().splitlines()
    assert [paths[fd] for fd in closed] == ["/dev/null"] * len(closed)
    assert used == "b'' 1 1"


def test_no_descriptor_leaks(report):
    """The wrapper's own: the caller's pass through, as for any program."""
    assert report().open == [0, 1, 2]
    with open("/dev/zero") as given:
        assert report(pass_fds=[given.fileno()]).open == [0, 1, 2, given.fileno()]


KIB, MIB = 1 << 10, 1 << 20


@pytest.mark.parametrize(("name", "limits"), [
    ("RLIMIT_AS", [size * KIB for size in (64, 128, 256, 512, 768, 832, 896, 960, 1024, 1100, 1200, 2048, 4096)]),
    ("RLIMIT_DATA", [0, 4 * KIB, 64 * KIB, 128 * KIB, 136 * KIB, 200 * KIB, MIB]),
    ("RLIMIT_STACK", [64 * KIB, 96 * KIB, 128 * KIB, MIB]),
    ("RLIMIT_NOFILE", [0, 1, 3, 4, 5]),
    ("RLIMIT_FSIZE", [0]),
    ("RLIMIT_NPROC", [0]),
    ("RLIMIT_MEMLOCK", [0]),
])
def test_low_limits(world, name, limits):
    """Under any limit that lets programs start at all, it is the exact grant or a plain refusal."""
    show = world.program("show", BUILD / "tests/programs/show", caps="")
    script = world.script("script", str(show))
    outcomes = set()
    for size in limits:
        def lower(size=size):
            resource.setrlimit(getattr(resource, name), (size, size))

        starts = all(world.run(*program, preexec_fn=lower).code == 0 for program in ([show], [world.wrapper, "--help"]))
        result = world.run(script, preexec_fn=lower)
        if not starts:
            assert result.out == b""
        elif result.code == 0:
            assert four(result.sets) == grant(CAP), (size, result)
        else:
            assert result.code in (125, 126) and re.fullmatch("capwrap: .+; .+\n", result.err), (size, result)
            assert result.out == b""
        outcomes.add(result.code)
    assert 0 in outcomes


# --help and --version


@pytest.mark.parametrize(("option", "start"), [("--help", "usage: #!"), ("--version", "capwrap ")])
@pytest.mark.parametrize("uid", [USER, 0])
def test_help_and_version(world, option, start, uid):
    result = world.run(world.wrapper, option, uid=uid)
    assert (result.code, result.err) == (0, "") and result.text.startswith(start) and result.text.endswith("\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_output_that_fails(world, option):
    with open("/dev/full", "w") as full:
        command = [world.wrapper, option]
        assert subprocess.run(command, stdout=full, user=USER, group=USER, extra_groups=[]).returncode == 125
        assert subprocess.run(command, preexec_fn=lambda: os.close(1), user=USER, extra_groups=[]).returncode == 125


# The log

AUTHPRIV, WARNING, INFO = 10 << 3, 4, 6

# In a mount namespace of its own /dev is a folder of the test: the machine's log is left alone.
PRIVATE_DEV = """
dev=$1 uid=$2; shift 2
for node in null zero full random urandom; do
	: >"$dev/$node" && mount --bind "/dev/$node" "$dev/$node" || exit 99
done
mount --rbind "$dev" /dev || exit 99
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups sh -c 'exec "$@"' sh "$@"
"""


class Log:
    """A /dev/log, and runs that see it."""

    def __init__(self, world) -> None:
        self.world = world
        self.dev = world.folder("dev")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.dev / "log"))
        self.socket.setblocking(False)
        (self.dev / "log").chmod(0o666)

    def run(self, *argv, uid: int = USER, **more):
        private = ["unshare", "--mount", "sh", "-c", PRIVATE_DEV, "sh", self.dev, uid]
        return self.world.run(*private, *argv, uid=0, **more)

    def read(self) -> list[str]:
        """What came in since the last time."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65536).decode("ascii"))
            except BlockingIOError:
                return messages


@pytest.fixture
def log(world):
    log = Log(world)
    yield log
    log.socket.close()


@pytest.mark.parametrize("uid", [USER, OTHER, 0])
def test_log_of_a_granted_run(world, log, uid):
    script = world.script("show", "env python3", STATUS, "cap_net_raw,cap_kill=i")
    assert log.run(script, "-v", "secret", uid=uid).code == 0
    [message] = log.read()
    assert re.fullmatch(
        rf"<{AUTHPRIV | INFO}>capwrap\[\d+\]: granted uid={uid} script={script} capabilities=cap_kill,cap_net_raw "
        r"interpreter=/usr/bin/env", message), message


def test_log_of_a_refusal(world, log):
    script = world.script("show", "python3", STATUS, caps=None)
    assert log.run(script).code == 125
    [message] = log.read()
    assert re.fullmatch(
        rf"<{AUTHPRIV | WARNING}>capwrap\[\d+\]: refused uid={USER} script={script} rule=grant reason=it has no .+",
        message), message


FORGED = "x\nuid=0 script=/bin/x rule=none\r\x1b[2J' \\' \xff"


def test_log_of_a_forged_name(world, log):
    """Control bytes, blanks, quotes in a name stay within its field."""
    field = r"\$'.*x\\x0auid=0 script=/bin/x rule=none\\x0d\\x1b\[2J\\' \\\\\\' \\xc3\\xbf'"
    script = world.script(FORGED.replace("/", "_"), "python3", STATUS)
    assert log.run(script).code == 0
    assert log.run(world.wrapper, "python3", FORGED).code == 125
    granted, denied = log.read()
    assert re.fullmatch(rf"<\d+>\S+ granted uid={USER} script={field.replace('/', '_')} capabilities=cap_net_raw "
                        r"interpreter=/usr/bin/python3", granted), granted
    assert re.fullmatch(rf"<\d+>\S+ refused uid={USER} script={field} rule=path reason=.+", denied), denied


@pytest.mark.parametrize("length", [4000, 8192, 100_000])
def test_log_of_a_long_name(world, log, length):
    """What does not fit is cut, and marked as cut."""
    assert log.run(world.wrapper, "python3", "x" * length).code == 125
    [message] = log.read()
    assert len(message) <= 8192
    assert message.endswith(" [cut]") if length > 8000 else "rule=path" in message


def test_full_log_does_not_block(world, log):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sender.sendto(b"x", str(log.dev / "log"))
    result = log.run(world.script("show", "python3", STATUS), timeout=10)
    assert four(result.sets) == grant(CAP), result
    assert log.run(world.script("show", "python3", STATUS, caps=None), timeout=10).code == 125
    assert set(log.read()) == {"x"}


@pytest.mark.parametrize("spoil", [
    lambda path: None,
    lambda path: path.touch(),
    lambda path: path.mkdir(),
    lambda path: os.mkfifo(path),
    lambda path: path.symlink_to("log"),
    lambda path: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).bind(str(path)),
], ids=["absent", "file", "folder", "fifo", "loop", "stream"])
def test_log_that_is_none(world, log, spoil):
    (log.dev / "log").unlink()
    spoil(log.dev / "log")
    result = log.run(world.script("show", "python3", STATUS), timeout=10)
    assert (four(result.sets), result.err) == (grant(CAP), ""), result
