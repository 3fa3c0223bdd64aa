"""Attacks on what lies around an interpreter. Those that no rule can stop are shown, and capwrap-check warns of them."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kit import BUILD, CLOSED, GENUINE, GRANT, NODE_IS_OPEN, PYTHON_FILE, USER, bit, check, interpreter, jobs


def warnings(world, script) -> set[str]:
    return {warning["code"] for report in check(world, script) for warning in report["warnings"]}


@pytest.mark.skipif(CLOSED is None, reason=NODE_IS_OPEN)
def test_sticky_above_node(world, attacker, beaten):
    """node looks for package.json in every folder above the script: one in a sticky folder replaces its modules."""
    above = world.folder("sticky", 0o1777)
    world.script("sticky/app/node_modules/colours/index.js", "#!\n", "console.log('genuine')\n", None)
    attacker.writes(above / "package.json", '{"name": "colours", "exports": "./evil.js"}')
    attacker.writes(above / "evil.js", "console.log(require('fs').readFileSync('/proc/self/status', 'utf8'))\n")
    naive, script = jobs(world, f"node {CLOSED}", "require('colours')\n", folder="sticky/app/")
    assert world.run(naive).sets["CapEff"] == bit(GRANT)
    beaten(world.run(script), "PROVEN_ABOVE", script)
    shutil.rmtree(above / "app")
    (above / "package.json").unlink()
    world.script("app/node_modules/colours/index.js", "#!\n", "console.log('genuine')\n", None)
    script = world.script("app/job", f"node {CLOSED}", "require('colours')\n")
    assert world.run(script).text == "genuine\n"


@pytest.mark.parametrize("kind", ["landmark", "pyvenv.cfg"])
def test_sticky_above_python(world, attacker, beaten, kind):
    """Python looks for its library in every folder above itself, and for pyvenv.cfg in the one above its own."""
    above = world.folder("sticky", 0o1777)
    tool = interpreter(world, "sticky/bin/python3")
    library = above if kind == "landmark" else attacker.home
    world.run("mkdir", library / "lib")
    world.run("cp", "-r", f"/usr/lib/{PYTHON_FILE.name}", library / "lib")
    attacker.writes(library / "lib" / PYTHON_FILE.name / "colorsys.py")
    if kind == "pyvenv.cfg":
        attacker.writes(above / "pyvenv.cfg", f"home = {attacker.home}/bin\n")
    naive, script = jobs(world, tool, "import colorsys\n" + GENUINE)
    attacker.wins(world.run(naive))
    beaten(world.run(script), "INTERPRETER_STICKY", script)
    script = world.script("job", f"--unproven {tool}", "import colorsys\n" + GENUINE)
    beaten(world.run(script), "INTERPRETER_STICKY", script)


def test_perl_diamond(world, attacker):
    """perl opens what it is named by <> in a way that runs a command, without -T: a trait that needs a warning."""
    script = world.script("job", "perl", "while (<>) { print }\n")
    attacker.wins(world.run(script, f"{attacker.program}|"))
    assert "perl-diamond" in warnings(world, script)


def test_interpreter_behind_env(world, attacker, beaten):
    """The program that env starts is looked at as one that is named directly: the user's own does not run."""
    naive, script = jobs(world, f"env {attacker.program}")
    attacker.wins(world.run(naive))
    beaten(world.run(script), "INTERPRETER_OWNER", script)


def theirs(world, attacker, name: str) -> Path:
    """A Python of the user's own."""
    evil = attacker.home / name
    shutil.copyfile(PYTHON_FILE, evil)
    evil.chmod(0o755)
    os.chown(evil, USER, USER)
    return evil


def test_interpreter_of_the_interpreter(world, attacker, beaten):
    """An interpreter that is a script is none: what it starts may be the user's."""
    tool = world.script("tool", f"#!{theirs(world, attacker, 'python')}\n", attacker.code, None)
    naive, script = jobs(world, tool, "")
    attacker.wins(world.run(naive))
    beaten(world.run(script), "INTERPRETER_PROGRAM", script)


@pytest.mark.parametrize("head", ["#!PYTHON", "#! PYTHON -I", "#!/usr/bin/env PYTHON", "#!/usr/bin/env -S X=1 PYTHON -I",
                                  "#!python3"])
def test_every_program_on_the_way(world, attacker, beaten, head):
    """Through env and through scripts, however deep; and never from the current folder."""
    evil = theirs(world, attacker, "python3")
    inner = world.script("inner", head.replace("PYTHON", str(evil)) + "\n", attacker.code, None)
    outer = world.script("outer", f"#!/usr/bin/env {inner}\n", "", None)
    for line in (inner, outer, f"env {outer}", f"env -i A=b {inner}"):
        naive, script = jobs(world, line, "")
        attacker.wins(world.run(naive, cwd=attacker.home))
        beaten(world.run(script, cwd=attacker.home),
               "LINE_ENV_OPTION" if "env -i" in str(line) else "INTERPRETER_PROGRAM", script)


def test_java_class_path(world, attacker):
    """Java's class path is the current folder: a service named there runs before the script's own code."""
    if not shutil.which("javac"):
        return
    (source := world.top / "Evil.java").write_text(JAVA)
    services = attacker.home / "META-INF/services"
    assert world.run("javac", "-d", attacker.home, source).code == 0
    world.run("mkdir", "-p", services)
    attacker.writes(services / "java.nio.file.spi.FileSystemProvider", "Evil\n")
    body = 'public class Job { public static void main(String[] a) { System.out.println("genuine"); } }\n'
    script = world.script("job", "java -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage --source 11", body)
    result = world.run(script, cwd=attacker.home)
    assert result.text == "genuine\n", result.sets["CapEff"]


JAVA = """
import java.net.URI; import java.nio.channels.*; import java.nio.file.*; import java.nio.file.attribute.*;
import java.nio.file.spi.*; import java.util.*;
public class Evil extends FileSystemProvider {
  public Evil() {
    try { System.out.print(new String(new java.io.FileInputStream("/proc/self/status").readAllBytes())); }
    catch (Exception e) { }
    Runtime.getRuntime().halt(0);
  }
  public String getScheme() { return "evil"; }
  public FileSystem newFileSystem(URI u, Map<String, ?> e) { return null; }
  public FileSystem getFileSystem(URI u) { return null; }
  public Path getPath(URI u) { return null; }
  public SeekableByteChannel newByteChannel(Path p, Set<? extends OpenOption> o, FileAttribute<?>... a) { return null; }
  public DirectoryStream<Path> newDirectoryStream(Path d, DirectoryStream.Filter<? super Path> f) { return null; }
  public void createDirectory(Path d, FileAttribute<?>... a) { }
  public void delete(Path p) { }
  public void copy(Path s, Path t, CopyOption... o) { }
  public void move(Path s, Path t, CopyOption... o) { }
  public boolean isSameFile(Path a, Path b) { return false; }
  public boolean isHidden(Path p) { return false; }
  public FileStore getFileStore(Path p) { return null; }
  public void checkAccess(Path p, AccessMode... m) { }
  public <V extends FileAttributeView> V getFileAttributeView(Path p, Class<V> t, LinkOption... o) { return null; }
  public <A extends BasicFileAttributes> A readAttributes(Path p, Class<A> t, LinkOption... o) { return null; }
  public Map<String, Object> readAttributes(Path p, String a, LinkOption... o) { return null; }
  public void setAttribute(Path p, String a, Object v, LinkOption... o) { }
}
"""


def told_after(world, script, number, **more) -> str:
    """What a script in R tells that is sent a signal once it has told that it is genuine."""
    process = subprocess.Popen([script], user=USER, group=USER, extra_groups=[], text=True, env={"PATH": "/usr/bin:/bin"},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **more)
    assert process.stdout.readline() == "genuine\n"
    time.sleep(0.3)
    world.run("kill", f"-{number}", process.pid)
    return process.communicate(timeout=30)[0]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
@pytest.mark.parametrize("line", ["Rscript", "env Rscript"])
def test_r_saves_on_a_signal(world, attacker, number, line):
    """R answers by writing its workspace to the current folder, which hands the caller what the script has read."""
    body = "secret <- 1\ncat('genuine\\n')\nfor (i in 1:20) Sys.sleep(0.1)\ncat('end\\n')\n"
    saved = attacker.home / ".RData"
    for wrapper in (world.naive, world.wrapper):
        script = world.script("job", line, body, wrapper=wrapper)
        rest = told_after(world, script, number, cwd=attacker.home)
        assert saved.exists() == (wrapper == world.naive), rest
        saved.unlink(missing_ok=True)
    assert rest == "end\n"


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL, signal.SIGBUS])
def test_r_tells_on_a_signal(world, number):
    """R answers by printing what its functions were called with."""
    body = ("wait <- function(secret) for (i in 1:20) Sys.sleep(0.1)\n"
            "cat('genuine\\n')\nwait('the secret')\ncat('end\\n')\n")
    for wrapper in (world.naive, world.wrapper):
        script = world.script("job", "Rscript", body, wrapper=wrapper)
        rest = told_after(world, script, number, cwd="/", stderr=subprocess.STDOUT)
        assert ("the secret" in rest) == (wrapper == world.naive), rest
    assert rest == "end\n"


def test_r_by_another_name(world, attacker, beaten):
    """A link to Rscript would not have its signals blocked: it is not in the table."""
    (world.top / "tool").symlink_to("/usr/bin/Rscript")
    body = "secret <- 1\ncat('genuine\\n')\nfor (i in 1:20) Sys.sleep(0.1)\ncat('end\\n')\n"
    for line in (world.top / "tool", f"env {world.top}/tool"):
        naive, script = jobs(world, line, body)
        told_after(world, naive, signal.SIGUSR1, cwd=attacker.home)
        (attacker.home / ".RData").unlink()
        beaten(world.run(script, cwd=attacker.home), "PROVEN_UNKNOWN", script)


ENVS = {
    "env -Snode": "LINE_ENV_OPTION", "env -SNODE": "LINE_ENV_OPTION", "env --split-string=NODE": "LINE_ENV_OPTION",
    "env -u X NODE": "LINE_ENV_OPTION", "env -uX NODE": "LINE_ENV_OPTION", "env -iSNODE": "LINE_ENV_OPTION",
    "env -C / NODE": "LINE_ENV_OPTION", "env -i X=1": "LINE_ENV_OPTION", "env": "LINE_INTERPRETER",
    "env -S X=1\\_NODE true": "LINE_ENV_QUOTES", "env -S '${X}NODE'": "LINE_ENV_QUOTES", "env env NODE": "PROVEN_NEVER",
    "env -S env -i NODE": "PROVEN_NEVER", "env X=1 /usr/bin/env NODE": "PROVEN_NEVER",
}


@pytest.mark.parametrize("line", ENVS)
def test_env_hides_no_program(world, refused, line):
    """Options of env that swallow words, or that env itself expands, would hide node from the rules."""
    for options in "", "--unproven ":
        script = world.script("job", options + line.replace("NODE", "perl"), "")
        refused(world.run(script), ENVS[line], script)


@pytest.mark.parametrize(("kind", "reason"), [("limit", "CALL_LIMIT"), ("unreadable", "INTERPRETER_STEP")])
def test_interpreter_that_can_not_be_read(world, refused, kind, reason):
    """Where the wrapper can't see what a script of an interpreter starts, the kernel would start it all the same."""
    evil = world.program("evil", BUILD / "tests/programs/status", caps="")
    os.chown(evil, USER, USER)
    tool = world.script("tool", f"#!{evil}\n", "", None, mode=0o711 if kind == "unreadable" else 0o755)
    limit = "ulimit -n 4; " if kind == "limit" else ""
    result = world.run("/bin/sh", "-c", f'{limit}exec "$0"', world.script("naive-job", tool, "", wrapper=world.naive))
    assert result.sets["CapEff"] == bit(GRANT)
    script = world.script("job", tool, "")
    refused(world.run("/bin/sh", "-c", f'{limit}exec "$0"', script), reason, script)
