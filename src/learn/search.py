"""Which runs are made, and what follows from them. It knows nothing of processes: `run` makes a trial with a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .trials import Trial

# Strongest first: what makes root of whoever holds it, then what reaches far, then the rest. A newer one comes first.
STRENGTH = (
    "sys_admin sys_module sys_rawio sys_ptrace bpf setfcap dac_override setuid setgid chown fowner setpcap mac_admin "
    "mac_override checkpoint_restore mknod perfmon sys_boot dac_read_search sys_chroot linux_immutable fsetid net_admin "
    "audit_control kill sys_time sys_resource syslog sys_pacct ipc_owner sys_nice sys_tty_config lease net_raw audit_write "
    "audit_read ipc_lock net_broadcast net_bind_service block_suspend wake_alarm").split()
MANY = 12  # from so many on, half of them are taken away at once

Set = frozenset


def strongest_first(names: Iterable[str]) -> list[str]:
    order = {f"cap_{name}": at for at, name in enumerate(STRENGTH)}
    return sorted(names, key=lambda name: (order.get(name, -1), name))


@dataclass
class Search:
    """What was tried so far, and how it went."""

    run: Callable[[Set[str]], Trial]
    ceiling: Set[str]
    up_only: bool = False
    trials: list[Trial] = field(default_factory=list)
    everything: bool = False  # the candidates are the whole ceiling
    verdict: str = ""  # nothing, needs, never, unsteady
    needs: Set[str] = Set()

    def works(self, names: Iterable[str], again: bool = False) -> bool:
        """Runs it with these, unless that is known."""
        granted = Set(names)
        known = self.of(granted)
        if known and not again:
            return known[-1].works
        self.trials.append(self.run(granted))
        return self.trials[-1].works

    def of(self, granted: Set[str]) -> list[Trial]:
        return [trial for trial in self.trials if trial.granted == granted]

    @property
    def candidates(self) -> Set[str]:
        """What may be needed: all that the kernel was asked for, or, where it did not tell all, everything."""
        if self.everything or not all(trial.seen for trial in self.trials):
            return self.ceiling
        return Set(name for trial in self.trials for name in trial.asked) & self.ceiling

    @property
    def unsteady(self) -> list[Set[str]]:
        """The sets with which it gave different answers."""
        answers: dict[Set[str], set[bool]] = {}
        for trial in self.trials:
            answers.setdefault(trial.granted, set()).add(trial.works)
        return [granted for granted, given in answers.items() if len(given) > 1]

    def search(self) -> None:
        found = self.find()
        if found is not None:
            self.confirm(found)
        self.needs = found or Set()
        self.verdict = "unsteady" if self.unsteady else "never" if found is None else "needs" if found else "nothing"

    def find(self) -> Set[str] | None:
        if self.works(()):
            return Set()
        if self.up_only:
            return self.upwards()
        if not self.works(self.ceiling):
            return self.one_after_the_other()
        found = self.downwards(self.candidates)
        if self.works(found):
            return found
        if self.works(found, again=True):  # so that it is called what it is
            return found
        self.everything = True  # it needs what the kernel did not tell
        return self.downwards(self.ceiling)

    # ---- From all that was asked for, down

    def downwards(self, names: Set[str]) -> Set[str]:
        """Less each that it works without, the strongest first."""
        order = strongest_first(names)
        groups = [order] if len(order) > MANY and names == self.ceiling else [[name] for name in order]
        for group in groups:
            names = self.without(names, group)
        return names

    def without(self, names: Set[str], group: list[str]) -> Set[str]:
        if self.works(names - Set(group)):
            return names - Set(group)
        if len(group) == 1:
            return names
        half = len(group) // 2
        return self.without(self.without(names, group[:half]), group[half:])

    # ---- From what was denied, up

    def denied(self, names: Iterable[str]) -> list[str]:
        """What was denied with these, the last one first: that is what it failed of, more likely than not."""
        last = self.of(Set(names))[-1]
        return [name for name in dict.fromkeys(reversed(last.denied)) if name in self.ceiling and name not in last.granted]

    def upwards(self) -> Set[str] | None:
        """All that was denied, as long as that brings more to light, and then less what is too much."""
        names: Set[str] = Set()
        while more := self.denied(names):
            names |= Set(more)
            if self.works(names):
                return self.downwards(names)
        return self.one_after_the_other()

    def one_after_the_other(self) -> Set[str] | None:
        """Some programs fail with too much: so one that was denied, then one more."""
        first = self.denied(()) if self.trials[0].seen else strongest_first(self.ceiling)[::-1]
        for name in first:
            names = [name]
            while not self.works(names):
                more = [other for other in self.denied(names) if other not in names]
                if not more or self.spent():
                    break
                names.append(more[0])
            else:
                return self.downwards(Set(names))
            if self.spent():
                break
        return None

    def spent(self) -> bool:
        return len(self.trials) >= len(self.candidates) + 2

    def confirm(self, found: Set[str]) -> None:
        """Twice more; once, where the way to it took a run more than it should."""
        for _ in range(2):
            if len(self.trials) < len(self.candidates) + 4 or len(self.of(found)) < 2:
                self.works(found, again=True)
