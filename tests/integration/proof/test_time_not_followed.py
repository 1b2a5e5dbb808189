"""A contract that declares `time` gets no answer: what depends on `context.time` is not followed, and never proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.errors import NotFollowed
from entitlements.proof import Effort, Side, compare_access
from tests.shop import SHOP

READS = "allow if input.context.time.seconds > 0"
STEPS: dict[str, tuple[tuple[str, str | None], tuple[str, str | None]]] = {
    "a rule that reads the time": (("allow := false", "UTC"), (READS, "UTC")),
    "time is declared": ((READS, None), (READS, "UTC")),
    "another zone": (
        ("allow if input.context.time.minutes < 60", "UTC"),
        ("allow if input.context.time.minutes < 60", "Asia/Tokyo"),
    ),
}


def contract(version: str, zone: str | None) -> Contract:
    document: dict[str, Any] = {
        **SHOP,
        "version": version,
        "claims": {"staff": {"schema": {"type": "boolean"}}},
        "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
        **({"time": {"zone": zone}} if zone else {}),
    }
    return parse_contract(json.dumps(document), Path(f"shop/{version}.yaml"))


@pytest.mark.parametrize("method", ["proof", "enumeration"])
@pytest.mark.parametrize("name", STEPS)
def test_a_contract_with_time_gets_no_answer(name: str, method: str, opa: Path, tmp_path: Path) -> None:
    sides = []
    for version, (rules, zone) in zip(("1.0.0", "2.0.0"), STEPS[name], strict=True):
        place = tmp_path / version / "shop" / "authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(f"package shop.authz\n\n{rules}\n")
        sides.append(Side(contract(version, zone), place.parents[1], "shop/authz/allow"))
    with pytest.raises(NotFollowed) as refused:
        compare_access(sides[0], sides[1], opa=opa, effort=Effort(method=method))
    assert refused.value.code == "time_not_followed"
