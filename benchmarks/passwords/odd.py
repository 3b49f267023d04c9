"""Odder families of weak passwords: once held back from tuning, now tuned on."""

# ruff: noqa: E501 - lists of words read best as words

from __future__ import annotations

import random

import vocabulary as v
from families import Maker, any_word, cased, date_text, ending, year


def shifted_hand(rng: random.Random) -> str:
    """A word typed with the hand one key to the right."""
    keys = "qwertyuiop[asdfghjkl;'zxcvbnm,."
    word = rng.choice(v.BASES)
    moved = "".join(keys[keys.index(char) + 1] if char in keys else char for char in word)
    return cased(rng, moved) + ending(rng)


def rotated(rng: random.Random) -> str:
    """Caesar's cipher by 1 or 13."""
    by = rng.choice([1, 13])
    word = "".join(chr((ord(char) - 97 + by) % 26 + 97) if char.isalpha() else char for char in rng.choice(v.BASES))
    return cased(rng, word) + ending(rng)


def swapped_halves(rng: random.Random) -> str:
    word = rng.choice([word for word in v.BASES if len(word) >= 6])
    middle = len(word) // 2
    return cased(rng, word[middle:] + word[:middle]) + ending(rng)


def interleaved_words(rng: random.Random) -> str:
    one, other = rng.choice(v.BASES), rng.choice(["123456789", "0123456789", "!!!!!!!!!!", rng.choice(v.BASES)])
    return "".join(a + b for a, b in zip(one, other, strict=False)).capitalize() + rng.choice(["", "1!", "!"])


def wide_l33t(rng: random.Random) -> str:
    """Substitutions of more than one character, and letters that sound alike."""
    word = rng.choice(v.BASES)
    table = {"h": "|-|", "k": "|<", "m": "/\\/\\", "n": "|\\|", "w": "vv", "d": "|)", "v": "\\/", "u": "|_|"}
    sounds = [("ck", "xx"), ("f", "ph"), ("s", "z"), ("e", "3"), ("er", "0r"), ("c", "k"), ("i", "y")]
    if rng.random() < 0.5:
        for char in set(word) & set(table):
            word = word.replace(char, table[char], 1)
    else:
        for old, new in rng.sample(sounds, 3):
            word = word.replace(old, new, 1)
    return cased(rng, word) + ending(rng)


def palindrome(rng: random.Random) -> str:
    word = any_word(rng)[:6]
    return cased(rng, word + word[::-1]) + rng.choice(["", ending(rng)])


def decorated(rng: random.Random) -> str:
    left, right = rng.choice(
        [("xX_", "_Xx"), ("<3", "<3"), ("**", "**"), ("[", "]"), ("(", ")"), ("~", "~"), ("-=", "=-"), ("", ":)")]
    )
    return left + cased(rng, any_word(rng)) + rng.choice(v.DIGITS) + right


def look_alikes(rng: random.Random) -> str:
    word = rng.choice(v.BASES)
    kind = rng.randrange(3)
    if kind == 0:
        word = word.translate(str.maketrans("aeopcx", "\u0430\u0435\u043e\u0440\u0441\u0445"))
    elif kind == 1:
        word = word.translate(str.maketrans("aeiouny", "\u00e4\u00e9\u00ed\u00f6\u00fc\u00f1\u00fd"))
    else:
        word = "".join(chr(ord(char) + 0xFEE0) for char in word)
    return cased(rng, word) + ending(rng)


def masked_vowels(rng: random.Random) -> str:
    char = rng.choice("*_-.#@0")
    word = rng.choice(v.BASES)
    return cased(rng, word[0] + "".join(char if one in "aeiou" else one for one in word[1:])) + ending(rng)


NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def number_words(rng: random.Random) -> str:
    start = rng.randrange(9)
    run = NUMBERS[start : start + rng.choice([3, 4])]
    digits = [str(start + at) if rng.random() < 0.3 else word.capitalize() for at, word in enumerate(run)]
    return rng.choice(["", "-", ""]).join(digits) + rng.choice(["!", "1!", "#", "."])


def addresses(rng: random.Random) -> str:
    return rng.choice(
        [
            f"www.{rng.choice(v.BASES)}.com{rng.choice(v.DIGITS)}",
            f"{rng.choice(v.BASES).capitalize()}.{rng.choice(['txt', 'doc', 'pdf', 'exe', 'zip', 'html'])}{rng.choice(v.DIGITS)}",
            f"{rng.choice(['admin', 'info', 'me', 'root', 'test'])}@{rng.choice(v.BASES)}.{rng.choice(['com', 'net', 'org'])}1A",
            f"Http://{rng.choice(v.BASES)}{rng.choice(v.DIGITS[:8])}",
        ]
    )


def versions(rng: random.Random) -> str:
    product = rng.choice(
        [
            "Windows",
            "Office",
            "Python",
            "Java",
            "Oracle",
            "Ubuntu",
            "Debian",
            "Android",
            "Photoshop",
            "Cisco",
            "MySQL",
            "Linux",
        ]
    )
    number = rng.choice(
        ["7", "8.1", "10", "11", "3.11", "12.04", "22.04", "365", "2019", "2016", "19c", "XP", "95", "5.7"]
    )
    return (
        product + rng.choice(["", " ", "-", "_v", " v"]) + number + rng.choice(["!", "#1", "@home", "pro!", "1!"])
    )


def times(rng: random.Random) -> str:
    hour, minute = rng.randrange(1, 13), rng.choice([0, 15, 30, 45, rng.randrange(60)])
    clock = f"{hour}:{minute:02}{rng.choice(['am', 'pm', 'AM', 'PM'])}"
    return (
        cased(rng, rng.choice(["lunch", "meeting", "coffee", "monday", "party", "wakeup", "sunday"])) + "@" + clock
    )


def spelled_dates(rng: random.Random) -> str:
    month = rng.choice(
        [
            "Jan",
            "Feb",
            "Mar",
            "Apr",
            "May",
            "Jun",
            "Jul",
            "Aug",
            "Sep",
            "Oct",
            "Nov",
            "Dec",
            "January",
            "March",
            "July",
            "August",
            "December",
        ]
    )
    day = rng.randrange(1, 32)
    ordinal = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(day, "th")
    sep = rng.choice(["", "-", " ", ".", "/"])
    written = rng.choice(
        [[f"{day}{ordinal}", month, year(rng)], [f"{day:02}", month, year(rng)], [month, f"{day:02}", year(rng)]]
    )
    return sep.join(written) + rng.choice(["", "!", "!"])


def class_runs(rng: random.Random) -> str:
    """``Aa11Bb22!!``, ``Aaaa1111!!!!``, ``A1b2C3d4!``: one of each class, counted up."""
    count = rng.randrange(2, 5)
    start = rng.randrange(3)
    letters = "abcdef"[start : start + 4]
    return rng.choice(
        [
            letters[0].upper() * count + letters[0] * count + "1" * count + "!" * rng.randrange(1, 4),
            "".join(char.upper() + char + str(at) * 2 for at, char in enumerate(letters, start=1)) + "!",
            "".join((char.upper() if at % 2 else char) + str(at) for at, char in enumerate(letters, start=1))
            + rng.choice("!@#."),
            "".join(char + str(at) for at, char in enumerate(letters, start=1)).capitalize()
            + rng.choice(["!@#", "#", "!!"]),
            "".join(char.upper() + str(at) + rng.choice("!") for at, char in enumerate(letters, start=1)),
        ]
    )


def initials(rng: random.Random) -> tuple[str, dict]:
    """The user's initials before something common, or with a date."""
    user = rng.choice(v.USERS)
    start = "".join(name[0] for name in user["names"])
    made = rng.choice([start.lower(), start]) + rng.choice([rng.choice(v.BASES).capitalize(), date_text(rng)])
    return made + ending(rng), {"username": user["username"], "email": user["email"], "names": user["names"]}


def stutter(rng: random.Random) -> str:
    """A letter added somewhere, or the last ones left out."""
    word = rng.choice([word for word in v.BASES if len(word) >= 7])
    at = rng.randrange(len(word))
    made = rng.choice(
        [word[: -rng.choice([1, 2])], word[:at] + rng.choice("aeioxsz") + word[at:], word + "y", word + "er"]
    )
    return cased(rng, made) + ending(rng)


def fan(rng: random.Random) -> str:
    """``CowboysFan#1``, ``Lakers4Life!``, ``Dragons4ever``."""
    what = rng.choice([*v.BASES[:110], *v.WORDS[:120]]).capitalize()
    after = rng.choice(
        [
            "Fan#1",
            "4Life",
            "4Ever",
            "4ever",
            "Rules!",
            "Rocks1",
            "RulZ",
            "Rock5!",
            "Lover1",
            "Girl#1",
            "Man123",
            "_fan",
        ]
    )
    return what + after + rng.choice(["", "!", "1", year(rng)[2:]])


def couple(rng: random.Random) -> str:
    one, other = (
        rng.choice(["Mom", "Me", "Jim", "Tom", *v.NAMES[:60]]),
        rng.choice(["Dad", "You", "Sue", "Kim", *v.NAMES[60:]]),
    )
    return one.capitalize() + rng.choice(["+", "&", "and", "n", "<3", "loves"]) + other.capitalize() + ending(rng)


def possessive(rng: random.Random) -> str:
    what = rng.choice(
        [
            "password",
            "car",
            "house",
            "dog",
            "cat",
            "phone",
            "laptop",
            "office",
            "wifi",
            "account",
            "garden",
            "boat",
            "secret",
            "login",
        ]
    )
    return rng.choice(v.NAMES).capitalize() + rng.choice(["'s", "s", "s_"]) + what.capitalize() + ending(rng)


def sound_numbers(rng: random.Random) -> str:
    """Numbers read aloud: ``Gr8Day2U``, ``L8rGator``."""
    one = rng.choice(
        [
            "gr8",
            "l8r",
            "b4",
            "m8",
            "2day",
            "2nite",
            "h8",
            "w8",
            "str8",
            "any1",
            "some1",
            "no1",
            "every1",
            "2good",
            "4ever",
            "me2",
            "4you",
            "u2",
            "sk8er",
            "2cool",
        ]
    )
    return rng.choice([cased(rng, one) + any_word(rng).capitalize(), any_word(rng).capitalize() + one]) + ending(
        rng
    )


def roman(rng: random.Random) -> str:
    number = rng.choice(["II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIV", "XVI"])
    return rng.choice([*v.NAMES, *v.BASES]).capitalize() + rng.choice(["", " ", "_"]) + number + ending(rng)


def services(rng: random.Random) -> str:
    """The account it is for."""
    site = rng.choice(
        [
            "facebook",
            "linkedin",
            "twitter",
            "amazon",
            "ebay",
            "paypal",
            "netflix",
            "gmail",
            "yahoo",
            "spotify",
            "github",
            "outlook",
            "steam",
        ]
    )
    after = rng.choice(["pass", "pw", "login", "password", "account", "pwd", "4me", "user"])
    return cased(rng, site) + rng.choice(["", "-", "_", "."]) + cased(rng, after) + ending(rng)


def endings_of_verbs(rng: random.Random) -> str:
    word = rng.choice(
        [
            "danc",
            "runn",
            "swimm",
            "cook",
            "hik",
            "fish",
            "read",
            "sing",
            "ski",
            "surf",
            "bik",
            "golf",
            "bowl",
            "paint",
            "writ",
            "gam",
            "sail",
            "camp",
            "hunt",
        ]
    )
    return (
        (word + rng.choice(["ing", "er", "ers"])).capitalize()
        + rng.choice(["Queen", "King", "Dad", "Mom", ""])
        + ending(rng)
    )


ODD: dict[str, Maker] = {
    "shifted hand": shifted_hand,
    "rotated": rotated,
    "swapped halves": swapped_halves,
    "interleaved words": interleaved_words,
    "wide l33t": wide_l33t,
    "palindromes": palindrome,
    "decorated": decorated,
    "look-alikes": look_alikes,
    "masked vowels": masked_vowels,
    "number words": number_words,
    "addresses and files": addresses,
    "versions": versions,
    "times": times,
    "spelled dates": spelled_dates,
    "class runs": class_runs,
    "initials": initials,
    "stutter": stutter,
    "couple": couple,
    "possessive": possessive,
    "services": services,
    "sound numbers": sound_numbers,
    "roman": roman,
    "fan": fan,
    "endings of verbs": endings_of_verbs,
}
