"""Installed for real: by meson below /usr and /usr/local, by pip in a virtual environment."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ASAN, THOROUGH, UID

TOP = Path(__file__).parents[2]
SEES = 'import capwrap; print(capwrap.__file__, capwrap.Caps.from_process(), capwrap.__version__, sep="\\n")'
VERSION = re.search(r"version: '(.*)'", (TOP / 'meson.build').read_text()).group(1)

# In a mount namespace of its own, /usr is a layer that goes away with it.
OVERLAY = '''
set -e
cd "$1"
mount -t tmpfs tmpfs layer
mkdir layer/upper layer/work
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$1/layer/upper,workdir=$1/layer/work" /usr
# What is installed by now does not matter.
find /usr -path '*-packages/capwrap*' -prune -exec rm -r {} +
find /usr -name 'capwrap.3*' -delete
meson setup --prefix="$2" build source -Dprograms=false >/dev/null
meson install -C build >/dev/null
cd /
setpriv --reuid="$3" --clear-groups /usr/bin/python3 -I -c "$4"
man -w 3 capwrap
/usr/bin/python3 -IBv -c 'import capwrap' 2>&1 | grep -o "code object from .*/capwrap/.*"
ninja -C "$1/build" uninstall >/dev/null
find "$2"/lib/python3* -path '*/capwrap*'
'''

pytestmark = pytest.mark.skipif(ASAN, reason='builds without it')


@pytest.fixture
def source(place):
    shutil.copytree(TOP, place / 'source', ignore=shutil.ignore_patterns('.*', 'build*', '__pycache__'))
    return place / 'source'


@pytest.mark.parametrize('prefix', ['/usr', '/usr/local'] if THOROUGH else ['/usr/local'])
def test_meson_install(place, source, prefix):
    (place / 'layer').mkdir()
    before = sorted(Path(prefix).glob('lib/python3*/dist-packages/capwrap/*'))
    done = subprocess.run(
        ['unshare', '--mount', 'sh', '-c', OVERLAY, 'sh', str(place), prefix, str(UID), SEES],
        env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # Nothing is left by uninstall.
    file, caps, version, manual, compiled = done.stdout.splitlines()
    assert file.startswith(prefix + '/lib/python3') and 'dist-packages' in file and caps == '='
    assert manual.startswith(prefix + '/') and manual.endswith('man/man3/capwrap.3')
    assert version == VERSION
    assert compiled.split("'")[1] == importlib.util.cache_from_source(file)
    assert sorted(Path(prefix).glob('lib/python3*/dist-packages/capwrap/*')) == before


@pytest.mark.thorough
def test_pip_install(place, source):
    venv = place / 'venv'
    run = {'check': True, 'capture_output': True, 'text': True,
           'env': {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}}
    subprocess.run([sys.executable, '-m', 'venv', '--system-site-packages', str(venv)], **run)
    # In a network namespace that is empty.
    subprocess.run(
        ['unshare', '--net', str(venv / 'bin' / 'pip'), 'install', '--no-build-isolation',
         '--no-index', '--no-deps', str(source)], **run)
    done = subprocess.run([str(venv / 'bin' / 'python'), '-I', '-c', SEES], **run)
    file = Path(done.stdout.splitlines()[0])
    assert done.stdout.splitlines()[2] == VERSION
    assert file.is_relative_to(venv)
    assert {p.name for p in file.parent.iterdir() if p.is_file()} == {
        '__init__.py', '_libcap.abi3.so', '_libcap.pyi', 'py.typed'}
    (wheel,) = file.parent.parent.glob('capwrap-*.dist-info/WHEEL')
    assert '-abi3-' in wheel.read_text()
    assert f'\nVersion: {VERSION}\n' in wheel.with_name('METADATA').read_text()
    # What is compiled pip has compiled: the wheel is for every Python.
    assert '.pyc,sha256' not in wheel.with_name('RECORD').read_text()
    assert not list((venv / 'bin').glob('capwrap*'))
