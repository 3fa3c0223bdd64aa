"""How long capwrap-grant takes where nothing is to be done: --apply and --status of 1,000 scripts, in turns with a program that
does nothing. It judges nothing.

usage: grant.py WRAPPER CAPWRAP-GRANT, as root; `meson test --benchmark -v -C BUILD grant` runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

COUNT, ROUNDS = 1000, 21
INSTALLED = Path("/usr/local/bin/capwrap")


def timed(*command: object) -> float:
    start = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    if os.geteuid():
        print("grant.py: it sets file capabilities: run it as root")
        sys.exit(77)  # skipped, to meson
    if len(sys.argv) == 3:  # all that it changes is in a namespace that ends with it
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-B", __file__, *sys.argv[1:], "within"])
    wrapper, program = Path(sys.argv[1]), Path(sys.argv[2])
    top = Path(tempfile.mkdtemp(prefix="capwrap-bench-", dir="/opt"))
    try:
        top.chmod(0o755)
        for place in ("/etc", "/var/lib", "/usr/local"):
            upper, work = (top / f"{kind}{place.replace('/', '-')}" for kind in ("upper", "work"))
            upper.mkdir()
            work.mkdir()
            subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", "none", place],
                           check=True)
        INSTALLED.parent.mkdir(exist_ok=True)
        shutil.copy(wrapper, INSTALLED)
        scripts = [top / f"job{number}" for number in range(COUNT)]
        for script in scripts:
            script.write_text(f"#!{INSTALLED} python3\n")
            script.chmod(0o755)
            subprocess.run(["setcap", "cap_net_raw=ip", script], check=True)
        Path("/etc/capwrap.d").mkdir(exist_ok=True)
        Path("/etc/capwrap.d/bench.conf").write_text("".join(f"cap_net_raw {script}\n" for script in scripts))
        cases = {"true": ["/bin/true"], "--apply": [program, "--apply"], "--status": [program, "--status"]}
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, command in cases.items():
                times[name].append(timed(*command))
        for name, seconds in times.items():
            print(f"{name:10} {median(seconds):.4f} s, {median(seconds) / median(times['true']):.1f} times the start of a process")
    finally:
        shutil.rmtree(top)


main()
