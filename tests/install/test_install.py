"""Installation: what `meson install` does as root, as a user and into a DESTDIR; and the quickstart."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from kit import AS_USER, SOURCE, STATUS, USER, WRAPPER, bit, mount, sets_in


def getcap(path: Path) -> str:
    return subprocess.run(["getcap", str(path)], capture_output=True, text=True, check=True).stdout


# What a test of the wrapper alone does not need.
WRAPPER_ONLY = ("-Dpython=disabled", "-Dgrant=disabled")


def configure(world, *options: str, compiler: str = "gcc") -> Path:
    """From a copy that every user can read: a clone may lie in a home that is root's alone."""
    build, source = world.top / "build", world.top / "source"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
    subprocess.run(["meson", "setup", str(build), str(source), "-Dtests=false", *options], check=True,
                   capture_output=True, env={**os.environ, "CC": compiler})
    return build


def install(build: Path, **more) -> str:
    done = subprocess.run(["meson", "install", "-C", str(build)], capture_output=True, text=True, **more)
    assert done.returncode == 0, done
    return done.stdout


def test_as_root_into_destdir_and_as_user(world):
    """As root the ceiling is set, also by a second install, and a script runs below it. The other programs have nothing. Otherwise
    setcap is not run; the command is printed, with the path that the wrapper will have."""
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
    for user in (0, USER):
        stage = world.folder(f"stage-{user}", uid=user)
        subprocess.run(["chown", "-R", str(user), str(build)], check=True)
        out = install(build, env={**os.environ, "DESTDIR": str(stage), "HOME": "/nonexistent"}, user=user)
        assert f"setcap cap_net_raw,cap_kill=p {wrapper}" in out
        assert "capwrap: done" not in out
        assert getcap(Path(f"{stage}{wrapper}")) == ""


def script(name: str, *words: object, **more) -> subprocess.CompletedProcess:
    """Runs what `meson install` runs, as that does."""
    return subprocess.run([SOURCE / "src/capwrap" / name, *map(str, words)], capture_output=True, text=True, **more)


RUNS = """
while [ ! -e end ]; do "$1" >>runs 2>>refused || echo refused >>refused; done
"""


def test_again_while_scripts_run(world):
    """Another wrapper comes into its place: no run is refused, and what was there keeps no capabilities, for whoever has it open
    or linked; neither does what an installation has left that was killed."""
    wrapper, link = world.top / "bin/capwrap", world.top / "link"
    assert script("install", WRAPPER, "setcap", "all=p", wrapper).returncode == 0
    show = world.script("show", "dash", "cat /proc/self/status\n", wrapper=wrapper)
    place = world.folder("mine", uid=USER)
    os.link(wrapper, link)
    left = [world.program(f"bin/capwrap.arm-{name}", wrapper) for name in ("new", "old")]
    held = [path.open("rb") for path in (link, *left)]
    with subprocess.Popen([*AS_USER, "sh", "-c", RUNS, "sh", show], cwd=place) as runs:
        for _ in range(10):
            assert script("install", WRAPPER, "setcap", "all=p", wrapper).returncode == 0
        (place / "end").touch()
        runs.wait()
    assert [os.listxattr(file.fileno()) for file in held] == [[], [], []] and not os.path.samefile(wrapper, link)
    for file in held:
        file.close()
    assert os.listdir(wrapper.parent) == ["capwrap"] and getcap(wrapper).endswith("=p\n")
    assert (place / "refused").read_text() == ""
    effective = re.findall(r"CapEff:\t(\w+)", (place / "runs").read_text())
    assert len(effective) > 50 and {int(value, 16) for value in effective} == {bit("cap_net_raw")}


def test_removed(world):
    """It goes, with what one has left that was killed, and whoever has it open has no capabilities with it."""
    world.folder("bin")
    wrappers = [world.program(f"bin/capwrap{ending}", WRAPPER) for ending in ("", ".arm-new", ".arm-old")]
    held = [wrapper.open("rb") for wrapper in wrappers]
    for _ in range(2):
        done = script("arm", "-r", wrappers[0])
        assert (done.returncode, done.stderr, os.listdir(wrappers[0].parent)) == (0, "", [])
    for file in held:
        assert os.listxattr(file.fileno()) == []
        file.close()


@pytest.mark.parametrize("step", ["cp", "chmod", "setcap", "sync", "ln", "mv", "chown"])
def test_a_step_that_fails(world, step):
    """There is a wrapper with its capabilities, the old one, or where just setcap failed a new one without; and the next time mends it."""
    wrapper = world.program("bin/capwrap", WRAPPER) if world.folder("bin") else None
    tools = world.folder("tools")
    (tools / step).write_text("#!/bin/sh\nexit 1\n")
    (tools / step).chmod(0o755)
    done = script("arm", WRAPPER, wrapper, "all=p", env={"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == (2 if step == "setcap" else 1), done
    assert getcap(wrapper).endswith("" if step == "setcap" else "=p\n")
    assert script("arm", WRAPPER, wrapper, "cap_kill=p").returncode == 0
    assert getcap(wrapper).endswith("cap_kill=p\n") and os.listdir(wrapper.parent) == ["capwrap"]


def test_where_setcap_cannot(world):
    """A file system without attributes: it is installed, and what is to be done is said."""
    place = world.folder("bin")
    mount("-t", "ramfs", "ramfs", place)
    done = script("arm", WRAPPER, place / "capwrap", "all=p")
    assert done.returncode == 2 and done.stderr.endswith(f"as root:\n    setcap all=p {place}/capwrap\n"), done
    assert (place / "capwrap").stat().st_mode & 0o7777 == 0o755 and getcap(place / "capwrap") == ""
    assert script("install", WRAPPER, "setcap", "all=p", place / "capwrap").returncode == 0


def test_under_fakeroot(world):
    """The ceiling is the pretended file's, and tar takes it along."""
    stage = world.folder("stage", uid=USER)
    command = f"{SOURCE}/src/capwrap/install {WRAPPER} setcap all=p /usr/bin/capwrap && tar --xattrs --xattrs-include='*' -cf tar usr"
    done = subprocess.run(["fakeroot", "sh", "-c", command], cwd=stage, env={**os.environ, "DESTDIR": str(stage)})
    assert done.returncode == 0
    assert getcap(stage / "usr/bin/capwrap") == ""
    subprocess.run(["tar", "-C", world.top, "--xattrs", "--xattrs-include=*", "-xf", stage / "tar"], check=True)
    assert getcap(world.top / "usr/bin/capwrap").endswith("=p\n")


@pytest.mark.thorough
@pytest.mark.parametrize(("compiler", "libc"), [
    ("gcc", "shared"), ("gcc", "none"), ("gcc", "static"), ("clang", "none"),
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


@pytest.mark.thorough
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


@pytest.mark.thorough
@pytest.mark.parametrize("door", ["", "--kernel"])
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
