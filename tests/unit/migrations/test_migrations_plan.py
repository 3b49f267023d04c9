# ruff: noqa: E501 - texts of files, one a line
"""Files, names, headers, checksums and plans, without a database."""

from __future__ import annotations

import pytest

from backstay.errors import InvalidMigration, MigrationPlanError
from backstay.migrations import (
    Direction,
    DirectorySource,
    EventKind,
    HistoryEvent,
    Phase,
    Problem,
    Script,
    fold,
    ordered,
    plan_down,
    plan_up,
    validate,
)


def write(directory, *names, **contents):
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).write_text("SELECT 1;")
    for name, content in contents.items():
        (directory / name).write_text(content)
    return directory


def ids(migrations):
    return [migration.id for migration in migrations]


def applied(migration, order=0, run="r", kind=EventKind.SUCCEEDED):
    return HistoryEvent(
        migration=migration.id,
        generation=1,
        direction=Direction.UP,
        kind=kind,
        checksum=migration.up.checksum,
        raw_checksum=migration.up.raw_checksum,
        digests=",".join(migration.up.digests),
        run=run,
    )


def test_numbers_sort_as_numbers(tmp_path):
    write(
        tmp_path,
        "1.10_c.sql",
        "1.9_b.sql",
        "1_a.sql",
        "10_e.sql",
        "2_2fa.sql",
        "R__v.sql",
        "README.md",
        "x.sql",
    )
    assert ids(ordered([DirectorySource(tmp_path)])) == ["1_a", "1.9_b", "1.10_c", "2_2fa", "10_e", "R__v"]


def test_sources_have_one_stable_order(tmp_path):
    auth = write(tmp_path / "auth", "0001_a.sql", "0002_b.sql", "0003_c.sql")
    app = write(tmp_path / "app", "0001_x.sql")
    (app / "0002_y.sql").write_text("-- backstay: after=auth:0002\nSELECT 1;")
    first = ordered([DirectorySource(app), DirectorySource(auth, name="auth")])
    assert ids(first) == ["0001_x", "auth:0001_a", "auth:0002_b", "0002_y", "auth:0003_c"]
    after = ordered([DirectorySource(app, after=("auth",)), DirectorySource(auth, name="auth")])
    assert ids(after)[:3] == ["auth:0001_a", "auth:0002_b", "auth:0003_c"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"1_a.sql": "", "01_b.sql": ""}, "two heads"),
        ({"1_a.sql": "", "1_a.py": ""}, "twice"),
        ({"1_a.down.sql": ""}, "without"),
        ({"1_a.sql": "-- backstay: after=9"}, "not among"),
        ({"1_a.sql": "-- backstay: after=2", "2_b.sql": ""}, "circle"),
        (
            {"1_a.sql": "\n-- backstay: lock-timout 2s"},
            r":2:14: unknown directive 'lock-timout'; did you mean lock-timeout",
        ),
        ({"1_a.sql": "-- backstay: phase later"}, "expand or contract"),
        ({"1_a.sql": "-- backstay: lock-timeout soon"}, "duration"),
        ({"1_a.sql": "-- backstay: allow drop-column"}, "why it is fine"),
    ],
)
def test_wrong_files_are_named(tmp_path, files, words):
    write(tmp_path, **files)
    with pytest.raises((InvalidMigration, MigrationPlanError), match=words):
        ordered([DirectorySource(tmp_path)])


def test_a_header_is_read_up_to_the_first_statement():
    text = "-- hello\n\n-- backstay: no-transaction\n-- backstay: lock-timeout: 250ms\n-- backstay: phase contract\nSELECT 1;\n-- backstay: nonsense\n"
    directives = Script(text.encode(), name="x.sql").directives
    assert directives.no_transaction
    assert directives.lock_timeout == 0.25
    assert directives.phase is Phase.CONTRACT


BASE = b"CREATE TABLE t (a text);\nINSERT INTO t VALUES ('a\nb');\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\nSELECT 1\n$$;\n"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (b"\xef\xbb\xbf" + BASE, True),
        (BASE.replace(b";\n", b";  \r\n"), True),
        (BASE.replace(b"$$\nSELECT 1\n$$", b"$$\r\nSELECT 1\r\n$$"), True),
        (b"-- why\n" + BASE, True),
        (BASE.rstrip(b"\n"), True),
        (BASE.replace(b"(a text)", b"( a   text )"), True),
        (BASE.replace(b"'a\nb'", b"'a\r\nb'"), False),
        (BASE.replace(b"SELECT 1\n", b"SELECT  1\n"), False),
        (BASE.replace(b"'a\nb'", b"'a \nb'"), False),
        (BASE.replace(b"text", b"int"), False),
        (BASE + b"SELECT 1;", False),
    ],
)
def test_a_checksum_changes_with_what_is_run_and_nothing_else(text, same):
    assert (Script(text, name="x.sql").checksum == Script(BASE, name="x.sql").checksum) is same


def test_findings_are_distinct(tmp_path):
    write(tmp_path, "1_a.sql", "2_b.sql", "3_c.sql")
    files = ordered([DirectorySource(tmp_path)])
    history = [
        applied(files[0]),
        applied(files[2]),
        HistoryEvent(migration="9_z", generation=1, direction=Direction.UP, kind=EventKind.SUCCEEDED),
    ]
    (tmp_path / "1_a.sql").write_text("SELECT 2;")
    files = ordered([DirectorySource(tmp_path)])
    problems = {(f.migration, f.problem, f.blocks) for f in validate(files, fold(history))}
    assert problems == {
        ("1_a", Problem.CHANGED, True),
        ("2_b", Problem.OUT_OF_ORDER, True),
        ("9_z", Problem.AHEAD, False),
    }


def test_expand_stops_before_the_first_contract(tmp_path):
    write(tmp_path, "1_a.sql", "3_c.sql", **{"2_b.sql": "-- backstay: phase contract\nSELECT 1;"})
    files = ordered([DirectorySource(tmp_path)])
    assert [s.migration.id for s in plan_up(files, {}, phase=Phase.EXPAND).steps] == ["1_a"]
    assert len(plan_up(files, {}).steps) == 3


def test_undoing_goes_by_when_and_not_by_number(tmp_path):
    write(tmp_path, "1_a.sql", "2_b.sql", "1_a.down.sql", "2_b.down.sql", "3_c.sql")
    one, two, three = ordered([DirectorySource(tmp_path)])
    states = fold([applied(two, run="x"), applied(one, run="y")])
    assert [s.migration.id for s in plan_down([one, two, three], states, steps=2).steps] == ["1_a", "2_b"]
    assert [s.migration.id for s in plan_down([one, two, three], states, batch=True).steps] == ["1_a"]
    with pytest.raises(MigrationPlanError, match="no down script"):
        plan_down([one, two, three], fold([applied(three)]))
