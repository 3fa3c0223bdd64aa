"""The environment of a script: what is always set, and what is kept of the caller's."""

import json
import os

import pytest
from kit import BUILD, GENUINE, GRANT, REPORT, Seen, bit, executes, jobs

ENVIRONMENT = {
    "python path": ("PYTHONPATH", "", "python3"),
    "ruby options": ("RUBYOPT", "-revil", "ruby"),
    "lua start": ("LUA_INIT", "@evil.lua", "lua5.4"),
    "perl options": ("PERL5OPT", "-Mevil", "perl"),
    "bash start": ("BASH_ENV", "/evil.sh", "bash"),
}


@pytest.mark.parametrize("kind", ENVIRONMENT)
def test_effect_environment(world, attacker, kind):
    """Variables by which an interpreter loads code from the caller's folder."""
    name, value, line = ENVIRONMENT[kind]
    body = {"python3": GENUINE, "bash": "echo genuine"}.get(line, "print('genuine')")
    attacker.writes(attacker.home / "sitecustomize.py")
    attacker.writes(attacker.home / "evil.pm", f'system("{attacker.program}"); 1;\n')
    attacker.writes(attacker.home / "evil.rb", f'system("{attacker.program}")\n')
    attacker.writes(attacker.home / "evil.lua", f'os.execute("{attacker.program}")\n')
    attacker.writes(attacker.home / "evil.sh", f"{attacker.program}\n")
    value = value.replace("@", f"@{attacker.home}/")
    env = {"PATH": "/usr/bin", "PERL5LIB": str(attacker.home), "RUBYLIB": str(attacker.home),
           name: value if value[:1] in ("-", "@") else f"{attacker.home}{value}"}
    naive, script = jobs(world, line=line, body=body)
    won = world.run(naive, env=env)
    assert "attacker\n" in won.text and won.sets["CapEff"] & bit(GRANT), won
    attacker.mark.unlink()
    assert world.run(script, env=env).text.startswith("genuine")
    attacker.loses()


OPTIONS = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
FIXED = {
    "PATH": next(option["value"] for option in OPTIONS if option["name"] == "secure_path"),
    "HOME": "/dev/null",
    "SHELL": "/bin/sh",
    "PYTHONSAFEPATH": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GUILE_AUTO_COMPILE": "0",
    "R_PROFILE_USER": "/dev/null",
    "R_ENVIRON_USER": "/dev/null",
    "AWKPATH": "/usr/local/share/awk:/usr/share/awk",
    "DOTNET_EnableDiagnostics": "0",
    "NODE_DISABLE_COMPILE_CACHE": "1",
    "CLASSPATH": "/dev/null/none",
    "PERL5OPT": "-M-strict;BEGIN{$Net::Config::CONFIGURE=$Net::Config::CONFIGURE=1}",
    "JAVA_TOOL_OPTIONS": "-XX:+DisableAttachMechanism -XX:-UsePerfData -Duser.home=/dev/null",
    "PAGER": "cat",
    "MANPAGER": "cat",
    "GIT_PAGER": "cat",
    "SYSTEMD_PAGER": "cat",
    "LESSSECURE": "1",
}
LUA = {f"LUA_{kind}{version}" for kind in ("PATH", "CPATH") for version in ("", "_5_2", "_5_3", "_5_4")}


def beyond_fixed(seen: Seen) -> dict[str, str]:
    """What a script's environment has besides what is always set, which it checks."""
    variables = dict(seen.variables)
    assert variables.pop("PYTHONPATH") == os.path.dirname(next(word for word in seen.argv if word.endswith("/report")))
    for name in LUA:
        assert all(part.startswith("/usr/") for part in variables.pop(name).split(";"))
    assert {name: variables.pop(name) for name in FIXED} == FIXED
    return variables


def test_empty_environment(report):
    """Through `env -i`: only what is always set."""
    assert beyond_fixed(report(command=("env", "-i"))) == {}


def test_set_values_are_the_wrapper_s(report):
    assert beyond_fixed(report(env=dict.fromkeys([*FIXED, *LUA], "/tmp/evil"))) == {}


@pytest.mark.parametrize(("name", "value"), [
    ("TERM", "xterm-256color"), ("TERM", ""), ("COLORTERM", "truecolor"), ("NO_COLOR", ""), ("NO_COLOR", "1"),
    ("LANG", "de_DE.UTF-8@euro"), ("LANG", "C"), ("LC_ALL", "C.UTF-8"),
    ("LANG", ""), ("LANG", "de_DE.ISO-8859-1"), ("TERM", "x" * 255), ("LC_CTYPE", "sr_RS@latin"),
    ("LC_TIME", "en_GB"), ("LC_IDENTIFICATION", "C"), ("TZ", "UTC"), ("TZ", "Europe/Berlin"), ("TZ", "CET-1CEST"),
    ("TZ", "America/Argentina/Buenos_Aires"), ("TZ", "Etc/GMT+3"),
])
def test_sane_value_is_kept(report, name, value):
    assert beyond_fixed(report(env={name: value})) == {name: value}


@pytest.mark.parametrize(("name", "value"), [
    ("TERM", "../evil"), ("TERM", "a/b"), ("TERM", "a b"), ("TERM", "x\x1b[2J"), ("COLORTERM", "$(id)"),
    ("NO_COLOR", "\n"), ("COLUMNS", "80"), ("LINES", "24"), ("LANG", "/tmp/evil"), ("LANG", "C:/tmp"),
    ("LANG", "xx.ebcdic"), ("LC_ALL", "ebcdic"), ("LC_CTYPE", "de_DE.UTF-16LE"), ("LC_MESSAGES", "C.IBM037"),
    ("LANG", "de_DE.UTF-8@a.ebcdic"), ("LANG", "%n"), ("LANG", b"\xff"), ("LC_ALL", "../../tmp"),
    ("LC_MESSAGES", "é"), ("LC_a-b", "C"), ("TERM", "x" * 256), ("LANG", "C.UTF-8@" + "x" * 248),
    ("TZ", "/etc/shadow"), ("TZ", ":UTC"), ("TZ", ":/etc/shadow"), ("TZ", "../../etc/shadow"), ("TZ", "Europe/../x"),
    ("TZ", "Europe/.."), ("TZ", "U T C"), ("TZ", "UTC\n"),
])
def test_other_value_is_dropped(report, name, value):
    assert beyond_fixed(report(env={name: value})) == {}


OTHERS = [
    "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PERL5LIB", "PERL5OPT", "RUBYOPT", "RUBYLIB", "NODE_OPTIONS",
    "NODE_PATH", "BASH_ENV", "ENV", "BASH_FUNC_ls%%", "LUA_INIT", "TCLLIBPATH", "PHPRC", "PHP_INI_SCAN_DIR",
    "GUILE_LOAD_PATH", "R_LIBS", "R_HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "GCONV_PATH",
    "LOCPATH", "NLSPATH", "TZDIR", "TMPDIR", "IFS", "CDPATH", "PS4", "SHELLOPTS", "USER", "LOGNAME", "MAIL", "EDITOR",
    "LANGUAGE", "TERMINFO", "TERMCAP", "RSYNC_RSH", "ZDOTDIR", "LC", "lang", "TERM2", "http_proxy", "CAPWRAP",
]


def test_other_name_is_dropped(report):
    """With a value that any kept name could have."""
    assert beyond_fixed(report(env=dict.fromkeys(OTHERS, "C"))) == {}


VALUE = b"any \n value: $(id) /../ \xff %n ="


@pytest.mark.parametrize(("line", "kept"), [
    ("--env FOO python3", ["FOO"]),
    ("-e FOO python3", ["FOO"]),
    ("--env=FOO python3", ["FOO"]),
    ("--env FOO,_b2 python3", ["FOO", "_b2"]),
    ("--env=FOO,_b2 -n python3", ["FOO", "_b2"]),
    ("-e FOO -n -e _b2 python3", ["FOO", "_b2"]),
    ("-e TZ,LANG python3", ["TZ", "LANG"]),
])
def test_env_keeps_verbatim(report, line, kept):
    """Whatever the value; and nothing but those names."""
    given = {name: VALUE for name in ("FOO", "_b2", "FOOL", "FO", "TZ", "LANG")}
    assert beyond_fixed(report(line, env=given)) == {name: VALUE.decode("latin-1") for name in kept}


@pytest.mark.parametrize("name", ["PATH", "HOME", "PYTHONNOUSERSITE", "LUA_PATH"])
def test_env_wins_over_set_values(report, name):
    line = f"--env {name} /usr/bin/python3 -S"
    assert report(line, env={name: "/tmp/of the caller"}).variables[name] == "/tmp/of the caller"
    assert beyond_fixed(report(line, env={})) == {}


@pytest.mark.parametrize("name", ["PATHX", "HOMEPAGE", "SHELLS", "LUA_PATHS", "PYTHONPATHS", "PAT", "HOM"])
def test_env_of_a_name_that_is_like_another(report, name):
    """It does not stand for what is always set."""
    assert beyond_fixed(report(f"--env {name} python3", env={name: "x"})) == {name: "x"}


@pytest.mark.parametrize(("given", "kept"), [
    ([b"FOO=1", b"FOO=2"], {"FOO": "1"}),
    ([b"TERM=a", b"TERM=b"], {"TERM": "a"}),
    ([b"TZ=/etc/shadow", b"TZ=UTC", b"TZ=CET"], {"TZ": "UTC"}),
    ([b"PATH=/tmp/1", b"PATH=/tmp/2"], {}),
    ([b"LC_ALL=C"] * 300, {"LC_ALL": "C"}),
    ([b"FOO", b"", b"=", b"=x", b"TERM", b"PATH", b"LANG", b"HOME", b"LC_"], {}),
    ([b"FOO", b"FOO=", b"FOO=x"], {"FOO": ""}),
], ids=lambda value: repr(value)[:40])
def test_odd_environment(world, given, kept):
    """Names twice, entries without a name or a value: each name comes once, what is malformed not at all."""
    script = world.script("report", "--env FOO python3", REPORT)
    result = world.run("false", preexec_fn=executes(script, program=script, environment=given))
    assert beyond_fixed(Seen(result)) == kept


@pytest.mark.parametrize("name", ["X{}", "LC_{}", "LD_{}"])
def test_twenty_thousand_variables(report, name):
    """Whatever comes through of them, what is set is set."""
    kept = beyond_fixed(report(env={name.format(number): "C" for number in range(20_000)}))
    assert len(kept) < 256 and all(entry.startswith("LC_") for entry in kept)


def test_child_has_the_same_environment(report):
    seen = report("--env FOO python3", env={"FOO": "1", "LANG": "C.UTF-8", "PYTHONPATH": "/tmp", "PATH": "/tmp"})
    assert sorted(seen.child) == sorted(seen.environment)
