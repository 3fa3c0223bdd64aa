"""Where interpreters look for code: never in the caller's home, current folder, /tmp or /dev/shm."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from kit import AWK, CLOSED, CSH, GUILE, LUA, NODE, NODE_IS_OPEN, PERL, PHP, PYTHON, R, RUBY, SHELL, TCL, USER, bit, sets_in

SED = "p\n"
EXPECT = "puts [read [open /proc/self/status]]\n"

# What each interpreter is tried with.
INTERPRETERS = {
    "python3": PYTHON,
    "python3 -I": PYTHON,
    "env python3": PYTHON,
    "perl": PERL,
    "ruby": RUBY,
    "bash": SHELL,
    "dash": SHELL,
    "zsh": SHELL,
    "--unproven tcsh": CSH,
    "node": NODE,
    "lua5.4": LUA,
    "tclsh": TCL,
    "gawk -E": AWK,
    "--unproven gawk -f": AWK,
    "mawk -f": AWK,
    "sed -nf": SED,
    "php": PHP,
    "guile": GUILE,
    "Rscript": R,
    "expect -f": EXPECT,
}

# Files that some interpreter reads where it finds them, and variables that name code or settings.
TRAPS = """
.Rprofile .Renviron .RData Rprofile.site .tclshrc .tcshrc .cshrc .login .bashrc .bash_profile .profile .zshrc .zshenv
.zprofile .kshrc .inputrc .irbrc .gemrc .rubocop.yml Gemfile .bundle/config .guile .perlrc .perldb .pythonrc.py
pyvenv.cfg sitecustomize.py usercustomize.py os.py sys.py site.py encodings/__init__.py python311.zip python3._pth
package.json node_modules/fs.js node_modules/x/index.js .noderc .npmrc php.ini php-cli.ini .user.ini init.lua
.expect.rc .sedrc .awkrc ifs.awk tclIndex init.tcl pkgIndex.tcl boot-9.scm ice-9/boot-9.scm strict.pm warnings.pm
rubygems.rb did_you_mean.rb .ld.so.preload libc.so.6 gconv-modules locale.alias
""".split()
NAMES = """
PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE PYTHONPYCACHEPREFIX PERL5LIB PERLLIB PERL5DB RUBYLIB GEM_HOME GEM_PATH
BUNDLE_GEMFILE BASH_ENV ENV ZDOTDIR FPATH CDPATH NODE_PATH LUA_PATH LUA_CPATH LUA_PATH_5_4 TCLLIBPATH TCL_LIBRARY AWKPATH
AWKLIBPATH PHPRC PHP_INI_SCAN_DIR GUILE_LOAD_PATH GUILE_LOAD_COMPILED_PATH GUILE_SYSTEM_PATH XDG_CONFIG_HOME XDG_CACHE_HOME
XDG_DATA_HOME R_HOME R_LIBS R_LIBS_USER R_LIBS_SITE R_PROFILE R_ENVIRON R_PROFILE_USER R_ENVIRON_USER R_DEFAULT_PACKAGES
EXPECT_LIBRARY LD_LIBRARY_PATH LOCPATH NLSPATH GCONV_PATH TERMINFO TERMINFO_DIRS INPUTRC TMPDIR TMP TEMP HOME
""".split()
OPENS = re.compile(r"^\d+ +(?:open|openat|execve)\((?:(?:AT_FDCWD|\d+)<(.*?)>, )?\"([^\"]*)\"", re.M)
OWN = ("/tmp/Rtmp",)  # R's own folder, which it makes for itself, and where it looks for nothing at its start


def closed(line: str) -> str:
    """node with what this one offers against its debugger."""
    if line != "node":
        return line
    if CLOSED is None:
        pytest.skip(NODE_IS_OPEN)
    return f"node {CLOSED}"


@pytest.fixture
def traps(world):
    """A folder of the caller's with every trap in it, each of which tells when it is run."""
    home = world.folder("home", uid=USER)
    for name in TRAPS:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("this is a trap\n")
    subprocess.run(["chown", "-R", str(USER), str(home)], check=True)
    return home


def looked_at(trace: str, home: Path) -> set[str]:
    """The files that were to be opened or run, below the places that are the caller's to fill."""
    paths = {os.path.normpath(os.path.join(folder or home, path)) for folder, path in OPENS.findall(trace) if path}
    return {path for path in paths if path.startswith((f"{home}/", "/tmp/", "/dev/shm/")) and not path.startswith(OWN)}


@pytest.mark.parametrize("locale", [
    "C.UTF-8", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("xx.ebcdic", "xx.UTF-16LE", "xx.IBM037")),
])
@pytest.mark.parametrize("line", INTERPRETERS)
def test_nothing_of_the_caller_s_is_looked_at(world, traps, line, locale):
    """Traced from the first call on: not even a name below those places is tried. Under some codesets an absolute path
    is the name of a file in the current folder."""
    grant = "cap_net_raw"
    script = world.script("tools/job", closed(line), INTERPRETERS[line])
    env = {name: str(traps) for name in NAMES} | {"PATH": f"{traps}:/usr/bin:/bin", "LANG": locale, "LC_CTYPE": locale}
    trace = world.top / "trace"
    # A tracer with CAP_SYS_PTRACE does not keep the wrapper from its capabilities.
    result = world.run(
        "strace", "-f", "-y", "-qq", "-s", "4096", "-e", "trace=open,openat,execve", "-o", trace,
        "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
        "env", "-i", *(f"{name}={value}" for name, value in env.items()), script, "/proc/self/status", uid=0, cwd=traps)
    assert result.code == 0, result
    if sets_in(result.text):
        assert sets_in(result.text)["CapEff"] == bit(grant)
    text = trace.read_text(errors="surrogateescape")
    _, _, after = text.partition(f'execve("{script}"')
    assert f'"{script}"' in after, text
    assert looked_at(after, traps) == set()


def test_the_traps_are_found_without_the_rule(world, traps):
    """The same look, at an interpreter that keeps the caller's environment, sees what it opens."""
    trace = world.top / "trace"
    env = ["env", "-i", f"PYTHONPATH={traps}", "PATH=/usr/bin:/bin"]
    world.run("strace", "-f", "-y", "-qq", "-e", "trace=openat,execve", "-o", trace, *env, "/usr/bin/python3", "-c", "0", uid=0,
              cwd=traps)
    assert f"{traps}/encodings/__init__.py" in looked_at(trace.read_text(), traps)
