"""Who acts for the subject (RFC 8693 section 4.1): `act` as `input.subject.actor`, where the contract says so."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Admitted, Contract, Refused, admit, claim_places, input_schema, policy_input
from entitlements.contract.actor import MAX_CHAIN
from entitlements.contract.loader import parse_contract
from entitlements.decision_log import DecisionRecord, Masking, MaskKey
from entitlements.decision_record import with_contract
from entitlements.errors import ContractsInvalid
from entitlements.model import AccessRequest, Action, Resource, VerifiedClaims

ROOT = Path(__file__).resolve().parents[3]
TREE: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
CLAIMS = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}


def chain(length: int, **members: Any) -> dict[str, Any]:
    """The schema of as many actors."""
    properties: dict[str, Any] = {"sub": {"type": "string", "maxLength": 64}, "iss": {"type": "string"}, **members}
    if length > 1:
        properties["act"] = chain(length - 1)
    return {"type": "object", "properties": properties, "required": ["sub"]}


def contract_of(schema: Any, name: str = "act", **members: Any) -> Contract:
    tree = copy.deepcopy(TREE)
    tree["claims"][name] = {"actor": True, "schema": schema, **members}
    return parse_contract(yaml.safe_dump(tree), Path("orders/1.0.0.yaml"))


def admitted(contract: Contract, act: Any) -> Admitted | Refused:
    profile = contract.profile
    values = {"iss": profile.issuer, "aud": profile.audience, "exp": 1, "iat": 0, "jti": "j", "sub": "u_1"}
    values |= {"client_id": "web", "scope": "orders:read orders:write", **CLAIMS}
    values |= {} if act is None else {"act": act}
    return admit(contract, VerifiedClaims(values, profile.issuer, profile.audience, "ES256", 1, 600))


def subject_of(contract: Contract, act: Any) -> Any:
    found = admitted(contract, act)
    assert isinstance(found, Admitted), found
    request = AccessRequest("token", Action("read"), Resource("order", "42"))
    return policy_input(contract, found.principal, request)["subject"]


def test_actor_is_seen_beside_the_claims_and_not_among_them() -> None:
    contract = contract_of(chain(1))
    subject = subject_of(contract, {"sub": "gateway", "iss": "https://login.example.com"})
    assert subject["actor"] == {"sub": "gateway", "iss": "https://login.example.com"}
    assert subject["claims"] == CLAIMS
    assert "actor" not in subject_of(contract, None)


def test_policies_see_the_current_actor_alone() -> None:
    """RFC 8693 section 4.1: prior actors are not considered in access control decisions."""
    acting = {"sub": "gateway", "act": {"sub": "batch"}}
    assert subject_of(contract_of(chain(2)), acting)["actor"] == {"sub": "gateway"}


def test_chain_beyond_what_the_contract_declares_breaks_it() -> None:
    refused = admitted(contract_of(chain(1)), {"sub": "gateway", "act": {"sub": "batch"}})
    assert isinstance(refused, Refused)
    assert [(one.code, one.claim) for one in refused.violations] == [("member_undeclared", "act")]


@pytest.mark.parametrize("act", [None, "gateway", ["gateway"], {}, {"sub": None}, {"sub": ["gateway"]}, {"iss": "x"}])
def test_actor_of_another_shape_breaks_the_contract(act: Any) -> None:
    contract = contract_of(chain(1), required=True)
    assert isinstance(admitted(contract, act), Refused)


def test_actor_that_is_not_declared_is_never_seen() -> None:
    contract = parse_contract(yaml.safe_dump(TREE), Path("orders/1.0.0.yaml"))
    subject = subject_of(contract, {"sub": "gateway"})
    assert "actor" not in subject
    assert "act" not in subject["claims"]


def test_claim_act_without_the_word_stays_among_the_claims() -> None:
    tree = copy.deepcopy(TREE)
    tree["claims"]["act"] = {"schema": chain(1)}
    contract = parse_contract(yaml.safe_dump(tree), Path("orders/1.0.0.yaml"))
    subject = subject_of(contract, {"sub": "gateway"})
    assert (subject["claims"]["act"], "actor" in subject) == ({"sub": "gateway"}, False)
    assert contract.ref.digest != contract_of(chain(1)).ref.digest
    assert "actor" not in contract.canonical["claims"]["act"]  # type: ignore[operator,index,call-overload]


def test_type_checker_knows_the_current_actor_at_its_place() -> None:
    subject = input_schema(contract_of(chain(2)))["properties"]["subject"]["properties"]
    assert set(subject["actor"]["properties"]) == {"sub", "iss"}
    assert "act" not in subject["claims"]["properties"]
    plain = parse_contract(yaml.safe_dump(TREE), Path("orders/1.0.0.yaml"))
    assert "actor" not in input_schema(plain)["properties"]["subject"]["properties"]


def test_a_read_of_the_actor_is_a_read_of_its_claim() -> None:
    assert claim_places("act") == (("subject", "claims", "act"), ("subject", "actor"))
    assert claim_places("role") == (("subject", "claims", "role"),)


@pytest.mark.parametrize(
    ("schema", "members", "told"),
    [
        ({"type": "string"}, {}, "an actor is an object with `properties`"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 2}, {}, "an actor is an object"),
        ({"const": {"sub": "x"}}, {}, "an actor is an object"),
        ({"type": "object", "properties": {"sub": {"type": "string"}}}, {}, "an actor has a required `sub`"),
        ({"type": "object", "properties": {"iss": {"type": "string"}}, "required": ["iss"]}, {}, "a required `sub`"),
        (chain(1, sub={"type": "integer"}), {}, "a required `sub` of the type string"),
        (chain(1, act={"type": "string"}), {}, "an actor is an object"),
        (chain(MAX_CHAIN + 1), {}, "a chain of more than 4 actors"),
        (chain(1), {"tokens": ["id_token"]}, "an actor stands in the access token"),
        (chain(1), {"renamed_from": "acting"}, "has had no other name"),
        (chain(1), {"source": ["ext", "act"]}, "an actor stands in `act` of the token"),
        (chain(1), {"name": "actor"}, "only the claim `act` names the actor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_actor_that_cannot_be_one_is_a_fault_of_the_contract(schema: Any, members: dict[str, Any], told: str) -> None:
    with pytest.raises(ContractsInvalid) as refused:
        contract_of(schema, **members)
    assert told in "\n".join(map(str, refused.value.faults))


@pytest.mark.parametrize(
    "schema", [chain(MAX_CHAIN), chain(1, sub={"enum": ["gateway"]}), chain(1, sub={"const": "x"})]
)
def test_actor_of_bounded_form_is_accepted(schema: Any) -> None:
    assert contract_of(schema).actor is not None


@pytest.mark.parametrize(
    ("sensitivity", "written"), [("internal", "gateway"), ("pii", "hmac-sha256:"), ("secret", "")], ids=str
)
def test_log_names_the_actor_as_the_contract_permits(sensitivity: str, written: str) -> None:
    contract = contract_of(chain(1), sensitivity=sensitivity)
    profile = contract.profile
    masking = Masking(MaskKey("k", bytes(32)))

    def logged(act: Any) -> str:
        claims = VerifiedClaims({"act": act}, profile.issuer, profile.audience, "ES256", 1, 600)
        record = DecisionRecord(time="t", decision_id="d", request_id="", effect="deny")
        return with_contract(record, contract, claims, masking).actor

    assert logged({"sub": "gateway"}).startswith(written)
    assert ("gateway" in logged({"sub": "gateway"})) == (sensitivity == "internal")
    for odd in ("gateway", {"sub": ["gateway"]}, None, {}):
        assert logged(odd) == ""
