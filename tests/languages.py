"""What the proof of an interpreter runs in its language: scripts that tell what they have, that start children, and that wait
with a secret; and code that would be the caller's."""

from __future__ import annotations

from dataclasses import dataclass

from kit import AWK, GUILE, LUA, NODE, PERL, PHP, PYTHON, RUBY, SHELL, TCL, R


@dataclass
class Language:
    tell: str  # prints its status and its arguments, each in brackets
    children: str  # starts, by the standard library, what it can start; each child prints "child"
    wait: str  # holds the word "secret", says genuine, and waits
    code: str  # starts the program EVIL
    suffix: str = "x"


# Which leaves bytecode, unless it is told not to.
PYTHON_BESIDE = """
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import beside
"""
PYTHON_CHILDREN = """
import concurrent.futures, json, multiprocessing, os, subprocess, sys
from multiprocessing import shared_memory

def child(*_):
    print("child", flush=True)

if __name__ == "__main__":
    for method in "fork", "spawn", "forkserver":
        context = multiprocessing.get_context(method)
        process = context.Process(target=child)
        process.start()
        process.join()
        assert process.exitcode == 0, method
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(child).result()
    memory = shared_memory.SharedMemory(create=True, size=10)
    memory.close()
    memory.unlink()
    subprocess.run([sys.executable, "-c", "import json, multiprocessing; print('child')"], check=True)
    subprocess.run([sys.executable, "-m", "json.tool", "/dev/null"], stderr=subprocess.DEVNULL)
    os.system("echo child")
"""
SHELL_CHILDREN = """
echo $(echo child)
(echo child)
sh -c 'echo child'
echo child | cat
cd /nonexistent 2>/dev/null || :
"""
LANGUAGES = {
    "python": Language(PYTHON_BESIDE + PYTHON, PYTHON_CHILDREN, """
import time
def wait(secret):
    print("genuine", flush=True)
    time.sleep(20)
wait("the" + "secret")
""", "import os; os.system('EVIL')\n", "py"),
    "perl": Language(PERL, """
require Net::SMTP;
system("echo", "child");
print `echo child`;
open my $pipe, "-|", "$^X -e 'print qq(child\\\\n)'"; print <$pipe>;
""", """
my $secret = "the"."secret"; $| = 1; print "genuine\\n"; sleep 20;
""", "system('EVIL');\n", "pl"),
    "ruby": Language(RUBY, """
require "json"; require "open3"; require "rbconfig"; require "tempfile"
system("echo", "child")
puts `echo child`
puts IO.popen([RbConfig.ruby, "-e", "require 'json'; puts 'child'"]).read
puts Open3.capture2("echo child")[0]
""", """
def wait(secret) $stdout.sync = true; puts "genuine"; sleep 20 end
wait("the" + "secret")
""", "system('EVIL')\n", "rb"),
    "shell": Language(SHELL, SHELL_CHILDREN, """
secret="the""secret"
echo genuine
sleep 20 &
wait
""", "EVIL\n", "sh"),
    "node": Language(NODE, """
const { fork, execSync } = require("child_process");
if (process.argv[2] === "child") { console.log("child"); process.exit(); }
try {
  process.stdout.write(execSync("echo child"));
  fork(__filename, ["child"]);
} catch (error) { console.log("child", error.code); }
""", """
const secret = "the" + "secret"; console.log("genuine"); setTimeout(() => console.log(secret.length), 20000);
""", "require('child_process').execFileSync('EVIL');\n", "js"),
    "lua": Language(LUA, """
os.execute("echo child")
print(io.popen("echo child"):read("a"))
pcall(require, "colour")
""", """
local secret = "the" .. "secret" print("genuine") io.stdout:flush() os.execute("sleep 20")
""", "os.execute('EVIL')\n", "lua"),
    "tclsh": Language(TCL, """
puts [exec echo child]
puts [read [open "|echo child"]]
puts [exec [info nameofexecutable] /dev/null]
catch {package require colour}
""", """
set secret "the[string trim secret]"; puts genuine; flush stdout; after 20000
""", "exec EVIL\n", "tcl"),
    "awk": Language(AWK, """
BEGIN {
	system("echo child")
	while (("echo child" | getline line) > 0) print line
	print "child" | "cat"
}
""", """
BEGIN { secret = "the" "secret"; system("echo genuine"); system("sleep 20") }
""", "BEGIN { system(\"EVIL\") }\n", "awk"),
    "sed": Language("p\n", "1e echo child\n", "1s/.*/genuine/w /dev/stderr\n1e sleep 20\n", "1e EVIL\n", "sed"),
    "php": Language(PHP + 'stream_resolve_include_path("colour.php");\n', """<?php
echo shell_exec("echo child");
system("echo child");
echo fread(popen(PHP_BINARY . " -r 'echo 1;' && echo child", "r"), 100);
""", """<?php
$secret = "the" . "secret"; echo "genuine\\n"; sleep(20);
""", "<?php system('EVIL');\n", "php"),
    "guile": Language(GUILE, """!#
(use-modules (ice-9 popen) (ice-9 rdelim))
(system* "echo" "child")
(system "echo child")
(display (read-line (open-input-pipe "echo child")))
""", """!#
(define secret (string-append "the" "secret"))
(display "genuine\\n") (force-output) (sleep 20) (display (string-length secret))
""", "(system \"EVIL\")\n", "scm"),
    "Rscript": Language(R, """
system("echo child")
cat(system2("echo", "child", stdout = TRUE), "\\n")
invisible(parallel::mclapply(1:2, function(n) cat("child\\n")))
""", """
wait <- function(word) { cat("genuine\\n"); for (i in 1:200) Sys.sleep(0.1) }
wait(paste0("the", "secret"))
""", "system('EVIL')\n", "R"),
    "expect": Language("puts [read [open /proc/self/status]]\n" + TCL.split("\n", 2)[2], """
spawn -noecho echo child
expect eof
puts [exec echo child]
""", """
set secret "the[string trim secret]"; puts genuine; flush stdout; sleep 20
""", "exec EVIL\n", "exp"),
    "java": Language("""
public class Job {
  public static void main(String[] words) throws Exception {
    System.out.println(new String(new java.io.FileInputStream("/proc/self/status").readAllBytes()));
    for (String word : words) System.out.println("[" + word + "]");
  }
}
""", """
public class Job {
  public static void main(String[] words) throws Exception {
    new ProcessBuilder("echo", "child").inheritIO().start().waitFor();
    Runtime.getRuntime().exec("echo child").waitFor();
    java.util.prefs.Preferences.userRoot().node("capwrap").put("a", "b");
  }
}
""", """
public class Job {
  public static void main(String[] words) throws Exception {
    String secret = new StringBuilder("the").append("secret").toString();
    System.out.println("genuine");
    Thread.sleep(20000);
    System.out.println(secret.length());
  }
}
""", "class Evil { static { new ProcessBuilder(\"EVIL\").start(); } }\n", "java"),
}

# By the first name of a row.
LANGUAGE_OF = {name: LANGUAGES["shell"] for name in ("bash", "dash", "zsh", "ksh", "mksh", "sh", "busybox")} | {
    "gawk": LANGUAGES["awk"], "awk": LANGUAGES["awk"]} | LANGUAGES
