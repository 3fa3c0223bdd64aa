"""The Python package as a release has it: an sdist from a clone, a wheel from the sdist, a virtual environment from the wheel."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from kit import SOURCE, USER, bit, remove_tree, sets_in

VERSION = re.search(r"version: '(.*)'", (SOURCE / "meson.build").read_text())[1]
# Every Python of the system's that the wheel may be for; `python3` is one of them.
PYTHONS = sorted(path for path in Path("/usr/bin").iterdir() if re.fullmatch(r"python3\.\d+", path.name))
# What lies about where somebody works; the first looks like the package of `python3 -m build`.
LEFTOVERS = ("build/meson-info/intro.json", ".hypothesis/examples/0", "src/python/__pycache__/backend.cpython-311.pyc", "dist/old.whl",
             "tests/notes", "src/python/_libcap.abi3.so")
WORKS = """
import sys
import capwrap
from capwrap import Caps, raised

assert capwrap.__file__.startswith(sys.prefix + "/"), capwrap.__file__
file = sys.argv[1]
Caps("cap_net_raw=i").apply(file)
print(capwrap.__version__, Caps.from_file(file), sep="\\n")
Caps.from_process().deactivate().terminate().apply()
with raised("cap_kill"):
    print(open("/proc/self/status").read())
"""


def run(*argv: object, **more) -> str:
    """By the user, in a network namespace that is empty; it has to succeed."""
    done = subprocess.run(["unshare", "--net", "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *map(str, argv)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}, **more)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def clone():
    """A clone that the user owns, in which somebody has worked."""
    top = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
    top.chmod(0o755)
    place = top / "clone"
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", str(SOURCE), str(place)], check=True)
    for leftover in LEFTOVERS:
        (place / leftover).parent.mkdir(parents=True, exist_ok=True)
        (place / leftover).write_text("left\n")
    subprocess.run(["chown", "-R", f"{USER}:{USER}", str(top)], check=True)
    yield place
    remove_tree(top)


@pytest.fixture(scope="module")
def release(clone) -> tuple[Path, Path]:
    """Both files, by the command that makes them."""
    run("/usr/bin/python3", "-m", "build", "--no-isolation", cwd=clone)
    (sdist,), (wheel,) = ((clone / "dist").glob(f"capwrap-{VERSION}{end}") for end in (".tar.gz", "-*.whl"))
    return sdist, wheel


def test_sdist(clone, release):
    """What is committed, to the last bit, and what a package index wants; nothing of what lies about."""
    sdist, top = release[0], f"capwrap-{VERSION}"
    assert sdist.name == f"{top}.tar.gz"
    committed = run("git", "ls-files", "-z", cwd=clone).rstrip("\0").split("\0")
    with tarfile.open(sdist) as archive:
        files = {member.name: member for member in archive if not member.isdir()}
        assert files.keys() == {f"{top}/{name}" for name in [*committed, "PKG-INFO"]}
        for name in committed:
            member = files[f"{top}/{name}"]
            assert archive.extractfile(member).read() == (clone / name).read_bytes(), name
            assert member.mode & 0o111 == (clone / name).stat().st_mode & 0o111, name
        assert f"\nVersion: {VERSION}\n" in archive.extractfile(files[f"{top}/PKG-INFO"]).read().decode()


def test_wheel(release):
    """For every Python from one on; without compiled code for just one, and without a program."""
    wheel = release[1]
    assert re.fullmatch(rf"capwrap-{VERSION}-cp3\d+-abi3-linux_{os.uname().machine}\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = {name.replace(".data/data/share/", ".data/data/") for name in archive.namelist()}  # as meson-python 0.12 has it
        assert names == {*(f"capwrap/{name}" for name in ("__init__.py", "_libcap.abi3.so", "_libcap.pyi", "py.typed")),
                         *(f"capwrap-{VERSION}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "LICENSE")),
                         f"capwrap-{VERSION}.data/data/man/man3/capwrap.3"}
        module = archive.extract("capwrap/_libcap.abi3.so", wheel.parent)
    told = subprocess.run(["readelf", "-Wd", module], capture_output=True, text=True, check=True).stdout
    shutil.rmtree(Path(module).parent)
    assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", told)) <= {"libcap.so.2", "libc.so.6"}


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.name)
def test_installed(clone, release, python):
    """In a virtual environment that is empty else, where root uses it for a file and for itself."""
    place = clone.parent / python.name
    run(python, "-m", "venv", "--without-pip", place)
    own = place / "bin/python"
    run("/usr/bin/python3", "-m", "pip", "--python", own, "install", "--no-index", "--no-cache-dir", release[1])
    file = clone.parent / "file"
    file.touch()
    os.chown(file, 0, 0)
    told = subprocess.run([own, "-I", "-c", WORKS, file], capture_output=True, text=True, check=True).stdout
    version, caps, status = told.split("\n", 2)
    assert (version, caps) == (VERSION, "cap_net_raw=i")
    assert sets_in(status)["CapEff"] == bit("cap_kill")
    getcap = subprocess.run(["getcap", file], capture_output=True, text=True, check=True).stdout
    assert getcap == f"{file} cap_net_raw=i\n"
    assert run(own, "-I", "-c", "import capwrap; print(capwrap.Caps.from_process())") == "=\n"
