"""examples/attach with a real disk, which is a file behind a loop device, in a machine of the test's own."""

import os
import subprocess
from contextlib import contextmanager

import pytest
from kit import OTHER, USER, Machine, Result, World

SCRIPT = "/usr/local/bin/attach"


class Disk:
    """A machine with the example, and with a disk by the name that it is set to."""

    def __init__(self, machine: Machine, world: World) -> None:
        self.machine, self.world = machine, world
        image = world.top / "image"
        with image.open("wb") as file:
            file.truncate(16 << 20)
        content = world.folder("content")
        world.program("content/program", "/usr/bin/id", caps="").chmod(0o4755)
        (content / "letter").write_text("archived\n")
        subprocess.run(["mkfs.ext4", "-q", "-d", content, "-L", "archive", image], check=True)
        self.device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
        self.root(f"""
            mount -t tmpfs -o mode=755 none /run
            mkdir -p /run/dev/disk/by-label /run/pts
            cp -a /dev/null /dev/zero /dev/urandom {self.device} /run/dev
            ln -s ../..{self.device.removeprefix("/dev")} /run/dev/disk/by-label/archive
            mount --bind /run/dev /dev
        """)
        machine.install("attach")

    def close(self) -> None:
        self.machine.close()
        subprocess.run(["losetup", "--detach", self.device], check=False)

    def root(self, script: str) -> Result:
        result = self.machine.run("sh", "-ec", script, user="root", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert result.code == 0, result
        return result

    def attach(self, *words: object, **more) -> Result:
        return self.machine.run(SCRIPT, *words, group="staff", **more)

    def mounts(self) -> list[str]:
        """The options of what is mounted on the target, from below to above."""
        table = self.root("cat /proc/self/mountinfo").text.splitlines()
        return [line.split()[5] for line in table if line.split()[4] == "/srv/archive"]

    @contextmanager
    def automount(self, user: str | int = "root", name: str = "automount"):
        """A process of that name, whose pid is in the file; gives a way to ask what it was sent."""
        script = self.world.script(
            name, "#!/bin/sh\n", "trap 'echo HUP' HUP; trap 'echo end' USR1\necho $$\nwhile :; do sleep 0.02; done\n", caps=None)
        process = subprocess.Popen(self.machine.command(script, user=user), stdout=subprocess.PIPE, text=True)
        pid = process.stdout.readline().strip()
        self.root(f"echo {pid} >/run/autofs.pid")

        def told() -> str:
            self.root(f"kill -USR1 {pid}")
            return "".join(iter(process.stdout.readline, "end\n"))

        try:
            yield told
        finally:
            self.root(f"kill -KILL {pid}")
            process.wait()


@pytest.fixture
def disk(machine, world):
    disk = Disk(machine, world)
    yield disk
    disk.close()


def test_on_and_off(disk):
    """With just those options, and automount knows; alone the user can't."""
    alone = disk.machine.run("mount", "-t", "ext4", "/dev/disk/by-label/archive", "/srv/archive", group="staff")
    assert alone.code and "must be superuser" in alone.err, alone
    alone = disk.machine.run("/usr/bin/python3", disk.machine.top / "examples/attach", "on", group="staff")
    assert alone.code == 1 and "cap_sys_admin: not permitted" in alone.err, alone

    with disk.automount() as told:
        result = disk.attach("on")
        assert (result.code, result.text, result.err) == (0, "", "")
        assert [set(options.split(",")) for options in disk.mounts()] == [{"rw", "nosuid", "nodev", "noexec", "relatime"}]
        assert disk.machine.run("cat", "/srv/archive/letter").text == "archived\n"
        assert disk.machine.run("/srv/archive/program").code == 126
        assert told() == "HUP\n"
        result = disk.attach("off")
        assert (result.code, result.text, result.err) == (0, "", "")
        assert not disk.mounts() and told() == "HUP\n"


@pytest.mark.thorough
@pytest.mark.parametrize(("left", "done"), [("cap_kill", False), ("cap_sys_admin", True)])
def test_no_less_will_do(disk, left, done):
    disk.world.setcap(f"{left}=i", disk.machine.top / SCRIPT[1:])
    with disk.automount() as told:
        result = disk.attach("on")
        assert result.code == 1 and "not permitted" in result.err, result
        assert bool(disk.mounts()) == done and not told()


def test_nothing_is_the_caller_s_to_choose(disk):
    """No argument, and no variable."""
    for words in ([], ["on", "off"], ["on", "-o", "suid"], ["-o", "suid"], ["ON"], ["on "], [""], ["--help"], ["/etc"], ["on", "/etc"],
                  [b"\xff"], ["/dev/zero", "/srv"], ["$(id)"]):
        result = disk.attach(*words)
        assert (result.code, result.err) == (1, "usage: attach on|off\n"), (words, result)
    assert not disk.mounts()
    variables = ["PATH=/tmp", "SOURCE=/dev/zero", "TARGET=/etc", "PYTHONPATH=/tmp", "LIBMOUNT_FSTAB=/tmp/fstab", "LD_PRELOAD=/tmp/x"]
    assert disk.machine.run("env", *variables, SCRIPT, "on", group="staff").code == 0
    assert len(disk.mounts()) == 1 and "nosuid" in disk.mounts()[0]


def test_where_it_mounts(disk):
    """Not over another mount, not twice, and not where a link leads."""
    assert disk.attach("on").code == 0
    result = disk.attach("on")
    assert (result.code, result.err) == (1, "attach: something is mounted on /srv/archive already\n")
    assert len(disk.mounts()) == 1
    assert disk.attach("off").code == 0

    disk.root("mount -t tmpfs none /srv/archive")
    for word, message in {"on": "something is mounted on /srv/archive already",
                          "off": "/dev/disk/by-label/archive is not mounted on /srv/archive"}.items():
        result = disk.attach(word)
        assert (result.code, result.err) == (1, f"attach: {message}\n")
    assert len(disk.mounts()) == 1
    disk.root("umount /srv/archive; rmdir /srv/archive; ln -s /etc /srv/archive")
    result = disk.attach("on")
    assert (result.code, result.err) == (1, "attach: /srv/archive is not a directory, or leads elsewhere\n")
    assert "ext4" not in disk.root("grep ' /etc ' /proc/self/mounts").text
    disk.root("rm /srv/archive; mkdir /srv/archive; rm /dev/disk/by-label/archive")
    for word in ("on", "off"):
        result = disk.attach(word)
        assert (result.code, result.err) == (1, "attach: /dev/disk/by-label/archive: No such file or directory\n")


@pytest.mark.thorough
def test_many_at_once(disk):
    """However many call it: one mount."""
    callers = [subprocess.Popen(disk.machine.command(SCRIPT, "on", group="staff"), stderr=subprocess.PIPE, text=True)
               for _ in range(8)]
    said = [caller.communicate()[1] for caller in callers]
    assert len(disk.mounts()) == 1 and said.count("") == 1, said
    assert all("already" in text or "busy" in text for text in said if text), said


@pytest.mark.thorough
def test_busy(disk):
    """What is in use stays mounted, and the message says how to find out by whom."""
    assert disk.attach("on").code == 0
    user = subprocess.Popen(disk.machine.command("sh", "-c", "cd /srv/archive && echo in && exec cat"),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert user.stdout.readline() == b"in\n"
        result = disk.attach("off")
        assert (result.code, result.err) == (
            1, "attach: /dev/disk/by-label/archive: Device or resource busy; fuser -vm /srv/archive tells who uses it\n")
        assert len(disk.mounts()) == 1
    finally:
        user.communicate()
    assert disk.attach("off").code == 0 and not disk.mounts()


@pytest.mark.thorough
@pytest.mark.parametrize(("user", "name", "change", "message"), [
    (OTHER, "automount", "", "is not root's automount"),
    (USER, "automount", "", "is not root's automount"),
    ("root", "cron", "", "is not root's automount"),
    ("root", "automount", f"chown {USER} /run/autofs.pid", "/run/autofs.pid is not root's"),
], ids=["of-another", "of-the-caller", "another-program", "pid-file"])
def test_only_automount_is_told(disk, user, name, change, message):
    with disk.automount(user, name) as told:
        disk.root(change)
        result = disk.attach("on")
        assert result.code == 1 and message in result.err, result
        assert not told() and len(disk.mounts()) == 1


def test_no_automount(disk):
    """Neither a stale pid file nor none is a failure."""
    disk.root("echo 4000000 >/run/autofs.pid")
    assert disk.attach("on").code == 0
    disk.root("rm /run/autofs.pid")
    assert disk.attach("off").code == 0


def test_the_privilege_is_there_for_the_call_alone(disk):
    """By strace: effective is empty but around mount, and nothing is started."""
    disk.root(f"chgrp nogroup {SCRIPT}; setcap cap_kill,cap_sys_admin=i {SCRIPT}; strace -f -o /srv/trace -u nobody "
              f"-e trace=capset,mount,execve,clone,clone3,fork,vfork {SCRIPT} on")
    calls = [line.split(None, 1)[1] for line in (disk.machine.top / "srv/trace").read_text().splitlines()]
    [at] = [number for number, call in enumerate(calls) if call.startswith("mount(")]
    assert calls[at].endswith("= 0"), calls
    assert "effective=1<<CAP_SYS_ADMIN" in calls[at - 1], calls
    assert "effective=0" in calls[at + 1], calls
    assert [call.split("(")[0] for call in calls if "(" in call and not call.startswith(("capset", "mount"))] == ["execve", "execve"], calls
