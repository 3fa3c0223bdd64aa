"""The lists: how they are read, --apply, --status, --revoke and --edit."""

import json
import os
import subprocess
from hashlib import sha256

import pytest
from kit import INSTALLED, OTHER, STATUS, USER, all_of

TURNED = f"#!{INSTALLED} python3\n"


def listed(world, name="job", caps="cap_net_raw=ip", body=STATUS, line=TURNED):
    """A script that names the wrapper."""
    return world.script(name, line.encode(), body, caps=caps)


def getcap(path):
    return subprocess.run(["getcap", path], capture_output=True, text=True, check=True).stdout.removeprefix(f"{path} ").strip()


def hash_of(path):
    return sha256(path.read_bytes()).hexdigest()


# ---- How they are read

@pytest.mark.parametrize(("spelling", "name"), [
    ("cap_net_raw {path}", "plain"),
    ("  cap_net_raw\t{path}  ", "plain"),
    ("cap_net_raw {path} # for monitoring", "plain"),
    ("NET_RAW {path}", "plain"),
    ("cap_net_raw=ip {path}", "plain"),
    ("cap_net_raw {path}", "with  blanks in it"),
    ("cap_net_raw {path}", "with#hash"),
    ("cap_net_raw {escaped}", "a #b \\c sha256:d "),
    ("cap_net_raw {path} sha256:{hash}", "a b"),
    ("cap_net_raw {path} sha256:{HASH} # reviewed", "a b"),
    ("cap_net_raw {path}", "\u00fcml\u00e4ut"),
])
def test_line(world, grants, spelling, name):
    script = listed(world, name, caps=None)
    digest = hash_of(script)
    escaped = "".join(f"\\{byte}" if byte in " \\#" else byte for byte in str(script))
    grants.list("x.conf", f"# a comment\n\n{spelling.format(path=script, escaped=escaped, hash=digest, HASH=digest.upper())}\n")
    assert grants.status(1)[str(script)]["state"] == "lost"
    grants("--apply")
    grants.runs(script)
    assert grants.status(0)[str(script)]["list"] == "/etc/capwrap.d/x.conf:3"


@pytest.mark.parametrize("name", ["plain", "a\tb", "with  blanks in it", "a #b \\c sha256:d ", "\u00fcml\u00e4ut"])
def test_what_is_written_is_read(world, grants, name):
    """Names of any kind come back from the list that is kept here."""
    script = listed(world, name, caps=None)
    grants("--sha256", "cap_net_raw", script)
    script.write_bytes(script.read_bytes())
    assert grants.status(1)[str(script)]["state"] == "lost"
    grants("--apply")
    assert list(grants.status(0)) == [str(script)]
    grants("--revoke", script)
    assert grants.status(0) == {} and getcap(script) == ""


def test_name_with_control_byte(world, grants):
    script = listed(world, "a\nb", caps=None)
    before = all_of(script)
    result = grants("cap_net_raw", script, code=1)
    assert "a name with a control byte can't be listed; rename it" in result.err
    assert all_of(script) == before


@pytest.mark.parametrize(("line", "said"), [
    ("cap_net_rwa {path}", "there is no capability cap_net_rwa; is it cap_net_raw?"),
    ("cap_net_raw", "no absolute path stands behind the capabilities"),
    ("cap_net_raw job", "no absolute path stands behind the capabilities"),
    ("{path} cap_net_raw", "there is no capability"),
    ("cap_net_raw {path}/../job", "its path has //, /./, /../ or a slash at the end"),
    ("cap_net_raw {path}/", "its path has //, /./, /../ or a slash at the end"),
    ("cap_net_raw {path} sha256:12ab", "sha256: is not followed by 64 hexadecimal digits"),
    ("cap_net_raw {path} sha256:" + "g" * 64, "sha256: is not followed by 64 hexadecimal digits"),
    ("cap_net_raw {path}\x07", "it has a control byte"),
    ("cap_net_raw {path}\0", "it has a control byte"),
    ("cap_kill {path}", "/etc/capwrap.d/a.conf:1 has the same path, and says another grant"),
])
def test_broken_line(world, grants, line, said):
    """It is named with its file and number, and nothing is changed: neither what is listed nor what no longer is."""
    script, other, gone = listed(world, caps=None), listed(world, "other", caps=None), listed(world, "gone", caps=None)
    grants("cap_net_raw", gone)
    grants.own.unlink()
    grants.list("a.conf", f"cap_net_raw {script}\n")
    grants.list("b.conf", f"cap_net_raw {other}\n# fine\n{line.format(path=script)}\ncap_net_raw {other}\n")
    before = [all_of(path) for path in (script, other, gone)]
    for command in (["--apply"], ["--status"], ["cap_kill", other], ["--revoke", gone]):
        result = grants(*command, code=2)
        assert result.err.startswith(f"capwrap-grant: /etc/capwrap.d/b.conf:3: {said}"), result
        assert result.err.count("\n") == 1 and result.out == b""
    assert [all_of(path) for path in (script, other, gone)] == before


def test_list_of_somebody(world, grants):
    """Who could write a list could grant: one that is not root's alone is none."""
    script = listed(world, caps=None)
    file = grants.list("x.conf", f"cap_net_raw {script}\n")
    for change, said in ((lambda: os.chown(file, USER, 0), "is not owned by root"),
                         (lambda: (os.chown(file, 0, 0), file.chmod(0o664)), "is writable by group or others"),
                         (lambda: (file.chmod(0o644), file.parent.chmod(0o775)), "is writable by group or others")):
        change()
        assert said in grants("--apply", code=2).err
        assert getcap(script) == ""
    file.parent.chmod(0o755)
    grants("--apply")
    assert getcap(script) == "cap_net_raw=ip"


@pytest.mark.parametrize("place", ["etc/capwrap.d", "var/lib/capwrap"])
def test_directory_for_everybody(world, grants, place):
    """As /tmp is: the fix, pasted, mends it."""
    script = listed(world, caps=None)
    grants("cap_net_raw", script)
    grants.at(place).chmod(0o1777)
    result = grants("--apply", code=2)
    assert result.err.endswith(f"lies in /{place}, where others can put files beside it; chmod go-w /{place}\n"), result
    assert grants.run("sh", "-c", result.err.split("; ")[-1]).code == 0
    grants("--apply")


def test_masked(world, grants):
    """A file of the administrator's stands for one of a package that has its name; a path of both is the administrator's."""
    one, two, three = (listed(world, name, caps=None) for name in ("one", "two", "three"))
    grants.list("pack.conf", f"cap_net_raw {one}\n", "usr/share")
    grants.list("more.conf", f"cap_net_raw {two}\ncap_net_raw {three}\n", "usr/share")
    grants.list("mine.conf", f"cap_kill {three}\n")
    grants.at("etc/capwrap.d/pack.conf").symlink_to("/dev/null")
    grants.list("note.txt", "nonsense\n")
    grants("--apply")
    assert [getcap(path) for path in (one, two, three)] == ["", "cap_net_raw=ip", "cap_kill=ip"]
    grants.at("etc/capwrap.d/pack.conf").unlink()
    grants("--apply")
    assert getcap(one) == "cap_net_raw=ip"


def test_listed_by_a_link(world, grants, attacker):
    """A script has one name, whatever links of root's lead to it; a user's link is no way to it."""
    script = listed(world, caps=None)
    (world.top / "link").symlink_to(world.top)
    grants.list("x.conf", f"cap_net_raw {world.top}/link/job\n")
    for _ in range(2):
        grants("--apply")
        assert getcap(script) == "cap_net_raw=ip"
    assert list(grants.status(0)) == [str(script)]
    grants("cap_net_raw", script)
    assert not grants.own.exists()
    (attacker.home / "link").symlink_to(script)
    grants.list("x.conf", f"cap_net_raw {attacker.home}/link\n")
    assert f"{attacker.home} is not owned by root" in grants("--apply", code=1).err
    assert getcap(script) == ""


def test_own_file_keeps_what_people_wrote(world, grants):
    one, two = (listed(world, name, caps=None) for name in ("one", "two"))
    grants.list("capwrap-grant.conf", f"# ours\n\n  cap_kill {one}   # why\n# the end")
    grants("cap_net_raw", two)
    assert grants.own.read_text() == f"# ours\n\n  cap_kill {one}   # why\n# the end\ncap_net_raw {two}\n"
    grants("cap_net_raw", one)
    assert grants.own.read_text() == f"# ours\n\ncap_net_raw {one} # why\n# the end\ncap_net_raw {two}\n"
    grants("--revoke", one, two)
    assert grants.own.read_text() == "# ours\n\n# the end\n"


def test_listed_elsewhere(world, grants):
    """What another list says is not said again here, nor against it."""
    script = listed(world, caps=None)
    grants.list("x.conf", f"cap_net_raw {script}\n", "usr/share")
    grants("cap_net_raw", script)
    assert not grants.own.exists()
    before = all_of(script)
    for command in (["cap_kill", script], ["--revoke", script]):
        result = grants(*command, code=1)
        assert "/usr/share/capwrap.d/x.conf:1 lists it" in result.err
    assert all_of(script) == before


# ---- --apply

def test_apply_changes_only_what_differs(world, grants):
    """And then says nothing, and changes nothing."""
    right, lost, other = listed(world, "right"), listed(world, "lost", caps=None), listed(world, "other", caps="cap_kill=ip")
    old = listed(world, "old", caps="cap_net_raw=i")
    plain = listed(world, "plain", line="#!/usr/bin/env python3\n", caps=None)
    everything = (right, lost, other, old, plain)
    grants.list("x.conf", "".join(f"cap_net_raw {path}\n" for path in everything))
    before = all_of(right)
    result = grants("--apply")
    assert sorted(result.text.splitlines()) == sorted(f"{path}: granted cap_net_raw" for path in everything[1:])
    assert all_of(right) == before
    for path in everything:
        grants.runs(path)
    before = [all_of(path) for path in (*everything, grants.ledger)]
    result = grants("--apply")
    assert (result.out, result.err) == (b"", "")
    assert [all_of(path) for path in (*everything, grants.ledger)] == before


def test_apply_after_an_upgrade_keeps_the_options(world, grants):
    """A package brings the script as it was before it was turned over: what its line asked of the wrapper is put there again."""
    plain = f"#!/usr/bin/python3\n{STATUS}"
    script = world.script("job", plain, caps=None)
    grants("--unproven", "cap_net_raw", script)
    turned = script.read_bytes()
    script.write_bytes(turned.replace(b"--unproven", b"--env LC_X --no-new-privs --unproven"))
    grants("--apply")
    script.unlink()
    world.script("job", plain + "# newer\n", caps=None)
    assert grants.status(1)[str(script)]["state"] == "unturned"
    grants("--apply")
    assert script.read_text() == f"#!{INSTALLED} --no-new-privs --unproven --env LC_X /usr/bin/python3\n{STATUS}# newer\n"
    grants.runs(script)


def test_unlisted_is_revoked(world, grants):
    """But only what was granted here: another grant, or one made by hand, stays."""
    made, by_hand, changed, adopted = (listed(world, name, caps=None) for name in ("made", "by_hand", "changed", "adopted"))
    world.setcap("cap_net_raw=ip", by_hand)
    world.setcap("cap_net_raw=ip", adopted)
    grants.list("x.conf", "".join(f"cap_net_raw {path}\n" for path in (made, by_hand, changed)))
    grants("cap_net_raw", adopted)
    grants("--apply")
    world.setcap("cap_kill=ip", changed)
    for file in grants.own.parent.iterdir():
        file.unlink()
    assert {path: row["state"] for path, row in grants.status(1).items()} == {str(made): "unlisted", str(adopted): "unlisted"}
    result = grants("--apply")
    assert sorted(result.text.splitlines()) == sorted(f"{path}: revoked" for path in (made, adopted))
    assert [getcap(path) for path in (made, by_hand, changed, adopted)] == ["", "cap_net_raw=ip", "cap_kill=ip", ""]
    assert grants("--apply").out == b"" and grants.ledger.read_text() == ""


@pytest.mark.parametrize("mode", [0o755, 0o775])
@pytest.mark.parametrize("turned", ["app/job", "app"])
def test_a_link_to_what_was_granted_by_hand(world, grants, turned, mode):
    """Where a script of the ledger's was there is a link by now: what it leads to was not granted here, and stays."""
    made, by_hand = listed(world, "app/job", caps=None), listed(world, "other/job")
    grants.list("x.conf", f"cap_net_raw {made}\n")
    grants("--apply")
    grants.list("x.conf", "")
    (world.top / turned).rename(world.top / "away")
    (world.top / turned).symlink_to(world.top / turned.replace("app", "other"))
    by_hand.chmod(mode)
    assert grants.status(0) == {}
    assert grants("--apply").out == b"" and getcap(by_hand) == "cap_net_raw=ip"
    assert grants.ledger.read_text() == ""


def test_apply_goes_on_behind_a_refusal(world, grants, attacker):
    missing, mine = world.top / "missing", world.script("mine/job", TURNED.encode(), STATUS, caps=None)
    good = listed(world, "zz", caps=None)
    grants.list("x.conf", f"cap_net_raw {missing}\ncap_net_raw {mine}\ncap_net_raw {good}\n")
    result = grants("--apply", code=1)
    assert f"capwrap-grant: {missing}: no such file or directory; ls -l {missing}\n" in result.err
    assert f"{world.top}/mine is not owned by root" in result.err
    assert [getcap(mine), getcap(good)] == ["", "cap_net_raw=ip"]
    assert {path: row["state"] for path, row in grants.status(1).items()} == {
        str(missing): "missing", str(mine): "refused", str(good): "granted"}


def test_apply_while_it_is_missing(world, grants):
    """A package is removed and comes back: what its line asked of the wrapper is remembered, also where it is listed by a link."""
    (world.top / "link").symlink_to(world.top)
    script = world.script("job", f"#!/usr/bin/python3\n{STATUS}", caps=None)
    grants("--unproven", "cap_net_raw", script)
    grants.own.unlink()
    grants.list("x.conf", f"cap_net_raw {world.top}/link/job\n")
    grants("--apply")
    script.unlink()
    grants("--apply", code=1)
    world.script("job", f"#!/usr/bin/python3\n{STATUS}", caps=None)
    grants("--apply")
    assert script.read_text().startswith(f"#!{INSTALLED} --unproven /usr/bin/python3\n")


def test_apply_leaves_a_line_alone(world, grants):
    """That names the wrapper: what its author took out of it stays out, and what its author changed stays changed."""
    for options, change in (("--unproven", ""), ("--user 65534:65534", ""), ("--user 65534:65534", "--user 65533:65533 ")):
        script = world.script("job", "#!/usr/bin/python3\n", STATUS, caps=None)
        grants(*options.split(), "cap_net_raw", script)
        text = script.read_text().replace(f"{options} ", change)
        script.write_text(text)
        grants("--apply")
        assert script.read_text() == text
        grants("--revoke", script)


def test_a_failed_command_takes_nothing_later(world, grants):
    """What was granted by hand, and could not be listed, is not in the ledger: --apply leaves it alone."""
    script = listed(world)
    grants.list("x.conf", "")
    assert grants.run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", "/etc/capwrap.d").code == 0
    assert "Read-only file system" in grants("cap_net_raw", script, code=2).err
    assert grants.run("umount", "/etc/capwrap.d").code == 0
    assert grants("--apply").out == b"" and getcap(script) == "cap_net_raw=ip"


@pytest.mark.parametrize("kind", ["dangling", "directory", "fifo"])
def test_list_that_is_none(world, grants, kind):
    """Not an empty one, by which all would be revoked."""
    script = listed(world, caps=None)
    file = grants.list("x.conf", f"cap_net_raw {script}\n")
    grants("--apply")
    file.unlink()
    {"dangling": lambda: file.symlink_to("/nonexistent/x.conf"), "directory": file.mkdir, "fifo": lambda: os.mkfifo(file)}[kind]()
    result = grants("--apply", code=2)
    assert "/etc/capwrap.d/x.conf: " in result.err and "name a script" not in result.err
    assert getcap(script) == "cap_net_raw=ip"


def test_own_file_that_is_a_link(world, grants):
    """And has a mode: both stay."""
    script = listed(world, caps=None)
    real = world.top / "kept"
    real.write_text("# ours\n")
    real.chmod(0o600)
    grants.own.parent.mkdir()
    grants.own.symlink_to(real)
    grants("cap_net_raw", script)
    assert grants.own.is_symlink() and real.read_text() == f"# ours\ncap_net_raw {script}\n"
    assert real.stat().st_mode & 0o7777 == 0o600


def test_closed_descriptors(world, grants):
    """Nothing is written where it does not belong, and what can't be told is an error."""
    script = listed(world, caps=None)
    result = grants.run("sh", "-c", f"capwrap-grant cap_net_raw {script} >&-")
    assert (result.code, result.err) == (2, "capwrap-grant: standard output: what was done can't be told there\n")
    assert getcap(script) == "cap_net_raw=ip"
    assert grants.at("var/lib/capwrap/lock").read_text() == ""


# ---- With a hash

def test_hash_with_other_options(world, grants):
    """What is granted is what was reviewed, whatever the line had before."""
    script = world.script("job", "#!/usr/bin/python3\n", STATUS, caps=None)
    grants("--unproven", "--sha256", "cap_net_raw", script)
    script.write_text(TURNED + STATUS)
    grants.own.write_text(f"cap_net_raw {script} sha256:{hash_of(script)}\n")
    before = script.read_bytes()
    for _ in range(2):
        grants("--apply")
        assert script.read_bytes() == before and getcap(script) == "cap_net_raw=ip"


def test_hash_of_a_package(world, grants):
    """What --status says to do is not what would be refused."""
    script = listed(world, caps=None)
    grants.list("x.conf", f"cap_net_raw {script} sha256:{'0' * 64}\n", "usr/share")
    row = grants.status(1)[str(script)]
    assert (row["state"], row["fix"]) == ("edited", f"sha256sum {script}")


def test_hash(world, grants):
    """An edit ends the grant for good, also where something put the capabilities back; a review gives it again."""
    script = listed(world, caps=None)
    grants("--sha256", "cap_net_raw", script)
    assert f"sha256:{hash_of(script)}" in grants.own.read_text()
    script.write_text(script.read_text() + "# edited\n")
    for caps in (None, "cap_net_raw=ip"):
        if caps:
            world.setcap(caps, script)
        row = grants.status(1)[str(script)]
        assert (row["state"], row["fix"]) == ("edited", f"capwrap-grant --sha256 cap_net_raw {script}")
        assert "it is not what the sha256 of /etc/capwrap.d/capwrap-grant.conf:2 is of" in grants("--apply", code=1).err
        assert getcap(script) == ""
    assert grants.run("sh", "-c", row["fix"]).code == 0
    assert grants.status(0)[str(script)]["state"] == "granted"
    grants.runs(script)


def test_hash_stays_asked_for(world, grants):
    script = world.script("job", "#!/usr/bin/python3\n", STATUS, caps=None)
    grants("--sha256", "cap_net_raw", script)
    script.write_text(script.read_text() + "# edited\n")
    grants("cap_net_raw", script)
    assert f"sha256:{hash_of(script)}" in grants.own.read_text()


# ---- --status

def test_status_for_people(world, grants):
    script, lost = listed(world), listed(world, "lost", caps=None)
    grants.list("x.conf", f"cap_net_raw {script}\ncap_net_raw {lost}\n")
    result = grants("--status", code=1)
    assert result.text == (f"granted   cap_net_raw              {script}\n"
                           f"lost      cap_net_raw              {lost}\n"
                           "  reason    an edit, a copy or an upgrade took its grant\n"
                           "  fix       capwrap-grant --apply\n"
                           "2 scripts: 1 as listed, 1 not\n")
    grants("--apply")
    assert grants("--status").text.endswith("2 scripts: 2 as listed, 0 not\n")
    assert json.loads(grants("--status", "--json").out)[1] == {
        "path": str(lost), "capabilities": ["cap_net_raw"], "state": "granted", "reason": None, "fix": None,
        "list": "/etc/capwrap.d/x.conf:2"}


def test_status_of_nothing_and_by_a_user(world, grants):
    assert grants.status(0) == {}
    script = listed(world)
    grants.list("x.conf", f"cap_net_raw {script}\n")
    result = grants.run("capwrap-grant", "--status", uid=USER)
    assert (result.code, result.text.splitlines()[0]) == (0, f"granted   cap_net_raw              {script}")


@pytest.mark.parametrize("change", ["lost", "other", "unturned", "refused", "unlisted"])
def test_fix_mends(world, grants, change):
    """What --status says to do, done to the letter."""
    script = listed(world, caps=None)
    grants("cap_net_raw", script)
    if change == "lost":
        script.write_bytes(script.read_bytes())
    elif change == "other":
        world.setcap("cap_kill=ip", script)
    elif change == "unturned":
        script.write_bytes(script.read_bytes().replace(TURNED.encode(), b"#!/usr/bin/python3\n"))
    elif change == "refused":
        script.chmod(0o775)
    else:
        grants.own.unlink()
    row = grants.status(1)[str(script)]
    assert row["state"] == change
    assert grants.run("dash", "-c", row["fix"]).code == 0
    after = grants.status(0)
    assert after == {} if change == "unlisted" else after[str(script)]["state"] == "granted"


def test_status_by_who_may_not_read_it(world, grants):
    script = listed(world, caps=None)
    grants("cap_net_raw", script)
    script.chmod(0o700)
    result = grants.run("capwrap-grant", "--status", "--json", uid=USER)
    (row,) = json.loads(result.out)
    assert (result.code, row["state"], row["reason"]) == (1, "unseen", "only others can read it")


def test_status_proposes_no_laundering(world, grants):
    """Who owned the directory may have exchanged the script: nothing to be pasted makes it root's."""
    script = world.script("app/job", TURNED, STATUS, caps=None)
    grants("cap_net_raw", script)
    for path in (script.parent, script):
        os.chown(path, USER, USER)
        row = grants.status(1)[str(script)]
        assert (row["state"], row["fix"]) == ("refused", f"capwrap-grant --revoke {script}")
        os.chown(path, 0, 0)


# ---- --revoke

def test_revoke(world, grants):
    """Also what is gone, and by hand granted; twice is once."""
    script, gone = listed(world, caps=None), listed(world, "gone", caps=None)
    grants("cap_net_raw", script, gone)
    gone.unlink()
    assert grants("--revoke", script, gone).text.splitlines() == [
        f"{script}: revoked", f"{gone}: has no capabilities, and is in no list"]
    assert getcap(script) == "" and grants.status(0) == {}
    assert grants.own.read_text() == "# Kept by capwrap-grant(8): CAPABILITIES PATH [sha256:HEX]\n"
    grants("--revoke", script)
    world.setcap("cap_net_raw=ip", script)
    grants("--revoke", script)
    assert getcap(script) == ""
    assert "No such file" in grants("--revoke", world.top / "nothing", code=1).err


def test_revoke_by_another_spelling(world, grants):
    """Also of what is gone, by a path with dots, and through a link of root's."""
    script = listed(world, caps=None)
    (world.top / "link").symlink_to(world.top)
    for path in (f"{world.top}/./../{world.top.name}/job", f"{world.top}/link/job"):
        grants("cap_net_raw", script)
        script.unlink()
        grants("--revoke", path)
        assert grants.status(0) == {}
        listed(world, caps=None)
    result = grants.run("sh", "-c", f"mkdir {world.top}/x && cd {world.top}/x && rmdir {world.top}/x && capwrap-grant --revoke job")
    assert (result.code, result.err) == (2, "capwrap-grant: job: the current directory can't be found: No such file or directory\n")


@pytest.mark.parametrize("spoil", ["writable", "owner", "directory"])
def test_revoke_what_is_not_trusted_any_more(world, grants, spoil):
    """Just then a grant should go: by --revoke, and by --apply where it is no longer listed."""
    script = world.script("app/job", TURNED, STATUS, caps=None)
    for revoke in (lambda: grants("--revoke", script), lambda: (grants.own.unlink(), grants("--apply"))):
        grants("cap_net_raw", script)
        if spoil == "writable":
            script.chmod(0o775)
        elif spoil == "directory":
            os.chown(script.parent, USER, USER)
        else:
            world.setcap("=", script)
            os.chown(script, USER, USER)
            world.setcap("cap_net_raw=ip", script)
        assert grants.status(1)[str(script)]["state"] == "refused"
        revoke()
        assert getcap(script) == "" and grants.status(0) == {}
        os.chown(script.parent, 0, 0)
        os.chown(script, 0, 0)
        script.chmod(0o755)


def test_revoke_with_a_full_disk(world, grants):
    """That it was done is said, and what is left to do; done to the letter it is complete."""
    script, other = listed(world, caps=None), listed(world, "other", caps=None)
    grants("cap_net_raw", script, other)
    full = ("mount -t tmpfs -o size=4k,mode=755 none /tmp && cp /var/lib/capwrap/granted /tmp && : >/tmp/lock && "
            "mount --bind /tmp /var/lib/capwrap")
    assert grants.run("sh", "-c", full).code == 0
    result = grants("--revoke", script, code=2)
    assert result.err.endswith(f"capwrap-grant: {script}: it was revoked, and is in no list; run this again when "
                               "/var/lib/capwrap/granted can be written\n"), result
    assert getcap(script) == "" and str(script) not in grants.own.read_text()
    assert grants.run("mount", "-o", "remount,size=1m", "/var/lib/capwrap").code == 0
    assert grants("--revoke", script).text == f"{script}: has no capabilities, and is in no list\n"
    assert str(script) not in grants.at("var/lib/capwrap/granted").read_text() and list(grants.status(0)) == [str(other)]


def test_revoke_without_proc(world, grants):
    """What can't be trusted any more is known by that, not to be another one: the message says what is missing."""
    script = listed(world, caps=None)
    grants("cap_net_raw", script)
    script.chmod(0o775)
    result = grants.run("unshare", "--mount", "sh", "-c", f"umount -l /proc && capwrap-grant --revoke {script}")
    assert (result.code, result.err) == (2, f"capwrap-grant: {script}: where it lies can't be seen: /proc/self/fd: "
                                            "no such file or directory; mount -t proc proc /proc\n")
    grants("--revoke", script)


def test_revoke_is_not_turned(world, grants):
    """A user whose directory it is puts a link to another script there: that one keeps its grant."""
    script, other = world.script("app/job", TURNED, STATUS, caps=None), listed(world, "other", caps=None)
    grants("cap_net_raw", script, other)
    os.chown(script.parent, USER, USER)
    script.unlink()
    for turn in (lambda: script.symlink_to(other), lambda: (script.unlink(), os.link(other, script))):
        turn()
        assert "is not owned by root; getcap" in grants("--revoke", script, code=2).err
        assert getcap(other) == "cap_net_raw=ip"
        assert str(script) in grants.own.read_text()


def test_failed_revoke_keeps_the_list(world, grants):
    """Byte for byte: what people wrote behind it, and where it stands."""
    script = listed(world, caps=None)
    grants.list("capwrap-grant.conf", f"# ours\n  cap_net_raw {script}   # why, and for whom\ncap_kill {world.top}/other # the end")
    grants("--apply", code=1)
    before = grants.own.read_bytes()
    subprocess.run(["chattr", "+i", script], check=True)
    try:
        assert "can't be removed" in grants("--revoke", script, code=2).err
    finally:
        subprocess.run(["chattr", "-i", script], check=True)
    assert grants.own.read_bytes() == before


def test_immutable(world, grants):
    """What the kernel refuses leaves the lists as they were."""
    script, plain = listed(world, caps=None), listed(world, "plain", caps=None)
    grants("cap_net_raw", script)
    before = grants.own.read_text(), grants.ledger.read_text()
    subprocess.run(["chattr", "+i", script, plain], check=True)
    try:
        assert "can't be removed" in grants("--revoke", script, code=2).err
        assert "can't be replaced" in grants("cap_net_raw", plain, code=2).err
        assert "can't be replaced" in grants("cap_kill", script, code=2).err
    finally:
        subprocess.run(["chattr", "-i", script, plain], check=True)
    assert (grants.own.read_text(), grants.ledger.read_text()) == before
    assert getcap(script) == "cap_net_raw=ip" and getcap(plain) == ""


# ---- --edit

def edit(grants, script, editor, code=0, **more):
    return grants("--edit", script, code=code, env={"PATH": "/usr/local/sbin:/usr/bin:/bin", "EDITOR": editor}, **more)


def test_edit(world, grants):
    """The new content, the old grant, and at no moment neither."""
    script = world.script("job", "#!/usr/bin/python3\n", STATUS, caps=None)
    grants("cap_net_raw", script)
    script.chmod(0o750)
    os.chown(script, 0, OTHER)
    world.setcap("cap_net_raw=ip", script)
    before = script.stat()
    edit(grants, script, "sed -i '$a # edited'")
    after = script.stat()
    assert script.read_text().endswith("# edited\n")
    assert (after.st_mode, after.st_gid) == (before.st_mode, before.st_gid)
    assert after.st_mtime > before.st_mtime
    assert getcap(script) == "cap_net_raw=ip"
    assert list(grants.at("var/tmp").glob("capwrap-edit-*")) == []


def test_edit_of_nothing(world, grants):
    script = listed(world)
    before = all_of(script)
    assert edit(grants, script, "true").text == "not changed\n"
    for editor, said in (("false", "the editor failed; "), ("sh -c 'kill $$'", "the editor failed; "),
                         ("rm -f", "No such file or directory; ")):
        result = edit(grants, script, editor, code=2)
        assert result.err.count("\n") == 1 and f"{said}nothing was changed" in result.err, result
        assert list(grants.at("var/tmp").glob("capwrap-edit-*")) == []
    assert all_of(script) == before
    world.setcap("=", script)
    os.removexattr(script, "security.capability")
    assert "it has no capabilities to keep" in edit(grants, script, "true", code=1).err


@pytest.mark.parametrize(("editor", "said"), [
    ("sed -i '1s/python3/make/'", "runs what its arguments name"),
    ("sed -i '1s/.*/#!.bin.sh/'", "its first line names"),
    ("sh -c 'echo \"# meanwhile\" >>{script}; echo >>\"$0\"'", "it was changed by somebody else meanwhile"),
])
def test_edit_refused(world, grants, editor, said):
    """The script is as it was, and what was written is kept, where the message says."""
    script = listed(world)
    result = edit(grants, script, editor.format(script=script), code=1)
    assert said in result.text + result.err
    (kept,) = [line.split(": ")[1] for line in result.err.splitlines() if "this is what you wrote" in line]
    copy = grants.at(kept.lstrip("/"))
    try:
        assert copy.read_text() != script.read_text()
        assert (copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777) == (0o600, 0o700) or copy.stat().st_mode & 0o77 == 0o44
    finally:
        copy.unlink()
        copy.parent.rmdir()
    assert script.read_text().startswith(TURNED)


def test_edit_without_room(world, grants):
    """No copy can be written: no editor is started, and nothing is left."""
    script = listed(world)
    with script.open("a") as file:
        file.write("#" * 20000)
    world.setcap("cap_net_raw=ip", script)
    before = all_of(script)
    assert grants.run("mount", "-t", "tmpfs", "-o", "size=8k", "none", "/var/tmp").code == 0
    result = edit(grants, script, "touch /etc/started", code=2)
    assert result.err.endswith("/job: No space left on device\n") and result.err.count("\n") == 1, result
    assert list(grants.at("var/tmp").iterdir()) == [] and not grants.at("etc/started").exists()
    assert all_of(script) == before


def test_edit_takes_no_other_directory(world, grants):
    """What cleans /var/tmp removes the copy while the editor is open; a user makes another one of that name."""
    script = listed(world)
    before = all_of(script)
    editor = world.top / "editor"
    editor.write_text('#!/bin/sh -e\nplace=${1%/*}\nrm -r "$place"\nmkdir "$place"\nprintf "#!/bin/sh\\nevil\\n" >"$1"\n'
                      f'chown -R {USER} "$place"\n')
    editor.chmod(0o755)
    result = edit(grants, script, str(editor), code=2)
    assert "No such file or directory" in result.err and result.err.count("\n") == 1, result
    assert all_of(script) == before


def test_interrupted_editor(world, grants):
    """Ctrl-C is for the editor, which goes on: so does what waits for it."""
    script = listed(world)
    editor = "sh -c 'trap : INT; kill -INT 0; echo \"# edited\" >>\"$0\"'"
    done = subprocess.run([str(word) for word in grants.command("setsid", "-w", "env", f"EDITOR={editor}", "/usr/local/sbin/capwrap-grant", "--edit",
                                                                script)], capture_output=True, text=True)
    assert done.returncode == 0, done
    assert script.read_text().endswith("# edited\n") and getcap(script) == "cap_net_raw=ip"


def test_edit_with_hash(world, grants):
    script = listed(world, caps=None)
    grants("--sha256", "cap_net_raw", script)
    edit(grants, script, "sed -i '$a # edited'")
    assert grants.status(0)[str(script)]["state"] == "granted"


# ---- Several at once, and many

def test_two_at_once(world, grants):
    """They wait for each other: no list loses a line."""
    scripts = [listed(world, f"job{number}", caps=None) for number in range(8)]
    running = [subprocess.Popen([str(word) for word in grants.command("/usr/local/sbin/capwrap-grant", "cap_net_raw", script)],
                                stdout=subprocess.DEVNULL) for script in scripts]
    assert [process.wait(60) for process in running] == [0] * 8
    assert {path: row["state"] for path, row in grants.status(0).items()} == {str(path): "granted" for path in scripts}


# ---- File systems

@pytest.mark.parametrize("kind", ["full", "read-only", "without attributes", "list full"])
def test_file_system(world, grants, kind):
    """A clear error, and nothing is lost or listed."""
    place = world.folder("place")
    disk = ["ramfs", "mode=755"] if kind == "without attributes" else ["tmpfs", "size=64k,mode=755"]

    def mounts(*words):
        assert grants.run("mount", *words).code == 0

    mounts("-t", disk[0], "-o", disk[1], "none", place)
    inside = grants.at(f"{place}/job".lstrip("/"))
    script = world.script(inside if kind != "list full" else "job", b"#!/usr/bin/python3\n", STATUS + "#" * 20000, caps=None)
    if kind == "full":
        grants.run("sh", "-c", f"head -c 70000 /dev/zero >{place}/filler")
    elif kind == "read-only":
        mounts("-o", "remount,ro", place)
    elif kind == "list full":
        grants.list("x.conf", "")
        mounts("--bind", place, "/etc/capwrap.d")
        grants.run("sh", "-c", f"head -c 70000 /dev/zero >{place}/filler")
    before = all_of(script)
    result = grants.run("capwrap-grant", "cap_net_raw", f"{place}/job" if kind != "list full" else script)
    assert result.code in (1, 2) and result.err.startswith("capwrap-grant: "), result
    assert {"full": "No space left on device", "read-only": "Read-only file system", "list full": "No space left on device",
            "without attributes": "its file system has no file capabilities"}[kind] in result.err
    assert all_of(script) == before
    assert grants.status(0) == {}
    assert [path.name for path in script.parent.iterdir() if "capwrap-new" in path.name] == []
