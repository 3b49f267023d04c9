"""What stands behind the service, whichever framework serves it: opened at its start, closed at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backstay import Backstay, run_pending_migrations
from backstay.secret import Secret
from backstay.settings import MigrationSettings, Settings, from_env
from backstay.web.auth import Authenticator, CookieNames, Transport, current_authenticator
from prices.indexes import create_indexes
from prices.people import People, User

MIGRATIONS = Path(__file__).parent / "migrations"


def authenticator(people: People) -> Authenticator[User]:
    """Who calls: by token, or by cookie in a browser."""
    return Authenticator(people.load, transport=Transport(cookies=CookieNames()))


def opening(
    people: People, users: Authenticator[User]
) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Backstay]]]:
    """A lifespan: everything open, the database migrated and indexed; one replica does it, the others wait.

    Without BACKSTAY_DATABASE_URL the database is a file that is gone with the process, as the embedded cache is.
    """

    @asynccontextmanager
    async def opened(_app: Any) -> AsyncIterator[dict[str, Backstay]]:
        with TemporaryDirectory() as directory:
            settings = with_database(from_env(), Path(directory))
            async with Backstay.open(settings, users=people.claims) as kit:
                await run_pending_migrations()
                assert settings.database_url is not None
                await create_indexes(settings.database_url.reveal())
                with current_authenticator.entered(users):
                    async with people.connected(settings.database_url):
                        yield {"backstay": kit}

    return opened


def with_database(settings: Settings, directory: Path) -> Settings:
    """The settings with a database, embedded in `directory` unless they name one, and our migrations."""
    return replace(
        settings,
        database_url=settings.database_url or Secret(f"sqlite:///{directory / 'prices.db'}"),
        migrations=MigrationSettings(directory=MIGRATIONS, app_version=settings.migrations.app_version),
    )
