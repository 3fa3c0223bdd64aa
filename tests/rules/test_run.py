"""A whole run: arguments, input and exit status pass the wrapper unchanged."""

import os
import re
import signal
import subprocess

import pytest
from kit import BUILD, WRAPPER


@pytest.mark.parametrize("words", [
    [],
    [""],
    ["", "", ""],
    [" ", "  two  blanks ", "\t"],
    ["new\nline", "\n", "\r"],
    ["-", "--", "-c", "--help", "--version", "--contain", "--env", "-I"],
    [b"\xff\xfe", b"\xc3", "grün".encode()],
    [b"x" * 100_000],
    [str(number) for number in range(5000)],
    ["$(id)", "`id`", "'", '"', "\\", "*", "%s%n", "a=b"],
], ids=lambda words: repr(words[:3])[:24])
def test_arguments_arrive_verbatim(report, words):
    wanted = [os.fsencode(word).decode("latin-1") for word in words]
    assert report(argv=words).argv[4:] == wanted


def test_arguments_of_the_line_come_first(report, world):
    seen = report("python3  -I \t -X utf8", argv=["a"])
    assert seen.argv == ["/usr/bin/python3", "-B", "-P", "-I", "-X", "utf8", f"{world.top}/report", "a"]


def test_every_count_of_arguments(world):
    """Also where one more is added behind the script, and where they just fill a page of memory, or do not."""
    world.folder("bin")
    tool = world.program("bin/mawk", BUILD / "tests/programs/status", "")
    script = world.script("job", f"{tool} -F: -f")
    for count in [*range(50, 75), *range(490, 520), *range(1005, 1030)]:
        words = [str(number) for number in range(count)]
        result = world.run(script, *words)
        told = re.findall(r"^Argument:\t(.*)$", result.text, re.M)
        assert told == [str(tool), "-F:", "-f", str(script), "--", *words], (count, result.code, result.err)


def test_standard_input(world):
    data = bytes(range(256)) * 4096
    assert world.run(world.script("copy", "dash", "exec cat\n"), stdin=data).out == data


def test_every_exit_status(world):
    script = world.script("leave", "dash", 'exit "$1"\n')
    assert [world.run(script, status).code for status in range(256)] == list(range(256))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGHUP", "SIGPIPE"])
def test_death_by_signal(world, name):
    assert world.run(world.script("die", "dash", f"kill -{name[3:]} $$\n")).code == -signal.Signals[name]


def test_canary():
    """What tells a smashed stack is drawn anew by the kernel for each run, also without a C library."""
    command = ["gdb", "-nx", "-q", "-batch", "-ex", "catch syscall exit_group", "-ex", "run",
               "-ex", "print/x *(unsigned long *)&__stack_chk_guard", "--args", WRAPPER, "--version"]
    done = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(3)]
    if "No symbol" in done[0].stderr:
        pytest.skip("this machine's wrapper was built with a C library")
    told = [run.stdout for run in done]
    canaries = {re.search(r"\$1 = 0x([0-9a-f]{9,16})\n", text)[1] for text in told}
    assert len(canaries) == 3
