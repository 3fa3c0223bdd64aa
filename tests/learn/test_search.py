"""The search, with programs whose needs are made up; and the kernel's account, as several kernels write it."""

import random
import sys

import pytest
from kit import THOROUGH, learn_files

TRIES = 2000 if THOROUGH else 200
NAMES = [f"cap_{name}" for name in ("net_raw net_bind_service kill chown dac_override dac_read_search sys_admin sys_nice fowner "
                                    "setuid setgid syslog sys_time sys_ptrace mknod bpf lease").split()]


@pytest.fixture(scope="module")
def modules():
    try:
        place = learn_files()
    except Exception:
        pytest.skip("this machine has no Python package to build it with")
    paths = [str(place / "usr/local/share/capwrap"), *map(str, place.glob("usr/local/lib/python3*/*-packages"))]
    sys.path[:0] = paths
    try:
        from capwrap_learn import kernel, search, trials
    except ImportError as error:
        pytest.skip(f"this machine's Python is not the one it was built for: {error}")
    finally:
        del sys.path[:len(paths)]
    return kernel, search, trials


def program(modules, works, asks, seen=True):
    """A run with some capabilities granted: `works` and `asks` are functions of these."""
    kernel, search, trials = modules
    numbers = {trials.name_of(number): number for number in range(41)}

    def run(granted):
        account = kernel.Account() if seen else None
        for name in asks(granted) if seen else ():
            account.asks.append(kernel.Ask(numbers[name], name in granted, "call", "", 0, "program", False))
        return trials.Trial(granted, works(granted), "exit status", "", account)

    return run


def searched(modules, run, up_only=False):
    found = modules[1].Search(run, frozenset(NAMES), up_only)
    found.search()
    return found


@pytest.mark.parametrize("up_only", [False, True])
def test_whatever_it_needs(modules, up_only):
    """It is found, and takes no more runs than it should; what is asked for in vain costs one each."""
    dice = random.Random(17)
    for _ in range(TRIES):
        needs = frozenset(dice.sample(NAMES, dice.randrange(5)))
        vain = frozenset(dice.sample(NAMES, dice.randrange(5)))
        order = dice.sample(NAMES, len(NAMES))

        def asks(granted, needs=needs, vain=vain, order=order):
            for name in order:
                if name in needs | vain:
                    yield name
                if name in needs - granted:
                    return

        found = searched(modules, program(modules, lambda granted, needs=needs: needs <= granted, asks), up_only)
        assert found.verdict == ("needs" if needs else "nothing") and found.needs == needs
        if not up_only:
            assert len(found.trials) <= len(found.candidates) + 4
        else:
            assert len(found.trials) <= 2 * len(found.candidates) + 4


def test_strongest_first(modules):
    """Of two that would do, the weaker one is kept."""
    run = program(modules, lambda granted: bool({"cap_dac_override", "cap_dac_read_search"} & granted),
                  lambda granted: ["cap_dac_read_search", "cap_dac_override"])
    assert searched(modules, run).needs == {"cap_dac_read_search"}
    order = modules[1].strongest_first(NAMES)
    assert order[:2] == ["cap_sys_admin", "cap_sys_ptrace"] and order.index("cap_net_bind_service") > order.index("cap_net_raw")
    assert modules[1].strongest_first(["cap_kill", "41"]) == ["41", "cap_kill"]


def test_every_capability_has_a_strength(modules):
    named = {modules[2].name_of(number) for number in range(41)}
    assert {f"cap_{name}" for name in modules[1].STRENGTH} == named


def test_blind(modules):
    """Without the kernel's account: all of them, and half of them at once."""
    dice = random.Random(17)
    for _ in range(TRIES):
        needs = frozenset(dice.sample(NAMES, dice.randrange(4)))
        found = searched(modules, program(modules, lambda granted, needs=needs: needs <= granted, None, seen=False))
        assert found.needs == needs and len(found.trials) <= len(NAMES) + 4


def test_poison(modules):
    """With too much it fails: so one after the other, from what was denied last."""
    for up_only in (False, True):
        run = program(modules, lambda granted: "cap_sys_admin" in granted and "cap_setuid" not in granted,
                      lambda granted: ["cap_setuid", "cap_chown", "cap_sys_admin"])
        found = searched(modules, run, up_only)
        assert found.needs == {"cap_sys_admin"} and found.verdict == "needs" and len(found.trials) <= len(found.candidates) + 4


def test_what_the_kernel_did_not_tell(modules):
    run = program(modules, lambda granted: "cap_kill" in granted, lambda granted: ["cap_chown"])
    found = searched(modules, run)
    assert found.needs == {"cap_kill"} and found.candidates == set(NAMES)


def test_never(modules):
    found = searched(modules, program(modules, lambda granted: False, lambda granted: NAMES[:5]))
    assert found.verdict == "never" and len(found.trials) <= len(found.candidates) + 4


def test_unsteady(modules):
    """It may win by luck, but not three times."""
    dice = random.Random(17)
    verdicts = [searched(modules, program(modules, lambda granted: dice.random() < 0.5, lambda granted: NAMES[:3])).verdict
                for _ in range(TRIES)]
    assert verdicts.count("unsteady") > TRIES / 2


PROBES = """\
          script-70      [000] .....    10.000001: tracing_mark_write: capwrap-learn begins
          script-70      [000] .....    10.000001: <stack trace>
 => tracing_mark_write
          script-70      [000] .....    10.100000: ask: (cap_capable+0x0/0x80) cap=7
          script-70      [000] .....    10.100001: answer: (security_capable+0x3a/0x60 <- cap_capable) ret=-1
         python3-70      [000] .....    11.000001: sched_process_exec: filename=/usr/bin/python3 pid=70 old_pid=70
         python3-70      [000] .....    11.000002: tracing_mark_write: capwrap-learn line 3
       odd [1] x-70      [000] .....    11.000003: sched_process_fork: comm=odd [1] x pid=70 child_comm=cat child_pid=71
             cat-71      [001] .....    11.100000: call_openat: (__x64_sys_openat+0x0/0x80) path="/etc/shadow"
             cat-71      [001] .....    11.100001: ask: (cap_capable+0x0/0x80) cap=2
             cat-71      [001] .....    11.100002: <stack trace>
 => cap_capable
 => security_capable
 => __x64_sys_openat
 => do_syscall_64
         other-999      [000] .....    11.100003: ask: (cap_capable+0x0/0x80) cap=12
             cat-71      [001] .....    11.100003: answer: (security_capable+0x3a/0x60 <- cap_capable) ret=-1
             cat-71      [001] .....    11.100004: sys_exit: NR NUMBER = -13
             cat-71      [001] .....    11.200001: ask: (cap_capable+0x0/0x80) cap=21
             cat-71      [001] .....    11.200002: <stack trace>
 => cap_capable
 => cap_vm_enough_memory
             cat-71      [001] .....    11.200003: answer: (cap_vm_enough_memory+0x3a/0x60 <- cap_capable) ret=-1
             cat-71      [001] .....    11.300000: call_bind: (__x64_sys_bind+0x0/0x8) family=2 p=0 q=80 four=0x100007f a=0x0
             cat-71      [001] .....    11.300001: ask: (cap_capable+0x0/0x80) cap=10
             cat-71      [001] .....    11.300002: <stack trace>
 => cap_capable
 => __x64_sys_bind
             cat-71      [001] .....    11.300003: answer: (ns_capable+0x3a/0x60 <- cap_capable) ret=0
"""


def test_account_by_probes(modules):
    """A process's own, and its children's, from the first program on; the noise of memory is none."""
    kernel = modules[0]
    number = next(number for number, name in kernel.CALLS.items() if name == "openat")
    account = kernel.understand(PROBES.replace("NUMBER", str(number)), 1)
    told = [(ask.capability, ask.granted, ask.call, ask.target, ask.line, ask.program) for ask in account.asks]
    assert told == [(2, False, "openat", "/etc/shadow", 3, "cat"), (10, True, "bind", "127.0.0.1:80", 3, "cat")]
    (denial,) = account.denials
    assert (denial.call, denial.target, denial.error, denial.capabilities) == ("openat", "/etc/shadow", "EACCES", (2,))
    assert not account.lost
    assert kernel.understand(f"CPU:1 [LOST 12 EVENTS]\n{PROBES}", 1).lost  # and what is no number is passed over


def test_account_by_tracepoint(modules):
    kernel = modules[0]
    text = PROBES.replace("ask: (cap_capable+0x0/0x80) cap=2\n",
                          "cap_capable: cred 0001, target_ns 0002, capable_ns 0000, cap 2, ret -1\n")
    account = kernel.understand(text.replace("NUMBER", "1"), 1)
    assert (2, False) in [(ask.capability, ask.granted) for ask in account.asks]


def test_numbers_of_a_call(modules):
    kernel = modules[0]
    assert kernel.numbers("socket", [2, 3 | 0x80000, 1]) == "AF_INET SOCK_RAW, protocol 1"
    assert kernel.numbers("kill", [12, 15]) == "process 12, SIGTERM"
    assert kernel.numbers("setpriority", [0, 0, 0xfffffffb]) == "which 0, who 0, nice -5"
