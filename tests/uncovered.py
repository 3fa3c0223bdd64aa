"""What tests/coverage needs of Python: a plugin of pytest, and the look at the lines that were not run."""

import json
import sys
from pathlib import Path


def pytest_collection_modifyitems(items) -> None:
    """test_faults.py knows the wrapper without a C library. One makes calls of its own before main(), and has other
    names for some; and whatever writes the counters is left alone."""
    for module in {item.module for item in items if item.path.name == "test_faults.py"}:
        module.ERRORS |= {"access": module.ERRORS["faccessat"], "readlink": module.ERRORS["readlinkat"]}
        module.Disturbed.calls = calls_from_main(module.Disturbed.calls)


def calls_from_main(calls):
    def calls_of_wrapper(self):
        lines = self.trace.read_text().splitlines(keepends=True)
        start = next(at for at, line in enumerate(lines) if line.startswith(f'execve("{self.script}"'))
        first = next(at for at in range(start, len(lines)) if lines[at].startswith("capget("))
        own = [line for line in lines[first:] if not line.startswith(("clone(", "wait4("))]
        self.trace.write_text("".join([*lines[:start], *lines[start + 1:first], lines[start], *own]))
        return calls(self)

    return calls_of_wrapper


def main(report: Path, reasons_file: Path) -> str:
    """Prints each line that was not run, with its reason; returns what is wrong."""
    reasons = [row for row in reasons_file.read_text().splitlines() if not row.startswith("#")]
    wrong = []
    for file in json.loads(report.read_text())["files"]:
        source = Path(file["file"])
        text = source.read_text().splitlines()
        for number in (line["line_number"] for line in file["lines"]
                       if not line["count"] and not line.get("gcovr/noncode")):
            row = f"{source.name}: {text[number - 1].strip()}: "
            reason = next((reason for reason in reasons if reason.startswith(row)), None)
            if reason:
                reasons.remove(reason)
                print(reason)
            else:
                wrong.append(f"{row}line {number} is not run, and {reasons_file} has no reason")
    return "\n".join([*wrong, *(f"{reason}\n\tis in {reasons_file}, but was run or is gone" for reason in reasons)])


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])) or None)  # "" would be a failure too
