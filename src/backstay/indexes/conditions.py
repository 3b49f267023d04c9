"""Conditions and sort keys of a plan node, read into terms. Pure.

No statement is parsed, only the server's own deparsed expressions, in which every column carries the
alias of its relation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from backstay.errors import InvalidIndex

from .declared import Key
from .tokens import Kind, Token, split_top, stripped, tokenize

_COMPARISONS = {
    "=", "<", ">", "<=", ">=", "<>", "~~", "~~*", "!~~", "!~~*", "@>", "<@", "&&", "@@", "@?", "?", "?|", "?&",
    "~", "~*", "@@@", "%", "<<", "<<=", ">>", ">>=",
}  # fmt: skip
_FLIP = {
    "<": ">", ">": "<", "<=": ">=", ">=": "<=", "@>": "<@", "<@": "@>", "&&": "&&",
    "<<": ">>", ">>": "<<", "<<=": ">>=", ">>=": "<<=",
}  # fmt: skip
_DISTANCE = "<->"
_COLUMN = 3  # tokens: an alias, a dot, a name
_QUANTIFIERS = ("any", "all")
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)')  # of an array, as the server prints it
_BEGINS = re.compile(r"'\^\w[^|]*'")  # a regular expression that has to match from the beginning
_ESCAPED = re.compile(r"\\(.)")
_TEXTS = ("text", "character", "varchar", "bpchar")


class Use(Enum):
    """How a condition uses its subject."""

    EQUAL = "equality"
    UNEQUAL = "any other value"
    RANGE = "range"
    NULL = "is null"
    NOT_NULL = "is not null"
    TRUE = "is true"
    FALSE = "is false"
    PREFIX = "begins with"
    CONTAINS = "contains text"
    MEMBER = "contains element"
    BESIDE = "beside, or within a network"
    OWN = "one column of the row beside another"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One condition on one relation. `subject` is a column or an expression without its alias.

    `literal` is the constant as it stands in the statement, or several as ``ANY (an array)``, None for a
    parameter or another relation's column.
    """

    alias: str
    subject: str
    is_column: bool
    use: Use
    literal: str | None = None
    join: bool = False
    branch: int = 0
    text: str = ""
    op: str = ""
    cast: str = ""
    """The column as it is compared, if that is under a cast to text."""
    other: str = ""
    """The relation that a join compares with, if it is one."""
    parameter: int = 0
    """The number of the parameter that it is compared with, if that is all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKey:
    """One key of a sort or a grouping."""

    alias: str
    subject: str
    is_column: bool
    desc: bool = False
    nulls_first: bool = False
    nearest: bool = False
    """Not the subject itself is the key, but its distance from something."""


def aliases_in(tokens: tuple[Token, ...]) -> set[str]:
    """The aliases that columns in the expression carry."""
    return {
        tokens[place].value
        for place in range(len(tokens) - 2)
        if tokens[place].is_name and tokens[place + 1].text == "." and tokens[place + 2].is_name
    }


def columns_in(text: str) -> frozenset[tuple[str, str]]:
    """The (alias, column) pairs of an expression; nothing for one that cannot be read."""
    try:
        tokens = tokenize(text)
    except InvalidIndex:
        return frozenset()
    return frozenset(
        (tokens[place].value, tokens[place + 2].value)
        for place in range(len(tokens) - 2)
        if tokens[place].is_name and tokens[place + 1].text == "." and tokens[place + 2].is_name
    )


def plain_texts(literal: str) -> list[str]:
    """The text of a constant, or of each of an array, without quotes and cast, as the statistics have it."""
    tokens = tokenize(literal)
    if tokens[0].value in _QUANTIFIERS:
        inside = _unquoted(stripped(tokens[1:])[0])[1:-1]
        return [_ESCAPED.sub(r"\1", item[1] or item[2]) for item in _ITEM.finditer(inside)]
    return [_unquoted(tokens[0])]


def _unquoted(token: Token) -> str:
    return token.text[1:-1].replace("''", "'") if token.kind is Kind.STRING else token.text


def names_in(text: str) -> set[str]:
    """Every word of an expression that could be a column."""
    try:
        return {token.value for token in tokenize(text) if token.is_name}
    except InvalidIndex:
        return set()


def read_terms(condition: str) -> Iterator[Term]:
    """The terms of a condition: its conjuncts, and each branch of a disjunction apart.

    What it cannot read yields nothing: a candidate less, never a wrong one.
    """
    try:
        tokens = stripped(tokenize(condition))
    except InvalidIndex:
        return
    for part in split_top(tokens, "and"):
        branches = split_top(stripped(part), "or")
        for number, branch in enumerate(branches):
            for conjunct in split_top(stripped(branch), "and"):
                yield from _read(condition, stripped(conjunct), number + 1 if len(branches) > 1 else 0)


def _read(source: str, tokens: tuple[Token, ...], branch: int) -> Iterator[Term]:
    words = [token.value for token in tokens]
    for tail, use in ((["is", "not", "null"], Use.NOT_NULL), (["is", "null"], Use.NULL)):
        if words[-len(tail) :] == tail:
            yield from _term(source, tokens[: -len(tail)], use, branch)
            return
    if words[:1] == ["not"]:
        yield from _term(source, tokens[1:], Use.FALSE, branch, only_columns=True)
        return
    place = _comparison(tokens)
    if place is None:
        yield from _term(source, tokens, Use.TRUE, branch, only_columns=True)
        return
    op = tokens[place].text
    own = _own_comparison(source, tokens, place, branch)
    if own is not None:
        yield own
        return
    for left, right in _pairs(tokens[:place], tokens[place + 1 :]):
        yield from _side(source, left, op, right, branch)
        yield from _side(source, right, _FLIP.get(op, op if op in ("=", "<>") else "!"), left, branch)


def _own_comparison(source: str, tokens: tuple[Token, ...], place: int, branch: int) -> Term | None:
    """A condition that compares two columns of one relation: what a row meets or not, whatever is asked for."""
    sides = [read_subject(source, side) for side in (tokens[:place], tokens[place + 1 :])]
    found = [side for side in sides if side is not None and side[2]]
    if len(found) < len(sides) or len({alias for alias, _, _ in found}) > 1:
        return None
    (alias, left, _), (_, right, _) = found
    names = Key(column=left).to_sql(), Key(column=right).to_sql()
    op = tokens[place].text
    if op in (">", ">="):
        names, op = (names[1], names[0]), _FLIP[op]
    subject = f"{names[0]} {op} {names[1]}"
    return Term(alias=alias, subject=subject, is_column=False, use=Use.OWN, branch=branch, text=source, op=op)


def _pairs(
    left: tuple[Token, ...], right: tuple[Token, ...]
) -> Iterator[tuple[tuple[Token, ...], tuple[Token, ...]]]:
    """What is compared with what: rows column by column, so that an index on these can be read from there."""
    sides = [stripped(side) for side in (left, right)]
    if all(is_row(side) for side in sides):
        first, second = (split_top(stripped(side[1:]), ",") for side in sides)
        yield from zip(first, second, strict=False)
    else:
        yield left, right


def is_row(tokens: tuple[Token, ...]) -> bool:
    """Whether an expression is a row, ``ROW(a, b)``: no value that an index could hold."""
    return len(tokens) > 1 and tokens[0].kind is Kind.WORD and tokens[0].value == "row" and tokens[1].text == "("


def _comparison(tokens: tuple[Token, ...]) -> int | None:
    depth = 0
    for place, token in enumerate(tokens):
        if token.kind is Kind.PUNCT:
            depth += (token.text in "([") - (token.text in ")]")
        elif depth == 0 and token.kind is Kind.OP and token.text in _COMPARISONS:
            return place
    return None


def _side(source: str, side: tuple[Token, ...], op: str, other: tuple[Token, ...], branch: int) -> Iterator[Term]:
    use = _use(op, other)
    if use is None or aliases_in(side) & aliases_in(other):
        return
    literal = _literal(source, other)
    if use is Use.UNEQUAL and literal is None:
        return
    yield from _term(
        source,
        side,
        use,
        branch,
        literal=literal,
        join=bool(aliases_in(other)),
        other=next(iter(aliases_in(other)), ""),
        parameter=_parameter(other),
        op=op,
        only_columns=use is Use.UNEQUAL,
    )


def _use(op: str, other: tuple[Token, ...]) -> Use | None:
    if op == "=":
        return Use.EQUAL
    if op == "<>":
        return Use.UNEQUAL
    if op in ("<", ">", "<=", ">="):
        return Use.RANGE
    if op in ("@>", "&&", "@@", "@?", "?", "?|", "?&", "<@"):
        return Use.MEMBER
    if op in ("<<", "<<=", ">>", ">>="):
        return Use.BESIDE
    if op in ("~~", "~~*"):
        pattern = next((token.text for token in other if token.kind is Kind.STRING), "")
        if op == "~~" and pattern and pattern[1:2] not in ("%", "_", ""):
            return Use.PREFIX
        return Use.CONTAINS
    if op == "~" and any(token.kind is Kind.STRING and _BEGINS.match(token.text) for token in other):
        return Use.PREFIX
    return Use.CONTAINS if op in ("~", "~*", "%") else None


def _parameter(tokens: tuple[Token, ...]) -> int:
    """The number of a parameter that stands alone, but for a cast."""
    inner = [token for token in tokens if token.text != "("]
    alone = sum(token.kind is Kind.PARAM for token in tokens) == 1 and not aliases_in(tokens)
    return int(inner[0].text[1:]) if alone and inner[0].kind is Kind.PARAM else 0


def _literal(source: str, tokens: tuple[Token, ...]) -> str | None:
    inner = stripped(tokens)
    if len(inner) > 2 and inner[0].value in _QUANTIFIERS and inner[1].text == "(":
        several = _literal(source, inner[1:])
        return None if several is None else f"{inner[0].text} ({several})"
    if not inner or aliases_in(inner) or not inner[0].is_constant or inner[0].kind is Kind.PARAM:
        return None
    if any(token.kind is Kind.PARAM for token in inner) or any(token.text == "(" for token in inner):
        return None
    return source[inner[0].start : inner[-1].end]


def _term(
    source: str,
    side: tuple[Token, ...],
    use: Use,
    branch: int,
    *,
    literal: str | None = None,
    join: bool = False,
    other: str = "",
    parameter: int = 0,
    op: str = "",
    only_columns: bool = False,
) -> Iterator[Term]:
    found = read_subject(source, side)
    if found is None or (only_columns and not found[2]):
        return
    alias, subject, is_column = found
    whole = stripped(side)
    yield Term(
        alias=alias,
        subject=subject,
        is_column=is_column,
        use=use,
        literal=literal,
        join=join,
        other=other,
        parameter=parameter,
        branch=branch,
        text=source,
        op=op,
        cast=_without_alias(source, whole, alias) if is_column and len(whole) > _COLUMN else "",
    )


def read_subject(source: str, tokens: tuple[Token, ...]) -> tuple[str, str, bool] | None:
    """Alias, column or expression, and which of the two; None if it is not about exactly one relation."""
    tokens = _without_text_cast(stripped(tokens))
    aliases = aliases_in(tokens)
    if len(aliases) != 1 or is_row(tokens) or any(token.kind is Kind.PARAM for token in tokens):
        return None
    (alias,) = aliases
    if len(tokens) == _COLUMN and tokens[1].text == ".":
        return alias, tokens[2].value, True
    if any(token.value in ("subplan", "initplan", "hashed", "any", "all") for token in tokens):
        return None
    return alias, _without_alias(source, tokens, alias), False


def _without_text_cast(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """A column that is only relabelled as text (varchar does so) is the column itself."""
    casts = [place for place, token in enumerate(tokens) if token.kind is Kind.CAST]
    if len(casts) == 1 and tokens[casts[0] + 1 : casts[0] + 2] and tokens[casts[0] + 1].value in _TEXTS:
        inner = stripped(tokens[: casts[0]])
        if len(inner) == 3 and inner[1].text == "." and len(tokens) - casts[0] <= 3:
            return inner
    return tokens


def _without_alias(source: str, tokens: tuple[Token, ...], alias: str) -> str:
    pieces: list[str] = []
    place = tokens[0].start
    for at, token in enumerate(tokens[:-1]):
        if token.is_name and token.value == alias and tokens[at + 1].text == ".":
            pieces.append(source[place : token.start])
            place = tokens[at + 1].end
    pieces.append(source[place : tokens[-1].end])
    return "".join(pieces).strip()


def read_sort_key(text: str) -> SortKey | None:
    """A sort key of a plan; None if it is about no relation. In a collation of its own it is an expression."""
    try:
        tokens = tokenize(text)
    except InvalidIndex:
        return None
    words = [token.value for token in tokens]
    nulls: bool | None = None
    if words[-2:] in (["nulls", "first"], ["nulls", "last"]):
        nulls = words[-1] == "first"
        tokens, words = tokens[:-2], words[:-2]
    desc = words[-1:] == ["desc"]
    if desc or words[-1:] == ["asc"]:
        tokens = tokens[:-1]
    sides = split_top(stripped(tokens), _DISTANCE)
    found = next((read for side in sides if (read := read_subject(text, side)) is not None), None)
    if found is None or len(sides) > 2:
        return None
    alias, subject, is_column = found
    return SortKey(
        alias=alias,
        subject=subject,
        is_column=is_column,
        desc=desc,
        nulls_first=desc if nulls is None else nulls,
        nearest=len(sides) > 1,
    )
