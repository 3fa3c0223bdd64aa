/* Every refusal, listed once: its name, rule, exit code, reason and fix. The exit code is 125; 126 where the interpreter
 * can't be executed, 127 where it is not found. capwrap.1 lists the same, and a test holds the two together.
 * %o stands for the file or word that it is about, %e for errno in words, %g for the capabilities, %u for the account's
 * user id, %p for the script, %w for the wrapper. */

/* What grants a script again that was changed; and what moves it to where nobody else can write. */
#define REGRANT "setcap cap_NAME=ip %p"
#define MOVE "install -b %p " REFUGE " && setcap cap_NAME=ip " REFUGE "/\"$(basename %p)\""

REFUSAL(CALL_USAGE, RULE_CALL, 125,
	"called without arguments; it is meant to be run by a script's #! line",
	"begin a script with #!%w python3, and run that")
REFUSAL(CALL_IDS, RULE_CALL, 125,
	"real, effective and saved user or group id differ",
	"chmod ug-s %w")
REFUSAL(CALL_SETID, RULE_CALL, 125,
	"it is set-user-ID or set-group-ID",
	"chmod ug-s %p")
REFUSAL(CALL_DESCRIPTORS, RULE_CALL, 125,
	"descriptors 0 to 2 can't be opened on /dev/null: %e",
	"mknod -m 666 /dev/null c 1 3")
REFUSAL(CALL_LIMIT, RULE_CALL, 125,
	"fewer than 64 file descriptors are left",
	"ulimit -n 1024")
REFUSAL(CALL_CAPABILITIES, RULE_CALL, 125,
	"the effective set can't be emptied: %e",
	"allow capget and capset in the seccomp filter")
REFUSAL(CALL_MEMORY, RULE_CALL, 125,
	"PR_SET_MDWE is set, under which libraries keep code in files that others may write to",
	"run it outside of what sets that, such as MemoryDenyWriteExecute= of systemd")
REFUSAL(CALL_SELF, RULE_CALL, 125,
	"the wrapper can't see which program it is: /proc/self/exe: %e",
	"mount -t proc proc /proc")
REFUSAL(PATH_RESOLVE, RULE_PATH, 125,
	"can't be found: %e",
	"namei -l %p")
REFUSAL(PATH_PROC, RULE_PATH, 125,
	"where it lies can't be seen: /proc/self/fd: %e",
	"mount -t proc proc /proc")
REFUSAL(PATH_STEP, RULE_PATH, 125,
	"%o: %e",
	"namei -l %p")
REFUSAL(PATH_LINK, RULE_PATH, 125,
	"%o became a link while it was looked at",
	"run %p again")
REFUSAL(PATH_MOVED, RULE_PATH, 125,
	"%o is another file than the one that was executed",
	"run %p again")
REFUSAL(PATH_OWNER, RULE_PATH, 125,
	"%o is not owned by root",
	MOVE)
REFUSAL(PATH_ROOT, RULE_PATH, 125,
	"the root directory %o is not owned by root",
	"run it outside of user namespaces, or: chown root: %o")
REFUSAL(PATH_WRITABLE, RULE_PATH, 125,
	"%o is writable by group or others",
	"chmod go-w %o")
REFUSAL(PATH_STICKY, RULE_PATH, 125,
	"lies in %o, where others can put files beside it",
	MOVE)
REFUSAL(FILE_OPEN, RULE_FILE, 125,
	"can't be opened for reading: %e",
	"let those who run it read it, too, since the interpreter has to")
REFUSAL(FILE_TYPE, RULE_FILE, 125,
	"not a regular file",
	"name a script")
REFUSAL(FILE_OWNER, RULE_FILE, 125,
	"not owned by root",
	"chown root: %p && " REGRANT)
REFUSAL(FILE_WRITABLE, RULE_FILE, 125,
	"writable by group or others",
	"chmod go-w %p")
REFUSAL(FILE_NOSUID, RULE_FILE, 125,
	"%o is mounted nosuid",
	MOVE)
REFUSAL(EXECUTE_DENIED, RULE_EXECUTE, 125,
	"nobody may execute it",
	"chmod +x %p")
REFUSAL(EXECUTE_OTHERS, RULE_EXECUTE, 125,
	"you are not among those who may execute it",
	"become a member of its group, or of another that it is given to")
REFUSAL(EXECUTE_NOEXEC, RULE_EXECUTE, 125,
	"on a mount with noexec",
	MOVE)
REFUSAL(EXECUTE_BUSY, RULE_EXECUTE, 125,
	"some process has it open or mapped for writing",
	"fuser -v %p")
REFUSAL(EXECUTE_ERROR, RULE_EXECUTE, 125,
	"can't be executed: %e",
	"namei -l %p")
REFUSAL(LINE_READ, RULE_LINE, 125,
	"its first line can't be read: %e",
	"head -n 1 %p")
REFUSAL(LINE_PROGRAM, RULE_LINE, 125,
	"it is a program, not a script",
	"give a program its capabilities by setcap alone")
REFUSAL(LINE_MARK, RULE_LINE, 125,
	"a byte order mark stands before its #!",
	"LC_ALL=C sed -i '1s/^...//' %p && " REGRANT)
REFUSAL(LINE_MAGIC, RULE_LINE, 125,
	"it does not begin with #! and the path of a program",
	"put #!%w and an interpreter, such as python3, into its first line")
REFUSAL(LINE_END, RULE_LINE, 125,
	"its first line does not end within 255 bytes",
	"shorten it")
REFUSAL(LINE_CR, RULE_LINE, 125,
	"its first line has a carriage return",
	"sed -i 's/\\r$//' %p && " REGRANT)
REFUSAL(LINE_CONTROL, RULE_LINE, 125,
	"its first line has a control byte",
	"head -n 1 %p | cat -v")
REFUSAL(LINE_WRAPPER, RULE_LINE, 125,
	"its first line names %o, which is not this wrapper",
	"put %w there, before the interpreter and its options")
REFUSAL(LINE_DIFFERS, RULE_LINE, 125,
	"its first line is not the one that the wrapper was called with",
	"run the script itself: %p")
REFUSAL(LINE_OPTION, RULE_LINE, 125,
	"its first line has the unknown option %o",
	"use the options of capwrap(1), and put options of the interpreter behind its name")
REFUSAL(LINE_ENV_NAME, RULE_LINE, 125,
	"--env in its first line is not followed by names, joined by commas",
	"put --env NAME or --env NAME,NAME there")
REFUSAL(LINE_ENV_LOADER, RULE_LINE, 125,
	"--env in its first line names %o, which steers the loader or the C library",
	"remove it from --env")
REFUSAL(LINE_DIRECTORY, RULE_LINE, 125,
	"--chdir in its first line is not followed by an absolute path",
	"put --chdir /DIRECTORY there")
REFUSAL(LINE_ENV_OPTION, RULE_LINE, 125,
	"env in its first line has %o, which is not done here",
	"put no more than -S, NAME=VALUE and the interpreter behind env; --env NAME before it keeps a variable")
REFUSAL(LINE_ENV_QUOTES, RULE_LINE, 125,
	"env -S in its first line is followed by quotes, $ or a backslash, which mean nothing here",
	"write words without them")
REFUSAL(LINE_VARIABLE_NAME, RULE_LINE, 125,
	"%o in its first line is no name of a variable",
	"correct it, or put the interpreter's absolute path there")
REFUSAL(LINE_VARIABLE_LOADER, RULE_LINE, 125,
	"its first line sets %o, which steers the loader or the C library",
	"remove it")
REFUSAL(LINE_VARIABLE_VALUE, RULE_LINE, 125,
	"its first line sets %o to a value by which an absolute path may be another name",
	"use a locale with UTF-8, such as C.UTF-8")
REFUSAL(LINE_VARIABLE_SET, RULE_LINE, 125,
	"its first line sets %o, which capwrap sets to keep the caller out",
	"remove it, and set it in the script where that needs it")
REFUSAL(LINE_INTERPRETER, RULE_LINE, 125,
	"its first line names no interpreter",
	"put one, such as python3, behind #!%w and its options")
REFUSAL(GRANT_READ, RULE_GRANT, 125,
	"its capabilities can't be read: %e",
	"setcap -r %p && " REGRANT)
REFUSAL(GRANT_UNSUPPORTED, RULE_GRANT, 125,
	"its file system has no file capabilities",
	MOVE)
REFUSAL(GRANT_NONE, RULE_GRANT, 125,
	"it has no capabilities (an edit, a copy or an upgrade loses them)",
	REGRANT)
REFUSAL(GRANT_ROOTID, RULE_GRANT, 125,
	"its capabilities were set in a user namespace",
	"setcap %g=ip %p")
REFUSAL(GRANT_PERMITTED, RULE_GRANT, 125,
	"it has permitted capabilities that are not inheritable",
	"setcap %g=ip %p")
REFUSAL(GRANT_INHERITABLE, RULE_GRANT, 125,
	"it has inheritable capabilities that are not permitted, as binfmt_misc wants them",
	"setcap %g=ip %p")
REFUSAL(ACCOUNT_WORD, RULE_ACCOUNT, 125,
	"--user in its first line is not followed by NAME, UID or UID:GID",
	"put the name of an account behind --user")
REFUSAL(ACCOUNT_RANGE, RULE_ACCOUNT, 125,
	"account: %o is out of the range of user and group ids",
	"put UID or UID:GID behind --user, each from 1 to 4294967294")
REFUSAL(ACCOUNT_UNKNOWN, RULE_ACCOUNT, 125,
	"account: /etc/passwd has no %o",
	"make it with useradd --system, or put another behind --user; other sources than that file are not asked")
REFUSAL(ACCOUNT_BROKEN, RULE_ACCOUNT, 125,
	"account: the line of %o in /etc/passwd is broken",
	"pwck -r")
REFUSAL(ACCOUNT_ROOT, RULE_ACCOUNT, 125,
	"account: %o is root",
	"put an account of its own behind --user, or leave --user out")
REFUSAL(ACCOUNT_GROUP, RULE_ACCOUNT, 125,
	"account: %o has root's group, without being an account with that group",
	"put another group, or the name of the account, behind --user")
REFUSAL(ACCOUNT_GROUPS, RULE_ACCOUNT, 125,
	"account: %o is in more than 1024 groups",
	"put an account with fewer groups behind --user")
REFUSAL(ACCOUNT_STEP, RULE_ACCOUNT, 125,
	"account: %o: %e",
	"namei -l %o")
REFUSAL(ACCOUNT_OWNER, RULE_ACCOUNT, 125,
	"account: %o is not owned by root",
	"chown root: %o")
REFUSAL(ACCOUNT_WRITABLE, RULE_ACCOUNT, 125,
	"account: %o is writable by group or others",
	"chmod go-w %o")
REFUSAL(ACCOUNT_NOSUID, RULE_ACCOUNT, 125,
	"account: %o is mounted nosuid",
	"mount -o remount,suid %o")
REFUSAL(ACCOUNT_HOME, RULE_ACCOUNT, 125,
	"account: its home is in the hands of others, at %o",
	"give it one that only it can write to, or one that is not there: usermod -d /nonexistent NAME")
REFUSAL(ACCOUNT_EXECUTE, RULE_ACCOUNT, 125,
	"account: the user id %u may not search or execute %o",
	"setfacl -m u:%u:x %o")
REFUSAL(ACCOUNT_READ, RULE_ACCOUNT, 125,
	"account: the user id %u may not read %o",
	"setfacl -m u:%u:r %o")
REFUSAL(ACCOUNT_DIRECTORY, RULE_ACCOUNT, 125,
	"account: the user id %u may not be in the current directory",
	"put --chdir / before the interpreter in its first line, or start it from elsewhere")
REFUSAL(INTERPRETER_RELATIVE, RULE_INTERPRETER, 125,
	"%o is neither a bare name nor an absolute path",
	"put its absolute path into the first line")
REFUSAL(INTERPRETER_ABSENT, RULE_INTERPRETER, 127,
	"interpreter %o is not found",
	"correct its name in the first line, or install it in one of " SECURE_PATH)
REFUSAL(INTERPRETER_STEP, RULE_INTERPRETER, 126,
	"interpreter: %o: %e",
	"namei -l %o")
REFUSAL(INTERPRETER_OWNER, RULE_INTERPRETER, 125,
	"interpreter: %o is not owned by root",
	"put the path of one that root installed into the first line")
REFUSAL(INTERPRETER_WRITABLE, RULE_INTERPRETER, 125,
	"interpreter: %o is writable by group or others",
	"chmod go-w %o")
REFUSAL(INTERPRETER_STICKY, RULE_INTERPRETER, 125,
	"interpreter: it lies in %o, where others can put files beside it",
	"put the path of one that root installed into the first line")
REFUSAL(INTERPRETER_NOSUID, RULE_INTERPRETER, 125,
	"interpreter: %o is mounted nosuid",
	"put an interpreter of another file system into the first line")
REFUSAL(INTERPRETER_TYPE, RULE_INTERPRETER, 126,
	"interpreter: %o is not a regular file",
	"put the path of a program into the first line")
REFUSAL(INTERPRETER_DENIED, RULE_INTERPRETER, 126,
	"interpreter: you may not execute %o: %e",
	"namei -l %o")
REFUSAL(INTERPRETER_SELF, RULE_INTERPRETER, 125,
	"interpreter: %o is the wrapper itself",
	"put another interpreter, such as python3, into the first line")
REFUSAL(INTERPRETER_SETID, RULE_INTERPRETER, 125,
	"interpreter: %o is set-user-ID or set-group-ID",
	"put an interpreter without these bits, or a copy, into the first line")
REFUSAL(INTERPRETER_PROGRAM, RULE_INTERPRETER, 125,
	"interpreter: %o is not a program of this machine, but starts one, as scripts do",
	"put the program that it starts into the first line")
REFUSAL(INTERPRETER_CAPABILITIES, RULE_INTERPRETER, 125,
	"interpreter: the file capabilities of %o would not pass on exactly the grant",
	"put a copy of it that has none, or %g=i, into the first line")
REFUSAL(INTERPRETER_EXEC, RULE_INTERPRETER, 126,
	"interpreter %o can't be executed: %e",
	"file -L %o")
REFUSAL(PROVEN_NEVER, RULE_PROVEN, 125,
	"%o runs what its arguments name, and so the caller's",
	"put the interpreter itself into the first line, and call %o from the script with fixed arguments")
REFUSAL(PROVEN_UNKNOWN, RULE_PROVEN, 125,
	"%o is not known to keep the caller out, by this name and its real one",
	"use an interpreter of capwrap(1), INTERPRETERS, or put --unproven before it and answer for it yourself")
REFUSAL(PROVEN_NEEDS, RULE_PROVEN, 125,
	"its interpreter keeps the caller out only with %o",
	"put that behind its name in the first line; capwrap(1), INTERPRETERS, has what that does")
REFUSAL(PROVEN_OPTION, RULE_PROVEN, 125,
	"its interpreter is not known to keep the caller out with %o",
	"remove it, or put --unproven before the interpreter and answer for it yourself")
REFUSAL(PROVEN_REREAD, RULE_PROVEN, 125,
	"its interpreter reads the first line again, and %o stands there before its own name",
	"write the line without it, or install capwrap where its path does not have it")
REFUSAL(PROVEN_ABOVE, RULE_PROVEN, 125,
	"others can put files into %o, where its interpreter looks for modules",
	MOVE)
REFUSAL(CONTAIN_UNCOVERED, RULE_CONTAIN, 125,
	"--contain needs an interpreter whose inheritable file capabilities cover the grant, and %o has none",
	"copy it, setcap %g=i on the copy, and put that into the first line")
REFUSAL(CEILING_NO_NEW_PRIVS, RULE_CEILING, 125,
	"the wrapper did not get %g: no_new_privs is set",
	"run it outside of what sets that, such as NoNewPrivileges= of systemd or a container")
REFUSAL(CEILING_BOUNDING, RULE_CEILING, 125,
	"the wrapper did not get %g: not in the bounding set",
	"add it where that is narrowed, such as CapabilityBoundingSet= of systemd or a container")
REFUSAL(CEILING_NOSUID, RULE_CEILING, 125,
	"the wrapper did not get %g: it lies on a mount with nosuid",
	"install capwrap on a file system that is not mounted nosuid")
REFUSAL(CEILING_WRAPPER, RULE_CEILING, 125,
	"the wrapper has no capabilities, and was not started by binfmt_misc",
	CEILING_FIX)
REFUSAL(CEILING_NARROW, RULE_CEILING, 125,
	"the wrapper is not to grant %g",
	"getcap %w shows what it is to grant")
REFUSAL(CEILING_EFFECTIVE, RULE_CEILING, 125,
	"the kernel does not start %o: its capabilities are effective, and %g not in the bounding set",
	"setcap all=p %o")
REFUSAL(CEILING_ACCOUNT, RULE_CEILING, 125,
	"its file does not permit %g, which --user takes",
	"setcap 'cap_NAME=ip cap_setgid,cap_setuid+p' %p")
REFUSAL(CEILING_SCRIPT, RULE_CEILING, 125,
	"the kernel does not start it: its capabilities are effective, and %g not in the bounding set",
	"setcap cap_NAME=ip %p")
REFUSAL(CEILING_REGISTERED, RULE_CEILING, 125,
	"the kernel withheld %g from the wrapper",
	"run it untraced and outside of user namespaces, and register it with the flags OC")
REFUSAL(CEILING_WITHHELD, RULE_CEILING, 125,
	"the kernel withheld %g from the wrapper",
	"run it untraced and outside of user namespaces")
REFUSAL(EFFECT_CORE, RULE_EFFECT, 125,
	"core dumps can't be limited: %e",
	"allow setrlimit in the seccomp filter")
REFUSAL(EFFECT_NOROOT, RULE_EFFECT, 125,
	"root's run can't be narrowed: %e",
	"run it with cap_setpcap, or as another user")
REFUSAL(EFFECT_ACCOUNT, RULE_EFFECT, 125,
	"its account's user and group ids can't be taken: %e",
	"cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups")
REFUSAL(EFFECT_IDS, RULE_EFFECT, 125,
	"the user and group ids are not what they were set to",
	"allow setgroups, setresgid and setresuid in the seccomp filter")
REFUSAL(EFFECT_KEYRING, RULE_EFFECT, 125,
	"its account gets no session keyring: %e",
	"cat /proc/key-users")
REFUSAL(EFFECT_DIRECTORY, RULE_EFFECT, 125,
	"%o, which --chdir names, can't be entered: %e",
	"namei -l %o")
REFUSAL(EFFECT_NO_NEW_PRIVS, RULE_EFFECT, 125,
	"no_new_privs can't be set: %e",
	"allow prctl in the seccomp filter")
REFUSAL(EFFECT_SIGNALS, RULE_EFFECT, 125,
	"signals can't be set: %e",
	"allow rt_sigaction and rt_sigprocmask in the seccomp filter")
REFUSAL(EFFECT_SETS, RULE_EFFECT, 125,
	"the capability sets can't be set: %e",
	"capsh --print shows securebits and bounding set")
REFUSAL(EFFECT_DIFFER, RULE_EFFECT, 125,
	"the capability sets are not what they were set to",
	"capsh --print shows securebits and bounding set")
REFUSAL(EFFECT_LENGTH, RULE_EFFECT, 126,
	"the arguments and the environment are too long",
	"pass less, or raise the stack limit: ulimit -s unlimited")
REFUSAL(EFFECT_MEMORY, RULE_EFFECT, 125,
	"no memory: %e",
	"raise the memory limit: ulimit -v unlimited")
