"""Weak passwords of twenty-six more kinds, with words of their own: held back for one round, and tuned on since."""

# ruff: noqa: E501, SIM905 - lists of words read best as words

from __future__ import annotations

import random

from families import Maker, cased, year

ADJECTIVES = "happy lazy brave silent crazy purple orange fuzzy angry lucky tiny wild golden sneaky mighty rusty frozen hungry sleepy cosmic jolly wicked gentle salty spicy".split()
CREATURES = "panda otter badger falcon penguin walrus gecko ferret hamster raccoon beaver moose lizard sparrow pelican donkey camel squirrel hedgehog octopus lobster turkey goose".split()
PETS = "bella luna charlie max rocky milo coco daisy buddy bailey sadie oreo simba nala zeus pepper ginger shadow lola rufus gizmo oscar felix whiskers".split()
THINGS = "bottle window pencil garage blanket hammer mirror ticket camera basket candle ladder pillow drawer bucket engine jacket wallet".split()
DISHES = "burger noodles pancake waffle sushi lasagna bacon omelette kebab ramen brownie salad gravy risotto muffin bagel burrito curry".split()
TAILS = "1 2 7 12 123 99 01 2023 2019 1990 2001 11 55 321 85".split()
MARKS = "! ! ! . @ # $ * ? !! & %".split()


def tail(rng: random.Random) -> str:
    """What comes at the end: digits, a mark, or both."""
    digits, mark = rng.choice(TAILS), rng.choice(MARKS)
    return rng.choice([digits, mark, digits + mark, mark + digits])


def thing(rng: random.Random) -> str:
    return rng.choice(rng.choice([CREATURES, PETS, THINGS, DISHES]))


def from_list(words: str) -> Maker:
    """One of these, cased and ended as people do."""
    choices = words.split()
    return lambda rng: cased(rng, rng.choice(choices)) + tail(rng)


def user_name(rng: random.Random) -> str:
    """As games propose them."""
    made = rng.choice(ADJECTIVES).capitalize() + rng.choice(CREATURES).capitalize()
    return made + str(rng.randrange(10, 1000)) + rng.choice(["", "!", "."])


def pet_and_day(rng: random.Random) -> str:
    day = f"{rng.randrange(1, 29):02}{rng.randrange(1, 13):02}"
    return (
        rng.choice(PETS).capitalize() + day + rng.choice(["", "", str(rng.randrange(80, 99))]) + rng.choice(MARKS)
    )


CODE = "getUser setName isAdmin toString parseInt printf helloWorld mainLoop fooBar nullPointer forEach readFile selectAll dropTable rootUser sudoMake gitPush userId tempVar".split()


def identifiers(rng: random.Random) -> str:
    return (
        rng.choice(CODE) + rng.choice(["()", "();", "[0]", "_1", "=1;", "(1)", "::1"]) + rng.choice(["", "!", "9"])
    )


def hosts(rng: random.Random) -> str:
    address = rng.choice(
        ["192.168.0.1", "192.168.1.1", "10.0.0.1", "127.0.0.1", "8.8.8.8", "172.16.0.1", "255.255.255.0"]
    )
    return rng.choice(
        [f"{rng.choice(['Admin', 'Root', 'Router', 'Host'])}@{address}", f"{address}/{rng.choice(THINGS)}A"]
    )


SAYINGS = [
    "never say never", "easy come easy go", "no pain no gain", "time is money", "better late than never", "live and let live",
    "seeing is believing", "home sweet home", "less is more", "practice makes perfect", "the sky is the limit",
    "all you need is love", "let it be", "we will rock you", "dont stop believing", "sweet child of mine", "another one bites the dust",
    "houston we have a problem", "i am your father", "to infinity and beyond", "winter is coming", "live long and prosper",
]  # fmt: skip


def sayings(rng: random.Random) -> str:
    words = rng.choice(SAYINGS).split()
    styled = rng.choice([words, [word.capitalize() for word in words], [words[0].capitalize(), *words[1:]]])
    return rng.choice(["", " ", "-", "_", "."]).join(styled) + rng.choice(["", "1", "!", "1!", "99"])


def formulas(rng: random.Random) -> str:
    formula = rng.choice(
        [
            "H2SO4",
            "E=mc2",
            "a2+b2=c2",
            "NaCl",
            "C6H12O6",
            "H2O",
            "CO2",
            "pi=3.14159",
            "3.1415926",
            "2+2=4",
            "1+1=3",
            "F=ma",
            "y=mx+b",
            "2*3=6",
        ]
    )
    return rng.choice(
        [formula + thing(rng).capitalize(), thing(rng).capitalize() + formula, formula + formula]
    ) + rng.choice(["", "!", "1"])


HEROES = "messi ronaldo jordan lebron neymar mbappe zidane brady kobe pele maradona shaq beckham federer".split()


def jerseys(rng: random.Random) -> str:
    number = str(rng.choice([1, 7, 9, 10, 11, 23, 24, 30, rng.randrange(1, 100)]))
    return (
        cased(rng, rng.choice(HEROES))
        + rng.choice(["", "#", "_", "-", "no"])
        + number
        + rng.choice(["!", "", "goat", "!!", "fan"])
    )


def numbered_places(rng: random.Random) -> str:
    place = rng.choice(
        "Room Route Area Apt Class Level Gate Floor Street Track Bus Flight Unit Highway Terminal".split()
    )
    return (
        place
        + rng.choice(["", "-", " ", "#"])
        + str(rng.randrange(1, 1000))
        + rng.choice(["!", ""])
        + rng.choice(THINGS)
    )


def clipped_pair(rng: random.Random) -> str:
    """The beginnings of two words."""
    one, other = thing(rng)[:4], thing(rng)[:4]
    return one.capitalize() + rng.choice([other.capitalize(), other]) + tail(rng)


def slang(rng: random.Random) -> str:
    one = rng.choice(
        "skool boyz gurl kewl luv dawg thru nite ryder gangsta playa grrl phat krazy kidz rulez hatez coolz wuz".split()
    )
    return rng.choice([one + thing(rng), thing(rng) + one, one.capitalize() + thing(rng).capitalize()]) + tail(rng)


def framed(rng: random.Random) -> str:
    """Signs of the upper row before and after."""
    before, after = rng.choice(
        [("!@#", "$%^"), ("!@", "@!"), ("123", "321"), ("#$%", "%$#"), ("***", "***"), ("!1", "1!")]
    )
    return before + cased(rng, thing(rng)) + after


def stretched(rng: random.Random) -> str:
    word = thing(rng)
    at = rng.choice([0, len(word) - 1, rng.randrange(len(word))])
    return cased(rng, word[:at] + word[at] * rng.randrange(3, 6) + word[at + 1 :]) + tail(rng)


def split_by_number(rng: random.Random) -> str:
    word = thing(rng)
    at = rng.randrange(2, len(word))
    return cased(rng, word[:at]) + rng.choice(TAILS) + word[at:] + rng.choice(MARKS)


def with_picture(rng: random.Random) -> str:
    return cased(rng, thing(rng)) + rng.choice("😀❤🔥🎉🐶⭐") + tail(rng)


def chapter_and_verse(rng: random.Random) -> str:
    book = rng.choice("John Psalm Genesis Romans Matthew Exodus Luke Proverbs Isaiah Mark".split())
    return f"{book}{rng.choice(['', ' ', '-'])}{rng.randrange(1, 40)}:{rng.randrange(1, 30)}" + rng.choice(
        ["!", "Amen", "", "God"]
    )


def scores(rng: random.Random) -> str:
    team = rng.choice(
        "Arsenal Chelsea Barca Ajax Celtic Lazio Sevilla Benfica Everton Yankees Bulls Packers".split()
    )
    score = f"{rng.randrange(6)}{rng.choice('-:')}{rng.randrange(5)}"
    return rng.choice([team + score, score + team]) + rng.choice(["!", "!!", "1", "win"])


def pig_latin(rng: random.Random) -> str:
    word = thing(rng)
    return cased(rng, word[1:] + word[0] + "ay") + tail(rng)


def year_backwards(rng: random.Random) -> str:
    return cased(rng, thing(rng)) + year(rng)[::-1] + rng.choice(["", *MARKS])


def shifted_digits(rng: random.Random) -> str:
    """A year or a count with the shift key held."""
    digits = rng.choice([year(rng), rng.choice(TAILS), "123", "1234"])
    return (
        cased(rng, thing(rng))
        + digits.translate(str.maketrans("1234567890", "!@#$%^&*()"))
        + rng.choice(["", "1", "0"])
    )


def models(rng: random.Random) -> str:
    make = rng.choice("Ford Audi Mazda Volvo Tesla Nissan Honda Yamaha Suzuki Subaru Lexus Skoda".split())
    model = rng.choice("F150 A4 RX7 XC90 S3 R6 GSX750 Z350 CX5 M3 Q7 V70".split())
    return make + rng.choice(["", "-", " "]) + model + rng.choice(["!", "", "#1", year(rng)])


def orders(rng: random.Random) -> str:
    verb = rng.choice("call follow text hug feed tell show help forget watch find take leave".split()).capitalize()
    return (
        verb
        + rng.choice(["Me", "Him", "Her", "Us", "It"])
        + rng.choice(["Now", "Again", "Please", "Maybe", "Later", "First", ""])
        + tail(rng)
    )


def measures(rng: random.Random) -> str:
    amount = f"{rng.choice([1, 2, 3, 5, 6, 10, 12, 20, 42, 50, 100])}{rng.choice(['km', 'kg', 'mph', 'feet', 'miles', 'GB', 'liter', 'inch'])}"
    return rng.choice([amount + thing(rng).capitalize(), thing(rng).capitalize() + amount]) + rng.choice(
        ["!", "", "."]
    )


def row_above(rng: random.Random) -> str:
    """A word typed with the hands a row too high."""
    above = str.maketrans("qwertyuiopasdfghjklzxcvbnm", "1234567890qwertyuioasdfghj")
    return cased(rng, thing(rng).translate(above)) + tail(rng)


ODDEST: dict[str, Maker] = {
    "models": models,
    "orders": orders,
    "measures": measures,
    "row above": row_above,
    "year backwards": year_backwards,
    "shifted digits": shifted_digits,
    "user names": user_name,
    "pet and day": pet_and_day,
    "identifiers": identifiers,
    "hosts": hosts,
    "sayings": sayings,
    "formulas": formulas,
    "jerseys": jerseys,
    "numbered places": numbered_places,
    "clipped pair": clipped_pair,
    "slang": slang,
    "framed": framed,
    "stretched": stretched,
    "split by number": split_by_number,
    "with a picture": with_picture,
    "chapter and verse": chapter_and_verse,
    "scores": scores,
    "pig latin": pig_latin,
    "East Asian, romanised": from_list("woaini nihao baobei saranghae annyeong oppa sakura konnichiwa arigato kawaii tomodachi aishiteru beijing shanghai seoul gangnam"),
    "Cyrillic": from_list("пароль привет москва солнце любовь россия спартак наташа сергей зенит котенок мамочка секрет киев украина"),
    "Greek, Balkan, Baltic, romanised": from_list("kalimera sagapo thalassa hellas zdravo beograd zagreb hajduk ljubav sunce labas lietuva vilnius riga tallinn armastus"),
}  # fmt: skip
