"""An open Backstay reports which version of the application it stands behind."""

from __future__ import annotations

import socket

import pytest

from backstay import Backstay, Secret, Settings
from backstay.migrations import Status, VersionNotReported, runner_for, versions
from backstay.settings import MigrationSettings

CONTRACT = "-- backstay: phase contract\n-- backstay: allow dropping-table: nobody reads it\nDROP TABLE t;"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    return (
        request.getfixturevalue("database_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/app.db"
    )


@pytest.fixture
def files(tmp_path):
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "0001_t.sql").write_text("CREATE TABLE t (id integer);")
    (directory / "0002_gone.sql").write_text(CONTRACT)
    return directory


def settings_of(url, files, **given):
    return Settings(database_url=Secret(url), migrations=MigrationSettings(directory=files, **given))


@pytest.mark.asyncio
async def test_a_newer_version_waits_until_this_one_has_closed(url, files):
    newer = runner_for(url, files, app_version="2.10")
    async with Backstay.open(settings_of(url, files, app_version="2.9")):
        assert dict(await newer.run()) == {"0001_t": Status.APPLIED, "0002_gone": Status.HELD_BACK}
    assert dict(await newer.run()) == {"0002_gone": Status.APPLIED}


@pytest.mark.asyncio
@pytest.mark.parametrize("given", [{}, {"app_version": "2.9", "reports": False}])
async def test_who_names_no_version_or_wants_no_report_holds_nobody_up(url, files, given):
    async with Backstay.open(settings_of(url, files, **given)):
        assert Status.HELD_BACK not in (await runner_for(url, files, app_version="2.10").run()).values()


@pytest.mark.asyncio
async def test_a_database_that_does_not_answer_keeps_nothing_from_opening(files, monkeypatch):
    monkeypatch.setattr(versions, "_LONGEST", 0.1)
    told = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://app:hidden@127.0.0.1:{silent.getsockname()[1]}/app"
        async with Backstay.open(settings_of(url, files, app_version="2.9"), listeners=[told.append]):
            pass
    assert [event.reason for event in told if isinstance(event, VersionNotReported)] == [
        "the database did not answer within 0.1 s"
    ] * 2
