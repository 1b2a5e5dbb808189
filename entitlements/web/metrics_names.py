"""Metrics for whoever may not know what is served: counted as before, without the labels that name it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# Labels whose values say nothing of a deployment.
_PUBLIC = frozenset({"code", "effect", "error", "event", "le", "outcome", "part", "what"})


class WithoutNames(Collector):
    """What another collector counts, added up over every label that names something.

    A gauge is no count: of several the least is shown, so that an alert on one of them still fires. So is the time at
    which a counter began.
    """

    def __init__(self, named: Collector) -> None:
        self._named = named

    def collect(self) -> Iterator[Metric]:
        """Each family once more, see the class."""
        return map(_without_names, self._named.collect())


def _without_names(family: Metric) -> Metric:
    totals: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for sample in family.samples:
        key = (sample.name, tuple((name, value) for name, value in sample.labels.items() if name in _PUBLIC))
        least = family.type == "gauge" or sample.name.endswith("_created")
        before = totals.get(key)
        if before is None:
            totals[key] = sample.value
        else:
            totals[key] = min(before, sample.value) if least else before + sample.value
    public = Metric(family.name, family.documentation, family.type)
    for (name, labels), value in totals.items():
        public.add_sample(name, dict(labels), value)
    return public
