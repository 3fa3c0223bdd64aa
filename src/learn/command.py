"""The command line; a parent that outlives the run and removes what that leaves, and the run itself."""

from __future__ import annotations

import getopt
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from . import kernel, lines, report, system
from .search import Search
from .tables import VERSION
from .target import Refused, Target, user_of
from .trials import STOPPING, Runner

USAGE = """\
usage: capwrap-learn [-u USER] [--ok COMMAND] [--reset COMMAND] [--lines] [--json]
           [--up-only] [-t SECONDS] [--stdin FILE] SCRIPT|COMMAND [ARG...]

Which capabilities does it need? Runs it as USER, with less and less, and tells what
can't be taken away.

  -u, --user USER        who runs it; nobody by default
      --ok COMMAND       judges each run, in place of its exit status
      --reset COMMAND    run by root before each run, and after the last
  -l, --lines            tell the script's lines: bash, Python, perl
      --json             for programs
      --up-only          never run it with everything
  -t, --timeout SECONDS  that a run may take; 60 by default
      --stdin FILE       standard input of each run; /dev/null by default
  -h, --help             show this
  -V, --version          show the version
"""
LONG = ["user=", "ok=", "reset=", "lines", "json", "up-only", "timeout=", "stdin=", "help", "version"]
TROUBLE = 2


class Usage(Exception):
    pass


def options_of(words: list[str]) -> tuple[dict[str, str], list[str]]:
    try:
        found, rest = getopt.getopt(words, "u:lt:hV", LONG)
    except getopt.GetoptError as error:
        raise Usage(str(error)) from None
    short = {"-u": "--user", "-l": "--lines", "-t": "--timeout", "-h": "--help", "-V": "--version"}
    options = {short.get(name, name)[2:]: value for name, value in found}
    if not rest and not {"help", "version"} & options.keys():
        raise Usage("which script?")
    try:
        if not 0 < float(options.get("timeout", "60")) < 1e6:
            raise ValueError
    except ValueError:
        raise Usage(f"{options['timeout']}: not a number of seconds") from None
    return options, rest


def main() -> int:
    try:
        options, rest = options_of(sys.argv[1:])
    except Usage as error:
        print(f"capwrap-learn: {error}\n{USAGE.partition(chr(10) * 2)[0]}", file=sys.stderr)
        return TROUBLE
    if "help" in options or "version" in options:
        print(USAGE if "help" in options else f"capwrap-learn {VERSION}", end="" if "help" in options else "\n")
        return 0
    if os.geteuid():
        print("capwrap-learn: it grants capabilities, to try them: run it as root", file=sys.stderr)
        return TROUBLE
    sys.stdout.flush()
    return watch_over(lambda parent: learn(options, rest, parent))


# ---- Two processes, of which each removes what the other one leaves


class Stopped(BaseException):
    """By a signal."""


def stop(number: int, frame: object) -> None:
    for other in STOPPING:
        signal.signal(other, signal.SIG_IGN)
    raise Stopped


def watch_over(work: Callable[[int], int]) -> int:
    """Does the work in another process, and what remains of it afterwards: signals end both, and SIGKILL is one's end only."""
    parent = os.getpid()
    system.prctl(system.SUBREAPER, 1)
    system.mounts_apart()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    worker = os.fork()
    if not worker:
        code = TROUBLE
        try:
            system.prctl(system.SUBREAPER, 1)
            system.prctl(system.PDEATHSIG, signal.SIGTERM)
            for number in STOPPING:
                signal.signal(number, stop)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            code = work(parent) if os.getppid() == parent else TROUBLE
        except Stopped:
            pass
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(OSError):
                sys.stdout.flush()
            os._exit(code)
    return follow(worker, parent)


def follow(worker: int, parent: int) -> int:
    received = []

    def forward(number: int, frame: object) -> None:
        received.append(number)
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGTERM)

    for number in STOPPING:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    _, status = os.waitpid(worker, 0)
    if os.WIFSIGNALED(status) or received:  # it may have been stopped while it removed what it had made
        system.end_descendants()
        for place in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing", f"{room()}/tracing"):
            kernel.remove(place, parent)
    if received:
        signal.signal(received[0], signal.SIG_DFL)
        os.kill(parent, received[0])
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else TROUBLE


# ---- The run


def room() -> str:
    """A directory that is there, that is root's, and that nobody misses meanwhile: our own modules', which are all loaded."""
    return os.path.dirname(os.path.realpath(__file__))


def learn(options: dict[str, str], rest: list[str], parent: int) -> int:
    trace = None
    say = report.progress(2)
    try:
        system.mount("capwrap-learn", room(), "tmpfs", options="mode=755")
        target = Target(rest[0], rest[1:], user_of(options.get("user", "nobody")), f"{room()}/run")
        runner = Runner(target, float(options.get("timeout", "60")), options.get("stdin", os.devnull),
                        options.get("ok", ""), options.get("reset", ""), say=say)
        with open(runner.stdin):
            pass
        target.prepare()
        notes = []
        try:
            trace = runner.trace = kernel.Trace(room(), parent)
        except kernel.Unseen as error:
            notes.append(f"the kernel's account is missing, so all {len(target.ceiling)} capabilities were tried: {error}")
        return found(runner, options, notes, say)
    except Refused as error:
        say("")
        print(f"capwrap-learn: {report.plain(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:
        say("")
        print(f"capwrap-learn: {report.plain(str(error.filename or 'it failed'))}: {error.strerror}", file=sys.stderr)
        return TROUBLE
    finally:
        system.end_descendants()
        if trace:
            trace.close()


def found(runner: Runner, options: dict[str, str], notes: list[str], say: Callable[[str], None]) -> int:
    """Searches, and tells."""
    search = Search(runner, runner.target.ceiling, "up-only" in options)
    search.search()
    extra = None
    if "lines" in options and runner.trace and lines.language(runner.target.command[0]):
        extra = runner(search.needs, lines=True)
    elif "lines" in options:
        notes.append("no lines: they are told of bash, Python and perl, and by the kernel's account")
    if any(trial.account and trial.account.lost for trial in search.trials):
        notes.append("the kernel's account has gaps, since more happened than its buffer holds: all capabilities were tried")
    if runner.trace and not runner.trace.probed:
        notes.append("this kernel has no kprobes that tell of which file or address a call was")
    runner.resets()
    say("")
    told = report.report(search, runner.target, extra, notes, bool(runner.ok))
    print(report.as_json(told) if "json" in options else report.as_text(told))
    return report.exit_status(told)
