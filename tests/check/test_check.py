"""capwrap-check: it says what the wrapper does, in every state; and it says it well."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from kit import CHECK, FIELDS, GENUINE, INSTALLED, OTHER, PYTHON_FILE, SOURCE, STATUS, USER, bit, bounding, check, complete, last_cap


def python_copy(world, caps: str = "", name: str = PYTHON_FILE.name) -> Path:
    return world.program(f"lib/{name}", PYTHON_FILE, caps=caps) if world.folder("lib") else None


# Each builds a state below a fresh world, and returns the script.


def edited(world):
    script = world.script("s", "python3", STATUS)
    with open(script, "a") as file:
        file.write("\n")
    return script


def their_folder(world):
    script = world.script("theirs/s", "python3", STATUS)
    os.chown(world.top / "theirs", USER, USER)
    return script


def writable_folder(world):
    script = world.script("open/s", "python3", STATUS)
    (world.top / "open").chmod(0o777)
    return script


def sticky_folder(world):
    script = world.script("open/s", "python3", STATUS)
    (world.top / "open").chmod(0o1777)
    return script


def above_sticky(world):
    script = world.script("open/good/s", "python3", STATUS)
    (world.top / "open").chmod(0o1777)
    return script


def by_link(world):
    script = world.script("s", "python3", STATUS)
    (world.top / "link").symlink_to(script)
    return world.top / "link"


def mount_at(world, kind: str, options: str) -> None:
    folder = world.folder("mount")
    subprocess.run(["mount", "-t", kind, "-o", f"mode=755,{options}", "none", str(folder)], check=True)


def mounted(options: str):
    def state(world):
        mount_at(world, "tmpfs", options)
        return world.script("mount/s", "python3", STATUS)

    return state


def fifo(world):
    os.mkfifo(world.top / "s", 0o755)
    return world.top / "s"


def namespaced(world):
    script = world.script("s", "python3", STATUS, caps=None)
    subprocess.run(["setcap", "-n", str(USER), "cap_net_raw=i", str(script)], check=True)
    return script


def interpreter(caps: str = "", mode: int = 0o755, uid: int = 0, options: str = ""):
    def state(world):
        copy = python_copy(world)
        os.chown(copy, uid, uid)
        copy.chmod(mode)
        if caps:
            world.setcap(caps, copy)
        return world.script("s", f"{options} {copy}".strip(), STATUS)

    return state


def text_interpreter(world):
    (world.folder("lib") / "text").write_text("no program\n")
    (world.top / "lib/text").chmod(0o755)
    return world.script("s", f"{world.top}/lib/text")


def beyond_ceiling(world):
    world.setcap("cap_kill=p", world.wrapper)
    return world.script("s", "python3", STATUS)


def unbound(world):
    """A capability that no kernel here has."""
    script = world.script("s", "python3", STATUS, caps=None)
    value = (1 << 60).to_bytes(8, "little")
    os.setxattr(script, "security.capability", b"".join(
        [b"\0\0\0\2", bytes(4), value[:4], bytes(4), value[4:]]))
    return script


def no_wrapper(world):
    return world.script("s", f"#!{world.top}/absent/capwrap python3\n", STATUS)


def simple(line="python3", **more):
    return lambda world: world.script("s", line, STATUS, **more)


def raw(*parts: bytes, **more):
    """A first line that begins with the wrapper's path, as bytes."""
    return lambda world: world.script("s", b"#!" + os.fsencode(world.wrapper) + b"".join(parts), STATUS, **more)


def wrapper_mode(mode: int):
    def state(world):
        script = world.script("s", "python3", STATUS)
        world.wrapper.chmod(mode)
        world.setcap("all=p", world.wrapper)
        return script
    return state


def changed(change):
    """Another ELF program than this machine's: a copy of Python with other bytes, by a name that the table has."""
    def state(world):
        tool = python_copy(world)
        tool.write_bytes(change(tool.read_bytes()))
        return world.script("s", f"{tool}", STATUS)
    return state


def written(world):
    """Some process has the interpreter open for writing."""
    tool = python_copy(world)
    world.held = tool.open("ab")
    return world.script("s", f"{tool}", STATUS)


STATES = {
    "granted": simple(),
    "two capabilities": simple(caps="cap_net_raw,cap_kill=i"),
    "effective flag": simple(caps="cap_net_raw=ei"),
    "permitted too": simple(caps="cap_net_raw=ip"),
    "permitted only": simple(caps="cap_net_raw=p"),
    "ungranted": simple(caps=None),
    "edited": edited,
    "wrong owner": simple(uid=USER),
    "group may write": simple(mode=0o775),
    "all may write": simple(mode=0o757),
    "not executable": simple(mode=0o644),
    "not readable": simple(mode=0o711),
    "their folder": their_folder,
    "writable folder": writable_folder,
    "sticky folder": sticky_folder,
    "above a sticky folder": above_sticky,
    "by link": by_link,
    "absent": lambda world: world.top / "absent",
    "fifo": fifo,
    "nosuid": mounted("nosuid"),
    "noexec": mounted("noexec"),
    "namespaced": namespaced,
    "no #!": lambda world: world.script("s", b"print()\n"),
    "carriage return": raw(b" python3\r\n"),
    "NUL": raw(b" pyth\0on3\n"),
    "control byte": raw(b" python3\x1b\n"),
    "no newline": lambda world: world.script("s", b"#!" + os.fsencode(world.wrapper) + b" python3"),
    "too long": raw(b" python3 " + b"x" * 250 + b"\n"),
    "no interpreter": raw(b" --contain\n"),
    "no line": raw(b"\n"),
    "unknown option": simple("--bogus python3"),
    "env without names": simple("--env , python3"),
    "env of the loader": simple("--env LD_PRELOAD python3"),
    "interpreter absent": simple("nothing-like-it"),
    "interpreter relative": simple("bin/python3"),
    "interpreter absolute and absent": simple("/absent/python3"),
    "interpreter a folder": simple("/usr/bin"),
    "interpreter no program": text_interpreter,
    "interpreter not executable": interpreter(mode=0o644),
    "interpreter theirs": interpreter(uid=USER),
    "interpreter writable": interpreter(mode=0o775),
    "interpreter set-user-ID": interpreter(mode=0o4755),
    "interpreter permitted": interpreter("cap_net_raw=p"),
    "interpreter covers": interpreter("cap_net_raw=i"),
    "interpreter covers, effective": interpreter("cap_net_raw=ei"),
    "interpreter does not cover": interpreter("cap_kill=i"),
    "contain": interpreter("cap_net_raw=i", options="--contain"),
    "contain without": interpreter(options="--contain"),
    "contain with less": interpreter("cap_kill=i", options="--contain"),
    "node": lambda world: world.script("s", f"{world.program('node', Path('/bin/true'), caps='')}"),
    "make": simple("make -f"),
    "R": simple("env R --no-echo -f"),
    "java": lambda world: world.script("s", f"{world.program('java', Path('/bin/true'), caps='')}"),
    "an unknown interpreter": lambda world: world.script("s", f"{python_copy(world, name='tool')}", STATUS),
    "the same, unproven": lambda world: world.script("s", f"-U {python_copy(world, name='tool')}", STATUS),
    "unproven make": simple("--unproven make -f"),
    "an interpreter that is a script": lambda world: world.script(
        "s", str(world.script("lib/python3", "#!/usr/bin/python3\n", STATUS, None))),
    "what the row does not have": simple("python3 -i"),
    "what the row needs": simple("gawk -f"),
    "a launcher": simple("nice python3"),
    "env -i": simple("env -i python3"),
    "env -S": simple("env -S A=b python3 -I"),
    "env -S with quotes": simple("env -S 'python3'"),
    "a variable": simple("A=b LANG=C python3"),
    "a variable of the loader": simple("LD_PRELOAD=x python3"),
    "a variable of the wrapper's": simple("env PATH=/bin python3"),
    "a bad name": simple("a.b=c python3"),
    "a variable that steers": simple("PERL5LIB=/x perl"),
    "no attributes": lambda world: (mount_at(world, "ramfs", ""), world.script("mount/s", "python3", STATUS, caps=None))[1],
    "the wrapper": lambda world: world.script("s", f"{world.wrapper} python3"),
    "beyond the ceiling": beyond_ceiling,
    "unknown capability": unbound,
    "env python3": simple("env python3"),
    "no-new-privs": simple("--no-new-privs python3"),
    "set-user-ID wrapper": wrapper_mode(0o4755),
    "set-group-ID wrapper": wrapper_mode(0o2755),
    "another machine's": changed(lambda program: program[:18] + b"\x16\x00" + program[20:]),
    "cut short": changed(lambda program: program[:40]),
    "of another class": changed(lambda program: program[:4] + b"\x01" + program[5:]),
    "without its loader": changed(lambda program: program.replace(b"/lib64/ld-linux", b"/lib64/no-linux")),
    "interpreter open for writing": written,
    "quotes": simple('python3 "-u"'),
    "byte order mark": lambda world: world.script("s", b"\xef\xbb\xbf#!" + os.fsencode(world.wrapper) + b" python3\n"),
}


@pytest.mark.parametrize("name", STATES)
def test_it_says_what_the_wrapper_does(world, name):
    """Verdict, reason and fix to the letter; and where it runs, the command, the sets and the environment."""
    script = STATES[name](world)
    line = ""
    if script.is_file() and os.access(script, os.R_OK):
        head = script.read_bytes()[:256].split(b"\n")[0].removeprefix(b"#!" + os.fsencode(world.wrapper))
        line = os.fsdecode(head.split(b"\0")[0].strip(b" \t"))
    real = world.run(world.wrapper, line, script)
    (said,) = check(world, script)
    if real.code in (125, 126, 127):
        assert said["verdict"] == "refused", said
        fix = said["fix"] if name != "no #!" else said["fix"].replace(INSTALLED, str(world.wrapper))
        assert real.err == f"capwrap: {script}: {said['reason']}; {fix}\n"
        return
    assert said["verdict"] == "runs", (said, real)
    assert real.code == 0
    if not real.out:
        return
    sets = real.sets
    assert sum(bit(cap) for cap in said["capabilities"]) == sets["CapPrm"]
    assert (said["starts"] == "effective") == (sets["CapEff"] == sets["CapPrm"])
    assert said["interpreter"] == said["command"][0]


@pytest.mark.parametrize("prefix, rule", [
    (["setpriv", "--no-new-privs"], "ceiling"),
    (["/usr/sbin/capsh", "--drop=cap_net_raw", f"--uid={USER}", "--", "-c", '"$@"', "sh"], "ceiling"),
])
def test_it_sees_its_own_confinement(world, prefix, rule):
    """no_new_privs and the bounding set are those of the process that asks."""
    script = world.script("s", "python3", STATUS)
    uid = 0 if "capsh" in prefix[0] else USER
    result = world.run(*prefix, CHECK, "--json", script, uid=uid)
    (said,) = json.loads(result.out)
    real = world.run(*prefix, script, uid=uid)
    assert said["rule"] == rule
    assert real.err == f"capwrap: {script}: {said['reason']}; {said['fix']}\n"


RUN = ["--", "-c", 'exec "$0" "$@"']
CALLERS = {
    "with capabilities": ["capsh", "--keep=1", f"--uid={USER}", "--inh=cap_kill", "--addamb=cap_kill", *RUN],
    "with inheritable ones": ["capsh", "--inh=cap_kill,cap_net_raw", f"--uid={USER}", *RUN],
    "root without power": ["capsh", "--secbits=0x3", *RUN],
    "root with locked securebits": ["capsh", "--secbits=0x2f", *RUN],
    "root without ambient": ["capsh", "--secbits=0x40", *RUN],
    "root without setpcap": ["capsh", "--drop=cap_setpcap", *RUN],
    "root with less": ["capsh", "--drop=cap_net_raw", *RUN],
    "root and no more": ["setpriv", "--no-new-privs"],
    "root of no group": ["setpriv", "--clear-groups", "--regid=12345"],
}


@pytest.mark.parametrize("name", CALLERS)
def test_callers_of_every_kind(world, name):
    """What it says is what the wrapper does for the same caller."""
    script = world.script("s", "python3", STATUS)
    real, told = (world.run(*CALLERS[name], *command, uid=0, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
                  for command in ([script], [CHECK, "--json", script]))
    (said,) = json.loads(told.out)
    if said["verdict"] == "runs":
        assert real.sets["CapPrm"] == bit("cap_net_raw"), real
    else:
        assert real.err == f"capwrap: {script}: {said['reason']}; {said['fix']}\n"


def test_wrapper_open_for_writing(world):
    """The kernel does not start it: the shell says so, and so does the check."""
    script = world.script("s", "python3", STATUS)
    with world.wrapper.open("ab"):
        (said,) = check(world, script)
        assert said["verdict"] == "refused" and said["reason"] == f"interpreter {world.wrapper} can't be executed: some process has it open for writing"
        assert "Text file busy" in world.run("dash", "-c", script).err
    assert check(world, script)[0]["verdict"] == "runs"


@pytest.mark.parametrize("start", ["#!", "ELF"])
def test_wrapper_of_theirs_never_runs(world, attacker, start):
    """It is executed and stopped before its first instruction, also where the check is killed meanwhile."""
    theirs = world.folder("mine/lib", uid=USER) / "capwrap"
    if start == "#!":
        attacker.writes(theirs)
    else:
        code = f'#include <fcntl.h>\nint main(void) {{ return open("{attacker.mark}", O_CREAT | O_WRONLY, 0644) < 0; }}\n'
        subprocess.run(["cc", "-x", "c", "-", "-static", "-o", theirs], input=code, text=True, check=True)
    script = world.script("s", b"#!%s python3\n" % os.fsencode(theirs), STATUS)
    assert subprocess.run([theirs], check=False, capture_output=True).returncode == 0 and attacker.mark.exists()
    attacker.mark.unlink()
    for wait in range(100):
        with subprocess.Popen([CHECK, script], stdout=subprocess.DEVNULL) as process:
            try:
                process.wait(wait / 5000)
            except subprocess.TimeoutExpired:
                process.kill()
    time.sleep(0.3)
    assert not attacker.mark.exists()


def test_wrapper_of_theirs_holds_nothing_up(world):
    """Its owner has a write lease on it, for which whoever executes it waits."""
    theirs = world.folder("mine", uid=USER) / "capwrap"
    shutil.copy("/bin/true", theirs)
    os.chown(theirs, USER, USER)
    script = world.script("s", b"#!%s python3\n" % os.fsencode(theirs), STATUS)
    code = ("import fcntl, os, signal, sys, time\nsignal.signal(signal.SIGIO, signal.SIG_IGN)\nfd = os.open(sys.argv[1], os.O_RDONLY)\n"
            "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)\nprint('ready', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(["/usr/bin/python3", "-c", code, theirs], user=USER, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"ready\n"
        began = time.monotonic()
        for uid in (USER, 0):
            world.run(CHECK, "-r", script, uid=uid)
        took = time.monotonic() - began
        holder.kill()
    assert took < 5


def test_directory_named_capwrap(world):
    """Neither is it taken for a wrapper, nor is anything of it changed."""
    script = world.script("s", b"#!%s python3\n" % os.fsencode(world.folder("lib/capwrap")))
    (said,) = check(world, script)
    assert said["verdict"] == "refused" and said["rule"] == "line", said


def test_it_foretells_root(world):
    """Run by root it speaks of root's run, which its own file capabilities do not cap."""
    script = world.script("s", "python3", STATUS)
    (said,) = check(world, script, uid=0)
    assert said["verdict"] == "runs"
    assert world.run(script, uid=0).sets["CapEff"] == bit("cap_net_raw")


def test_command_and_environment_are_what_the_script_gets(world):
    show = "import os, sys, json; print(json.dumps([sys.orig_argv, list(os.environ)]))\n"
    script = world.script("s", "--env KEPT,ABSENT /usr/bin/python3 -B -S", show)
    env = {"KEPT": "1", "TERM": "xterm", "TZ": "/bad", "OTHER": "1"}
    (said,) = check(world, script, env=env)
    argv, names = json.loads(world.run(script, env=env).out)
    assert said["command"] == argv
    # Python itself adds LC_CTYPE where there is no locale.
    assert set(said["environment"]) == set(names) - {"LC_CTYPE"}
    assert {"KEPT", "TERM"} < set(names)


@pytest.mark.parametrize("mode, gid, text", [
    (0o755, 0, "everyone"),
    (0o750, 0, "the group root"),
    (0o750, 54321, "the group 54321"),
    (0o700, 0, "root"),
])
def test_who_may_run_it(world, mode, gid, text):
    script = world.script("s", "python3", STATUS, mode=mode, caps=None)
    os.chown(script, 0, gid)
    world.setcap("cap_net_raw=i", script)
    assert check(world, script, uid=0)[0]["may_run"] == text


def test_access_control_list_is_told(world):
    script = world.script("s", "python3", STATUS, mode=0o750)
    subprocess.run(["setfacl", "-m", f"u:{USER}:rx", str(script)], check=True)
    (said,) = check(world, script)
    assert (said["verdict"], said["may_run"]) == ("runs", "the group root, and whom its access control list names")


@pytest.mark.parametrize("group, may_run", [("---", "root"), ("r--", "root"), ("r-x", "the group 54321")])
def test_access_control_list_hides_the_group(world, group, may_run):
    """Its mask shows where the mode has the group: the group's own entry stands in the list."""
    script = world.script("s", "python3", STATUS, mode=0o700)
    os.chown(script, 0, 54321)
    world.setcap("cap_net_raw=i", script)
    subprocess.run(["setfacl", "-m", f"g::{group},u:{OTHER}:rx,u:{USER}:rx,m::rx", str(script)], check=True)
    assert script.stat().st_mode & 0o777 == 0o750
    (said,) = check(world, script, uid=0)
    assert said["may_run"] == f"{may_run}, and whom its access control list names"
    assert (said["others"] is None) == (may_run == "root")
    assert world.run("sh", "-c", script, uid=12345, gid=54321).code == (0 if group == "r-x" else 126)


def warned(world, script) -> set[str]:
    (said,) = check(world, script)
    assert said["verdict"] == "runs", said
    return {warning["code"] for warning in said["warnings"]}


LIKE_ROOT = ["cap_sys_admin", "cap_setuid", "cap_setgid", "cap_dac_override", "cap_chown", "cap_fowner", "cap_sys_module",
             "cap_sys_ptrace", "cap_sys_rawio", "cap_setfcap", "cap_setpcap", "cap_bpf", "cap_mknod"]


@pytest.mark.parametrize("line, body, code", [
    ("--unproven python3 -i", "", "unproven"),
    ("-U tcsh -f", "", "unproven"),
    ("--unproven python3", "", "unproven"),
    ("-U gawk -f", "", "unproven"),
    ("-U env python3 -i", "", "unproven"),
    ("python3 -I -Wignore", "", None),
    ("--env HOME python3", "", "env-home"),
    ("--env PYTHONPATH python3", "", "env-code"),
    ("--env PATH sh", "", "env-code"),
    ("--env EDITION,COLOUR sh", "", "env-code"),
    ("--env SSH_ORIGINAL_COMMAND,PATH_INFO,NAGIOS_HOSTNAME,USER sh", "", None),
    ("--env RSYNC_RSH sh", "", "env-code"),
    ("--env BORG_PASSCOMMAND,USER sh", "", "env-code"),
    ("sh", "ssh host true\n", "caller-settings"),
    ("python3", "subprocess.run(['/usr/bin/ssh', 'host'])\n", "caller-settings"),
    ("sh", "rsync -a /home host:/backup\n", "caller-settings"),
    ("sh", "rsync -a /home /backup # sshd\n", None),
    ("sh", "# git and ssh are not used\nlegit; openssh\n", None),
    ("bash", "x=1; sqlite3 db .dump\n", "caller-settings"),
    ("--user backup bash", "x=1; sqlite3 db .dump\ncat <<EOF\nx\nEOF\n", None),
    ("--user backup sh", "rsync -a /home host:/backup\n", None),
    ("--user backup ruby", "system 'bundle', 'exec'\n", "caller-settings"),
    ("--user backup --chdir / ruby", "system 'bundle', 'exec'\n", None),
    ("--env PS4 bash", "", "env-code"),
    ("--env EDITION sh", "", "env-code"),
    ("--env REMOTE_USER,COLOUR sh", "", "env-code"),
    ("--env NAGIOS sh", "", "env-code"),
    ("--env USERS sh", "", "env-code"),
    ("--env SSH_AUTH_SOCK sh", "", "env-code"),
    ("--env SSH_ORIGINAL_COMMAND,NAGIOS_HOSTNAME,ICINGA_X,QUERY_STRING,SUDO_USER,USER sh", "", None),
    ("COLOUR=red python3", "", None),
    ("bash", "cat <<EOF\nx\nEOF\n", "here-document"),
    ("zsh", "cat <<EOF\nx\nEOF\n", "here-document"),
    ("mksh", "cat <<EOF\nx\nEOF\n", "here-document"),
    ("python3", "import multiprocessing\nmultiprocessing.set_start_method('forkserver')\n", "python-forkserver"),
    ("bash", "cat <<-'EOF'\nx\nEOF\n", "here-document"),
    ("bash", "cat <<<word; x=$((1 << 3))\n", None),
    ("dash", "cat <<EOF\nx\nEOF\n", None),
    ("sh", "cat <<EOF\nx\nEOF\n", None if Path("/bin/sh").resolve().name == "dash" else "here-document"),
    ("lua5.4", "", None),
    ("php", "<?php include 'lib.php';\n", "php-include"),
    ("php", "<?php include __DIR__ . '/lib.php';\n", None),
    ("ruby", "require 'json'\n", "ruby-require"),
    ("ruby", "$LOADED_FEATURES.reject! { |f| f[0] != '/' }\nrequire 'json'\n", None),
    ("ruby", "puts 1\n", None),
    ("/bin/dash", "cat <<EOF\nx\nEOF\n", None),
    ("busybox sh", "cat <<EOF\nx\nEOF\n", None),
    ("sh", "cat <<EOF\nx\nEOF\n", None if os.path.realpath("/bin/sh").endswith("/dash") else "here-document"),
    ("python3", "x = 'cat <<EOF'\n", None),
    ("lua5.4", "", None),
    ("php", "", None),
    ("perl", "", None),
    ("perl", "print while <>;\n", "perl-diamond"),
    ("perl", "print while <ARGV>;\n", "perl-diamond"),
    ("perl", "print while <<>>; print <STDIN>;\n", None),
    ("awk -f", "", "caller-variables"),
    ("mawk -f", "", "caller-variables"),
    ("gawk -E", "", None),
    ("sed -f", "", None),
    ("python3", "", None),
    ("sh", "ssh host date\n", "caller-settings"),
    ("sh", "exec /usr/bin/ssh host date\n", "caller-settings"),
    ("sh", "x=$(scp a host:b)\n", "caller-settings"),
    ("sh", "echo get | sftp host\n", "caller-settings"),
    ("python3", "subprocess.run(['sqlite3', path])\n", "caller-settings"),
    ("python3", "os.system('git pull')\n", "caller-settings"),
    ("ruby", "system 'bundle', 'exec'\n", "caller-settings"),
    ("sh", "nmap -sS host\n", "caller-settings"),
    ("NMAPDIR=/usr/share/nmap sh", "nmap -sS host\n", None),
    ("sh", "mktemp\n", None),
    ("--user backup python3", "import tempfile\n", "temporary-file"),
    ("--user backup --chdir / python3", "import tempfile\n", None),
    ("--user backup ruby", "require 'tempfile'\n", "ruby-require"),
    ("sh", "rsync -a /etc/ host:/backup/\n", "caller-settings"),
    ("sh", "rsync -a /etc/ /backup/\n", None),
    ("sh", "# ssh host date\n", None),
    ("sh", "ssh_key=x; digit=legit; echo ssh-keygen\n", None),
])
def test_warnings_of_the_line(world, line, body, code):
    codes = warned(world, world.script("s", line, body))
    assert code in codes if code else codes == set()


@pytest.mark.parametrize("line, body, codes", [
    ("dash", "mount /srv/disk\n", {"set-user-id"}),
    ("python3", "subprocess.run(['/usr/bin/umount', '/srv/disk'])\n", {"set-user-id"}),
    ("--no-new-privs dash", "mount /srv/disk\n", set()),
    ("dash", "# mount it first\ncat /proc/mounts; mountpoint /\n", set()),
])
def test_warning_of_set_user_id_programs(world, line, body, codes):
    assert warned(world, world.script("s", line, body)) == codes


@pytest.mark.parametrize("cap", ["cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner"])
def test_warning_of_temporary_files(world, cap):
    """Of the caller's uid, and opened by name with capabilities for files."""
    for line, body, found in (
            ("dash", "file=$(mktemp)\n", True), ("python3", "x = tempfile.NamedTemporaryFile()\n", True),
            ("perl", "# mktemp\n", False), ("--user backup dash", "file=$(mktemp)\n", False), ("dash", "mktempo\n", False)):
        assert ("temporary-file" in warned(world, world.script("s", line, body, caps=f"{cap}=i"))) == found, line


def test_warning_of_libraries_beside_it(world):
    """What the loader leaves out then is what the interpreter needs: it does not start."""
    library, tool = world.folder("bin/lib") / "libbeside.so", world.top / "bin/dash"
    for source, options in ("int beside(void) { return 42; }", ["-shared", "-o", library]), (
            "int beside(void); int main(void) { return beside(); }", ["-o", tool, f"-L{library.parent}", "-lbeside", "-Wl,-rpath,$ORIGIN/lib"]):
        subprocess.run(["cc", "-x", "c", "-", "-x", "none", *options], input=source, text=True, check=True)
    script = world.script("s", f"{tool}", "")
    assert warned(world, script) == set() and world.run(script).code == 42
    world.setcap("cap_net_raw=i", tool)
    assert warned(world, script) == {"origin"} and world.run(script).code == 127


@pytest.mark.parametrize("cap", LIKE_ROOT)
def test_warning_of_what_is_root(world, cap):
    script = world.script("s", "python3", STATUS, caps=f"{cap}=i")
    if bounding() >> (bit(cap).bit_length() - 1) & 1:
        assert warned(world, script) - {"keeps-capabilities"} == {"root-in-all-but-name"}
        assert ("keeps-capabilities" in warned(world, script)) == (cap == "cap_setuid")
    else:
        assert check(world, script)[0]["rule"] == "ceiling"


def test_another_user_keeps_them(world):
    """As the warning says: with cap_setuid, becoming another user takes nothing."""
    body = f"import os\nos.setresuid({OTHER}, {OTHER}, {OTHER})\n" + STATUS
    script = world.script("s", "python3", body, caps="cap_setuid,cap_net_raw=i")
    assert world.run(script).sets["CapEff"] == bit("cap_setuid,cap_net_raw")
    script = world.script("s", "python3", f"import os\nos.execvp('setpriv', ['setpriv', '--reuid={OTHER}', '--inh-caps=-all', "
                          "'--ambient-caps=-all', 'cat', '/proc/self/status'])\n", caps="cap_setuid,cap_net_raw=i")
    assert world.run(script).sets["CapPrm"] == 0


def test_no_warning_of_what_is_not(world):
    assert warned(world, world.script("s", "python3", STATUS, caps="cap_net_raw,cap_net_bind_service=i")) == set()


def test_warning_of_a_folder_above(world):
    assert warned(world, above_sticky(world)) == {"writable-directory"}


def test_no_warning_of_settings_without_a_grant_for_children(world):
    """What a contained script starts has nothing that the caller's settings could use."""
    python = python_copy(world, "cap_net_raw=i")
    body = "import os\nos.system('ssh host')\n"
    assert warned(world, world.script("s", f"--contain {python}", body)) == set()
    os.removexattr(python, "security.capability")
    assert warned(world, world.script("s", f"{python}", body)) == {"caller-settings"}


def test_warning_of_a_wrapper_that_is_theirs(world):
    script = world.script("s", "python3", STATUS)
    assert warned(world, script) == set()
    os.chown(world.wrapper, USER, USER)
    world.setcap("all=p", world.wrapper)
    assert warned(world, script) == {"wrapper"}


def test_wrapper_that_may_not_be_executed(world):
    """The kernel says no before the wrapper can."""
    script = world.script("s", "python3", STATUS)
    world.wrapper.chmod(0o750)
    (said,) = check(world, script)
    assert said["rule"] == "interpreter" and str(world.wrapper) in said["reason"]
    with pytest.raises(PermissionError):
        world.run(script)


def test_manual_explains_every_warning_and_field():
    manual = (SOURCE / "man/capwrap-check.8").read_text()
    codes = set(re.findall(r'add\(warnings, "([a-z-]+)"', (SOURCE / "src/check/warn.c").read_text()))
    assert codes == set(re.findall(r"^\.It Cm ([a-z-]+)$", manual, re.M))
    assert FIELDS == re.findall(r"^\.It Li ([a-z_]+)$", manual, re.M)


def test_recursive_finds_granted_scripts_and_stale_grants(world):
    """Granted scripts, and what has capabilities and no line for capwrap; not programs, not links, not the plain."""
    tree = world.folder("tree")
    good = world.script("tree/a/good", "python3", STATUS)
    bad = world.script("tree/a/bad", "python3", STATUS, caps="cap_net_raw=p")
    stale = world.script("tree/stale", "#!/usr/bin/python3\n", STATUS)
    text = world.script("tree/text", b"nothing\n")
    lost = world.script("tree/lost", "python3", STATUS, caps=None)
    world.script("tree/not-executable", "python3", STATUS, caps=None, mode=0o644)
    world.script("tree/plain", "#!/bin/sh\n", caps=None)
    world.program("tree/program", Path("/bin/true"), caps="cap_net_raw=ei")
    world.folder("elsewhere")
    world.script("elsewhere/other", "python3", STATUS)
    (tree / "link").symlink_to(world.top / "elsewhere")
    (tree / "link-to-good").symlink_to(good)
    found = {report["path"]: report for report in check(world, "-r", tree)}
    assert set(found) == {str(path) for path in (good, bad, stale, text, lost)}
    assert found[str(good)]["verdict"] == "runs"
    assert found[str(bad)]["rule"] == "grant"
    codes = {path: [warning["code"] for warning in report["warnings"]] for path, report in found.items()}
    assert codes == {str(good): [], str(bad): [], str(lost): [], str(stale): ["stale-grant"], str(text): ["stale-grant"]}
    assert (found[str(lost)]["rule"], found[str(lost)]["fixes"]) == ("grant", [f"capwrap-grant cap_NAME {lost}"])
    told = world.run(CHECK, "-r", world.top).text
    for word, path, caps in (("lost", lost, "none; everyone"), ("stale", stale, "cap_net_raw; everyone"),
                             ("refused", bad, "cap_net_raw; everyone"), ("wrapper", world.wrapper, "=p")):
        assert re.search(rf"^{word} +{path}  {re.escape(caps)}$", told, re.M), (word, told)
    assert found[str(stale)]["rule"] == found[str(text)]["rule"] == "line"


def test_recursive_survives_what_it_cannot_read(world):
    world.script("tree/good", "python3", STATUS)
    world.folder("tree/closed", 0o700)
    world.folder("tree/closed2", 0o700)
    result = world.run(CHECK, "-r", world.top / "tree")
    assert result.code == 2, result
    assert result.text.splitlines()[-1] == "1 script: 1 runs, 0 refused (0 lost their grant); 0 stale; 1 file seen, 2 could not be read"
    assert "cap_net_raw" in result.text


def test_recursive_survives_depth_and_odd_names(world):
    """Deeper than any path may be; names with newlines and escapes; a name that is not UTF-8."""
    tree = world.folder("tree")
    names = ["new\nline", "esc\x1b[31m", "quo'te \"x\"", os.fsdecode(b"latin-\xe4")]
    for name in names:
        world.script(f"tree/{name}/s", "python3", STATUS)
    here = os.open(tree, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=here)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    result = world.run(CHECK, "--json", "-r", tree)
    found = json.loads(result.out)
    assert {report["path"] for report in found} == {f"{tree}/{name}/s" for name in names}
    assert all(report["verdict"] == "runs" for report in found)
    assert result.code == 2  # what lies deeper than a path can name was not read
    plain = world.run(CHECK, "-r", tree)
    assert "\x1b" not in plain.text and "esc\\x1b[31m" in plain.text and "new\\x0aline" in plain.text
    full = world.run(CHECK, tree / names[1] / "s")
    assert "\x1b" not in full.text
    subprocess.run(["rm", "-rf", str(tree)], check=True)


def test_json_is_utf8_and_ascii_controls_are_escaped(world):
    script = world.script(os.fsdecode(b"\xe4\xc3\xa4\x01\"\\"), "python3", STATUS)
    result = world.run(CHECK, "--json", script)
    (said,) = json.loads(result.out.decode())
    assert os.fsencode(said["path"]) == os.fsencode(script)
    assert b"\x01" not in result.out and b"\xe4\xc3" not in result.out


@pytest.mark.parametrize("arguments, code, text", [
    ([], 2, "no file is named"),
    (["--bogus"], 2, "see capwrap-check --help"),
    (["/etc"], 2, "/etc: is a directory; capwrap-check -r walks it"),
    (["-r", "/absent"], 1, ""),
    (["/etc/passwd"], 1, ""),
    (["/absent"], 1, ""),
    (["/dev/null"], 1, ""),
])
def test_bad_input(world, arguments, code, text):
    result = world.run(CHECK, *arguments)
    assert result.code == code, result
    assert text in result.err and result.err.count("\n") == bool(text) + (text == "see capwrap-check --help")


def test_help_version_and_full_output(world):
    assert world.run(CHECK, "--help").code == 0
    assert re.fullmatch(r"capwrap-check \d+\.\d+\.\d+\n", world.run(CHECK, "--version").text)
    with open("/dev/full", "w") as full:
        done = subprocess.run([CHECK, "--help"], stdout=full)
        assert done.returncode == 2
        done = subprocess.run([CHECK, "/bin/sh"], stdout=full, stderr=subprocess.DEVNULL)
        assert done.returncode == 2


def in_terminal(argv: list, env: dict[str, str]) -> str:
    """What a command prints on a terminal, by its standard output and error."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([str(arg) for arg in argv], stdout=follower, stderr=follower, env=env, cwd="/",
                               stdin=subprocess.DEVNULL)
    os.close(follower)
    said = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(leader)
    process.wait()
    return said.decode().replace("\r\n", "\n")


def test_colour_only_on_a_terminal(world):
    """The offending step is red; NO_COLOR and a pipe are plain."""
    script = writable_folder(world)
    coloured = in_terminal([CHECK, script], {"TERM": "xterm"})
    (marked,) = [line for line in coloured.splitlines() if "<--" in line]
    assert "\033[1;31m" in marked and "`- open" in marked and "drwxrwxrwx" in marked
    assert "\033" not in in_terminal([CHECK, script], {"TERM": "xterm", "NO_COLOR": "1"})
    assert "\033" not in in_terminal([CHECK, script], {"TERM": "dumb"})
    assert "\033" in in_terminal([CHECK, script], {"TERM": "xterm", "NO_COLOR": ""})
    assert "\033" not in world.run(CHECK, script).text


def test_names_on_a_terminal(world):
    """A name is shown as it is where the terminal has UTF-8, but for what steers it; elsewhere by its bytes."""
    script = world.script("é\u202e€\U0001f600", "python3", STATUS)
    told = in_terminal([CHECK, script], {"LANG": "C.UTF-8", "NO_COLOR": "1"})
    assert told.splitlines()[0] == f"{world.top}/é\\xe2\\x80\\xae€\U0001f600: runs"
    assert "`- é\\xe2\\x80\\xae€\U0001f600" in told
    for told in in_terminal([CHECK, script], {"LANG": "C", "NO_COLOR": "1"}), world.run(CHECK, script, env={"LANG": "C.UTF-8"}).text:
        assert told.splitlines()[0].startswith(f"{world.top}/\\xc3\\xa9\\xe2\\x80\\xae\\xe2\\x82\\xac\\xf0")


def test_lines_fit_a_terminal(world):
    """Prose is folded at blanks; what is to be pasted is not, and a pipe gets it in one line."""
    script = world.script("s", "bash", "cat <<EOF\nEOF\n", caps="cap_fowner=i")
    told = in_terminal([CHECK, script], {"LANG": "C.UTF-8", "NO_COLOR": "1"}).splitlines()
    plain = world.run(CHECK, script).text.splitlines()
    assert max(map(len, plain)) > 80 >= max(len(line) for line in told if "command" not in line and "`-" not in line), told
    folded = " ".join(line.strip() for line in told).split()
    assert folded == " ".join(plain).split()
    broken = world.script("s", "python3 -i", STATUS)
    fix = next(line for line in world.run(CHECK, broken).text.splitlines() if line.startswith("  fix"))
    assert fix in in_terminal([CHECK, broken], {"NO_COLOR": "1"}).splitlines()


def test_tree_marks_the_interpreter(world):
    script = interpreter(mode=0o775)(world)
    report = world.run(CHECK, script).text
    (marked,) = [line for line in report.splitlines() if "<--" in line]
    assert PYTHON_FILE.name in marked and "-rwxrwxr-x" in marked


def test_summary_of_several(world):
    script = world.script("s", "python3", STATUS)
    report = world.run(CHECK, script, world.top / "absent", script)
    assert report.code == 1
    assert report.text.splitlines()[-1] == "3 scripts: 2 run, 1 refused"
    assert not world.run(CHECK, script).text.splitlines()[-1].startswith("1 script")


def test_fix_is_ready_to_paste(world):
    """Names that a shell would take apart are quoted; the command mends what it was printed for."""
    script = world.script("a b'$(touch x)/s", "python3", STATUS)
    script.parent.chmod(0o777)
    (said,) = check(world, script)
    subprocess.run(["bash", "-c", said["fix"]], check=True, cwd=world.top)
    assert not (world.top / "x").exists()
    assert check(world, script)[0]["verdict"] == "runs"


def test_progress_on_a_terminal_only(world):
    """A walk of more than a second tells where it is, and wipes that away."""
    tree = world.folder("tree")
    world.script("tree/zz/s", "python3", STATUS)
    slow = world.top / "slow"
    subprocess.run(["mkfifo", str(slow)], check=True)
    for i in range(300):
        (tree / f"f{i}").mkdir()
    leader, follower = pty.openpty()
    process = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=getdents64", "-e",
                                "inject=getdents64:delay_exit=10000", CHECK, "-r", tree],
                               stdout=subprocess.PIPE, stderr=follower, stdin=subprocess.DEVNULL)
    os.close(follower)
    said = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            said += os.read(leader, 65536)
        except OSError:
            break
    out = process.communicate()[0].decode()
    os.close(leader)
    assert re.search(rb"\d+ files, ", said) and said.endswith(b"\r\x1b[K")
    assert "runs" in out and "files, " not in out.splitlines()[0]
    assert "files, " not in world.run(CHECK, "-r", tree).err


def test_bash_completion():
    assert set(complete("check", "capwrap-check --")) == {"--binfmt", "--recursive", "--json", "--user", "--help", "--version"}
    assert complete("check", "capwrap-check --j") == ["--json"]
    assert "/etc/passwd" in complete("check", "capwrap-check /etc/passw")
    assert complete("check", "capwrap-check --user roo") == ["root"]


def test_zsh_completion_is_well_formed():
    source = (SOURCE / "src/check/_capwrap-check").read_text()
    subprocess.run(["zsh", "-n", SOURCE / "src/check/_capwrap-check"], check=True)
    for option in ("--binfmt", "--recursive", "--json", "--user", "--help", "--version"):
        assert option in source


def test_highest_capability_has_words(world):
    """Every capability of this kernel is explained."""
    caps = [cap for cap in range(last_cap() + 1) if bounding() >> cap & 1]
    script = world.script("s", "python3", STATUS, caps=f"{','.join(map(str, caps))}=i")
    lines = re.findall(r"^  (?:gets)? +(cap_\w+): (.+)$", world.run(CHECK, script).text, re.M)
    assert len(lines) == len(caps)
    assert all(words != "newer than this program" for _, words in lines)


# ---- for whom


def test_for_another_user(world):
    """Root asks for a user: that user's groups and rights count, and only root may ask."""
    script = world.script("s", "python3", STATUS, mode=0o750)
    os.chown(script, 0, USER)
    world.setcap("cap_net_raw=i", script)
    result = world.run(CHECK, "--json", "--user", USER, script, uid=0)
    assert json.loads(result.out)[0]["verdict"] == "runs"  # nobody's number is a group of its own
    (said,) = json.loads(world.run(CHECK, "--json", "-u", "nobody", script, uid=0).out)
    assert (said["verdict"], said["rule"], said["others"]) == ("refused", "execute", None)
    denied = world.run(CHECK, "--user", "root", script)
    assert (denied.code, denied.err) == (2, "capwrap-check: root: only root can ask for another user\n")
    for user in ("no-such-user", "", "-1", "4294967295", "99999999999999999999"):
        wrong = world.run(CHECK, f"--user={user}", script, uid=0)
        assert (wrong.code, wrong.out) == (2, b"") and "no such user" in wrong.err, wrong


def test_root_is_told_of_others(world):
    """Where root's run tells nothing of a user's: the wrapper has no capabilities."""
    script = world.script("s", "python3", STATUS)
    subprocess.run(["setcap", "-r", world.wrapper], check=True)
    (said,) = check(world, script, uid=0)
    assert (said["verdict"], said["others"]["verdict"], said["others"]["rule"]) == ("runs", "refused", "ceiling")
    told = world.run(CHECK, script, uid=0)
    assert told.code == 1 and f"{script}: runs for root, refused for others, by the rule ceiling\n" in told.text
    assert f"fix         setcap all=p {world.wrapper}\n" in told.text
    assert world.run(script, uid=0).code == 0 and world.run(script).code == 125


def test_a_bare_name_is_looked_up(world):
    script = world.script("bin/capwrap-test-job", "python3", STATUS)
    result = world.run(CHECK, "--json", script.name, env={"PATH": f"/usr/bin:{script.parent}"})
    assert [report["path"] for report in json.loads(result.out)] == [str(script)]


def test_a_user_namespace_without_root(world):
    """Nothing has an owner there: the one cause is to mend, and not each of its consequences."""
    script = world.script("s", "python3", STATUS)
    (said,) = json.loads(world.run("unshare", "--user", CHECK, "--json", script).out)
    assert len(said["faults"]) > 3
    assert said["fixes"] == [said["fix"]] == ["run it outside of user namespaces, or: chown root: /"]


@pytest.mark.parametrize("control", ["\x85", "\x9b31m", "\u202e", "\u2066", "\u200f"])
def test_json_escapes_what_steers_a_terminal(world, control):
    """C1, and what turns the direction of the text."""
    script = world.script(f"a{control}b", "python3", STATUS)
    result = world.run(CHECK, "--json", script)
    (said,) = json.loads(result.out)
    assert said["path"] == str(script)
    assert control[0].encode() not in result.out


def test_a_tree_that_hides_nothing(world):
    """64 KiB deep, which every user can build: what lies beside it is found, and what was not read is told."""
    attacker = world.folder("tree/aaa", uid=USER)
    world.script("tree/zzz/s", "python3", STATUS)
    deep = "import os\nfor _ in range(300):\n    os.mkdir('d' * 250)\n    os.chdir('d' * 250)\n"
    assert world.run("/usr/bin/python3", "-c", deep, cwd=attacker).code == 0
    result = world.run(CHECK, "-r", world.top / "tree")
    assert result.code == 2 and re.search(r"^runs +\S+/tree/zzz/s ", result.text, re.M), result
    assert "1 could not be read" in result.text
    subprocess.run(["rm", "-rf", attacker], check=True)


def when_listed(folder: Path, action: str) -> subprocess.Popen:
    """A user waits until somebody has listed a directory of theirs, and does something in it."""
    code = ("import ctypes, os, sys\nlibrary = ctypes.CDLL(None)\nfd = library.inotify_init()\n"
            "library.inotify_add_watch(fd, b'.', 0x10)\nprint('ready', flush=True)\nos.read(fd, 4096)\n")
    waiting = subprocess.Popen(["/usr/bin/python3", "-c", code + action], cwd=folder, user=USER, stdout=subprocess.PIPE)
    assert waiting.stdout.readline() == b"ready\n"
    return waiting


def crowd(folder: Path, count: int = 4000) -> None:
    """Files that take the walk a while."""
    for number in range(count):
        (folder / f"f{number}").touch(0o755)


def test_a_link_that_blinds_nothing(world):
    """A file that a user swaps meanwhile for a link into /proc: that is no word about the file system that it lies in."""
    attacker = world.folder("tree/mine", uid=USER)
    crowd(world.folder("tree/mine/a"))
    (attacker / "z").touch()
    world.script("tree/zzz/s", "python3", STATUS)
    with when_listed(attacker, "os.symlink('/proc/version', 'link')\nos.rename('link', 'z')\n") as waiting:
        result = world.run(CHECK, "-r", world.top / "tree")
        waiting.kill()
    assert (attacker / "z").is_symlink()
    assert re.search(r"^runs +\S+/tree/zzz/s ", result.text, re.M), result


def test_a_moved_directory_hides_nothing(world):
    """A user moves one away while the walk is in it: what lies behind it is found all the same."""
    world.folder("tree/mine", uid=USER)
    inside = world.folder("tree/mine/from/in", uid=USER)
    os.chown(inside.parent, USER, USER)
    crowd(inside)
    world.script("tree/mine/zz/s", "python3", STATUS)
    world.script("tree/zzz/s", "python3", STATUS)
    with when_listed(inside, "os.rename('../../from/in', '../../elsewhere')\n") as waiting:
        result = world.run(CHECK, "-r", "tree", "zzz/s", cwd=world.top)
        waiting.kill()
    assert (world.top / "tree/mine/elsewhere").is_dir()
    assert re.search(r"^runs +\S+/tree/zzz/s ", result.text, re.M) and "/tree/mine/zz/s " in result.text, result


@pytest.fixture(name="quotes")
def _quotes(world):
    """A folder whose path a shell's quotes make too long for any text, and a name that would be a command outside of them."""
    parts = ["'" * 240] * 8 + ["a" * 200] * 4
    here = os.open(world.top, os.O_RDONLY)
    for part in parts:
        os.mkdir(part, dir_fd=here)
        os.chmod(part, 0o755, dir_fd=here)
        below = os.open(part, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    yield "/".join([str(world.top), *parts]), ";touch pwned;#"


def commands(told: str) -> list[str]:
    """What people paste from what is printed."""
    return re.findall(r"^  fix +(.*)$", told, re.M)


@pytest.mark.parametrize("state", ["lost", "theirs", "stale"])
def test_no_command_is_cut(world, grants, quotes, state):
    """By everything that prints one: half of a quoted name would be a command that its owner chose."""
    folder, name = quotes
    line, caps = ("#!/bin/sh\n", "cap_net_raw=i") if state == "stale" else ("python3", None)
    script = world.script(f"{folder}/{name}", line, GENUINE, caps)
    if state == "theirs":
        os.chown(folder, USER, USER)
    long = "its path is too long to be written here"
    (said,) = check(world, script)
    (found,) = check(world, "-r", world.top)
    told = [world.run(CHECK, script).text, world.run(CHECK, "-r", world.top).text]
    fixes = [fix for text in told for fix in commands(text)] + [said["fix"], *said["fixes"], *found["fixes"]]
    assert long in fixes
    assert {word for fix in fixes for word in shlex.split(fix) if "pwned" in word} <= {f"/usr/local/bin/{name}"}
    if state != "stale":
        assert world.run(script).err.endswith(f"; {long}\n")
    if state == "theirs":
        grants.list("x.conf", f"cap_net_raw {script}\n")
        assert grants("--apply", code=1).err.endswith(f"; {long}\n")
