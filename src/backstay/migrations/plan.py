"""What to run, in which order, and what speaks against it. Pure: files and history in, plan out."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from backstay.errors import MigrationPlanError

from .directives import Phase
from .files import Migration, changed_statements
from .model import Direction, Finding, Plan, Problem, State, Step
from .sources import Source

_NEW = State()


def ordered(sources: Sequence[Source]) -> tuple[Migration, ...]:
    """All migrations of all sources in the one order in which they run; repeatable ones last.

    Within a source by number, part by part as integers. Across sources by ``after``, and where that leaves a
    choice, by the order in which the sources are given. The order depends on nothing else.

    Raises:
        MigrationPlanError: one number twice in a source (two heads), one source name twice, a dependency that
            does not exist, or a circle of them.
        InvalidMigration: a file that cannot be read.
    """
    names = [source.name for source in sources]
    if twice := {name for name in names if names.count(name) > 1}:
        raise MigrationPlanError(f"two sources have the name {min(twice)!r}; give each a name of its own")
    loaded = {source.name: _in_order(source) for source in sources}
    numbered = {name: [m for m in found if not m.repeatable] for name, found in loaded.items()}
    before = _dependencies(sources, numbered)
    repeatable = [m for found in loaded.values() for m in found if m.repeatable]
    return (*_topological([m for found in numbered.values() for m in found], before), *repeatable)


def _in_order(source: Source) -> list[Migration]:
    found = sorted(source.load(), key=lambda m: (m.repeatable, m.version, m.id))
    for one, other in itertools.pairwise(found):
        if one.version == other.version and not one.repeatable and not other.repeatable:
            raise MigrationPlanError(f"two heads: {one.id} and {other.id} have the same number; renumber the newer")
    return found


def _dependencies(sources: Sequence[Source], loaded: Mapping[str, list[Migration]]) -> dict[str, set[str]]:
    everything = [m for found in loaded.values() for m in found]
    before: dict[str, set[str]] = {m.id: set() for m in everything}
    for source in sources:
        chain = loaded[source.name]
        for one, other in itertools.pairwise(chain):
            before[other.id].add(one.id)
        for needed in source.after:
            if needed not in loaded:
                raise MigrationPlanError(f"source {source.name!r} comes after {needed!r}, which is no source")
            if chain and loaded[needed]:
                before[chain[0].id].add(loaded[needed][-1].id)
    for migration in everything:
        before[migration.id] |= {find(everything, ref, by=migration).id for ref in migration.directives.after}
    return before


def find(migrations: Iterable[Migration], reference: str, *, by: Migration | None = None) -> Migration:
    """The migration that an id, or an id's beginning up to its number, stands for: ``auth:0003`` or ``0003``.

    Raises:
        MigrationPlanError: none or several fit.
    """
    source, _, rest = reference.rpartition(":")
    known = list(migrations)
    exact = [m for m in known if m.id == reference]
    fitting = exact or [m for m in known if m.source == source and _numbered(m.id, rest)]
    if len(fitting) == 1:
        return fitting[0]
    who = f"{by.id} comes after" if by else "there is no migration"
    what = f"fits {len(fitting)} migrations" if fitting else "is not among the known migrations"
    raise MigrationPlanError(f"{who} {reference!r}: that {what}")


def _numbered(identity: str, number: str) -> bool:
    stem = identity.rpartition(":")[2]
    head = stem.replace("-", "_").partition("_")[0]
    return number in (stem, head) or (head.isdigit() and number.isdigit() and int(head) == int(number))


def _topological(migrations: Sequence[Migration], before: Mapping[str, set[str]]) -> list[Migration]:
    """Kahn's algorithm over a heap: stable, so that one set of files has one order."""
    place = {migration.id: i for i, migration in enumerate(migrations)}
    waiting = {key: len(needed) for key, needed in before.items()}
    followers: dict[str, list[str]] = {}
    for key, needed in before.items():
        for one in needed:
            followers.setdefault(one, []).append(key)
    ready = [place[key] for key, count in waiting.items() if not count]
    heapq.heapify(ready)
    order: list[Migration] = []
    while ready:
        migration = migrations[heapq.heappop(ready)]
        order.append(migration)
        for key in followers.get(migration.id, ()):
            waiting[key] -= 1
            if not waiting[key]:
                heapq.heappush(ready, place[key])
    if len(order) < len(migrations):
        stuck = sorted(key for key, count in waiting.items() if count)
        raise MigrationPlanError(f"these come after each other in a circle: {', '.join(stuck[:6])}")
    return order


def plan_up(
    migrations: Sequence[Migration],
    states: Mapping[str, State],
    *,
    target: str | None = None,
    phase: Phase | None = None,
    out_of_order: bool = False,
) -> Plan:
    """Everything that is pending, up to and including `target`.

    `phase` EXPAND stops before the first CONTRACT migration. `out_of_order` lets a migration run that belongs
    before one which is already applied.
    """
    last = find(migrations, target).id if target is not None else None
    steps: list[Step] = []
    for migration in migrations:
        if phase is Phase.EXPAND and migration.directives.phase is Phase.CONTRACT:
            break
        state = states.get(migration.id, _NEW)
        if _pending(migration, state):
            steps.append(_step(migration, Direction.UP, state))
        if migration.id == last:
            break
    return Plan(steps=tuple(steps), findings=validate(migrations, states, out_of_order=out_of_order))


def _pending(migration: Migration, state: State) -> bool:
    if not state.applied or state.unfinished is Direction.UP:
        return True
    if not migration.repeatable or state.raw_checksum == migration.up.raw_checksum:
        return False
    return state.checksum != migration.up.checksum


def _step(migration: Migration, direction: Direction, state: State) -> Step:
    again = state.unfinished is direction
    return Step(
        migration=migration,
        direction=direction,
        generation=state.generation + 1 if direction is Direction.UP else state.generation,
        resumes=again,
        resume_after=state.statements_done if again else 0,
    )


def plan_down(
    migrations: Sequence[Migration],
    states: Mapping[str, State],
    *,
    target: str | None = None,
    steps: int | None = None,
    batch: bool = False,
) -> Plan:
    """What to undo, newest first: all after `target`, or the last `steps`, or what the last run applied.

    Raises:
        MigrationPlanError: one of them has no down script, or its file is gone.
    """
    applied = sorted((key for key, state in states.items() if state.applied), key=lambda key: -states[key].order)
    known = {migration.id: migration for migration in migrations}
    chosen = [key for key in applied if key not in known or not known[key].repeatable]
    if target is not None:
        place = {migration.id: i for i, migration in enumerate(migrations)}
        after = place[find(migrations, target).id]
        chosen = [key for key in chosen if key not in place or place[key] > after]
    elif batch:
        chosen = [key for key in chosen if states[key].run == states[chosen[0]].run]
    else:
        chosen = chosen[: 1 if steps is None else steps]
    return Plan(steps=tuple(_undoing(known, key, states[key]) for key in chosen))


def _undoing(known: Mapping[str, Migration], key: str, state: State) -> Step:
    if key not in known:
        raise MigrationPlanError(f"{key} is applied but its file is not here, so it cannot be undone")
    if known[key].down is None:
        raise MigrationPlanError(f"{key} has no down script; write one, or undo it by a new migration")
    return _step(known[key], Direction.DOWN, state)


def validate(
    migrations: Sequence[Migration], states: Mapping[str, State], *, out_of_order: bool = False
) -> tuple[Finding, ...]:
    """How files and history disagree, in the order of the files. See `Problem` for the names."""
    findings: list[Finding] = []
    known = {migration.id for migration in migrations}
    numbered = [m for m in migrations if not m.repeatable]
    for migration in migrations:
        state = states.get(migration.id, _NEW)
        findings += _disagreements(migration, state)
    findings += _gaps(numbered, states, allowed=out_of_order)
    newest = max((i for i, m in enumerate(numbered) if states.get(m.id, _NEW).applied), default=-1)
    everything_applied = newest == len(numbered) - 1
    latest = max((states[m.id].order for m in numbered if states.get(m.id, _NEW).applied), default=-1)
    for key, state in states.items():
        if key not in known and state.applied:
            findings.append(_unknown(key, ahead=everything_applied and state.order > latest))
    return tuple(findings)


def _disagreements(migration: Migration, state: State) -> list[Finding]:
    found: list[Finding] = []
    if state.unfinished is not None:
        found.append(_dirty(migration, state))
    if not state.applied or migration.repeatable or not state.raw_checksum:
        return found
    if state.raw_checksum == migration.up.raw_checksum:
        return found
    if state.checksum == migration.up.checksum:
        what = "only comments, white space or line ends changed since it was applied; nothing to do"
        found.append(_finding(Problem.REFORMATTED, migration.id, what, blocks=False))
    else:
        what = changed_statements(migration.up, state.digests)
        remedy = "restore the file and write a new migration, or record the change with `adopt`"
        found.append(
            _finding(Problem.CHANGED, migration.id, f"after it was applied, {what}; {remedy}", blocks=True)
        )
    return found


def _dirty(migration: Migration, state: State) -> Finding:
    script = migration.down if state.unfinished is Direction.DOWN else migration.up
    done = state.statements_done
    recorded = state.unfinished_digests.split(",")[:done]
    changed = script is None or list(script.digests[:done]) != recorded
    said = f"{state.unfinished} stopped after {done} of its statements"
    remedy = (
        "those statements changed since, so it cannot be resumed: restore the file"
        if changed
        else "the next run goes on from there"
    )
    return _finding(Problem.DIRTY, migration.id, f"{said}; {remedy}", blocks=changed)


def _gaps(numbered: Sequence[Migration], states: Mapping[str, State], *, allowed: bool) -> list[Finding]:
    """Pending migrations with an applied one of the same source behind them."""
    found: list[Finding] = []
    applied: dict[str, str] = {}
    for migration in reversed(numbered):
        state = states.get(migration.id, _NEW)
        if state.applied:
            applied.setdefault(migration.source, migration.id)
        elif newer := applied.get(migration.source):
            said = f"it is pending while the newer {newer} is applied; renumber it, or allow out_of_order"
            found.append(_finding(Problem.OUT_OF_ORDER, migration.id, said, blocks=not allowed))
    return found[::-1]


def _unknown(key: str, *, ahead: bool) -> Finding:
    if ahead:
        said = "it is applied and newer than every file here: an older build of the application runs"
        return _finding(Problem.AHEAD, key, said, blocks=False)
    return _finding(Problem.MISSING, key, "it is applied but its file is not here; restore the file", blocks=True)


def _finding(problem: Problem, migration: str, message: str, *, blocks: bool) -> Finding:
    return Finding(problem=problem, migration=migration, message=f"{migration}: {message}", blocks=blocks)


def refuse(plan: Plan, *, unless: Callable[[Finding], bool] = lambda _: False) -> None:
    """Raise MigrationPlanError with every finding that blocks."""
    if blocking := [finding for finding in plan.refusals if not unless(finding)]:
        raise MigrationPlanError("; ".join(f"[{f.problem}] {f.message}" for f in blocking))
