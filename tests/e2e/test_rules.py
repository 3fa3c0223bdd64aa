"""For every rule: an attack that wins without it, and is refused with it."""

from conftest import bit

STATUS = "import sys; sys.stdout.write(open('/proc/self/status').read())\n"


def test_grant_is_needed(world, refused):
    script = world.script("show", "python3", STATUS, caps=None)
    refused(world.run(script), "GRANT_NONE", script)


def test_line_differs(world, refused):
    """The caller names another interpreter for a granted script."""
    script = world.script("show", "python3", STATUS)
    evil = world.script("evil", "#!/usr/bin/python3\n", STATUS, caps=None)
    won = world.run(world.naive, evil, script)
    assert won.sets["CapEff"] == bit("cap_net_raw")
    refused(world.run(world.wrapper, evil, script), "LINE_DIFFERS", script)
