"""What a granted script gets, and what reaches it unchanged."""

from conftest import SETS, USER, bit

STATUS = "import sys; sys.stdout.write(open('/proc/self/status').read())\n"


def test_script_gets_its_grant(world):
    script = world.script("show", "python3", STATUS, caps="cap_net_raw,cap_kill=i")
    result = world.run(script)
    assert result.code == 0, result
    assert {result.sets[name] for name in SETS} == {bit("cap_net_raw,cap_kill")}
    assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n" in result.text
