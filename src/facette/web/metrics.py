"""The worker's figures as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from facette.live.figures import SECONDS, Durations
from facette.live.knowledge import PROVISIONAL
from facette.live.reading import NoStateError
from facette.live_queries import Current
from facette.sources.aside import refused_of


def metrics(current: Current) -> bytes:
    """Everything that is measured, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Measures(current))
    return generate_latest(registry)


class _Measures:
    """Reads what there is whenever somebody asks: counting costs the worker nothing."""

    def __init__(self, current: Current) -> None:
        self.current = current

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        figures = self.current.desk.figures
        yield CounterMetricFamily("facette_records", "Records taken from the logs.", value=figures.records)
        yield CounterMetricFamily("facette_records_refused", "Lines that are no record.", value=figures.refused)
        yield CounterMetricFamily("facette_changes", "Changes told.", value=figures.changes)
        yield CounterMetricFamily("facette_steps", "Steps of the worker.", value=figures.steps)
        yield _histogram("facette_step_seconds", "How long steps took.", figures.steps_took)
        told = "From the receipt of a record to the end of the step that took it in."
        yield _histogram("facette_latency_seconds", told, figures.latency)
        if figures.waiting is not None:
            told = "Records that wait in the logs; missing where only reading would tell."
            yield GaugeMetricFamily("facette_records_waiting", told, value=figures.waiting)
        told = "Whether a worker is at work."
        yield GaugeMetricFamily("facette_worker_up", told, value=self.current.desk.stream is not None)
        yield self._refused()
        with suppress(NoStateError):  # there is nothing to measure before a first step
            yield from self._state()

    def _refused(self) -> Metric:
        """Of all collectors of the project, since its file of refused events began."""
        told = "Events that collectors refused."
        counter = CounterMetricFamily("facette_events_refused", told, labels=["source"])
        by_source: Counter[str] = Counter()
        for count in refused_of(self.current.given.folder, most=0)[0]:
            by_source[count.source] += count.n
        for source, number in sorted(by_source.items()):
            counter.add_metric([source], number)
        return counter

    def _state(self) -> Iterator[Metric]:
        current = self.current
        with current.reading() as reading:
            members, sinks = reading.counts(), {name: reading.lag(name) for name in current.desk.sinks}
            n_live, as_of = reading.n_live_profiles(PROVISIONAL), reading.as_of()
            published = current.base(reading).rows.get("profiles", 0)
            size = sum(path.stat().st_size for path in reading.path.parent.glob("state.db*"))
        lag = GaugeMetricFamily("facette_sink_lag", "Changes that a sink lacks.", labels=["sink"])
        for name, number in sinks.items():
            lag.add_metric([name], number)
        yield lag
        gauge = GaugeMetricFamily("facette_segment_members", "Members of a segment.", labels=["segment"])
        for name in current.definitions.rules:
            gauge.add_metric([name], members.get(name, 0))
        yield gauge
        told = "Profiles in the published run that the worker builds on, and those that only the worker knows."
        profiles = GaugeMetricFamily("facette_profiles", told, labels=["known_by"])
        profiles.add_metric(["run"], published)
        profiles.add_metric(["worker"], n_live)
        yield profiles
        yield GaugeMetricFamily("facette_state_bytes", "Size of the worker's state on disk.", value=size)
        if as_of is not None:
            told = "The instant of the last step that changed the state (Unix time)."
            yield GaugeMetricFamily("facette_as_of_seconds", told, value=as_of.timestamp())


def _histogram(name: str, told: str, durations: Durations) -> HistogramMetricFamily:
    n, buckets = 0, []
    for end, count in zip((*map(str, SECONDS), "+Inf"), durations.counts, strict=True):
        n += count
        buckets.append((end, n))
    return HistogramMetricFamily(name, told, buckets=buckets, sum_value=durations.total)
