"""What is said of it: manual, help, completions, and the words for capabilities."""

import re
import shutil
import subprocess

import pytest
from kit import SOURCE, bit, complete, learn_files, rendered, section

MANUAL = rendered(SOURCE / "man/capwrap-learn.8")


@pytest.fixture(scope="module")
def help_text():
    (program,) = learn_files().glob("usr/local/sbin/capwrap-learn")
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


def test_options(help_text):
    """The same in help, manual and completions."""
    options = set(re.findall(r"(?<![a-z-])--[a-z][a-z-]*", help_text))
    assert len(options) == 10
    assert options == set(re.findall(r"(?<![a-z-])--[a-z][a-z-]*", MANUAL)) & options
    for file in ("capwrap-learn.bash", "_capwrap-learn"):
        text = (SOURCE / "src/learn" / file).read_text()
        assert all(option in text for option in options), file


def test_bash_completion():
    assert complete("learn", "capwrap-learn --up") == ["--up-only"]
    assert complete("learn", "capwrap-learn --user roo") == ["root"]
    assert "/etc/passwd" in complete("learn", "capwrap-learn --stdin /etc/passw")
    assert "setpriv" in complete("learn", "capwrap-learn setpri")


def test_zsh_completion():
    if not shutil.which("zsh"):
        pytest.skip("this machine has no zsh")
    assert subprocess.run(["zsh", "-n", SOURCE / "src/learn/_capwrap-learn"]).returncode == 0


def test_programs():
    """At least ten, each with a grant that there is."""
    listed = section(MANUAL, "EXAMPLES").partition("Programs of Debian")[2]
    grants = re.findall(r"cap_[a-z_,]+[a-z]", listed)
    assert len(grants) >= 10
    assert all(bit(grant) for grant in grants)


def test_words_have_one_source():
    """capwrap-check's, in the same order and number."""
    rows = re.findall(r'^MEANING\(\w+, (".*")\)$', (SOURCE / "src/check/meanings.h").read_text(), re.M)
    (tables,) = learn_files().glob("usr/local/share/capwrap/capwrap_learn/tables.py")
    known: dict = {}
    exec(tables.read_text(), known)
    assert list(known["MEANINGS"]) == list(range(41))
    assert list(known["MEANINGS"].values()) == [row.strip('"') for row in rows]
    assert {"openat", "bind", "mount"} <= set(known["CALLS"].values())


def test_all_modules_are_installed():
    there = {file.name for file in (SOURCE / "src/learn").glob("*.py")}
    installed = {file.name for file in learn_files().glob("usr/local/share/capwrap/capwrap_learn/*.py")}
    assert installed == there | {"tables.py"}
