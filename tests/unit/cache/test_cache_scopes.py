"""The replica of the log: which invalidation is the newest that concerns an entry."""

import random

import pytest

from backstay.cache.globs import matcher
from backstay.cache.scopes import FLOOR, ScopeLog, check_tag, namespace_scope, pattern_scope, tag_scope
from backstay.errors import InvalidKey


def test_random_logs_answer_as_a_plain_search_does():
    draw = random.Random(5)
    scopes = ["pa*", "p*", "pab", "p?b", "pa:*", "tx", "ty", FLOOR]
    keys = ["a", "ab", "a:b", "b", "bb", ""]
    for _ in range(2_000):
        log, known, epoch = ScopeLog(), {}, 0
        for _ in range(draw.randrange(8)):
            epoch += draw.randrange(1, 3)
            news = [(scope, epoch) for scope in draw.sample(scopes[: draw.choice((7, 8))], draw.randrange(1, 3))]
            known.update(news)
            log.apply(epoch, news)
        key, tags, begun = draw.choice(keys), draw.sample("xyz", draw.randrange(3)), draw.randrange(10)
        concerned = [
            at
            for scope, at in known.items()
            if scope == FLOOR
            or (scope[0] == "t" and scope[1:] in tags)
            or (scope[0] == "p" and matcher(scope[1:])(key))
        ]
        newest = max(concerned, default=0)
        assert log.newest(key, tags, begun) == (newest if newest > begun else 0)


def test_old_news_changes_nothing():
    log = ScopeLog()
    log.apply(10, [("pa", 10), ("tx", 10)])
    log.apply(5, [("pa", 5), ("tx", 5)])
    assert (log.epoch, log.newest("a", ()), log.newest("b", ("x",))) == (10, 10, 10)


def test_a_floor_concerns_everything_older():
    log = ScopeLog()
    log.apply(10, [("pa", 3), (FLOOR, 10), ("tb", 7)])
    assert log.newest("any", (), 9) == 10
    assert log.newest("any", (), 10) == 0


def test_a_namespace_is_its_keys_and_not_its_neighbours():
    matches = matcher(namespace_scope("a*")[1:])
    assert matches("a*:id:1")
    assert not matches("ab:id:1")
    assert not matches("a*2:id:1")


def test_what_is_no_scope_is_refused():
    for wrong in ("", None, "t" * 257):
        with pytest.raises(InvalidKey):
            check_tag(wrong)
    with pytest.raises(InvalidKey):
        ScopeLog().apply(1, [("xsomething", 1)])
    assert (pattern_scope("a*"), tag_scope("a")) == ("pa*", "ta")
