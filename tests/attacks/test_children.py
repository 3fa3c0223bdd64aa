"""Attacks on what an interpreter reads again, and on what a script starts."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from kit import GRANT, USER, WRAPPER, World, bit, end_all_of, jobs, sets_in

EVIL = "echo EVIL >&2; grep ^Cap /proc/self/status >&2"


def evil_ran(text: str) -> bool:
    return "EVIL" in text and sets_in(text)["CapEff"] == bit(GRANT)


@pytest.mark.parametrize("kind", ["env", "assigned", "path"])
def test_first_line_read_again(world, refused, kind):
    """perl takes what stands behind its name in the first line for its options, and -n makes it run an argument: sudo's
    -i and perl's -i were mixed up in the same way. By --unproven it is seen to win."""
    wrapper = world.program("perl-tools/capwrap", WRAPPER) if world.folder("perl-tools") else None
    line = {"env": "--env perl -n{} perl", "assigned": "-n{} perl=-n perl", "path": "-n{} perl"}[kind]
    more = {"wrapper": wrapper} if kind == "path" else {}
    for options in " -U", "":
        script = world.script("job", line.format(options), "print qq(genuine\\n);\n", **more)
        result = world.run(script, f"{EVIL}|", stdin=b"")
        if options and kind != "assigned":
            assert evil_ran(result.err), result
    refused(result, "PROVEN_REREAD", script)
    assert "EVIL" not in result.err


def test_first_line_plain(world):
    """Options of the wrapper before perl are nobody else's where nothing has its name."""
    script = world.script("job", "-n --env PERSON perl -T", "print qq(genuine\\n);\n")
    assert world.run(script, f"{EVIL}|").text == "genuine\n"


def test_locale_of_the_line(world, attacker, refused):
    """A locale that root wrote into the line: under UTF-16 Guile takes the script's path for a name in the current
    directory."""
    for locale in "C.UTF-16LE", "C.cp037", "xx.ebcdic", "../C":
        script = world.script("job", f"LC_ALL={locale} guile", "!#\n(display \"genuine\")\n")
        refused(world.run(script, cwd=attacker.home), "LINE_VARIABLE_VALUE", script)
    script = world.script("job", "LC_ALL=C.UTF-8 guile", "!#\n(display \"genuine\")\n")
    assert world.run(script, cwd=attacker.home).text == "genuine"


JAVA_CHILD = """
public class Job {
  public static void main(String[] words) throws Exception {
    System.exit(new ProcessBuilder(System.getProperty("java.home") + "/bin/java", words[0]).inheritIO().start().waitFor());
  }
}
"""
JAVA_WAITS = """
public class Child {
  public static void main(String[] words) throws Exception {
    System.out.println(ProcessHandle.current().pid());
    Thread.sleep(20000);
  }
}
"""


@pytest.mark.thorough
@pytest.mark.parametrize("line", ["bash", "java"])
def test_java_that_a_script_starts(world, attacker, line):
    """The attach mechanism is closed by the environment, too: a Java that is started plainly has it from there."""
    child = world.script("lib/Child.java", b"//\n", JAVA_WAITS, None)
    body = JAVA_CHILD if line == "java" else 'exec java "$1"\n'
    options = "java -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage --source 11" if line == "java" else line
    for wrapper in world.naive, world.wrapper:
        script = world.script("lib/Job", options, body, wrapper=wrapper)
        process = subprocess.Popen([script, child], user=USER, group=USER, extra_groups=[], cwd=attacker.home, text=True,
                                   env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            pid = process.stdout.readline().strip()
            assert pid, process.communicate()
            told = world.run("jcmd", pid, "VM.version")
            assert ("JDK" in told.text) == (wrapper == world.naive), told
        finally:
            end_all_of(USER)
            process.communicate()


@pytest.mark.parametrize("body", [
    "help('json')\n", "import subprocess; subprocess.run(['git', '-C', '/', 'help', '-a'])\n",
    "import subprocess; subprocess.run(['less', '/etc/services'])\n",
], ids=["help", "git", "less"])
def test_pager(world, body):
    """A pager on the caller's terminal runs what is typed behind !."""
    if "less" in body and not shutil.which("less"):
        pytest.skip("this machine has no less")
    for script in jobs(world, body=body):
        told = typed(world, script, f"!({EVIL})\n")
        if script.name == "job":
            assert "CapEff" not in told, told
        elif "help(" in body:
            assert evil_ran(told), told


def typed(world: World, script: Path, words: str) -> str:
    """What a script tells on a terminal where those words are typed, some time after it began, and again until they are run."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([script], user=USER, group=USER, extra_groups=[], cwd="/", stdin=follower, stdout=follower,
                               stderr=follower, env={"PATH": "/usr/bin:/bin", "TERM": "xterm"}, start_new_session=True)
    os.close(follower)
    told, now = b"", time.monotonic()
    end, next_words = now + 10, now + 2
    while time.monotonic() < end and process.poll() is None and b"CapEff" not in told:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                told += os.read(leader, 65536)
            except OSError:
                break
        elif time.monotonic() > next_words:
            os.write(leader, words.encode())
            next_words = time.monotonic() + 3
    process.kill()
    process.wait()
    while select.select([leader], [], [], 0.2)[0]:
        try:
            told += os.read(leader, 65536)
        except OSError:
            break
    os.close(leader)
    return re.sub(r"\r", "", told.decode(errors="replace"))
