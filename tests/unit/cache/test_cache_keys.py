"""Keys are injective, can be taken apart again, and nothing in a value breaks out of its place."""

import os
import random
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.cache import ANY, ParsedKey, cache_key, key_pattern, parse_key
from backstay.cache.globs import matcher
from backstay.cache.keys import MAX_STORED_BYTES, check_key, namespace_of, stored_name, text_of
from backstay.errors import InvalidKey, UncacheableKey

# Few letters, and those that the grammar itself uses: two different values must come close to meeting.
LETTERS = ":%;()ab01ATn_p~ e\x00*{}\ud800é"
NAMES = ("a", "b", "A", "_", "id")


class Colour(Enum):
    RED = "red"


class Shade(Enum):
    RED = "red"


def meaning(value):
    """What a value stands for: an independent statement of which values share a key, and which do not."""
    match value:
        case bool() | None:
            return ("constant", value)
        case str() | int():
            return ("text", str(value))
        case float():
            return ("float", repr(value))
        case bytes():
            return ("bytes", value)
        case list() | tuple():
            return ("list", tuple(meaning(item) for item in value))
        case set() | frozenset():
            return ("set", frozenset(meaning(item) for item in value))
        case dict():
            return ("map", frozenset((name, meaning(item)) for name, item in value.items()))
        case _:
            return (type(value), value)


def some_value(draw, depth=0):
    kind = draw.randrange(8 if depth < 2 else 5)
    match kind:
        case 0 | 1:
            return "".join(draw.choices(LETTERS, k=draw.randrange(4)))
        case 2:
            return draw.choice((0, 1, -1, 10, True, False, None, 0.0, 1.0, -0.0, 1e300))
        case 3:
            return draw.choice(NAMES)
        case 4:
            return bytes(draw.choices(b"\x00a1", k=draw.randrange(3)))
        case 5:
            return [some_value(draw, depth + 1) for _ in range(draw.randrange(3))]
        case 6:
            return {some_value(draw, 2) for _ in range(draw.randrange(3))}
        case _:
            return {some_text(draw): some_value(draw, depth + 1) for _ in range(draw.randrange(3))}


def some_text(draw):
    return "".join(draw.choices(LETTERS, k=draw.randrange(3)))


def check_many(count):
    draw = random.Random(20260101)
    meanings = {}
    for _ in range(count):
        namespace = "".join(draw.choices(LETTERS, k=1 + draw.randrange(2)))
        parts = [some_value(draw) for _ in range(draw.randrange(4))]
        params = {name: some_value(draw) for name in draw.sample(NAMES, draw.randrange(3))}
        key = cache_key(namespace, *parts, **params)
        meant = (namespace, meaning(parts), meaning(params))
        assert meanings.setdefault(key, meant) == meant, key
        parsed = parse_key(key)
        assert parsed.namespace == namespace
        assert (len(parsed.parts), [name for name, _ in parsed.params]) == (len(parts), sorted(params))
    assert len(set(meanings.values())) == len(meanings)


def test_of_many_keys_no_two_that_differ_meet():
    check_many(10_000)


@pytest.mark.nightly
def test_of_a_million_keys_no_two_that_differ_meet():
    check_many(1_000_000)


texts = st.text(st.characters(codec=None), max_size=8)


@settings(max_examples=1_000_000 if os.environ.get("BACKSTAY_NIGHTLY") else 10_000)
@given(st.text(min_size=1, max_size=8), st.lists(texts, max_size=4), st.dictionaries(st.sampled_from(NAMES), texts))
def test_texts_come_back(namespace, parts, params):
    parsed = parse_key(cache_key(namespace, *parts, **params))
    assert parsed.namespace == namespace
    assert [text_of(part) for part in parsed.parts] == parts
    assert {name: text_of(value) for name, value in parsed.params} == params


@settings(max_examples=500)
@given(texts)
def test_nothing_in_a_value_stands_raw(text):
    key = cache_key("ns", text)
    assert re.fullmatch(r"ns:[A-Za-z0-9._~@+=,%-]+", key)


def test_the_example_of_the_contract():
    assert cache_key("test", id=1) == "test:id:1" == cache_key("test", id="1")
    assert cache_key("prices", symbol="MSFT", day=date(2024, 1, 2)) == "prices:day:%TD2024-01-02:symbol:MSFT"


def test_parameters_are_sorted_and_parts_are_not():
    assert cache_key("n", b=1, a=2) == cache_key("n", a=2, b=1)
    assert cache_key("n", 1, 2) != cache_key("n", 2, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), {"a": "b"}),
        ((1,), {"one": 1}),
        (("",), {}),
    ],
)
def test_parts_are_not_parameters(one, other):
    assert cache_key("n", *one) != cache_key("n", **other)
    assert len(parse_key(cache_key("n", *one)).parts) == len(one)


def test_kinds_are_told_apart():
    values = [
        1, 1.0, True, None, "", "None", "True", "1.0", b"1", [1], (1, 1), {1}, {"1": 1}, Decimal(1), Decimal("1.0"),
        date(2024, 1, 1), datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), time(1), timedelta(1),
        UUID(int=1), Colour.RED, Shade.RED, "red", "%n", "%t", [[]], [], set(), {},
    ]  # fmt: skip
    keys = [cache_key("n", value) for value in values]
    assert len(set(keys)) == len(keys)


def test_what_has_no_canonical_form_is_named():
    with pytest.raises(UncacheableKey, match=r"parameter 'who'.*object"):
        cache_key("n", who=object())
    with pytest.raises(UncacheableKey, match="part 1"):
        cache_key("n", 1, [object()])
    with pytest.raises(TypeError):
        cache_key("n", object())
    with pytest.raises(UncacheableKey, match="deeper"):
        cache_key("n", [[[[[[[[[1]]]]]]]]])
    with pytest.raises(UncacheableKey, match="name"):
        cache_key("n", {1: 2})


@pytest.mark.parametrize("text", ["", ":", "a:", "a::b", ":a"])
def test_what_no_key_is_cannot_be_taken_apart(text):
    with pytest.raises(InvalidKey):
        parse_key(text)


def test_what_cannot_be_a_key_is_refused():
    for wrong in ("", None, b"a", 1, "k" * 8193, "é" * 4097):
        with pytest.raises(InvalidKey):
            check_key(wrong)
    assert check_key("é" * 4096)
    with pytest.raises(InvalidKey):
        cache_key("")
    with pytest.raises(InvalidKey):
        cache_key("n", "x" * 9000)
    with pytest.raises(InvalidKey, match="identifier"):
        cache_key("n", **{"a:b": 1})


def test_a_long_key_is_stored_under_a_digest_of_its_namespace():
    short, long, other = (
        cache_key("n", "x" * (MAX_STORED_BYTES - 2)),
        cache_key("n", "x" * 600),
        cache_key("n", "y" * 600),
    )
    assert stored_name(short) == short
    assert len(stored_name(long)) < 150
    assert namespace_of(stored_name(long)) == "n"
    assert stored_name(long) != stored_name(other)
    # No key of `cache_key`'s can be written so as to meet a digest.
    assert stored_name(long) not in {
        cache_key("n", text_of(stored_name(long)[2:])),
        cache_key("n", stored_name(long)[2:]),
    }


@settings(max_examples=300)
@given(texts, texts)
def test_a_pattern_matches_its_value_and_no_other(mine, other):
    matches = matcher(key_pattern("n", mine, day=ANY))
    assert matches(cache_key("n", mine, day=1))
    assert matches(cache_key("n", other, day=1)) == (mine == other)


def test_any_is_any_value_at_its_place():
    matches = matcher(key_pattern("prices", symbol=ANY))
    assert matches(cache_key("prices", symbol="a:b*"))
    assert not matches(cache_key("prices", day=1))
    assert not matches(cache_key("prices2", symbol=1))
    assert repr(ANY) == "ANY"


def test_parsed_parts_are_tokens():
    assert parse_key("n:a%3Ab:%p%n") == ParsedKey("n", ("a%3Ab", "%n"), ())
    assert parse_key("n:id:1") == ParsedKey("n", (), (("id", "1"),))


def test_what_shares_a_key_is_one_member_of_a_set():
    assert cache_key("ns", {1, "1"}) == cache_key("ns", {"1"}) == "ns:%s(1)"
