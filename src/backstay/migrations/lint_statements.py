"""The linter's rules for everything but ALTER TABLE: indexes, drops, bulk changes, types, locks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from .lexer import Kind, Token
from .lint_columns import column_style
from .lint_rules import Found, Known, canonical, danger, excused, source, style
from .splitting import Statement
from .statements import identifier, relation_name

Rule = Callable[[Statement, Known, str], Iterator[Found]]


def other_statement(statement: Statement, known: Known) -> Iterator[Found]:
    """Judge one statement that is no ALTER TABLE."""
    text = canonical(statement.tokens)
    if value := known.uses_new_value(statement):
        why = f"the value {value} was added by the same transaction, which cannot use it yet"
        yield danger("using-new-enum-value", why, statement.text, separate=True)
    for pattern, rule in _BY_FIRST_WORD.get(statement.words[0], ()):
        if re.match(pattern, text):
            yield from rule(statement, known, text)
    yield from _long_names(statement)


def _after(statement: Statement, word: str) -> Sequence[Token]:
    words = statement.words
    rest = statement.tokens[words.index(word) + 1 :] if word in words else ()
    return rest[1:] if rest and rest[0].upper == "ONLY" else rest


def _create_index(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    table = relation_name(_after(statement, "ON"))
    concurrently = "CONCURRENTLY" in text
    if not concurrently and not known.is_new(table):
        place = statement.words.index("INDEX") + 1
        begin = source(statement, statement.tokens[:place])
        rest = [t for t in statement.tokens[place:] if t.upper not in ("IF", "EXISTS") or t.kind is not Kind.WORD]
        rest = rest[1:] if rest and rest[0].upper == "NOT" else rest
        name = "" if rest[0].upper != "ON" else _index_name(statement) + " "
        why = "nobody can write to the table while the index is built"
        yield danger("creating-index", why, f"{begin} CONCURRENTLY {name}{source(statement, rest)}")
    if concurrently and "IF NOT EXISTS" in text:
        yield style("index-if-not-exists", "it also takes another index of that name for done")
    columns = re.search(r"\( ([^()]*) \)", text)
    if columns and columns[1].count(",") >= 3 and "UNIQUE" not in text:
        yield style("wide-index", "an index of more than three columns seldom earns its keep")


def _index_name(statement: Statement) -> str:
    rest = _after(statement, "ON")
    names = [identifier(t) for t in rest if t.kind in (Kind.WORD, Kind.QUOTED)]
    return re.sub(r"\W", "_", "_".join(names[:3]))[:58] + "_idx"


def _drop_index(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known
    if "CONCURRENTLY" not in text:
        rest = list(statement.tokens[2:])
        written = source(statement, [t for t in rest if t.upper not in ("CASCADE", "RESTRICT")])
        why = "nobody can read or write the table until all who use it now are done"
        names = re.sub(r"(?i)^IF\s+EXISTS\s+", "", written).split(",")
        guard = "IF EXISTS " if "IF EXISTS" in text else ""
        yield danger("dropping-index", why, *(f"DROP INDEX CONCURRENTLY {guard}{name.strip()}" for name in names))


def _reindex(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known
    if "CONCURRENTLY" not in text:
        words = statement.words
        at = next((i for i, w in enumerate(words) if w in ("TABLE", "INDEX", "SCHEMA", "DATABASE", "SYSTEM")), 0)
        target = source(statement, statement.tokens[at + 1 :])
        kind = "DATABASE" if words[at] == "SYSTEM" else words[at]
        why = "nobody can write to the table, or read through the index, while it is rebuilt"
        yield danger("reindexing", why, f"REINDEX {kind} CONCURRENTLY {target}")


def _drop(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    kind = statement.words[1].lower()
    rest = [t for t in statement.tokens[2:] if t.upper not in ("IF", "EXISTS")]
    if kind == "table" and known.is_new(relation_name(rest)):
        return
    del text
    why = "what the version that still runs may use is gone for good; stop using it, roll out, then drop"
    yield excused(f"dropping-{kind}", why, statement.text, why="no running version uses it")


def _truncate(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    rest = [t for t in statement.tokens[1:] if t.upper not in ("TABLE", "ONLY")]
    if known.is_new(relation_name(rest)):
        return
    rule = "truncating-cascade" if "CASCADE" in text else "truncating"
    yield excused(
        rule,
        "it empties the table, and waits for all who read it",
        statement.text,
        why="nobody needs these rows",
    )


def _bulk(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del text
    yield from _changes(statement, statement.tokens, known)


def _with(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    """What is done behind WITH, and inside of it."""
    del text
    tokens = statement.tokens
    for begin in range(1, len(tokens)):
        # Not FOR UPDATE, DO UPDATE, ON DELETE: a statement begins where a parenthesis does, or ends.
        if tokens[begin].upper in ("UPDATE", "DELETE") and tokens[begin - 1].text in ("(", ")"):
            yield from _changes(statement, tokens[begin : _end(tokens, begin)], known)


def _end(tokens: Sequence[Token], begin: int) -> int:
    """Where the parenthesis ends that holds the token."""
    depth = 0
    for at in range(begin, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at].text, 0)
        if depth < 0:
            return at
    return len(tokens)


def _changes(statement: Statement, tokens: Sequence[Token], known: Known) -> Iterator[Found]:
    """Judge an UPDATE or a DELETE, which may be a part of its statement."""
    verb = tokens[0].upper
    rest = tokens[2:] if verb == "DELETE" else tokens[1:]
    rest = rest[1:] if rest and rest[0].upper == "ONLY" else rest
    if known.is_new(relation_name(rest)) or _few(canonical(tokens).partition(" WHERE ")[2]):
        return
    why = (
        f"every row that it {verb.lower()}s stays locked until all are done; do it in batches "
        "(backstay migrate backfill)"
    )
    yield excused(f"unbatched-{verb.lower()}", why, statement.text, why="few rows match")


def _few(where: str) -> bool:
    """Whether the condition names rows by a key, or takes no more than a limit."""
    key = r'(\w*(ID|KEY|CODE|NAME|SLUG|UUID|EMAIL)|"\w*(id|key|code|name|slug|uuid|email)")'
    return bool(re.search(rf"\b{key} (= ('|\d|\$)|IN \( ('|\d|\$)|BETWEEN\b)|\bLIMIT\b", where))


def _vacuum(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known
    if re.match(r"VACUUM (\([^)]*\bFULL\b(?! (FALSE|OFF))[^)]*\)|FULL)", text):
        table = [
            t
            for t in statement.tokens[1:]
            if t.kind is not Kind.MARK and t.upper not in ("FULL", "VERBOSE", "ANALYZE", "FREEZE")
        ]
        why = "the table is rewritten while nobody can read or write"
        yield danger("vacuum-full", why, f"VACUUM (ANALYZE) {source(statement, table)}".rstrip())


def _cluster(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known, text
    why = "the table is rewritten while nobody can read or write"
    yield excused("clustering", why, statement.text, why="the table is small, or nobody uses it now")


def _lock(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known
    if not re.search(r" IN (ACCESS SHARE|ROW SHARE|ROW EXCLUSIVE) MODE", text):
        why = "everybody waits until the whole transaction is done"
        yield excused("locking-table", why, statement.text, why="it is held for moments only")


def _refresh(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    view = relation_name([t for t in statement.tokens[3:] if t.upper != "CONCURRENTLY"])
    if "CONCURRENTLY" not in text and not known.is_new(view):
        why = "nobody can read the view while it is refreshed (the other way needs a unique index on it)"
        yield danger("refreshing-view", why, f"REFRESH MATERIALIZED VIEW CONCURRENTLY {view}")


def _create_table(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del statement, known
    body = text.partition("( ")[2]
    for column in re.split(r" , (?![^()]*\))", body):
        definition = column.partition(" ")[2]
        if not re.match(r"(CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN|EXCLUDE|LIKE)\b", column):
            yield from column_style(definition)


def _domain(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known
    if text.startswith("CREATE DOMAIN") and re.search(r"\b(CHECK|NOT NULL)\b", text):
        yield style("domain-constraint", "changing a domain's constraint later reads every table that uses it")
    elif re.search(r"\bADD (CONSTRAINT|CHECK)\b", text) and "NOT VALID" not in text:
        name = re.search(r"(?i)\bADD\s+CONSTRAINT\s+(\S+)", statement.text)
        domain = relation_name(statement.tokens[2:])
        why = "every table that uses the domain is read under a lock"
        constraint = name[1] if name else "valid"
        add = statement.text if name else statement.text.replace("ADD", f"ADD CONSTRAINT {constraint}", 1)
        validate = f"ALTER DOMAIN {domain} VALIDATE CONSTRAINT {constraint}"
        yield danger("constraining-domain", why, f"{add} NOT VALID", validate, separate=True)


def _type(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known
    if re.search(r"\b(RENAME VALUE|RENAME TO|RENAME ATTRIBUTE|DROP ATTRIBUTE|ALTER ATTRIBUTE)\b", text):
        why = "the version that still runs knows only what it was"
        yield excused("changing-type", why, statement.text, why="no running version uses the old one")


def _rename(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known
    if re.search(r"\bRENAME\b", text) and not text.startswith("ALTER INDEX"):
        kind = statement.words[1].lower()
        why = "the version that still runs knows only the old name"
        yield excused(f"renaming-{kind}", why, statement.text, why="no running version uses the old name")


def _move(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known, text
    why = "it is copied while nobody can use it"
    yield excused("moving-tablespace", why, statement.text, why="it is small, or nobody uses it now")


def _control(statement: Statement, known: Known, text: str) -> Iterator[Found]:
    del known, text
    why = "the runner begins and ends transactions; a second hand tears step and history apart"
    yield danger("transaction-control", f"{statement.words[0]}: {why}", "SELECT 1")


def _long_names(statement: Statement) -> Iterator[Found]:
    for token in statement.tokens:
        if len(token.text) < 16 or token.kind not in (Kind.WORD, Kind.QUOTED):
            continue  # no character takes more than four bytes
        if len(identifier(token).encode()) > 63:
            yield style("long-name", f"{identifier(token)[:20]}… is cut after 63 bytes, silently")


_BY_FIRST_WORD: Final[dict[str, tuple[tuple[str, Rule], ...]]] = {
    "CREATE": (
        (r"CREATE (UNIQUE )?INDEX\b", _create_index),
        (r"CREATE ((GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED) )*TABLE\b", _create_table),
        (r"CREATE DOMAIN\b", _domain),
    ),
    "DROP": (
        (r"DROP INDEX\b", _drop_index),
        (r"DROP (TABLE|SCHEMA|DATABASE|SEQUENCE|TYPE|DOMAIN|OWNED|EXTENSION)\b", _drop),
    ),
    "ALTER": (
        (r"ALTER DOMAIN\b", _domain),
        (r"ALTER TYPE\b", _type),
        (r"ALTER (SCHEMA|VIEW|MATERIALIZED VIEW|SEQUENCE|FUNCTION|INDEX)\b", _rename),
        (r"ALTER (INDEX|MATERIALIZED VIEW)\b.* SET TABLESPACE\b", _move),
    ),
    "REINDEX": ((r"REINDEX\b", _reindex),),
    "TRUNCATE": ((r"TRUNCATE\b", _truncate),),
    "UPDATE": ((r"UPDATE\b", _bulk),),
    "DELETE": ((r"DELETE FROM\b", _bulk),),
    "WITH": ((r"WITH\b", _with),),
    "VACUUM": ((r"VACUUM\b", _vacuum),),
    "CLUSTER": ((r"CLUSTER\b", _cluster),),
    "LOCK": ((r"LOCK\b", _lock),),
    "REFRESH": ((r"REFRESH MATERIALIZED VIEW\b", _refresh),),
    **{
        word: ((rf"{word}\b(?! TO\b)", _control),)
        for word in ("BEGIN", "START", "COMMIT", "ROLLBACK", "END", "ABORT")
    },
}
