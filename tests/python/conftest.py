"""The suite runs as root: it sets the scene, and forked or started children act.

With CAPWRAP_BUILD (meson test sets it) what that build installs is tested,
else the capwrap that Python finds by itself.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support import time_limit

if os.geteuid() != 0:
    pytest.exit('these tests change real capabilities: run them as root', 77)


LIMIT = 300  # seconds for one test; the longest takes 20 on a machine that has nothing else to do
ROOT = Path(tempfile.mkdtemp(prefix='capwrap-'))
ROOT.chmod(0o755)

if os.environ.get('CAPWRAP_BUILD'):
    subprocess.run(
        ['meson', 'install', '-C', os.environ['CAPWRAP_BUILD'], '--no-rebuild', '--quiet',
         '--destdir', str(ROOT), '--tags', 'python-runtime'],
        check=True, stdout=subprocess.DEVNULL,
    )
    (PACKAGE,) = ROOT.rglob('capwrap/__init__.py')
    sys.path.insert(0, str(PACKAGE.parent.parent))
    os.environ['PYTHONPATH'] = str(PACKAGE.parent.parent)
sys.dont_write_bytecode = True
os.environ['PYTHONDONTWRITEBYTECODE'] = '1'


def pytest_unconfigure() -> None:
    shutil.rmtree(ROOT)


@pytest.fixture(autouse=True)
def limit():
    """Whatever hangs is a failure with a traceback, and the next test goes on."""
    time_limit(LIMIT)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def place():
    """A folder that every user can enter (pytest's own is root's alone)."""
    with tempfile.TemporaryDirectory(prefix='capwrap-') as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def file(place):
    path = place / 'file'
    path.write_text('#!/bin/sh\n')
    return path
