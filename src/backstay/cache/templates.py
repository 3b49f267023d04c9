"""Templates of keys and tags: texts with the names of a function's arguments in braces (pure)."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable, Mapping
from typing import Any, Final

from backstay.errors import ConfigError

from .keys import key_text

_NAMED: Final = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


class Template:
    """Taken apart once, filled by every call."""

    __slots__ = ("_frame", "names", "text")

    def __init__(self, text: str) -> None:
        """Raises ConfigError if it is malformed, or has more than plain names in its braces."""
        self.text = text
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as exc:
            raise ConfigError(f"the template {text!r} is malformed: {exc}") from exc
        for _, name, spec, conversion in parsed:
            if name is not None and (not name.isidentifier() or spec or conversion):
                raise ConfigError(f"a template has plain names in its braces, not {{{name}}}: {text!r}")
        self.names: Final = tuple(name for _, name, _, _ in parsed if name is not None)
        """What stands in the braces, in order."""
        self._frame = "".join(
            literal.replace("%", "%%") + ("" if name is None else "%s") for literal, name, _, _ in parsed
        )

    def fill(self, arguments: Mapping[str, Any]) -> str:
        """With the canonical texts of these arguments, none of which can break out of its place.

        Raises UncacheableKey if one has none.
        """
        return self._frame % tuple([key_text(arguments[name], name) for name in self.names])


class Arguments:
    """What the parameters of a function are given by a call."""

    __slots__ = ("_defaults", "_named", "_positional", "_signature", "names")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters
        self.names: Final = tuple(parameters)
        """Of all parameters."""
        kinds = {name: each.kind for name, each in parameters.items()}
        self._named = _NAMED.issuperset(kinds.values())
        self._positional = [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        empty = inspect.Parameter.empty
        self._defaults = {name: each.default for name, each in parameters.items() if each.default is not empty}

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[str, Any]:
        """Each parameter's argument, or its default. Raises TypeError where the call itself would."""
        if self._named and len(args) <= len(self._positional):
            # What `bind` does, for nearly every call, at a tenth of its price.
            given = dict(zip(self._positional, args, strict=False))
            if given.keys().isdisjoint(kwargs):
                given = {**self._defaults, **given, **kwargs}
                if len(given) == len(self.names) and all(map(given.__contains__, self.names)):
                    return given
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments
