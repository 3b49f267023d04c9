"""The decorator: a function whose results are cached under a key made from its arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from backstay.errors import ConfigError

from . import calls
from .cache import Cache
from .codecs import Codec
from .freshness import Ttl, seconds
from .templates import Arguments, Template

P = ParamSpec("P")
T = TypeVar("T")


def cached(
    key: str,
    ttl: Ttl | None = None,
    *,
    tags: Sequence[str] = (),
    codec: Codec[Any] | type[Any] | None = None,
    cache: Cache | None = None,
    grace: Ttl | None = None,
    swr: Ttl | None = None,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Cache what an async function returns, under a key made from its arguments.

    ``@cached(key="prices:symbol:{symbol}", ttl=3600)`` on ``async def prices(symbol)`` caches under what
    ``cache_key("prices", symbol=symbol)`` makes: each ``{name}`` is the escaped canonical text of that argument,
    so no argument can break out of its place. Tags are templates as well. The other options are those of
    `Cache.get_or_compute`; without `cache` the innermost open one is used.

    Raises, when the function is decorated:
        ConfigError: a template names a parameter that the function does not have, has an expression or a
            format in its braces, or leaves out a parameter (two calls that differ only there would share a
            key); or the function is not async.
    """
    if ttl is not None:
        seconds(ttl, "ttl")
    given: dict[str, Any] = {"codec": codec, "grace": grace, "swr": swr}
    # An option that says nothing is not passed on: the shortest way is that of a call without any.
    options: Any = {name: value for name, value in given.items() if value is not None}

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        if not inspect.iscoroutinefunction(function):
            raise ConfigError(f"@cached is for async functions; {function.__qualname__} is not one")
        arguments, of_key, of_tags = Arguments(function), Template(key), [Template(tag) for tag in tags]
        for template in (of_key, *of_tags):
            _check(template, arguments, function.__qualname__)
        _check_whole(of_key, arguments, function.__qualname__)

        @functools.wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            values = arguments.of(args, kwargs)
            name, compute = of_key.fill(values), functools.partial(function, *args, **kwargs)
            if not of_tags:
                return await calls.get_cached_or_compute(name, compute, ttl, cache=cache, **options)
            tagged = tuple([tag.fill(values) for tag in of_tags])
            return await calls.get_cached_or_compute(name, compute, ttl, cache=cache, tags=tagged, **options)

        return wrapper

    return decorate


def _check(template: Template, arguments: Arguments, function: str) -> None:
    unknown = sorted(set(template.names) - set(arguments.names))
    if unknown:
        raise ConfigError(
            f"the template {template.text!r} names {unknown}, which {function}{arguments.names} does not have"
        )


def _check_whole(template: Template, arguments: Arguments, function: str) -> None:
    # A method's own object is no argument: its address says nothing about the result.
    left_out = sorted(set(arguments.names) - set(template.names) - {"self", "cls"})
    if left_out:
        raise ConfigError(
            f"the key {template.text!r} leaves out {left_out}: "
            f"calls of {function} that differ only there would share it"
        )
