"""What a start that finds nothing to do goes by: one digest over all that decides what is pending."""

from __future__ import annotations

import pytest

from backstay.errors import InvalidMigration, MigrationPlanError
from backstay.migrations import DirectorySource, Phase, SqliteRunner, Status
from backstay.migrations.sources import Loaded, digest
from backstay.migrations.sqlite import SqliteDatabase


@pytest.fixture
def files(tmp_path):
    directory = tmp_path / "migrations"
    directory.mkdir()
    (directory / "0001_t.sql").write_text("CREATE TABLE t (id integer);")
    (directory / "0001_t.down.sql").write_text("DROP TABLE t;")
    (directory / "0002_u.sql").write_text("-- backstay: phase contract\nCREATE TABLE u (id integer);")
    return directory


def digest_of(directory, *options, **given):
    return digest([Loaded(DirectorySource(directory, **given))], *options)


def test_every_byte_name_and_option_counts(files):
    seen = {digest_of(files), digest_of(files, name="auth"), digest_of(files, after=("x",)), digest_of(files, 1)}
    (files / "0001_t.down.sql").write_text("DROP TABLE t; ")
    seen.add(digest_of(files))
    (files / "0002_u.sql").rename(files / "0003_u.sql")
    seen.add(digest_of(files))
    (files / "0003_u.sql").write_text((files / "0003_u.sql").read_text() + "\n")
    seen.add(digest_of(files))
    assert len(seen) == 7


def test_what_is_no_migration_and_where_the_files_are_does_not_count(files, tmp_path):
    before = digest_of(files)
    (files / "README.md").write_text("x")
    (files / "env.py").write_text("x")
    assert digest_of(files) == before
    files.rename(tmp_path / "elsewhere")
    assert digest_of(tmp_path / "elsewhere") == before


def test_bytes_cannot_move_from_one_file_to_the_next(files):
    (files / "0001_t.down.sql").unlink()
    before = digest_of(files)
    text = (files / "0001_t.sql").read_text()
    (files / "0001_t.sql").write_text(text[:-1])
    (files / "0002_u.sql").write_text(text[-1] + (files / "0002_u.sql").read_text())
    assert digest_of(files) != before


def test_files_are_looked_into_only_when_the_migrations_are_wanted(files):
    """Of files that are as they were when all was applied, nobody wants to know more."""
    (files / "0003_gone.down.sql").write_text("DROP TABLE v;")
    loaded = Loaded(DirectorySource(files))
    assert digest([loaded])
    with pytest.raises(InvalidMigration, match=r"0003_gone\.down\.sql: a down script without"):
        loaded.load()


def test_what_is_derived_loads_as_it_says(files):
    class Last(DirectorySource):
        def load(self):
            return [list(super().load())[-1]]

    loaded = Loaded(Last(files))
    assert [migration.id for migration in loaded.migrations] == ["0002_u"]
    assert digest([loaded]) != digest_of(files)


@pytest.fixture
def start(files, tmp_path):
    """Starts anew, as a process does, and tells how many entries of the history that start had to read."""

    async def start(**options):
        runner = SqliteRunner(tmp_path / "app.db", [DirectorySource(files)], **options)
        read = []
        history = SqliteDatabase.history

        async def counted(self, *, unless=None):
            read.append(await history(self, unless=unless))
            return read[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqliteDatabase, "history", counted)
            report = await runner.run()
        assert len(read) == 1, "one query"
        return dict(report), len(read[0])

    return start


@pytest.mark.asyncio
async def test_a_start_after_a_complete_run_reads_one_entry(start, files):
    assert await start() == ({"0001_t": Status.APPLIED, "0002_u": Status.APPLIED}, 0)
    assert await start() == ({}, 1)
    (files / "0003_v.sql").write_text("CREATE TABLE v (id integer);")
    assert await start() == ({"0003_v": Status.APPLIED}, 2)
    assert await start() == ({}, 1)


@pytest.mark.asyncio
async def test_what_one_phase_left_pending_is_not_taken_for_done_by_another(start):
    assert await start(phase=Phase.EXPAND) == ({"0001_t": Status.APPLIED}, 0)
    assert await start(phase=Phase.EXPAND) == ({}, 1)
    assert (await start())[0] == {"0002_u": Status.APPLIED}


@pytest.mark.asyncio
async def test_a_changed_file_is_refused_although_nothing_is_pending(start, files):
    await start()
    (files / "0001_t.sql").write_text("CREATE TABLE t (id text);")
    with pytest.raises(MigrationPlanError, match="changed-after-apply"):
        await start()


@pytest.mark.asyncio
async def test_what_was_undone_since_is_applied_again(start, files, tmp_path):
    await start()
    (files / "0002_u.down.sql").write_text("DROP TABLE u;")
    await start()
    await SqliteRunner(tmp_path / "app.db", [DirectorySource(files)]).rollback()
    assert (await start())[0] == {"0002_u": Status.APPLIED}
