"""The decorator checks its templates where the function is written, and keys calls by their arguments."""

import pytest

from backstay.cache import MISSING, Cache, MemoryCache, cache_key, cached
from backstay.errors import ConfigError, UncacheableKey


async def one(symbol):
    return symbol


async def two(symbol, day=1):
    return (symbol, day)


@pytest.mark.parametrize(
    ("key", "tags", "function", "message"),
    [
        ("p:{nosuch}", (), one, "nosuch"),
        ("p:fixed", (), one, "leaves out.*symbol"),
        ("p:{symbol}", (), two, "leaves out.*day"),
        ("p:{symbol.name}", (), one, "plain names"),
        ("p:{symbol[0]}", (), one, "plain names"),
        ("p:{symbol!r}", (), one, "plain names"),
        ("p:{symbol:>9}", (), one, "plain names"),
        ("p:{}", (), one, "plain names"),
        ("p:{symbol", (), one, "malformed"),
        ("p:{symbol}", ("t:{nosuch}",), one, "nosuch"),
    ],
)
def test_a_wrong_template_is_refused_at_decoration(key, tags, function, message):
    with pytest.raises(ConfigError, match=message):
        cached(key, tags=tags)(function)


def test_only_async_functions_are_cached():
    with pytest.raises(ConfigError, match="async"):
        cached("p")(lambda: 1)


def test_a_wrong_ttl_is_refused_at_decoration():
    with pytest.raises(ConfigError, match="ttl"):
        cached("p:{symbol}", ttl=-1)


@pytest.mark.asyncio
async def test_calls_are_keyed_by_their_arguments():
    async with Cache(MemoryCache()) as cache:
        calls = []

        @cached("prices:day:{day}:symbol:{symbol}", ttl=60, tags=["symbol-{symbol}"], cache=cache)
        async def price(symbol, day=1):
            """Says what it was asked."""
            calls.append((symbol, day))
            return [symbol, day]

        assert await price("a:b*") == ["a:b*", 1]
        assert await price(symbol="a:b*", day=1) == ["a:b*", 1]
        assert await price("a", day="b") == ["a", "b"]
        assert len(calls) == 2
        assert await cache.get(cache_key("prices", day=1, symbol="a:b*")) == ["a:b*", 1]
        await cache.invalidate_tags("symbol-a")
        assert await cache.get(cache_key("prices", day="b", symbol="a")) is MISSING
        with pytest.raises(UncacheableKey, match="symbol"):
            await price(object())
        with pytest.raises(TypeError):
            await price()
        assert (price.__name__, price.__doc__) == ("price", "Says what it was asked.")
