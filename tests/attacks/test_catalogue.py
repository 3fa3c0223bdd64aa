"""CATALOGUE.md and the tests name the same attacks."""

import ast
import re
from pathlib import Path

from kit import SOURCE

CATALOGUE = (SOURCE / "tests/attacks/CATALOGUE.md").read_text()
LISTED = re.findall(r"^\|.*\| `(test_\w+)` \|$", CATALOGUE, re.M)


def paths(pattern: str) -> list[Path]:
    """The files of tests, without this one, which has no attacks."""
    return [path for path in (SOURCE / "tests").glob(pattern) if path.name != "test_catalogue.py"]


def functions(pattern: str) -> dict[str, ast.FunctionDef]:
    """The tests in those files, by name."""
    steps = [step for path in paths(pattern) for step in ast.parse(path.read_text()).body]
    return {step.name: step for step in steps if isinstance(step, ast.FunctionDef) and step.name.startswith("test_")}


def test_each_listed_test_exists():
    assert set(LISTED) - functions("*/test_*.py").keys() == set()
    assert len(LISTED) == len(set(LISTED)) and len(LISTED) == CATALOGUE.count("\n|") - 2


def test_each_attack_is_listed():
    """All that attack files have, and what has an attacker in the files of the rules."""
    attacks = functions("attacks/test_*.py").keys() | {
        name for name, test in functions("rules/test_*.py").items()
        if {"attacker", "beaten"} & {argument.arg for argument in test.args.args}}
    assert attacks - set(LISTED) == set()


def test_each_attack_says_what_it_is():
    assert [name for name, test in functions("attacks/test_*.py").items() if not ast.get_docstring(test)] == []
