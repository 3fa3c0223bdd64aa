"""Fixtures for tests against the real kernel: root sets up, an unprivileged uid acts."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from kit import (ACCOUNT, BUILD, OTHER, PREFIX, REPORT, THOROUGH, USER, Accounts, Attacker, Grants, Learner, Machine, Result, Seen,
                 World, end_all_of, remove_tree)


def pytest_collection_modifyitems(config, items) -> None:
    """What is marked as thorough is left out, and counted, unless THOROUGH=1."""
    left_out = [] if THOROUGH else [item for item in items if item.get_closest_marker("thorough")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def world():
    """A fresh trusted folder, removed at the end, with everything that the test's users left running."""
    top = Path(tempfile.mkdtemp(prefix="capwrap-test-", dir="/opt"))
    top.chmod(0o755)
    try:
        yield World(top)
    finally:
        end_all_of(USER, OTHER, ACCOUNT)
        remove_tree(top)


@pytest.fixture(scope="session")
def refusals() -> dict[str, dict[str, str]]:
    """The program's own list: name, to rule, exit code, reason and fix."""
    lines = subprocess.run([BUILD / "tests/unit/refusals"], capture_output=True, text=True, check=True).stdout
    keys = ("name", "rule", "code", "reason", "fix")
    rows = [dict(zip(keys, line.split("\t"), strict=True)) for line in lines.splitlines()]
    return {row["name"]: row for row in rows}


@pytest.fixture
def refused(refusals):
    """Asserts that a result is the refusal of that name: exit code, one line, script (None: none), reason, fix."""

    def check(result: Result, name: str, script: object) -> None:
        row = refusals[name]
        holes = {"%o": "(.+)", "%e": "(.+)", "%g": "([a-z0-9_,]+)", "%u": "([0-9]+)", "%p": "(.+)", "%w": "(.+)"}
        pattern = "".join(
            holes.get(part, re.escape(part)) for part in re.split("(%[oegupw])", f"{row['reason']}; {row['fix']}"))
        about = "" if script is None else f"{script}: "
        assert re.fullmatch(f"capwrap: {re.escape(about)}{pattern}\n", result.err), (name, result)
        assert result.code == int(row["code"]), result
        assert result.out == b"", result

    return check


@pytest.fixture
def attacker(world):
    """The user, with a folder of their own and code that shows whether it got a capability."""
    return Attacker(world)


@pytest.fixture
def beaten(refused, attacker):
    """Asserts a refusal, and that nothing of the attacker's ran."""

    def check(result: Result, name: str, script: object) -> Result:
        refused(result, name, script)
        attacker.loses()
        return result

    return check


@pytest.fixture
def machine(world):
    machine = Machine(world)
    yield machine
    machine.close()


@pytest.fixture
def accounts(world):
    accounts = Accounts(world)
    yield accounts
    accounts.close()


@pytest.fixture
def grants(world):
    grants = Grants(world)
    yield grants
    grants.close()


@pytest.fixture
def learn(grants):
    """capwrap-learn, as it is installed, in a machine of the test's own."""
    if not (PREFIX or (BUILD / "src/learn/capwrap-learn").exists()):
        pytest.skip("this machine has no Python package to build it with")
    return Learner(grants)


@pytest.fixture
def report(world):
    """Runs a script with a line and a grant of cap_net_raw, and tells what it was started with."""

    def run(line: str = "python3", argv: tuple = (), command: tuple = (), **more) -> Seen:
        script = world.script("report", line, REPORT)
        return Seen(world.run(*command, script, *argv, **more))

    return run


def pytest_runtest_logreport(report) -> None:
    """In CI nothing is skipped, but what the Python package has reasons for, and what its machine can't do: then the reason
    begins so, and -rs prints it."""
    if os.environ.get("CI") != "true" or not report.skipped or report.nodeid.startswith("tests/python/"):
        return
    if "Skipped: this machine" not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
