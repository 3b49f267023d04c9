"""The words of one SQL expression, told apart.

This is a tokenizer and deliberately not a parser: backstay never reads whole statements. It needs the words
of two kinds of text: a condition as the server itself prints it inside a plan, and an expression or predicate
that a developer wrote into an `Index` and that must not be able to end the statement it is put into.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from backstay.errors import InvalidIndex

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<string>[eEbBxX]?'(?:[^'\\]|''|\\.)*')
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<param>\$\d+)
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
    | (?P<word>[^\W\d]\w*(?:\$\w*)?)
    | (?P<cast>::)
    | (?P<punct>[()\[\],.])
    | (?P<op>[-+*/<>=~!@\#%^&|`?:]+)
    """,
    re.VERBOSE | re.DOTALL,
)


class Kind(Enum):
    """What a token is."""

    STRING = "string"
    QUOTED = "quoted"
    PARAM = "param"
    NUMBER = "number"
    WORD = "word"
    CAST = "cast"
    PUNCT = "punct"
    OP = "op"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word with its place. `text` is verbatim; `value` is an identifier as the catalogue holds it."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """An identifier without its quotes (a bare word in lower case); other tokens verbatim."""
        if self.kind is Kind.QUOTED:
            return self.text[1:-1].replace('""', '"')
        return self.text.lower() if self.kind is Kind.WORD else self.text

    @property
    def is_name(self) -> bool:
        """Whether the token can be an identifier."""
        return self.kind in (Kind.WORD, Kind.QUOTED)

    @property
    def is_constant(self) -> bool:
        """Whether the token is a literal or a parameter."""
        return self.kind in (Kind.STRING, Kind.NUMBER, Kind.PARAM)


def tokenize(text: str) -> tuple[Token, ...]:
    """Tell the words of an expression apart.

    Raises:
        InvalidIndex: a character that begins no token (an open quote, a semicolon, a backslash).
    """
    found: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise InvalidIndex(
                f"cannot read {text[place : place + 20]!r} at character {place + 1} of an expression"
            )
        if match.lastgroup != "space":
            kind = Kind(match.lastgroup)
            found.append(Token(kind=kind, text=match.group(), start=place, end=match.end()))
        place = match.end()
    return tuple(found)


def split_top(tokens: tuple[Token, ...], word: str) -> list[tuple[Token, ...]]:
    """Split at a keyword (or an operator, or punctuation) that stands outside all parentheses."""
    parts: list[list[Token]] = [[]]
    depth = between = 0
    for token in tokens:
        depth += (token.text in "([") - (token.text in ")]") if token.kind is Kind.PUNCT else 0
        if depth == 0 and token.kind is Kind.WORD and token.value == "between":
            between += 1
        if depth == 0 and token.kind in (Kind.WORD, Kind.OP, Kind.PUNCT) and token.value == word:
            if word == "and" and between:
                between -= 1
            else:
                parts.append([])
                continue
        parts[-1].append(token)
    return [tuple(part) for part in parts]


def closing(tokens: tuple[Token, ...], opening: int) -> int:
    """The place of the parenthesis that closes the one at `opening`, or -1."""
    depth = 0
    for place in range(opening, len(tokens)):
        token = tokens[place]
        if token.kind is Kind.PUNCT:
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return place
    return -1


def stripped(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """The tokens without parentheses that enclose all of them."""
    while len(tokens) >= 2 and tokens[0].text == "(" and closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def check_contained(text: str, what: str) -> str:
    """The expression, if it stays inside the parentheses that it will be put into.

    Refused are unbalanced parentheses, comments, semicolons and open quotes: with them a text could end the
    statement that it is a part of. Whether it means anything is for the server to say.

    Raises:
        InvalidIndex: the text is empty or could leave its parentheses.
    """
    depth = 0
    tokens = tokenize(text)
    for token in tokens:
        if token.kind is Kind.OP and ("--" in token.text or "/*" in token.text):
            raise InvalidIndex(f"{what} {text!r} contains a comment; leave it out")
        if token.kind is Kind.STRING and "\\" in token.text and token.text[0] not in "eE":
            raise InvalidIndex(f"{what} {text!r} has a backslash in a plain string; write E'…'")
        if token.kind is Kind.PARAM:
            raise InvalidIndex(f"{what} {text!r} has a parameter; an index needs constants")
        depth += (token.text in "([") - (token.text in ")]") if token.kind is Kind.PUNCT else 0
        if depth < 0:
            break
    if not tokens or depth != 0:
        raise InvalidIndex(f"{what} {text!r} is empty or its parentheses do not match")
    return text


def canonical(text: str) -> str:
    """The expression with one spelling for spaces, case of bare words, and enclosing parentheses.

    Enough to compare two texts for a server that keeps what it was given (SQLite). PostgreSQL normalises by
    itself and better.
    """
    return " ".join(token.value if token.kind is Kind.WORD else token.text for token in stripped(tokenize(text)))
