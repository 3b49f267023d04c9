"""The runner that a database URL asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from backstay.clock import Clock
from backstay.errors import ConfigError
from backstay.events import Listener

from .runner import StepRunner
from .sources import DirectorySource, Source


def runner_for(
    url: str,
    sources: Sequence[Source] | Path | str,
    *,
    app_version: str = "",
    clock: Clock | None = None,
    listeners: Iterable[Listener] = (),
) -> StepRunner:
    """A runner on PostgreSQL or SQLite. Nothing is connected yet.

    Args:
        url: ``postgresql://…``, or ``sqlite:///path``; SQLAlchemy's ``+driver`` is understood.
        sources: Where the migrations come from, or the one directory they are in.
        app_version: Written into the history.
        clock: Where time comes from.
        listeners: Told of every step.

    Raises:
        ConfigError: a URL of another database. Its text is not repeated, for it may hold a password.
    """
    chosen = [DirectorySource(sources)] if isinstance(sources, (str, Path)) else sources
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in ("postgresql", "postgres"):
        from .postgres import PostgresRunner

        return PostgresRunner(url, chosen, app_version=app_version, clock=clock, listeners=listeners)
    if scheme == "sqlite":
        from .sqlite import SqliteRunner

        return SqliteRunner(url, chosen, app_version=app_version, clock=clock, listeners=listeners)
    raise ConfigError(f"migrations run on postgresql:// and sqlite:/// URLs, not on {scheme!r}")
