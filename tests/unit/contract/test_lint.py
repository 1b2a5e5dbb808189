"""`contract lint` warns of personal data in tokens that anybody can read, and of consumers that read other tokens."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import lint, parse_contract
from entitlements.errors import ContractsInvalid, Fault

ROOT = Path(__file__).resolve().parents[3]
ORDERS: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())


def warnings(**changed: Any) -> list[Fault]:
    document = {**copy.deepcopy(ORDERS), **changed}
    return [*lint(parse_contract(yaml.safe_dump(document), Path("orders/1.0.0.yaml")))]


def mail(kinds: list[str], **more: Any) -> dict[str, Any]:
    claim = {"sensitivity": "pii", "tokens": kinds, "schema": {"type": "string", "format": "email"}, **more}
    return {**ORDERS["claims"], "email": claim}


@pytest.mark.parametrize("kind", ["access_token", "id_token", "wrapper_token"])
def test_personal_data_in_a_token_that_anybody_can_read_is_a_finding_that_names_userinfo(kind: str) -> None:
    found = [one for one in warnings(claims=mail([kind])) if one.code.startswith("sensitive_claim")]
    assert [(one.code, one.path) for one in found] == [(f"sensitive_claim_in_{kind}", "claims.email")]
    assert "userinfo" in found[0].message


@pytest.mark.parametrize("kinds", [["userinfo"], ["introspection"], ["userinfo", "introspection"]])
def test_personal_data_where_only_its_reader_gets_it_is_no_finding(kinds: list[str]) -> None:
    assert not [one for one in warnings(claims=mail(kinds)) if one.code.startswith("sensitive_claim")]


@pytest.mark.parametrize(("jwt", "found"), [("introspect", False), ("verify", True)])
def test_claims_of_access_tokens_that_are_all_introspected_are_read_by_no_client(jwt: str, found: bool) -> None:
    tokens = {"access_token": {**ORDERS["tokens"]["access_token"], "opaque": {"jwt": jwt}}}
    codes = [one.code for one in warnings(claims=mail(["access_token"]), tokens=tokens)]
    assert ("sensitive_claim_in_access_token" in codes) is found


def test_a_secret_is_not_sent_to_userinfo_and_an_identifier_is_not_left_out() -> None:
    secret = {one.code: one.message for one in warnings(claims=mail(["access_token"], sensitivity="secret"))}
    assert "a secret belongs in no token" in secret["sensitive_claim_in_access_token"]
    subject = {"sensitivity": "pii", "schema": {"type": "string", "maxLength": 64}}
    named = {one.code: one.message for one in warnings(claims={**ORDERS["claims"], "sub": subject})}
    assert "a pseudonymous identifier" in named["sensitive_claim_in_access_token"]


def consumer(**members: Any) -> list[dict[str, Any]]:
    return [*ORDERS["consumers"], {"name": "spa", "kind": "first-party", **members}]


@pytest.mark.parametrize(("kinds", "served"), [(["userinfo"], True), (["access_token"], False), (None, True)])
def test_a_consumer_that_reads_no_token_with_its_claim_is_told(kinds: list[str] | None, served: bool) -> None:
    told = {"tokens": kinds} if kinds else {}
    found = [
        one for one in warnings(consumers=consumer(relies_on=["email"], **told)) if one.code == "consumer_unserved"
    ]
    assert [one.path for one in found] == ([] if served else ["consumers.spa"])


def test_a_claim_on_which_only_a_client_relies_in_id_tokens_is_unused_in_access_tokens() -> None:
    claims = {**ORDERS["claims"], "locale": {"tokens": ["access_token", "id_token"], "schema": {"enum": ["de", "en"]}}}
    for kinds, unused in ((["id_token"], True), (["access_token"], False)):
        found = warnings(claims=claims, consumers=consumer(relies_on=["locale"], tokens=kinds))
        assert ("claims.locale" in [one.path for one in found if one.code == "claim_unused"]) is unused


def test_a_consumer_that_reads_no_kind_of_token_is_refused_with_its_place() -> None:
    with pytest.raises(ContractsInvalid) as refused:
        warnings(consumers=consumer(tokens=[]))
    assert "consumers[2].tokens: a consumer reads one kind of token or more" in str(refused.value.faults[0])
