"""Few rows of many pages: rows that lie together have too much in common to stand for the others."""

from __future__ import annotations

from backstay.indexes.declared import quote_identifier
from backstay.indexes.sizes import TableFacts

_ROWS = 10_000
_PAGES = 4000
_ROWS_PER_PAGE = 100.0


def sampled(facts: TableFacts) -> str:
    """From where a query reads a sample of a table, up to a condition that others may be joined to with AND."""
    # A partitioned table has no pages of its own.
    pages = min(1.0, _PAGES / max(facts.pages, facts.rows / _ROWS_PER_PAGE, 1.0))
    share = 10_000 * min(1.0, _ROWS / max(facts.rows * pages, 1.0))
    table = f"{quote_identifier(facts.schema)}.{quote_identifier(facts.name)}"
    return (
        f"from {table} tablesample system ({100.0 * pages}) repeatable (1)"
        f" where abs(hashtext(ctid::text)::bigint) % 10000 < {share}"
    )
