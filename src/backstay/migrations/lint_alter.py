# ruff: noqa: ARG002, S608 - every rule has one signature; names are quoted, and nothing is run
"""The linter's rules for ALTER TABLE, one per kind of action."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from .lexer import Token
from .lint_columns import check_in, column_style, default_in, type_in, volatile_default
from .lint_rules import Found, Known, canonical, danger, excused, source, table_tokens
from .quoting import quoted
from .splitting import Statement
from .statements import identifier, relation_name


def alter_table(statement: Statement, known: Known) -> Iterator[Found]:
    """Judge every action of one ALTER TABLE."""
    tokens = table_tokens(statement)
    table = relation_name(tokens)
    if known.is_new(table):
        return
    length = 2 * table.count('"."') + 1
    for action in _actions(tokens[length:]):
        yield from _Action(statement, table, action, known).judge()


def _actions(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    depth, begin = 0, 0
    for i, token in enumerate(tokens):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            yield tokens[begin:i]
            begin = i + 1
    if tokens[begin:]:
        yield tokens[begin:]


class _Action:
    def __init__(self, statement: Statement, table: str, tokens: Sequence[Token], known: Known) -> None:
        self.statement = statement
        self.table = table
        self.tokens = tokens
        self.known = known
        self.text = canonical(tokens)
        self.bare = table.rpartition(".")[2].strip('"')

    def judge(self) -> Iterator[Found]:
        for pattern, rule in _BY_PATTERN:
            if match := re.match(pattern, self.text):
                yield from rule(self, match)
                return

    def alone(self, action: str) -> str:
        return f"ALTER TABLE {self.table} {action}"

    def written(self, first: int = 0, last: int | None = None) -> str:
        return source(self.statement, self.tokens[first:last])

    # Columns -----------------------------------------------------------------------------------------------

    def add_column(self, match: re.Match[str]) -> Iterator[Found]:
        start = match[0].count(" ")
        column = quoted(identifier(self.tokens[start]))
        definition = canonical(self.tokens[start + 1 :])
        kind = type_in(self.statement, self.tokens[start + 1 :])
        yield from column_style(definition)
        if re.match(r"(SMALL|BIG)?SERIAL", definition) or re.search(r"GENERATED .*AS IDENTITY", definition):
            integer = kind if "IDENTITY" in definition else "bigint"
            yield self._nullable_first(
                "adding-serial-column", "numbering every row rewrites the table", column, integer
            )
        elif re.search(r"GENERATED ALWAYS AS \(.*\) STORED", definition):
            yield self._nullable_first("adding-generated-column", "computing it rewrites the table", column, kind)
        elif volatile := volatile_default(self.tokens[start + 1 :]):
            why = f"{volatile}() differs from row to row, so the table is rewritten"
            default = default_in(self.statement, self.tokens[start + 1 :])
            yield self._nullable_first("adding-column-with-volatile-default", why, column, kind, default=default)
        elif "NOT NULL" in definition and "DEFAULT" not in definition:
            why = "it fails as soon as there is a row, and breaks every writer that does not know the column"
            yield self._nullable_first("adding-required-column", why, column, kind)
        elif re.match(r"JSON\b", definition):
            why = "json has no equality, so DISTINCT and GROUP BY over the table fail"
            yield danger("json-column", why, self.alone(f"ADD COLUMN {column} jsonb"))
        yield from self._column_constraints(definition, column, kind)

    def _column_constraints(self, definition: str, column: str, kind: str) -> Iterator[Found]:
        name = column.strip('"')
        add = self.alone(f"ADD COLUMN {column} {kind}")
        if "PRIMARY KEY" in definition or re.search(r"\bUNIQUE\b", definition):
            index = quoted(f"{self.bare}_{name}_key")
            build = f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {self.table} ({column})"
            use = self.alone(f"ADD CONSTRAINT {index} UNIQUE USING INDEX {index}")
            yield danger(
                "adding-unique-column",
                "building its index blocks readers and writers",
                add,
                build,
                use,
                separate=True,
            )
        if check := check_in(self.statement, self.tokens):
            constraint = quoted(check.name or f"{self.bare}_{name}_check")
            why = "every row is read while nobody else can read or write; add it NOT VALID, then validate"
            add = self.alone(check.rest)
            constrain = self.alone(f"ADD CONSTRAINT {constraint} {check.text} NOT VALID")
            validate = self.alone(f"VALIDATE CONSTRAINT {constraint}")
            yield danger("adding-check-constraint", why, add, constrain, validate, separate=True)
        if reference := re.search(r"REFERENCES (.*)", canonical_source(self.tokens)):
            key = quoted(f"{self.bare}_{name}_fkey")
            target = re.split(r" (?i:DEFAULT|NOT NULL|UNIQUE|CHECK|CONSTRAINT)\b", reference[1])[0]
            constrain = self.alone(f"ADD CONSTRAINT {key} FOREIGN KEY ({column}) REFERENCES {target} NOT VALID")
            validate = self.alone(f"VALIDATE CONSTRAINT {key}")
            why = "both tables are locked against writers while it is checked"
            yield danger("adding-foreign-key", why, add, constrain, validate, separate=True)

    def _nullable_first(self, rule: str, why: str, column: str, kind: str, *, default: str = "") -> Found:
        steps = [self.alone(f"ADD COLUMN {column} {kind}")]
        if default:
            steps.append(self.alone(f"ALTER COLUMN {column} SET DEFAULT {default}"))
        message = f"{why}; add it nullable, fill it in batches (a backfill), then demand it"
        return danger(rule, message, *steps, separate=bool(default))

    def set_not_null(self, match: re.Match[str]) -> Iterator[Found]:
        column = identifier(self.tokens[match[0].count(" ") - 3])
        if not self.known.is_checked(self.table, column):
            check = quoted(f"{self.bare}_{column}_not_null")
            why = "every row is read while nobody else can read or write; check first, without the lock"
            yield danger("setting-not-null", why, *_not_null(self.table, quoted(column), check), separate=True)

    def change_type(self, match: re.Match[str]) -> Iterator[Found]:
        column = identifier(self.tokens[2 if self.tokens[1].upper == "COLUMN" else 1])
        at = [token.upper for token in self.tokens].index("TYPE")
        kind = re.split(r"\s+(?i:USING|COLLATE)\b", self.written(at + 1))[0]
        new = quoted(f"{column}_new")
        why = "the table is rewritten unless the types are stored alike, and readers that cached a plan break; "
        yield danger(
            "changing-column-type",
            why + "add a column beside it, fill it in batches, and switch over",
            self.alone(f"ADD COLUMN {new} {kind}"),
        )

    def drop_column(self, match: re.Match[str]) -> Iterator[Found]:
        why = "the version that still runs may read it, and its data is gone; stop using it, roll out, then drop"
        yield excused("dropping-column", why, self.alone(self.written()), why="no running version uses it")

    def rename(self, match: re.Match[str]) -> Iterator[Found]:
        if match[0] == "RENAME TO":
            new = self.written(2)
            why = "the version that still runs knows only the old name; rename and leave a view under it"
            schema = self.table.rpartition(".")[0]
            renamed = f"{schema}.{new}" if schema else new
            yield danger("renaming-table", why, f"CREATE VIEW {renamed} AS SELECT * FROM {self.table}")
        elif not self.text.startswith("RENAME CONSTRAINT"):
            tokens = [t for t in self.tokens[1:] if t.upper != "COLUMN"]
            old, new = quoted(identifier(tokens[0])), quoted(identifier(tokens[2]))
            view = quoted(f"{self.bare}_renamed")
            why = "the version that still runs knows only the old name; serve the new one beside it"
            yield danger(
                "renaming-column", why, f"CREATE VIEW {view} AS SELECT *, {old} AS {new} FROM {self.table}"
            )

    def drop_not_null(self, match: re.Match[str]) -> Iterator[Found]:
        why = "the version that still runs may not expect NULL here"
        yield excused("dropping-not-null", why, self.alone(self.written()), why="every reader copes with NULL")

    # Constraints -------------------------------------------------------------------------------------------

    def add_constraint(self, match: re.Match[str]) -> Iterator[Found]:
        named = self.text.startswith("ADD CONSTRAINT")
        body = canonical(self.tokens[3 if named else 1 :])
        text = self.written(3 if named else 1)
        name = quoted(identifier(self.tokens[2])) if named else ""
        if body.startswith(("FOREIGN KEY", "CHECK")) and "NOT VALID" not in body.rpartition(")")[2]:
            kind = "foreign-key" if body.startswith("FOREIGN") else "check-constraint"
            name = name or quoted(f"{self.bare}_{'fkey' if kind == 'foreign-key' else 'check'}")
            why = (
                "every row is read under a lock that stops writers; add it NOT VALID, then "
                "validate without the lock"
            )
            add = self.alone(f"ADD CONSTRAINT {name} {text} NOT VALID")
            yield danger(f"adding-{kind}", why, add, self.alone(f"VALIDATE CONSTRAINT {name}"), separate=True)
        elif body.startswith(("UNIQUE", "PRIMARY KEY")) and "USING INDEX" not in body:
            yield self._unique(body, text, name)
        elif body.startswith("EXCLUDE"):
            why = "its index is built while nobody can read or write, and cannot be built concurrently"
            yield excused("adding-exclusion", why, self.alone(self.written()), why="the table is small")

    def _unique(self, body: str, text: str, name: str) -> Found:
        primary = body.startswith("PRIMARY")
        name = name or quoted(f"{self.bare}_{'pkey' if primary else 'key'}")
        columns = text[text.index("(") : text.index(")") + 1]
        build = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {self.table} {columns}"
        use = self.alone(f"ADD CONSTRAINT {name} {'PRIMARY KEY' if primary else 'UNIQUE'} USING INDEX {name}")
        steps = [build, use]
        if primary:
            # A primary key on nullable columns reads the whole table for NULLs: check them before.
            for column in (part.strip() for part in columns.strip("()").split(",")):
                check = quoted(f"{self.bare}_{column.strip(chr(34))}_not_null")
                steps[0:0] = _not_null(self.table, column, check)
        rule = "adding-primary-key" if primary else "adding-unique-constraint"
        return danger(rule, "building its index blocks readers and writers", *steps, separate=True)

    def validate(self, match: re.Match[str]) -> Iterator[Found]:
        if not self.known.separate and self.known.locked(self.table):
            why = "the lock of the statement before is held while every row is read; give each its own transaction"
            yield danger("validating-under-lock", why, self.alone(self.written()), separate=True)

    # The rest ----------------------------------------------------------------------------------------------

    def detach(self, match: re.Match[str]) -> Iterator[Found]:
        if not self.text.endswith(("CONCURRENTLY", "FINALIZE")):
            why = "the whole partitioned table is locked against everybody"
            yield danger("detaching-partition", why, self.alone(f"{self.written()} CONCURRENTLY"))

    def attach(self, match: re.Match[str]) -> Iterator[Found]:
        why = "without a CHECK that implies the bounds the partition is read whole under a lock"
        yield excused(
            "attaching-partition", why, self.alone(self.written()), why="a validated CHECK implies its bounds"
        )

    def rewrites(self, match: re.Match[str]) -> Iterator[Found]:
        why = "the table is rewritten or moved while nobody can read or write"
        yield excused(
            "rewriting-table",
            why,
            self.alone(self.written()),
            why="the table is small, or nobody uses it now",
        )

    def set_schema(self, match: re.Match[str]) -> Iterator[Found]:
        why = "the version that still runs looks for it in the old schema; leave a view there"
        moved = f"{self.written(2)}.{quoted(self.bare)}"
        yield danger("moving-table", why, f"CREATE VIEW {moved} AS SELECT * FROM {self.table}")


def _not_null(table: str, column: str, check: str) -> tuple[str, ...]:
    return (
        f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}",
        f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL",
        f"ALTER TABLE {table} DROP CONSTRAINT {check}",
    )


def canonical_source(tokens: Sequence[Token]) -> str:
    """As `canonical`, but names keep their case; only REFERENCES is found by its upper case."""
    return " ".join("REFERENCES" if token.upper == "REFERENCES" else token.text for token in tokens)


_BY_PATTERN: Final = (
    (r"ADD (CONSTRAINT|FOREIGN KEY|CHECK|UNIQUE|PRIMARY KEY|EXCLUDE)\b", _Action.add_constraint),
    (r"ADD (COLUMN )?(IF NOT EXISTS )?", _Action.add_column),
    (r"ALTER (COLUMN )?\S+ SET NOT NULL", _Action.set_not_null),
    (r"ALTER (COLUMN )?\S+ (SET DATA )?TYPE\b", _Action.change_type),
    (r"ALTER (COLUMN )?\S+ DROP NOT NULL", _Action.drop_not_null),
    (r"DROP (?!CONSTRAINT)", _Action.drop_column),
    (r"RENAME TO", _Action.rename),
    (r"RENAME\b", _Action.rename),
    (r"ALTER (COLUMN )?\S+ SET EXPRESSION\b", _Action.rewrites),
    (r"VALIDATE CONSTRAINT", _Action.validate),
    (r"DETACH PARTITION", _Action.detach),
    (r"ATTACH PARTITION", _Action.attach),
    (r"SET (LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD|WITHOUT)\b", _Action.rewrites),
    (r"SET SCHEMA", _Action.set_schema),
)
