"""Families of weak passwords, that is, the ways in which people make passwords up. All may be tuned on."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import vocabulary as v

Maker = Callable[[random.Random], "str | tuple[str, dict]"]


def satisfy(rng: random.Random, password: str) -> str:
    """The least that people do so that a composition rule lets it pass."""
    if not any(map(str.isupper, password)):
        letters = [at for at, char in enumerate(password) if char.isalpha()]
        if not letters:
            password = rng.choice(["Aa", "Aa", "Abc", "Qw"]) + password
        else:
            at = letters[0] if rng.random() < 0.85 else letters[-1]
            password = password[:at] + password[at].upper() + password[at + 1 :]
    if not any(map(str.islower, password)):
        # Of a word in capitals, some letters give way; only signs and digits need another one.
        start = next((at for at, char in enumerate(password) if char.isalpha()), 0)
        password = password[: start + 1] + password[start + 1 :].lower()
        password += "" if any(map(str.islower, password)) else rng.choice("ax")
    if not any(map(str.isdigit, password)):
        password += rng.choice(v.DIGITS[:14])
    if password.isalnum():
        password = password + rng.choice(v.SYMBOLS) if rng.random() < 0.9 else rng.choice("!@#$") + password
    return password


def year(rng: random.Random) -> str:
    return str(rng.choice([*range(1960, 2010), *range(2015, 2027), *range(2020, 2027), *range(2020, 2027)]))


def ending(rng: random.Random) -> str:
    digits = rng.choice([*v.DIGITS, year(rng), year(rng), year(rng)[2:]])
    symbol = rng.choice(v.SYMBOLS)
    return rng.choice([digits, digits + symbol, symbol + digits, symbol, digits + symbol])


def cased(rng: random.Random, word: str) -> str:
    return rng.choice([word, word, word, word.capitalize(), word.capitalize(), word.capitalize(), word.upper()])


def l33t(rng: random.Random, word: str, share: float = 0.6) -> str:
    return "".join(rng.choice(v.L33T[char]) if char in v.L33T and rng.random() < share else char for char in word)


def any_word(rng: random.Random) -> str:
    return rng.choice(rng.choice([v.BASES, v.BASES, v.WORDS, v.NAMES]))


def affixes(rng: random.Random) -> str:
    return cased(rng, any_word(rng)) + ending(rng)


def both_ends(rng: random.Random) -> str:
    front = rng.choice([*v.SYMBOLS, *v.DIGITS, year(rng)])
    return front + cased(rng, any_word(rng)) + ending(rng)


def in_l33t(rng: random.Random) -> str:
    word = l33t(rng, rng.choice(v.BASES))
    return cased(rng, word) + rng.choice(["", ending(rng), ending(rng)])


def reversal(rng: random.Random) -> str:
    return cased(rng, any_word(rng)[::-1]) + ending(rng)


ROWS = {
    "qwerty": ("1234567890", "qwertyuiop", "asdfghjkl;", "zxcvbnm,./"),
    "qwertz": ("1234567890", "qwertzuiop", "asdfghjkl", "yxcvbnm,.-"),
    "azerty": ("1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn,;:!"),
}
KEYPAD = [
    "789",
    "456",
    "123",
    "147",
    "258",
    "369",
    "159",
    "753",
    "951",
    "357",
    "741",
    "852",
    "963",
    "7894",
    "4561",
    "1236",
    "1478",
    "3698",
    "7410",
    "1590",
]


def keyboards(rng: random.Random) -> str:
    layout = rng.choice(list(ROWS.values()))

    def piece() -> str:
        row = rng.randrange(4)
        start, length = rng.randrange(6), rng.randrange(3, 7)
        walk = layout[row][start : start + length]
        kind = rng.randrange(5)
        if kind == 0:
            walk = "".join(line[start] for line in layout)
        elif kind == 1:
            walk = "".join(line[at] for at in (start, start + 1) for line in layout)
        elif kind == 2:
            one, other = layout[max(row - 1, 0)], layout[max(row - 1, 0) + 1]
            walk = "".join(one[at] + other[at] for at in range(start, start + 3))
        return walk[::-1] if rng.random() < 0.2 else walk

    made = piece() + piece() if rng.random() < 0.7 else piece() + rng.choice(v.DIGITS)
    return cased(rng, made) + rng.choice(["", "", rng.choice(v.SYMBOLS)])


def keypad(rng: random.Random) -> str:
    return "".join(rng.choice(KEYPAD) for _ in range(rng.randrange(2, 4))) + rng.choice(["", *v.SYMBOLS[:5]])


def sequences(rng: random.Random) -> str:
    def piece() -> str:
        line = rng.choice([string.ascii_lowercase, "0123456789", "0123456789"])
        start, step, length = rng.randrange(len(line) - 4), rng.choice([1, 1, 1, 2]), rng.randrange(3, 9)
        run = line[start::step][:length]
        return run[::-1] if rng.random() < 0.25 else run

    return rng.choice(["", "-", "."]).join(cased(rng, piece()) for _ in range(2)) + rng.choice(["", ending(rng)])


def repeats(rng: random.Random) -> str:
    short = rng.choice([any_word(rng)[:3], rng.choice(string.ascii_lowercase) + rng.choice("123"), any_word(rng)])
    char = rng.choice(string.ascii_lowercase + string.digits)
    made = rng.choice([short * rng.randrange(2, 5), char * rng.randrange(5, 10), (short.capitalize() + "1") * 2])
    return made + ending(rng)


def date_text(rng: random.Random) -> str:
    day, month, full = rng.randrange(1, 32), rng.randrange(1, 13), year(rng)
    short = full[2:]
    sep = rng.choice(["", "", ".", "-", "/", "_"])
    two = f"{day:02}", f"{month:02}"
    parts = rng.choice(
        [(*two, full), (two[1], two[0], full), (full, two[1], two[0]), (*two, short), (two[1], two[0], short), two]
    )
    return sep.join(parts)


def dates(rng: random.Random) -> str:
    word = cased(rng, rng.choice([any_word(rng), rng.choice(v.NAMES), rng.choice(v.SEASONS)]))
    made = rng.choice([date_text(rng) + word, word + date_text(rng), word + date_text(rng)])
    return made + rng.choice(["", rng.choice(v.SYMBOLS)])


def seasons(rng: random.Random) -> str:
    full = year(rng)
    word = cased(rng, l33t(rng, rng.choice(v.SEASONS), rng.choice([0, 0, 0, 0.5])))
    quarter = rng.choice(["Q1", "Q2", "Q3", "Q4", "H1", "FY"]) + rng.choice(["", "-", "_"]) + full
    made = rng.choice([word + full, word + full, word + rng.choice("-_@#.!") + full, full + word, quarter])
    return made + rng.choice([rng.choice(v.SYMBOLS), rng.choice(v.SYMBOLS), ending(rng)])


def joins(rng: random.Random) -> str:
    one, other = any_word(rng), any_word(rng)
    styled = rng.choice([str.lower, str.capitalize, str.capitalize])
    return (
        styled(one) + rng.choice(v.SEPARATORS) + styled(other) + rng.choice(["", "1", "1!", "!", "123", year(rng)])
    )


def user_parts(user: dict) -> list[str]:
    first, last = (name.lower() for name in user["names"])
    local, _, domain = user["email"].partition("@")
    born = str(user["born"])
    return [
        first, last, first + last, last + first, first[0] + last, first + last[0], user["username"], local,
        domain.partition(".")[0], first + born, last + born[2:],
    ]  # fmt: skip


def about(user: dict) -> dict:
    return {"username": user["username"], "email": user["email"], "names": user["names"]}


def user_info(rng: random.Random) -> tuple[str, dict]:
    user = rng.choice(v.USERS)
    part = rng.choice(user_parts(user))
    part = rng.choice([part, part, l33t(rng, part, 0.5), part[::-1]])
    made = rng.choice([cased(rng, part) + ending(rng), ending(rng) + cased(rng, part) + rng.choice("!1.")])
    return made, about(user)


def user_joined(rng: random.Random) -> tuple[str, dict]:
    user = rng.choice(v.USERS)
    parts = [rng.choice(user_parts(user)).capitalize(), cased(rng, any_word(rng))]
    rng.shuffle(parts)
    return rng.choice(v.SEPARATORS).join(parts) + rng.choice(["", ending(rng)]), about(user)


def context(rng: random.Random) -> tuple[str, dict]:
    word = rng.choice(v.COMPANIES)
    other = rng.choice(["", "", "admin", "vpn", "wifi", "login", any_word(rng)])
    shown = rng.choice([word, word, l33t(rng, word, 0.5)])
    return cased(rng, shown) + rng.choice(["", "-", "@"]) + cased(rng, other) + ending(rng), {"context": (word,)}


def regional(language: str) -> Maker:
    words = v.REGIONAL[language].split()

    def make(rng: random.Random) -> str:
        word = rng.choice(words)
        shown = rng.choice([word, word, word, l33t(rng, word, 0.5)])
        return rng.choice([cased(rng, shown), cased(rng, shown), shown.capitalize()]) + ending(rng)

    return make


def names(rng: random.Random) -> str:
    name = rng.choice([*v.NAMES, *v.SURNAMES[:44]])
    other = rng.choice(["", "", rng.choice(v.NAMES), rng.choice(v.SURNAMES[:44])])
    return name.capitalize() + rng.choice(["", "", "_", ".", "&"]) + other.capitalize() + ending(rng)


def inserted(rng: random.Random) -> str:
    word = cased(rng, rng.choice(v.BASES))
    char = rng.choice(".-_*!# 1x"[:8])
    if rng.random() < 0.5:
        return char.join(word) + rng.choice(["", ending(rng)])
    at = rng.randrange(2, len(word) - 1)
    return word[:at] + rng.choice("!@#$%*123") + word[at:] + ending(rng)


def doubled(rng: random.Random) -> str:
    return cased(rng, "".join(char * 2 for char in any_word(rng))) + ending(rng)


def alternating(rng: random.Random) -> str:
    word = any_word(rng)
    return "".join(char.upper() if at % 2 else char for at, char in enumerate(word)) + ending(rng)


def typos(rng: random.Random) -> str:
    word = rng.choice([word for word in v.BASES if len(word) >= 6])
    at = rng.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    vowelless = word[0] + "".join(char for char in word[1:] if char not in "aeiou")
    made = rng.choice([word[:at] + word[at + 1 :], swapped, vowelless, word[:at] + word[at] + word[at:]])
    return cased(rng, made) + ending(rng)


def phrases(rng: random.Random) -> str:
    phrase = rng.choice(v.PHRASES)
    return cased(rng, rng.choice([phrase, phrase, l33t(rng, phrase, 0.4)])) + rng.choice(["", ending(rng)])


def three_words(rng: random.Random) -> str:
    start = (
        "i love,i love,i like,i hate,i need,we love,my little,my big,my first,the best,the big,you are,i am,we are"
    )
    subject, verb = rng.choice(start.split(",")).split()
    sep = rng.choice(["", "", "-", "_"])
    parts = [subject, verb, rng.choice(v.WORDS[:250])]
    return sep.join(part.capitalize() for part in parts) + ending(rng)


def mixed_keys_and_words(rng: random.Random) -> str:
    keys = rng.choice(["qwe", "asd", "zxc", "qaz", "wsx", "qwerty", "asdf", "zaq1", "1qaz", "abc", "xyz", "aaa"])
    parts = [cased(rng, keys), rng.choice([cased(rng, any_word(rng)), rng.choice(v.DIGITS)])]
    rng.shuffle(parts)
    return rng.choice(["", "", "_", "@", "!"]).join(parts) + ending(rng)


WEAK: dict[str, Maker] = {
    "affixes": affixes,
    "both ends": both_ends,
    "l33t": in_l33t,
    "reversal": reversal,
    "keyboards": keyboards,
    "keypad": keypad,
    "keys and words": mixed_keys_and_words,
    "sequences": sequences,
    "repeats": repeats,
    "dates": dates,
    "seasons": seasons,
    "joins": joins,
    "names": names,
    "user info": user_info,
    "user joined": user_joined,
    "context": context,
    "inserted": inserted,
    "doubled": doubled,
    "alternating": alternating,
    "typos": typos,
    "phrases": phrases,
    "three words": three_words,
    **{f"regional {language}": regional(language) for language in v.REGIONAL},
}
