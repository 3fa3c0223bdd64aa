"""raised(): effective inside the block only."""

import functools
import inspect
import types

import pytest
from support import become, forked, status

from capwrap import Cap, Caps, raised

CHOWN, KILL = 1, 1 << 5


def effective():
    return status()[0]


def ready():
    become(keep=True)
    Caps('cap_chown,cap_kill=p').apply()
    assert effective() == 0


def scenario(function):
    """The test's body runs in a child that has two capabilities permitted, none effective."""

    def test():
        def child():
            ready()
            function()
            return True

        assert forked(child)

    test.__name__ = function.__name__
    test.__doc__ = function.__doc__
    return test


@scenario
def test_inside_only():
    with raised('cap_kill') as nothing:
        assert effective() == KILL and nothing is None
    assert effective() == 0
    with raised(Cap.CHOWN, 'cap_kill'):
        assert effective() == KILL | CHOWN
    assert effective() == 0
    with raised():
        assert effective() == 0
    with raised(*Caps.from_process().permitted):
        assert effective() == KILL | CHOWN
    assert effective() == 0


@scenario
def test_blocks_nest():
    with raised('cap_kill'):
        with raised('cap_kill', 'cap_chown'):
            assert effective() == KILL | CHOWN
        assert effective() == KILL
    assert effective() == 0


@scenario
def test_an_exception_ends_it_and_goes_on():
    for error in (ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit):
        with pytest.raises(error):
            with raised('cap_kill'):
                raise error
        assert effective() == 0


@scenario
def test_a_function():
    @raised('cap_kill')
    def function():
        return effective()

    assert (function(), effective(), function(), effective()) == (KILL, 0, KILL, 0)


@scenario
def test_a_decorated_function_is_the_same_to_look_at():
    @raised('cap_kill')
    def function(a: int, *, b: str = '') -> int:
        """What it does."""
        return effective() if a else function(a + 1, b=b)

    assert (function.__name__, function.__doc__) == ('function', 'What it does.')
    assert str(inspect.signature(function)) == "(a: int, *, b: str = '') -> int"
    assert (function(0), effective()) == (KILL, 0)  # calls itself


@scenario
def test_methods_and_what_else_is_called():
    class Class:
        def __init__(self):
            self.seen = effective()

        @raised('cap_kill')
        def method(self):
            return effective()

        @staticmethod
        @raised('cap_kill')
        def static():
            return effective()

        def __call__(self):
            return effective()

    some = Class()
    assert (some.seen, some.method(), some.static(), some()) == (0, KILL, KILL, 0)
    assert raised('cap_kill')(some)() == raised('cap_kill')(Class)().seen == KILL
    assert raised('cap_kill')(functools.partial(effective))() == KILL
    assert raised('cap_kill')(len)('four') == 4 and effective() == 0


async def coroutine():
    pass


async def async_generator():
    yield


def generator():
    yield


class Later:
    async def __call__(self):
        pass

    method = __call__


@pytest.mark.parametrize('function', [
    coroutine, async_generator, generator, types.coroutine(generator), Later(), Later().method, Later.method,
    functools.partial(functools.partial(coroutine)), lambda: (yield),
], ids=repr)
def test_what_runs_after_its_call_is_refused(function):
    with pytest.raises(TypeError, match='coroutine function or a generator'):
        raised('cap_kill')(function)


@scenario
def test_a_block_is_entered_once():
    block = raised('cap_kill')
    with block:
        assert effective() == KILL
    with pytest.raises((RuntimeError, AttributeError)):
        with block:
            pytest.fail('entered')
    assert effective() == 0


@scenario
def test_what_is_not_permitted_is_named_and_nothing_is_raised():
    with pytest.raises(PermissionError, match='cap_net_raw: not permitted'):
        with raised('cap_kill', 'cap_net_raw'):
            pytest.fail('entered')
    assert effective() == 0
    with pytest.raises(ValueError, match="'cap_slip'"):
        raised('cap_kill', 'cap_slip')
    assert effective() == 0


@scenario
def test_what_was_effective_before_stays():
    Caps('cap_kill,cap_chown=p cap_kill+e').apply()
    with raised('cap_kill', 'cap_chown'):
        assert effective() == KILL | CHOWN
    assert effective() == KILL


@scenario
def test_what_the_block_gives_up_stays_given_up():
    with raised('cap_kill'):
        Caps('cap_chown=p').apply()
    assert status()[:2] == (0, CHOWN)
    with raised('cap_chown'):
        Caps.from_process().clear().apply()
    assert status()[:2] == (0, 0)


@scenario
def test_what_the_block_activates_itself_stays():
    with raised('cap_kill'):
        Caps.from_process().activate().apply()
    assert effective() == CHOWN
    with raised('cap_kill'):
        Caps.from_process().deactivate().propagate().apply()
    assert status()[:3] == (0, CHOWN | KILL, CHOWN | KILL)


@scenario
def test_it_leaves_ambient_alone():
    Caps("cap_chown,cap_kill=pi", ambient=["cap_chown"]).apply()
    with raised('cap_chown'):
        assert status()[3] == CHOWN
    assert status()[:4] == (0, CHOWN | KILL, CHOWN | KILL, CHOWN)
