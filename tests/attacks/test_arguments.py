"""Attacks by the arguments that a caller passes, of which there may be none."""

import pytest
from kit import GENUINE, executes, genuine, jobs


def test_no_argv(world, attacker, beaten):
    """CVE-2021-4034 (PwnKit): with no argv at all the environment is taken for it. Linux from 5.18 on makes it one
    empty string, and naive counts its arguments; the test is there for kernels that do not."""
    _, script = jobs(world)
    words = [attacker.program, script]
    result = world.run("false", preexec_fn=executes(program=world.naive, environment=words))
    assert (result.code, result.out) == (125, b""), result
    beaten(world.run("false", preexec_fn=executes(program=world.wrapper, environment=words)), "CALL_USAGE", None)
    beaten(world.run("false", preexec_fn=executes(program=world.wrapper)), "CALL_USAGE", None)


@pytest.mark.parametrize("name", ["", "--help", "-e", "/usr/bin/python3", "sudoedit"])
def test_name_of_the_program(world, attacker, beaten, name):
    """CVE-2021-3156 (Baron Samedit), where the name that a program is called by changed what it does."""
    naive, script = jobs(world)
    won = world.run("false", preexec_fn=executes(name, attacker.program, naive, program=world.naive))
    attacker.wins(won)
    evil = executes(name, attacker.program, script, program=world.wrapper)
    beaten(world.run("false", preexec_fn=evil), "LINE_DIFFERS", script)
    genuine(world.run("false", preexec_fn=executes(name, "python3", script, program=world.wrapper)))


@pytest.mark.parametrize("empty", [["", ""], ["", "", ""], ["python3", ""], ["python3", "", "x"]])
def test_empty_arguments(world, refused, empty):
    """Empty strings where the line and the script should be: naive finds no grant there either."""
    jobs(world)
    assert world.run(world.naive, *empty).code
    refused(world.run(world.wrapper, *empty), "PATH_RESOLVE", None)


@pytest.mark.parametrize(("count", "size"), [(1, 131071), (45, 131000), (300_000, 1), (400_000, 0)])
def test_huge_argv(world, count, size):
    """CVE-2018-14634 (Mutagen Astronomy) and CVE-2017-1000364 (Stack Clash): as many and as long arguments as the
    kernel takes, and more. It is the script with its grant, or nothing; with naive too."""
    body = GENUINE + "print(len(sys.argv), sum(map(len, sys.argv[1:])))\n"
    for script in jobs(world, body=body):
        result = world.run("false", preexec_fn=executes(script, *["x" * size] * count, program=script))
        if result.code == 0:
            genuine(result)
            assert result.text.split()[-2:] == [str(count + 1), str(count * size)]
        else:
            assert result.out == b"", result
