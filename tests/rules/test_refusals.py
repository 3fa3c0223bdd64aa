"""The list of refusals, against the tests."""

from kit import SOURCE


def test_every_refusal_is_tested(refusals):
    """No refusal is added without a test that names it."""
    text = "".join(path.read_text() for path in (SOURCE / "tests").rglob("test_*.py"))
    assert [name for name in refusals if f'"{name}"' not in text] == []


def test_exit_codes(refusals):
    """125, but where the interpreter can't be executed, or is not found: scripts that call scripts go by these."""
    others = {name: int(row["code"]) for name, row in refusals.items() if row["code"] != "125"}
    assert others == {"INTERPRETER_ABSENT": 127, "INTERPRETER_STEP": 126, "INTERPRETER_TYPE": 126, "INTERPRETER_DENIED": 126,
                      "INTERPRETER_EXEC": 126, "EFFECT_LENGTH": 126}
