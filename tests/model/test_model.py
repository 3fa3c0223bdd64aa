"""The real wrapper and the real kernel against model.py: whatever the caller, the ceiling, the grant and the
interpreter are, a script starts with the sets that the model has, or is refused as the model has it."""

import os
import re
import struct
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, note, settings, strategies as st
from kit import BUILD, THOROUGH, USER, WRAPPER, Registered, World, bounding, remove_tree, sets_in
from model import VALID, Eperm, File, Process, Refused, Setup, run

MACHINE = bounding()
LAUNCH = BUILD / "tests/programs/launch"
EVERY = (1 << 64) - 1
EXAMPLES = 2000 if THOROUGH else 700

# Names as libcap has them, numbers where it has none.
NAMES = subprocess.run(["capsh", f"--decode={EVERY:x}"], capture_output=True, text=True, check=True).stdout
NAMES = NAMES.strip().split("=")[1].split(",")


def examples(count: int):
    return settings(max_examples=count, deadline=None, derandomize=False, print_blob=True, database=None)


# What there is to draw

# Every mask is made of a few capabilities, so that sets meet: those that capwrap and the kernel themselves ask for,
# the first and the last one, both halves of the 64 bits, and what the machine may lack.
FEW = sorted({0, 5, 8, 13, 24, 31, 32, VALID.bit_length() - 1})
some = st.sets(st.sampled_from(FEW)).map(lambda caps: sum(1 << cap for cap in caps))
masks = some | some | st.just(0) | st.just(VALID) | st.integers(0, VALID)
often = st.sampled_from([True] * 6 + [False])
seldom = st.sampled_from([False] * 6 + [True])
files = st.builds(File, masks, masks, st.booleans(), st.sampled_from([0, 0, 0, 0, USER]))


@st.composite
def callers(draw) -> Process:
    inheritable = MACHINE & draw(masks)
    permitted = MACHINE & draw(masks)
    return Process(
        uid=draw(st.sampled_from([USER, USER, 0])),
        permitted=permitted,
        inheritable=inheritable,
        ambient=permitted & inheritable & draw(masks | st.just(VALID)),
        bounding=MACHINE & ~(0 if draw(often) else draw(masks)),
        effective=permitted,
        securebits=draw(st.integers(0, 255)) if draw(st.booleans()) else 0,
        no_new_privs=draw(seldom),
    )


@st.composite
def setups(draw) -> Setup:
    """Ones that mostly would run."""
    held = MACHINE if draw(often) else VALID
    grant, more = held & draw(masks) or 1, draw(masks)
    binfmt = draw(st.booleans())
    one, other = ("permitted", "inheritable") if binfmt else ("inheritable", "permitted")
    scripts = [
        File(**{one: grant}),
        File(**{one: grant}, effective=True),
        File(**{one: grant, other: grant & more}),
        File(permitted=grant, inheritable=grant),
    ]
    interpreters = [None, File(inheritable=grant | more), File(inheritable=grant | more, effective=True)]
    ceilings = [File(permitted=VALID), File(permitted=grant | more), File(permitted=grant | more, effective=True)]
    beyond = st.builds(File, inheritable=st.integers(1, EVERY))  # capabilities that there may be one day
    return Setup(
        ceiling=draw(st.sampled_from(ceilings) if draw(often) else files | st.none()),
        grant=draw(st.sampled_from(scripts) if draw(often) else files | beyond | st.none()),
        interpreter=draw(st.sampled_from(interpreters) if draw(often) else files | st.just(File())),
        nosuid=draw(seldom) and not binfmt,
        contain=draw(seldom) or draw(seldom),
        no_new_privs=draw(st.booleans()),
        binfmt=binfmt,
    )


# What is there


class Arena(World):
    """One wrapper, one interpreter and a script for each line, whose capabilities change with each example."""

    def __init__(self, top: Path) -> None:
        super().__init__(top)
        self.status = self.program("status", BUILD / "tests/programs/status", caps="")
        self.folder("bin")
        self.folder("nosuid")
        self.wrapper = self.program("bin/capwrap", WRAPPER, caps="")
        self.folder("registered")
        self.other = self.program("registered/capwrap", WRAPPER, caps="")
        self.door = Registered(self, magic=f"#!{self.other}", interpreter=self.other)
        subprocess.run(["mount", "--bind", top / "bin", top / "nosuid"], check=True)
        subprocess.run(["mount", "-o", "remount,bind,nosuid", top / "nosuid"], check=True)

    def of(self, setup: Setup) -> Path:
        """The script for this, with all that it needs."""
        options = " --unproven" + " --contain" * setup.contain + " --no-new-privs" * setup.no_new_privs
        folder = "nosuid" if setup.nosuid else "registered" if setup.binfmt else "bin"
        path = self.top / f"script{options.replace(' ', '')}-{folder}"
        if not path.exists():
            self.script(path, f"#!{self.top}/{folder}/capwrap{options} {self.status}\n", caps=None)
        self.put(self.other if setup.binfmt else self.wrapper, setup.ceiling)
        self.put(self.status, setup.interpreter)
        self.put(path, setup.grant)
        return path

    @staticmethod
    def put(path: Path, file: File | None) -> None:
        if not file:
            if "security.capability" in os.listxattr(path):
                os.removexattr(path, "security.capability")
            return
        magic = (0x3000000 if file.rootid else 0x2000000) | file.effective
        halves = [mask >> shift & 0xffffffff for shift in (0, 32) for mask in (file.permitted, file.inheritable)]
        value = struct.pack("<5I", magic, *halves) + (struct.pack("<I", file.rootid) if file.rootid else b"")
        os.setxattr(path, "security.capability", value)

    @staticmethod
    def launch(caller: Process, program: Path) -> subprocess.CompletedProcess:
        sets = (caller.permitted, caller.inheritable, caller.ambient, caller.bounding, caller.securebits)
        state = [str(caller.uid), *(f"{mask:x}" for mask in sets), str(int(caller.no_new_privs))]
        done = subprocess.run([LAUNCH, *state, program], capture_output=True, text=True, timeout=60, env={})
        assert done.returncode != 99, done
        return done


@pytest.fixture(scope="module")
def arena():
    top = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
    top.chmod(0o755)
    made = None
    try:
        made = Arena(top)
        yield made
    finally:
        if made:
            made.door.close()
        remove_tree(top)


def process_in(status: str) -> Process:
    """The process that a text of the interpreter tells of."""
    sets = sets_in(status)
    field = dict(re.findall(r"^(\w+):\t(\w+)", status, re.M))
    return Process(
        uid=int(field["Uid"]),
        permitted=sets["CapPrm"],
        inheritable=sets["CapInh"],
        ambient=sets["CapAmb"],
        bounding=sets["CapBnd"],
        effective=sets["CapEff"],
        securebits=int(field["Securebits"], 16),
        no_new_privs=field["NoNewPrivs"] == "1",
    )


@pytest.fixture(scope="module")
def refusal_in(refusals):
    """Tells which refusal a text is, and of which capabilities."""
    holes = {"%g": "(?P<caps>[a-z0-9_,]+)", "%%": "%"}
    patterns = {
        name: re.compile("capwrap: .+: " + "".join(
            holes.get(part, ".+" if part.startswith("%") else re.escape(part))
            for part in re.split("(%[oegupw])", f"{row['reason']}; {row['fix']}")) + "\n")
        for name, row in refusals.items()
    }

    def tell(done: subprocess.CompletedProcess) -> Refused:
        found = {name: match for name, pattern in patterns.items() if (match := pattern.fullmatch(done.stderr))}
        assert len(found) == 1 and done.stdout == "", done
        [(name, match)] = found.items()
        assert done.returncode == int(refusals[name]["code"]), done
        caps = match.groupdict().get("caps")
        return Refused(name, sum(1 << NAMES.index(cap) for cap in caps.split(",")) if caps else 0)

    return tell


def outcome_of(model, *arguments) -> Process | tuple | str:
    """What a model says, as something to compare."""
    try:
        return model(*arguments)
    except Refused as refused:
        return refused.args
    except Eperm:
        return "EPERM"


# The tests


def test_kernel_equals_model(arena):
    """First the kernel alone: a program with any file capabilities, run by anyone."""

    @examples(300)
    @given(st.none() | files, callers())
    def holds(file, caller):
        arena.put(arena.status, file)
        done = arena.launch(caller, arena.status)
        seen = process_in(done.stdout) if done.returncode == 0 else {98: "EPERM"}[done.returncode]
        assert seen == outcome_of(caller.execve, file)

    holds()


def test_wrapper_equals_model(arena, refusal_in):
    outcomes = Counter()

    @examples(EXAMPLES)
    @given(setups(), callers())
    @example(Setup(File(VALID, rootid=USER), File(inheritable=1)), Process(USER, 0, 0, 0, MACHINE))
    @example(Setup(File(VALID), File(inheritable=1, rootid=USER)), Process(USER, 0, 0, 0, MACHINE))
    @example(Setup(File(inheritable=1), File(inheritable=1), File(inheritable=1), contain=True), Process(USER, 0, 1, 0, 0))
    def holds(setup, caller):
        expected = outcome_of(run, setup, caller)
        done = arena.launch(caller, arena.of(setup))
        if done.returncode == 0:
            seen = process_in(done.stdout)
            is_exactly_the_grant(seen, setup, caller)
        else:
            seen = "EPERM" if done.returncode == 98 else refusal_in(done).args
        note(f"{done}")
        assert seen == expected
        outcomes[kind(seen)] += 1

    holds()
    assert outcomes.total() > EXAMPLES, outcomes
    assert set(outcomes) <= KINDS, outcomes
    assert set(outcomes) == KINDS or not THOROUGH, outcomes


KINDS = {
    "effective", "effective by the interpreter", "permitted", "EPERM", "GRANT_NONE", "GRANT_ROOTID", "GRANT_PERMITTED",
    "INTERPRETER_CAPABILITIES", "CONTAIN_UNCOVERED", "CEILING_NO_NEW_PRIVS", "CEILING_BOUNDING", "CEILING_NOSUID",
    "GRANT_INHERITABLE", "CEILING_WRAPPER", "CEILING_NARROW", "EFFECT_NOROOT", "EFFECT_SETS",
}


def kind(outcome) -> str:
    if not isinstance(outcome, Process):
        return outcome if isinstance(outcome, str) else outcome[0]
    if not outcome.effective:
        return "permitted"
    return "effective" if outcome.ambient else "effective by the interpreter"


def is_exactly_the_grant(seen: Process, setup: Setup, caller: Process) -> None:
    """What no model has to tell: never more than the grant, and nothing of it lost."""
    grant = setup.grant.permitted if setup.binfmt else setup.grant.inheritable
    assert (seen.permitted, seen.inheritable) == (grant, grant)
    assert seen.effective in (0, grant) and seen.ambient in (0, grant)
    assert not (setup.contain and seen.ambient)
    assert (seen.uid, seen.bounding) == (caller.uid, caller.bounding)
    assert seen.no_new_privs >= (setup.no_new_privs or caller.no_new_privs)
    assert caller.uid or seen.securebits & 3 == 3
