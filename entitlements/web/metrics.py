"""What is counted, for Prometheus. Labels come from enums, never from a token or a request.

The one exception is the `kid` of a leaked key: the issuer's word, of which the token room lets 64 harmless characters
and 17 names an issuer through.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from entitlements.model import Decision, Fetched
from entitlements.readiness import Readiness
from entitlements.web.metrics_names import WithoutNames

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = self._counter("decisions", "Decisions that were answered.", ["contract", "version", "effect"])
        self._refused = self._counter("tokens_refused", "Tokens that were refused, by cause.", ["code"])
        self._unavailable = self._counter("decisions_unavailable", "Requests no decision was made for.", ["code"])
        self._failed = self._counter("requests_failed", "Requests that were answered with an error.", ["error"])
        self._silent = self._counter("silent_callers", "Requests that named no audience and no contract.", [])
        lean = self._counter("requests_lean", "Requests that the lean route answered or declined.", ["outcome"])
        self._lean = {outcome: lean.labels(outcome) for outcome in ("answered", "declined")}
        # To resolve labels takes longer than to count; of contracts there are few.
        self._decision = functools.lru_cache(256)(self._decisions.labels)
        self._violations = self._counter("contract_violations", "Claims that broke a contract.", ["contract", "code"])
        self._ignored = self._counter("claims_ignored", "Claims that were stripped as undeclared.", ["contract"])
        self._duration = Histogram(
            "entitlements_authorize_seconds",
            "Time from parsed request to answer.",
            registry=self._registry,
            buckets=_BUCKETS,
        )

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"entitlements_{name}", text, labels, registry=self._registry)

    def decided(self, decision: Decision, ignored: int, seconds: float) -> None:
        """Count one decision, the claims that were stripped and how long it took."""
        name = decision.contract.name if decision.contract else ""
        version = decision.contract.version if decision.contract else ""
        self._decision(name, version, "allow" if decision.allow else "deny").inc()
        for violation in decision.violations:
            self._violations.labels(name, violation.code).inc()
        if ignored:
            self._ignored.labels(name).inc(ignored)
        self._duration.observe(seconds)

    def refused(self, code: str) -> None:
        """Count one refused token."""
        self._refused.labels(code).inc()

    def unavailable(self, code: str) -> None:
        """Count one request that no decision could be made for."""
        self._unavailable.labels(code).inc()

    def failed(self, error: str) -> None:
        """Count one request that was answered with an error."""
        self._failed.labels(error).inc()

    def silent(self) -> None:
        """Count one request that did not say for which API it asks."""
        self._silent.inc()

    def lean(self, *, answered: bool) -> None:
        """Count one request that the lean route answered, or left to the ordinary one."""
        self._lean["answered" if answered else "declined"].inc()

    def turned_away(self, error: str, code: str) -> None:
        """Count one request that was refused before it was looked at; `code` where no decision can be made."""
        if code:
            self.unavailable(code)
        else:
            self.failed(error)

    def watch_keys(self, leaked: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        """Show for each issuer the keys that it gave away; `leaked` is asked whenever the metrics are read."""
        self._registry.register(_LeakedKeys(leaked))

    def watch_issuers(self, fetched: Callable[[], Mapping[str, Sequence[Fetched]]]) -> None:
        """Show what is fetched from each issuer; `fetched` is asked whenever the metrics are read."""
        self._registry.register(_Issuers(fetched))

    def watch_log(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Show what happened to the decision log's file; `counts` is asked whenever the metrics are read."""
        self._registry.register(_LogEvents(counts))

    def watch_approvals(self, days_left: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        """Show how long approvals still count, by audience and contract; asked whenever the metrics are read."""
        self._registry.register(_Approvals(days_left))

    def watch_readiness(self, readiness: Callable[[], Readiness]) -> None:
        """Show what could be decided and what is wrong; `readiness` is asked whenever the metrics are read."""
        self._registry.register(_Readiness(readiness))

    def render(self, *, names: bool = True) -> bytes:
        """The text that Prometheus reads. names: with the labels that name contracts, audiences and issuers."""
        return generate_latest(self._registry if names else WithoutNames(self._registry))


class _Readiness(Collector):
    def __init__(self, readiness: Callable[[], Readiness]) -> None:
        self._readiness = readiness

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: the parts are not asked when the collector is registered."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = self._readiness()
        yield GaugeMetricFamily("entitlements_ready", "1 while some pinned audience can be decided.", int(found.ready))
        audiences = GaugeMetricFamily(
            "entitlements_audience_ready", "1 while the audience can be decided.", labels=["audience"]
        )
        for audience, codes in found.audiences.items():
            audiences.add_metric([audience], int(not codes))
        yield audiences
        degraded = GaugeMetricFamily(
            "entitlements_degraded", "1 for each problem of a part, by its code.", labels=["part", "code"]
        )
        for part, code in sorted({(part, problem.code) for part, problem in found.degraded}):
            degraded.add_metric([part, code], 1)
        yield degraded


class _Approvals(Collector):
    def __init__(self, days_left: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        self._days_left = days_left

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "entitlements_approval_days_left",
            "Days until an approval that serving rests on runs out, from 30 days before; negative once it did.",
            labels=["audience", "contract"],
        )
        for (audience, contract), days in self._days_left().items():
            family.add_metric([audience, contract], days)
        yield family


class _LeakedKeys(Collector):
    def __init__(self, leaked: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        self._leaked = leaked

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "entitlements_key_leaked",
            "1 for each key whose private part its issuer published since the start.",
            labels=["issuer", "kid"],
        )
        for issuer, names in self._leaked().items():
            for name in names:
                family.add_metric([issuer, name], 1)
        yield family


class _Issuers(Collector):
    def __init__(self, fetched: Callable[[], Mapping[str, Sequence[Fetched]]]) -> None:
        self._fetched = fetched

    def collect(self) -> Iterator[Metric]:
        ages = GaugeMetricFamily(
            "entitlements_issuer_age_seconds",
            "Seconds since a document of an issuer was last confirmed, +Inf where none is usable.",
            labels=["issuer", "what", "source"],
        )
        failures = CounterMetricFamily(
            "entitlements_issuer_fetch_failures", "Fetches that failed since the start.", labels=["issuer", "what"]
        )
        last = GaugeMetricFamily(
            "entitlements_issuer_last_failure_seconds",
            "Seconds since a fetch last failed, by its code.",
            labels=["issuer", "what", "code"],
        )
        for issuer, documents in self._fetched().items():
            for one in documents:
                ages.add_metric([issuer, one.what, one.source], math.inf if one.age is None else one.age)
                failures.add_metric([issuer, one.what], one.failures)
                if one.last_failure_age is not None:
                    last.add_metric([issuer, one.what, one.last_failure], one.last_failure_age)
        yield from (ages, failures, last)


class _LogEvents(Collector):
    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "entitlements_decision_log_events",
            "Times that the log's file was moved, removed or truncated; records lost, written again or only counted.",
            labels=["event"],
        )
        for event, count in self._counts().items():
            family.add_metric([event], count)
        yield family
