"""Other tools' histories: which tool, what it has applied, what it left half done. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from backstay.errors import MigrationPlanError

from .files import Migration

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool's history: its table, the columns that tell it from others, and how to read it."""

    name: str
    table: str
    columns: frozenset[str]
    without: frozenset[str] = frozenset()
    read: Callable[[Sequence[Row]], tuple[list[str], str | None]]
    """From all rows: what is applied, oldest first, and what is dirty."""
    newest_only: bool = False
    """Whether it keeps only the newest, and everything before that is applied too."""

    @property
    def sql(self) -> str:
        """Reads the whole history."""
        return f"SELECT * FROM {self.table}"  # noqa: S608 - one of the names below


def _plain(column: str) -> Callable[[Sequence[Row]], tuple[list[str], str | None]]:
    return lambda rows: ([str(row[column]) for row in rows], None)


def _golang(rows: Sequence[Row]) -> tuple[list[str], str | None]:
    return [str(row["version"]) for row in rows], next((str(r["version"]) for r in rows if r["dirty"]), None)


def _sqlx(rows: Sequence[Row]) -> tuple[list[str], str | None]:
    rows = sorted(rows, key=lambda row: row["version"])
    return [str(row["version"]) for row in rows], next((str(r["version"]) for r in rows if not r["success"]), None)


def _flyway(rows: Sequence[Row]) -> tuple[list[str], str | None]:
    rows = sorted(rows, key=lambda row: row["installed_rank"])
    failed = next((str(row["version"] or row["script"]) for row in rows if not row["success"]), None)
    undone: set[str] = set()
    applied: list[str] = []
    for row in rows:
        version = row["version"]
        if version is None or row["type"] == "SCHEMA":
            continue
        if row["type"] in ("DELETE", "UNDO_SQL"):
            undone.add(str(version))
        else:
            undone.discard(str(version))
            applied.append(str(version))
    return [version for version in dict.fromkeys(applied) if version not in undone], failed


def _goose(rows: Sequence[Row]) -> tuple[list[str], str | None]:
    state = {str(row["version_id"]): row["is_applied"] for row in sorted(rows, key=lambda row: row["id"])}
    return [version for version, applied in state.items() if applied and version != "0"], None


def _django(rows: Sequence[Row]) -> tuple[list[str], str | None]:
    return [f"{row['app']}:{row['name']}" for row in sorted(rows, key=lambda row: row["id"])], None


TOOLS: Final = (
    Tool(
        name="alembic",
        table="alembic_version",
        columns=frozenset({"version_num"}),
        read=_plain("version_num"),
        newest_only=True,
    ),
    Tool(name="yoyo", table="_yoyo_migration", columns=frozenset({"migration_id"}), read=_plain("migration_id")),
    Tool(
        name="golang-migrate",
        table="schema_migrations",
        columns=frozenset({"version", "dirty"}),
        read=_golang,
        newest_only=True,
    ),
    Tool(
        name="dbmate",
        table="schema_migrations",
        columns=frozenset({"version"}),
        without=frozenset({"dirty"}),
        read=_plain("version"),
    ),
    Tool(name="sqlx", table="_sqlx_migrations", columns=frozenset({"version", "success"}), read=_sqlx),
    Tool(
        name="flyway",
        table="flyway_schema_history",
        columns=frozenset({"installed_rank", "success"}),
        read=_flyway,
    ),
    Tool(name="goose", table="goose_db_version", columns=frozenset({"version_id", "is_applied"}), read=_goose),
    Tool(name="django", table="django_migrations", columns=frozenset({"app", "name"}), read=_django),
)


def detect(tables: Mapping[str, frozenset[str]]) -> tuple[Tool, ...]:
    """The tools whose history is among some tables, given as name to column names."""
    return tuple(
        tool
        for tool in TOOLS
        if tool.columns <= tables.get(tool.table, frozenset())
        and not tool.without & tables.get(tool.table, frozenset())
    )


def applied_by(tool: Tool, rows: Sequence[Row], migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    """The migrations that the tool has applied, in the order of the files.

    Raises:
        MigrationPlanError: its history is dirty, or names a migration that has no file here.
    """
    applied, dirty = tool.read(rows)
    if dirty is not None:
        raise MigrationPlanError(
            f"the history of {tool.name} is dirty at {dirty}: a step was begun and not "
            "completed. Bring the database "
            f"into a known state and repair the history with {tool.name} itself, then adopt it"
        )
    chosen = {_match(tool, name, migrations).id for name in applied}
    if tool.newest_only and chosen:
        last = max(i for i, migration in enumerate(migrations) if migration.id in chosen)
        chosen |= {migration.id for migration in migrations[: last + 1] if not migration.repeatable}
    return tuple(migration for migration in migrations if migration.id in chosen)


def _match(tool: Tool, name: str, migrations: Sequence[Migration]) -> Migration:
    number = tuple(int(part) for part in name.split(".")) if name.replace(".", "").isdigit() else None
    for migration in migrations:
        stem = migration.id.rpartition(":")[2]
        if name in (migration.id, stem) or (number is not None and migration.version == number):
            return migration
        if tool.name == "alembic" and name in stem.replace("-", "_").split("_"):
            return migration
    raise MigrationPlanError(
        f"{tool.name} has applied {name}, and no file here has that name or number; bring "
        "the file along, or baseline"
    )
