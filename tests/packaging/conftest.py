"""A copy of the machine in which packages are installed, that goes away with the test."""

import subprocess
import tempfile
from pathlib import Path

import pytest
from kit import USER, Result, World, remove_tree, sets_in

STATUS = "#!/usr/bin/capwrap dash\ncat /proc/self/status\n"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

# Where the root directory is, only what lies on it is copied: what else is mounted is the machine's.
ENTER = """
mount -t tmpfs -o mode=755 tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
for place in proc sys dev; do mount --rbind "/$place" "$0/root/$place"; done
mount -t tmpfs -o mode=1777 tmpfs "$0/root/tmp"
mount --rbind "$1" "$0/root/mnt"
cd "$0/root"
pivot_root . media
umount -l /media
echo ready
exec cat
"""


class Copy:
    """The machine's root directory with a layer of its own above; `share` is its /mnt."""

    def __init__(self, share: Path) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-ec", ENTER, self.place, share],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"
        # What is installed on the machine does not matter.
        for path in ("usr/bin/capwrap", "usr/local/bin/capwrap", "etc/capwrap.d", "usr/share/capwrap.d", "var/lib/capwrap"):
            self.run("rm", "-rf", f"/{path}")

    def at(self, path: str | Path) -> Path:
        """How a path of the copy is reached from the machine."""
        return Path(f"/proc/{self.holder.pid}/root/{path}")

    def command(self, *argv: object, uid: int = 0) -> list[object]:
        return ["nsenter", "--root", "--wd", "--mount", "--target", self.holder.pid, "setpriv", f"--reuid={uid}", f"--regid={uid}",
                "--clear-groups", "sh", "-c", 'exec "$@"', "sh", *argv]

    def run(self, *argv: object, code: int | None = 0, uid: int = 0, **more) -> Result:
        done = subprocess.run([str(word) for word in self.command(*argv, uid=uid)], capture_output=True, stdin=subprocess.DEVNULL,
                              env=ENVIRONMENT, timeout=600, **more)
        result = Result(done.returncode, done.stdout, done.stderr.decode())
        assert code is None or result.code == code, (argv, result.text, result.err)
        return result

    def script(self, path: str = "/usr/local/bin/show", caps: str = "cap_net_raw=ip", text: str = STATUS) -> str:
        """A script that tells its sets."""
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        if caps:
            World.setcap(caps, file)
        return path

    def sets(self, script: str) -> dict[str, int]:
        """The sets with which a user runs it."""
        return sets_in(self.run(script, uid=USER).text)

    def getcap(self, path: str) -> str:
        """The capabilities of a file, as getcap says them, without its name."""
        return self.run("getcap", path).text.partition(" ")[2].strip()

    def close(self) -> None:
        self.holder.communicate()
        remove_tree(self.place)


@pytest.fixture
def copy(packages):
    copy = Copy(packages)
    yield copy
    copy.close()
