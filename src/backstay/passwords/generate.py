"""Passwords and passphrases drawn by the operating system's random source, with their exact entropy."""

from __future__ import annotations

import math
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from backstay.errors import ConfigError
from backstay.secret import Secret

from .strength import lexicon as lexicons

_AMBIGUOUS = set("0O1lI|")
ALPHABET: Final = "".join(
    char for char in string.ascii_letters + string.digits + "!#$%&*+-=?@^_" if char not in _AMBIGUOUS
)
"""Letters, digits and signs, without those that are mistaken for each other when copied by hand."""

_WORDS = 4_096
_system: Final = secrets.SystemRandom()
_SHORTEST_WORD, _LONGEST_WORD = 4, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A password and the bits of the choice that made it.

    The text shows itself only through `secret.reveal()`.
    """

    secret: Secret
    bits: float


def generate_password(*, length: int | None = None, bits: float = 96.0, alphabet: str = ALPHABET) -> Generated:
    """Random characters: as many as `length` says, or as reach `bits`.

    Raises:
        ConfigError: fewer than 48 bits, more than 1,024 characters, or an alphabet with repetitions.
    """
    if len(set(alphabet)) != len(alphabet) or len(alphabet) < 10:
        raise ConfigError("an alphabet has at least 10 characters, each once")
    each = math.log2(len(alphabet))
    count = length if length is not None else math.ceil(bits / each)
    _check(count * each, count)
    return Generated(secret=Secret("".join(secrets.choice(alphabet) for _ in range(count))), bits=count * each)


def generate_passphrase(
    *,
    words: int | None = None,
    bits: float = 60.0,
    separator: str = "-",
    wordlist: Sequence[str] | None = None,
) -> Generated:
    """Random common words, 12 bits each: as many as `words` says, or as reach `bits`.

    No word comes twice: a policy may refuse a phrase that repeats one, however it was drawn. This takes a little
    off the 12 bits, which `Generated.bits` knows: five words have 59.996.

    Raises:
        ConfigError: fewer than 48 bits, more than 1,024 words, or a word list with repetitions.
    """
    chosen = wordlist if wordlist is not None else common_words()
    if len(set(chosen)) != len(chosen) or len(chosen) < 1_024:
        raise ConfigError("a word list has at least 1,024 words, each once")
    each = math.log2(len(chosen))
    count = words if words is not None else math.ceil(bits / each)
    _check(count * each, count)
    exact = sum(math.log2(len(chosen) - drawn) for drawn in range(count))
    return Generated(secret=Secret(separator.join(_system.sample(chosen, count))), bits=exact)


@cache
def common_words() -> tuple[str, ...]:
    """The 4,096 commonest English words of four to eight letters. Reads the shipped list on first use."""
    words: list[str] = []
    for word, _price in sorted(lexicons.english().items(), key=lambda item: (item[1], item[0])):
        if word.isalpha() and _SHORTEST_WORD <= len(word) <= _LONGEST_WORD:
            words.append(word)
            if len(words) == _WORDS:
                break
    return tuple(words)


def _check(bits: float, count: int) -> None:
    if bits < 48 or count > 1_024:
        raise ConfigError(
            f"{count} choices make {bits:.0f} bits; at least 48 bits and at most 1,024 choices are allowed"
        )
