"""docs/reference/metrics.md names the metrics that /metrics exposes, with type and labels, and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from entitlements.model import Decision, Fetched, PartHealth, Problem, Violation
from entitlements.readiness import Readiness
from entitlements.web.metrics import _BUCKETS, Metrics
from entitlements.web.metrics_names import _PUBLIC

if TYPE_CHECKING:
    from tests.conftest import RunningService

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
DOCUMENTED = {
    name: (kind, set(re.findall(r"`(\w+)`", labels)))
    for name, kind, labels in re.findall(r"^\| `(entitlements_\w+)` \| (\w+) \| ([^|]*)\|", PAGE, re.M)
}


def families(text: str) -> dict[str, tuple[str, set[str]]]:
    """By name in Prometheus its type and the labels of its samples, without the times that counters began at."""
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = (family.type, _labels(family))
    return {name: seen for name, seen in found.items() if not name.endswith("_created")}


def _labels(family: Metric) -> set[str]:
    return {label for sample in family.samples for label in sample.labels} - {"le"}


def every_metric() -> Metrics:
    """Metrics of which each has at least one sample."""
    metrics = Metrics()
    violation = Violation("value_not_permitted", "roles", "is not permitted")
    metrics.decided(Decision(id="d", allow=False, reasons=(), violations=(violation,)), 1, 0.001)
    metrics.refused("token_expired")
    metrics.unavailable("engine_unreachable")
    metrics.failed("not_found")
    metrics.silent()
    metrics.watch_keys(lambda: {"https://login.example.com": ["k"]})
    failed = Fetched("keys", "https://login.example.com/jwks", 1.0, 1, "keys_fetch_failed", 5.0)
    metrics.watch_issuers(lambda: {"https://login.example.com": [failed]})
    metrics.watch_log(lambda: {"lost": 0})
    metrics.watch_approvals(lambda: {("https://a.example", "shop"): 3})
    part = PartHealth(True, (Problem("keys_fetch_failed", "it is down"),))
    metrics.watch_readiness(lambda: Readiness({"keys": part}, {"https://a.example": ()}))
    return metrics


def test_metrics_page_has_name_type_and_labels_of_every_metric_and_no_other() -> None:
    assert families(every_metric().render().decode()) == DOCUMENTED


def test_running_service_exposes_the_metrics_of_the_page(service: RunningService) -> None:
    exposed = families(service.one(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").body.decode())
    assert exposed.keys() == DOCUMENTED.keys()
    for name, (kind, labels) in exposed.items():
        assert kind == DOCUMENTED[name][0], name
        assert labels <= DOCUMENTED[name][1], name


def test_metrics_page_says_which_labels_only_operators_see() -> None:
    labels = {label for _, named in DOCUMENTED.values() for label in named}
    told = PAGE.partition("Callers that are not operators")[2].partition(": counters")[0]
    assert set(re.findall(r"`(\w+)`", told)) == labels - _PUBLIC


def test_metrics_page_says_the_span_of_the_buckets() -> None:
    assert f"{_BUCKETS[0] * 1000:g} ms to {_BUCKETS[-1]:g} s" in PAGE
