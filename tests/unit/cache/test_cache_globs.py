"""Globs against an independent matcher that follows Redis' own, letter by letter."""

import random
import time

import pytest

from backstay.cache.globs import MAX_GLOB_BYTES, check_glob, escape, literal_head, matcher
from backstay.errors import InvalidKey


def redis_matches(glob, text):
    """`stringmatchlen` of Redis as a recursive function."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(redis_matches(glob[1:], text[place:]) for place in range(len(text) + 1))
    if not text:
        return False
    if glob[0] == "?":
        return redis_matches(glob[1:], text[1:])
    if glob[0] == "[":
        matched, rest = redis_class(glob[1:], text[0])
        return matched and redis_matches(rest, text[1:])
    if glob[0] == "\\" and len(glob) > 1:
        glob = glob[1:]
    return glob[0] == text[0] and redis_matches(glob[1:], text[1:])


def redis_class(glob, char):
    negated = glob.startswith("^")
    glob = glob[negated:]
    matched = False
    while glob and glob[0] != "]":
        if glob[0] == "\\" and len(glob) >= 2:
            matched |= glob[1] == char
            glob = glob[2:]
        elif len(glob) >= 3 and glob[1] == "-":
            matched |= min(glob[0], glob[2]) <= char <= max(glob[0], glob[2])
            glob = glob[3:]
        else:
            matched |= glob[0] == char
            glob = glob[1:]
    return matched != negated, glob[1:]


def test_random_globs_match_what_redis_matches():
    draw = random.Random(1)
    matched = 0
    for _ in range(20_000):
        glob = "".join(draw.choices("ab**?[]^-\\:", k=1 + draw.randrange(7)))
        text = "".join(draw.choices("ab]^-\\:\n", k=draw.randrange(7)))
        expected = redis_matches(glob, text)
        assert matcher(glob)(text) == expected, (glob, text)
        matched += expected
        if expected:
            assert text.startswith(literal_head(glob))
    assert matched > 500


def test_an_escaped_text_matches_itself_alone():
    draw = random.Random(2)
    for _ in range(5_000):
        one, other = ("".join(draw.choices("a*?[]\\^-\n{}.+$|(", k=draw.randrange(5))) for _ in range(2))
        assert matcher(escape(one))(one)
        assert matcher(escape(one))(other) == (one == other)


@pytest.mark.parametrize(
    "glob", ["*a" * 500 + "b", "*a" * 30 + "*b", "*[ab]?" * 150 + "c", "*" * 1024, "*a*" * 300 + "b"]
)
def test_no_glob_runs_for_years(glob):
    matches = matcher(glob)
    began = time.process_time()
    matches("a" * 1024)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("wrong", ["", None, b"a*", "*" * (MAX_GLOB_BYTES + 1), "é" * 513])
def test_what_cannot_be_a_glob_is_refused(wrong):
    with pytest.raises(InvalidKey):
        check_glob(wrong)
