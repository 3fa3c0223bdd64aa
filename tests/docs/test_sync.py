"""examples/sync between two hosts, each with its own sshd and its own /home: what it promises, and what it refuses."""

import atexit
import json
import os
import re
import shutil
import stat
import subprocess
import sysconfig
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest
from kit import CHECK, OTHER, USER, Machine, Result, World, acl, bit, remove_tree, sets_in

ENDS = {"send": "cap_dac_read_search,cap_sys_chroot", "receive": "cap_chown,cap_dac_override,cap_fowner,cap_sys_chroot"}
PORTS = {"desk": 2201, "road": 2202}
ASKED = "rsync --server --daemon ."
FETCH = """
fetch() { apt-get -q download openssh-server libwrap0; }
fetch || { apt-get -q update; fetch; }
apt-get -q download libwtmpdb0 || :
for package in *.deb; do dpkg -x "$package" .; done
"""


@cache
def server() -> Path:
    """Debian's package of sshd, and the libraries that nothing else here needs, unpacked: installed it would start."""
    place = Path(tempfile.mkdtemp(prefix="capwrap-sshd-", dir="/opt"))
    atexit.register(remove_tree, place)
    if subprocess.run(["sh", "-ec", FETCH], cwd=place, capture_output=True).returncode:
        pytest.skip("this machine has no sshd, and apt can't fetch it")
    place.chmod(0o755)
    return place


class Host:
    """A host with the example and an sshd, which is as Debian has it but for what `more` says."""

    def __init__(self, world: World, name: str, beside: Machine | None = None, more: str = "") -> None:
        self.name, self.machine = name, Machine(world, name, beside)
        self.top, self.home = self.machine.top, self.machine.top / "home"
        self.root(f"""
            mount -t tmpfs -o mode=755 none /run
            mkdir /run/sshd
            mount -t overlay -o lowerdir={server()}/usr/lib/openssh:/usr/lib/openssh overlay /usr/lib/openssh
            getent passwd sshd || useradd --system --home-dir /run/sshd sshd
            cp {server()}/etc/pam.d/sshd /etc/pam.d
            ssh-keygen -q -t ed25519 -N '' -f /root/host
        """)
        (self.top / "root/config").write_text(
            f"Port {PORTS[name]}\nListenAddress 127.0.0.1\nHostKey /root/host\nPidFile none\n{more}\n" +
            (server() / "usr/share/openssh/sshd_config").read_text())
        self.keys, self.commands = self.machine.blocks("sync")
        log = self.top / "root/log"
        libraries = (server() / place / sysconfig.get_config_var("MULTIARCH") for place in ("lib", "usr/lib"))
        self.sshd = subprocess.Popen(self.machine.command(
            "env", f"LD_LIBRARY_PATH={':'.join(map(str, libraries))}", server() / "usr/sbin/sshd",
            "-D", "-f", "/root/config", "-E", "/root/log", user="root"))
        deadline = time.monotonic() + 30
        while not (log.exists() and "Server listening" in log.read_text()):
            assert self.sshd.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def root(self, script: str) -> Result:
        result = self.machine.run("sh", "-ec", script, user="root", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert result.code == 0, result
        return result

    def runs(self, *command: object, **more) -> Result:
        """As the account, as sshd does it, but without sshd: it takes a tenth of the time."""
        return self.machine.run("setpriv", "--reuid=mirror", "--regid=mirror", "--clear-groups", *command, user="root", **more)

    def forced(self, end: str, command: str = ASKED, stdin: bytes = b"") -> Result:
        return self.runs("env", f"SSH_ORIGINAL_COMMAND={command}", f"/usr/local/sbin/sync-{end}", stdin=stdin)

    def asks(self, end: str, *arguments: str) -> Result:
        """A client that is not rsync, and says what it likes: these arguments to the server, by rsync's protocol."""
        return self.forced(end, stdin=("@RSYNCD: 31.0 md5 md4\nhome\n" + "\0".join((*arguments, "", ""))).encode())

    def close(self) -> None:
        self.sshd.terminate()
        self.sshd.wait()
        self.machine.close()

    def script(self, end: str) -> Path:
        return self.top / "usr/local/sbin" / f"sync-{end}"


class Hosts:
    """Two hosts, and on the second an ordinary user who has the keys of both."""

    def __init__(self, world: World, more: str = "") -> None:
        self.hosts: list[Host] = []
        self.hosts.append(Host(world, "desk", more=more))
        self.hosts.append(Host(world, "road", self.hosts[0].machine, more))
        self.desk, self.road = self.hosts
        self.place = self.road.top / "srv/client"
        self.copy = self.place / "copy"
        self.road.root(f"""
            useradd --uid {USER} --home-dir /srv/client client
            install -d -o client /srv/client /srv/client/.ssh /srv/client/copy
        """)
        config = "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nSendEnv *\n"
        for host in self.hosts:
            keys = host.keys
            for end in ENDS:
                name = f"{host.name}-{end}"
                config += (f"Host {name}\nHostName 127.0.0.1\nPort {PORTS[host.name]}\nUser mirror\nIdentitiesOnly yes\n"
                           f"IdentityFile /srv/client/.ssh/{name}\n")
                assert self.run(f"ssh-keygen -q -t ed25519 -N '' -f .ssh/{name}").code == 0
                public = (self.place / f".ssh/{name}.pub").read_text().strip()
                keys = keys.replace("ssh-ed25519 AAAA...", public, 1)
            (host.top / "srv/mirror/.ssh/authorized_keys").write_text(keys.replace("    ", ""))
        (self.place / ".ssh/config").write_text(config)

    def run(self, script: str, user: str | int = USER, **more) -> Result:
        """As the user, in their home."""
        return self.road.machine.run("sh", "-c", f"cd /srv/client && {script}", user=user, **more)

    def moves(self, end: str, host: Host, options: str = "-aHAX", **more) -> Result:
        """The command of the example's head."""
        line = next(line for line in host.commands.splitlines() if ("-M--super" in line) == (end == "receive"))
        return self.run(line.replace("mirror@HOST", f"mirror@{host.name}-{end}").replace("-aHAX", options), **more)

    def pull(self, host: Host) -> None:
        result = self.moves("send", host)
        assert (result.code, result.err) == (0, ""), result

    def push(self, host: Host) -> None:
        result = self.moves("receive", host)
        assert (result.code, result.err) == (0, ""), result

    def close(self) -> None:
        for host in reversed(self.hosts):
            host.close()


@pytest.fixture
def hosts(world):
    hosts = Hosts(world)
    try:
        plant(hosts.desk.home)
        yield hosts
    finally:
        hosts.close()


def plant(home: Path) -> None:
    """Homes of two users, and a directory of root's."""
    for uid, name in ((OTHER, "ann"), (OTHER + 1, "bob")):
        (home / name / "deep").mkdir(parents=True)
        files = {"secret": 0o600, "deep/mode000": 0, "program": 0o4755, "group": 0o2755, "two words\n": 0o640, "-rf": 0o644}
        for file, mode in files.items():
            path = home / name / file
            path.write_text(f"{file} of {name}")
            os.chown(path, uid, OTHER + 1)
            path.chmod(mode)
        os.link(home / name / "secret", home / name / "again")
        os.setxattr(home / name / "secret", "user.colour", b"blue")
        acl(home / name / "secret", "u:1:r")
        (home / name / "link").symlink_to("/etc/shadow")
        (home / name / "up").symlink_to("../../../etc")
        os.mkfifo(home / name / "fifo")
        for path in (home / name / "link", home / name / "up", home / name / "fifo", home / name / "deep", home / name):
            os.chown(path, uid, uid, follow_symlinks=False)
        (home / name / "deep").chmod(0o2770)
        (home / name).chmod(0o700)
    (home / "all").mkdir()
    (home / "all").chmod(0o1777)
    (home / "all/left").write_text("left by ann")
    os.chown(home / "all/left", OTHER, OTHER)


def tree(home: Path) -> dict[str, tuple]:
    """All that is promised: kinds, owners, modes but for set-id bits, contents, attributes and ACLs, times, links."""
    found = {}
    for path in sorted(home.rglob("*")):
        info, content = path.lstat(), None
        if stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        attributes = {name: os.getxattr(path, name, follow_symlinks=False)
                      for name in os.listxattr(path, follow_symlinks=False)}
        found[str(path.relative_to(home))] = (
            oct(info.st_mode & ~0o6000), info.st_uid, info.st_gid, content, attributes, int(info.st_mtime), info.st_nlink)
    return found


def everything(host: Host) -> list[dict[str, tuple]]:
    return [tree(host.top / place) for place in ("home", "srv", "usr/local")]


# What it is for


def test_two_laptops(hosts):
    """From one to the other, with owners, modes and attributes, and an edit the other way."""
    hosts.pull(hosts.desk)
    assert {path.stat().st_uid for path in hosts.copy.rglob("*") if not path.is_symlink()} == {USER}
    hosts.push(hosts.road)
    assert tree(hosts.road.home) == tree(hosts.desk.home)
    assert len(tree(hosts.road.home)) == 26
    assert not any(path.lstat().st_mode & 0o6000 for path in hosts.road.home.rglob("*"))

    (hosts.road.home / "ann/secret").write_text("edited on the road")
    (hosts.road.home / "bob/new").write_text("new")
    os.chown(hosts.road.home / "bob/new", OTHER, OTHER + 1)
    (hosts.road.home / "bob/program").unlink()
    hosts.pull(hosts.road)
    (hosts.copy / "ann/-rf").write_text("edited by who has the keys")
    hosts.push(hosts.desk)
    hosts.push(hosts.road)
    assert tree(hosts.desk.home) == tree(hosts.road.home)
    assert (hosts.desk.home / "ann/again").read_text() == "edited on the road"
    assert (hosts.desk.home / "ann/-rf").read_text() == "edited by who has the keys"
    assert (hosts.desk.home / "ann/-rf").stat().st_uid == OTHER
    assert (hosts.desk.home / "bob/new").stat().st_uid == OTHER and not (hosts.desk.home / "bob/program").exists()


@pytest.mark.thorough
@pytest.mark.parametrize("end", ENDS)
def test_no_less_will_do(hosts, end):
    """Without one of its capabilities, whichever, it is not done."""
    host = {"send": hosts.desk, "receive": hosts.road}[end]
    if end == "receive":
        hosts.pull(hosts.desk)
    names = ENDS[end].split(",")
    for left_out in names:
        host.machine.world.setcap(",".join(name for name in names if name != left_out) + "=i", host.script(end))
        result = hosts.moves(end, host, "-aAX")  # with -H, rsync waits for ever where it may not enter a directory
        assert result.code and re.search("Permission denied|Operation not permitted|chroot", result.err), (left_out, result)


def test_capwrap_check(hosts):
    """No warning but the one that a write to all homes deserves."""
    for end, expected in {"send": [], "receive": ["root-in-all-but-name"]}.items():
        result = hosts.desk.runs(CHECK, "--json", f"/usr/local/sbin/sync-{end}")
        [report] = json.loads(result.out)
        assert report["verdict"] == "runs" and [warning["code"] for warning in report["warnings"]] == expected, report


# What a client says instead


@pytest.mark.thorough
@pytest.mark.parametrize("end", ENDS)
def test_only_the_daemon(hosts, end):
    """Any other command than that of a client with two colons: a clear message, and nothing is run."""
    hosts.desk.root("touch /srv/bait")
    before = everything(hosts.desk)
    refusal = (1, b"", f"sync-{end}: this key is for rsync with two colons behind the host, and with -e\n")
    for command in [
        "", "id", "rsync --server --sender -logDtpre.iLsfxCIvu . /home/", "rsync --server -logDtpre.iLsfxCIvu . /home/",
        f"{ASKED} ", f" {ASKED}", f"{ASKED}\nid", f"{ASKED}; id", f"{ASKED} /etc", "rsync --server --daemon --config=/srv/bait .",
        "rsync --daemon .", "rsync --server --daemon --log-file=/home/log .", "/tmp/rsync --server --daemon .", f"sh -c '{ASKED}'",
        "rsync  --server --daemon .", "internal-sftp", "scp -t /home", f"{ASKED}\xff",
    ]:
        result = hosts.desk.forced(end, command)
        assert (result.code, result.out, result.err) == refusal, (command, result)
    for command in (f"ssh desk-{end} id", f"ssh desk-{end}", f"rsync -e ssh -a desk-{end}:/home/ got",
                    f"rsync -e ssh -a --rsync-path=/bin/sh desk-{end}::home/ got"):
        result = hosts.run(command)
        assert result.code and result.out == b"" and refusal[2] in result.err, (command, result)
    for command, message in {f"ssh -W 127.0.0.1:{PORTS['desk']} desk-{end}": "forwarding failed",
                             f"ssh -tt desk-{end} '{ASKED}'": "PTY allocation request failed"}.items():
        result = hosts.run(command)
        assert message in result.err and b"SSH-" not in result.out, (command, result)
    assert everything(hosts.desk) == before


# What the daemon is asked for: files and programs of the client's choice, links, names that it would look up, and its settings.
OPTIONS = """
    --log-file=/home/log --daemon --config=/home/x --dparam=path=/etc --rsync-path=/bin/sh --files-from=ann/secret --temp-dir=/home/all
    --partial-dir=all --backup-dir=/home/all --copy-dest=/etc --exclude-from=/etc/passwd --filter=merge,/etc/passwd -F
    --usermap=ann:bob --groupmap=ann:bob --chown=ann:bob --no-numeric-ids --iconv=utf8,cp1047 -L -K -k --copy-unsafe-links --relative --no-implied-dirs --inplace --append --write-devices --copy-devices
    --fake-super --no-super --remove-source-files --write-batch=x --read-batch=x --insecure-links --munge-links
    --protect-args --password-file=/etc/passwd --chmod=u+s --executability --trust-sender --old-args --checksum-choice=md4
    --compress --copy-as=root --delay-updates
""".split()


@pytest.mark.thorough
def test_the_daemon_takes_no_other_option(hosts):
    desk = hosts.desk
    before = everything(desk)
    for end, options in {"receive": OPTIONS, "send": OPTIONS[::6]}.items():
        words = ["--server", *(["--sender"] if end == "send" else []), "-logDtpr"]
        for option in options:
            result = desk.asks(end, *words, option, ".", "home/")
            assert result.code == 4 and "rsync: The server is configured to refuse -" in result.err, (option, result)
        # Of these two the server makes nothing; and in a second list, which -s announces, options are refused as well.
        for option in ("--rsh=sh -c 'touch /home/bait'", "--from0"):
            assert desk.asks(end, *words, option, ".", "home/").code == 12
        result = desk.asks(end, *words, "-s", ".", "", "rsync", *words, "--log-file=/home/log", ".", "home/")
        assert result.code == 4 and "refuse --log-file" in result.err, result
    assert everything(desk) == before


@pytest.mark.thorough
def test_directions(hosts):
    """The reading end does not write, and the other way round; there is no other module and no list of them."""
    before = everything(hosts.desk)
    for command, message in {
        "rsync -e ssh -a .ssh/config desk-send::home/all/": "module is read only",
        "rsync -e ssh -a --delete .ssh/ desk-send::home/": "module is read only",
        "rsync -e ssh -a desk-receive::home/ann/secret .": "module is write only",
        "rsync -e ssh -a desk-send::root/ .": "Unknown module 'root'",
        "rsync -e ssh -a desk-send::/etc/ .": "no path|Unknown module|remote path",
    }.items():
        result = hosts.run(command)
        assert result.code and re.search(message, result.err + result.text), (command, result)
    assert everything(hosts.desk) == before


@pytest.mark.thorough
def test_no_path_leads_out(hosts):
    """Neither .. nor an absolute path nor a link that the client sent before: the kernel keeps it below /home."""
    outside = hosts.desk.top / "srv/outside"
    hosts.desk.root("install -d -m 700 /srv/outside; echo secret > /srv/outside/secret; chmod 600 /srv/outside/secret")
    before = tree(hosts.desk.top / "srv")
    for path in ("../srv/outside/secret", "../../../srv/outside/secret", "/srv/outside/secret", "ann/../../srv/outside/secret"):
        result = hosts.run(f"rm -rf got; rsync -e ssh -a desk-send::home/{path} got")
        assert result.code and not (hosts.place / "got").exists(), result
    hosts.run("mkdir -p push; ln -s /srv/outside push/x; ln -s ../srv/outside push/y; echo evil > evil; chmod 666 evil")
    assert hosts.run("rsync -e ssh -a -M--super push/ desk-receive::home/").code == 0
    assert os.readlink(hosts.desk.home / "x") == "/srv/outside"
    for path in ("x/secret", "x/", "y/secret", "../srv/outside/", "/srv/outside/secret"):
        hosts.run(f"rsync -e ssh -a -M--super evil desk-receive::home/{path}")
        hosts.run(f"rm -rf got; rsync -e ssh -a desk-send::home/{path} got")
        assert hosts.run("grep -rsx secret got").code, path
    assert tree(hosts.desk.top / "srv") == before and (outside / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.thorough
def test_what_root_elsewhere_sends(hosts):
    """Devices, set-user-ID programs and file capabilities: from a client who may have them, and says so."""
    hosts.road.root(f"""
        mkdir /root/evil; cd /root/evil; mknod disk b 7 0; cp /usr/bin/id id; chmod 6755 id; cp id capable; setcap all=ep capable
        cp -r /srv/client/.ssh /root; chown -R root: /root/.ssh; sed -i s:/srv/client:/root: /root/.ssh/config
    """)
    result = hosts.run("rsync -e ssh -aHAX -M--super /root/evil/ desk-receive::home/all/", user="root")
    assert result.code == 23 and "Operation not permitted" in result.err, result
    home = hosts.desk.home / "all"
    assert (home / "id").stat().st_uid == 0 and not (home / "id").stat().st_mode & 0o6000
    assert not (home / "disk").exists()
    assert not (home / "capable").exists() or "security.capability" not in os.listxattr(home / "capable")


# What runs before it, and beside it


EVIL = r"""
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((constructor)) static void evil(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {0};
	int fd = open(MARK, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	syscall(SYS_capget, &header, data);
	dprintf(fd, "CapPrm:\t%08x%08x\n", data[1].permitted, data[0].permitted);
}
"""


def library(world: World, mark: str) -> Path:
    """Code that is run by whoever loads it, and tells with which capabilities."""
    target = world.top / "evil.so"
    subprocess.run(["cc", "-shared", "-fPIC", f'-DMARK="{mark}"', "-x", "c", "-o", target, "-"], input=EVIL.encode(), check=True)
    return target


@pytest.mark.thorough
def test_settings_of_the_account(world):
    """An administrator who allows all that sshd can be told to, an account that owns its home, and a client with an environment."""
    hosts = Hosts(world, "AcceptEnv *\nPermitUserEnvironment yes\nPermitUserRC yes\n")
    try:
        desk, mirror = hosts.desk, hosts.desk.top / "srv/mirror"
        plant(desk.home)
        shutil.copy(library(world, "/srv/mirror/marks"), mirror / "evil.so")
        trap = "#!/bin/sh\necho $0 >>/srv/mirror/ran; grep CapPrm /proc/self/status >>/srv/mirror/marks\n"
        (mirror / "bin").mkdir()
        for name in (".ssh/rc", ".bashrc", ".profile", ".bash_profile", "startup", "bin/rsync", "bin/python3", "bin/capwrap",
                     "sitecustomize.py"):
            (mirror / name).write_text(trap)
            (mirror / name).chmod(0o755)
        variables = {
            "LD_PRELOAD": "/srv/mirror/evil.so", "PATH": "/srv/mirror/bin:/usr/bin:/bin", "PYTHONINSPECT": "1", "RSYNC_MAX_ALLOC": "1",
            **dict.fromkeys(("BASH_ENV", "ENV", "PYTHONSTARTUP", "RSYNC_RSH", "RSYNC_CONNECT_PROG"), "/srv/mirror/startup"),
            **dict.fromkeys(("LD_LIBRARY_PATH", "PYTHONPATH", "HOME", "OPENSSL_CONF", "GCONV_PATH", "LOCPATH", "RSYNC_PARTIAL_DIR"),
                            "/srv/mirror"),
        }
        (mirror / ".ssh/environment").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        (mirror / ".popt").write_text("rsync alias --server --log-file=/srv/mirror/log --server\n")
        (mirror / ".rsyncd.conf").write_text("log file = /srv/mirror/log\n[home]\npath = /etc\n")
        (mirror / "rsyncd.conf").write_text("log file = /srv/mirror/log\n[home]\npath = /etc\n")
        keys = mirror / ".ssh/authorized_keys"
        keys.write_text(keys.read_text().replace("restrict,", ""))
        desk.root("usermod --shell /bin/bash mirror; chown -R mirror: /srv/mirror; chmod 666 /srv/mirror/evil.so")

        # Of these the client's ssh sends what the server takes: all.
        sent = {"PATH": "/usr/bin:/bin", "BASH_ENV": "/srv/mirror/startup", "RSYNC_PROTECT_ARGS": "0", "LC_ALL": "/srv/mirror",
                "PYTHONHOME": "/srv/mirror", "SSH_ORIGINAL_COMMAND": "rsync --server --daemon --config=/srv/mirror/rsyncd.conf ."}
        result = hosts.moves("send", desk, env=sent)
        assert result.code == 0, result
        hosts.push(hosts.road)
        assert tree(hosts.road.home) == tree(desk.home)
        ran = set((mirror / "ran").read_text().split())
        assert {"/srv/mirror/.ssh/rc", "bash"} <= ran, ran
        marks = (mirror / "marks").read_text().splitlines()
        assert len(marks) > 3 and set(marks) == {"CapPrm:\t0000000000000000"}, marks
        assert not (mirror / "log").exists()
    finally:
        hosts.close()


@pytest.mark.thorough
def test_no_code_of_the_tree(hosts):
    """Where the C library looks names up it loads what nsswitch.conf names, after /home became the root directory: who could have
    rsync do so had all its capabilities. So the options that look up names are refused."""
    architecture = sysconfig.get_config_var("MULTIARCH")
    (hosts.place / "push/etc").mkdir(parents=True)
    (hosts.place / f"push/lib/{architecture}").mkdir(parents=True)
    (hosts.place / "push/etc/nsswitch.conf").write_text("passwd: evil\ngroup: evil\n")
    shutil.copy(library(hosts.desk.machine.world, "/won"), hosts.place / f"push/lib/{architecture}/libnss_evil.so.2")
    won, settings = hosts.desk.home / "won", hosts.desk.top / "usr/local/lib/sync/rsyncd.conf"
    push = "rsync -e ssh -a -M--super push/ desk-receive::home/"
    assert hosts.run(push).code == 0 and (hosts.desk.home / "etc/nsswitch.conf").exists()
    lookups = ("--usermap=ann:bob", "--groupmap=ann:bob", "--chown=ann:bob", "-M--no-numeric-ids")
    for option in lookups:
        result = hosts.run(f"{push} {option}")
        assert result.code == 4 and "configured to refuse" in result.err, result
    assert not won.exists()

    settings.write_text(settings.read_text().replace("!super", "!super !usermap"))
    hosts.run(f"{push} --usermap=ann:bob")
    assert sets_in(won.read_text())["CapPrm"] == bit(ENDS["receive"])


@pytest.mark.thorough
@pytest.mark.parametrize("end", ENDS)
def test_nothing_else_is_looked_up(hosts, end):
    """By the kernel's account: as soon as /home is the root directory, no name of another place is looked up, whatever the checksum,
    as one that OpenSSL would load from there."""
    host = hosts.road
    (host.top / "srv/traced").write_text(
        f"#!/bin/sh\nexport SSH_ORIGINAL_COMMAND='{ASKED}'\n"
        f"exec strace -u mirror -f -e trace=%file -o /srv/trace.$$ /usr/local/sbin/sync-{end}\n")
    (host.top / "srv/traced").chmod(0o755)
    if end == "send":
        plant(host.home)
    ends = {"send": "x::home/ /srv/client/copy", "receive": "-M--super /srv/client/copy/ x::home/"}[end]
    for variable, options in (("RSYNC_CHECKSUM_LIST=md4", "-aHAXc"), ("RSYNC_CHECKSUM_LIST=sha1", "-aHAXc"), ("X=", "-aH --protocol=29"),
                              ("X=", "-aHAXvv --delete")):
        host.root(f"export {variable}; date >/srv/client/copy/new; rsync -e /srv/traced {options} {ends}")
    traces = list((host.top / "srv").glob("trace.*"))
    assert len(traces) == 4
    for trace in traces:
        calls = trace.read_text().partition(' chroot("/home")')[2].splitlines()
        places = {path for call in calls for path in re.findall(r'^\d+ +\w+\((?:\w+, )?"(/[^"]*)"', call)}
        assert len(calls) > 5 and all(re.fullmatch("/|/proc/self/fd/[0-9]+", place) for place in places), places
