# ruff: noqa: E501 - tables of SQL, one case a line
"""The rules of Squawk (2.70) and of strong_migrations (2.x), each with a statement that breaks it and what we say.

A rule that asks for something which the runner does by itself, or which we hold to be no danger, is listed with
the reason.
"""

from __future__ import annotations

import pytest

from backstay.errors import InvalidMigration
from backstay.migrations.lint import Level, lint

SQUAWK = {
    "adding-field-with-default": ("ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid()", "adding-column-with-volatile-default"),
    "adding-foreign-key-constraint": ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o (id)", "adding-foreign-key"),
    "adding-not-nullable-field": ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "setting-not-null"),
    "adding-required-field": ("ALTER TABLE t ADD COLUMN c text NOT NULL", "adding-required-column"),
    "adding-serial-primary-key-field": ("ALTER TABLE t ADD PRIMARY KEY (a)", "adding-primary-key"),
    "ban-alter-domain-with-add-constraint": ("ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0)", "constraining-domain"),
    "ban-alter-generated-expression": ("ALTER TABLE t ALTER COLUMN a SET EXPRESSION AS (b + 1)", "rewriting-table"),
    "ban-char-field": ("CREATE TABLE n (id bigint, c char(4))", "char-column"),
    "ban-create-domain-with-constraint": ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", "domain-constraint"),
    "ban-drop-column": ("ALTER TABLE t DROP COLUMN a", "dropping-column"),
    "ban-drop-database": ("DROP DATABASE d", "dropping-database"),
    "ban-drop-domain": ("DROP DOMAIN d", "dropping-domain"),
    "ban-drop-extension": ("DROP EXTENSION e", "dropping-extension"),
    "ban-drop-not-null": ("ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "dropping-not-null"),
    "ban-drop-schema": ("DROP SCHEMA s", "dropping-schema"),
    "ban-drop-sequence": ("DROP SEQUENCE s", "dropping-sequence"),
    "ban-drop-table": ("DROP TABLE t", "dropping-table"),
    "ban-drop-type": ("DROP TYPE e", "dropping-type"),
    "ban-set-schema": ("ALTER TABLE t SET SCHEMA s", "moving-table"),
    "ban-truncate-cascade": ("TRUNCATE t CASCADE", "truncating-cascade"),
    "changing-column-type": ("ALTER TABLE t ALTER COLUMN a TYPE bigint", "changing-column-type"),
    "constraint-missing-not-valid": ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "adding-check-constraint"),
    "disallowed-unique-constraint": ("ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)", "adding-unique-constraint"),
    "identifier-too-long": (f"CREATE TABLE {'x' * 64} (id bigint)", "long-name"),
    "prefer-bigint-over-int": ("CREATE TABLE n (id int PRIMARY KEY)", "small-key"),
    "prefer-bigint-over-smallint": ("CREATE TABLE n (id smallint PRIMARY KEY)", "small-key"),
    "prefer-identity": ("CREATE TABLE n (id bigserial PRIMARY KEY)", "serial-column"),
    "prefer-repack": ("VACUUM FULL t", "vacuum-full"),
    "prefer-text-field": ("CREATE TABLE n (c varchar(40))", "varchar-limit"),
    "prefer-timestamp-tz": ("CREATE TABLE n (at timestamp)", "timestamp-without-zone"),
    "renaming-column": ("ALTER TABLE t RENAME COLUMN a TO z", "renaming-column"),
    "renaming-object": ("ALTER VIEW v RENAME TO w", "renaming-view"),
    "renaming-table": ("ALTER TABLE t RENAME TO z", "renaming-table"),
    "require-concurrent-index-creation": ("CREATE INDEX i ON t (a)", "creating-index"),
    "require-concurrent-index-deletion": ("DROP INDEX i", "dropping-index"),
    "require-concurrent-partition-detach": ("ALTER TABLE p DETACH PARTITION p1", "detaching-partition"),
    "require-concurrent-reindex": ("REINDEX TABLE t", "reindexing"),
}  # fmt: skip
SQUAWK_REFUSED = {
    # The whole file is refused before anything is judged: the runner begins and ends transactions.
    "ban-uncommitted-transaction": "BEGIN; SELECT 1",
    "transaction-nesting": "BEGIN; SELECT 1; COMMIT",
}
SQUAWK_BY_OTHER_MEANS = {
    "ban-concurrent-index-creation-in-transaction": "seen by itself: such a file runs statement by statement",
    "prefer-robust-stmts": "IF EXISTS is what other runners need to be run again; here a step is a transaction, or resumed",
    "require-timeout-settings": "the runner sets lock_timeout for each step",
    "require-lock-timeout": "the same",
    "require-statement-timeout": "a statement that stands in nobody's way may take its time; a file can set one",
}
# Opt-in in Squawk too: they forbid kinds of statements that lock for a moment and break nothing by themselves.
SQUAWK_OPT_IN = {
    "ban-alter-identity", "ban-disable-trigger", "ban-drop-constraint", "ban-drop-default", "ban-drop-function",
    "ban-drop-generated-expression", "ban-drop-index", "ban-drop-policy", "ban-drop-trigger", "ban-drop-view",
    "ban-duplicate-column-assignments", "ban-replace-view-function", "ban-replica-identity", "ban-revoke", "ban-set-default",
    "require-enum-value-ordering", "require-table-schema",
}  # fmt: skip
STRONG_MIGRATIONS = {
    "removing a column": ("ALTER TABLE t DROP COLUMN a", "dropping-column"),
    "changing the type of a column": ("ALTER TABLE t ALTER a TYPE bigint", "changing-column-type"),
    "renaming a column": ("ALTER TABLE t RENAME a TO z", "renaming-column"),
    "renaming a table": ("ALTER TABLE t RENAME TO z", "renaming-table"),
    "creating a table with the force option": ("DROP TABLE IF EXISTS t CASCADE; CREATE TABLE t (id bigint)", "dropping-table"),
    "adding an auto-incrementing column": ("ALTER TABLE t ADD COLUMN c bigserial", "adding-serial-column"),
    "adding a stored generated column": ("ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (a + 1) STORED", "adding-generated-column"),
    "adding a check constraint": ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "adding-check-constraint"),
    "backfilling data": ("UPDATE t SET a = 1", "unbatched-update"),
    "adding an index non-concurrently": ("CREATE INDEX ON t (a)", "creating-index"),
    "adding a reference": ("ALTER TABLE t ADD COLUMN c bigint REFERENCES o (id)", "adding-foreign-key"),
    "adding a foreign key": ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o (id)", "adding-foreign-key"),
    "adding a unique constraint": ("ALTER TABLE t ADD UNIQUE (a)", "adding-unique-constraint"),
    "adding an exclusion constraint": ("ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING gist (r WITH &&)", "adding-exclusion"),
    "adding a json column": ("ALTER TABLE t ADD COLUMN c json", "json-column"),
    "setting NOT NULL on an existing column": ("ALTER TABLE t ALTER a SET NOT NULL", "setting-not-null"),
    "adding a column with a volatile default value": ("ALTER TABLE t ADD COLUMN c float DEFAULT random()", "adding-column-with-volatile-default"),
    "renaming a schema": ("ALTER SCHEMA s RENAME TO z", "renaming-schema"),
    "removing an index non-concurrently": ("DROP INDEX i", "dropping-index"),
    "keeping non-unique indexes to three columns or less": ("CREATE INDEX CONCURRENTLY i ON t (a, b, c, d)", "wide-index"),
    "validating a constraint under the lock that added it": (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c", "validating-under-lock"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "rule"), [*SQUAWK.values(), *STRONG_MIGRATIONS.values()], ids=[*SQUAWK, *STRONG_MIGRATIONS]
)
def test_what_others_find_is_found(sql, rule):
    verdicts = {verdict.rule: verdict for verdict in lint(sql)}
    assert rule in verdicts
    assert bool(verdicts[rule].rewrite) is (verdicts[rule].level is Level.DANGER)


@pytest.mark.parametrize("sql", SQUAWK_REFUSED.values(), ids=SQUAWK_REFUSED)
def test_what_cannot_be_a_migration_is_refused(sql):
    with pytest.raises(InvalidMigration, match="out of the runner's hands"):
        lint(sql)


def test_every_rule_is_listed_once():
    tables = [SQUAWK, SQUAWK_REFUSED, SQUAWK_BY_OTHER_MEANS, SQUAWK_OPT_IN]
    rules = [rule for table in tables for rule in table]
    assert len(rules) == len(set(rules)) == 61
