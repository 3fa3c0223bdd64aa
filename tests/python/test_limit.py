"""A test that hangs ends, and so does the child that it waits for."""

import os
import time

import pytest
from hypothesis import given, strategies as st
from support import TimeIsUp, forked, time_limit


def test_a_child_that_hangs_is_ended():
    time_limit(0.2)
    with pytest.raises(TimeIsUp):
        forked(time.sleep, 600)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_hypothesis_does_not_try_again():
    tried = []

    @given(st.integers())
    def hangs(number):
        tried.append(number)
        time.sleep(600)

    time_limit(0.2)
    with pytest.raises(TimeIsUp):
        hangs()
    assert len(tried) == 1
