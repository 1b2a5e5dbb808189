"""What policies never see is told: where they wait for it, and where it is what changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.checking.vacuity import never_handed, never_there
from entitlements.contract import ContractFile, changes, load_file
from entitlements.engine import Read
from tests.shop import SHOP

NUMBER, WORD = {"type": "integer", "minimum": 0}, {"type": "string"}


def contract(folder: Path, version: str, **claims: Any) -> ContractFile:
    path = folder / "shop" / f"{version}.yaml"
    path.parent.mkdir(exist_ok=True)
    named = {"role": {"schema": {"enum": ["user"]}}, **claims}
    path.write_text(yaml.safe_dump({**SHOP, "version": version, "claims": named}))
    return load_file(path)


def read(name: str) -> Read:
    return Read(("subject", "claims", name), False, "value", False, "allow", "authz.rego", 7)


@pytest.mark.parametrize(
    ("claim", "code", "why"),
    [
        ("exp", "registered_claim_read", "policies see it where the contract declares `exp` and `time: {zone: …}`"),
        ("sub", "registered_claim_read", "read `input.subject.id`"),
        ("email", "claim_not_handed", "shop@1.0.0 declares it for `id_token` alone"),
        ("role", "", ""),
        ("other", "", ""),
    ],
)
def test_a_read_of_what_is_never_there_is_told_with_its_place(claim: str, code: str, why: str, tmp_path: Path) -> None:
    new = contract(tmp_path, "1.0.0", email={"tokens": ["id_token"], "schema": WORD}, exp={"schema": NUMBER})
    found = never_there([read(claim)], new.contract, Path("policies"))
    assert [fault.code for fault in found] == [code][: len(code)]
    for fault in found:
        assert str(fault).startswith(f"policies/authz.rego:7: `input.subject.claims.{claim}` is never there")
        assert str(fault).endswith(why)


CHANGED = {
    "a time": ({"exp": {"schema": NUMBER}}, {"exp": {"schema": {**NUMBER, "maximum": 9}}}),
    "of the ID token": (
        {"email": {"tokens": ["id_token"], "schema": WORD}},
        {"email": {"tokens": ["id_token"], "schema": {**WORD, "maxLength": 9}}},
    ),
    "gone from the ID token": ({"email": {"tokens": ["id_token"], "schema": WORD}}, {}),
}
SEEN = {
    "the subject": ({"sub": {"schema": WORD}}, {"sub": {"schema": {**WORD, "maxLength": 9}}}),
    "a claim": ({"level": {"schema": NUMBER}}, {"level": {"schema": {**NUMBER, "maximum": 9}}}),
    "one that comes to policies": (
        {"email": {"tokens": ["id_token"], "schema": WORD}},
        {"email": {"tokens": ["id_token", "access_token"], "schema": WORD}},
    ),
}


def told(sides: tuple[dict[str, Any], dict[str, Any]], folder: Path) -> list[str]:
    old, new = (contract(folder, version, **side) for version, side in zip(("1.0.0", "2.0.0"), sides, strict=True))
    return [fault.code for fault in never_handed([*changes(old.contract, new.contract)], old.contract, new)]


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_of_what_policies_are_never_handed_is_told(name: str, tmp_path: Path) -> None:
    assert told(CHANGED[name], tmp_path) == ["claim_not_handed"]


@pytest.mark.parametrize("name", SEEN)
def test_a_change_of_what_policies_see_is_not_told(name: str, tmp_path: Path) -> None:
    assert told(SEEN[name], tmp_path) == []
