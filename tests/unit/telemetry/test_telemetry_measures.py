"""Which words an event is given as labels, and how many there can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from backstay import cache_key
from backstay.cache.events import BackendFailed, Computed, Invalidated, NotStored
from backstay.errors import ConfigError, TokenReason
from backstay.events import Event
from backstay.indexes.events import IndexSettled
from backstay.migrations.events import StepSucceeded
from backstay.migrations.model import Direction
from backstay.telemetry.measures import (
    COUNTER,
    DURATIONS,
    LOCK_WAIT,
    MAX_NAMESPACES,
    OTHER,
    STEP,
    Namespaces,
    measures_of,
)
from backstay.tokens.events import SessionRevoked, TokenRefused

REFERENCE = Path(__file__).parents[3] / "docs/reference/telemetry.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign(Event):
    user: str


@pytest.mark.parametrize(
    ("event", "labels"),
    [
        (Computed(key=cache_key("users", 42), seconds=0.1), ("cache", "Computed", "", "users")),
        (NotStored(key="users:42", reason="too-large"), ("cache", "NotStored", "too-large", "users")),
        (Invalidated(what=("users:42", "all"), queued=True), ("cache", "Invalidated", "queued", "")),
        (BackendFailed(operation="fill", error="refused"), ("cache", "BackendFailed", "fill", "")),
        (BackendFailed(operation="GET users:42", error="x"), ("cache", "BackendFailed", OTHER, "")),
        (TokenRefused(reason=TokenReason.EXPIRED, fingerprint="ab"), ("tokens", "TokenRefused", "expired", "")),
        (SessionRevoked(session="s-1"), ("tokens", "SessionRevoked", "", "")),
        (
            IndexSettled(index="i", table="t", action="created", seconds=1.0),
            ("indexes", "IndexSettled", "created", ""),
        ),
        (Foreign(user="alice"), (OTHER, OTHER, "", "")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_an_event_is_told_in_words_from_closed_lists(event, labels):
    told = measures_of(event, Namespaces())
    assert (told.subject, told.event, told.outcome, told.namespace) == labels


def test_an_event_may_have_several_durations():
    event = StepSucceeded(migration="0001_users", direction=Direction.UP, duration=2.0, lock_wait=0.5, attempts=1)
    assert measures_of(event, Namespaces()).durations == ((STEP, 2.0), (LOCK_WAIT, 0.5))


def test_namespaces_are_bounded_and_those_that_came_first_stay():
    namespaces = Namespaces()
    labels = {namespaces.label(f"n{number}:1") for number in range(10 * MAX_NAMESPACES)}
    assert len(labels) == MAX_NAMESPACES + 1
    assert namespaces.label("n0:2") == "n0"
    assert namespaces.label("n999:1") == OTHER


@pytest.mark.parametrize("key", ["session-secret", "n" * 65 + ":1", ":1"], ids=["bare", "long", "empty"])
def test_what_may_be_no_namespace_is_no_label(key):
    assert Namespaces().label(key) == OTHER


def test_only_the_given_namespaces_are_labels():
    namespaces = Namespaces(["users", "settings"])
    assert [namespaces.label(key) for key in ("users:1", "settings", "alice:profile")] == [
        "users",
        "settings",
        OTHER,
    ]


def test_one_text_is_no_list_of_namespaces():
    with pytest.raises(ConfigError, match=r"write \['users'\]"):
        Namespaces("users")


def test_no_field_of_any_event_becomes_a_label(secretive_events, canary):
    assert len({type(event).__module__.split(".")[1] for event in secretive_events}) == 5
    for event in secretive_events:
        assert canary in repr(event) or not any(isinstance(value, str) for value in _values(event))
        told = measures_of(event, Namespaces())
        assert canary not in f"{told.subject} {told.event} {told.outcome} {told.namespace}", told
        assert told.subject != OTHER
        assert told.event == type(event).__name__


def test_buckets_ascend_and_names_have_no_driver_in_them():
    for duration in DURATIONS:
        assert list(duration.buckets) == sorted(set(duration.buckets))
        assert not duration.name.startswith("db.")


def test_the_reference_lists_every_metric_by_both_names():
    text = REFERENCE.read_text("utf-8")
    for name in [COUNTER, *(duration.name for duration in DURATIONS)]:
        assert f"`{name}`" in text
        assert f"`{name.replace('.', '_')}{'_total' if name == COUNTER else '_seconds'}`" in text


def _values(event: Event) -> list[object]:
    return [getattr(event, name) for name in type(event).__dataclass_fields__]
