"""Events in the readers and exporters of the real OpenTelemetry SDK."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from backstay.cache import Cache, MemoryCache, cache_key
from backstay.cache.events import Computed
from backstay.passwords.events import HashComputed, PasswordVerified
from backstay.telemetry.measures import COMPUTATION, DURATIONS
from backstay.telemetry.opentelemetry import OpenTelemetryListener


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def meters(reader) -> Iterator[MeterProvider]:
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield provider
    provider.shutdown()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracers(spans) -> Iterator[TracerProvider]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield provider
    provider.shutdown()


def metrics_of(reader: InMemoryMetricReader) -> dict[str, Metric]:
    data = reader.get_metrics_data()
    scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
    return {metric.name: metric for scope in scopes for metric in scope.metrics}


async def load() -> int:
    return 42


@pytest.mark.asyncio
async def test_a_real_cache_is_counted_and_timed(meters, reader):
    listener = OpenTelemetryListener(meters.get_meter("backstay"))
    async with Cache(MemoryCache(), listeners=[listener]) as cache:
        for number in (1, 1, 2):
            await cache.get_or_compute(cache_key("users", number), load, ttl=60)
    metrics = metrics_of(reader)
    (point,) = metrics["backstay.events"].data.data_points
    assert point.value == 2
    assert dict(point.attributes) == {
        "backstay.subject": "cache",
        "backstay.event": "Computed",
        "backstay.namespace": "users",
    }
    histogram = metrics["backstay.cache.computation.duration"]
    (point,) = histogram.data.data_points
    assert (point.count, histogram.unit) == (2, "s")
    assert dict(point.attributes) == {"backstay.namespace": "users"}


def test_the_buckets_are_made_for_seconds(meters, reader):
    OpenTelemetryListener(meters.get_meter("backstay"))(Computed(key="users:1", seconds=0.03))
    (point,) = metrics_of(reader)["backstay.cache.computation.duration"].data.data_points
    assert tuple(point.explicit_bounds) == COMPUTATION.buckets
    assert point.bucket_counts[COMPUTATION.buckets.index(0.05)] == 1


def test_the_current_span_has_the_event_if_asked(meters, tracers, spans):
    listener = OpenTelemetryListener(meters.get_meter("backstay"), span_events=True)
    with tracers.get_tracer("test").start_as_current_span("login"):
        listener(HashComputed(seconds=0.25, waiting=3))
        listener(PasswordVerified(ok=False, scheme="argon2id", rehashed=False))
    listener(HashComputed(seconds=1.0, waiting=0))
    (span,) = spans.get_finished_spans()
    hashed, verified = span.events
    assert (hashed.name, verified.name) == ("backstay.HashComputed", "backstay.PasswordVerified")
    assert hashed.attributes["backstay.passwords.hash.duration"] == 0.25
    assert verified.attributes["backstay.outcome"] == "wrong"


def test_spans_stay_as_they_are_if_not_asked(meters, tracers, spans):
    listener = OpenTelemetryListener(meters.get_meter("backstay"))
    with tracers.get_tracer("test").start_as_current_span("login"):
        listener(HashComputed(seconds=0.25, waiting=3))
    (span,) = spans.get_finished_spans()
    assert not span.events


def test_no_secret_of_any_event_is_exported(meters, reader, tracers, spans, secretive_events, canary):
    listener = OpenTelemetryListener(meters.get_meter("backstay"), span_events=True)
    with tracers.get_tracer("test").start_as_current_span("all"):
        for event in secretive_events:
            listener(event)
    exported = reader.get_metrics_data().to_json()
    (span,) = spans.get_finished_spans()
    assert canary not in exported
    assert canary not in span.to_json()
    for event in secretive_events:
        assert f'"{type(event).__name__}"' in exported
    assert {each.name for each in span.events} == {f"backstay.{type(event).__name__}" for event in secretive_events}
    assert all(duration.name in exported for duration in DURATIONS)
