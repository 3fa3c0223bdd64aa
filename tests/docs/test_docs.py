"""The documentation: it is well-formed, it says what the program says, and its examples run."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from kit import BUILD, SOURCE, USER, WRAPPER, bit, rendered, section

PAGES = sorted((SOURCE / "man").glob("*.[1-8]"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_manual_is_clean(page):
    done = subprocess.run(["mandoc", "-Tlint", str(page)], capture_output=True, text=True)
    found = [line for line in (done.stdout + done.stderr).splitlines()
             if f"{page.name}:" in line and "referenced manual not found" not in line]
    assert found == []


def test_manual_lists_every_refusal(refusals):
    """Rules in their order, and under each its reasons and fixes, and nothing else."""
    words = {"%o": "FILE", "%e": "ERROR", "%g": "CAPABILITIES", "%u": "UID", "%p": "SCRIPT", "%w": "CAPWRAP"}

    def spelt(text: str) -> str:
        return re.sub("%[oegupw]", lambda hole: words[hole[0]], text)

    expected, rule = [], None
    for row in refusals.values():
        if row["rule"] != rule:
            rule = row["rule"]
            expected.append(rule)
        expected += [spelt(row["reason"]), spelt(row["fix"])]

    listed = section(rendered(SOURCE / "man/capwrap.1"), "DIAGNOSTICS").split("FILE is the file or the word", 1)[1]
    lines = [line.strip() for line in listed.splitlines()[1:] if line.strip()]
    assert lines == expected


def test_manual_lists_every_interpreter():
    """Each row of the table in its order, with its names, its options, what it needs and what it gets."""
    table = subprocess.run([BUILD / "tests/unit/interpreters"], capture_output=True, text=True, check=True).stdout
    listed = " ".join(section(rendered(SOURCE / "man/capwrap.1"), "INTERPRETERS").split())
    for row in table.splitlines():
        names, _, applet, options, last, needs, added, command, after, *_ = row.split("\t")
        letters, *words = options.split()
        wanted = [names.split()[0].rstrip("#"), applet, letters.rstrip("-"), *words, *needs.replace("|", " ").split(),
                  f"-{last}" if last else "", added, command, after]
        at = 0
        for word in wanted:
            spelt = word.replace(",", " ").replace("#", "N").replace("*", "...")
            at = listed.find(spelt, at)
            assert at >= 0, (names, spelt)
        listed = listed[at:]


def test_help_names_what_the_manual_names():
    text = subprocess.run([WRAPPER, "--help"], capture_output=True, text=True, check=True).stdout
    manual = rendered(SOURCE / "man/capwrap.1")
    for option in re.findall(r"--?[a-z-]+", text):
        assert option in manual or option == "-check", option


def test_manual_names_the_environment(world):
    """Every variable that a script gets is in the manual."""
    script = world.script("show", "env")
    manual = section(rendered(SOURCE / "man/capwrap.1"), "ENVIRONMENT")
    script = world.script("show", "sh", "env\n")
    for line in world.run(script, env={}).text.splitlines():
        name = line.split("=")[0]
        assert re.sub("_5_[234]$", "", name) in manual or name in ("PWD", "_"), name


def readme_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (SOURCE / "README.md").read_text(), re.M | re.S)


def in_prefix(text: str, world) -> str:
    """The same with another prefix, so that the machine's own is left alone."""
    return text.replace("/usr/local/bin/capwrap", str(world.wrapper)).replace("/usr/local", str(world.top / "local"))


def test_where_something_new_goes(refusals):
    """What CONTRIBUTING names is there; each rule has its tests by its name."""
    text = (SOURCE / "CONTRIBUTING.md").read_text().split("### Where something new goes\n")[1].split("\n## ")[0]
    assert text.count("\n| ") == 11
    for path in re.findall(r"`([a-z][^` ]+/[^` ]+)`", text):
        rules = {row["rule"] for row in refusals.values()} if path == "tests/rules/test_RULE.py" else ["path"]
        for name in rules:
            assert (SOURCE / path.replace("RULE", name).replace("CLASS", "files")).exists(), (path, name)


def test_readme_first_screen(world, learn):
    """Its three commands, in their order, for a script that reads what is not its caller's."""
    secret = world.top / "secret"
    secret.write_text("theirs")
    secret.chmod(0o600)
    script = learn.grants.at("usr/local/bin/backup")
    script.write_text(f"#!/bin/sh\ncat {secret}\n")
    script.chmod(0o755)
    commands = readme_blocks("sh")[0].splitlines()
    told = [learn.grants.run("sh", "-c", command, timeout=300) for command in commands]
    assert [result.code for result in told] == [0, 0, 0], told
    assert "capwrap-grant cap_dac_read_search /usr/local/bin/backup\n" in told[0].text
    assert told[2].text.startswith("/usr/local/bin/backup: runs\n")
    assert learn.grants.run("/usr/local/bin/backup", uid=USER).text == "theirs"


def test_readme_first_script(world, grants):
    """A newcomer's first script: saved, installed and run as the README says."""
    body, *_ = readme_blocks("python")
    (install,) = [block for block in readme_blocks("sh") if "pwage" in block]
    (world.top / "pwage").write_text(body)
    done = grants.run("sh", "-e", "-c", f"cd {world.top}\n{install}")
    assert (done.code, done.err) == (0, ""), done
    script, there = "/usr/local/bin/pwage", grants.at("usr/local/bin/pwage")
    assert f"`{there.read_text().splitlines()[0]}`" in (SOURCE / "README.md").read_text()
    result = grants.run(script, uid=USER)
    assert result.code == 0, result
    assert re.search(r"^\d{4}-\d\d-\d\d root$", result.text, re.M)
    alone = grants.run("/usr/bin/python3", script, uid=USER)
    assert alone.code == 1 and "PermissionError" in alone.err

    (said,) = re.findall(r"^capwrap: .*\n", (SOURCE / "README.md").read_text(), re.M)
    with there.open("a") as file:
        file.write("# edited\n")
    assert grants.run(script, uid=USER).err == said
    grants("--apply")
    assert grants.run(script, uid=USER).code == 0


def test_readme_capabilities_exist():
    """The table of usual grants names capabilities that there are."""
    grants = re.findall(r"\| `(cap_[a-z_,]+)` \|", (SOURCE / "README.md").read_text())
    assert len(grants) >= 6
    assert all(bit(grant) for grant in grants)


def test_manual_backup_example(world):
    """The example of capwrap(1), by a member of its group."""
    page = (SOURCE / "man/capwrap.1").read_text()
    body = re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.M | re.S)[1]
    install = re.findall(r"^\.Dl ((?:install|setcap) .*homes)$", page, re.M)
    assert len(install) == 2
    local = world.folder("local/sbin").parent
    secret = world.folder("home/alice", 0o700) / "secret"
    secret.write_text("hers")
    secret.chmod(0o600)
    group = 54321
    vault = world.folder("srv/backup", 0o770)
    vault.chmod(0o770)
    subprocess.run(["chgrp", str(group), str(vault)], check=True)

    def here(text: str) -> str:
        return (text.replace("/usr/bin/capwrap", str(world.wrapper)).replace("/usr/local", str(local))
                .replace('"/home"', f'"{world.top}/home"').replace('"/srv/', f'"{world.top}/srv/')
                .replace("-g backup", f"-g {group}"))

    (world.top / "homes").write_text(here(body))
    for command in install:
        subprocess.run(here(command), shell=True, cwd=world.top, check=True)
    with pytest.raises(PermissionError):
        world.run(local / "sbin/homes")
    result = world.run(local / "sbin/homes", gid=group)
    assert (result.code, result.err) == (0, ""), result
    assert (vault / "home/alice/secret").read_text() == "hers"


def test_manual_contain_example(world):
    """A copy of Python that hands the capability on permitted only."""
    page = (SOURCE / "man/capwrap.1").read_text()
    commands = re.findall(r"^\.Dl ((?:install|setcap) .*raw/python3)$", page, re.M)
    (line,) = re.findall(r"^\.Dl (#!.*raw/python3)$", page, re.M)
    world.folder("local/lib")
    for command in commands:
        subprocess.run(in_prefix(command, world), shell=True, check=True)
    line = in_prefix(line, world).replace("/usr/bin/capwrap", str(world.wrapper)) + "\n"
    script = world.script("show", line, "print(open('/proc/self/status').read())\n")
    sets = world.run(script).sets
    assert (sets["CapPrm"], sets["CapEff"], sets["CapAmb"]) == (bit("cap_net_raw"), 0, 0)


def console(grants, blocks: list[str], granted: bool = True) -> str:
    """Types what follows # as root and what follows $ as the user, and gives back commands and output. Under a
    /usr/local that nobody else sees, with capwrap and the README's first script."""
    body, *_ = readme_blocks("python")
    if granted:
        body = body.replace("#!/usr/bin/python3", "#!/usr/local/bin/capwrap python3")
    lines = [
        "set -e",
        "mount -t tmpfs -o mode=755 none /usr/local",
        "mkdir -m 755 /usr/local/bin /usr/local/sbin /usr/local/lib",
        f"install -m 755 {BUILD}/src/capwrap/capwrap /usr/local/bin/",
        f"install -m 755 {BUILD}/src/check/capwrap-check /usr/local/bin/",
        "setcap all=p /usr/local/bin/capwrap",
        f"printf %s {shlex.quote(body)} >/usr/local/bin/pwage",
        "chmod 755 /usr/local/bin/pwage",
        ("setcap cap_dac_read_search=i /usr/local/bin/pwage" if granted
         else f"install -m 755 {BUILD}/src/grant/capwrap-grant /usr/local/sbin/"),
        "PATH=/usr/local/sbin:$PATH",
    ]
    user = f"setpriv --reuid={USER} --regid={USER} --clear-groups env -i PATH=/usr/local/bin:/usr/bin:/bin "
    for line in "".join(blocks).splitlines():
        if line.startswith(("$ ", "# ")):
            lines += [f"echo {shlex.quote(line)}", user + line[2:] + " || true" if line[0] == "$" else line[2:]]
    done = grants.run("unshare", "-m", "bash", "-c", "\n".join(lines))
    assert (done.code, done.err) == (0, ""), done
    return done.text


def test_readme_check(grants):
    blocks = readme_blocks("console")
    assert len(blocks) == 2
    assert console(grants, blocks) == "".join(blocks)


def test_manual_grant_examples(grants):
    """What capwrap-grant(8) shows is what is printed, and its options are those of the help."""
    page = (SOURCE / "man/capwrap-grant.8").read_text()
    blocks = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", page, re.M | re.S)
    assert len(blocks) == 3
    assert console(grants, blocks, granted=False) == "".join(blocks)
    manual = rendered(SOURCE / "man/capwrap-grant.8")
    for option in re.findall(r"(?<![a-z])--?[a-zA-Z][a-z0-9-]*", grants("--help").text):
        assert option in manual or option in ("-h", "-V"), option


def test_manual_check_examples(grants):
    """What capwrap-check(8) shows is what is printed."""
    page = (SOURCE / "man/capwrap-check.8").read_text().replace("\\e", "\\")
    blocks = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", page, re.M | re.S)
    assert len(blocks) == 3
    assert console(grants, blocks) == "".join(blocks)


@pytest.mark.thorough
def test_readme_benchmark():
    """The command that measures what a start costs; here in fewer rounds, and whatever comes out."""
    (command,) = re.findall(r"meson test --benchmark -v -C build$", (SOURCE / "README.md").read_text(), re.M)
    words = [str(BUILD) if word == "build" else word for word in command.split()]
    done = subprocess.run([*words, "start", "--test-args=--rounds 100"], capture_output=True, text=True)
    assert done.returncode == 0, done
    assert re.search(r"capwrap adds [\d.]+ times what the floor adds", done.stdout), done
