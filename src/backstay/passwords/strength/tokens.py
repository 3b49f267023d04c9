"""What an attacker knows of this user and this service, as texts to look for in a password."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .canonical import fold

_PARTS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WHOLE, _PART, _JOINED = 0.3, 0.6, 1.0
_SHORTEST = 4
_SHORTEST_TOKEN = 2
_MOST = 64


def known_tokens(
    *,
    username: str | None = None,
    email: str | None = None,
    names: Iterable[str] = (),
    context: Iterable[str] = (),
) -> dict[str, float]:
    """Texts with their prices, from what is known of the user and from words of the service.

    Names are also joined as people join them: first and last in both orders, initial and last, initials.
    Short texts are looked for only where they stand alone (see `words.of_user`).
    """
    found: dict[str, float] = {}
    whole = [text for text in (username, email, *names, *context) if text]
    if email and "@" in email:
        local, _, domain = email.rpartition("@")
        whole += [local, domain.rpartition(".")[0]]
    for text in whole[:_MOST]:
        _add(found, text, _WHOLE)
        parts = list(_parts(text))
        for part in parts:
            _add(found, part, _PART)
        for joined in _joined([part for part in parts if part.isalpha()]):
            _add(found, joined, _JOINED)
    parts = [part for name in names for part in _parts(name)]
    for joined in _joined(parts):
        _add(found, joined, _JOINED)
    for initials in ([part[0] for part in parts], [name[0] for name in names if name]):
        _add(found, "".join(initials), _PART)
    return dict(list(found.items())[: 4 * _MOST])


def short_tokens(*texts: str | None) -> frozenset[str]:
    """Parts too short to be searched for, yet no password when they are all its letters (``Bob1!``)."""
    return frozenset(
        folded for text in texts if text for part in _parts(text) if len(folded := fold(part)) < _SHORTEST
    )


def _add(found: dict[str, float], text: str, price: float) -> None:
    token = fold(text)
    if len(token) >= _SHORTEST_TOKEN and price < found.get(token, 99.0):
        found[token] = price


def _parts(text: str) -> Iterator[str]:
    yield from _PARTS.findall(_CAMEL.sub(" ", text)[:256])


def _joined(parts: list[str]) -> Iterator[str]:
    for one in parts[:4]:
        for other in parts[:4]:
            if one != other:
                yield one + other
                yield one[0] + other
                yield one + other[0]
