"""The watcher sees what clients ask for, whoever they are, and nothing twice."""

from __future__ import annotations

import pytest

from backstay.testing.redis_monitor import watch

pytestmark = pytest.mark.redis


def test_every_command_is_seen_with_its_client_and_its_words(redis_server):
    with redis_server.client() as one, redis_server.client() as two:
        one.call("SET", "before", "1")
        with watch(redis_server) as seen:
            one.call("set", 'a "quoted" \\ key', "two\nlines")
            two.call("GET", "other")
            one.call("EVAL", "return redis.call('INCR', 'counter')", 0)
        two.call("SET", "after", "1")
    assert [command.name for command in seen.commands] == ["SET", "GET", "EVAL"]
    assert [command.name for command in seen.inside] == ["INCR"]
    assert seen.commands[0].words == ('a \\"quoted\\" \\\\ key', "two\\nlines")
    assert sorted(map(len, seen.by_client().values())) == [1, 2]
    assert [command.words for command in seen.named("GET", "INCR")] == [("other",), ("counter",)]


def test_a_watch_of_a_server_that_dies_ends(redis_server):
    with watch(redis_server) as seen:
        redis_server.kill()
    assert seen.commands == []
