"""Rule contain: what the script itself starts has nothing."""

import os

import pytest
from kit import AS_USER, GENUINE, GRANT, SETS, STATUS, World, bit, four, grant, interpreter, jobs, permitted_only

CHILD = GENUINE + "sys.stdout.flush(); import os; os.system('echo child; cat /proc/self/status')\n"


def test_contain(world, refused):
    """Without the interpreter's own capabilities a contained script would be ambient: all that it starts gets them."""
    tool = interpreter(world)
    naive, script = jobs(world, f"--contain {tool}", CHILD)
    child = world.run(naive).text.split("child\n")[1]
    assert f"CapEff:\t{bit(GRANT):016x}\n" in child

    result = world.run(script)
    refused(result, "CONTAIN_UNCOVERED", script)
    World.setcap(f"{GRANT}=i", tool)
    result = world.run(script)
    assert result.code == 0, result
    script_status, child = result.text.split("child\n")
    for name, script_has in zip(SETS, (bit(GRANT), bit(GRANT), 0, 0), strict=True):
        assert f"{name}:\t{script_has:016x}\n" in script_status
    assert f"CapPrm:\t{0:016x}\n" in child and f"CapEff:\t{0:016x}\n" in child


@pytest.mark.parametrize("caps", ["", "cap_kill=i"])
def test_contain_uncovered(world, refused, caps):
    """Capabilities of the interpreter that leave some of the grant out."""
    tool = interpreter(world, caps=caps)
    script = world.script("job", f"-c {tool}", GENUINE, "cap_net_raw,cap_kill=i")
    result = world.run(script)
    refused(result, "INTERPRETER_CAPABILITIES" if caps else "CONTAIN_UNCOVERED", script)
    World.setcap("cap_net_raw,cap_kill=i", tool)
    permitted_only(world.run(script), "cap_net_raw,cap_kill")


@pytest.mark.parametrize("who", [["setpriv"], AS_USER], ids=["root", "user"])
def test_contain_ambient(world, who):
    """The caller's own ambient set outlives a wrapper without file capabilities: it does not reach what a contained script
    starts."""
    tool = interpreter(world, caps=f"{GRANT}=i")
    os.removexattr(world.wrapper, "security.capability")
    script = world.script("job", f"--contain {tool}", STATUS)
    short = GRANT.removeprefix("cap_")
    result = world.run(*who, f"--inh-caps=+{short}", f"--ambient-caps=+{short}", script, uid=0)
    assert four(result.sets) == grant(bit(GRANT)) | {"CapEff": 0, "CapAmb": 0}, result
