"""Rule grant: the inheritable capabilities of the script's file, and nothing else."""

import errno
import os
import shutil
import struct
import subprocess

import pytest
from kit import (
    GENUINE,
    GRANT,
    SETS,
    STATUS,
    USER,
    bit,
    filtered,
    fix_of,
    four,
    genuine,
    grant,
    lacks,
    mend,
    mount,
    moved,
)

NAMESPACE = ("unshare", "--user", "--map-root-user")
SETCAP = shutil.which("setcap", path="/usr/sbin:/sbin:/usr/bin:/bin")
CAP = bit(GRANT)


def test_script_gets_its_grant(world):
    script = world.script("show", "python3", STATUS, caps="cap_net_raw,cap_kill=i")
    result = world.run(script)
    assert result.code == 0, result
    assert {result.sets[name] for name in SETS} == {bit("cap_net_raw,cap_kill")}
    assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n" in result.text


@pytest.mark.parametrize("caps", ["cap_net_raw=i", "cap_net_raw=ei", "cap_net_raw=ip", "cap_net_raw=eip"])
def test_inheritable_bits_are_the_grant(world, caps):
    assert four(world.run(world.script("show", "python3", STATUS, caps)).sets) == grant(CAP)


def test_child_has_the_grant_too(world):
    script = world.script("show", "dash", "grep ^Cap /proc/self/status\n")
    assert four(world.run(script).sets) == grant(CAP)


@pytest.mark.parametrize("caps", [None, "="], ids=["no attribute", "empty sets"])
def test_grant_none(world, refused, caps):
    """A script without a grant runs with nothing by the naive wrapper, which an administrator would not notice."""
    naive = world.script("naive-job", "python3", GENUINE, caps, wrapper=world.naive)
    script = world.script("job", "python3", GENUINE, caps)
    genuine_without = world.run(naive)
    assert genuine_without.code == 0 and genuine_without.sets["CapPrm"] == 0, genuine_without
    result = world.run(script)
    refused(result, "GRANT_NONE", script)
    subprocess.run(["sh", "-c", fix_of(result).replace("cap_NAME", GRANT)], check=True)
    genuine(world.run(script))


@pytest.mark.parametrize("edit", ["append", "truncate", "write", "chown", "another file"])
def test_grant_lost_by_an_edit(world, refused, edit):
    """The kernel takes the grant of an edited script, so the naive wrapper resists as well."""
    script = world.script("job", "python3", GENUINE)
    genuine(world.run(script))
    text = script.read_bytes()
    if edit == "append":
        with script.open("ab") as file:
            file.write(b"\n")
    elif edit == "truncate":
        os.truncate(script, len(text) - 1)
    elif edit == "write":
        with script.open("r+b") as file:
            file.write(text)
    elif edit == "chown":
        os.chown(script, 0, USER)
    else:
        other = world.script("other", "python3", GENUINE, None)
        other.rename(script)
    refused(world.run(script), "GRANT_NONE", script)
    assert world.run(world.naive, "python3", script).sets["CapPrm"] == 0


def test_grant_kept_by_rename_and_mode(world, refused):
    """Neither changes what the file does."""
    script = world.script("job", "python3", GENUINE)
    script.chmod(0o555)
    genuine(world.run(script.rename(world.top / "other")))


def test_grant_set_by_the_user(world, attacker, beaten):
    """In a user namespace of their own every user may set capabilities on a file of theirs."""
    for wrapper, name in ((world.naive, "naive-job"), (world.wrapper, "job")):
        script = attacker.writes(attacker.home / name, f"#!{wrapper} python3\n{attacker.code}")
        done = world.run(*NAMESPACE, SETCAP, "cap_net_raw=i", script)
        assert done.code == 0, done
        if wrapper == world.naive:
            attacker.wins(world.run(script))
    beaten(world.run(script), "PATH_OWNER", script)

    # The same in a trusted folder, then owned by root: the owner's rule and then the grant's stand in the way.
    script = world.script("job", "python3", attacker.code, None, uid=USER)
    assert world.run(*NAMESPACE, SETCAP, "cap_net_raw=i", script).code == 0
    beaten(world.run(script), "FILE_OWNER", script)
    attribute = os.getxattr(script, "security.capability")
    os.chown(script, 0, 0)
    beaten(world.run(script), "GRANT_NONE", script)
    os.setxattr(script, "security.capability", attribute)
    result = beaten(world.run(script), "GRANT_ROOTID", script)

    fix = fix_of(result)
    assert fix == f"setcap cap_net_raw=ip {script}"
    script = world.script("job", "python3", GENUINE, None)
    os.setxattr(script, "security.capability", attribute)
    mend(result)
    genuine(world.run(script))


@pytest.mark.parametrize("rootid", [1, USER, 2**32 - 2])
def test_grant_rootid(world, attacker, beaten, rootid):
    """Capabilities with a root id, as a backup or an image may bring them along."""
    naive = world.script("naive-job", "python3", attacker.code, None, wrapper=world.naive)
    script = world.script("job", "python3", attacker.code, None)
    for path in (naive, script):
        subprocess.run(["setcap", "-n", str(rootid), "cap_net_raw=ip", path], check=True)
    attacker.wins(world.run(naive))
    beaten(world.run(script), "GRANT_ROOTID", script)


@pytest.mark.parametrize("caps", ["cap_net_raw=p", "cap_net_raw=ep", "cap_kill=i cap_net_raw=p"])
def test_grant_permitted(world, refused, caps):
    """A grant of the wrong kind is a mistake: the naive wrapper takes it for one."""
    naive = world.script("naive-job", "python3", GENUINE, caps, wrapper=world.naive)
    script = world.script("job", "python3", GENUINE, caps)
    assert world.run(naive).sets["CapEff"] & bit(GRANT)
    result = world.run(script)
    refused(result, "GRANT_PERMITTED", script)
    assert "not inheritable;" in result.err
    mend(result)
    genuine(world.run(script), "cap_kill,cap_net_raw" if "kill" in caps else GRANT)


@pytest.mark.parametrize("caps", ["cap_net_raw=i", "cap_net_raw=ei", "cap_net_raw=ip", "cap_net_raw=eip"])
def test_grant_flags_that_mean_nothing(world, caps):
    """The effective flag, and what is permitted as well as inheritable, change nothing."""
    genuine(world.run(world.script("job", "python3", GENUINE, caps)))


def attribute(version: int, *words: int) -> bytes:
    return struct.pack(f"<{1 + len(words)}I", version, *words)


@pytest.mark.parametrize("value", [
    b"\0", attribute(0x02000000, 0, 1 << 13), attribute(0x05000000, 0, 1 << 13, 0, 0),
    attribute(0x01000000, 0, 1 << 13), attribute(0x03000000, 0, 1 << 13, 0, 0), b"\xff" * 20, b"\xff" * 64,
], ids=lambda value: value.hex()[:24])
def test_grant_malformed(world, refused, value):
    """The kernel keeps malformed attributes out: no attack, and nothing to read."""
    script = world.script("job", "python3", GENUINE, None)
    with pytest.raises(OSError, match="Invalid argument"):
        os.setxattr(script, "security.capability", value)
    refused(world.run(script), "GRANT_NONE", script)


def test_grant_read(world, refused):
    """An attribute without a value is the one malformed kind that the kernel lets in; the naive wrapper resists."""
    script = world.script("job", "python3", GENUINE, None)
    os.setxattr(script, "security.capability", b"")
    result = world.run(script)
    refused(result, "GRANT_READ", script)
    mend(result, ("cap_net_raw=i", script))
    genuine(world.run(script))


def test_grant_read_error(world, refused):
    """A broken disk, by a seccomp filter here."""
    script = world.script("job", "python3", GENUINE)
    refused(filtered(world, "fgetxattr", errno.EIO, script), "GRANT_READ", script)


def test_grant_unsupported(world, refused):
    """A file system that has no file capabilities: there it is no use to set them again. Naive has none to hand on."""
    plain = world.folder("plain")
    mount("-t", "ramfs", "none", plain)
    naive = world.script("plain/naive-job", "python3", GENUINE, None, wrapper=world.naive)
    script = world.script("plain/job", "python3", GENUINE, None)
    with pytest.raises(OSError, match="not supported"):
        os.getxattr(script, "security.capability")
    lacks(world.run(naive))
    result = world.run(script)
    refused(result, "GRANT_UNSUPPORTED", script)
    genuine(world.run(moved(world, result)))


def test_grant_unknown_capabilities(world, refused):
    """Bits that the kernel has no capability for can be set, and nobody holds them."""
    script = world.script("job", "python3", GENUINE, None)
    os.setxattr(script, "security.capability", attribute(0x02000000, 0, 1 << 13, 0, 1 << 31))
    result = world.run(script)
    assert result.code == 125 and result.out == b"" and "63" in result.err, result
