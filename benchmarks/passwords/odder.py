"""Weak passwords of twelve more kinds: held back from tuning until a round was tuned on them."""

# ruff: noqa: E501, SIM905 - lists of words read best as words

from __future__ import annotations

import random

import vocabulary as v
from families import Maker, any_word, cased, ending, year
from odd import NUMBERS

ACRONYMS = "tbontbtitq iltwyl mttfbwy ttlshiwwya rarvabtsas owefwhts wtpotus fsasyao iwtbotiwtwot hbtyhbty mhallwfwws ctrlaltdel asapfyi lolomgwtf omgwtfbbq roflmao idkimo brbttyl wysiwyg rtfmnoob yolo4life".split()


def acronym(rng: random.Random) -> str:
    return cased(rng, rng.choice(ACRONYMS)) + ending(rng)


def telephone(rng: random.Random) -> str:
    areas = ["212", "310", "415", "617", "020", "030", "089", "0171", "555"]
    number = f"{rng.choice(areas)}{rng.choice(['', '-', ' ', '.'])}555{rng.choice(['', '-', '.'])}01{rng.randrange(100):02}"
    return rng.choice(["Tel", "call", "Phone", "Mobile"]) + rng.choice(["", ":", "-"]) + number


def interleaved_digits(rng: random.Random) -> str:
    word = rng.choice([word for word in v.BASES if 4 <= len(word) <= 8])
    start = rng.choice([1, 1, 0, 9])
    step = -1 if start == 9 else 1
    made = "".join(char + str((start + step * at) % 10) for at, char in enumerate(word))
    return cased(rng, made) + rng.choice(["", "!", ".", "@"])


def sums(rng: random.Random) -> str:
    one, other = rng.randrange(1, 7), rng.randrange(1, 6)
    return f"{one}+{other}={NUMBERS[one + other].capitalize()}" + rng.choice(["!", "1", "", "!!"])


WRONG_LAYOUT = "gfhjkm ghbdtn k.,jdm vjcrdf hjccbz cjkywt yfnfif fktrcfylh ctrhtn ktnj pbvf dtcyf vfvf gfgf cktirf rjnbr vbkfz vfhbyf cthutq lvbnhbq jktyf 'rfnthbyf ytgtyb ytdthm".split()


def wrong_layout(rng: random.Random) -> str:
    """Russian words typed on Latin keys."""
    return cased(rng, rng.choice(WRONG_LAYOUT)) + ending(rng)


UNLISTED = {
    "Turkish": "sifre parola fenerbahce galatasaray besiktas istanbul ankara canim askim kardes mehmet mustafa ayse yildiz guzel",
    "Swedish": "losenord hejhej sommar stockholm goteborg alskling sverige vinter kärlek hammarby malmo fotboll johan karin",
    "Hungarian": "jelszo szeretlek magyar budapest fradi szerelem nyar kutya cica istvan laszlo katalin napsugar csillag",
    "Vietnamese": "matkhau xinchao vietnam hanoi saigon anhyeuem emyeuanh conmeo giadinh nguyen phuong hanhphuc",
    "Tagalog": "mahalkita pilipinas manila kaibigan pamilya bulaklak araw bituin pogi ganda jollibee sampaguita",
    "Russian": "privet parol moskva rossiya zenit spartak lyubov solnce natasha sergey dmitriy kotik zaichik",
    "Romanian": "parola steaua dinamo bucuresti romania iubire soare dragoste familia andrei ionut mihaela",
    "Danish": "kodeord hygge danmark kobenhavn skat elsker sommer brondby farmor mormor",
}


def unlisted_language(rng: random.Random) -> str:
    """Words of languages for which no pack is shipped."""
    words = UNLISTED[rng.choice(sorted(UNLISTED))].split()
    return cased(rng, rng.choice(words)) + ending(rng)


def odd_capital(rng: random.Random) -> str:
    word = rng.choice(v.BASES)
    at = rng.randrange(1, len(word))
    return word[:at] + word[at].upper() + word[at + 1 :] + ending(rng)


def incremented(rng: random.Random) -> str:
    word = rng.choice([*v.BASES, *v.NAMES])[:3].capitalize()
    number = rng.randrange(1, 200)
    return f"{word}{number}{word}{number + 1}" + rng.choice(["!", "", "#"])


def bracketed_year(rng: random.Random) -> str:
    word, full = cased(rng, any_word(rng)), year(rng)
    return rng.choice([f"{full[:2]}{word}{full[2:]}", f"{word}({full})", f"{word}'{full[2:]}!", f"#{word}{full}#"])


def postal(rng: random.Random) -> str:
    place = rng.choice(
        [
            "London",
            "Berlin",
            "Paris",
            "Boston",
            "Chicago",
            "Dallas",
            "Madrid",
            "Roma",
            "Denver",
            "Austin",
            "Hamburg",
            "Lyon",
        ]
    )
    code = rng.choice(["90210", "10001", "60601", "10115", "75001", "28001", "SW1A1AA", "02108", "94105"])
    return rng.choice([place + code, code + place, f"{place}-{code}"]) + rng.choice(["!", "", "#"])


def sandwich(rng: random.Random) -> str:
    """The same signs on both sides."""
    bread = rng.choice(["!", "!!", "#", "$$", "@", "1", "12", "--", "%", "007"])
    return bread + cased(rng, any_word(rng)) + bread + rng.choice(["", "1", "A", "22"])


def amounts(rng: random.Random) -> str:
    word = any_word(rng).capitalize()
    return rng.choice(
        [
            f"${rng.choice([5, 10, 20, 50, 100, 1000])}{word}{rng.choice(v.DIGITS)}",
            f"{rng.choice([50, 100, 110, 1000])}%{word}{rng.choice(['!', '1', '#'])}",
            f"{word}@{rng.choice([5, 10, 50, 100])}%",
            f"No.{rng.randrange(1, 100)}{word}!",
            f"#{rng.randrange(1, 100)}{word}",
        ]
    )


ODDER: dict[str, Maker] = {
    "acronyms": acronym,
    "telephone": telephone,
    "interleaved digits": interleaved_digits,
    "sums": sums,
    "wrong layout": wrong_layout,
    "unlisted languages": unlisted_language,
    "odd capital": odd_capital,
    "incremented": incremented,
    "bracketed year": bracketed_year,
    "postal": postal,
    "sandwich": sandwich,
    "amounts": amounts,
}
