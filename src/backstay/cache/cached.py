"""The decorator: a function whose results are cached under a key made from its arguments."""

from __future__ import annotations

import functools
import inspect
import string
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from backstay.errors import ConfigError

from . import calls
from .cache import Cache
from .codecs import Codec
from .freshness import Ttl, seconds
from .keys import KeyPart, key_text

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

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        if not inspect.iscoroutinefunction(function):
            raise ConfigError(f"@cached is for async functions; {function.__qualname__} is not one")
        signature = inspect.signature(function)
        names = tuple(signature.parameters)
        _check(key, names, function.__qualname__, whole=True)
        for tag in tags:
            _check(tag, names, function.__qualname__, whole=False)

        @functools.wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            texts = {name: key_text(value, name) for name, value in _used(key, tags, bound.arguments).items()}
            return await calls.get_cached_or_compute(
                key.format_map(texts),
                lambda: function(*args, **kwargs),
                ttl,
                cache=cache,
                codec=codec,
                tags=[tag.format_map(texts) for tag in tags],
                grace=grace,
                swr=swr,
            )

        return wrapper

    return decorate


def _used(key: str, tags: Sequence[str], arguments: dict[str, KeyPart]) -> dict[str, KeyPart]:
    wanted = {name for template in (key, *tags) for name in _fields(template)}
    return {name: value for name, value in arguments.items() if name in wanted}


def _check(template: str, names: Sequence[str], function: str, *, whole: bool) -> None:
    fields = _fields(template)
    unknown = sorted(set(fields) - set(names))
    if unknown:
        raise ConfigError(
            f"the template {template!r} names {unknown}, which {function}{tuple(names)} does not have"
        )
    # A method's own object is no argument: its address says nothing about the result.
    left_out = sorted(set(names) - set(fields) - {"self", "cls"})
    if whole and left_out:
        raise ConfigError(
            f"the key {template!r} leaves out {left_out}: calls of {function} that differ only there would share it"
        )


def _fields(template: str) -> list[str]:
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as exc:
        raise ConfigError(f"the template {template!r} is malformed: {exc}") from exc
    for _, name, spec, conversion in parsed:
        if name is not None and (not name.isidentifier() or spec or conversion):
            raise ConfigError(f"a template has plain names in its braces, not {{{name}}}: {template!r}")
    return [name for _, name, _, _ in parsed if name is not None]
