"""Events as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from backstay.errors import ConfigError, MissingExtraError
from backstay.events import Event, Listener

from .measures import COUNTER, DURATIONS, Duration, Namespaces, measures_of

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram
except ImportError as exc:
    raise MissingExtraError("telemetry", "backstay.telemetry.prometheus") from exc

_LABELS = ("subject", "event", "outcome", "namespace")


class PrometheusListener:
    """Counts events, and files their durations in histograms, in a registry of Prometheus.

    The metrics, all durations in seconds:

    * ``backstay_events_total`` {subject, event, outcome, namespace}
    * ``backstay_cache_computation_duration_seconds`` {namespace}
    * ``backstay_passwords_hash_duration_seconds``
    * ``backstay_passwords_breach_duration_seconds`` {outcome}
    * ``backstay_migrations_run_wait_seconds``
    * ``backstay_migrations_step_duration_seconds`` {event, outcome}
    * ``backstay_migrations_lock_wait_seconds`` {outcome}
    * ``backstay_migrations_batch_duration_seconds``
    * ``backstay_indexes_ensure_duration_seconds`` {outcome}

    No label has a key, a user, a token, a name or an error's text; all values but namespaces are from closed lists.
    Hits of the cache are not events, and so are not counted; nor are round trips to a database or to Redis.

    Args:
        registry: where the metrics are registered. Pass `prometheus_client.REGISTRY` for the process's global
            one. One listener serves any number of Backstays.
        namespaces: the cache namespaces that get a label of their own. If not given: the first 100 that come up;
            give the list if keys are made in any other way than by `cache_key`. All others are ``other``.

    Raises:
        ConfigError: the registry has these metrics already, or `namespaces` is a single text.
        MissingExtraError: on import, if ``prometheus-client`` is not installed.
    """

    __slots__ = ("_counter", "_histograms", "_namespaces")

    def __init__(self, registry: CollectorRegistry, *, namespaces: Collection[str] | None = None) -> None:
        self._namespaces = Namespaces(namespaces)
        try:
            self._counter = Counter(COUNTER.replace(".", "_"), "Events of backstay", _LABELS, registry=registry)
        except ValueError as exc:
            raise ConfigError(
                "the registry has the metric backstay_events already: make one PrometheusListener per registry, "
                "and hand the same one to every Backstay"
            ) from exc
        self._histograms = {duration: _histogram(duration, registry) for duration in DURATIONS}

    def __call__(self, event: Event, /) -> None:
        """Count the event and observe its durations."""
        told = measures_of(event, self._namespaces)
        self._counter.labels(told.subject, told.event, told.outcome, told.namespace).inc()
        for duration, seconds in told.durations:
            histogram = self._histograms[duration]
            if duration.labels:
                histogram = histogram.labels(*(told.label(name) for name in duration.labels))
            histogram.observe(seconds)


def _histogram(duration: Duration, registry: CollectorRegistry) -> Histogram:
    return Histogram(
        duration.name.replace(".", "_") + "_seconds",
        f"{duration.about}, in seconds",
        duration.labels,
        registry=registry,
        buckets=duration.buckets,
    )


if TYPE_CHECKING:
    _: type[Listener] = PrometheusListener
