"""The packages for rpm: built as a distribution builds them, installed, upgraded, verified and erased in a copy of the machine."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from kit import SOURCE, USER, bit, last_cap, remove_tree

VERSION = re.search(r"version: '(.*)'", (SOURCE / "meson.build").read_text())[1]
WRAPPER, SHOW = "/usr/bin/capwrap", "/usr/local/bin/show"
# The same date and host, as build systems have them; and no packages for debuggers, which need more of Debian's.
SAME = ("debug_package %{nil}", "_buildhost localhost", "use_source_date_epoch_as_buildtime 1", "clamp_mtime_to_source_date_epoch 1")
# What Fedora compiles with, as far as all compilers know it, and without what takes long.
FLAGS = {"CFLAGS": "-O2 -fexceptions -g -Wall -Werror=format-security -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3 "
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


def rpmbuild(top: Path, name: str, *argv: object) -> None:
    """What a user who is not root builds, without network. The packages that are there Debian's rpm does not know."""
    shutil.rmtree(top / "BUILD", ignore_errors=True)
    run("unshare", "--net", "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "rpmbuild", "--nodeps",
        "--define", f"_topdir {top}", "--define", f"_rpmdir {top / name}", "--define", "_rpmfilename %%{NAME}.rpm", *argv,
        env={"HOME": str(top), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": "1700000000"} | FLAGS, cwd=top)


@pytest.fixture(scope="module")
def packages():
    """Two builds of a release, of which the first runs the unit tests, and a later one."""
    top = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
    os.chown(top, USER, USER)
    top.chmod(0o755)
    safe = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    run("meson", "setup", top / "dist", SOURCE, "-Dprograms=false", "-Dpython=disabled", env=safe)
    run("meson", "dist", "-C", top / "dist", "--no-tests", env=safe)
    tarball = shutil.copy(top / f"dist/meson-dist/capwrap-{VERSION}.tar.xz", top)
    defines = [word for define in SAME for word in ("--define", define)]
    for name, *options in (("first",), ("second", "--without", "check"), ("later", "--without", "check", "--define", "dist .later")):
        rpmbuild(top, name, "-tb", tarball, *defines, *options)
    yield top
    remove_tree(top)


def rpm(copy, *argv: object, code: int = 0) -> str:
    """What it says, but for Debian's warning of rpm; with `NAME/PACKAGE` for one that was built."""
    words = [f"/mnt/{word}.rpm" if "/" in str(word) else word for word in argv]
    result = copy.run("rpm", "--dbpath", "/var/lib/rpm", *([] if "-q" in words else ["--nodeps"]), *words, code=code)
    return re.sub(r"^rpm: .*Alien.*\nrpm: .*\n", "", result.text + result.err)


def held(copy) -> tuple[int, Path]:
    """The wrapper as it lies there, by a descriptor and by another name."""
    other = copy.at("usr/local/bin/held")
    os.link(copy.at(WRAPPER), other)
    descriptor = os.open(other, os.O_RDONLY)
    assert "security.capability" in os.listxattr(descriptor)
    return descriptor, other


def disarmed(copy, descriptor: int, other: Path) -> bool:
    """Neither of the two has capabilities; it is the same file, and nothing more of it is left."""
    assert os.path.samestat(os.fstat(descriptor), other.stat())
    assert os.fstat(descriptor).st_nlink == 1
    return os.listxattr(descriptor) == os.listxattr(other) == []


def works(copy) -> bool:
    return copy.sets(SHOW)["CapEff"] == bit("cap_net_raw")


def test_version():
    """The spec is of this version."""
    assert f"\nVersion:        {VERSION}\n" in (SOURCE / "packaging/rpm/capwrap.spec").read_text()


def test_reproducible(packages):
    """The same to the last bit."""
    names = ["capwrap.rpm", "python3-capwrap.rpm"]
    assert sorted(path.name for path in (packages / "first").iterdir()) == names
    for name in names:
        assert (packages / "first" / name).read_bytes() == (packages / "second" / name).read_bytes(), name


def test_contents(packages):
    """Each program with its manual and completions; capabilities of the wrapper's alone; no dependency that a script in the
    documentation brings, and no Python for the wrapper."""
    for name, programs, needed in (("capwrap", ("capwrap", "capwrap-check", "capwrap-grant"), {"/bin/sh", "coreutils"}),
                                   ("python3-capwrap", ("capwrap-learn",), {"/usr/bin/python3"})):
        package = packages / f"first/{name}.rpm"
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
    caps = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILECAPS}\n]", packages / "first/capwrap.rpm")
    assert [line for line in caps.splitlines() if not line.endswith(" ")] == ["/usr/bin/capwrap =p"]


def test_life(copy):
    """Installed, verified, upgraded, erased. The ceiling is all that this kernel has."""
    copy.script(SHOW)
    last = copy.script("/usr/local/bin/last", caps=f"{last_cap()}=i")
    for release in ("first", "later"):
        assert rpm(copy, "-U", f"{release}/capwrap", f"{release}/python3-capwrap") == ""
        assert copy.getcap(WRAPPER) == "=p"
        assert works(copy) and copy.sets(last)["CapEff"] == 1 << last_cap()
        assert rpm(copy, "-V", "capwrap", "python3-capwrap") == ""

    learned = copy.run("/usr/bin/python3", "-Ic", "import capwrap; print(capwrap.__version__, capwrap.Caps.from_process())", uid=USER)
    assert learned.text == f"{VERSION} =\n"
    assert copy.run("capwrap-learn", "--version").text.split()[-1] == VERSION

    copy.run("setcap", "-r", WRAPPER)
    assert re.fullmatch(rf"\.{{8}}P\s+{WRAPPER}\n", rpm(copy, "-V", "capwrap", code=1))
    assert rpm(copy, "-U", "--replacepkgs", "later/capwrap") == ""
    assert (copy.getcap(WRAPPER), rpm(copy, "-V", "capwrap")) == ("=p", "")

    file = held(copy)
    assert rpm(copy, "-e", "capwrap", "python3-capwrap") == ""
    assert disarmed(copy, *file)
    assert list(copy.at("usr/bin").glob("*capwrap*")) == []


def test_replaced(copy):
    """Whoever kept the old wrapper, open or by a hard link, has one without capabilities; in /usr/bin nothing of it is left."""
    rpm(copy, "-U", "first/capwrap")
    for _ in range(2):  # an upgrade, and the same once more
        file = held(copy)
        assert rpm(copy, "-U", "--replacepkgs", "later/capwrap") == ""
        assert disarmed(copy, *file)
        assert rpm(copy, "-V", "capwrap") == ""
        assert sorted(path.name for path in copy.at("usr/bin").glob("*capwrap*")) == ["capwrap", "capwrap-check"]
        os.close(file[0])
        file[1].unlink()


def strace(copy, *options: str) -> list[object]:
    return copy.command("strace", "-f", "-qq", "-o", "/mnt/steps", *options, "rpm", "--dbpath", "/var/lib/rpm", "--nodeps", "-U",
                        "/mnt/later/capwrap.rpm")


def test_no_gap(copy, packages):
    """There is no moment of an upgrade in which a run is refused, or gets more. Each step takes its time meanwhile."""
    rpm(copy, "-U", "first/capwrap")
    copy.script(SHOW)
    upgrade = subprocess.Popen([*map(str, strace(copy, "-e", f"trace={CHANGES}", "-e", f"inject={CHANGES}:delay_exit=100000"))],
                               stdin=subprocess.DEVNULL)
    runs = 0
    while upgrade.poll() is None:
        assert works(copy)
        runs += 1
    assert upgrade.returncode == 0
    steps = (packages / "steps").read_text()
    assert runs > 30, (runs, steps)
    # The old one lies beside, the new one with its capabilities comes in place, the old one loses its own.
    order = [steps.index(step) for step in ('".capwrap-old"', '".capwrap-link", ', '"capwrap;', 'fchownat(AT_FDCWD, ".capwrap-old"')]
    assert order == sorted(order), steps
    assert ".later." in rpm(copy, "-q", "capwrap")


@pytest.mark.parametrize("next_one", ["upgrade", "erase"])
def test_stopped(copy, next_one):
    """rpm is killed while it has not put the new wrapper in place: runs go on, and the next transaction makes all of it good."""
    rpm(copy, "-U", "first/capwrap")
    copy.script(SHOW)
    file = held(copy)
    subprocess.run([*map(str, strace(copy, "-e", "inject=fsetxattr:signal=KILL"))], stdin=subprocess.DEVNULL)
    assert copy.at(WRAPPER).is_symlink() and works(copy)
    time.sleep(1)  # rpm names what it has not put in place yet by the second
    if next_one == "upgrade":
        assert rpm(copy, "-U", "later/capwrap") == ""
        assert copy.getcap(WRAPPER) == "=p" and works(copy)
    else:
        rpm(copy, "-e", "capwrap")
        assert [path.name for path in copy.at("usr/bin").glob("*capwrap*") if "security.capability" in os.listxattr(path)] == []
    assert disarmed(copy, *file)


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


def test_lists(copy, packages):
    """A package brings a list: what it names is granted, again after an upgrade, and no more when the package goes. Where it
    cannot be granted, rpm says so, and the transaction is done all the same."""
    (packages / "lister.spec").write_text(LISTS)
    names = ["cap_net_raw /usr/bin/lister", "cap_kill /usr/local/bin/admin", "cap_kill /usr/local/bin/loose"]
    for version in (1, 2):
        text = "".join(f"{line}\\\\n" for line in names[:version + 1])
        rpmbuild(packages, f"lister-{version}", "-bb", "--define", f"version_ {version}", "--define", f"list {text}", "lister.spec")
    assert "/usr/bin/capwrap\n" in run("rpm", "-qp", "--requires", packages / "lister-1/lister.rpm")

    # The list that is there before comes into force with capwrap.
    admin, loose = copy.script("/usr/local/bin/admin", caps=""), copy.script("/usr/local/bin/loose", caps="")
    copy.at(loose).chmod(0o777)
    assert rpm(copy, "-U", "lister-1/lister") == ""
    assert copy.getcap(admin) == ""
    assert "granted cap_kill" in rpm(copy, "-U", "first/capwrap")
    for _ in range(2):
        assert (copy.getcap(admin), copy.getcap("/usr/bin/lister"), copy.getcap(loose)) == ("cap_kill=ip", "cap_net_raw=ip", "")
        assert copy.sets(admin)["CapEff"] == bit("cap_kill")
        told = rpm(copy, "-U", "--replacepkgs", "lister-2/lister")
        assert "writable" in told and "capwrap: warning: not all that is listed could be granted" in told
    assert rpm(copy, "-q", "lister") == "lister-2-1.noarch\n"
    rpm(copy, "-e", "lister")
    assert copy.getcap(admin) == ""
