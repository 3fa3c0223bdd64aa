"""What capwrap(1) says of what usually stands in sudoers, and of programs that take a script for one without privileges."""

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass

import pytest
from kit import AS_USER, OTHER, SOURCE, USER, bit, rendered, section, sysctl

MANUAL = rendered(SOURCE / "man/capwrap.1")
SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
APART = ["unshare", "--net", "--mount", "--uts", "sh", "-c", 'mount -t tmpfs -o mode=755 tmpfs /run; exec "$@"', "sh"]


@dataclass
class Use:
    """One entry of the list: its words there, the grant, the line behind the wrapper, and a script that fails without it."""

    entry: str
    caps: str
    body: str
    line: str = "dash"
    apart: bool = False


USES = [
    Use("tcpdump, traceroute -T", "cap_net_raw",
        "timeout --preserve-status -s INT 1 tcpdump -i lo -w - >/dev/null && traceroute -n -T -p 1 127.0.0.1"),
    Use("nmap -sS", "cap_net_raw", "nmap -n -sS -Pn -p 1 127.0.0.1", "NMAP_PRIVILEGED=1 dash"),
    Use("ip link, nft, sysctl net.*", "cap_net_admin",
        "ip link set lo up && nft add table inet mine && sysctl -w net.ipv4.ip_forward=1", apart=True),
    Use("ip netns add, ip netns exec", "cap_net_admin,cap_sys_admin,cap_dac_override",
        "ip netns add mine && ip netns exec mine ip link set lo up", apart=True),
    Use("mount, umount", "cap_sys_admin", "mount -t tmpfs tmpfs DIRECTORY && umount DIRECTORY", "--no-new-privs dash", apart=True),
    Use("cat, tar -c, rsync of all files", "cap_dac_read_search",
        "cat SECRET && tar -cf - SECRET | wc -c && rsync SECRET /dev/shm/capwrap-test-$$ && rm /dev/shm/capwrap-test-$$"),
    Use("chown", "cap_chown", f"chown {OTHER} SECRET"),
    Use("rsync that keeps owners", "cap_chown,cap_fowner,cap_dac_override",
        f"rsync -a --super FROM/ THEIRS/ && [ \"$(stat -c %u THEIRS/file)\" = {OTHER} ]"),
    Use("kill", "cap_kill", "kill -HUP PROCESS"),
    Use("renice, ionice", "cap_sys_nice", "renice -n -5 -p PROCESS && ionice -c 1 -p PROCESS"),
    Use("dmesg", "cap_syslog", "dmesg"),
    Use("date -s", "cap_sys_time", 'date -s "$(date -Ins)"'),
    Use("hostname", "cap_sys_admin", "hostname mine", apart=True),
    Use("ss -p", "cap_sys_ptrace,cap_dac_read_search", "ss -Htlnp sport = :PORT | grep pid="),
    Use("chroot", "cap_sys_chroot", "chroot / true"),
]


def needs(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program, path=SEARCH):
            pytest.skip(f"this machine has no {program}")


def test_manual_lists_them():
    """Just these entries, each with its grant first, and with what the line and the command need beside it."""
    listed = section(MANUAL, "FROM SUDO")
    entries = re.findall(r"^ {5}(\S.*?)(?:\n {5,}| {2,})(cap_\S*[a-z])", listed, re.M)
    assert entries == [(use.entry, use.caps) for use in USES]
    for use in USES:
        text = re.search(rf"^ +{re.escape(use.entry)}\s+(.*)", listed, re.M)[1]
        for word in [*use.line.split()[:-1], *re.findall("--super", use.body)]:
            assert word in text, (use, word)


@pytest.mark.parametrize("use", USES, ids=lambda use: use.entry)
def test_sudo_use(world, use):
    """The grant is enough, and none of it is too much."""
    needs(*({"tcpdump", "traceroute", "nmap", "ip", "nft"} & set(re.findall(r"[a-z]+", use.entry))))
    (world.folder("from", uid=OTHER) / "file").write_text("theirs")
    (world.top / "from/file").chmod(0o600)
    subprocess.run(["chown", f"{OTHER}:{OTHER}", world.top / "from/file"], check=True)
    os.utime(world.top / "from", (0, 0))
    (world.top / "secret").write_text("root's")
    (world.top / "secret").chmod(0o600)
    directory = world.folder("directory")
    apart = APART if use.apart else []
    with socket.create_server(("127.0.0.1", 0)) as server, sysctl("kernel.dmesg_restrict", 1), \
            subprocess.Popen(["sleep", "60"]) as process:
        body = use.body.replace("DIRECTORY", str(directory)).replace("SECRET", str(world.top / "secret"))
        body = body.replace("FROM", str(world.top / "from")).replace("PROCESS", str(process.pid))
        body = body.replace("THEIRS", str(world.top / "theirs")).replace("PORT", str(server.getsockname()[1]))
        try:
            for caps in [*less(use.caps), use.caps]:
                shutil.rmtree(world.folder("theirs"))
                world.folder("theirs", uid=OTHER)
                script = world.script("job", use.line, body + "\n", f"{caps}=i")
                result = world.run(*apart, *AS_USER, script, uid=0)
                assert (result.code == 0) == (caps == use.caps), (caps, result)
        finally:
            process.kill()


def less(caps: str) -> list[str]:
    """A grant without each of its capabilities in turn; for one alone, another that has nothing to do with it."""
    found = [",".join(name for name in caps.split(",") if name != left) for left in caps.split(",")]
    return [few or "cap_wake_alarm" for few in found]


ACCESS = {
    "dash": ("dash", "test -r SECRET", True),
    "bash": ("bash", "test -r SECRET", True),
    "ksh": ("ksh", "test -r SECRET", False),
    "zsh": ("zsh", "test -r SECRET", False),
    "/usr/bin/test": ("dash", "/usr/bin/test -r SECRET", False),
    "find -readable": ("dash", "find SECRET -readable | grep .", False),
    "perl": ("perl", "exit !-r 'SECRET';", False),
    "os.access": ("python3", "import os, sys; sys.exit(not os.access('SECRET', os.R_OK))", False),
    "effective_ids": ("python3", "import os, sys; sys.exit(not os.access('SECRET', os.R_OK, effective_ids=True))", True),
}


@pytest.mark.parametrize("name", ACCESS)
def test_access(world, name):
    """Who asks access(2) is told no about a file that can be opened."""
    program, body, answer = ACCESS[name]
    assert name in " ".join(section(MANUAL, "CAVEATS").split())
    (world.top / "secret").touch(0o600)
    script = world.script("job", program, body.replace("SECRET", str(world.top / "secret")) + "\n", "cap_dac_read_search=i")
    result = world.run(script)
    assert (result.code == 0) == answer and result.err == "", result


def test_set_user_id_programs(world):
    """They lose the grant, and keep it where their bit is ignored."""
    tool = world.program("tool", shutil.which("cat", path=SEARCH), caps="")
    os.chown(tool, OTHER, OTHER)
    tool.chmod(0o4755)
    for line, effective in ("dash", 0), ("--no-new-privs dash", bit("cap_net_raw")):
        assert world.run(world.script("job", line, f"{tool} /proc/self/status\n")).sets["CapEff"] == effective


def test_bwrap(world):
    needs("bwrap")
    word = "setpriv --inh-caps=-all --ambient-caps=-all bwrap"
    assert word in " ".join(section(MANUAL, "CAVEATS").split())
    for command, code in ("bwrap", 1), (word, 0):
        result = world.run(world.script("job", "dash", f"{command} --ro-bind / / true\n"))
        assert result.code == code, result


def test_borg(world):
    needs("borg")
    place = world.folder("borg", uid=USER)
    for line, well in ("dash", False), (f"BORG_BASE_DIR={place}/base dash", True):
        result = world.run(world.script("job", line, f"borg init -e none {place}/{well}\n"))
        assert (result.code == 0) == well, result


def test_shellcheck(world):
    needs("shellcheck")
    for second, code in ("", 1), ("# shellcheck shell=sh\n", 0):
        script = world.script("job", "dash", f"{second}echo words\n")
        assert subprocess.run(["shellcheck", script], capture_output=True).returncode == code


def test_traced(world):
    """By root as a user, with the grant; by the user it is refused."""
    word = "strace -f -u USER SCRIPT"
    assert word in " ".join(section(MANUAL, "CAVEATS").split())
    script = world.script("job", "dash", "cat /proc/self/status\n")
    nobody = subprocess.run(["id", "-nu", "65534"], capture_output=True, text=True, check=True).stdout.strip()
    command = [part.replace("USER", nobody).replace("SCRIPT", str(script)) for part in word.split()]
    assert world.run(*command, uid=0).sets["CapEff"] == bit("cap_net_raw")
    result = world.run("strace", "-f", "-o", "/dev/null", script)
    assert result.code == 125 and result.out == b"", result
