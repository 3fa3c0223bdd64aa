"""The packages for rpm: built as a distribution builds them, installed into a root directory, upgraded, verified and erased."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from kit import SOURCE, USER, World, bit, last_cap, mount, remove_tree, sets_in

VERSION = re.search(r"version: '(.*)'", (SOURCE / "meson.build").read_text())[1]
# Without a child process: a run is short.
SHOW = """#!/usr/bin/capwrap sh
while read -r line; do echo "$line"; done </proc/self/status
"""
# The same date and host, as build systems have them.
SAME = ("_buildhost localhost", "use_source_date_epoch_as_buildtime 1", "clamp_mtime_to_source_date_epoch 1")
# What Fedora compiles with, as far as all compilers know it.
FLAGS = {"CFLAGS": "-O2 -flto=auto -fexceptions -g -Wall -Werror=format-security -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3 "
                   "-fstack-protector-strong -fasynchronous-unwind-tables -fstack-clash-protection -fno-omit-frame-pointer",
         "LDFLAGS": "-Wl,-z,relro -Wl,--as-needed -Wl,-z,pack-relative-relocs -Wl,-z,now"}
# What changes a file: in the tests of an upgrade the time between two of them is long enough for several runs.
CHANGES = "/^(f|l)?(set|remove)xattr|^rename|^unlink|^link|^symlink|^f?chown"


def run(*argv: object, **more) -> str:
    """What it says on both; it has to succeed."""
    done = subprocess.run([str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **more)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout[-5000:]}"
    return done.stdout


def rpmbuild(top: Path, *argv: object) -> dict[str, Path]:
    """What a user who is not root builds, without network; by name. The packages that are there Debian's rpm does not know."""
    shutil.rmtree(top / "BUILD", ignore_errors=True)
    shutil.rmtree(top / "RPMS", ignore_errors=True)
    run("unshare", "--net", "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
        "rpmbuild", "--nodeps", "--define", f"_topdir {top}", *argv,
        env={"HOME": str(top), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": "1700000000"} | FLAGS, cwd=top)
    return {run("rpm", "-qp", "--qf", "%{NAME}", path): path for path in (top / "RPMS").rglob("*.rpm")}


@pytest.fixture(scope="module")
def top():
    place = Path(tempfile.mkdtemp(prefix="capwrap-rpm-", dir="/opt"))
    os.chown(place, USER, USER)
    place.chmod(0o755)
    yield place
    remove_tree(place)


@pytest.fixture(scope="module")
def tarball(top) -> Path:
    """A release, as `meson dist` makes it."""
    safe = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    run("meson", "setup", top / "dist", SOURCE, "-Dprograms=false", "-Dpython=disabled", env=safe)
    run("meson", "dist", "-C", top / "dist", "--no-tests", env=safe)
    return Path(shutil.copy(top / f"dist/meson-dist/capwrap-{VERSION}.tar.xz", top))


@pytest.fixture(scope="module")
def packages(top, tarball) -> dict[str, dict[str, Path]]:
    """Two builds of the same, of which the first runs the unit tests, and a later release."""
    built = {}
    for name, *options in (("first",), ("second", "--without", "check"), ("later", "--without", "check", "--define", "dist .later")):
        defines = [word for define in SAME for word in ("--define", define)]
        found = rpmbuild(top, "-tb", tarball, *defines, *options)
        (top / name).mkdir()
        built[name] = {package: Path(shutil.move(path, top / name)) for package, path in found.items()}
    return built


class Root:
    """A root directory for rpm: this machine's, on which what is installed shows through, and goes away with it."""

    def __init__(self, place: Path) -> None:
        self.top, layer = place / "root", place / "layer"
        self.top.mkdir(parents=True)
        layer.mkdir()
        mount("-t", "tmpfs", "tmpfs", layer)
        (layer / "upper").mkdir(mode=0o755)
        (layer / "work").mkdir()
        mount("-t", "overlay", "-o", f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work", "overlay", self.top)
        mount("--rbind", "/dev", self.top / "dev")
        mount("--make-rslave", self.top / "dev")
        mount("-t", "proc", "proc", self.top / "proc")
        self.wrapper = self.top / "usr/bin/capwrap"
        self.show = self.script("usr/local/bin/show", SHOW, "cap_net_raw=i")

    def script(self, path: str, text: str, caps: str = "", mode: int = 0o755) -> Path:
        script = self.top / path
        script.write_text(text)
        script.chmod(mode)
        if caps:
            World.setcap(caps, script)
        return script

    def command(self, *argv: object) -> list[object]:
        return ["rpm", "--root", self.top, "--dbpath", "/var/lib/rpm", *argv]

    def rpm(self, *argv: object) -> str:
        """What it says, but for Debian's warning of rpm."""
        return re.sub(r"^rpm: .*Alien.*\nrpm: .*\n", "", run(*self.command(*argv)))

    def install(self, *packages: Path) -> None:
        assert self.rpm("--nodeps", "-U", *packages) == ""

    def verify(self) -> str:
        """What differs from what was installed, in files that are no matter of the machine's packages."""
        return subprocess.run(self.command("-V", "--nodeps", "capwrap", "python3-capwrap"), capture_output=True, text=True).stdout

    def run(self, *argv: object) -> subprocess.CompletedProcess:
        """A command there, by a user without privileges."""
        return subprocess.run(["chroot", f"--userspec={USER}:{USER}", "--groups=", self.top, *argv], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)


@pytest.fixture
def root(top, request):
    place = top / request.node.name
    yield Root(place)
    remove_tree(place)


def getcap(path: Path) -> str:
    return run("getcap", path).partition(" ")[2].strip()


def held(root) -> tuple[int, Path]:
    """The wrapper as it lies there, by a descriptor and by another name."""
    other = root.top / "usr/local/bin/held"
    os.link(root.wrapper, other)
    descriptor = os.open(root.wrapper, os.O_RDONLY)
    assert "security.capability" in os.listxattr(descriptor)
    return descriptor, other


def disarmed(root, descriptor: int, other: Path) -> bool:
    """Neither of the two has capabilities; it is the same file, and nothing more of it is left."""
    assert os.path.samestat(os.fstat(descriptor), other.stat())
    assert os.fstat(descriptor).st_nlink == 1
    refused = root.run("/usr/local/bin/held", "sh", "/usr/local/bin/show")
    assert refused.returncode, refused
    return os.listxattr(descriptor) == os.listxattr(other) == []


def test_version():
    """The spec is of this version."""
    assert f"\nVersion:        {VERSION}\n" in (SOURCE / "packaging/rpm/capwrap.spec").read_text()


def test_reproducible(packages):
    """The same to the last bit."""
    assert packages["first"].keys() == {"capwrap", "python3-capwrap"}
    for name, path in packages["first"].items():
        assert path.read_bytes() == packages["second"][name].read_bytes(), name


def test_contents(packages):
    """Each program with its manual and completions; capabilities of the wrapper's alone; no dependency that a script in the
    documentation brings, and no Python for the wrapper."""
    for name, programs, needed in (("capwrap", ("capwrap", "capwrap-check", "capwrap-grant"), {"/bin/sh", "coreutils"}),
                                   ("python3-capwrap", ("capwrap-learn",), {"/usr/bin/python3"})):
        package = packages["first"][name]
        files = run("rpm", "-qpl", package).splitlines()
        for program in programs:
            patterns = [rf"/usr/s?bin/{program}", rf"/usr/share/man/man[18]/{program}\.[18](\.gz)?"]
            if program != "capwrap":
                patterns += [rf"/usr/share/bash-completion/completions/{program}", rf"/usr/share/zsh/[a-z-]+/_{program}"]
            for pattern in patterns:
                assert any(re.fullmatch(pattern, file) for file in files), (pattern, files)
        needs = run("rpm", "-qp", "--requires", package).splitlines()
        assert {re.split(r"[ (]", need)[0] for need in needs if not re.match(r"rpmlib|lib\w+\.so|rtld", need)} == needed
        if name == "capwrap":
            assert {"/etc/capwrap.d", "/usr/share/capwrap.d", "/usr/share/capwrap/capwrap.conf"} <= set(files)
    caps = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILECAPS}\n]", packages["first"]["capwrap"])
    assert [line for line in caps.splitlines() if not line.endswith(" ")] == ["/usr/bin/capwrap =p"]


def test_life(root, packages):
    """Installed, verified, upgraded, erased. The ceiling is all that this kernel has."""
    for release in ("first", "later"):
        root.install(*packages[release].values())
        assert getcap(root.wrapper) == "=p"
        result = root.run("/usr/local/bin/show")
        assert sets_in(result.stdout)["CapEff"] == bit("cap_net_raw"), result
        assert root.verify() == ""
        World.setcap(f"{last_cap()}=i", root.show)
        assert sets_in(root.run("/usr/local/bin/show").stdout)["CapPrm"] == 1 << last_cap()
        World.setcap("cap_net_raw=i", root.show)

    learned = root.run("/usr/bin/python3", "-Ic", "import capwrap; print(capwrap.__version__, capwrap.Caps.from_process())")
    assert learned.stdout == f"{VERSION} =\n", learned
    assert run("chroot", root.top, "capwrap-learn", "--version").split()[-1] == VERSION

    run("setcap", "-r", root.wrapper)
    assert re.fullmatch(r"\.{8}P\s+/usr/bin/capwrap\n", root.verify())
    root.install("--replacepkgs", *packages["later"].values())
    assert (getcap(root.wrapper), root.verify()) == ("=p", "")

    file = held(root)
    root.rpm("-e", "capwrap", "python3-capwrap")
    assert disarmed(root, *file)
    assert [path for path in root.wrapper.parent.glob("*capwrap*")] == []


def test_replaced(root, packages):
    """Whoever kept the old wrapper, open or by a hard link, has one without capabilities; in /usr/bin nothing of it is left."""
    root.install(packages["first"]["capwrap"])
    for again in ("later", "later"):  # an upgrade, and the same once more
        file = held(root)
        root.install("--replacepkgs", packages[again]["capwrap"])
        assert disarmed(root, *file)
        assert root.verify().replace("package python3-capwrap is not installed\n", "") == ""
        assert sorted(path.name for path in root.wrapper.parent.glob("*capwrap*")) == ["capwrap", "capwrap-check"]
        os.close(file[0])
        file[1].unlink()


def test_no_gap(root, packages):
    """There is no moment of an upgrade in which a run is refused, or gets more. Each step takes its time meanwhile."""
    root.install(packages["first"]["capwrap"])
    log = root.top.parent / "steps"
    upgrade = subprocess.Popen(["strace", "-f", "-qq", "-o", log, "-e", f"trace={CHANGES}", "-e", f"inject={CHANGES}:delay_exit=100000",
                                *map(str, root.command("-U", "--nodeps", packages["later"]["capwrap"]))], stdin=subprocess.DEVNULL)
    runs = 0
    while upgrade.poll() is None:
        result = root.run("/usr/local/bin/show")
        assert result.returncode == 0 and sets_in(result.stdout)["CapEff"] == bit("cap_net_raw"), result
        runs += 1
    assert upgrade.returncode == 0
    steps = log.read_text()
    assert runs > 100, (runs, steps)
    # The old one lies beside, the new one with its capabilities comes in place, the old one loses its own.
    order = [steps.index(step) for step in ('".capwrap-old"', '".capwrap-link", ', '"capwrap;', 'fchownat(AT_FDCWD, ".capwrap-old"')]
    assert order == sorted(order), steps
    assert root.rpm("-q", "capwrap") == f"capwrap-{VERSION}-1.later.{os.uname().machine}\n"


def test_stopped(root, packages):
    """rpm is killed while it has not put the new wrapper in place: runs go on, and the next transaction makes all of it good."""
    root.install(packages["first"]["capwrap"])
    file = held(root)
    subprocess.run(["strace", "-f", "-qq", "-o", root.top.parent / "steps", "-e", "inject=fsetxattr:signal=KILL",
                    *root.command("-U", "--nodeps", packages["later"]["capwrap"])], stdin=subprocess.DEVNULL)
    assert root.wrapper.is_symlink()
    assert sets_in(root.run("/usr/local/bin/show").stdout)["CapEff"] == bit("cap_net_raw")
    time.sleep(1)  # rpm names what it has not put in place yet by the second
    root.install(packages["later"]["capwrap"])
    assert disarmed(root, *file)
    assert getcap(root.wrapper) == "=p" and sets_in(root.run("/usr/local/bin/show").stdout)["CapEff"] == bit("cap_net_raw")


LISTS = r"""
Name: lister
Version: %{version_}
Release: 1
Summary: A script, and a list that grants it
License: MIT
BuildArch: noarch
%description
%{summary}
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/capwrap.d
printf '#!/usr/bin/capwrap sh\n' >%{buildroot}/usr/bin/lister
chmod 755 %{buildroot}/usr/bin/lister
printf '%{list}' >%{buildroot}/usr/share/capwrap.d/lister.conf
%files
/usr/bin/lister
/usr/share/capwrap.d/lister.conf
"""


def test_lists(root, top, packages):
    """A package brings a list: what it names is granted, again after an upgrade, and no more when the package goes. Where it
    cannot be granted, rpm says so, and the transaction is done all the same."""
    (top / "lister.spec").write_text(LISTS)

    def lister(version: int, *lines: str) -> Path:
        text = "".join(f"{line}\\\\n" for line in lines)
        return rpmbuild(top, "-bb", "--define", f"version_ {version}", "--define", f"list {text}", "lister.spec")["lister"]

    admin = root.script("usr/local/bin/admin", SHOW)
    both = lister(1, "cap_net_raw /usr/bin/lister", "cap_kill /usr/local/bin/admin")
    assert "/usr/bin/capwrap\n" in run("rpm", "-qp", "--requires", both)
    kept = shutil.copy(both, top / "kept.rpm")
    second = lister(2, "cap_net_raw /usr/bin/lister", "cap_kill /usr/local/bin/admin", "cap_kill /usr/local/bin/loose")

    # The list that is there before comes into force with capwrap.
    root.install(kept)
    assert getcap(admin) == ""
    told = root.rpm("--nodeps", "-U", packages["first"]["capwrap"])
    assert "granted cap_kill" in told
    for _ in range(2):
        assert (getcap(admin), getcap(root.top / "usr/bin/lister")) == ("cap_kill=ip", "cap_net_raw=ip")
        assert sets_in(root.run("/usr/local/bin/admin").stdout)["CapEff"] == bit("cap_kill")
        root.script("usr/local/bin/loose", SHOW, mode=0o777)
        told = root.rpm("-U", "--replacepkgs", second)  # capwrap is all that it needs
        assert "writable" in told and "capwrap: warning: not all that is listed could be granted" in told
    assert root.rpm("-q", "lister") == "lister-2-1.noarch\n"
    assert getcap(root.top / "usr/local/bin/loose") == ""
    root.rpm("-e", "lister")
    assert getcap(admin) == ""
