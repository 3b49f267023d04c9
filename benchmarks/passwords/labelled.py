"""A labelled set of passwords, made anew for every seed: weak ones by family, medium and strong ones by true bits.

*Weak* are those that an attacker who knows how people make passwords up finds within about 10^8 guesses: each
family draws few choices from short lists. *Medium* are drawn by a machine with 36 to 48 bits, *strong* with 50 or
more. The families of this file may be used to tune an estimator; those of `heldback` may not.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field

import vocabulary as v
from families import WEAK, Maker, satisfy
from odd import ODD
from odder import ODDER
from oddest import ODDEST

from backstay.passwords.generate import common_words

SHORTEST = 8


@dataclass(frozen=True)
class Row:
    """One password, what it is, and what its attacker knows of the user."""

    password: str
    label: str
    family: str
    about: dict = field(default_factory=dict)

    @property
    def hard(self) -> bool:
        """Whether the usual composition rules would let it pass."""
        has = (str.isupper, str.islower, str.isdigit, lambda char: not char.isalnum())
        return len(self.password) >= SHORTEST and all(any(map(one, self.password)) for one in has)


def rows(makers: dict[str, Maker], label: str, each: int, seed: object) -> Iterator[Row]:
    """That many passwords of every family, none twice."""
    for family, maker in makers.items():
        rng = random.Random(f"{seed}/{label}/{family}")
        seen: set[str] = set()
        for _ in range(each * 40):
            made = maker(rng)
            password, about = made if isinstance(made, tuple) else (made, {})
            if label == "weak" and rng.random() < 0.8:
                password = satisfy(rng, password)
            if len(password) >= SHORTEST and password not in seen:
                seen.add(password)
                yield Row(password, label, family, about)
            if len(seen) == each:
                break


def everything(each: int, seed: object) -> list[Row]:
    """Named families of weak passwords, medium and strong ones."""
    return [
        *rows(WEAK, "weak", each, seed),
        *rows(MEDIUM, "medium", each, seed),
        *rows(STRONG, "strong", each, seed),
    ]


def odd(each: int, seed: object) -> list[Row]:
    """The odder families of weak passwords."""
    return list(rows(ODD | ODDER | ODDEST, "weak", each, seed))


def drawn(alphabet: str, *lengths: int) -> Maker:
    """Random characters of one of these lengths."""
    return lambda rng: "".join(rng.choice(alphabet) for _ in range(rng.choice(lengths)))


CJK = "".join(map(chr, range(0x4E00, 0x5600)))
CYRILLIC = "".join(map(chr, range(0x430, 0x450)))
PRINTABLE = "".join(map(chr, range(33, 127)))
ALNUM = string.ascii_letters + string.digits
POOL = sorted({*v.WORDS, *v.NAMES, *v.SURNAMES, *(word for word in v.BASES if word.isalpha())})


def syllables(*counts: int) -> Maker:
    """Consonant and vowel by turns: 6.6 bits a pair."""

    def make(rng: random.Random) -> str:
        return "".join(rng.choice("bcdfghjklmnprstvwxyz") + rng.choice("aeiou") for _ in range(rng.choice(counts)))

    return make


def passphrase(count: int, separators: str = "- ._") -> Maker:
    """Words of a pool of about 700 (9.4 bits each)."""

    def make(rng: random.Random) -> str:
        return rng.choice(separators).join(rng.choice(POOL) for _ in range(count))

    return make


def word_and_random(count: int) -> Maker:
    def make(rng: random.Random) -> str:
        tail = "".join(rng.choice(ALNUM) for _ in range(count))
        word = rng.choice(POOL).capitalize()
        return rng.choice([word + tail, tail + word, word + "-" + tail])

    return make


MEDIUM: dict[str, Maker] = {
    "8 of a-z": drawn(string.ascii_lowercase, 8),
    "9-10 of a-z": drawn(string.ascii_lowercase, 9, 10),
    "8 of a-z0-9": drawn(string.ascii_lowercase + string.digits, 8),
    "9 of a-z0-9": drawn(string.ascii_lowercase + string.digits, 9),
    "8 of A-Za-z": drawn(string.ascii_letters, 8),
    "8 of A-Za-z0-9": drawn(ALNUM, 8),
    "8 of A-Z0-9": drawn(string.ascii_uppercase + string.digits, 8),
    "9-12 hexadecimal": drawn("0123456789abcdef", 9, 10, 11, 12),
    "11-14 digits": drawn(string.digits, 11, 12, 13, 14),
    "four words": passphrase(4),
    "five words": passphrase(5, " -"),
    "three of 4,096 words": lambda rng: rng.choice("- .").join(rng.choice(common_words()) for _ in range(3)),
    "word and 5 random": word_and_random(5),
    "6-7 syllables": syllables(6, 7),
}

STRONG: dict[str, Maker] = {
    "9-16 printable": drawn(PRINTABLE, *range(9, 17)),
    "9-16 of A-Za-z0-9": drawn(ALNUM, *range(9, 17)),
    "10-16 of a-z0-9": drawn(string.ascii_lowercase + string.digits, *range(10, 17)),
    "11-18 of a-z": drawn(string.ascii_lowercase, *range(11, 19)),
    "16-24 digits": drawn(string.digits, *range(16, 25)),
    "13-32 hexadecimal": drawn("0123456789abcdef", *range(13, 33)),
    "six words": passphrase(6),
    "seven words, none between": lambda rng: "".join(rng.choice(POOL).capitalize() for _ in range(7)),
    "8-12 syllables": syllables(8, 9, 10, 11, 12),
    "word and 9 random": word_and_random(9),
    "8-12 Chinese": drawn(CJK, *range(8, 13)),
    "10-14 Cyrillic": drawn(CYRILLIC, *range(10, 15)),
    "long mixed": lambda rng: "".join(rng.choice(ALNUM + "-_") for _ in range(rng.randrange(20, 60))),
}
