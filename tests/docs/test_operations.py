"""docs/operations.md asks for metrics that there are, and names every code of a problem."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
METRICS = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")


def documented() -> dict[str, set[str]]:
    """The metrics of the reference page, each with its labels."""
    rows = re.findall(r"^\| `(entitlements_\w+)` \| \w+ \| ([^|]*)\|", METRICS, re.M)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


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
