"""What a database is asked, how often, and with which values. Values stay in this process."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from backstay.errors import InvalidIndex, WorkloadError

from .catalog import Row
from .tokens import Kind, tokenize

_READABLE = ("select", "with", "update", "delete", "insert", "values", "table", "merge")
_SAMPLES = 5


def fingerprint(sql: str) -> str:
    """A short name for a statement, the same whatever constants stand in it."""
    try:
        words = ["?" if token.is_constant else token.value for token in tokenize(sql.replace(";", " "))]
    except InvalidIndex:
        words = sql.split()
    return hashlib.blake2b(" ".join(words).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One statement of a workload. `sql` has ``$1``-style parameters or constants of its own.

    `samples` are parameter sets that it was really called with, at most five; they never appear in a repr.
    `seconds` is the total time of all `calls`.
    """

    sql: str
    calls: float = 1.0
    seconds: float = 0.0
    samples: tuple[tuple[Any, ...], ...] = field(default=(), repr=False)
    name: str = ""

    @property
    def fingerprint(self) -> str:
        """The name given, or one made from the statement's words."""
        return self.name or fingerprint(self.sql)

    @property
    def parameters(self) -> int:
        """The highest ``$n`` in the statement."""
        try:
            return max(
                (int(token.text[1:]) for token in tokenize(self.sql.replace(";", " ")) if token.kind is Kind.PARAM),
                default=0,
            )
        except InvalidIndex:
            return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Statements with their weights: by calls (what an optimizer's cost is multiplied by), or by time spent.

    `writes` are rows written per table while the calls were counted, for tables whose writes are not among
    the statements.
    """

    queries: tuple[Query, ...]
    weight_by: Literal["calls", "time"] = "calls"
    writes: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        if not self.queries:
            raise WorkloadError("the workload holds no statement to plan for")

    @classmethod
    def of(cls, queries: Iterable[Query | str]) -> Workload:
        """A workload of statements, equally often each unless a `Query` says otherwise."""
        return cls(queries=tuple(Query(sql=query) if isinstance(query, str) else query for query in queries))

    def weight(self, query: Query) -> float:
        """How much one unit of this query's cost counts."""
        return query.calls if self.weight_by == "calls" else max(query.seconds, 1e-9)


def is_plannable(sql: str) -> bool:
    """Whether a statement can have a plan; utility statements cannot."""
    head = sql.lstrip(" \t\r\n(").split(None, 1)
    return bool(head) and head[0].lower() in _READABLE


def from_statistics(rows: Iterable[Row], *, limit: int = 500) -> Workload:
    """A workload from ``pg_stat_statements`` rows (query, calls, seconds): the dearest `limit` statements."""
    queries = [
        Query(sql=row["query"], calls=float(row["calls"]), seconds=float(row["seconds"]))
        for row in rows
        if is_plannable(row["query"])
    ]
    queries.sort(key=lambda query: -query.seconds)
    return Workload(queries=tuple(queries[:limit]))


@dataclass(slots=True)
class _Seen:
    sql: str
    calls: int = 0
    seconds: float = 0.0
    samples: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])


class WorkloadRecorder:
    """Records what this process asks, in bounded memory.

    At most `limit` statements are kept; a new one beyond that takes the place of the one not seen for
    longest. Up to five parameter sets are kept of each, a fair sample of all calls (reservoir). They stay in
    this process; `redact` changes or drops them before they are kept. Safe to call from several threads.
    """

    def __init__(
        self,
        *,
        limit: int = 1000,
        max_sql: int = 20_000,
        redact: Callable[[str, Sequence[Any]], Sequence[Any] | None] | None = None,
        seed: int | None = None,
    ) -> None:
        if limit < 1:
            raise ValueError("limit is at least one statement")
        self._limit = limit
        self._max_sql = max_sql
        self._redact = redact
        self._random = random.Random(seed)  # noqa: S311 - a fair sample, not a secret
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = threading.Lock()
        self.forgotten = 0

    def record(self, sql: str, parameters: Sequence[Any] = (), seconds: float = 0.0) -> None:
        """Count one call. A statement longer than `max_sql` characters, or without a plan, is left out."""
        if len(sql) > self._max_sql or not is_plannable(sql):
            return
        kept: Sequence[Any] | None = parameters
        if self._redact is not None:
            kept = self._redact(sql, parameters)
        with self._lock:
            seen = self._entry(sql)
            seen.calls += 1
            seen.seconds += seconds
            if kept:
                self._sample(seen, tuple(kept))

    def _entry(self, sql: str) -> _Seen:
        seen = self._seen.get(sql)
        if seen is None:
            seen = self._seen[sql] = _Seen(sql)
            if len(self._seen) > self._limit:
                self._seen.popitem(last=False)
                self.forgotten += 1
        else:
            self._seen.move_to_end(sql)
        return seen

    def _sample(self, seen: _Seen, parameters: tuple[Any, ...]) -> None:
        if len(seen.samples) < _SAMPLES:
            seen.samples.append(parameters)
            return
        place = self._random.randrange(seen.calls)
        if place < _SAMPLES:
            seen.samples[place] = parameters

    def log_query(self, record: Any) -> None:
        """An asyncpg query logger: ``connection.add_query_logger(recorder.log_query)``."""
        if record.exception is None:
            self.record(record.query, tuple(record.args or ()), record.elapsed)

    def __len__(self) -> int:
        return len(self._seen)

    def __repr__(self) -> str:
        return f"<WorkloadRecorder of {len(self._seen)} statements>"

    def workload(self) -> Workload:
        """What was recorded so far. Statements that differ in constants only are summed."""
        merged: dict[str, Query] = {}
        with self._lock:
            for seen in self._seen.values():
                name = fingerprint(seen.sql)
                query = Query(sql=seen.sql, calls=seen.calls, seconds=seen.seconds, samples=tuple(seen.samples))
                before = merged.get(name)
                if before is not None:
                    query = replace(
                        before,
                        calls=before.calls + query.calls,
                        seconds=before.seconds + query.seconds,
                        samples=(before.samples + query.samples)[:_SAMPLES],
                    )
                merged[name] = query
        return Workload(queries=tuple(merged.values()))
