"""The role of Ansible: run by ansible-playbook, as root, in a machine of the test's own."""

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit import BUILD, SOURCE, STATUS, USER, Grants, all_of, bit, four, grant, remove_tree

ROLES = SOURCE / "packaging/ansible"
ROLE = ROLES / "capwrap"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINE = "#!/usr/local/bin/capwrap python3\n"
SCAN = {"dest": "/usr/local/bin/scan", "src": "scan", "grant": "cap_net_raw"}
HUP = {"dest": "/usr/local/bin/hup", "template": "hup.j2", "grant": "cap_net_raw,cap_kill", "mode": "0750", "group": "staff",
       "sha256": True}


@dataclass
class Ran:
    code: int
    out: str
    changed: int

    @property
    def told(self) -> str:
        """What the task that grants has told, with its differences."""
        return self.out.partition("Install and grant the scripts] ")[2].lstrip("*\n").partition("\nPLAY RECAP")[0].strip()

    @property
    def failed(self) -> str:
        return json.loads(re.search(r"FAILED! => (\{.*\})", self.out)[1])["msg"]


class Fleet:
    """A machine, and a playbook for it."""

    def __init__(self, grants: Grants) -> None:
        self.grants, self.top = grants, grants.world.folder("play")
        for name in ("files", "templates", "ansible"):
            (self.top / name).mkdir()
        grants.put("usr/local/bin/capwrap-check", BUILD / "src/check/capwrap-check")
        self.file("scan", LINE + STATUS)
        self.file("hup.j2", LINE + "# {{ inventory_hostname }}\n" + STATUS, "templates")

    def file(self, name: str, text: str | bytes, place: str = "files") -> Path:
        file = self.top / place / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def write(self, *scripts: dict, **variables: object) -> Path:
        values = {"package": "", "scripts": scripts, **variables}
        return self.file("site.yml", json.dumps([{
            "hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["capwrap"],
            "vars": {f"capwrap_{name}": value for name, value in values.items()}}]), ".")

    def command(self, *argv: object) -> dict:
        environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
                       "ANSIBLE_CONFIG": f"{self.top}/none.cfg",
                       "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
                       "ANSIBLE_PIPELINING": "1", "ANSIBLE_HOME": f"{self.top}/ansible", "ANSIBLE_LOCAL_TEMP": f"{self.top}/ansible/local",
                       "ANSIBLE_REMOTE_TEMP": f"{self.top}/ansible/remote", "ANSIBLE_ROLES_PATH": str(ROLES)}
        return {"args": [*map(str, self.grants.command(*argv))], "env": environment, "cwd": self.top, "stdin": subprocess.DEVNULL}

    def run(self, playbook: Path, *options: str, code: int = 0) -> Ran:
        done = subprocess.run(**self.command("ansible-playbook", "--diff", *options, playbook), capture_output=True, text=True,
                              timeout=600, check=False)
        recap = re.search(r"^localhost .* changed=(\d+) ", done.stdout, re.M)
        ran = Ran(done.returncode, done.stdout + done.stderr, int(recap[1]) if recap else -1)
        assert ran.code == code, ran.out
        return ran

    def __call__(self, *scripts: dict, changed: int | None = None, code: int = 0, check: bool = False, **variables: object) -> Ran:
        ran = self.run(self.write(*scripts, **variables), *(["--check"] if check else []), code=code)
        assert changed in (None, ran.changed), ran.out
        return ran

    def work(self, *scripts: dict, changed: bool | None = None, fails: bool = False, check: bool = False, **more: object) -> dict:
        """The role's module alone, with the arguments that the role gives it, as Ansible calls it: many times faster."""
        contents = {script["dest"]: (self.top / ("files" if "src" in script else "templates") / script[
            "src" if "src" in script else "template"]).read_text() for script in scripts}
        values = {"name": "ansible", "scripts": scripts, "contents": contents, "_ansible_check_mode": check, "_ansible_diff": True,
                  "_ansible_remote_tmp": f"{self.top}/ansible", **more}
        arguments = self.file("args.json", json.dumps({"ANSIBLE_MODULE_ARGS": values}), "ansible")
        done = subprocess.run(**self.command("/usr/bin/python3", ROLE / "library/capwrap_grants.py", arguments), capture_output=True,
                              text=True, timeout=300, check=False)
        assert done.stdout.startswith("\n{") and done.stderr == "", done
        told = json.loads(done.stdout)
        assert done.returncode == fails == told.get("failed", False) and changed in (None, told.get("changed", False)), told
        return told

    def state(self) -> dict:
        """All that was made or changed in the machine, but for when it was read, and for what --check of packages leaves: apt has a log
        of what it would do, rpm the journal of its database."""
        assert not list(self.grants.at("var/tmp").glob("capwrap-edit-*/new")), "what was refused is left there"
        return {str(path): all_of(path) if path.is_file() else path.lstat().st_mtime_ns for path in self.grants.top.glob("upper*/**/*")
                if not path.is_symlink() and not re.search("/upper_var_(log|lib/rpm)", str(path))}

    def at(self, script: dict) -> Path:
        return self.grants.at(script["dest"].lstrip("/"))

    def shell(self, command: str) -> None:
        result = self.grants.run("sh", "-ec", command)
        assert result.code == 0, result

    def holds(self, script: dict, caps: str) -> bool:
        """A user runs it, and it has just that; or it is refused."""
        result = self.grants.run(script["dest"], uid=USER)
        if result.code == 0:
            assert four(result.sets) == grant(bit(caps)), result
        else:
            assert result.code == 125, result
        return result.code == 0


@pytest.fixture
def fleet(grants):
    return Fleet(grants)


# ---- A run, and another one

def test_second_run_changes_nothing(fleet):
    told = fleet(SCAN, HUP, changed=1)
    assert "+import sys" in told.told and "/etc/capwrap.d/ansible.conf" in told.told
    fleet.grants.runs(SCAN["dest"])
    st = fleet.at(HUP).stat()
    assert (st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o750, 0, 50)
    assert fleet.grants.run("setpriv", "--reuid", USER, "--regid", 50, "--clear-groups", "sh", "-c", HUP["dest"]).sets["CapEff"] == bit(
        "cap_net_raw,cap_kill")
    assert fleet.at(HUP).read_text().splitlines()[1] == "# localhost"
    rows = fleet.grants.status(0)
    assert {path: row["list"].partition(":")[0] for path, row in rows.items()} == dict.fromkeys(
        (SCAN["dest"], HUP["dest"]), "/etc/capwrap.d/ansible.conf")
    before = fleet.state()
    fleet(SCAN, HUP, changed=0)
    assert fleet.state() == before


def test_names_that_need_care(fleet):
    """Of scripts, and of what they hold: blanks, other alphabets, what looks like a template, no newline at the end."""
    script = {"dest": "/usr/local/bin/a #b \\c", "src": "d \u00fc", "grant": "NET_RAW"}
    fleet.file("d \u00fc", f"{LINE}{STATUS}# {{{{ \u00fc }}}} \\n")
    fleet(script, changed=1)
    fleet.grants.runs(script["dest"])
    assert fleet.at(script).read_bytes() == (fleet.top / "files/d \u00fc").read_bytes()
    fleet(script, changed=0)


# ---- What --check tells is what a run does

OTHER = {"dest": "/usr/local/bin/other", "src": "scan", "grant": "cap_kill"}
EVENTS = {
    "nothing was there": ("rm -r /etc/capwrap.d /usr/local/bin/scan /usr/local/bin/hup /var/lib/capwrap", {}),
    "script edited": ("echo '# mine' >>/usr/local/bin/scan", {}),
    "script of a hash edited": ("echo '# mine' >>/usr/local/bin/hup", {}),
    "script edited, grant kept": ("VISUAL='sed -i s/sys.stdout/sys.stderr/' capwrap-grant --edit /usr/local/bin/scan", {}),
    "another one turned over": ("printf '#!/usr/bin/python3\\n' >/usr/local/bin/scan", {}),
    "script removed": ("rm /usr/local/bin/scan", {}),
    "mode changed": ("chmod 700 /usr/local/bin/scan", {}),
    "group and others may write": ("chmod 777 /usr/local/bin/scan", {}),
    "owner changed": ("chown 1 /usr/local/bin/hup", {}),
    "grant lost": ("setcap -r /usr/local/bin/scan", {}),
    "grant raised": ("setcap cap_net_raw,cap_sys_admin=ip /usr/local/bin/scan", {}),
    "grant only inheritable": ("setcap cap_net_raw=i /usr/local/bin/scan", {}),
    "grant raised in the list": ("sed -i s/^cap_net_raw/cap_sys_admin,cap_net_raw/ /etc/capwrap.d/ansible.conf; capwrap-grant --apply", {}),
    "list broken": ("echo nonsense >>/etc/capwrap.d/ansible.conf", {}),
    "list removed, and applied": ("rm /etc/capwrap.d/ansible.conf; capwrap-grant --apply", {}),
    "list anybody's": ("chmod 666 /etc/capwrap.d/ansible.conf", {}),
    "ledger lost": ("rm -r /var/lib/capwrap; setcap -r /usr/local/bin/scan", {}),
    "script left": ("", {"scripts": [HUP]}),
    "script left, and goes": ("", {"scripts": [HUP], "unlisted": "remove"}),
    "another grant": ("", {"scripts": [{**SCAN, "grant": "cap_kill"}, HUP]}),
    "no hash any more": ("", {"scripts": [SCAN, {**HUP, "sha256": False}]}),
    "another list lost a grant": ("cp /usr/local/bin/scan /usr/local/bin/more; capwrap-grant cap_kill /usr/local/bin/more; "
                                  "setcap -r /usr/local/bin/more", {}),
}


@pytest.mark.parametrize("event", EVENTS)
def test_check_tells_the_truth(fleet, event):
    """And changes nothing; the run mends it, and the next one has nothing to do."""
    fleet.work(SCAN, HUP, changed=True)
    command, variables = EVENTS[event]
    fleet.shell(command)
    scripts = variables.get("scripts", [SCAN, HUP])
    more = {name: value for name, value in variables.items() if name != "scripts"}
    before = fleet.state()
    foretold = fleet.work(*scripts, check=True, changed=True, **more)
    assert fleet.state() == before
    done = fleet.work(*scripts, changed=True, **more)
    assert foretold["diff"] == done["diff"]
    for script in (SCAN, {**HUP, "mode": "0755"}):
        listed = next((wanted for wanted in scripts if wanted["dest"] == script["dest"]), None)
        if listed is None:
            assert fleet.at(script).exists() == (more.get("unlisted") != "remove")
            assert not fleet.at(script).exists() or not fleet.holds(script, "")
        elif script["dest"] == SCAN["dest"]:
            assert fleet.holds(script, listed["grant"])
            assert fleet.at(script).read_text() == LINE + STATUS
    fleet.work(*scripts, changed=False, **more)


def test_before_the_package_is_there(fleet):
    for name in ("bin/capwrap", "bin/capwrap-check", "sbin/capwrap-grant"):
        fleet.grants.at(f"usr/local/{name}").unlink()
    before = fleet.state()
    foretold = fleet.work(SCAN, HUP, check=True, changed=True)
    assert fleet.state() == before
    assert "capwrap-grant is not there; let capwrap_package name its package" in fleet.work(SCAN, fails=True, changed=False)["msg"]
    assert fleet.state() == before
    for name in ("bin/capwrap", "bin/capwrap-check", "sbin/capwrap-grant"):
        fleet.grants.put(f"usr/local/{name}", BUILD / "src" / Path(name).name.replace("capwrap-", "") / Path(name).name)
    fleet.grants.world.setcap("all=p", fleet.grants.wrapper)
    assert fleet.work(SCAN, HUP, changed=True)["diff"] == foretold["diff"]


def test_what_the_role_did_not_install_stays(fleet):
    """A line that somebody put into the list is taken out, and the file stays, whatever capwrap_unlisted says."""
    fleet.work(SCAN, changed=True)
    fleet.shell("cp /usr/local/bin/scan /usr/local/bin/mine; echo cap_kill /usr/local/bin/mine >>/etc/capwrap.d/ansible.conf; "
                "capwrap-grant --apply")
    mine = {"dest": "/usr/local/bin/mine"}
    assert fleet.holds(mine, "cap_kill")
    fleet.work(SCAN, changed=True, unlisted="remove")
    assert fleet.at(mine).exists() and not fleet.holds(mine, "")


def test_what_another_list_has_stays(fleet):
    fleet.work(SCAN, changed=True)
    fleet.grants.list("other.conf", f"cap_net_raw {SCAN['dest']}\n")
    fleet.work(changed=True, unlisted="remove")
    assert fleet.holds(SCAN, "cap_net_raw")
    fleet.work(changed=False, unlisted="remove")


def test_lists_of_two_plays(fleet):
    fleet.work(SCAN, changed=True)
    fleet.work(HUP, changed=True, name="more")
    fleet.work(SCAN, changed=False)
    assert fleet.holds(SCAN, "cap_net_raw") and len(fleet.grants.status(0)) == 2


# ---- What would be refused

NEW = {"dest": "/usr/local/bin/new", "src": "new", "grant": "cap_net_raw"}
REFUSED = {
    "no capwrap": ("#!/usr/bin/python3\n", {}, "", "the first line of new does not name capwrap; put #!/usr/bin/capwrap"),
    "interpreter": ("#!/usr/local/bin/capwrap fortune\n", {}, "", "interpreter fortune is not found; correct its name"),
    "unproven": ("#!/usr/local/bin/capwrap make -f\n", {}, "", "/usr/bin/make runs what its arguments name"),
    "line": ("#!/usr/local/bin/capwrap --frob python3\n", {}, "", "its first line has the unknown option --frob; use the options"),
    "account": ("#!/usr/local/bin/capwrap --user nobody-such python3\n", {}, "", "nobody-such"),
    "contain": ("#!/usr/local/bin/capwrap --contain python3\n", {}, "", "--contain needs an interpreter whose inheritable"),
    "owner": (LINE, {"owner": "daemon"}, "", "/usr/local/bin/new: not owned by root; chown root: /usr/local/bin/new"),
    "writable": (LINE, {"mode": "0775"}, "", "/usr/local/bin/new: writable by group or others; chmod go-w /usr/local/bin/new"),
    "directory": (LINE, {"dest": "/usr/local/share/new"}, "chmod 777 /usr/local/share",
                  "/usr/local/share is writable by group or others; chmod go-w /usr/local/share"),
    "no directory": (LINE, {"dest": "/usr/local/none/new"}, "", "its directory is not there; mkdir -p /usr/local/none"),
    "relative": (LINE, {"dest": "usr/local/bin/new"}, "", "it is no absolute path in its plain form; write /usr/local/bin/new"),
    "link": (LINE, {"dest": "/usr/local/bin/link"}, "ln -s scan /usr/local/bin/link", "it is a link; name what it leads to"),
    "hard link": (LINE, {"dest": "/usr/local/bin/z"}, "echo >/usr/local/bin/y; ln /usr/local/bin/y /usr/local/bin/z", "it has other names"),
    "capability": (LINE, {"grant": "cap_net_rwa"}, "", "there is no capability cap_net_rwa; is it cap_net_raw?"),
    "another list": (LINE, {}, f"echo cap_kill {NEW['dest']} >/etc/capwrap.d/x.conf", "has the same path, and says another grant"),
    "broken list": (LINE, {}, "echo frob >/etc/capwrap.d/x.conf", "/etc/capwrap.d/x.conf:1: there is no capability cap_frob"),
    "mode": (LINE, {"mode": 493}, "", "its mode is no text such as '0755'"),
    "no such group": (LINE, {"group": "nobody-such"}, "", "nobody-such"),
    "ceiling": (LINE, {}, "setcap cap_net_raw,cap_kill=p /usr/local/bin/capwrap", "cap_sys_time"),
    "twice": (LINE, {"dest": SCAN["dest"]}, "", "a dest stands there twice"),
}
# What --check can tell before it is tried.
FORETOLD = {"no capwrap", "interpreter", "unproven", "line", "account", "no directory", "link", "hard link", "relative", "broken list",
            "mode", "no such group", "twice"}


@pytest.mark.parametrize("fault", REFUSED)
def test_refused(fleet, fault):
    """The play fails with capwrap's own reason and fix. What was good stays as it was, though the same run has another script, another
    grant and one script less."""
    gone = {"dest": "/usr/local/bin/gone", "src": "scan", "grant": "cap_net_raw"}
    fleet.work(SCAN, HUP, gone, changed=True)
    content, more, command, said = REFUSED[fault]
    fleet.shell(command)
    fleet.file("new", content)
    fleet.file("scan", f"{LINE}# new\n{STATUS}")
    fleet.file("hup.j2", f"{LINE}# new\n{STATUS}", "templates")
    wanted = {**NEW, **more, **({"grant": "cap_sys_time"} if fault == "ceiling" else {})}
    before = fleet.state()
    checked = fleet.work({**SCAN, "grant": "cap_kill"}, wanted, HUP, check=True, fails=True if fault in FORETOLD else 0)
    assert fault not in FORETOLD or said in checked["msg"]
    assert fleet.state() == before
    ran = fleet.work({**SCAN, "grant": "cap_kill"}, wanted, HUP, unlisted="remove", fails=True, changed=False)
    assert said in ran["msg"], ran["msg"]
    assert ran["msg"].endswith(("\nNothing is changed.", "\nScripts and list are as before.")), ran["msg"]

    def seen(state):
        return {path: (file[0], *file[4:]) for path, file in state.items() if isinstance(file, tuple) and not path.endswith("/lock")}

    assert seen(fleet.state()) == seen(before)
    for script in (SCAN, gone) if fault != "broken list" else ():
        assert fleet.holds(script, "cap_net_raw")
    assert fleet.at(SCAN).read_text() == LINE + STATUS


def test_what_cannot_be_checked_fails_the_play(fleet):
    """Each run asks capwrap-check, also where there is nothing to do."""
    fleet.work(SCAN, changed=True)
    fleet.shell("setcap cap_kill=p /usr/local/bin/capwrap")
    for check in (True, False):
        assert "cap_net_raw" in fleet.work(SCAN, fails=True, changed=False, check=check)["msg"]
    fleet.shell("setcap all=p /usr/local/bin/capwrap; chmod g+w /usr/local/bin")
    failed = fleet.work(SCAN, fails=True, changed=False)["msg"]
    assert "/usr/local/bin is writable by group or others; chmod go-w /usr/local/bin" in failed


def test_other_lists_are_none_of_the_play(fleet):
    """What is wrong with a script of another list is told, and fails nothing."""
    fleet.grants.list("x.conf", "cap_kill /usr/local/bin/none\n")
    assert "/usr/local/bin/none: no such file" in str(fleet.work(SCAN, changed=True)["warnings"])
    fleet.work(SCAN, changed=False)


def test_never_a_moment_without(fleet):
    """Who runs a script while it is replaced gets the old one or the new one, each with its grant."""
    fleet.work(SCAN, changed=True)
    code = "while [ -e $0 ]; do /usr/local/bin/scan | grep -c 000002000$ || exit 1; done >$1"
    running, told = fleet.grants.world.folder("mine", uid=USER) / "running", fleet.grants.world.top / "mine/told"
    running.touch()
    users = subprocess.Popen([*map(str, fleet.grants.command("sh", "-c", code, running, told, uid=USER))])
    fleet.file("scan", f"{LINE}# new\n{STATUS}")
    fleet.work(SCAN, changed=True)
    time.sleep(0.5)
    running.unlink()
    assert users.wait() == 0
    assert set(told.read_text().split()) == {"4"} and "# new" in fleet.at(SCAN).read_text()


# ---- The package

class Packages(Grants):
    PLACES = (*Grants.PLACES, "/var/log", "/var/cache")


@pytest.fixture
def bare(world):
    """A machine without capwrap, and a package of it."""
    grants = Packages(world)
    fleet = Fleet(grants)
    tree = world.folder("tree")
    for place in ("bin/capwrap", "bin/capwrap-check", "sbin/capwrap-grant"):
        (tree / "usr/local" / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(grants.at(f"usr/local/{place}"), tree / "usr/local" / place)
    (tree / "DEBIAN").mkdir()
    control = ("Package: capwrap\nVersion: 0.1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n"
               "Description: capwrap, for a test\n")
    (tree / "DEBIAN/control").write_text(control)
    (tree / "DEBIAN/postinst").write_text("#!/bin/sh\nsetcap all=p /usr/local/bin/capwrap\n")
    (tree / "DEBIAN/postinst").chmod(0o755)
    deb = fleet.top / "files/capwrap_0.1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, deb], check=True, capture_output=True)
    yield fleet, deb, control
    grants.close()


def test_package_from_a_file(bare):
    fleet, deb, _ = bare
    before = fleet.state()
    assert fleet(SCAN, package=deb.name, check=True).changed == 2
    assert fleet.state() == before
    fleet(SCAN, package=deb.name, changed=3)
    fleet.grants.runs(SCAN["dest"])
    for check in (False, True):
        fleet(SCAN, package=deb.name, changed=0, check=check)
    fleet.shell("dpkg --purge capwrap")
    fleet(SCAN, package=deb.name, check=True)
    fleet(SCAN, package=deb.name)
    fleet.grants.runs(SCAN["dest"])


def test_package_by_its_name(bare):
    fleet, deb, control = bare
    repository = fleet.grants.world.folder("repository")
    shutil.copy(deb, repository)
    sha = subprocess.run(["sha256sum", deb], capture_output=True, text=True, check=True).stdout.split()[0]
    (repository / "Packages").write_text(f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {sha}\n")
    fleet.shell("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*; "
                f"echo deb [trusted=yes] file:{repository} ./ >/etc/apt/sources.list; apt-get -q update")
    before = fleet.state()
    fleet(SCAN, package="capwrap", check=True, changed=2)
    assert fleet.state() == before
    fleet(SCAN, package="capwrap", changed=2)
    fleet.grants.runs(SCAN["dest"])
    fleet(SCAN, package="capwrap", changed=0)


# ---- README.md, and the forms

README = (ROLE / "README.md").read_text() if (ROLE / "README.md").exists() else ""


def test_example(fleet):
    """README's playbook, to the letter but for the hosts."""
    blocks = dict(re.findall(r"^`?([\w./]+)`?:\n\n```\w*\n(.*?)^```", README, re.M | re.S))
    for name, text in blocks.items():
        (fleet.top / name).parent.mkdir(parents=True, exist_ok=True)
        (fleet.top / name).write_text(text.replace("/usr/bin/capwrap", "/usr/local/bin/capwrap"))
    playbook = fleet.top / "site.yml"
    text = playbook.read_text()
    assert "hosts: all\n" in text
    playbook.write_text(text.replace("hosts: all\n", "hosts: localhost\n  connection: local\n"))
    fleet.shell("groupadd --force monitoring")
    options = ("-e", "capwrap_package=")
    assert fleet.run(playbook, *options).changed == 1
    assert fleet.run(playbook, *options).changed == 0
    scripts = list(fleet.grants.status(0))
    assert len(scripts) == 2
    for script in scripts:
        result = fleet.grants.run("setpriv", f"--reuid={USER}", "--regid=monitoring", "--clear-groups", "sh", "-c", script)
        assert result.code == 0 and result.out, result


def test_variables_are_told():
    """In README.md, in the defaults and in the specification, with the same values."""
    yaml = pytest.importorskip("yaml")
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == defaults
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", README, re.M))
    assert set(table) == {*options, *options["capwrap_scripts"]["options"]}
    for name, option in {**options, **options["capwrap_scripts"]["options"]}.items():
        if option.get("default"):
            assert table[name] == f"`{option['default']}`".replace("True", "true"), name


def test_wrong_arguments(fleet):
    assert "grant" in fleet({"dest": "/usr/local/bin/scan", "src": "scan"}, code=2).failed
    assert "keep" in fleet(SCAN, unlisted="frob", code=2).failed


def test_lint(world):
    """As for content that others are to use."""
    shutil.copytree(ROLES, world.top / "roles")
    done = subprocess.run(["ansible-lint", "--offline", "--profile=production", "--strict", "--nocolor", "roles/capwrap"], cwd=world.top,
                          capture_output=True, text=True, env={**os.environ, "HOME": str(world.top), "PATH": PATH}, check=False)
    assert done.returncode == 0, done
    assert "Passed" in done.stderr and "production" in done.stderr, done


# ---- Why not the module that is there

def test_stock_module(fleet):
    """What README says of community.general.capabilities."""
    if subprocess.run(["ansible-doc", "-t", "module", "community.general.capabilities"], capture_output=True, check=False).returncode:
        pytest.skip("this machine has no community.general")
    fleet.shell("cp /usr/bin/true /usr/local/bin/a")

    def runs(capability: str) -> list[str]:
        words = ("ansible", "localhost", "-m", "community.general.capabilities", "-a", f"path=/usr/local/bin/a capability={capability}")
        return [re.search(r"SUCCESS|CHANGED|FAILED", subprocess.run(
            **fleet.command(*words), capture_output=True, text=True, check=False).stdout)[0] for _ in range(3)]

    assert runs("cap_net_raw=ip") == ["CHANGED", "SUCCESS", "SUCCESS"]
    assert runs("cap_net_raw,cap_kill=ip") == ["CHANGED", "CHANGED", "CHANGED"]
    assert runs("all=p") == ["CHANGED", "FAILED", "FAILED"]
