"""Others in the way of `ensure`: who holds what, what is left half done, and what roles and servers forbid."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest

from backstay.errors import IndexBuildFailed, IndexBuildTimeout, IndexServerUnavailable
from backstay.events import Emitter, Event
from backstay.indexes import Action, EnsureOptions, Gate, Index, PostgresIndexPlanner, Status
from backstay.indexes.events import IndexBuildWaiting
from backstay.indexes.postgres.blockers import LOCK_CLASS
from backstay.indexes.postgres.partitions import part_name

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

BY_A = Index("t", "a", name="t_a")
QUICK = EnsureOptions(lock_timeout=0.3, retries=0, strict=False)


@dataclass
class Place:
    url: str
    connection: asyncpg.Connection
    events: list[Event] = field(default_factory=list)
    others: list[asyncpg.Connection] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)

    @property
    def planner(self) -> PostgresIndexPlanner:
        return PostgresIndexPlanner.from_dsn(self.url, emitter=Emitter([self.events.append]))

    async def other(self, *statements: str, **settings: str) -> asyncpg.Connection:
        connection = await asyncpg.connect(self.url, server_settings=settings)
        self.others.append(connection)
        for statement in statements:
            await connection.execute(statement)
        return connection

    async def role(self, *settings: str) -> PostgresIndexPlanner:
        """A planner of a role that owns the table and has these settings of its own."""
        name = f"owner_{uuid.uuid4().hex[:8]}"
        self.roles.append(name)
        await self.connection.execute(f"create role {name} login; grant all on schema public to {name}")
        await self.connection.execute(f"alter table t owner to {name}")
        for setting in settings:
            await self.connection.execute(f"alter role {name} set {setting}")
        dsn = f"postgresql://{name}@{self.url.rpartition('@')[2]}"
        return PostgresIndexPlanner.from_dsn(dsn, emitter=Emitter([self.events.append]))

    async def fails_unique(self, name: str, keys: str = "a") -> None:
        with pytest.raises(asyncpg.UniqueViolationError):
            await self.connection.execute(f"create unique index concurrently {name} on t ({keys})")

    def once_waited(self, times: int, work: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        """Do something when builds have waited that often from now on: all but the last have given up."""
        before = len(self.events)

        async def run() -> None:
            async with asyncio.timeout(20):
                while sum(isinstance(e, IndexBuildWaiting) for e in self.events[before:]) < times:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await work()

        return asyncio.create_task(run())

    async def begun(self, name: str) -> None:
        """Wait until a build has made its index, as yet invalid."""
        async with asyncio.timeout(20):
            while name not in await self.indexes():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)

    async def indexes(self, table: str = "t") -> dict[str, bool]:
        """The names of a table's indexes and whether they are valid."""
        rows = await self.connection.fetch(
            "select relname, indisvalid from pg_index join pg_class c on c.oid = indexrelid "
            "where indrelid = to_regclass($1) order by 1",
            table,
        )
        return {row["relname"]: row["indisvalid"] for row in rows}


@asynccontextmanager
async def _place(url: str) -> AsyncIterator[Place]:
    connection = await asyncpg.connect(url)
    await connection.execute("create table t (a int, b int); insert into t values (1, 1), (1, 2)")
    place = Place(url, connection)
    try:
        yield place
    finally:
        for opened in (*place.others, connection):
            opened.terminate()
        admin = await asyncpg.connect(url)
        for role in place.roles:
            await admin.execute(f"drop owned by {role} cascade; drop role {role}")
        await admin.close()


# -- who is in the way ---------------------------------------------------------------------------------------


async def test_a_leftover_that_an_open_transaction_has_written_is_no_build_in_progress(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.fails_unique("t_a")
        writer = await place.other("begin; update t set b = b + 1")
        assert (await place.planner.diff([BY_A])).comparisons[0].status is Status.INVALID
        (outcome,) = (await place.planner.ensure([BY_A], options=QUICK)).outcomes
        assert f"pid {writer.get_server_pid()} " in outcome.reason
        # And it is outlasted, as a build would outlast it.
        release = place.once_waited(2, lambda: writer.execute("rollback"))
        report = await place.planner.ensure([BY_A], options=EnsureOptions(lock_timeout=0.3))
        assert [outcome.action for outcome in report.outcomes] == [Action.REBUILT]
        await release


async def test_a_build_of_a_role_whose_progress_is_hidden_is_awaited(database_url: str) -> None:
    async with _place(database_url) as place:
        planner = await place.role()
        writer, builder = await place.other("begin; update t set b = b + 1"), await place.other()
        build = asyncio.create_task(builder.execute("create index concurrently by_hand on t (a)"))
        await place.begun("by_hand")
        assert (await planner.diff([BY_A])).comparisons[0].status is Status.IN_PROGRESS
        release = place.once_waited(1, lambda: writer.execute("rollback"))
        report = await planner.ensure([BY_A])
        assert [outcome.action for outcome in report.outcomes] == [Action.AWAITED]
        await build
        await release
        assert await place.indexes() == {"by_hand": True}


async def test_who_has_the_turn_is_told(database_url: str) -> None:
    async with _place(database_url) as place:
        oid = await place.connection.fetchval("select 't'::regclass::oid::int")
        holder = await place.other(f"select pg_advisory_lock({LOCK_CLASS}, {oid})", application_name="stuck")
        with pytest.raises(IndexBuildTimeout, match=f"pid {holder.get_server_pid()} of postgres, stuck, .*turn"):
            await place.planner.ensure([BY_A], options=EnsureOptions(deadline=1.6))
        waiting = [event for event in place.events if isinstance(event, IndexBuildWaiting)]
        assert [event.pids for event in waiting] == [(holder.get_server_pid(),)]


async def test_a_table_that_is_locked_from_reading_is_waited_for(database_url: str) -> None:
    async with _place(database_url) as place:
        migration = await place.other("begin; lock table t", application_name="migration")
        (outcome,) = (await place.planner.ensure([BY_A], options=QUICK)).outcomes
        assert outcome.action is Action.FAILED
        assert [blocker.application for blocker in outcome.blockers] == ["migration"]
        with pytest.raises(IndexBuildTimeout, match="migration"):
            await place.planner.ensure([BY_A], options=EnsureOptions(deadline=0.5))
        release = place.once_waited(2, lambda: migration.execute("rollback"))
        assert (await place.planner.ensure([BY_A], options=EnsureOptions(lock_timeout=0.3))).changed
        await release


async def test_a_prepared_transaction_is_named(database_url: str) -> None:
    async with _place(database_url) as place:
        if not int(await place.connection.fetchval("show max_prepared_transactions")):
            pytest.skip("max_prepared_transactions is 0 on this server")
        gid = f"forgotten_{uuid.uuid4().hex[:8]}"
        await place.connection.execute(f"begin; update t set b = 7; prepare transaction '{gid}'")
        try:
            (outcome,) = (await place.planner.ensure([BY_A], options=QUICK)).outcomes
            assert f"prepared transaction '{gid}'" in outcome.reason
        finally:
            await place.connection.execute(f"rollback prepared '{gid}'")
        assert (await place.planner.ensure([BY_A])).outcomes[0].action is Action.REBUILT


async def test_to_want_nothing_is_to_do_nothing(database_url: str) -> None:
    async with _place(database_url) as place:
        assert (await place.planner.ensure([], options=EnsureOptions(prune=True))).outcomes == ()


# -- what is left half done ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_replacement_that_was_killed_is_taken_up(database_url: str, dropped: bool) -> None:
    async with _place(database_url) as place:
        await place.connection.execute("create index t_a on t (b); create index backstay_swap_1 on t (a)")
        if dropped:
            await place.connection.execute("drop index t_a")
        else:  # the old one is valid: it goes if that is still wanted
            assert not (await place.planner.ensure([BY_A])).changed
        report = await place.planner.ensure([BY_A], options=EnsureOptions(replace=not dropped))
        assert [outcome.action for outcome in report.outcomes] == [Action.REPLACED]
        assert await place.indexes() == {"t_a": True}
        assert not (await place.planner.ensure([BY_A])).changed


async def test_a_replacement_that_could_not_drop_the_old_one_is_finished_by_the_next_run(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute("create index t_a on t (b)")
        reader = await place.other("begin; select from t")
        options = EnsureOptions(replace=True, lock_timeout=0.3, retries=0, strict=False)
        (outcome,) = (await place.planner.ensure([BY_A], options=options)).outcomes
        assert f"pid {reader.get_server_pid()} " in outcome.reason
        await reader.execute("rollback")
        assert (await place.planner.ensure([BY_A])).outcomes[0].action is Action.REPLACED
        assert await place.indexes() == {"t_a": True}


async def test_two_leftovers_of_one_definition_are_both_mended(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.fails_unique("one")
        await place.fails_unique("two")
        await place.connection.execute("update t set a = b")
        report = await place.planner.ensure([Index("t", "a", unique=True, name="three")])
        assert [outcome.action for outcome in report.outcomes] == [Action.REBUILT]
        assert await place.indexes() == {"three": True}


async def test_the_leftover_of_another_table_is_not_ours_to_drop(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.fails_unique("taken")
        await place.connection.execute("create table other (a int)")
        with pytest.raises(IndexBuildFailed, match='"taken" already exists, but not as an index of other'):
            await place.planner.ensure([Index("other", "a", name="taken")])
        assert await place.indexes() == {"taken": False}


async def test_a_lost_connection_says_what_was_being_built(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.other("begin; update t set b = b + 1")
        task = asyncio.create_task(place.planner.ensure([BY_A]))
        await place.begun("t_a")
        await place.connection.execute("select pg_terminate_backend(pid) from pg_stat_progress_create_index")
        with pytest.raises(IndexServerUnavailable, match=r"t_a was built on t: .*administrator.*next run"):
            await task


async def test_a_table_dropped_meanwhile_does_not_keep_the_others_from_theirs(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute("create table other (a int)")
        oid = await place.connection.fetchval("select 't'::regclass::oid::int")
        holder = await place.other(f"select pg_advisory_lock({LOCK_CLASS}, {oid})")
        wanted = [BY_A, Index("other", "a", name="other_a")]
        task = asyncio.create_task(place.planner.ensure(wanted, options=EnsureOptions(strict=False)))
        async with asyncio.timeout(20):
            while not place.events:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        await place.connection.execute("drop table t")
        await holder.close()
        report = await task
        assert [outcome.action for outcome in report.outcomes] == [Action.FAILED, Action.CREATED]
        assert "does not exist" in report.outcomes[0].reason


# -- dropping ------------------------------------------------------------------------------------------------


async def test_nothing_is_pruned_before_what_is_wanted_stands(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute("create index old on t (a)")
        unique = Index("t", "a", unique=True, name="new")
        report = await place.planner.ensure([unique], options=EnsureOptions(prune=True, strict=False))
        assert [outcome.action for outcome in report.outcomes] == [Action.FAILED, Action.DEFERRED]
        assert report.outcomes[1].reason == "not dropped before new stands"
        assert "having count(*) > 1" in report.outcomes[0].reason  # how to find the rows, and not what is in them
        assert "(1)" not in report.outcomes[0].reason
        gate = Gate(max_active_sessions=-1)
        report = await place.planner.ensure([Index("t", "b")], options=EnsureOptions(prune=True, gate=gate))
        assert [outcome.action for outcome in report.outcomes] == [Action.DEFERRED, Action.DEFERRED]
        assert await place.indexes() == {"old": True}


async def test_the_deadline_may_pass_while_something_is_dropped(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute("create index t_a on t (a); create index old on t (b)")
        reader = await place.other("begin; select from t")
        options = EnsureOptions(prune=True, deadline=0.6)
        with pytest.raises(IndexBuildTimeout, match=f"before old was dropped; .*pid {reader.get_server_pid()} "):
            await place.planner.ensure([BY_A], options=options)
        await reader.execute("rollback")
        await place.planner.ensure([BY_A], options=options)
        assert await place.indexes() == {"t_a": True}


async def test_workers_who_prune_at_once_drop_each_index_once(database_url: str) -> None:
    async with _place(database_url) as place:
        for number in range(5):
            await place.connection.execute(f"create index old_{number} on t (b) where a > {number}")
        options = EnsureOptions(prune=True)
        reports = await asyncio.gather(*[place.planner.ensure([BY_A], options=options) for _ in range(8)])
        dropped = [outcome.index for report in reports for outcome in report.of(Action.DROPPED)]
        assert sorted(dropped) == [f"old_{number}" for number in range(5)]
        assert await place.indexes() == {"t_a": True}


async def test_indexes_may_be_dropped_while_the_catalogue_is_read(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute("create index t_a on t (a)")
        dropper, done = await place.other(), asyncio.Event()

        async def drop() -> None:
            while not done.is_set():
                for sql in ("create index i{0} on t (b)", "drop index i{0}"):
                    await dropper.execute(";".join(sql.format(number) for number in range(20)))

        dropping = asyncio.create_task(drop())
        for _ in range(20):
            assert "t_a" in {index.name for index in await place.planner.indexes()}
            assert (await place.planner.diff([BY_A])).clean
        done.set()
        await dropping


async def test_a_bare_name_drops_no_index_of_another_schema(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute(
            "create schema one; create table one.t (a int); create schema two; create table two.t (a int);"
            "create index same on t (a); create index same on one.t (a); create index same on two.t (a)"
        )
        assert await place.planner.drop(["same"]) == ("CREATE INDEX same ON public.t USING btree (a)",)
        assert await place.indexes("one.t") == await place.indexes("two.t") == {"same": True}
        with pytest.raises(IndexBuildFailed, match=r'"one"."same", "two"."same"; name its schema'):
            await place.planner.drop(["same"])
        await place.planner.drop([Index("t", "a", schema="one", name="same").qualified_name])
        await place.planner.drop(["same"])
        assert await place.indexes("one.t") == await place.indexes("two.t") == {}


# -- what roles and servers forbid ---------------------------------------------------------------------------


async def test_timeouts_of_the_role_end_no_build_and_are_there_again_afterwards(database_url: str) -> None:
    async with _place(database_url) as place:
        planner = await place.role(
            "statement_timeout = '200ms'", "lock_timeout = '50ms'", "idle_in_transaction_session_timeout = '200ms'"
        )
        if place.connection.get_server_version().major >= 14:
            await place.connection.execute(f"alter role {place.roles[0]} set idle_session_timeout = '200ms'")
        writer = await place.other("begin; update t set b = b + 1")
        release = place.once_waited(3, lambda: writer.execute("rollback"))
        assert (await planner.ensure([BY_A], options=EnsureOptions(lock_timeout=0.2))).ok
        await release
        pool = await asyncpg.create_pool(
            f"postgresql://{place.roles[0]}@{place.url.rpartition('@')[2]}", min_size=1, max_size=1, reset=_nothing
        )
        await PostgresIndexPlanner.from_pool(pool).ensure([Index("t", "b")])
        assert await pool.fetchval("show statement_timeout") == "200ms"
        assert await pool.fetchval("show lock_timeout") == "50ms"
        await pool.close()


async def _nothing(_: object) -> None:
    pass


async def test_what_may_not_be_written_says_where_to_go(database_url: str) -> None:
    async with _place(database_url) as place:
        planner = await place.role("default_transaction_read_only = on")
        with pytest.raises(IndexServerUnavailable, match=r"read-only transaction; .*connect to the primary"):
            await planner.ensure([BY_A])
        reset = f"alter role {place.roles[0]} reset default_transaction_read_only"
        await place.connection.execute(f"alter table t owner to postgres; {reset}")
        with pytest.raises(IndexServerUnavailable, match=r"permission denied for table t; .*SELECT"):
            await planner.ensure([BY_A])


# -- partitions ----------------------------------------------------------------------------------------------


async def test_the_parts_of_long_names_are_kept_apart(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute(
            "create table p (a int, k int) partition by range (k);"
            "create table p1 partition of p for values from (0) to (9) partition by range (a);"
            "create table p11 partition of p1 for values from (0) to (9)"
        )
        beginning = "ix_measurements_by_customer_and_by_created_at"
        wanted = [
            Index("p", "a", name=f"{beginning}_asc"),
            Index("p", "a desc nulls last", name=f"{beginning}_desc"),
            Index("p", "k", name="ß" * 31),
        ]
        assert (await place.planner.ensure(wanted)).ok
        assert not (await place.planner.ensure(wanted)).changed
        assert all((await place.indexes("p11")).values())
        assert part_name("short", 7) == "short_7"
        assert len(part_name(part_name("ß" * 31, 2**32 - 1), 2**32 - 1).encode()) <= 63


async def test_a_part_that_was_attached_as_a_leftover_is_rebuilt(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute(
            "create table p (a int, k int) partition by range (k);"
            "create table p1 partition of p for values from (0) to (9); insert into p values (1, 1), (1, 1)"
        )
        with pytest.raises(asyncpg.UniqueViolationError):
            await place.connection.execute("create unique index concurrently p1_a on p1 (a, k)")
        await place.connection.execute(
            "create unique index p_a on only p (a, k); alter index p_a attach partition p1_a; truncate p"
        )
        (finding,) = (await place.planner.health()).findings
        assert (finding.droppable, finding.remedy) == (False, 'reindex index concurrently "public"."p1_a"')
        assert (await place.planner.ensure([Index("p", ["a", "k"], unique=True, name="p_a")])).ok
        assert await place.indexes("p") == {"p_a": True}
        assert await place.indexes("p1") == {"p1_a": True}


async def test_beside_a_foreign_table_the_parent_is_valid_all_the_same(database_url: str) -> None:
    async with _place(database_url) as place:
        await place.connection.execute(
            "create table p (a int, k int) partition by range (k);"
            "create table p1 partition of p for values from (0) to (9);"
            "create table p2 partition of p for values from (9) to (19) partition by range (k);"
            "create table p21 partition of p2 for values from (9) to (12);"
            "create foreign data wrapper far; create server far foreign data wrapper far;"
            "create foreign table p22 partition of p2 for values from (12) to (19) server far;"
            # As a run of a version that did not know better has left it.
            "create index p_a on only p (a)"
        )
        wanted = Index("p", "a", name="p_a")
        assert (await place.planner.ensure([wanted])).ok
        assert await place.indexes("p") == {"p_a": True}
        assert not (await place.planner.ensure([wanted])).changed
        with pytest.raises(IndexBuildFailed, match="foreign table among its partitions"):
            await place.planner.ensure([Index("p", ["a", "k"], unique=True)])
        assert await place.indexes("p") == {"p_a": True}
