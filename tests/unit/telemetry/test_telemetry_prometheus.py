"""Events in a registry of prometheus_client."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from backstay.cache import Cache, MemoryCache, cache_key
from backstay.cache.events import Computed
from backstay.errors import ConfigError
from backstay.passwords.events import BreachLookedUp, HashComputed
from backstay.telemetry.measures import DURATIONS
from backstay.telemetry.prometheus import PrometheusListener


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


async def load() -> int:
    return 42


async def fail() -> int:
    raise LookupError("canary")


@pytest.mark.asyncio
async def test_a_real_cache_is_counted_and_timed(registry):
    async with Cache(MemoryCache(), listeners=[PrometheusListener(registry)]) as cache:
        for number in (1, 1, 2):
            await cache.get_or_compute(cache_key("users", number), load, ttl=60)
        with pytest.raises(LookupError):
            await cache.get_or_compute(cache_key("users", 3), fail, ttl=60)

    def count(**labels):
        return registry.get_sample_value(
            "backstay_events_total", {"subject": "cache", "namespace": "users"} | labels
        )

    assert count(event="Computed", outcome="") == 2
    assert count(event="ComputationFailed", outcome="raised") == 1
    histogram = "backstay_cache_computation_duration_seconds_count"
    assert registry.get_sample_value(histogram, {"namespace": "users"}) == 2


def test_durations_are_filed_in_seconds_with_and_without_labels(registry):
    listener = PrometheusListener(registry)
    listener(HashComputed(seconds=0.03, waiting=0))
    listener(BreachLookedUp(state="clear", source="pwned-ranges", seconds=0.2))
    hashing = "backstay_passwords_hash_duration_seconds"
    assert registry.get_sample_value(f"{hashing}_sum") == pytest.approx(0.03)
    assert registry.get_sample_value(f"{hashing}_bucket", {"le": "0.05"}) == 1
    assert registry.get_sample_value(f"{hashing}_bucket", {"le": "0.025"}) == 0
    breach = "backstay_passwords_breach_duration_seconds_sum"
    assert registry.get_sample_value(breach, {"outcome": "clear"}) == pytest.approx(0.2)


def test_no_secret_of_any_event_is_exposed(registry, secretive_events, canary):
    listener = PrometheusListener(registry)
    for event in secretive_events:
        listener(event)
    page = generate_latest(registry).decode()
    assert canary not in page
    for event in secretive_events:
        assert f'event="{type(event).__name__}"' in page
    assert all(f"{duration.name.replace('.', '_')}_seconds_count" in page for duration in DURATIONS)


def test_a_registry_takes_one_listener_and_says_so(registry):
    PrometheusListener(registry)
    with pytest.raises(ConfigError, match="one PrometheusListener per registry"):
        PrometheusListener(registry)
    PrometheusListener(CollectorRegistry())


def test_given_namespaces_are_the_only_ones(registry):
    listener = PrometheusListener(registry, namespaces=["users"])
    for key in ("users:1", "alice:profile"):
        listener(Computed(key=key, seconds=0.1))
    page = generate_latest(registry).decode()
    assert "alice" not in page
    assert 'namespace="users"' in page
    assert 'namespace="other"' in page
