"""Debian's packages: built twice alike, installed, upgraded with no moment without a wrapper, removed without a trace."""

import hashlib
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit import SOURCE, USER, bit, four, grant

GIT = ["git", "-c", "safe.directory=*"]
COMMIT = subprocess.run([*GIT, "-C", SOURCE, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
ALL = "=p"
WRAPPER = "/usr/bin/capwrap"


def build(place: Path, version: str = "", umask: int = 0o022, zone: str = "UTC", profile: str = "nocheck") -> Path:
    """Builds what is committed, and where there is a version, as that one, without a network; returns where the packages are."""
    top = place / "capwrap"
    subprocess.run([*GIT, "clone", "-q", SOURCE, top], check=True)
    subprocess.run([*GIT, "-C", top, "checkout", "-q", COMMIT], check=True)
    shutil.rmtree(top / ".git")
    if version:
        for name, pattern in (("debian/changelog", r"(?<=^capwrap \()[^)]+"), ("meson.build", r"(?<=version: ')[^']+(?=',\n  license)")):
            file = top / name
            file.write_text(re.sub(pattern, version, file.read_text(), count=1, flags=re.M))
    done = subprocess.run(["unshare", "--net", "dpkg-buildpackage", "-us", "-uc", "-b"], cwd=top, text=True, umask=umask,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "TZ": zone, "DEB_BUILD_OPTIONS": profile, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, done.stdout
    shutil.rmtree(top)
    return place


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Where the packages are: built with their tests, and below `newer` those of a later version."""
    place = tmp_path_factory.mktemp("packages")
    place.chmod(0o755)
    build(place, profile="")
    (place / "newer").mkdir()
    build(place / "newer", "0.2.0")
    return place


def debs(place: Path, *names: str) -> list[str]:
    """The paths, in a copy, of the packages of these names."""
    found = [next(place.glob(f"{name}_*.deb")) for name in names or ("capwrap", "python3-capwrap")]
    return [f"/mnt/{'newer/' if place.name == 'newer' else ''}{path.name}" for path in found]


def install(copy, packages, *names: str, code: int | None = 0):
    return copy.run("dpkg", "-i", *debs(packages, *names), code=code)


def state(copy, package: str = "capwrap") -> str:
    return copy.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package, code=None).text.strip()


@contextmanager
def held(copy, path: str = WRAPPER):
    """Somebody has a file open, and somebody a link to it: at the end neither has capabilities, nor has what is left of it."""
    copy.at("var/held").mkdir(exist_ok=True)
    link = copy.at(f"var/held/{time.monotonic_ns()}")
    os.link(copy.at(path), link)
    with link.open("rb") as file:
        assert os.getxattr(file.fileno(), "security.capability")
        yield
        assert os.listxattr(file.fileno()) == os.listxattr(link) == []
        assert copy.at(path).exists() is False or not os.path.samefile(copy.at(path), link)
    assert list(copy.at("usr/bin").glob("capwrap.*")) == []


RUNS = """
while [ ! -e /tmp/end ]; do
	/usr/local/bin/show >/tmp/out 2>>/tmp/refused || echo refused >>/tmp/refused
	cat /tmp/out >>/tmp/runs
done
"""


@contextmanager
def always_runs(copy):
    """A user runs a script all the time: it always has its grant."""
    copy.script()
    with subprocess.Popen([str(word) for word in copy.command("sh", "-c", RUNS, uid=USER)]) as runs:
        time.sleep(0.5)
        yield
        time.sleep(0.5)
        copy.at("tmp/end").touch()
        runs.wait()
    assert not copy.at("tmp/refused").exists() or copy.at("tmp/refused").read_text() == ""
    effective = re.findall(r"CapEff:\t(\w+)", copy.at("tmp/runs").read_text())
    assert len(effective) > 50 and {int(value, 16) for value in effective} == {bit("cap_net_raw")}


def digests(place: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.glob("*.deb")}


def test_builds_alike(packages, tmp_path):
    """Byte for byte, at another path, time and zone, with another umask."""
    other = build(tmp_path, umask=0o077, zone="Pacific/Auckland")
    assert digests(packages) == digests(other)
    assert {name.partition("_")[0] for name in digests(other)} >= {"capwrap", "python3-capwrap", "capwrap-dbgsym", "python3-capwrap-dbgsym"}


def test_lintian(packages):
    """Nothing, at any level that Debian asks for, but what is overridden with its reason."""
    done = subprocess.run(["lintian", "--allow-root", "--pedantic", "--fail-on", "error,warning,info,pedantic",
                           *packages.glob("*.changes")],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done


def test_installed(copy, packages):
    """The wrapper has all and nothing else has any; a script runs; the other programs, manuals and the package are there."""
    copy.run("sh", "-c", "rm -f /usr/local/bin/capwrap*; rm -rf /usr/local/lib/python3*/dist-packages/capwrap")
    install(copy, packages)
    assert copy.getcap(WRAPPER) == ALL
    assert copy.run("getcap", "-r", "/usr/lib/capwrap").text == ""
    assert four(copy.sets(copy.script())) == grant(bit("cap_net_raw"))
    for program in ("capwrap", "capwrap-check", "capwrap-grant", "capwrap-learn"):
        assert copy.run(program, "--version").text.endswith(" 0.1.0\n")
        assert copy.run("sh", "-c", f"man -w {program}").text.startswith("/usr/share/man/")
    assert "runs" in copy.run("capwrap-check", "/usr/local/bin/show", uid=USER).text
    done = copy.run("/usr/bin/python3", "-I", "-c", "import capwrap; print(capwrap.__file__, capwrap.Caps.from_process())", uid=USER)
    assert done.text == "/usr/lib/python3/dist-packages/capwrap/__init__.py =\n"
    assert copy.run("dpkg", "--verify", "capwrap", "python3-capwrap").text == ""
    found = copy.run("capwrap-learn", "-u", "nobody", "--json", "cat", "/etc/shadow")
    assert '"cap_dac_read_search"' in found.text


@pytest.mark.parametrize("way", ["upgrade", "downgrade", "reinstall"])
def test_no_moment_without(copy, packages, way):
    """Another version comes: no run is refused, and the file that was there keeps nothing."""
    first, then = {"upgrade": (packages, packages / "newer"), "downgrade": (packages / "newer", packages),
                   "reinstall": (packages, packages)}[way]
    install(copy, first)
    with held(copy), always_runs(copy):
        install(copy, then)
    assert copy.getcap(WRAPPER) == ALL
    version = {"upgrade": "0.2.0"}.get(way, "0.1.0")
    assert copy.run("capwrap", "--version").text == f"capwrap {version}\n"


@pytest.mark.parametrize("fails", ["preinst", "postinst", "prerm"])
def test_what_fails_on_the_way(copy, packages, fails):
    """An upgrade that fails leaves a wrapper that works, the old or the new one, and no old file with capabilities."""
    install(copy, packages)
    copy.run("dpkg-deb", "-R", debs(packages / "newer", "capwrap")[0], "/tmp/broken")
    script = copy.at(f"tmp/broken/DEBIAN/{fails}")
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    if fails == "prerm":  # of the version that is there; then that of the newer one
        shutil.copyfile(script, copy.at("var/lib/dpkg/info/capwrap.prerm"))
    copy.run("dpkg-deb", "-b", "/tmp/broken", "/tmp/broken.deb")
    with always_runs(copy):
        copy.run("dpkg", "-i", "/tmp/broken.deb", code=1)
    assert copy.getcap(WRAPPER) == ALL
    install(copy, packages / "newer", *(["capwrap"] if fails != "prerm" else []), code=None if fails == "prerm" else 0)
    assert four(copy.sets(copy.script())) == grant(bit("cap_net_raw"))


def test_ceiling_of_the_administrator(copy, packages):
    """What is on the file stays at an upgrade, none included; /etc/default/capwrap decides where it says anything."""
    install(copy, packages)
    for ceiling in ("cap_kill,cap_net_raw=p", "", "cap_net_raw=ip"):
        copy.run("setcap", *(["-q", ceiling] if ceiling else ["-r"]), WRAPPER)
        install(copy, packages / "newer", "capwrap")
        assert copy.getcap(WRAPPER) == ceiling
    for capabilities, ceiling in (("cap_net_raw", "cap_net_raw=p"), ("", ""), ("all", ALL)):
        copy.at("etc/default/capwrap").write_text(f"CAPABILITIES={capabilities}\n")
        copy.run("dpkg-reconfigure", "capwrap")
        assert copy.getcap(WRAPPER) == ceiling
    copy.at("etc/default/capwrap").write_text("CAPABILITIES=cap_kill\n")
    copy.run("dpkg", "--force-confold", "-i", *debs(packages, "capwrap"))
    assert copy.getcap(WRAPPER) == "cap_kill=p"


def test_diverted(copy, packages):
    """A wrapper of the administrator's own is left alone: the package's is where dpkg-divert has it."""
    install(copy, packages)
    copy.run("dpkg-divert", "--local", "--rename", "--divert", "/usr/bin/capwrap.distrib", WRAPPER)
    copy.at(WRAPPER).write_text("mine\n")
    copy.run("dpkg", "-i", *debs(packages / "newer", "capwrap"))
    assert copy.at(WRAPPER).read_text() == "mine\n"
    assert copy.getcap("/usr/bin/capwrap.distrib") == ALL
    assert copy.run("/usr/bin/capwrap.distrib", "--version").text == "capwrap 0.2.0\n"
    copy.run("dpkg", "-r", "capwrap")
    assert copy.at(WRAPPER).read_text() == "mine\n" and not copy.at("usr/bin/capwrap.distrib").exists()


def test_removed(copy, packages):
    """Removal disarms and removes; the administrator's list stays until purge; then nothing is left. It can be installed again."""
    install(copy, packages)
    copy.script(caps="", text=f"#!/usr/bin/dash\n{STATUS_TEXT}")
    copy.run("capwrap-grant", "cap_net_raw", "/usr/local/bin/show")
    with held(copy):
        copy.run("dpkg", "-r", "capwrap")
    assert not copy.at(WRAPPER).exists() and copy.at("etc/capwrap.d/capwrap-grant.conf").exists()
    assert copy.run("/usr/local/bin/show", uid=USER, code=None).code != 0
    install(copy, packages, "capwrap")
    assert copy.getcap(WRAPPER) == ALL
    assert four(copy.sets("/usr/local/bin/show")) == grant(bit("cap_net_raw"))
    copy.run("cp", "-a", WRAPPER, f"{WRAPPER}.arm-new")  # by one that was killed
    copy.run("dpkg", "-P", "capwrap", "python3-capwrap")
    assert state(copy) in ("", "un")
    left = copy.run("find", "/usr", "/etc", "/var/lib", "-xdev", "-name", "*capwrap*", "-not", "-path", "/usr/local/*",
                    "-not", "-path", "*/capwrap-build*").text
    assert left == ""


STATUS_TEXT = "cat /proc/self/status\n"


def test_where_setcap_cannot(copy, packages):
    """The package stays installed, and what is to be done is said; done, it works."""
    done = copy.run("setpriv", "--bounding-set=-setfcap", "dpkg", "-i", *debs(packages, "capwrap"))
    assert state(copy) == "ii" and copy.getcap(WRAPPER) == ""
    command = re.search(r"as root:\n    (setcap .*)\n", done.err)[1]
    assert "warning" in done.err and command == "setcap all=p /usr/bin/capwrap"
    copy.run("sh", "-ec", command)
    assert four(copy.sets(copy.script())) == grant(bit("cap_net_raw"))


CONTROL = """Package: scripts
Version: {version}
Architecture: all
Maintainer: nobody <nobody@localhost>
Depends: capwrap
Description: scripts with grants
"""


def shipped(copy, version: str, *scripts: str) -> str:
    """A package that ships scripts and their list."""
    top = copy.at("tmp/scripts")
    shutil.rmtree(top, ignore_errors=True)
    for name in ("DEBIAN", "usr/bin", "usr/share/capwrap.d"):
        (top / name).mkdir(parents=True)
    (top / "DEBIAN/control").write_text(CONTROL.format(version=version))
    for script in scripts:
        (top / f"usr/bin/{script}").write_text(f"#!/usr/bin/capwrap dash\n# {version}\n{STATUS_TEXT}")
        (top / f"usr/bin/{script}").chmod(0o755)
    (top / "usr/share/capwrap.d/scripts.conf").write_text("".join(f"cap_net_raw /usr/bin/{script}\n" for script in scripts))
    copy.run("dpkg-deb", "--root-owner-group", "-b", "/tmp/scripts", f"/tmp/scripts-{version}.deb")
    return f"/tmp/scripts-{version}.deb"


def test_package_that_ships_scripts(copy, packages):
    """Its list is applied by a trigger: when it comes, before and after capwrap itself, when it is upgraded, and when it goes."""
    copy.run("dpkg", "-i", shipped(copy, "1", "one"), *debs(packages, "capwrap"))
    assert four(copy.sets("/usr/bin/one")) == grant(bit("cap_net_raw"))
    copy.run("dpkg", "-i", shipped(copy, "2", "one", "two"))
    for name in ("one", "two"):
        assert four(copy.sets(f"/usr/bin/{name}")) == grant(bit("cap_net_raw"))
    copy.run("dpkg", "-i", shipped(copy, "3", "two"))
    assert copy.getcap("/usr/bin/two") == "cap_net_raw=ip"
    assert copy.run("capwrap-grant", "--status").text.startswith("granted ")
    # A list that is wrong is told, and stops no package.
    copy.at("etc/capwrap.d").mkdir(exist_ok=True)
    copy.at("etc/capwrap.d/mine.conf").write_text("cap_net_raw /usr/bin/missing\n")
    done = copy.run("dpkg", "-i", shipped(copy, "4", "two"))
    assert "capwrap-grant --status" in done.err and state(copy) == state(copy, "scripts") == "ii"
    assert copy.getcap("/usr/bin/two") == "cap_net_raw=ip"
    copy.run("dpkg", "-P", "scripts")
    assert state(copy) == "ii" and not copy.at("usr/bin/two").exists()


def test_debug_symbols(copy, packages):
    """The -dbgsym package has what gdb needs for the wrapper where it runs."""
    install(copy, packages, "capwrap", "capwrap-dbgsym")
    done = copy.run("gdb", "-batch", "-nx", "-ex", "info line main", WRAPPER)
    assert re.search(r'Line \d+ of ".*main\.c"', done.text), done


def test_autopkgtest(copy, packages):
    """debian/tests runs here what it runs anywhere, of what is installed: all of these of its tests. It asks for what they need."""
    control = (SOURCE / "debian/tests/control").read_text()
    for line in (SOURCE / "tests/packages").read_text().splitlines():
        assert line.startswith("#") or set(line.split()) <= set(re.split(r"[\s,]+", control))
    install(copy, packages)
    tests = "tests/rules/test_grant.py tests/rules/test_environment.py tests/grant/test_turn.py tests/learn/test_proven.py::test_paste"
    copy.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/opt")  # no layer can lie on a layer
    done = copy.run("env", "-C", SOURCE, "AUTOPKGTEST_TMP=/tmp", f"TESTS={tests}", "debian/tests/end-to-end", code=None)
    assert done.code == 0, done.text
    environment = ("CAPWRAP_BUILD=/tmp/helpers", "CAPWRAP_INSTALLED=/usr")
    found = copy.run("env", "-C", SOURCE, *environment, "/usr/bin/python3", "-B", "-m", "pytest", "-q", "--collect-only", *tests.split())
    assert re.search(r"(\d+) passed", done.text)[1] == re.search(r"(\d+) tests collected", found.text)[1], done.text
    assert not copy.at("tmp/helpers/src/capwrap/capwrap").exists()  # it has no other to test
