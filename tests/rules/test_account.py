"""Rule account: a script that runs as a user of its own."""

import json
import os
import subprocess

import pytest
from kit import (
    ACCOUNT,
    BUILD,
    CHECK,
    GENUINE,
    GRANT,
    OTHER,
    REPORT,
    SETS,
    USER,
    Accounts,
    Seen,
    acl,
    bit,
    bounding,
    fix_of,
    four,
    genuine,
    grant,
    interpreter,
    mend,
    sets_in,
)

GROUPS = [ACCOUNT + 1, ACCOUNT + 2]  # those of acct


def ids(status: str) -> dict[str, list[int]]:
    """Real, effective, saved and file system ids, and the groups."""
    return {name: [int(word) for word in line.split()] for name, _, line in (
        row.partition(":\t") for row in status.splitlines()) if name in ("Uid", "Gid", "Groups")}


def taken(uid: int = ACCOUNT, gid: int = ACCOUNT, groups: tuple | list = ()) -> dict[str, list[int]]:
    return {"Uid": [uid] * 4, "Gid": [gid] * 4, "Groups": sorted(groups)}


def predicted(accounts: Accounts, script, uid: int = USER, cwd="/") -> dict:
    """What capwrap-check says, as that user."""
    done = accounts.run(CHECK, "--json", script, uid=uid, cwd=cwd)
    return json.loads(done.out)[0]


@pytest.mark.parametrize("caller", [USER, 0, ACCOUNT], ids=["user", "root", "itself"])
@pytest.mark.parametrize(("word", "wanted"), [
    ("--user acct", taken(groups=GROUPS)),
    ("-u acct", taken(groups=GROUPS)),
    (f"--user={ACCOUNT}", taken()),
    (f"-u {OTHER}:{OTHER + 7}", taken(OTHER, OTHER + 7)),
])
def test_account(world, accounts, caller, word, wanted):
    """All ids, no groups of the caller's, and of the capabilities nothing but the grant."""
    script = world.script("job", f"{word} python3", REPORT)
    groups = ["setpriv", "--groups", f"0,{OTHER + 9},{USER}", "--"] if not caller else []
    seen = Seen(accounts.run(*groups, script, uid=caller))
    assert ids(seen.status) == wanted
    assert four(sets_in(seen.status)) == grant(bit(GRANT))
    assert seen.securebits == 0 and seen.umask == 0o022 and seen.core == [1, 1]
    numbers = word.split()[1] if ":" in word else None
    named = dict.fromkeys(("USER", "LOGNAME"), numbers or "acct") | {"HOME": "/dev/null" if numbers else "/nonexistent"}
    assert {name: seen.variables.get(name) for name in ("HOME", "USER", "LOGNAME")} == named
    said = predicted(accounts, script, caller)
    assert said["verdict"] == "runs"
    assert said["account"] == {"name": None if numbers else "acct", "uid": wanted["Uid"][0], "gid": wanted["Gid"][0],
                               "groups": wanted["Groups"]}


def test_account_caps_of_its_own(world, accounts):
    """Those two that the wrapper takes stay where they are granted, and only there."""
    for caps in (GRANT, f"{GRANT},cap_setuid", "cap_setgid"):
        script = world.script("job", "--user acct python3", GENUINE, f"{caps}=i")
        genuine(accounts.run(script), caps)
    back = world.script("back", "--user acct python3", f"import os\nos.setresuid({USER}, {USER}, {USER})\n")
    assert "Operation not permitted" in accounts.run(back).err
    assert "Operation not permitted" in accounts.run(back, uid=0).err


@pytest.mark.parametrize("caller", [USER, 0], ids=["user", "root"])
def test_account_contained(world, accounts, caller):
    tool = interpreter(world, caps=f"{GRANT}=i")
    script = world.script("job", f"--user acct --contain {tool}", GENUINE)
    result = accounts.run(script, uid=caller)
    assert ids(result.text) == taken(groups=GROUPS)
    assert [result.sets[name] for name in SETS] == [bit(GRANT), bit(GRANT), 0, 0]


@pytest.mark.parametrize("caller", [USER, 0], ids=["user", "root"])
def test_account_no_new_privs(world, accounts, caller):
    script = world.script("job", "-n -u acct python3", GENUINE)
    result = accounts.run(script, uid=caller)
    assert ids(result.text) == taken(groups=GROUPS) and "NoNewPrivs:\t1" in result.text
    genuine(result)


@pytest.mark.parametrize(("word", "reason"), [
    ("root", "ACCOUNT_ROOT"),
    ("0", "ACCOUNT_ROOT"),
    ("00", "ACCOUNT_ROOT"),
    ("0:5", "ACCOUNT_ROOT"),
    ("toor", "ACCOUNT_ROOT"),
    (f"{OTHER}:0", "ACCOUNT_GROUP"),
    ("4294967295", "ACCOUNT_RANGE"),
    (f"{OTHER}:4294967295", "ACCOUNT_RANGE"),
    ("4294967296", "ACCOUNT_RANGE"),
    ("-1", "ACCOUNT_RANGE"),
    ("acct:acct", "ACCOUNT_WORD"),
    ("-n", "ACCOUNT_WORD"),
    ("+", "ACCOUNT_RANGE"),
    ("nobody-knows", "ACCOUNT_UNKNOWN"),
    (f"{OTHER}", "ACCOUNT_UNKNOWN"),
    ("acc", "ACCOUNT_UNKNOWN"),
    ("broken", "ACCOUNT_BROKEN"),
])
def test_account_words(world, accounts, refused, word, reason):
    with accounts.passwd.open("a") as file:
        file.write(f"toor:x:0:0::/:\nbroken:x:{OTHER}\n")
    script = world.script("job", f"--user {word} python3", GENUINE)
    for caller in (USER, 0):
        result = accounts.run(script, uid=caller)
        refused(result, reason, script)
        said = predicted(accounts, script, caller)
        assert said["rule"] == "account" and said["reason"] in result.err


def test_account_missing_word(world, accounts, refused):
    refused(accounts.run(world.script("job", "--user= python3", GENUINE)), "ACCOUNT_WORD", world.top / "job")
    refused(accounts.run(world.script("job", "--user", GENUINE)), "LINE_INTERPRETER", world.top / "job")


def test_account_group_of_its_own(world, accounts):
    """Root's group, where the account has it."""
    accounts.passwd.write_text(f"acct:x:{ACCOUNT}:0::/nonexistent:\n")
    result = accounts.run(world.script("job", "--user acct python3", GENUINE))
    assert ids(result.text) == taken(gid=0, groups=GROUPS)


def test_account_files(world, accounts, refused):
    """Who can write to the two files can be any account: they are trusted as the script is, or not read."""
    script = world.script("job", "--user acct python3", GENUINE)
    genuine(accounts.run(script))
    for file in (accounts.passwd, accounts.group):
        text = file.read_text()
        for spoil, mend_it, reason in (
            (lambda: os.chown(file, OTHER, 0), None, "ACCOUNT_OWNER"),
            (lambda: file.chmod(0o664), None, "ACCOUNT_WRITABLE"),
            (lambda: acl(file, f"u:{OTHER}:rw"), None, "ACCOUNT_WRITABLE"),
            (lambda: file.chmod(0o600), lambda: file.chmod(0o644), "ACCOUNT_STEP"),
            (lambda: os.truncate(file, 17 << 20), lambda: file.write_text(text), "ACCOUNT_STEP"),
        ):
            spoil()
            result = accounts.run(script)
            refused(result, reason, script)
            assert f"account: /etc/{file.name}" in result.err
            assert predicted(accounts, script)["reason"] in result.err
            if mend_it:
                mend_it()
            else:
                accounts.paste(result)
            genuine(accounts.run(script))
    accounts.mount("--bind", "/dev/zero", "/etc/passwd")
    refused(accounts.run(script), "ACCOUNT_WRITABLE", script)


def test_account_files_without_them(world, accounts, refused):
    """Numbers need no file; a name needs both. On a mount with nosuid owners mean nothing."""
    number = world.script("number", f"--user {ACCOUNT}:{ACCOUNT} python3", GENUINE)
    name = world.script("name", "--user acct python3", GENUINE)
    accounts.mount("-t", "tmpfs", "-o", "mode=755,nosuid", "tmpfs", "/etc")
    genuine(accounts.run(number))
    refused(accounts.run(name), "ACCOUNT_NOSUID", name)
    accounts.paste(accounts.run(name))
    result = accounts.run(name)
    refused(result, "ACCOUNT_STEP", name)
    assert "/etc/passwd: no such file" in result.err


# To the caller; by the last the caller's group alone is kept out.
CLOSED = {"closed": 0o700, "closed, but not to a group": 0o710, "closed, but not to some": 0o701}


@pytest.mark.parametrize(("kind", "trusted"), [
    ("its own", True), ("root's", True), ("of others", False), ("for others to write", False), ("not there", True),
    ("not there in a sticky directory", False), ("in a directory of others", False), ("in a directory of its own", True),
    ("a device", True), ("by a link", True), ("by a link of others", False), ("closed", True),
    ("closed, but not to a group", False), ("closed, but not to some", False), ("sticky", False),
    ("further below a sticky directory", False),
])
def test_account_home(world, accounts, refused, kind, trusted):
    """Whoever can write there steers what the script starts: R and node, that read code from HOME."""
    home = world.top / "home/acct"
    if kind == "its own":
        world.folder("home/acct", uid=ACCOUNT)
    elif kind == "root's":
        world.folder("home/acct")
    elif kind == "of others":
        world.folder("home/acct", uid=USER)
    elif kind == "for others to write":
        world.folder("home/acct", 0o777, uid=ACCOUNT)
    elif kind == "not there in a sticky directory":
        world.folder("home", 0o1777)
    elif kind == "further below a sticky directory":
        world.folder("home", 0o1777)
        home = home / "not/there"
    elif kind == "in a directory of others":
        world.folder("home", uid=USER)
        world.folder("home/acct", uid=ACCOUNT)
    elif kind == "in a directory of its own":
        world.folder("home", uid=ACCOUNT)
        world.folder("home/acct", uid=ACCOUNT)
    elif kind == "a device":
        home = "/dev/null"
    elif kind in ("by a link", "by a link of others"):
        world.folder("real", uid=ACCOUNT)
        world.folder("home")
        home.symlink_to(world.top / "real")
        os.chown(home, USER if "others" in kind else 0, 0, follow_symlinks=False)
    elif kind in CLOSED:
        world.folder("home", CLOSED[kind])
        world.folder("home/acct", uid=ACCOUNT)
        os.chown(home.parent, 0, USER if kind.endswith("some") else 0)
    elif kind == "sticky":
        world.folder("home/acct", 0o1777)
    accounts.passwd.write_text(f"acct:x:{ACCOUNT}:{ACCOUNT}::{home}:\n")
    script = world.script("job", "--user acct python3", GENUINE + "import os; print(os.environ['HOME'])\n")
    result = accounts.run(script)
    if trusted:
        genuine(result)
        assert result.text.endswith(f"{home}\n")
    else:
        refused(result, "ACCOUNT_HOME", script)
    assert predicted(accounts, script)["verdict"] == ("runs" if trusted else "refused")


def test_account_environment(world, accounts):
    """Its HOME, USER and LOGNAME come before what the line keeps of the caller's."""
    script = world.script("job", "--user acct --env HOME,USER,LOGNAME,KEPT env MORE=1 python3", REPORT)
    given = {"HOME": "/tmp", "USER": "me", "LOGNAME": "me", "KEPT": "k", "PATH": "/usr/bin:/bin"}
    seen = Seen(accounts.run(script, env=given)).variables
    assert [seen[name] for name in ("HOME", "USER", "LOGNAME", "KEPT", "MORE")] == ["/nonexistent", "acct", "acct", "k", "1"]
    number = world.script("number", f"--user {OTHER}:{OTHER} --env HOME,USER,LOGNAME python3", REPORT)
    seen = Seen(accounts.run(number, env=given)).variables
    assert [seen[name] for name in ("HOME", "USER", "LOGNAME")] == ["/dev/null", f"{OTHER}:{OTHER}", f"{OTHER}:{OTHER}"]
    assert predicted(accounts, script)["warnings"][0]["code"] == "env-code"


def test_account_ceiling(world, accounts, refused):
    """Those two are named where the wrapper lacks them, for whatever reason."""
    script = world.script("job", "--user acct python3", GENUINE)
    world.setcap(f"{GRANT}=p", world.wrapper)
    result = accounts.run(script)
    refused(result, "CEILING_NARROW", script)
    assert "is not to grant cap_setgid,cap_setuid" in result.err
    world.setcap("all=p", world.wrapper)
    for caller in (USER, 0):
        launch = [BUILD / "tests/programs/launch", caller, "0", "0", "0", f"{bounding() & ~bit('cap_setgid'):x}", "0", "0"]
        result = accounts.run(*launch, script, uid=0)
        refused(result, "CEILING_BOUNDING", script)
        assert "did not get cap_setgid:" in result.err
    genuine(accounts.run(script))


REACHED = ("script", "directory", "interpreter", "directory of the interpreter", "directory of a link to it",
           "directory that a link leads to")


@pytest.mark.parametrize("what", REACHED)
def test_account_reach(world, accounts, refused, what):
    """What is for a group of the caller's is not for the account: the script, the interpreter, what is above them."""
    folder, tool = world.folder("app"), interpreter(world)
    world.folder("venv")
    (world.top / "venv/python3").symlink_to(tool)
    word = world.top / "venv/python3" if "link" in what else tool
    script = world.script("app/job", f"--user acct {word}", GENUINE)
    closed = dict(zip(REACHED, (script, folder, tool, tool.parent, word.parent, tool.parent), strict=True))[what]
    os.chown(closed, 0, USER)
    closed.chmod(0o750)
    if closed == script:
        world.setcap(f"{GRANT}=i", script)
    result = accounts.run(script)
    refused(result, "ACCOUNT_READ" if closed == script else "ACCOUNT_EXECUTE", script)
    assert fix_of(result) == f"setfacl -m u:{ACCOUNT}:{'r' if closed == script else 'x'} {closed}"
    for caller in (USER, 0):
        assert predicted(accounts, script, caller)["reason"] in result.err
    mend(result)
    genuine(accounts.run(script))
    assert predicted(accounts, script)["verdict"] == "runs"


def test_account_not_mapped(world, refused):
    """A user namespace that has no such user."""
    script = world.script("job", f"--user {ACCOUNT}:{ACCOUNT} python3", GENUINE)
    alone = ["unshare", "--user", "--map-root-user"]
    refused(world.run(*alone, script, uid=0), "EFFECT_ACCOUNT", script)
    done = world.run(*alone, CHECK, "--json", script, uid=0)
    assert json.loads(done.out)[0]["rule"] == "effect"


@pytest.mark.parametrize("caps", ["cap_dac_read_search", "cap_dac_override"])
def test_account_reach_with_the_grant(world, accounts, refused, caps):
    """The interpreter opens the script with the grant; the kernel opens the interpreter without."""
    tool = interpreter(world)
    script = world.script("job", f"--user acct {tool}", GENUINE, f"{caps}=i", mode=0o750)
    os.chown(script, 0, USER)
    world.setcap(f"{caps}=i", script)
    here = world.folder("here", 0o700, uid=USER)
    genuine(accounts.run(script, cwd=here), caps)
    assert predicted(accounts, script, cwd=here)["verdict"] == "runs"
    os.chown(tool, 0, USER)
    tool.chmod(0o750)
    refused(accounts.run(script), "ACCOUNT_EXECUTE", script)
    tool.chmod(0o755)
    world.setcap(f"{caps}=i", tool)
    contained = world.script("contained", f"--user acct --contain {tool}", GENUINE, f"{caps}=i", mode=0o750)
    os.chown(contained, 0, USER)
    world.setcap(f"{caps}=i", contained)
    refused(accounts.run(contained), "ACCOUNT_READ", contained)


def test_account_directory(world, accounts, refused):
    """The caller's own is closed to the account: --chdir is the mend."""
    here = world.folder("here", 0o700, uid=USER)
    script = world.script("job", "--user acct python3", GENUINE)
    result = accounts.run(script, cwd=here)
    refused(result, "ACCOUNT_DIRECTORY", script)
    for caller in (USER, 0):
        assert predicted(accounts, script, caller, cwd=here)["reason"] in result.err
    genuine(accounts.run(script))
    genuine(accounts.run(world.script("job", "--user acct --chdir / python3", GENUINE), cwd=here))


def test_chdir(world, accounts, refused):
    """With and without an account; entered as the account, and not as the caller."""
    place = world.folder("place")
    where = GENUINE + "import os; print(os.getcwd())\n"
    for line in (f"--chdir {place} python3", f"-C {place} -u acct python3", f"--chdir={place} python3"):
        script = world.script("job", line, where)
        result = accounts.run(script)
        genuine(result)
        assert result.text.endswith(f"\n{place}\n")
        assert predicted(accounts, script)["directory"] == str(place)
    its = world.folder("its", 0o700, uid=ACCOUNT)
    script = world.script("job", f"--chdir {its} --user acct python3", where)
    assert accounts.run(script).text.endswith(f"\n{its}\n")
    assert predicted(accounts, script)["verdict"] == predicted(accounts, script, 0)["verdict"] == "runs"

    callers = world.folder("callers", 0o700, uid=USER)
    for line, caller in ((f"--chdir {its} python3", USER), (f"--chdir {callers} --user acct python3", USER),
                         (f"--chdir {callers} --user acct python3", 0), (f"--chdir {world.top}/none python3", USER),
                         (f"--chdir {world.wrapper} python3", USER)):
        script = world.script("job", line, where)
        result = accounts.run(script, uid=caller)
        refused(result, "EFFECT_DIRECTORY", script)
        said = predicted(accounts, script, 0 if "acct" in line else caller)
        assert said["reason"] in result.err, (line, said)
    for line in ("--chdir", "--chdir place python3", "--chdir= python3"):
        script = world.script("job", line, where)
        refused(accounts.run(script), "LINE_DIRECTORY", script)


@pytest.mark.parametrize("caps", ["cap_net_raw", "cap_dac_read_search"])
def test_chdir_is_the_account_s(world, accounts, refused, caps):
    """What the caller could enter, and what the grant could, is not what the account may."""
    world.folder("closed", 0o700, uid=USER)
    place = world.folder("closed/sub")
    script = world.script("job", f"--user acct --chdir {place} python3", GENUINE, f"{caps}=i")
    result = accounts.run(script)
    refused(result, "EFFECT_DIRECTORY", script)
    for said in (predicted(accounts, script), predicted(accounts, script, 0), predicted(accounts, script, 0)["others"]):
        assert said["verdict"] == "refused" and said["reason"] in result.err, said


@pytest.mark.parametrize("bits", ["+keep_caps_locked", "+noroot", "+noroot,+noroot_locked", "+no_setuid_fixup"])
def test_account_of_root_with_securebits(world, accounts, bits):
    """What they do to root's sets, the check knows."""
    script = world.script("job", "--user acct python3", GENUINE)
    run = ["setpriv", f"--securebits={bits}"]
    result = accounts.run(*run, script, uid=0)
    done = accounts.run(*run, CHECK, "--json", script, uid=0)
    said = json.loads(done.out)[0]
    if bits == "+keep_caps_locked":
        refused_for = said["verdict"] == "refused" and said["reason"] in result.err
        assert result.code == 125 and refused_for, (result, said)
    else:
        genuine(result)
        assert ids(result.text) == taken(groups=GROUPS) and said["verdict"] == "runs", said


def test_account_nobody(world, accounts):
    """The check's stand-in for a user without rights is not the account itself."""
    accounts.passwd.write_text("nobody:x:65534:65534::/nonexistent:\n")
    script = world.script("job", "--user nobody python3", GENUINE)
    genuine(accounts.run(script))
    assert predicted(accounts, script, 0)["others"]["verdict"] == "runs"


def test_account_execute(world, accounts, refused):
    """Who may run it stays the file's mode, judged by the caller."""
    script = world.script("job", "--user acct python3", GENUINE, mode=0o750)
    os.chown(script, 0, ACCOUNT)
    world.setcap(f"{GRANT}=i", script)
    with pytest.raises(PermissionError):
        accounts.run(script)
    refused(accounts.run(world.wrapper, "--user acct python3", script), "EXECUTE_OTHERS", script)


def test_account_groups_too_many(world, accounts, refused):
    accounts.group.write_text("".join(f"g{n}:x:{100000 + n}:acct\n" for n in range(1025)))
    script = world.script("job", "--user acct python3", GENUINE)
    refused(accounts.run(script), "ACCOUNT_GROUPS", script)
    accounts.group.write_text("".join(f"g{n}:x:{100000 + n}:acct\n" for n in range(1024)))
    assert len(ids(accounts.run(script).text)["Groups"]) == 1024


def test_account_is_logged(world, accounts):
    """Names of the check's report."""
    script = world.script("job", "--user acct --chdir / python3", GENUINE)
    told = accounts.run(CHECK, script).text
    assert f"  account     acct, uid {ACCOUNT}, gid {ACCOUNT}; groups {GROUPS[0]}, {GROUPS[1]}\n  in          /\n" in told
