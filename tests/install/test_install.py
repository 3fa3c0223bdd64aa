"""Installation: what `meson install` does as root, as a user and into a DESTDIR; and the quickstart."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from kit import AS_USER, SOURCE, STATUS, THOROUGH, USER, bit, mount, sets_in


def getcap(path: Path) -> str:
    return subprocess.run(["getcap", str(path)], capture_output=True, text=True, check=True).stdout


# What a test of the wrapper alone does not need.
WRAPPER_ONLY = ("-Dpython=disabled", "-Dgrant=disabled")


def configure(world, *options: str, compiler: str = "gcc") -> Path:
    """From a copy that every user can read: a clone may lie in a home that is root's alone."""
    build, source = world.top / "build", world.top / "source"
    if not source.exists():
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
    subprocess.run(["meson", "setup", str(build), str(source), "-Dtests=false", *options], check=True,
                   capture_output=True, env={**os.environ, "CC": compiler})
    return build


def install(build: Path, **more) -> str:
    done = subprocess.run(["meson", "install", "-C", str(build)], capture_output=True, text=True, **more)
    assert done.returncode == 0, done
    return done.stdout


def test_as_root(world):
    """The ceiling is set, also by a second install, and a script runs below it. The other programs have nothing."""
    prefix = world.top / "prefix"
    build = configure(world, f"--prefix={prefix}", "-Dcapabilities=cap_net_raw,cap_kill")
    wrapper = prefix / "bin/capwrap"
    for _ in range(2):
        assert f"capwrap: done: setcap cap_net_raw,cap_kill=p {wrapper}\n" in install(build)
        assert getcap(wrapper).split()[1] == "cap_kill,cap_net_raw=p"
    assert wrapper.stat().st_mode & 0o7777 == 0o755
    for program, manual in (("bin/capwrap-check", "man8/capwrap-check.8"), ("sbin/capwrap-grant", "man8/capwrap-grant.8")):
        assert (prefix / program).stat().st_mode & 0o7777 == 0o755
        assert getcap(prefix / program) == ""
        name = Path(program).name
        for file in (f"man/{manual}", f"bash-completion/completions/{name}", f"zsh/site-functions/_{name}"):
            assert (prefix / "share" / file).exists(), file
    assert (prefix / "share/man/man1/capwrap.1").exists()
    script = world.script("show", "python3", STATUS, wrapper=wrapper)
    assert world.run(script).sets["CapEff"] == bit("cap_net_raw")


RUNS = """
while [ ! -e end ]; do "$1" >>runs 2>>refused || echo refused >>refused; done
"""


def test_again_while_scripts_run(world):
    """Another wrapper comes into its place: no run is refused, and what was there keeps no capabilities, for whoever has it open
    or linked; neither does what an installation has left that was killed."""
    prefix = world.top / "prefix"
    build = configure(world, f"--prefix={prefix}", *WRAPPER_ONLY)
    install(build)
    wrapper, link = prefix / "bin/capwrap", world.top / "link"
    place = world.folder("mine", uid=USER)
    script = world.script("show", "dash", "cat /proc/self/status\n", wrapper=wrapper)
    os.link(wrapper, link)
    left = [wrapper.with_name(f"capwrap.arm-{name}") for name in ("new", "old")]
    for path in left:
        world.program(path.relative_to(world.top), wrapper)
    with link.open("rb") as opened, subprocess.Popen([*AS_USER, "sh", "-c", RUNS, "sh", script], cwd=place) as runs:
        kept = [path.open("rb") for path in left]
        for _ in range(3):
            install(build)
        (place / "end").touch()
        runs.wait()
        assert not os.path.samefile(wrapper, link)
        assert [os.listxattr(file.fileno()) for file in (opened, *kept)] == [[], [], []] and getcap(link) == ""
        for file in kept:
            file.close()
    assert not any(path.exists() for path in left) and getcap(wrapper).endswith("=p\n")
    assert (place / "refused").read_text() == ""
    effective = re.findall(r"CapEff:\t(\w+)", (place / "runs").read_text())
    assert len(effective) > 50 and {int(value, 16) for value in effective} == {bit("cap_net_raw")}


def test_where_setcap_cannot(world):
    """A file system without attributes: it is installed, and what is to be done is said."""
    prefix = world.folder("prefix")
    mount("-t", "ramfs", "ramfs", prefix)
    build = configure(world, f"--prefix={prefix}", *WRAPPER_ONLY)
    done = subprocess.run(["meson", "install", "-C", str(build)], capture_output=True, text=True)
    assert done.returncode == 0 and f"as root:\n    setcap all=p {prefix}/bin/capwrap\n" in done.stdout, done
    assert "capwrap: done" not in done.stdout
    assert (prefix / "bin/capwrap").stat().st_mode & 0o7777 == 0o755 and getcap(prefix / "bin/capwrap") == ""


def test_under_fakeroot(world):
    """The ceiling is the pretended file's, and tar takes it along."""
    build = configure(world, "--prefix=/usr", *WRAPPER_ONLY)
    subprocess.run(["meson", "compile", "-C", str(build)], check=True, capture_output=True)
    stage = world.folder("stage", uid=USER)
    subprocess.run(["chown", "-R", str(USER), str(build)], check=True)
    done = subprocess.run(
        [*AS_USER, "fakeroot", "sh", "-c", f"meson install -C {build} && tar -C {stage} --xattrs --xattrs-include='*' -cf {stage}/tar usr"],
        capture_output=True, text=True, env={**os.environ, "DESTDIR": str(stage), "HOME": "/nonexistent"})
    assert done.returncode == 0, done
    assert getcap(stage / "usr/bin/capwrap") == ""
    subprocess.run(["tar", "-C", world.top, "--xattrs", "--xattrs-include=*", "-xf", stage / "tar"], check=True)
    assert getcap(world.top / "usr/bin/capwrap").endswith("=p\n")


def test_into_destdir_or_as_user(world):
    """setcap is not run; the command is printed, with the path that the wrapper will have."""
    build = configure(world, "--prefix=/usr", *WRAPPER_ONLY)
    subprocess.run(["meson", "compile", "-C", str(build)], check=True, capture_output=True)
    for user in (0, USER):
        stage = world.folder(f"stage-{user}", uid=user)
        subprocess.run(["chown", "-R", str(user), str(build)], check=True)
        out = install(build, env={**os.environ, "DESTDIR": str(stage), "HOME": "/nonexistent"}, user=user)
        assert "setcap all=p /usr/bin/capwrap" in out
        assert "capwrap: done" not in out
        assert getcap(stage / "usr/bin/capwrap") == ""


@pytest.mark.parametrize(("compiler", "libc"), [
    ("gcc", "none"), ("gcc", "shared"), *([("gcc", "static"), ("clang", "none")] if THOROUGH else []),
])
def test_linking(world, compiler, libc):
    """As asked for, position-independent, and each of them works. Without a C library nobody would relocate it."""
    build = configure(world, f"--prefix={world.top}/prefix", f"-Dlibc={libc}", *WRAPPER_ONLY, compiler=compiler)
    install(build)
    wrapper = world.top / "prefix/bin/capwrap"
    told = subprocess.run(["readelf", "-Whdlr", str(wrapper)], capture_output=True, text=True, check=True).stdout
    assert ("NEEDED" in told) == ("INTERP" in told) == (libc == "shared")
    assert ("There are no relocations" in told) == (libc == "none")
    assert re.search(r"Type: +DYN", told)
    assert not re.search(r"(LOAD|STACK) .* RWE ", told)
    assert "NOW" in told
    script = world.script("show", "python3", STATUS, wrapper=wrapper)
    assert world.run(script).sets["CapEff"] == bit("cap_net_raw")


def test_secure_path_and_no_ceiling(world):
    """Where interpreters are looked up, and PATH of the script. A wrapper without a ceiling."""
    tools = world.folder("tools")
    world.program("tools/dash", Path("/bin/sh").resolve(), caps="")
    install(configure(world, f"--prefix={world.top}/prefix", f"-Dsecure_path={tools}:/usr/bin", "-Dcapabilities=", *WRAPPER_ONLY))
    assert getcap(world.top / "prefix/bin/capwrap") == ""
    world.setcap("all=p", world.top / "prefix/bin/capwrap")
    script = world.script("show", "dash", 'echo "$PATH"; cat /proc/self/status\n',
                          wrapper=world.top / "prefix/bin/capwrap")
    result = world.run(script)
    assert result.text.startswith(f"{tools}:/usr/bin\n")
    (tools / "perl").write_bytes(b"")  # nobody may execute it: a program of that name further on is not taken for it
    denied = world.run(world.script("other", "perl", "", wrapper=world.top / "prefix/bin/capwrap"))
    assert denied.code == 126 and f"you may not execute {tools}/perl: permission denied" in denied.err, denied
    assert sets_in(result.text)["CapEff"] == bit("cap_net_raw")


ENTRIES = Path("/proc/sys/fs/binfmt_misc")


def made(entries: Path) -> list[Path]:
    """Those of the quickstart; other tests have their own."""
    return [entry for entry in (entries / "capwrap", entries / "capwrap-tab") if entry.exists()]


@pytest.fixture
def entries():
    """Leaves no entry behind, and no mount."""
    mounted = (ENTRIES / "register").exists()
    yield ENTRIES
    for entry in made(ENTRIES):
        entry.write_text("-1")
    if (ENTRIES / "register").exists() and not mounted:
        subprocess.run(["umount", ENTRIES], check=True)


@pytest.mark.parametrize("door", ["", "--kernel"] if THOROUGH else ["--kernel"])  # README's first command is the other
def test_quickstart(world, entries, door):
    """Twice from a clean checkout; then what it names to remove it all leaves nothing."""
    checkout = world.top / "checkout"
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", str(SOURCE), str(checkout)], check=True)
    prefix = world.top / "prefix"
    for _ in range(2):
        done = subprocess.run(["./examples/quickstart", *filter(None, [door])], cwd=checkout, capture_output=True, text=True,
                              env={**os.environ, "PREFIX": str(prefix)}, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done
        assert "capwrap works" in done.stdout.splitlines()[-1]
        assert getcap(prefix / "bin/capwrap").endswith("" if door else "=p\n")
    conf = prefix / ("lib/binfmt.d" if door else "share/capwrap") / "capwrap.conf"
    assert conf.read_text().count(f"::#!{prefix}/bin/capwrap\\x") == 2
    removal = re.findall(r"^    ((?:rm|ninja|echo -1) .*)$", done.stdout, re.M)
    assert len(removal) == (5 if door else 3)
    for command in removal:
        subprocess.run(command, shell=True, cwd=checkout, check=True)
    assert [path for path in prefix.rglob("*") if path.is_file()] == []
    assert made(entries) == []
    (checkout / "build").rmdir()
    status = subprocess.run(["git", "-c", "safe.directory=*", "status", "--porcelain", "--ignored"], cwd=checkout,
                            capture_output=True, text=True, check=True).stdout
    assert status == ""
