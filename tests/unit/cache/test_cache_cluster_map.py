"""Which node of a Redis Cluster has which key."""

import pytest
from redis.crc import key_slot

from backstay.cache.redis.cluster_map import Address, ClusterMap, ClusterWay, slot_of
from backstay.cache.redis.names import Names
from backstay.errors import ConfigError

ASKED = Address("10.0.0.9", 7000)


@pytest.mark.parametrize(
    "name", [b"plain", b"{tag}rest", b"a{b}c{d}", b"{}empty", b"{open", b"a}b{c}", b"", b"{{x}}"]
)
def test_a_slot_is_what_redis_says(name):
    assert slot_of(name) == key_slot(name)


def test_an_entry_and_its_lease_have_one_slot_and_so_has_the_log():
    names = Names("bs:")
    entry, lease = names.entry_and_lease("prices:{weird}:}id")
    assert slot_of(entry) == slot_of(lease)
    assert len({slot_of(name) for name in names.log}) == 1
    assert len({slot_of(name) for name in names.lock("{x")}) == 1


def test_a_map_names_an_owner_for_each_slot_that_has_one():
    told = ClusterMap(
        [[0, 99, [b"10.0.0.1", 7001, b"id"], [b"10.0.0.2", 7002, b"id"]], [200, 200, [b"", 7003]]], ASKED
    )
    assert told.owners[99] == Address("10.0.0.1", 7001)
    assert told.owners[100] is None
    assert told.owners[200] == Address("10.0.0.9", 7003)
    assert told.primaries == {Address("10.0.0.1", 7001), Address("10.0.0.9", 7003)}


def test_a_url_names_seeds_and_what_every_connection_needs():
    way = ClusterWay("rediss+cluster://app:hush@one,two:7001,[::1]:7002?ssl_cert_reqs=none")
    assert way.seeds == (Address("one", 6379), Address("two", 7001), Address("::1", 7002))


@pytest.mark.parametrize(
    "url", ["redis+cluster://", "redis+cluster://:7000", "redis+cluster://h:p", "redis+cluster://,"]
)
def test_a_url_that_cannot_be_read_is_refused_and_not_shown(url):
    with pytest.raises(ConfigError, match="cluster") as refused:
        ClusterWay(url.replace("//", "//user:hush@", 1))
    assert "hush" not in str(refused.value)
