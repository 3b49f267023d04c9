"""The judge of histories: what it must call a violation, what it must not, and what it may excuse."""

from __future__ import annotations

import json

import pytest

from backstay.testing.history import UNKNOWN, History, Mutation, Production, Sight
from backstay.testing.schedules import PLACES, SCOPES, TAGS, Plan, chosen_seeds


def made(at, value="v", key="k", node=0):
    return Production(value=value, key=key, node=node, at=at)


def done(begun, ended, keys=("k",), node=0):
    return Mutation(what="invalidate", keys=keys, node=node, begun=begun, ended=ended)


def seen(begun, value="v", key="k", node=1):
    return Sight(value=value, key=key, node=node, begun=begun)


def history(production, mutations, sights):
    return History({production.value: production} if production else {}, list(mutations), list(sights))


@pytest.mark.parametrize(
    ("production", "mutation", "sight", "guilty"),
    [
        (made(1), done(2, 3), seen(4), True),
        (made(1), done(2, 3), seen(3), False),  # the read began no later than the mutation ended
        (made(1), done(2, 3), seen(2.5), False),
        (made(2), done(2, 3), seen(4), False),  # the computation began no earlier than the mutation
        (made(2.5), done(2, 3), seen(4), False),
        (made(5), done(2, 3), seen(6), False),
        (made(UNKNOWN), done(2, 3), seen(4), False),  # a set that may still arrive
        (made(1), done(2, 3, keys=("other",)), seen(4), False),
        (made(1), done(2, 3, keys=("other", "k")), seen(4), True),
        (made(1, key="other"), done(2, 3), seen(1), True),  # another key's value
        (None, done(2, 3), seen(1), True),  # a value that nobody made
    ],
)
def test_a_mutation_between_a_value_and_a_read_is_a_violation(production, mutation, sight, guilty):
    violations = history(production, [mutation], [sight]).violations()
    assert bool(violations) is guilty
    for violation in violations:
        assert repr(sight.value) in str(violation)


def test_a_node_may_learn_late_of_what_others_did_and_not_of_what_it_did_itself():
    of_another = history(made(1), [done(2, 3, node=0)], [seen(3.1, node=1)])
    own = history(made(1), [done(2, 3, node=1)], [seen(3.1, node=1)])
    assert of_another.violations()
    assert not of_another.violations(lag=0.2)
    assert of_another.violations(lag=0.05)
    assert own.violations(lag=0.2)


def test_what_a_node_computed_alone_excuses_it_for_a_while_unless_it_did_the_mutation():
    def run(at, maker, mutator):
        return history(made(at, node=maker), [done(2, 3, node=mutator)], [seen(3.5, node=1)])

    assert not run(1, maker=1, mutator=0).violations(alone=3)
    assert run(1, maker=1, mutator=0).violations(alone=2)
    assert run(1, maker=0, mutator=0).violations(alone=3)
    assert run(1, maker=1, mutator=1).violations(alone=3)


def test_histories_of_several_processes_become_one():
    one = history(made(1), [], [])
    two = history(None, [done(2, 3)], [seen(4)])
    assert not one.violations()
    whole = one.merge([History.from_json(json.loads(json.dumps(two.as_json())))])
    assert len(whole.violations()) == 1
    assert len(one.mutations) == 0


def test_a_seed_is_a_plan():
    assert Plan.of(7) == Plan.of(7) != Plan.of(8)
    assert sorted(node for node, _ in Plan.of(7, nodes=3, walkers=2).walkers) == [0, 0, 1, 1, 2, 2]
    verbs = {step.verb for seed in range(20) for _, steps in Plan.of(seed).walkers for step in steps}
    assert {"get", "compute", "stale", "many", "set", "touch", "key", "scope"} == verbs


def test_the_table_of_scopes_says_what_globs_and_tags_say():
    from fnmatch import fnmatchcase  # not the library's own matcher: that one is under test

    for (kind, text), places in SCOPES.items():
        what = text.removeprefix("{root}")
        concerned = {
            "pattern": lambda place, what=what: fnmatchcase(place, what),
            "namespace": lambda place, what=what: place.startswith(what + ":"),
            "tags": lambda place, what=what: what in TAGS[place],
        }[kind]
        assert tuple(filter(concerned, PLACES)) == places


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("", [5, 6, 7]), ("17", [17]), ("17x3", [17, 17, 17]), ("4:6", [4, 5])],
)
def test_seeds_are_chosen_by_the_environment(monkeypatch, text, seeds):
    monkeypatch.setenv("BACKSTAY_SEEDS", text)
    assert chosen_seeds(3, offset=5) == seeds
