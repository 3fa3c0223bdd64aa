"""The list of refusals, against the tests."""

from kit import SOURCE


def test_every_refusal_is_tested(refusals):
    """No refusal is added without a test that names it."""
    text = "".join(path.read_text() for path in (SOURCE / "tests").rglob("test_*.py"))
    assert [name for name in refusals if f'"{name}"' not in text] == []
