"""Attacks on where Python looks for modules, by itself and in what its standard library starts, and on what it leaves."""

import pytest
from kit import GENUINE, GRANT, USER, bit, genuine, jobs


def planted(attacker, *names: str) -> None:
    """Modules of those names in the current directory, which run the attacker's program and go no further."""
    code = f"import posix; posix.execv('{attacker.program}', ['{attacker.program}'])\n"
    for name in names:
        attacker.writes(attacker.home / f"{name}.py", code)
    attacker.writes(attacker.program, f"#!/usr/bin/python3 -I\n{attacker.code}")


CHILDREN = {
    "spawn": """
import multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=print, args=("child",))
    process.start()
    process.join()
""",
    "forkserver": """
import multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=print, args=("child",))
    process.start()
    process.join()
""",
    "pool": """
import concurrent.futures, multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    try:
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            print(pool.submit(str, "child").result())
    except concurrent.futures.process.BrokenProcessPool:
        pass
""",
    "shared_memory": """
from multiprocessing import shared_memory
memory = shared_memory.SharedMemory(create=True, size=10)
memory.close()
memory.unlink()
print("child")
""",
    "subprocess": """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import json, multiprocessing; print('child')"])
""",
    "subprocess -m": """
import subprocess, sys
subprocess.run([sys.executable, "-m", "json.tool", "--help"])
print("child")
""",
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_module_in_the_current_directory(world, attacker, kind):
    """Children that are started with -c or -m look for json and multiprocessing in the caller's current directory first."""
    planted(attacker, "json", "multiprocessing")
    naive, script = jobs(world, body=CHILDREN[kind])
    won = world.run(naive, cwd=attacker.home)
    assert "attacker\n" in won.text and won.sets["CapEff"] == bit(GRANT), won
    attacker.mark.unlink()
    for line in "python3", "env python3", "python3 -I", "python3 -E":
        script = world.script("job", line, CHILDREN[kind])
        result = world.run(script, cwd=attacker.home)
        attacker.loses()
        assert (result.code, "child" in result.text) == (0, True), (line, result)


@pytest.mark.parametrize("line", ["python3", "env python3", "python3 -B"])
@pytest.mark.parametrize("method", ["here", "spawn", "forkserver", "-c"])
def test_module_beside_the_script(world, attacker, line, method):
    """It is found, in children too; not the one of that name in the current directory."""
    planted(attacker, "beside")
    world.script("beside.py", b"", "def tell():\n    print(__file__, flush=True)\n", None)
    body = {"here": "import beside; beside.tell()\n",
            "-c": "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import beside; beside.tell()'])\n"}.get(method, f"""
import beside, multiprocessing
if __name__ == "__main__":
    process = multiprocessing.get_context("{method}").Process(target=beside.tell)
    process.start()
    process.join()
""")
    naive, script = jobs(world, line, body)
    if method == "-c":
        attacker.wins(world.run(naive, cwd=attacker.home))
    result = world.run(script, cwd=attacker.home)
    assert result.text == f"{world.top}/beside.py\n", result
    attacker.loses()


@pytest.mark.parametrize("folder", ["a:mine", ":mine", "mine:", "a:.", "a:mine/b"])
def test_directory_with_a_colon(world, attacker, folder):
    """PYTHONPATH is cut at colons: behind one stands a path of the caller's current directory, if it is relative. Such a
    script has none, and no child looks in the current directory."""
    world.run("mkdir", "-p", attacker.home / "mine/b")
    planted(attacker, "colour", "mine/colour", "mine/b/colour")
    child = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'try: import colour\\nexcept ImportError: pass'])\n"
    look = "import os; assert not os.environ.get('PYTHONPATH'), os.environ['PYTHONPATH']\n"
    naive, script = jobs(world, body=child + look + GENUINE, folder=f"{folder}/")
    env = {"PATH": "/usr/bin", "PYTHONPATH": str(script.parent), "PYTHONSAFEPATH": "1"}
    won = world.run(naive, cwd=attacker.home, env=env)
    if folder != "mine:":
        assert won.text.startswith("attacker\n") and won.sets["CapEff"] == bit(GRANT), won
        attacker.mark.unlink()
    attacker.mark.unlink(missing_ok=True)
    genuine(world.run(script, cwd=attacker.home, env=env))
    attacker.loses()


@pytest.mark.parametrize("line", ["python3", "python3 -I", "python3 -E", "env python3 -I", "python3 -Iu"])
@pytest.mark.parametrize("child", [False, True], ids=["itself", "child"])
def test_bytecode_that_the_caller_owns(world, attacker, line, child):
    """With cap_dac_override Python writes a .pyc beside root's modules, as the caller's file: which the caller then changes,
    and the next one to import it runs. -I and -E make it deaf to PYTHONDONTWRITEBYTECODE."""
    for wrapper, folder in (world.naive, "theirs"), (world.wrapper, "tools"):
        world.script(f"{folder}/beside.py", b"", "def tell():\n    pass\n", None)
        body = f"import sys; sys.path.insert(0, '{world.top}/{folder}')\nimport beside\n"
        if child:
            body = ("import multiprocessing, sys\n\ndef tell():\n    import beside\n\nif __name__ == '__main__':\n"
                    f"    sys.path.insert(0, '{world.top}/{folder}')\n"
                    "    process = multiprocessing.get_context('spawn').Process(target=tell)\n"
                    "    process.start()\n    process.join()\n    assert not process.exitcode\n    print('genuine')\n")
        script = world.script(f"{folder}/job", line, body, "cap_dac_override=i", wrapper=wrapper)
        result = world.run(script)
        assert (result.code, result.err) == (0, ""), result
        cache = world.top / folder / "__pycache__"
        if wrapper == world.naive:
            (left,) = cache.iterdir()
            assert (left.stat().st_uid, cache.stat().st_uid) == (USER, USER)
            attacker.writes(left, "")
        else:
            assert not cache.exists()
