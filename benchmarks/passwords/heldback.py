"""Families of weak passwords that nothing was tuned on. Measured at the end of a round, and not looked at before.

Whoever changes an estimator because of a row made here moves its family to a file beside `odd`, `odder` and `oddest`,
and writes another one. The words are this file's own: none of them comes from `vocabulary`.
"""

# ruff: noqa: E501, SIM905 - lists of words read best as words

from __future__ import annotations

import random

from families import Maker, cased, l33t
from labelled import Row, rows

TREES = "maple willow cedar oak birch palm cherry walnut olive poplar chestnut juniper magnolia cypress".split()
GEMS = "diamond ruby emerald sapphire pearl amber topaz crystal opal jade marble granite copper platinum".split()
JOBS = "doctor nurse teacher pilot lawyer farmer baker sailor driver plumber dentist carpenter engineer waiter barber".split()
SOUNDS = "guitar piano violin trumpet drums flute saxophone banjo cello harp ukulele bass organ".split()
GAMES = (
    "soccer tennis hockey rugby cricket boxing karate judo golf volleyball badminton rowing fencing bowling".split()
)
SKIES = "thunder storm rainbow sunshine blizzard breeze tornado lightning cloudy sunset moonlight snowflake".split()
ENDS = "1 3 5 8 10 14 22 33 44 64 76 84 96 111 222 500 777 1986 1997 2012 2020 2022 2025".split()
SIGNS = "! ! ! ? . # @ $ % ~ !! $$ ?!".split()


def noun(rng: random.Random) -> str:
    return rng.choice(rng.choice([TREES, GEMS, JOBS, SOUNDS, GAMES, SKIES]))


def end(rng: random.Random) -> str:
    """Digits, a sign, or both."""
    return rng.choice([rng.choice(ENDS), rng.choice(SIGNS), rng.choice(ENDS) + rng.choice(SIGNS)])


def recent_year(rng: random.Random) -> str:
    return str(rng.choice([*range(1970, 2005), *range(2018, 2027)]))


def two_in_l33t(rng: random.Random) -> str:
    return (
        l33t(rng, noun(rng), 0.5).capitalize() + l33t(rng, noun(rng), 0.5).capitalize() + rng.choice(["", "1", "!"])
    )


def shouted_again(rng: random.Random) -> str:
    word = noun(rng)
    return rng.choice([word + word.upper(), word.capitalize() + "-" + word, word + word.capitalize()]) + end(rng)


def loud_vowels(rng: random.Random) -> str:
    return "".join(char.upper() if char in "aeiou" else char for char in noun(rng)) + end(rng)


def office(rng: random.Random) -> str:
    team = rng.choice(
        "Sales Support Finance Payroll Marketing Helpdesk Reception Intern Manager Backup Server Printer Guest".split()
    )
    return (
        team
        + rng.choice("@ _ - . #".split())
        + rng.choice([recent_year(rng), "123", "1234", "001", "Q3", "temp"])
        + rng.choice(["", "!", "#"])
    )


def defaults(rng: random.Random) -> str:
    word = rng.choice(
        "Admin Welcome Changeme Default Letmein Temp Initial Password Guest Root Oracle Cisco".split()
    )
    return (
        word
        + rng.choice(["@", "#", "_", ".", "!"])
        + rng.choice(["123", "1", "12345", recent_year(rng), "321", "00"])
        + rng.choice(["", "!", "#", "$"])
    )


def sequels(rng: random.Random) -> str:
    title = rng.choice(
        "FinalFantasy Halo Rocky Alien ToyStory Shrek Blink Maroon Rambo Scream Tekken Fallout Doom Portal Saw".split()
    )
    return (
        title
        + rng.choice(["", " ", "_"])
        + rng.choice("2 3 4 5 7 182 13 II".split())
        + rng.choice(["!", "fan", "!!", "rocks", "4me", ".1"])
    )


def country_codes(rng: random.Random) -> str:
    place = rng.choice(
        "London Dublin Oslo Athens Cairo Lagos Lima Tokyo Delhi Vienna Zurich Prague Toronto".split()
    )
    return rng.choice(["+44", "+1", "+49", "+33", "+353", "0044", "+91"]) + place + end(rng)


def pair_reversed(rng: random.Random) -> str:
    return (noun(rng)[::-1] + rng.choice(["", "-"]) + rng.choice(["", noun(rng)[::-1]])).capitalize() + end(rng)


def feasts(rng: random.Random) -> str:
    feast = rng.choice(
        [
            "Xmas",
            "Easter",
            "Halloween",
            "NewYear",
            "Diwali",
            "Ramadan",
            "Hanukkah",
            "Birthday",
            "Wedding",
            "Valentine",
            "Thanksgiving",
        ]
    )
    day = rng.choice(["25Dec", "1stJan", "31Oct", "14Feb", "4thJuly", "24/12", "0101", "Day", "Party", "Time"])
    return feast + day + rng.choice([recent_year(rng), "!", recent_year(rng)[2:] + "!"])


def monogram(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGJKLMRST") for _ in range(3))
    return rng.choice([letters, letters.lower()]) + recent_year(rng) + rng.choice(["!", "#", "@home", "!!", "$1"])


def brackets(rng: random.Random) -> str:
    left, right = rng.choice(["[]", "{}", "()", "<>", '""', "''"])
    return rng.choice(
        [
            f"{left}{noun(rng).capitalize()}{right}{rng.choice(ENDS)}",
            f"{noun(rng).capitalize()}{left}{rng.choice(ENDS)}{right}",
        ]
    )


def hex_words(rng: random.Random) -> str:
    return rng.choice(
        "deadbeef cafebabe c0ffee badf00d feedface decade facade 0xdeadbeef 0xcafe deadc0de".split()
    ).capitalize() + end(rng)


def described(rng: random.Random) -> str:
    return (
        rng.choice(["My", "The", "Our", "A"])
        + rng.choice(["Old", "Red", "New", "Big", "Bad", "Hot", "Lost", "Blue"])
        + noun(rng).capitalize()
        + end(rng)
    )


def puns(rng: random.Random) -> str:
    return rng.choice(
        "Born2Ride Fun4All Good2Go Time4Tea Ready2Rock Room4One Cash4Gold Back2Back Face2Face Day2Day Nice2Meet".split()
    ) + end(rng)


def unlisted(rng: random.Random) -> str:
    """Icelandic, Basque, Welsh, Irish, Malay and Tamil."""
    words = "lykilord sumar fjall elskan maitia eguzki etxea pasahitza cariad croeso cymru gwanwyn pasfhocal grian slainte croi katalaluan sayangku kucingku vanakkam kadhal amma nandri"
    return cased(rng, rng.choice(words.split())) + end(rng)


def verses(rng: random.Random) -> str:
    book = rng.choice("John Psalm Genesis Exodus Romans Matthew Proverbs Isaiah Luke Acts Ruth Mark".split())
    return f"{book}{rng.choice(['', ' ', '-'])}{rng.randrange(1, 30)}:{rng.randrange(1, 30)}{rng.choice(['', '!', '.', '#'])}"


def addresses(rng: random.Random) -> str:
    street = rng.choice("Baker Downing Elm Abbey Sesame Wall Privet Main Church Station Mill Victoria".split())
    kind = rng.choice(["Street", "St", "Road", "Rd", "Lane", "Avenue", "Drive", "Way"])
    number = rng.choice(["221B", "10", "4", "742", "1", "12a", "99", "7"])
    return rng.choice([number + street + kind, street + kind + number]) + rng.choice(["", "!", ".", "#"])


def scores(rng: random.Random) -> str:
    team = rng.choice(
        "Gators Lakers Celtics Arsenal Bulls Spurs Rangers Bruins Eagles Wolves Saints Tigers".split()
    )
    sign = rng.choice(["-", ":", "to"])
    return f"{team}{rng.randrange(0, 9)}{sign}{rng.randrange(0, 9)}{rng.choice(['', '!', '!!', '?'])}"


def spelled_numbers(rng: random.Random) -> str:
    ones = "One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Twenty Thirty Fifty Hundred".split()
    one, other = rng.choice(ones), rng.choice(ones)
    return rng.choice([one + other, f"{one}-{other}", one + other.lower()]) + end(rng)


def by_the_clock(rng: random.Random) -> str:
    time = f"{rng.randrange(1, 13)}{rng.choice([':', 'h', '.'])}{rng.choice(['00', '15', '30', '45'])}"
    return rng.choice([noun(rng).capitalize() + time, time + noun(rng).capitalize()]) + rng.choice(
        ["", "!", "pm", "am"]
    )


def stuttered(rng: random.Random) -> str:
    word = noun(rng)
    return rng.choice(
        [f"{word[0]}-{word[0]}-{word}", f"{word[0].upper()}{word[0]}{word}", f"{word[:2]}{word}"]
    ) + end(rng)


HELD_BACK: dict[str, Maker] = {
    "two in l33t": two_in_l33t,
    "shouted again": shouted_again,
    "loud vowels": loud_vowels,
    "office": office,
    "defaults": defaults,
    "sequels": sequels,
    "country codes": country_codes,
    "pair reversed": pair_reversed,
    "feasts": feasts,
    "monogram": monogram,
    "brackets": brackets,
    "verses": verses,
    "addresses": addresses,
    "scores": scores,
    "spelled numbers": spelled_numbers,
    "by the clock": by_the_clock,
    "stuttered": stuttered,
    "hex words": hex_words,
    "described": described,
    "puns": puns,
    "languages without a list": unlisted,
}


def held_back(each: int, seed: object) -> list[Row]:
    """All rows of the held-back families."""
    return list(rows(HELD_BACK, "weak", each, seed))
