"""docs/operations.md names the metrics and codes that there are, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from entitlements.model import Fetched, PartHealth, Problem
from entitlements.readiness import Readiness
from entitlements.web.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def exposed() -> dict[str, set[str]]:
    """Every metric by its name in Prometheus, with its labels."""
    metrics = Metrics()
    metrics.watch_keys(lambda: {"https://login.example.com": ["k"]})
    failed = Fetched("keys", "https://login.example.com/jwks", 1.0, 1, "keys_fetch_failed", 5.0)
    metrics.watch_issuers(lambda: {"https://login.example.com": [failed]})
    metrics.watch_log(lambda: {"lost": 0})
    metrics.watch_approvals(lambda: {("https://a.example", "shop"): 3})
    part = PartHealth(True, (Problem("keys_fetch_failed", "it is down"),))
    metrics.watch_readiness(lambda: Readiness({"keys": part}, {"https://a.example": ()}))
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    # The client library adds the time at which each counter began.
    return {name: labels for name, labels in found.items() if not name.endswith("_created")}


def documented() -> dict[str, set[str]]:
    table = PAGE.partition("## Metrics")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(entitlements_\w+)(?:\{([^}]*)\})?` \|", table, re.M)
    return {name: set(filter(None, re.split(r",\s*", labels))) for name, labels in rows}


def test_every_metric_is_documented_and_every_documented_one_is_there() -> None:
    assert documented().keys() == exposed().keys()


def test_labels_are_those_of_the_metric() -> None:
    for name, labels in exposed().items():
        # A counter that nothing was counted by yet shows no labels.
        assert labels <= documented()[name]
        if name in ("entitlements_degraded", "entitlements_audience_ready", "entitlements_key_leaked"):
            assert labels == documented()[name]


def test_alerts_ask_for_metrics_and_labels_that_are_there() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    (block,) = [block for block in blocks if block.startswith("groups:")]
    (group,) = yaml.safe_load(block)["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    for rule in group["rules"]:
        (asked,) = re.findall(r"entitlements_\w+", rule["expr"])
        assert asked in documented()
        labels = set(re.findall(r"(\w+)!?=\"", rule["expr"]))
        for grouped in re.findall(r"by \(([^)]*)\)", rule["expr"]):
            labels |= set(re.split(r",\s*", grouped))
        assert labels <= documented()[asked], rule["alert"]


def test_every_problem_that_readiness_tells_is_documented() -> None:
    told = {
        code
        for path in sorted((ROOT / "entitlements").rglob("*.py"))
        for code in re.findall(r'\b(?:Problem|not_ready)\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    table = PAGE.partition("| Part | Code |")[2].partition("\n## ")[0]
    assert len(told) > 10
    assert told <= set(re.findall(r"`(\w+)`", table))
