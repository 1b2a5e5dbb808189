"""What a contract says of opaque tokens: its shape, its digest, its findings, and whose a token can be."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import (
    FIRST_VERSION,
    Contract,
    ContractFile,
    Lock,
    changes,
    lint_opaque,
    load_catalog,
    plan_lock,
    write_lock,
)
from entitlements.contract.conformance import Admitted, admit
from entitlements.contract.loader import parse_contract
from entitlements.contract.opaque_tokens import ambiguous
from entitlements.contract.steps import load_file
from entitlements.errors import ContractsInvalid
from entitlements.model import OpaqueTokens, VerifiedClaims

ROOT = Path(__file__).resolve().parents[3]
TREE: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
OTHER = "https://login.example.org"


def text_of(opaque: Any = None, version: str = "1.0.0", issuer: str = TREE["issuer"]) -> str:
    tree = {**copy.deepcopy(TREE), "version": version, "issuer": issuer}
    if opaque is not None:
        tree["tokens"]["access_token"]["opaque"] = opaque
    return yaml.safe_dump(tree)


def contract(opaque: Any = None, version: str = "1.0.0", issuer: str = TREE["issuer"]) -> Contract:
    return parse_contract(text_of(opaque, version, issuer), Path(f"orders/{version}.yaml"))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, None),
        ({}, OpaqueTokens("", False)),
        ({"prefix": "ory_at_"}, OpaqueTokens("ory_at_", False)),
        ({"jwt": "introspect"}, OpaqueTokens("", True)),
        ({"jwt": "verify"}, OpaqueTokens("", False)),
    ],
)
def test_what_a_contract_permits_is_read_as_it_stands(said: Any, meant: OpaqueTokens | None) -> None:
    assert contract(said).profile.opaque == meant


@pytest.mark.parametrize(
    "said",
    [True, "yes", [], {"prefix": ""}, {"prefix": "a b"}, {"prefix": "x" * 65}, {"jwt": True}, {"jwt": "ask"}, {"x": 1}],
)
def test_other_words_are_refused(said: Any) -> None:
    with pytest.raises(ContractsInvalid) as refusal:
        contract(said)
    assert all(fault.path.startswith("tokens.access_token.opaque") for fault in refusal.value.faults)


def test_the_digest_covers_it_and_stays_what_it_was_without() -> None:
    digests = [contract(said).ref.digest for said in (None, {}, {"prefix": "a"}, {"jwt": "introspect"})]
    assert len(set(digests)) == 4
    assert contract({}).ref == contract({"jwt": "verify"}).ref
    assert "opaque" not in contract().canonical["tokens"]["access_token"]  # type: ignore[operator,index,call-overload]


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        (None, {}, ["opaque_tokens_added"]),
        ({}, None, ["opaque_tokens_removed"]),
        ({}, {"prefix": "a_"}, ["opaque_tokens_removed"]),
        ({"prefix": "a_"}, {}, ["opaque_tokens_added"]),
        ({"prefix": "a_"}, {"prefix": "a_b_"}, ["opaque_tokens_removed"]),
        ({"prefix": "a_"}, {"prefix": "b_"}, ["opaque_tokens_added", "opaque_tokens_removed"]),
        ({}, {"jwt": "introspect"}, ["token_profile_changed"]),
        ({"jwt": "introspect"}, {}, ["token_profile_changed"]),
        (None, {"jwt": "introspect"}, ["opaque_tokens_added", "token_profile_changed"]),
        ({}, {}, []),
    ],
)
def test_a_finding_tells_which_tokens_are_accepted_that_were_not(old: Any, new: Any, rules: list[str]) -> None:
    found = [change for change in changes(contract(old), contract(new, "2.0.0")) if "opaque" in change.path]
    assert [change.rule for change in found] == rules


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ({}, {}, False),
        ({}, None, True),
        ({"prefix": "a_"}, {}, False),
        ({"prefix": "a_"}, {"prefix": "a_b_"}, False),
        ({"prefix": "a_"}, {"prefix": "a_"}, False),
        ({"prefix": "a_"}, {"prefix": "b_"}, True),
        ({"prefix": "A_"}, {"prefix": "a_"}, True),
    ],
)
def test_versions_of_two_issuers_need_prefixes_that_tell_whose_a_token_is(one: Any, other: Any, *, apart: bool) -> None:
    versions = [contract(one, "2.0.0"), contract(other, "1.0.0", OTHER)]
    assert [fault.code for fault in ambiguous(versions, "x")] == ([] if apart else ["opaque_ambiguous"])
    assert ambiguous([contract(one, "2.0.0"), contract(other)], "x") == []


def folder_of(path: Path, old: Any, new: Any) -> Path:
    folder = path / "contracts"
    (folder / "orders").mkdir(parents=True)
    (folder / "orders/1.0.0.yaml").write_text(text_of(old))
    (folder / "orders/2.0.0.yaml").write_text(text_of(new, "2.0.0", OTHER))
    return folder


def test_lock_refuses_an_older_version_beside_one_that_a_token_could_be_of_too(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {}, {"prefix": "b_"})
    plan_lock(folder, Lock({}, {}), policy_digest="sha256:x")
    with pytest.raises(ContractsInvalid) as refusal:
        plan_lock(folder, Lock({}, {}), policy_digest="sha256:x", also={"orders": ["1.0.0"]})
    assert [fault.code for fault in refusal.value.faults] == ["opaque_ambiguous"]


def test_catalog_with_such_versions_is_not_served(tmp_path: Path) -> None:
    for number, (old, codes) in enumerate([({"prefix": "a_"}, set()), ({}, {"opaque_ambiguous"})]):
        folder = folder_of(tmp_path / str(number), old, {"prefix": "b_"})
        lock = plan_lock(folder, Lock({}, {}), policy_digest="sha256:" + 64 * "0")
        pins = {audience: replace(pin, check=FIRST_VERSION, also=("1.0.0",)) for audience, pin in lock.pins.items()}
        write_lock(folder, replace(lock, pins=pins))
        found: set[str] = set()
        try:
            load_catalog(folder)
        except ContractsInvalid as refusal:
            found = {fault.code for fault in refusal.faults}
        assert found == codes


def test_lint_warns_of_versions_that_could_not_stand_side_by_side(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {}, {"prefix": "b_"})
    older, newest = (load_file(folder / f"orders/{version}.yaml") for version in ("1.0.0", "2.0.0"))
    (fault,) = lint_opaque(newest, older)
    assert (fault.code, fault.file) == ("opaque_ambiguous", str(folder / "orders/2.0.0.yaml"))
    line = (folder / "orders/2.0.0.yaml").read_text().splitlines()[fault.line - 1]
    assert "opaque" in line
    assert isinstance(newest, ContractFile)


def claims_of(found: Contract, **form: bool) -> VerifiedClaims:
    values = {"iss": TREE["issuer"], "aud": TREE["audience"], "sub": "u_1", "client_id": "web", "exp": 1600}
    own = {"tenant": "t_1", "roles": ["agent"], "suspended": False, "iat": 1000, "jti": "1", "token_type": "Bearer"}
    kind, algorithm = ("", "") if form.get("introspected") else ("at+jwt", "ES256")
    by = () if found.profile.opaque is None else (found.profile.opaque,)
    made = VerifiedClaims({**values, **own}, TREE["issuer"], TREE["audience"], algorithm, 1600, 600, kind, **form)
    return replace(made, asked_by=by)


@pytest.mark.parametrize(
    ("said", "form", "permitted"),
    [
        (None, {}, True),
        (None, {"introspected": True}, False),
        (None, {"exchanged": True}, False),
        ({}, {}, True),
        ({}, {"introspected": True}, True),
        ({}, {"exchanged": True}, True),
        ({"jwt": "introspect"}, {}, False),
        ({"jwt": "introspect"}, {"introspected": True}, True),
    ],
)
def test_a_version_admits_the_forms_that_it_permits(said: Any, form: dict[str, bool], *, permitted: bool) -> None:
    found = contract(said)
    admission = admit(found, claims_of(found, **form))
    codes = [violation.code for violation in getattr(admission, "violations", ())]
    assert codes == ([] if permitted else ["form_not_permitted"])


def test_a_claim_that_is_declared_for_introspection_alone_reaches_no_policy_and_is_no_violation() -> None:
    tree = yaml.safe_load(text_of({}))
    tree["undeclared_claims"] = "reject"
    tree["claims"]["desk"] = {"tokens": ["introspection"], "schema": {"type": "string", "maxLength": 9}}
    found = parse_contract(yaml.safe_dump(tree), Path("orders/1.0.0.yaml"))
    introspected = claims_of(found, introspected=True)
    with_desk = replace(introspected, values={**introspected.values, "desk": "d_1", "scope": "orders:read"})
    admission = admit(found, with_desk)
    assert isinstance(admission, Admitted)
    assert "desk" not in admission.principal.claims
    verified = claims_of(found)
    values = {name: value for name, value in verified.values.items() if name != "token_type"}
    refused = admit(found, replace(verified, values={**values, "desk": "d_1", "scope": "orders:read"}))
    assert [violation.code for violation in getattr(refused, "violations", ())] == ["claim_undeclared"]
