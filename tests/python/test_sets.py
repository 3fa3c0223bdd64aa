"""CapSet against Python's own set; Caps as an object; text."""

import copy
import operator
import pickle
import re

import pytest
from hypothesis import given, strategies as st
from support import KNOWN, LAST, NAMES, masks, of

import capwrap
from capwrap import Cap, CapSet, Caps, supported

WORDS = [c.value for c in Cap] + [str(n) for n in range(41, 64)]
word_sets = st.sets(st.sampled_from(WORDS))


@given(st.sampled_from(NAMES), st.lists(st.tuples(st.sampled_from(['add', 'discard']), st.sampled_from(WORDS))))
def test_add_and_discard_are_those_of_a_set(name, steps):
    ours, oracle = Caps(bounding=())[name], set()
    for verb, word in steps:
        getattr(ours, verb)(word)
        getattr(oracle, verb)(word)
        assert (word in ours) == (word in oracle)
    assert set(ours) == oracle and len(ours) == len(oracle)
    assert ours == oracle and list(ours) == sorted(oracle, key=WORDS.index)


@given(word_sets, word_sets)
def test_operators_are_those_of_a_set(a, b):
    for op in (operator.or_, operator.and_, operator.sub, operator.xor):
        assert set(op(CapSet(a), CapSet(b))) == op(a, b)
        assert set(op(CapSet(a), b)) == op(a, b) == set(op(a, CapSet(b)))
    for op in (operator.le, operator.lt, operator.ge, operator.gt, operator.eq, operator.ne):
        assert op(CapSet(a), CapSet(b)) == op(a, b) == op(CapSet(a), b)
    assert CapSet(a).isdisjoint(b) == a.isdisjoint(b)


@given(word_sets, word_sets, st.sampled_from(NAMES))
def test_in_place_operators_keep_the_set(a, b, name):
    for op in (operator.ior, operator.iand, operator.isub, operator.ixor):
        caps, oracle = Caps(), set(a)
        caps[name] = a
        held = caps[name]
        setattr(caps, name, op(getattr(caps, name), b))
        assert held is caps[name] is getattr(caps, name)
        assert set(held) == op(oracle, b)


@given(word_sets, st.lists(word_sets, max_size=3))
def test_methods_are_those_of_a_set(a, others):
    ways = (set, list, CapSet, iter, lambda words: CapSet(words).mask, lambda words: {w.upper() for w in words})
    for way in ways:
        for name in ('union', 'intersection', 'difference'):
            ours = CapSet(a)
            new = getattr(ours, name)(*map(way, others))
            assert type(new) is CapSet and new is not ours
            assert new == getattr(a, name)(*others) and ours == a
        for name in ('update', 'intersection_update', 'difference_update'):
            caps, oracle = Caps(bounding=a), set(a)
            held = caps.bounding
            assert getattr(caps.bounding, name)(*map(way, others)) is None
            getattr(oracle, name)(*others)
            assert held is caps.bounding == oracle
        for other in others:
            ours, oracle = CapSet(a), set(a)
            assert ours.symmetric_difference(way(other)) == a ^ other
            for name in ('issubset', 'issuperset', 'isdisjoint'):
                assert getattr(ours, name)(way(other)) is getattr(a, name)(other)
            assert ours == a
            assert ours.symmetric_difference_update(way(other)) is None
            oracle.symmetric_difference_update(other)
            assert ours == oracle


def test_the_methods_of_a_set_are_all_there():
    assert {n for n in dir(set) if not n.startswith('_')} <= set(dir(CapSet))


def test_methods_check_every_name_and_change_all_or_nothing():
    names = [n for n in dir(set) if re.search('update|union|inter|diff|issu|isdis', n)]
    assert len(names) == 11
    for name in names:
        ours = CapSet(['cap_kill'])
        with pytest.raises(ValueError, match="'cap_slip'"):
            getattr(ours, name)(['cap_kill', 'cap_chown', 'cap_slip'])
        with pytest.raises(TypeError, match='not the string'):
            getattr(ours, name)('cap_kill')
        with pytest.raises(TypeError):
            getattr(ours, name)(None)
        assert ours == {'cap_kill'}
    for name in ('update', 'union', 'difference', 'difference_update'):
        ours = CapSet(['cap_kill'])
        with pytest.raises(ValueError, match="'cap_slip'"):
            getattr(ours, name)(['cap_kill'], ['cap_slip'])
        assert ours == {'cap_kill'}
    ours = CapSet(['cap_kill'])
    ours.update(ours)
    ours.difference_update(ours)
    assert not ours


def test_operators_with_names_in_capitals():
    ours, other = CapSet(['cap_kill', 'cap_chown']), {'CAP_KILL', 'CAP_BPF'}
    assert ours - other == {'cap_chown'} and other - ours == {'cap_bpf'}
    assert ours ^ other == other ^ ours == {'cap_chown', 'cap_bpf'}
    assert ours & other == {'cap_kill'} and len(ours | other) == 3
    ours &= other
    assert ours == {'cap_kill'}
    for op in (operator.sub, operator.xor):
        with pytest.raises(TypeError):
            op(ours, 5)


@pytest.mark.parametrize('word, meant', [
    ('cap_net_rwa', 'cap_net_raw'), ('net_raw', 'cap_net_raw'), ('NET_RAW', 'cap_net_raw'),
    ('chown', 'cap_chown'), ('bpf', 'cap_bpf'), ('cap_sysadmin', 'cap_sys_admin'),
    ('cap_dac_read_serach', 'cap_dac_read_search'), ('kil', 'cap_kill'),
    ('cap_', None), ('cap_slip', None), ('cap_foo', None), ('64', None), ('nothing' * 9999, None),
])
def test_a_near_miss_is_told_what_was_meant(word, meant):
    end = f'; did you mean {meant}?' if meant else ''
    for attempt in (lambda: CapSet().add(word), lambda: word in CapSet(), lambda: Caps(f'{word}=i'),
                    lambda: Caps(f'cap_kill,{word}=i'), lambda: capwrap.raised(word)):
        with pytest.raises(ValueError) as wrong:
            attempt()
        assert str(wrong.value) == f'unknown capability: {word!r}{end}'


def test_remove_and_pop():
    caps = CapSet(['cap_kill'])
    with pytest.raises(KeyError):
        caps.remove('cap_chown')
    assert caps.pop() == 'cap_kill' and not caps
    with pytest.raises(KeyError):
        caps.pop()
    caps |= {'cap_kill', 'cap_chown'}
    caps.clear()
    assert caps.mask == 0


@pytest.mark.parametrize('word', [
    'cap_nonsense', 'chown', '', ' ', 'cap_chown ', ' cap_chown', 'cap_chown+ep', 'cap_chown,cap_kill',
    '64', '-1', '050', '0x5', '12x', 'all', 'cap_chown\0', 'cap_chöwn', '\udc80', '٣',
])
def test_a_wrong_word_is_named(word):
    caps = Caps('cap_kill=eip')
    before = of(caps)
    for attempt in (
        lambda: caps.effective.add(word), lambda: caps.effective.discard(word),
        lambda: word in caps.effective, lambda: CapSet([word]),
        lambda: setattr(caps, 'permitted', [word, 'cap_chown']),
        lambda: Caps(ambient=[word]), lambda: capwrap.raised(word),
    ):
        with pytest.raises(ValueError, match=re.escape(repr(word))):
            attempt()
    assert of(caps) == before


def test_wrong_types():
    for wrong in (None, 13, b'cap_chown'):
        with pytest.raises(TypeError):
            CapSet().add(wrong)
        assert wrong not in CapSet(['cap_chown'])
    for wrong in ('cap_chown', None):
        with pytest.raises(TypeError):
            Caps(ambient=wrong)
    for wrong in (-1, 2**64):
        with pytest.raises(ValueError):
            CapSet(wrong)
        with pytest.raises(ValueError):
            Caps().effective.mask = wrong
    for wrong in (-1, 2**32 - 1):
        with pytest.raises(ValueError):
            Caps(rootid=wrong)
    with pytest.raises(TypeError):
        Caps().rootid = '0'
    with pytest.raises(KeyError, match='efective'):
        Caps()['efective']
    with pytest.raises(KeyError, match='efective'):
        Caps()['efective'] = []
    with pytest.raises(AttributeError):
        Caps().efective = []
    for unhashable in (Caps(), CapSet()):
        with pytest.raises(TypeError):
            hash(unhashable)


def test_names_in_either_case_and_by_number():
    assert CapSet(['CAP_CHOWN', 'cap_kill', '40', Cap.BPF]).mask == 1 | 1 << 5 | 1 << 40 | 1 << 39
    assert 'CAP_CHOWN' in CapSet(['cap_chown']) and Cap.CHOWN in CapSet(['cap_chown'])


def test_the_enum_has_the_kernels_names_and_numbers():
    header = open('/usr/include/linux/capability.h').read()
    numbers = {n.lower(): int(v) for n, v in re.findall(r'#define (CAP_\w+)\s+(\d+)\n', header)}
    assert len(numbers) >= 41
    assert {c.value: CapSet([c]).mask.bit_length() - 1 for c in Cap} == {
        n: v for n, v in numbers.items() if v <= 40
    }
    assert all(c.value == 'cap_' + c.name.lower() for c in Cap)
    assert str(Cap.CHOWN) == f'{Cap.CHOWN}' == 'cap_chown'


def test_supported_is_what_the_kernel_has():
    assert CapSet(supported()).mask == KNOWN
    assert len(supported()) == LAST + 1 and isinstance(supported(), frozenset)


@given(masks, masks, masks)
def test_text_both_ways(e, p, i):
    caps = Caps()
    caps.effective.mask, caps.permitted.mask, caps.inheritable.mask = e, p, i
    assert Caps(str(caps)) == caps


@given(st.lists(st.tuples(st.sampled_from([c.value for c in Cap]), st.sampled_from(['e', 'p', 'i', 'ep', 'eip', ''])), max_size=8))
def test_text_means_what_cap_from_text_says(grants):
    text = ' '.join(f'{name}={flags}' for name, flags in grants) or '='
    oracle = {flag: set() for flag in 'epi'}
    for name, flags in grants:
        for flag in 'epi':
            (oracle[flag].add if flag in flags else oracle[flag].discard)(name)
    caps = Caps(text)
    assert (set(caps.effective), set(caps.permitted), set(caps.inheritable)) == (
        oracle['e'], oracle['p'], oracle['i'])


@pytest.mark.parametrize('text, word', [
    ('cap_foo=p', 'cap_foo'), ('cap_chown,cap_foo+ep', 'cap_foo'), ('cap_chown=p bogus=e', 'bogus'),
    ('cap_chown=z', 'cap_chown=z'), ('cap_chown', 'cap_chown'), ('=p x', 'x'), ('+p', '+p'),
    ('64=p', '64'), ('cap_chown=p,x', 'cap_chown=p,x'),
])
def test_text_errors_name_the_word(text, word):
    with pytest.raises(ValueError, match=re.escape(repr(word))):
        Caps(text)


def test_text_is_text():
    with pytest.raises(ValueError):
        Caps('cap_chown=p\0')
    with pytest.raises(TypeError):
        Caps(b'cap_chown=p')


@given(masks, masks, masks, masks, masks, st.integers(0, 2**32 - 3))
def test_repr_copy_and_equality(e, p, i, a, b, rootid):
    caps = Caps(rootid=rootid)
    for name, mask in zip(NAMES, (e, p, i, a, b)):
        caps[name].mask = mask
    for other in (eval(repr(caps)), caps.copy(), copy.copy(caps), copy.deepcopy(caps),
                  pickle.loads(pickle.dumps(caps))):
        assert other == caps and of(other) == (e, p, i, a, b) and other.rootid == rootid
        for name in NAMES:
            other[name].mask ^= 1
            assert other != caps and caps[name].mask == (e, p, i, a, b)[NAMES.index(name)]
            other[name].mask ^= 1
        other.rootid ^= 1
        assert other != caps
    for name in NAMES:
        assert eval(repr(caps[name])) == caps[name]
    assert caps != 'caps' and not caps == None  # noqa: E711


def test_repr_says_what_is_not_the_default():
    assert repr(Caps()) == 'Caps()'
    assert repr(Caps('cap_kill=p', ambient=['cap_kill'], bounding=['cap_chown'], rootid=5)) == (
        "Caps('cap_kill=p', ambient=['cap_kill'], bounding=0x1, rootid=5)")


@given(masks, masks, masks, masks, masks)
def test_the_verbs(e, p, i, a, b):
    def made():
        caps = Caps()
        for name, mask in zip(NAMES, (e, p, i, a, b)):
            caps[name].mask = mask
        return caps

    assert of(made().activate()) == (p, p, i, a, b)
    assert of(made().deactivate()) == (0, p, i, a, b)
    assert of(made().propagate()) == of(made().propagnate()) == (e, p, i | p, a, b)
    assert of(made().terminate()) == (e, p, 0, 0, b)
    assert of(made().clear()) == (0, 0, 0, 0, b)
    caps = made()
    assert caps.activate().deactivate().propagate().terminate().clear() is caps


def test_a_subclass_stays_one():
    class Mine(Caps):
        pass

    assert type(Mine('cap_kill=p').copy()) is type(Mine.from_process()) is Mine
    assert type(Mine.from_file('/bin/true').activate()) is Mine
    assert repr(Mine()) == 'Mine()'
