"""Which conditions of a statement may become an index's predicate, and how many rows they leave. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .conditions import Term, Use, names_in, plain_texts
from .declared import Key
from .sizes import ColumnFacts, TableFacts

_FEW_VALUES = 50  # a column with at most so many values may have its constants in a predicate
_FEW_CODES = 12  # and a number with more is no code, but whose row it is
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "uuid")
RARE = 0.2  # a predicate must leave out at least four rows in five to be worth an index of its own
_RARE_CONSTANT = 0.1  # and nine in ten if it is about one value of many: other values may be asked for tomorrow
_SAME_BYTES = ("text", "character varying")
_LEAST = 0.001  # the share of a value that the statistics have missed


def as_compared(term: Term, facts: TableFacts) -> Term:
    """The term about a cast where that is more than another name for the same bytes (a number as text)."""
    if term.cast and facts.column(term.subject).type not in _SAME_BYTES:
        return replace(term, subject=term.cast, is_column=False)
    if term.subject.endswith(")::inet"):  # so the server shows a network, which is an address to all operators
        for name in names_in(term.subject) & facts.columns.keys():
            if facts.column(name).type == "cidr" and term.subject.replace('"', "") == f"({name})::inet":
                return replace(term, subject=name, is_column=True)
    return term


def as_sampled(term: Term, samples: Iterable[Sequence[object]]) -> Term:
    """A pattern that comes as a parameter is a prefix if all that are known of are."""
    if term.use is not Use.CONTAINS or term.op != "~~" or not term.parameter:
        return term
    patterns = [sample[term.parameter - 1] for sample in samples if len(sample) >= term.parameter]
    if patterns and all(isinstance(each, str) and each[:1] not in ("%", "_", "") for each in patterns):
        return replace(term, use=Use.PREFIX)
    return term


@dataclass(frozen=True, slots=True)
class Predicate:
    """A predicate with the fraction of rows that it leaves, and the columns that it answers for.

    `subject` is the column that it says all about, if there is one: that need not be a key as well.
    """

    text: str
    share: float
    columns: frozenset[str]
    subject: str | None = None


def predicates(terms: Iterable[Term], facts: TableFacts, rare: float = RARE) -> Iterator[Predicate]:
    """The predicates that leave few enough rows: at most the fraction `rare`."""
    kept = [term for term in terms if not term.branch]
    for term in kept:
        if term.is_column and term.subject in facts.columns:
            found = _predicate(
                term, facts.column(term.subject), facts.rows, rare if rare > RARE else _RARE_CONSTANT
            )
            if found is not None and found[1] <= rare:
                yield Predicate(*found, columns=frozenset([term.subject]), subject=term.subject)
    for text in own_comparisons(kept):
        if facts.shares.get(text, 1.0) <= rare:
            yield Predicate(
                text, max(_LEAST, facts.shares[text]), columns=frozenset(facts.columns.keys() & names_in(text))
            )


def own_comparisons(terms: Iterable[Term]) -> list[str]:
    """The conditions that compare columns of one row, each and all together: they hold no constant at all."""
    each = sorted({term.subject for term in terms if term.use is Use.OWN and not term.branch})
    return [*each, " and ".join(each)] if len(each) > 1 else each


def _predicate(term: Term, fact: ColumnFacts, rows: float, rare: float) -> tuple[str, float] | None:
    """Its text and the fraction that it leaves; of constants at most `rare`."""
    name = Key(column=term.subject).to_sql()
    match term.use:
        case Use.NULL:
            return f"{name} is null", fact.null_fraction
        case Use.NOT_NULL:
            return f"{name} is not null", 1.0 - fact.null_fraction
        case Use.TRUE:
            return name, _share(fact, "t")
        case Use.FALSE:
            return f"not {name}", _share(fact, "f")
        case Use.EQUAL | Use.UNEQUAL if term.literal is not None and not term.join:
            return _of_constants(term, term.literal, fact, rows, rare)
        case _:
            return None


def _of_constants(
    term: Term, literal: str, fact: ColumnFacts, rows: float, rare: float
) -> tuple[str, float] | None:
    """Only where constants belong to the statement's meaning (a status), never some of many values.

    An index for one user's name would serve that user alone.
    """
    few = _FEW_CODES if fact.type in _NUMBERS else _FEW_VALUES
    if not fact.known or not fact.common or fact.distinct_of(max(rows, 1.0)) > few:
        return None
    name = Key(column=term.subject).to_sql()
    share = sum(_share(fact, text) for text in plain_texts(literal))
    if term.use is Use.UNEQUAL:
        return f"{name} <> {literal}", max(_LEAST, 1.0 - fact.null_fraction - share)
    return (f"{name} = {literal}", share) if share <= rare else None


def share_left(term: Term, facts: TableFacts) -> float:
    """The fraction of rows that a comparison for equality, or with NULL, leaves; 1 for other conditions."""
    fact = facts.column(term.subject)
    match term.use:
        case Use.NULL:
            return fact.null_fraction
        case Use.EQUAL if term.literal is not None and fact.common:
            return sum(_share(fact, text) for text in plain_texts(term.literal))
        case Use.EQUAL:
            return 1.0 / fact.distinct_of(max(facts.rows, 1.0))
        case _:
            return 1.0


def _share(fact: ColumnFacts, value: str) -> float:
    """The fraction of rows with this value, by the statistics; a value that they miss is rare."""
    if not fact.common:
        return 1.0
    # A char(n) is padded in the statistics and not in the condition.
    found = {text.rstrip(): share for text, share in fact.common.items()} if fact.padded else fact.common
    return found.get(
        value.rstrip() if fact.padded else value,
        max(_LEAST, 1.0 - fact.null_fraction - sum(fact.common.values())),
    )
