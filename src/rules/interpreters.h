/* The table of interpreters: what each may be asked for, and what it needs to keep the caller out. tests/proven runs every
 * row, with every option, against a caller who set traps; a row or an option without that does not belong here.
 *
 * INTERPRETER(names, files, applet, options, last, needs, command, after, blocked, above, rereads, catalogues, added...), see proven.h. */

#define SHELL_OPTIONS "-o,errexit -o,nounset -o,noglob -o,noclobber -o,xtrace"
#define SOURCE ". \"$0\""

/* Before 3.11 nothing keeps a Python that the script starts with -c out of the current directory, but -I does so for those
 * that the standard library starts. */
INTERPRETER("python python3#", "python3.0 python3.1 python3.2 python3.3 python3.4 python3.5 python3.6 python3.7 python3.8 python3.9 python3.10", "",
	"-BEIObqsSu -W* -W,* -Xutf8 -X,utf8", "", "-I", "", "", 0, false, false, false, "-B")
/* -I and -E hide PYTHONDONTWRITEBYTECODE and PYTHONSAFEPATH from it, and from what it starts with the same options. One that
 * is older, under a name that does not tell, does not know -P and ends. */
INTERPRETER("python python3#", "python python3#", "",
	"-BEIOPbqsSu -W* -W,* -Xutf8 -X,utf8 -Xutf8=0 -X,utf8=0 PYTHONUNBUFFERED=* PYTHONUTF8=* PYTHONIOENCODING=* PYTHONHASHSEED=*",
	"", "", "", "", 0, false, false, false, "-B", "-P")
/* With -T and -t it does not look at PERL5OPT. */
INTERPRETER("perl perl5#", "perl perl5#", "", "-TtWwX -CS -CSD -CSDA", "", "", "", "", 0, false, true, false,
	PERL_CONFIGURES)
INTERPRETER("ruby ruby#", "ruby ruby#", "", "-UvwW -W0 -W1 -W2 --disable-gems --disable=gems", "", "", "", "", 0, false, true, false, "")
/* It reads on in its script by a descriptor, and takes one of the caller's for that where a limit leaves it no other. What it
 * sources, it reads whole. For -c it would read the caller's settings where standard input is a socket. */
INTERPRETER("bash", "bash", "", "-BCETaefhpuvx --norc --noprofile --posix -o,pipefail -o,posix " SHELL_OPTIONS, "", "", SOURCE, "", 0,
	false, false, false, "--norc")
INTERPRETER("sh", "bash", "", "-Caefuvx " SHELL_OPTIONS, "", "", SOURCE, "", 0, false, false, false, "")
INTERPRETER("dash", "dash", "", "-Caefuvx " SHELL_OPTIONS, "", "", "", "", 0, false, false, false, "")
INTERPRETER("zsh", "zsh zsh-#", "", "-Cefuvx -o,pipefail " SHELL_OPTIONS, "", "", "", "", 0, false, false, false, "")
/* A file of messages makes it crash. */
INTERPRETER("ksh ksh93 sh", "ksh ksh93", "", "-Caefuvx -o,pipefail " SHELL_OPTIONS, "", "", "", "", 0, false, false, true, "")
INTERPRETER("mksh lksh ksh", "mksh lksh", "", "-Caefuvx -o,pipefail " SHELL_OPTIONS, "", "", "", "", 0, false, false, false, "")
INTERPRETER("sh", "dash zsh mksh lksh busybox", "", "-Caefuvx " SHELL_OPTIONS, "", "", "", "", 0, false, false, false, "")
INTERPRETER("busybox", "busybox", "sh", "-Caefuvx -o,pipefail " SHELL_OPTIONS, "", "", "", "", 0, false, false, false, "")
/* SIGUSR1 opens a debugger to every process of the same user. */
INTERPRETER("node node# nodejs", "node node# nodejs", "",
	"- --disable-sigusr1 --permission --experimental-permission --allow-fs-read=* --allow-fs-write=* "
	"--allow-child-process --allow-worker --no-warnings --no-deprecation --enable-source-maps --use-strict --inspect-port=* "
	"--max-old-space-size=*", "",
	"--disable-sigusr1|--permission|--experimental-permission", "", "", 0, true, false, false, "")
INTERPRETER("lua lua5#", "lua lua5#", "", "-", "", "", "", "", 0, false, false, false, "")
INTERPRETER("tclsh tclsh8#", "tclsh tclsh8#", "", "- -encoding,utf-8", "", "", "", "", 0, false, false, false, "")
INTERPRETER("gawk", "gawk gawk-#", "", "-bnMNOP -F* -F,* -v* -v,*", "E", "", "", "", 0, false, false, false, "")
INTERPRETER("awk mawk nawk original-awk", "mawk gawk original-awk", "", "- -F* -F,* -v* -v,*", "f", "", "", "--", 0, false, false, false, "")
INTERPRETER("sed", "sed", "", "-Enrsuz --posix --sandbox", "f", "", "", "--", 0, false, false, false, "")
/* Its own default for include_path begins with the current directory. */
INTERPRETER("php php#", "php php#", "", "-nq", "", "", "", "", 0, false, false, false, "-dinclude_path=/usr/share/php")
INTERPRETER("guile guile#", "guile guile#", "", "- --no-auto-compile", "", "", "", "", 0, false, false, false, "")
/* It answers SIGUSR1 and SIGUSR2 by saving all that it knows to the current directory, the others by printing it. */
INTERPRETER("Rscript", "Rscript", "", "- --vanilla --no-environ --no-site-file --no-init-file", "", "", "", "",
	BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGSEGV) | BIT(SIGILL) | BIT(SIGBUS), false, false, false, "")
INTERPRETER("expect", "expect", "", "-N", "f", "", "", "--", 0, false, false, false, "-n")
/* From 22 on it looks for classes above the script. It loads agents from any process of the same user, and writes what it knows to the current directory when it dies. What
 * is added keeps it from a file in /tmp, from telling on SIGQUIT what it does, and from looking for its own settings there. */
INTERPRETER("java", "java", "",
	"- -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage --source,# -ea -XX:-CreateCoredumpOnCrash -Xms* -Xmx* -Xss*", "",
	"-XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage", "", "", 0, true, false, false, "-XX:-UsePerfData", "-Xrs", "-XX:Flags=/dev/null",
	"-XX:CompileCommandFile=/dev/null")
