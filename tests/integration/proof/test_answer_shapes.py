"""Decisions that stand elsewhere in a policy's answer: the proof reads them where the service does, and no others."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Contract, parse_contract
from entitlements.engine import BatchEngine, Opa
from entitlements.errors import ContractsInvalid
from entitlements.proof import PROVED, REFUTED, Access, Side, compare_access
from entitlements.proof.scenario import policy_input_of
from tests.shop import SHOP

ENVOY = {"allow": ["allowed"], "ignore": [["headers"], ["http_status"]]}
ROLES = {"role": {"required": True, "schema": {"enum": ["clerk", "guest"]}}}
CLERK = 'input.subject.claims.role == "clerk"'


def contract(answer: dict[str, Any] | None, version: str = "1.0.0", **more: Any) -> Contract:
    document: dict[str, Any] = {**copy.deepcopy(SHOP), "version": version, "claims": ROLES, "scopes": {}, **more}
    document["policy"] = {**document["policy"], "rule": "decision", **({"answer": answer} if answer else {})}
    return parse_contract(yaml.safe_dump(document), Path("shop.yaml"), named=False)


def compared(opa: Opa, folder: Path, contracts: tuple[Contract, Contract], rules: tuple[str, str]) -> Access:
    sides = []
    for number, (one, text) in enumerate(zip(contracts, rules, strict=True)):
        place = folder / str(number) / "shop/authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(f"package shop.authz\n\n{text}\n")
        sides.append(Side(one, folder / str(number), one.decision_path))
    found = compare_access(*sides, opa=opa)
    for witness in found.no_new_access.witnesses:
        tokens = witness.scenario.before, witness.scenario.after
        for side, token, wanted in zip(sides, tokens, (False, True), strict=True):
            with BatchEngine(opa, side.policies, side.decision_path, shape=side.contract.answer) as engine:
                (verdict,) = engine.decide([policy_input_of(side.contract, token, witness.scenario)])
            assert (verdict is not None and verdict.allow) is wanted
    return found


def envoy(condition: str) -> str:
    return f"""default decision := {{"allowed": false, "http_status": 403}}
decision := {{"allowed": true, "headers": {{"x-role": input.subject.claims.role}}}} if {condition}"""


def test_the_proof_reads_the_decision_where_the_contract_says(opa: Opa, tmp_path: Path) -> None:
    one = contract(ENVOY)
    wider = compared(opa, tmp_path / "wider", (one, one), (envoy(CLERK), envoy("true")))
    assert (wider.no_new_access.answer, wider.no_lost_access.answer) == (REFUTED, PROVED)
    narrower = compared(opa, tmp_path / "narrower", (one, one), (envoy("true"), envoy(CLERK)))
    assert (narrower.no_new_access.answer, narrower.no_lost_access.answer) == (PROVED, REFUTED)
    assert narrower.no_new_access.never_allows == ()


@pytest.mark.parametrize(
    ("old", "new", "answers"),
    [
        # A member that is not named makes the answer none: naming it lets everyone in that it kept out.
        ({"allow": ["allowed"], "ignore": [["headers"]]}, ENVOY, (PROVED, PROVED)),
        ({"allow": ["allowed"], "ignore": [["http_status"]]}, ENVOY, (REFUTED, PROVED)),
        (ENVOY, {"allow": ["allowed"], "ignore": [["http_status"]]}, (PROVED, REFUTED)),
        (None, ENVOY, (REFUTED, PROVED)),
    ],
    ids=["unused-member", "member-ignored", "member-refused", "from-the-plain-form"],
)
def test_a_change_of_the_shape_alone_is_proved_or_refuted(
    old: Any, new: Any, answers: tuple[str, str], opa: Opa, tmp_path: Path
) -> None:
    rules = f'default decision := {{"allowed": false}}\ndecision := {{"allowed": true, "headers": {{}}}} if {CLERK}'
    found = compared(opa, tmp_path, (contract(old), contract(new, "1.0.1")), (rules, rules))
    assert (found.no_new_access.answer, found.no_lost_access.answer) == answers


def test_a_boolean_itself_does_not_allow_where_an_object_is_said(opa: Opa, tmp_path: Path) -> None:
    found = compared(
        opa, tmp_path, (contract(ENVOY), contract(None, "1.0.1")), ("decision := true", "decision := true")
    )
    assert found.no_new_access.answer == REFUTED


NESTED = {"allow": ["result", "allowed"], "reasons": ["result", "codes"], "obligations": ["advice"]}


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        ('"result": {"allowed": true}', '"result": {"allowed": true, "codes": ["because"]}', PROVED),
        ('"result": {"allowed": true, "codes": ["No Code"]}', '"result": {"allowed": true}', REFUTED),
        ('"result": {"allowed": true, "other": 1}', '"result": {"allowed": true}', REFUTED),
        ('"result": [true]', '"result": {"allowed": true}', REFUTED),
        ('"result": {"allowed": true}, "advice": [{"id": "log"}]', '"result": {"allowed": true}', REFUTED),
        ('"result": {"allowed": true}', '"result": {"allowed": true}, "advice": [{"id": "log"}]', PROVED),
    ],
    ids=["reason", "no-code", "other-member", "no-object", "obligation-lost", "obligation-gained"],
)
def test_nested_places_are_read_as_strictly(old: str, new: str, answer: str, opa: Opa, tmp_path: Path) -> None:
    one = contract(NESTED)
    rules = (f"decision := {{{text}}} if {CLERK}" for text in (old, new))
    before, after = rules
    folder = tmp_path / "proof"
    sides = []
    for number, text in enumerate((before, after)):
        place = folder / str(number) / "shop/authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(f"package shop.authz\n\n{text}\n")
        sides.append(Side(one, folder / str(number), one.decision_path))
    assert compare_access(*sides, opa=opa).no_new_access.answer == answer


def test_an_answer_with_members_of_the_caller_is_not_proved(opa: Opa, tmp_path: Path) -> None:
    """Whether a caller's context holds a member that spoils the answer cannot be told."""
    one = contract({"allow": ["allowed"]})
    rules = "decision := input.context", 'decision := {"allowed": true} if input.context.allowed == true'
    assert compared(opa, tmp_path, (one, one), rules).no_new_access.answer != PROVED


@pytest.mark.parametrize(
    "answer",
    [
        {"allow": ["allowed"], "ignore": [["allowed"]]},
        {"allow": ["allowed"], "reasons": ["allowed", "codes"]},
        {"allow": []},
        {"reasons": ["codes"]},
    ],
    ids=["ignored-decision", "one-within-the-other", "no-name", "no-decision"],
)
def test_a_shape_that_contradicts_itself_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(ContractsInvalid) as caught:
        contract(answer)
    assert all(fault.path.startswith("policy") for fault in caught.value.faults)
