"""What capwrap(1) says of what usually stands in sudoers, and of programs that take a script for one without privileges."""

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass

import pytest
from kit import (ACCOUNT, AS_USER, OTHER, SOURCE, USER, Result, bit, bounding, four, grant, names, rendered, section, sets_in,
                 sysctl)

MANUAL = rendered(SOURCE / "man/capwrap.1")
SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = {"apt-get", "dpkg", "ip", "iptables", "mkfs.ext4", "nft", "nmap", "openvpn", "tcpdump", "traceroute", "useradd", "wg-quick"}

# A machine of its own, whose first process is root's: what is done to /etc, /var or the first process is done there.
APART = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-ec", """
    [ $$ = 1 ]
    mount -t tmpfs -o mode=755 tmpfs /run
    for place in /etc /var; do
        mkdir -p /run/upper$place /run/work$place
        mount -t overlay -o lowerdir=$place,upperdir=/run/upper$place,workdir=/run/work$place overlay $place
    done
    mknod -m 666 /run/tun c 10 200  # as /dev/net/tun is, where udev makes it
    "$@" || exit
    """, "sh"]


@dataclass
class Use:
    """One entry of a list: its words there, the grant, the line behind the wrapper, and a script that fails without it. No script:
    not tried, for want of the device, the daemon or the network."""

    entry: str
    caps: str
    body: str
    line: str = "dash"
    apart: bool = False


USES = [
    Use("tcpdump, traceroute -T", "cap_net_raw",
        "timeout --preserve-status -s INT 1 tcpdump -i lo -w - >/dev/null && traceroute -n -T -p 1 127.0.0.1"),
    Use("nmap -sS", "cap_net_raw", "nmap -n -sS -Pn -p 1 127.0.0.1", "NMAP_PRIVILEGED=1 NMAPDIR=/usr/share/nmap dash"),
    Use("ip link, nft, sysctl net.*", "cap_net_admin",
        "ip link set lo up && nft add table inet mine && sysctl -w net.ipv4.ip_forward=1", apart=True),
    Use("iptables", "cap_net_admin", "iptables -A INPUT -p tcp --dport 9 -j DROP", apart=True),
    Use("openvpn --mktun", "cap_net_admin",
        "openvpn --mktun --dev tun7 --dev-type tun --dev-node /run/tun && ip link show tun7", apart=True),
    Use("ip netns add, ip netns exec", "cap_net_admin,cap_sys_admin,cap_dac_override",
        "ip netns add mine && ip netns exec mine ip link set lo up", apart=True),
    Use("mount, umount", "cap_sys_admin", "mount -t tmpfs tmpfs DIRECTORY && umount DIRECTORY", "--no-new-privs dash", apart=True),
    Use("port 80, certbot --standalone", "cap_net_bind_service",
        """python3 -c 'import socket; socket.create_server(("127.0.0.1", 80))'""", apart=True),
    Use("cat, tar -c, rsync of all files", "cap_dac_read_search",
        "cat SECRET && tar -cf - SECRET | wc -c && rsync SECRET /dev/shm/capwrap-test-$$ && rm /dev/shm/capwrap-test-$$"),
    Use("dmidecode", "cap_dac_read_search", ""),
    Use("chown", "cap_chown", f"chown {OTHER} SECRET"),
    Use("chmod", "cap_fowner", "chmod 644 SECRET"),
    Use("kill, reload by SIGHUP", "cap_kill", "kill -HUP PROCESS"),
    Use("reboot, poweroff", "cap_kill", "kill -s RTMIN+5 1 && kill -s RTMIN+4 1", apart=True),
    Use("renice, ionice", "cap_sys_nice", "renice -n -5 -p PROCESS && ionice -c 1 -p PROCESS"),
    Use("dmesg", "cap_syslog", "dmesg"),
    Use("date -s", "cap_sys_time", 'date -s "$(date -Ins)"'),
    Use("hostname", "cap_sys_admin", "hostname mine", apart=True),
    Use("ss -p", "cap_sys_ptrace,cap_dac_read_search", "ss -Htlnp sport = :PORT | grep pid="),
    Use("chroot", "cap_sys_chroot", "chroot / true"),
    Use("mkfs, dd on a device", "cap_dac_override",
        "mkfs.ext4 -q -F DEVICE && dd if=/dev/zero of=DEVICE bs=512 count=1 conv=notrunc"),
    Use("smartctl", "cap_dac_override,cap_sys_rawio", ""),
]

# With an account of their own.
IN_PART = [
    Use("useradd, usermod -L", "cap_chown,cap_fowner,cap_dac_override",
        "useradd mine && usermod -L mine && grep -q ^mine: /etc/passwd && grep -q ^mine:! /etc/shadow", apart=True),
    Use("rsync that keeps owners", "cap_chown,cap_fowner,cap_dac_override",
        f"rsync -a --super FROM/ THEIRS/ && [ \"$(stat -c %u THEIRS/file)\" = {OTHER} ]"),
    Use("apt-get update", "cap_dac_override",
        "apt-get -o Dir::Etc::sourcelist=FROM/apt.list -o Dir::Etc::sourceparts=/dev/null update && ls /var/lib/apt/lists/*from*",
        apart=True),
    Use("tee, a file in /etc", "cap_dac_override", "echo more | tee -a /etc/shadow", apart=True),
    Use("sudo -u USER, docker", "cap_wake_alarm", ""),  # test_account
]

# By no grant, but by root.
NEVER = [
    Use("systemctl, service, shutdown, hostnamectl, timedatectl", "", ""),
    Use("apt-get install, dpkg", "", """
        mkdir -p FROM/deb/DEBIAN FROM/root/var/lib/dpkg/info FROM/root/var/lib/dpkg/updates
        touch FROM/root/var/lib/dpkg/status
        printf '%s\\n' 'Package: mine' 'Version: 1' 'Architecture: all' 'Maintainer: root' 'Description: mine' >FROM/deb/DEBIAN/control
        dpkg-deb -b FROM/deb FROM/mine.deb && dpkg --root=FROM/root -i FROM/mine.deb""", apart=True),
    Use("passwd -l", "", "passwd -l games", "--user games dash", apart=True),
    Use("sysctl vm.*, kernel.*", "",
        "sysctl -w vm.swappiness=$(sysctl -n vm.swappiness) kernel.panic=$(sysctl -n kernel.panic)"),
    Use("wg-quick", "", "wg-quick strip FROM/wg.conf", apart=True),
    Use("sudo -i, sudoedit", "", ""),
]


def needs(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program, path=SEARCH):
            pytest.skip(f"this machine has no {program}")


def test_manual_lists_them():
    """Just these entries, each with its grant first, and with what the line and the command need beside it."""
    whole = section(MANUAL, "FROM SUDO")
    for title, uses in ("What moves", USES), ("What moves in part", IN_PART), ("What does not", NEVER):
        listed = re.search(rf"^ {{3}}{title}\n(.*?)^ {{3}}(?=\S)", whole, re.M | re.S)[1]
        texts = dict(re.findall(r"^ {5}(\S.{0,70}?)(?:\n {5,}| {2,})(\S.*)", listed, re.M))
        assert list(texts) == [use.entry for use in uses]
        for use in uses:
            assert re.match("(cap_[a-z_,]*[a-z])?", texts[use.entry])[0] == use.caps, use
            words = use.line.split()[:-1] if use.caps else []
            for word in [*words, *re.findall("--super", use.body), *(["--user"] if uses is IN_PART else [])]:
                assert word in texts[use.entry], (use, word)


def run_use(world, use: Use, caps: str | None, line: str) -> Result:
    """A script of it, by the user with that grant, or with none by root."""
    needs(*set(re.findall(r"[a-z][a-z.0-9-]*", use.body)) & PROGRAMS)
    places = {name: world.top / name.lower() for name in ("DIRECTORY", "SECRET", "DEVICE", "FROM", "THEIRS")}
    for name in ("FROM", "THEIRS"):
        shutil.rmtree(places[name], ignore_errors=True)
        world.folder(name.lower(), uid=OTHER)
    world.folder("directory")
    for path, text, uid in ((places["SECRET"], "root's", 0), (places["DEVICE"], "\0" * (4 << 20), 0),
                            (places["FROM"] / "file", "theirs", OTHER)):
        path.write_text(text)
        os.chown(path, uid, uid)
        path.chmod(0o600)
    (places["FROM"] / "wg.conf").write_text("[Interface]\n")
    (places["FROM"] / "Packages").write_text("Package: mine\nVersion: 1\nArchitecture: all\nFilename: mine.deb\nSize: 1\n")
    (places["FROM"] / "apt.list").write_text(f"deb [trusted=yes] copy:{places['FROM']} ./\n")
    os.utime(places["FROM"], (0, 0))
    with socket.create_server(("127.0.0.1", 0)) as server, sysctl("kernel.dmesg_restrict", 1), \
            subprocess.Popen(["sleep", "60"]) as process:
        body = use.body.replace("PROCESS", str(process.pid)).replace("PORT", str(server.getsockname()[1]))
        for name, path in places.items():
            body = body.replace(name, str(path))
        try:
            body = f"grep ^Cap /proc/self/status >&2\n{body}\n"
            script = world.script("job", line if caps else "#!/bin/sh\n", body, f"{caps}=i" if caps else None)
            result = world.run(*(APART if use.apart else []), *(AS_USER if caps else []), script, uid=0, env={"PATH": SEARCH})
        finally:
            process.kill()
    assert not caps or four(sets_in(result.err)) == grant(bit(caps)), result
    return result


@pytest.mark.parametrize("use", [use for use in USES + IN_PART if use.body], ids=lambda use: use.entry)
def test_sudo_use(world, use):
    """The grant is enough, and none of it is too much."""
    line = f"--user {ACCOUNT}:{ACCOUNT} {use.line}" if use in IN_PART else use.line
    for caps in [*less(use.caps), use.caps]:
        result = run_use(world, use, caps, line)
        assert (result.code == 0) == (caps == use.caps), (caps, result)


@pytest.mark.parametrize("use", [use for use in NEVER if use.body], ids=lambda use: use.entry)
def test_never(world, use):
    """Not with every capability that there is, and with root's uid."""
    result = run_use(world, use, names(bounding()), use.line)
    assert result.code != 0, result
    result = run_use(world, use, None, "")
    assert result.code == 0, result


def test_in_part(world):
    """What such a script makes is its uid's: the caller's, or the account's."""
    (world.top / "secret").touch(0o600)
    for line, uid in ("dash", USER), (f"--user {ACCOUNT}:{ACCOUNT} dash", ACCOUNT):
        script = world.script("job", line, f"sed -i s/a/b/ {world.top}/secret\n", "cap_dac_override=i")
        assert world.run(script).code == 0
        assert (world.top / "secret").stat().st_uid == uid


def test_fstab(world):
    """What is better than a grant: the option user."""
    place = world.folder("directory")
    asks = f"setpriv --reuid=games --regid=games --clear-groups sh -c 'mount {place} && umount {place}'"  # it wants a name
    for option, well in ("nouser", False), ("user", True):
        script = world.script("job", "#!/bin/sh\n", f"echo tmpfs {place} tmpfs noauto,{option} >>/etc/fstab; {asks}\n", None)
        result = world.run(*APART, script, uid=0)
        assert (result.code == 0) == well, result


def test_account(accounts):
    """A daemon's socket that a group may use: the script may by its account, the caller may not."""
    world, place = accounts.world, accounts.world.top / "socket"
    body = f"import os, socket; socket.socket(socket.AF_UNIX).connect('{place}'); print(os.getuid())\n"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()
        os.chown(place, 0, ACCOUNT + 1)
        place.chmod(0o660)
        for line, well in ("python3", False), ("--user acct python3", True):
            result = accounts.run(world.script("job", line, body, "cap_wake_alarm=i"))
            assert (result.code == 0) == well, result
    assert result.text == f"{ACCOUNT}\n"


# Who may do what, as polkit answers for a process of that user; the bus, and the polkit that it starts, are the test's.
POLKIT = """
    mount -t tmpfs -o mode=755 tmpfs /etc/polkit-1
    mkdir -m 755 /etc/polkit-1/rules.d /run/dbus
    cp RULE /etc/polkit-1/rules.d/
    dbus-daemon --system --nopidfile --fork
    setpriv --reuid=NAME --regid=NAME --init-groups sleep 60 &
    until [ "$(stat -c %U /proc/$!)" = NAME ]; do sleep .1; done
    pkcheck --action-id org.freedesktop.systemd1.ACTION --process $! --detail unit UNIT --detail verb VERB
"""


@pytest.mark.parametrize("changed", ["", "NAME", "ACTION", "UNIT", "VERB"])
def test_polkit_rule(world, changed):
    """The rule of the manual, for a member of its group; and for others, or something else, it does nothing."""
    needs("pkcheck", "dbus-daemon")
    rule = re.search(r"^polkit\.addRule.*?^\}\);\n", (SOURCE / "man/capwrap.1").read_text(), re.M | re.S)[0]
    (world.top / "mine.rules").write_text(rule.replace('"web"', '"games"'))
    body = POLKIT.replace("RULE", f"{world.top}/mine.rules")
    for name, asked, other in (("NAME", "games", "man"), ("ACTION", "manage-units", "manage-unit-files"),
                               ("UNIT", "nginx.service", "ssh.service"), ("VERB", "restart", "stop")):
        body = body.replace(name, other if name == changed else asked)
    result = world.run(*APART, world.script("job", "#!/bin/sh -e\n", body, None), uid=0, env={"PATH": SEARCH})
    assert (result.code == 0) != bool(changed), result
    assert "Authorization requires authentication" in result.err or not changed, result


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
