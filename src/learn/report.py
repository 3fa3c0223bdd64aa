"""What was found, for people and for programs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from .kernel import Ask, Denial
from .search import Search, strongest_first
from .tables import MEANINGS
from .target import Target, group_that_may
from .trials import Trial, name_of

SHOWN, LISTED = 3, 12  # calls of one capability, and rows of a list, for people


def number_of(name: str) -> int:
    return next((number for number in MEANINGS if name_of(number) == name), 64)


def meaning(name: str) -> str:
    return MEANINGS.get(number_of(name), "newer than this program")


def plain(text: str) -> str:
    """With nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text)


# ---- The calls behind a capability


def where(call: Ask | Denial, answer: str) -> dict:
    return {"call": call.call, "target": call.target, "line": call.line or None, "program": call.program, "answer": answer}


def calls_of(name: str, trials: Iterable[Trial]) -> list[dict]:
    """Each once; used in one trial and denied in another, it was used."""
    found: dict[tuple, dict] = {}
    for trial in trials:
        for ask in trial.asks:
            if name_of(ask.capability) == name:
                row = where(ask, "used" if ask.granted else "denied")
                key = (ask.call, ask.target)
                known = found.setdefault(key, row)
                known["answer"] = row["answer"] if known["answer"] == "denied" else "used"
                known["line"] = known["line"] or row["line"]
    return sorted(found.values(), key=lambda row: (not row["target"], row["line"] or 0))


def survived(trial: Trial | None, needs: frozenset[str]) -> list[dict]:
    """What was denied in a run that worked: calls that failed, and what was asked in vain without that."""
    if not trial or not trial.account:
        return []
    rows: dict[tuple, dict] = {}
    told = set()
    for denial in trial.account.denials:
        names = [name_of(number) for number in denial.capabilities]
        told |= {(denial.call, name) for name in names}
        row = {**where(denial, denial.error), "capabilities": names}
        rows.setdefault((denial.call, denial.target, denial.error, *names), row)
    for ask in trial.asks:
        name = name_of(ask.capability)
        if not ask.granted and not ask.tracing and name not in needs and (ask.call, name) not in told:
            rows.setdefault((ask.call, ask.target, name), {**where(ask, "denied"), "capabilities": [name]})
    return list(rows.values())


# ---- Less than the grant


def files_of(calls: list[dict], said: str) -> list[str]:
    """Those that the kernel told of, or else those in the script's own complaint."""
    told = [row["target"] for row in calls if row["target"].startswith("/")]
    return told or [path for path in re.findall(r"/[^\s:;,'\"]+", said) if os.path.isfile(path)]


def weaker(name: str, files: list[str], calls: list[dict], target: Target) -> list[str]:
    """What would do without it, or with less."""
    found = []
    if name == "cap_dac_override":
        found.append("cap_dac_read_search was tried in its place, and is not enough")
    if name in ("cap_dac_override", "cap_dac_read_search"):
        groups = {path: group_that_may(path, name == "cap_dac_override") for path in files}
        found += [f"members of the group {group} may do that with {path}" for path, group in groups.items() if group][:SHOWN]
        if not any(groups.values()):
            found.append(f"a group, or an access control list, of the files: setfacl -m u:{target.account.name}:"
                         f"{'rw' if name == 'cap_dac_override' else 'r'} FILE")
    elif name == "cap_net_bind_service":
        ports = [int(port[1]) for row in calls if (port := re.search(r":(\d+)$", row["target"])) and int(port[1])]
        found.append(f"sysctl net.ipv4.ip_unprivileged_port_start={min(ports, default='PORT')}, for every user of this machine")
    elif name == "cap_net_raw":
        sockets = [row["target"] for row in calls if row["call"] == "socket"]
        if not any(sockets) or any(re.match(r"AF_INET6? SOCK_RAW, protocol (1|58)$", target) for target in sockets):
            found.append("for ICMP echo alone: sockets of the type SOCK_DGRAM, by sysctl net.ipv4.ping_group_range='GID GID'")
    else:
        found += [text for known, text in OTHERS.items() if name == known]
    return found


OTHERS = {
    "cap_chown": "giving files to a group that the user is in needs no capability",
    "cap_ipc_lock": "ulimit -l, by limits.conf(5)",
    "cap_kill": "signals to processes of the same user need no capability: the script may have --user",
    "cap_perfmon": "sysctl kernel.perf_event_paranoid, for every user of this machine",
    "cap_sys_nice": "ulimit -e and -r, by limits.conf(5)",
    "cap_sys_ptrace": "processes of the same user need no capability: the script may have --user",
    "cap_syslog": "sysctl kernel.dmesg_restrict=0, for every user of this machine; or the group adm, for the log's files",
}


# ---- All of it


def report(search: Search, target: Target, extra: Trial | None, notes: list[str], judged: bool) -> dict:
    """`extra`: a run that told its lines. `judged`: by --ok."""
    certain = search.verdict in ("needs", "nothing")
    needs = sorted(search.needs, key=number_of) if certain else []
    final = search.of(search.needs)[-1:] if search.verdict != "never" else []
    last = (extra or final[0]) if final else None
    rows = []
    for name in needs:
        without = next((trial for trial in reversed(search.trials)
                        if not trial.works and name not in trial.granted and trial.granted >= search.needs - {name}), None)
        calls = calls_of(name, [trial for trial in (extra, *final, without) if trial])
        said = without.error or without.status if without else ""
        rows.append({"capability": name, "meaning": meaning(name), "calls": calls, "without": said or None,
                     "weaker": weaker(name, files_of(calls, said), calls, target)})
    others = strongest_first(search.candidates - search.needs) if certain else []
    unneeded = [{"capability": name, "meaning": meaning(name), "calls": calls_of(name, search.trials)} for name in others
                if any(name_of(ask.capability) == name and not ask.tracing for trial in search.trials for ask in trial.asks)]
    failed = search.trials[0]
    denied = survived(last if search.verdict != "never" else extra or failed, search.needs)
    if certain and any(row["capabilities"] and row["answer"] != "denied" for row in denied) and not judged:
        notes = [*notes, "calls were denied, and its exit status says that it worked: else --ok COMMAND can tell"]
    return {
        "script": target.original, "arguments": target.arguments, "user": target.user.name, "verdict": search.verdict,
        "capabilities": needs, "needs": rows, "unneeded": unneeded,
        "survived": denied,
        "failure": None if certain else failed.error or failed.status,
        "unsteady": [sorted(names, key=number_of) for names in search.unsteady],
        "weighed": len(search.candidates), "runs": len(search.trials) + (extra is not None), "traced": search.trials[0].seen,
        "lines": extra is not None, "tried": target.path, "notes": [*target.notes, *notes],
        "paste": target.paste(needs) if search.verdict == "needs" else [],
    }


def as_json(found: dict) -> str:
    return json.dumps(found, indent=2)


def spelt(row: dict) -> str:
    """A call in a line."""
    words = " ".join(word for word in (row["call"], row["target"]) if word) or "?"
    at = f", line {row['line']}" if row["line"] else ""
    program = f", by {row['program']}" if row["program"] and row["program"] != "<...>" else ""
    return plain(f"{words}{at}{program}")


def as_text(found: dict) -> str:
    names = ",".join(found["capabilities"])
    script = plain(found["script"])
    head = {"needs": f"needs {names}", "nothing": "needs no capability", "never": "works with none that was tried",
            "unsteady": "unsteady: the same capabilities gave different answers"}
    out = [f"{script}: {head[found['verdict']]}"]
    for row in found["needs"]:
        calls = row["calls"]
        out.append(f"  {row['capability']}: {row['meaning']}" + (f": {spelt(calls[0])}, {calls[0]['answer']}" if calls else ""))
        out += [f"    also      {spelt(call)}, {call['answer']}" for call in calls[1:SHOWN]]
        if len(calls) > SHOWN:
            out.append(f"    also      {len(calls) - SHOWN} more, which --json lists")
        if row["without"]:
            out.append(f"    without   {plain(row['without'])}")
        out += [f"    instead   {plain(text)}" for text in row["weaker"]]
    for names in found["unsteady"]:
        out.append(f"  worked, and did not, with {','.join(names) or 'nothing'}")
    if found["failure"]:
        out.append(f"  it fails    {plain(found['failure'])}")
    out += section("asked for, not needed", [f"{row['capability']}: {spelt(row['calls'][0]) if row['calls'] else ''}"
                                             for row in found["unneeded"]])
    title = "denied" if found["verdict"] == "never" else "denied, and survived"
    out += section(title, [f"{spelt(row)}: {row['answer']} ({', '.join(row['capabilities'])})".replace(" ()", "")
                           for row in found["survived"]])
    out += section("note", [plain(note) for note in found["notes"]])
    weighed = f"{found['weighed']} {'capability' if found['weighed'] == 1 else 'capabilities'} weighed"
    out.append(f"  {'after' if found['failure'] else 'proven by'} {found['runs']} runs as {plain(found['user'])}, {weighed}")
    if found["paste"]:
        out += ["", *found["paste"]]
    return "\n".join(out)


def section(title: str, rows: list[str]) -> list[str]:
    more = [f"{len(rows) - LISTED} more, which --json lists"] if len(rows) > LISTED else []
    return [f"  {title}", *(f"    {row}" for row in rows[:LISTED] + more)] if rows else []


def exit_status(found: dict) -> int:
    return 0 if found["verdict"] in ("needs", "nothing") else 1


def progress(terminal: int):
    """A line on a terminal that says what is going on; elsewhere nothing."""
    if not os.isatty(terminal):
        return lambda text: None

    def say(text: str) -> None:
        width = os.get_terminal_size(terminal).columns or 80
        os.write(terminal, f"\r\033[K{plain(text)[:width - 1]}".encode())

    return say
