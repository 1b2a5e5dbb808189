"""When a second check finds what a record says: everything that an answer claims is compared."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from entitlements.checking.record import differences

SIDE = {"version": "1.0.0", "digest": "d", "policies": "p", "decision": "shop/authz/allow", "plan": "q", "data": "e"}
ANSWER = {
    "answer": "proved_within_bounds",
    "method": "proof",
    "coverage": "every permitted token and request, lists cut short",
    "reason": "lists were looked at up to a length that may not be all that matters",
    "bounds": {"roles": 10},
    "approximations": ["`crypto.sha256` at a.rego:3:1"],
    "witnesses": ["0123456789abcdef"],
    "queries": ["sha256:1"],
}
RECORD: dict[str, Any] = {
    "record": 1,
    "made": "2026-11-25T00:00:00Z",
    "seconds": 1.5,
    "versions": {"opa": "1.0.0"},
    "contract": "shop",
    "old": SIDE,
    "new": SIDE,
    "no_new_access": ANSWER,
    "no_lost_access": ANSWER,
    "approved": ["0123456789abcdef"],
    "assumptions": ["one"],
}


def changed(*path: str, to: Any) -> dict[str, Any]:
    # Through JSON: nothing is shared between the sides or the answers.
    record: dict[str, Any] = json.loads(json.dumps(RECORD))
    inner = record
    for name in path[:-1]:
        inner = inner[name]
    assert inner[path[-1]] != to
    inner[path[-1]] = to
    return record


def test_the_same_record_has_no_difference() -> None:
    assert differences(RECORD, copy.deepcopy(RECORD)) == []


@pytest.mark.parametrize("answer", ["no_new_access", "no_lost_access"])
@pytest.mark.parametrize(
    ("member", "other"),
    [
        ("answer", "proved"),
        ("method", "enumeration"),
        ("bounds", {"roles": 3}),
        ("bounds", {}),
        ("approximations", []),
        ("witnesses", []),
    ],
)
def test_another_claim_of_an_answer_is_a_difference(answer: str, member: str, other: object) -> None:
    """A record of longer lists, or of a plain proof, says more than a check that finds less."""
    assert differences(RECORD, changed(answer, member, to=other)) == [f"{answer}.{member}"]


@pytest.mark.parametrize("side", ["old", "new"])
@pytest.mark.parametrize("member", SIDE)
def test_another_question_is_a_difference(side: str, member: str) -> None:
    assert differences(RECORD, changed(side, member, to="other")) == [f"{side}.{member}"]


def test_another_set_of_approvals_is_a_difference() -> None:
    assert differences(RECORD, changed("approved", to=[])) == ["approved"]


@pytest.mark.parametrize(
    "path", [("made",), ("seconds",), ("versions",), ("no_new_access", "coverage"), ("no_new_access", "queries")]
)
def test_times_versions_and_prose_are_no_difference(path: tuple[str, ...]) -> None:
    assert differences(RECORD, changed(*path, to="other")) == []
