"""Whether a migrated database is what the application's SQLAlchemy metadata declares, as an assertion."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import MetaData

from backstay.migrations import metadata_drift


async def assert_no_drift(metadata: MetaData, url: str, *, ignore: Collection[str] = ()) -> None:
    """Assert that the migrated database at `url` is what SQLAlchemy `metadata` declares. See `metadata_drift`.

    Raises:
        AssertionError: names every object that differs.
    """
    found = await metadata_drift(metadata, url, ignore=ignore)
    lines = "\n  ".join(["the database is not what the metadata declares:", *map(str, found)])
    assert not found, lines  # noqa: S101
