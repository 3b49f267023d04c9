"""Events as OpenTelemetry metrics, and as events of the current span."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from backstay.errors import MissingExtraError
from backstay.events import Event, Listener

from .measures import COUNTER, DURATIONS, Measures, Namespaces, measures_of

try:
    from opentelemetry import trace
    from opentelemetry.metrics import Meter
except ImportError as exc:
    raise MissingExtraError("telemetry", "backstay.telemetry.opentelemetry") from exc

_LABELS = ("subject", "event", "outcome", "namespace")


class OpenTelemetryListener:
    """Counts events, and files their durations in histograms, with a meter of OpenTelemetry.

    The metrics, whose attributes are named ``backstay.subject`` and so on:

    * ``backstay.events``, unit ``{event}`` (subject, event, outcome, namespace)
    * ``backstay.cache.computation.duration``, ``s`` (namespace)
    * ``backstay.passwords.hash.duration``, ``s``
    * ``backstay.passwords.breach.duration``, ``s`` (outcome)
    * ``backstay.migrations.run.wait``, ``s``
    * ``backstay.migrations.step.duration``, ``s`` (event, outcome)
    * ``backstay.migrations.lock.wait``, ``s`` (outcome)
    * ``backstay.migrations.batch.duration``, ``s``
    * ``backstay.indexes.ensure.duration``, ``s`` (outcome)

    An attribute that an event does not have is left out. None has a key, a user, a token, a name or an error's
    text; all values but namespaces are from closed lists. Hits of the cache are not events, and so are not counted;
    nor are round trips to a database or to Redis, which their drivers' instrumentations tell as ``db.*``.

    Args:
        meter: what makes the instruments. Pass ``opentelemetry.metrics.get_meter("backstay")`` for the global
            provider's.
        span_events: whether an event is also added to the span that is current where it is told, if that is
            being recorded. Its name is ``backstay.`` and the event's, and its attributes are those above with
            the durations. What is told in a background task is added to whatever span that task has.
        namespaces: the cache namespaces that get an attribute of their own. If not given: the first 100 that
            come up; give the list if keys are made in any other way than by `cache_key`. All others are
            ``other``.

    Raises:
        ConfigError: `namespaces` is a single text.
        MissingExtraError: on import, if ``opentelemetry-api`` is not installed.
    """

    __slots__ = ("_counter", "_histograms", "_namespaces", "_span_events")

    def __init__(
        self, meter: Meter, *, span_events: bool = False, namespaces: Collection[str] | None = None
    ) -> None:
        self._namespaces = Namespaces(namespaces)
        self._span_events = span_events
        self._counter = meter.create_counter(COUNTER, unit="{event}", description="Events of backstay")
        self._histograms = {
            duration: meter.create_histogram(
                duration.name,
                unit="s",
                description=duration.about,
                explicit_bucket_boundaries_advisory=duration.buckets,
            )
            for duration in DURATIONS
        }

    def __call__(self, event: Event, /) -> None:
        """Count the event, record its durations and, if asked to, add it to the current span."""
        told = measures_of(event, self._namespaces)
        attributes = _attributes(told, _LABELS)
        self._counter.add(1, attributes)
        for duration, seconds in told.durations:
            self._histograms[duration].record(seconds, _attributes(told, duration.labels))
        if self._span_events:
            _add_to_span(told, attributes)


def _attributes(told: Measures, names: Collection[str]) -> dict[str, str]:
    return {f"backstay.{name}": value for name in names if (value := told.label(name))}


def _add_to_span(told: Measures, attributes: dict[str, str]) -> None:
    span = trace.get_current_span()
    if span.is_recording():
        durations = {duration.name: seconds for duration, seconds in told.durations}
        span.add_event(f"backstay.{told.event}", {**attributes, **durations})


if TYPE_CHECKING:
    _: type[Listener] = OpenTelemetryListener
