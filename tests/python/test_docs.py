"""Every example that the documents show runs, as an ordinary user with the capability it takes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ASAN, UID, python, user

import capwrap
from capwrap import Caps

TOP = Path(__file__).parents[2]
MAN = TOP / 'man' / 'capwrap.3'
SECTION = '## From Python'
README = SECTION + (TOP / 'README.md').read_text().split(SECTION)[1].split('\n## ')[0]

CAPABILITIES = 'dac_read_search net_bind_service setpcap setfcap'
manual = re.findall(r'^\.Bd -literal -offset indent\n(.*?)^\.Ed', MAN.read_text(), re.M | re.S)
blocks = re.findall(r'^```python\n(.*?)^```', README, re.M | re.S)


@pytest.mark.parametrize('code', manual)
def test_the_manuals_examples(place, code):
    (place / 'script').touch()
    done = python(code, inheritable=CAPABILITIES, ambient=CAPABILITIES, cwd=place)
    assert (done.returncode, done.stderr) == (0, '')
    assert len(manual) == 5


def test_the_manual_is_clean():
    done = subprocess.run(['mandoc', '-Tlint', str(MAN)], capture_output=True, text=True)
    # Its neighbours are found only where they are installed.
    bad = [s for s in done.stdout.splitlines() if 'referenced manual not found' not in s]
    assert bad == []


def test_the_manual_names_everything():
    text = MAN.read_text()
    for name in (*capwrap.__all__, *(n for n in dir(Caps) if not n.startswith('_'))):
        assert re.search(rf'\b{name}\b', text), name


def test_the_version_is_mesons():
    assert f"  version: '{capwrap.__version__}',\n" in (TOP / 'meson.build').read_text()
    assert '__version__' in MAN.read_text()


def test_everything_has_a_docstring():
    for name in capwrap.__all__:
        assert getattr(capwrap, name).__doc__
    for cls in (Caps, capwrap.CapSet):
        for name, value in vars(cls).items():
            assert name.startswith('_') or value.__doc__ or not callable(value), name


TYPED = '''
from capwrap import Cap, CapSet, Caps, raised

@raised('cap_kill', Cap.CHOWN)
def function(number: int, *, word: str = '') -> list[int]:
    return [number]

with raised('cap_kill') as nothing:
    reveal_type(function)  # def (number: builtins.int, *, word: builtins.str =) -> builtins.list[builtins.int]
function('wrong')  # Argument 1 to "function" has incompatible type "str"; expected "int"
after_the_block: int = 'wrong'  # Incompatible types in assignment

caps = Caps()
caps.effective.update(['cap_kill'], {Cap.CHOWN}, caps.permitted, 5)
caps.bounding = caps.bounding.union(['cap_kill']) - {'cap_chown'} ^ caps.permitted
reveal_type(caps.bounding.difference(caps.ambient))  # CapSet
reveal_type(caps.bounding ^ caps.ambient)  # CapSet
caps.effective.update(5.5)  # incompatible type "float"
'''


def mypy(*what):
    package = Path(capwrap.__file__).parent
    return subprocess.run(
        ['mypy', '--strict', '--python-executable', sys.executable, '--cache-dir', '/dev/null', *map(str, what)],
        env={**os.environ, 'MYPYPATH': str(package.parent), 'PYTHONPATH': ''},
        cwd='/', capture_output=True, text=True)


@pytest.mark.thorough
def test_types():
    scripts = [path for path in (TOP / 'examples').iterdir() if 'from capwrap import' in path.read_text()]
    assert len(scripts) == 5
    for what in (['-p', 'capwrap'], *([script] for script in scripts)):
        done = mypy(*what)
        assert done.returncode == 0, done.stdout


def test_types_of_what_is_called(place):
    """What mypy says of a line is what the comment there says, and it says nothing else."""
    (place / 'typed.py').write_text(TYPED)
    said = dict(re.findall(r'typed\.py:(\d+): \w+: (.*)', mypy(place / 'typed.py').stdout))
    expected = {str(n): line.split('  # ')[1] for n, line in enumerate(TYPED.split('\n'), 1) if '  # ' in line}
    assert said.keys() == expected.keys(), said
    for number, words in expected.items():
        assert words in said[number]


def test_typing_is_not_imported():
    done = subprocess.run([sys.executable, '-S', '-c', 'import sys, capwrap; print(*sys.modules)'],
                          capture_output=True, text=True, check=True)
    assert not {'typing', 'typing_extensions', 'inspect', 'difflib'} & set(done.stdout.split())


def test_the_readmes_single_call():
    code = blocks[1]
    assert python(code).stderr.strip().endswith(
        'PermissionError: [Errno 1] Operation not permitted: cap_dac_read_search: not permitted')
    done = python(code, inheritable='dac_read_search', ambient='dac_read_search')
    assert re.fullmatch(r'\d+ accounts\n', done.stdout), done.stderr


@pytest.fixture
def trees(place):
    """What an ordinary user cannot read, and where it may write."""
    source, target = place / 'source', place / 'target'
    source.mkdir()
    (source / 'secret').write_text('kept\n')
    (source / 'secret').chmod(0o600)
    (source / 'more').mkdir(0o700)
    (source / 'more' / 'deep').write_text('kept too\n')
    target.mkdir()
    os.chown(target, UID, UID)
    return source, target


@pytest.fixture
def backup(trees, place):
    """The README's script, with these folders in place of its own."""
    script = place / 'backup'
    text = blocks[0].replace('"/home/", "/srv/backup/"', f'"{trees[0]}/", "{trees[1]}/"')
    assert str(place) in text
    script.write_text(text)
    script.chmod(0o755)
    return script


def copied(target):
    secret, deep = Path(target, 'secret'), Path(target, 'more', 'deep')
    return secret.exists() and secret.read_text() == 'kept\n' and deep.read_text() == 'kept too\n'


def test_the_backup_with_stock_programs(backup, trees):
    done = user([sys.executable, backup],
                inheritable='dac_read_search', ambient='dac_read_search')
    assert (done.returncode, done.stderr) == (0, '') and copied(trees[1])


def test_the_backup_needs_the_capability(backup, trees):
    done = user([sys.executable, backup])
    assert done.returncode != 0 and not copied(trees[1])


@pytest.mark.skipif(ASAN, reason='a program with file capabilities preloads nothing')
def test_the_backup_in_the_arrangement_of_2010(backup, trees, place):
    """Inheritable only: python has =i, rsync =ei, and no other program gets it."""
    for name, text in (('python3', 'cap_dac_read_search=i'), ('rsync', 'cap_dac_read_search=ei')):
        shutil.copy(os.path.realpath(shutil.which(name, path='/usr/bin')), place / name)
        Caps(text).apply(place / name)
    path = f'{place}:/usr/bin:/bin'
    done = user([place / 'python3', backup], inheritable='dac_read_search',
                env={**os.environ, 'PATH': path})
    assert (done.returncode, done.stderr) == (0, '') and copied(trees[1])
    code = (
        'import subprocess; from capwrap import Caps; before = str(Caps.from_process());'
        'Caps.from_process().activate().propagate().apply();'
        'print(before, Caps.from_process(), sep="|", flush=True);'
        'subprocess.call(["grep", "CapEff", "/proc/self/status"])')
    done = user([place / 'python3', '-c', code], inheritable='dac_read_search')
    assert done.stdout == (
        'cap_dac_read_search=ip|cap_dac_read_search=eip\n' f'CapEff:\t{0:016x}\n'), done.stderr
