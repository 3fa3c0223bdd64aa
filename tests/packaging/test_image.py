"""Images and containers: the recipes of capwrap(1), run as they stand there, and what it says of where their scripts run. In a
Debian that may be thrown away, as root, with debootstrap, squashfs-tools and what builds capwrap; without a container engine:
what one does is done here."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit import FIRST, GRANT, SOURCE, bit, container, four, grant, mount, namespace, remove_tree, sets_in

MANUAL = (SOURCE / "man/capwrap.1").read_text().replace("\\e", "\\")
DOCKERFILE, COMMANDS = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", re.search(r"\.Ss Images\n(.*?)\.Ss ", MANUAL, re.S)[1], re.M | re.S)
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}
NOBODY = 65534
# What Docker leaves to a container that nothing is said of.
DOCKER = ("chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,audit_write,"
          "setfcap").split(",")
SCAN = "#!/usr/bin/python3\nprint(open('/proc/self/status').read())\n"
ADD = "add it where that is narrowed, such as CapabilityBoundingSet= of systemd or a container"
OUTSIDE = "run it outside of what sets that, such as NoNewPrivileges= of systemd or a container"


def run(*argv: object, **more) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, env=ENVIRONMENT, stdin=subprocess.DEVNULL, **more)


def done(*argv: object, **more) -> str:
    result = run(*argv, **more)
    assert result.returncode == 0, result
    return result.stdout


def inside(tree: Path, *argv: object, uid: int = 0, caps: list[str] = DOCKER, options: str = "", flags: str = "suid") -> list[object]:
    """A command line that runs another one in a tree, as Docker does: with processes of its own, and a bounding set."""
    code = (f'mount --rbind {tree} {tree} && mount -o remount,bind,{flags} {tree} && cd {tree} && mount -t proc proc proc && '
            f'mount --bind /dev dev && exec setpriv {options} --bounding-set=-all,{",".join(f"+{cap}" for cap in caps)} '
            f'chroot --userspec={uid}:{uid} --groups= . "$@"')
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", code, "sh", *argv]


@pytest.fixture(scope="module")
def top():
    place = Path("/srv/capwrap-test-image")
    remove_tree(place) if place.exists() else None
    top = place / "top"
    top.mkdir(mode=0o755, parents=True)
    mount("-t", "tmpfs", "-o", "mode=755,size=6G", "none", top)  # dpkg waits for a disk at each file
    yield top
    remove_tree(place)


def debootstrap(command: str) -> str:
    """The same from the mirror that this machine has, with what it has fetched, and for its own release: what is built here runs there."""
    mirror = done("apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Component: main").split()[0]
    command = command.replace("debootstrap ", "debootstrap --cache-dir=/var/cache/apt/archives ", 1)
    return f"{command.replace('bookworm', platform.freedesktop_os_release()['VERSION_CODENAME'])} {mirror}"


@pytest.fixture(scope="module")
def debian(top) -> Path:
    """The image that the Dockerfile begins with."""
    (suite,) = set(re.findall(r"^FROM debian:(\w+)", DOCKERFILE, re.M))
    done("sh", "-ec", debootstrap(f"debootstrap --variant=minbase {suite} {top}/debian"))
    return top / "debian"


@dataclass
class Image:
    tree: Path
    layer: Path = Path()
    script: str = "/usr/local/bin/scan"
    user: int = NOBODY

    def run(self, *options: str, caps: list[str] = DOCKER, flags: str = "") -> subprocess.CompletedProcess:
        return run(*inside(self.tree, self.script, uid=self.user, caps=caps, options=" ".join(options), flags=flags))

    def grants(self, *argv: object) -> None:
        done(*inside(self.tree, *argv))


@pytest.fixture(scope="module")
def image(top, debian) -> Image:
    """What a builder does with a Dockerfile, as far as this one goes. A stage is a layer over what it begins with. COPY takes no
    attributes along, as with the builders that take the fewest."""
    context = top / "context"
    done("git", "clone", "-q", SOURCE, context / "capwrap")
    (context / "scan").write_text(SCAN)
    (context / "scan").chmod(0o755)
    stages: dict[str, Image] = {}
    for line in DOCKERFILE.replace("\\\n", "").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            place = top / f"stage{len(stages)}"
            for name in ("layer", "work", "tree"):
                (place / name).mkdir(mode=0o755, parents=True)
            stage = Image(place / "tree", place / "layer")
            mount("-t", "overlay", "-o", f"lowerdir={debian},upperdir={stage.layer},workdir={place}/work", "none", stage.tree)
            mount("--bind", "/var/cache/apt/archives", stage.tree / "var/cache/apt/archives")
            shutil.copy("/etc/resolv.conf", stage.tree / "etc")
            stages[rest.partition(" AS ")[2]] = stage
        elif word == "RUN":
            done(*inside(stage.tree, "sh", "-c", rest))
        elif word == "COPY":
            *options, source, target = rest.split()
            root = stages[options[0].removeprefix("--from=")].tree if options else context
            done("cp", "-rT", "--preserve=mode", f"{root}/{source}", f"{stage.tree}/{target}")
        elif word == "USER":
            assert rest == "nobody"
        elif word == "ENTRYPOINT":
            (stage.script,) = json.loads(rest)
        else:
            assert not line, line
    return stage


def runs(result: subprocess.CompletedProcess, user: int = NOBODY, caps: str = GRANT) -> None:
    """The script ran, as nobody, with its grant and nothing else."""
    assert result.returncode == 0, result
    assert four(sets_in(result.stdout)) == grant(bit(caps)), result
    assert re.search(rf"^Uid:\t{user}\t", result.stdout, re.M), result


def refused(result: subprocess.CompletedProcess, reason: str, fix: str) -> None:
    assert (result.returncode, result.stdout, result.stderr) == (125, "", f"capwrap: /usr/local/bin/scan: {reason}; {fix}\n"), result


def test_dockerfile(image):
    runs(image.run())


def test_layer(top, debian, image):
    """A layer is a tar archive with extended attributes: another machine has the grants, too."""
    again = Image(top / "again/tree")
    for name in ("layer", "work", "tree"):
        (top / "again" / name).mkdir(mode=0o755, parents=True)
    tar = ["tar", "--xattrs", "--xattrs-include=security.*"]
    done(*tar, "-cf", top / "layer.tar", "-C", image.layer, "--exclude=./var", ".")
    done(*tar, "-xf", top / "layer.tar", "-C", top / "again/layer")
    mount("-t", "overlay", "-o", f"lowerdir={debian},upperdir={top}/again/layer,workdir={top}/again/work", "none", again.tree)
    runs(again.run())


def test_bounding_set(image):
    """A capability that Docker's does not have: granted by RUN, refused by the container, unless that gets it."""
    image.grants("capwrap-grant", "cap_dac_read_search", image.script)
    refused(image.run(), "the wrapper did not get cap_dac_read_search: not in the bounding set", ADD)
    runs(image.run(caps=[*DOCKER, "dac_read_search"]), caps="cap_dac_read_search")
    image.grants("capwrap-grant", GRANT, image.script)
    runs(image.run())


def test_no_new_privs(image):
    refused(image.run("--no-new-privs"), f"the wrapper did not get {GRANT}: no_new_privs is set", OUTSIDE)


def test_nosuid(image):
    refused(image.run(flags="nosuid"), "/ is mounted nosuid",
            f'install -b {image.script} /usr/local/bin && setcap cap_NAME=ip /usr/local/bin/"$(basename {image.script})"')


@pytest.fixture(scope="module")
def commands(top) -> Image:
    """The tree that the commands make, and its image."""
    (top / "clone").mkdir()
    done("git", "clone", "-q", SOURCE, top / "clone")
    (top / "clone/scan").write_text(SCAN)
    first, *rest = COMMANDS.replace("\\\n", "").replace("/srv/tree", str(top / "tree")).splitlines()
    done("sh", "-ec", "\n".join([debootstrap(first), *rest]), cwd=top / "clone")
    return Image(top / "tree")


@pytest.fixture(scope="module")
def read_only(top, commands) -> Image:
    (top / "read-only").mkdir()
    mount("-o", "loop,ro", top / "clone/tree.squashfs", top / "read-only")
    return Image(top / "read-only")


def test_commands(commands, read_only):
    runs(commands.run())
    runs(read_only.run())


def test_container_without_root(top, commands, read_only):
    """A tree that root of a user namespace unpacks is its own, with the grants; one of the host's root is nobody's there, unless a
    mount gives it the ids of the namespace."""
    at = top / "theirs"
    at.mkdir(0o755)
    os.chown(at, FIRST, FIRST)
    tar = ["tar", "--xattrs", "--xattrs-include=security.*", "--exclude=./dev/*", "--exclude=./proc/*"]
    done(*tar, "-cf", top / "tree.tar", "-C", commands.tree, ".")
    done(*namespace(*tar, "-xf", top / "tree.tar", "-C", at))
    for tree, unpacked in ((at, True), (read_only.tree, False), (mapped(top, commands.tree), True)):
        mount("--bind", "/proc", tree / "proc")
        result = run(*container(tree, "/usr/local/bin/scan"))
        if unpacked:
            runs(result, 1000)
        else:
            refused(result, "the root directory / is not owned by root", "run it outside of user namespaces, or: chown root: /")
    refused(run(*container(at, "/usr/local/bin/scan", first=FIRST + 65536)),
            "the root directory / is not owned by root", "run it outside of user namespaces, or: chown root: /")


def mapped(top: Path, tree: Path) -> Path:
    """The tree mounted once more, with the ids of the namespace in place of root's and the others, as engines do it."""
    target = top / "mapped"
    target.mkdir()
    call = ctypes.CDLL(None, use_errno=True).syscall
    holder = subprocess.Popen(list(map(str, namespace("sh", "-c", "echo; exec cat"))), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    (child,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
    with open(f"/proc/{child}/ns/user") as user:
        clone = call(428, -100, os.fsencode(tree), 0x80001)  # open_tree: OPEN_TREE_CLONE, CLOEXEC
        attributes = struct.pack("=4Q", 0x100000, 0, 0, user.fileno())  # MOUNT_ATTR_IDMAP
        assert clone >= 0 and not call(442, clone, b"", 0x1000, attributes, len(attributes)), os.strerror(ctypes.get_errno())
        assert not call(429, clone, b"", -100, os.fsencode(target), 4), os.strerror(ctypes.get_errno())  # move_mount
    os.close(clone)
    holder.communicate()
    return target


@pytest.mark.parametrize(("options", "reason", "fix"), [
    ("", "", ""),
    ("--read-only", "", ""),
    (f"--private-users={FIRST}:65536 --private-users-ownership=map", "", ""),
    ("--no-new-privileges=yes", f"the wrapper did not get {GRANT}: no_new_privs is set", OUTSIDE),
    ("--drop-capability=CAP_NET_RAW", f"the wrapper did not get {GRANT}: not in the bounding set", ADD),
])
def test_systemd_nspawn(commands, options, reason, fix):
    """The same by an engine; it looks for cgroups, and has no need of systemd as init."""
    if not shutil.which("systemd-nspawn"):
        pytest.skip("this machine has no systemd-nspawn")
    code = 'mount -t cgroup2 none /sys/fs/cgroup && exec systemd-nspawn --quiet --register=no --keep-unit "$@"'
    result = run("unshare", "--mount", "sh", "-c", code, "sh", *options.split(), "-D", commands.tree, "-u", "nobody", commands.script)
    if reason:  # it passes both on as one
        assert result.returncode == 125 and f"capwrap: {commands.script}: {reason}; {fix}" in result.stdout + result.stderr, result
    else:
        runs(result)
