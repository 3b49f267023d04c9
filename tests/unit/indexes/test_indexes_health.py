"""The judgement of indexes, and the page that shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from backstay.indexes import CatalogIndex, CatalogKey, IndexUse, Trouble
from backstay.indexes.health import ForeignKey, HealthInput, judge, overlap
from backstay.indexes.report import render
from backstay.indexes.sizes import ColumnFacts, TableFacts


def key(text: str, option: int = 0) -> CatalogKey:
    return CatalogKey(text=text, column=text if text.isidentifier() else None, opclass="int4_ops", option=option)


def made(name: str, *keys: CatalogKey, oid: int = 0, **values: object) -> CatalogIndex:
    return CatalogIndex(
        schema="public", table="t", table_oid=1, name=name, keys=keys,
        method=str(values.pop("method", "btree")),
        oid=oid or abs(hash(name)), ddl=f"CREATE INDEX {name}", **values,
    )  # type: ignore[arg-type]  # fmt: skip


A, B = key("a"), key("b")
OLD = timedelta(days=30)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (made("x", A, oid=2), made("y", A, oid=1), Trouble.DUPLICATE),
        (made("x", A, oid=1), made("y", A, oid=2), None),
        (made("x", A), made("y", A, unique=True), Trouble.DUPLICATE),
        (made("x", A, unique=True), made("y", A), None),
        (made("x", A), made("y", A, B), Trouble.REDUNDANT),
        (made("x", A, unique=True), made("y", A, B), None),
        (made("x", B), made("y", A, B), None),
        (made("x", A, predicate="p"), made("y", A, B), None),
        (made("x", A, predicate="p"), made("y", A, B, predicate="p"), Trouble.REDUNDANT),
        (made("x", key("a", 3), oid=2), made("y", A, oid=1), Trouble.MIRROR),
        (made("x", key("a", 3)), made("y", A, B), Trouble.REDUNDANT),
        (made("x", key("a", 3), B), made("y", A, B), None),
        (made("x", A, method="hash"), made("y", A), None),
        (made("x", A, method="gin", oid=2), made("y", A, method="gin", oid=1), Trouble.DUPLICATE),
        (made("x", A, method="gin"), made("y", A, B, method="gin"), None),
        (made("x", A, include=("b",)), made("y", A, B), Trouble.REDUNDANT),
        (made("x", A, include=("c",)), made("y", A, B), None),
        (made("x", A), made("y", A, include=("b",)), Trouble.REDUNDANT),
        (made("x", A, options=("fillfactor=80",), oid=2), made("y", A, oid=1), Trouble.DUPLICATE),
        (made("x", replace(A, opclass="text_pattern_ops")), made("y", A, B), None),
    ],
)
def test_overlaps(one: CatalogIndex, other: CatalogIndex, expected: Trouble | None) -> None:
    assert overlap(one, other) is expected


def test_dropping_all_that_is_found_never_leaves_a_query_without_index() -> None:
    group = [made(f"i{n}", A, oid=n + 1) for n in range(3)] + [made("wide", A, B, oid=9)]
    report = judge(HealthInput(uses=tuple(IndexUse(index=index, scans=5) for index in group)))
    assert {finding.index for finding in report.findings} == {"i0", "i1", "i2"}
    assert {finding.related for finding in report.findings} == {"wide"}
    assert all(finding.undo == f"CREATE INDEX {finding.index}" for finding in report.findings)


def test_what_a_constraint_needs_is_found_and_not_droppable() -> None:
    pair = [
        made("pk", A, unique=True, constraint="p", constraint_name="t_pkey"),
        made("uq", A, unique=True, constraint="u", constraint_name="t_a_key"),
    ]
    (finding,) = judge(HealthInput(uses=tuple(IndexUse(index=index) for index in pair))).findings
    assert not finding.droppable
    assert "constraint" in finding.reason or "primary" in finding.reason
    assert finding.remedy is None


def _unused(index: CatalogIndex, **values: object) -> tuple[str, ...]:
    scans = values.pop("scans", 0)
    facts = HealthInput(uses=(IndexUse(index=index, scans=scans),), stats_age=OLD, **values)  # type: ignore[arg-type]
    return tuple(finding.index for finding in judge(facts).of(Trouble.UNUSED))


def test_unused_is_said_only_when_it_is_safe() -> None:
    plain = made("x", A)
    assert _unused(plain) == ("x",)
    assert _unused(plain, scans=1) == ()
    assert _unused(plain, min_stats_age=timedelta(days=31)) == ()
    assert _unused(made("x", A, unique=True)) == ()
    assert _unused(made("x", A, clustered=True)) == ()
    assert _unused(made("x", A, replica_identity=True)) == ()
    assert _unused(made("x", A, valid=False)) == ()
    fk = ForeignKey(schema="public", table="t", name="fk", columns=("a",), referenced="u")
    assert _unused(plain, foreign_keys=(fk,)) == ()
    assert judge(HealthInput(uses=(IndexUse(index=plain),), stats_age=None)).findings == ()


def test_a_partitioned_index_is_used_when_a_part_is() -> None:
    parent = IndexUse(index=made("p", A, oid=1, partitioned=True))
    part = IndexUse(index=replace(made("c", A, oid=2, parent=1), table_oid=2), scans=3)
    assert judge(HealthInput(uses=(parent, part), stats_age=OLD)).findings == ()
    idle = judge(HealthInput(uses=(parent, replace(part, scans=0)), stats_age=OLD))
    assert {finding.index: finding.droppable for finding in idle.findings} == {"p": True}


def test_invalid_leaves_out_what_is_being_built_and_what_has_no_storage() -> None:
    uses = [
        made("bad", A, valid=False),
        made("building", B, valid=False, in_progress=True),
        made("parent", key("c"), valid=False, partitioned=True),
    ]
    findings = judge(HealthInput(uses=tuple(IndexUse(index=index) for index in uses))).findings
    assert [(finding.trouble, finding.index, finding.droppable) for finding in findings] == [
        (Trouble.INVALID, "bad", True)
    ]


@pytest.mark.parametrize(
    ("index", "served"),
    [
        (made("x", A, B), True),
        (made("x", B, A), True),
        (made("x", B, A, key("c")), True),
        (made("x", A), False),
        (made("x", key("c"), A, B), False),
        (made("x", A, B, predicate="(a IS NOT NULL)"), True),
        (made("x", A, B, predicate="((a IS NOT NULL) AND (b IS NOT NULL))"), True),
        (made("x", A, B, predicate="(a > 5)"), False),
        (made("x", A, B, predicate="(c IS NOT NULL)"), False),
        (made("x", A, B, valid=False), False),
        (made("x", A, B, method="brin"), False),
    ],
)
def test_which_index_serves_a_foreign_key(index: CatalogIndex, served: bool) -> None:
    fk = ForeignKey(schema="public", table="t", name="fk", columns=("a", "b"), referenced="u")
    found = judge(HealthInput(uses=(IndexUse(index=index),), foreign_keys=(fk,))).of(Trouble.MISSING_FK)
    assert (not found) is served


def test_bloat_is_judged_against_a_fresh_build() -> None:
    table = TableFacts(schema="public", name="t", oid=1, rows=1e6, columns={"a": ColumnFacts(name="a", width=8)})
    use = IndexUse(index=made("x", A, size_bytes=60_000_000), scans=1, index_rows=1e6)
    (finding,) = judge(HealthInput(uses=(use,), tables={1: table})).findings
    assert finding.trouble is Trouble.BLOATED
    assert finding.remedy == 'reindex index concurrently "public"."x"'
    slim = replace(use, index=replace(use.index, size_bytes=24_000_000))
    assert judge(HealthInput(uses=(slim,), tables={1: table})).findings == ()


class _Strict(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br", "rect", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path"):
            assert self.open.pop() == tag


def test_the_page_is_whole_escaped_and_without_scripts() -> None:
    evil = made('<script>alert("x")</script>', A, oid=5, size_bytes=1000)
    report = judge(HealthInput(uses=(IndexUse(index=evil), IndexUse(index=made("wide", A, B, size_bytes=2000)))))
    page = render(report)
    parser = _Strict()
    parser.feed(page)
    assert not parser.open
    assert "script" not in parser.tags
    assert "svg" in parser.tags
    assert 'class="join"' in page
    assert "http" not in page
