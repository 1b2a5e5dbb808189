"""An approval of a witness that represents others accepts exactly those."""

from __future__ import annotations

import pytest

from entitlements.model import Resource
from entitlements.proof.answer import Witness
from entitlements.proof.grouping import HANDFUL, grouped
from entitlements.proof.requests import ANY, LIKE, Label, RequestKind, one_request, perhaps_any
from entitlements.proof.scenario import Scenario, Token

TOKEN = Token("u_1", frozenset(), {})


def witness(action: str, *, rule: str = "allow", kind: str = "access") -> Witness:
    point = Scenario(TOKEN, TOKEN, action, Resource("doc", "1", {}), {})
    made = Witness(point, False, ("role",), rule, (), (), "", kind=kind, meaning={"rule": rule, "kind": kind})
    return made.of_requests([one_request(action, "doc")])


def several(number: int) -> list[Witness]:
    return [witness(f"do_{one}") for one in range(number)]


def test_a_handful_of_witnesses_is_told_one_by_one() -> None:
    assert grouped(several(HANDFUL)) == tuple(several(HANDFUL))


def test_more_than_a_handful_of_one_cause_is_one_witness_of_all() -> None:
    (one,) = grouped(several(HANDFUL + 1))
    assert one.together == tuple(several(HANDFUL + 1))


def test_witnesses_of_other_rules_and_kinds_are_not_grouped() -> None:
    others = [witness("x", rule="other"), witness("x", kind="obligation")]
    assert len(grouped([*several(HANDFUL), *others])) == HANDFUL + 2


def test_the_fingerprint_of_a_group_does_not_depend_on_the_order() -> None:
    (one,), (other,) = grouped(several(5)), grouped(several(5)[::-1])
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize("number", [HANDFUL + 1, HANDFUL + 3], ids=["fewer", "more"])
def test_an_approval_of_a_group_covers_no_other_group(number: int) -> None:
    (before,), (after,) = grouped(several(HANDFUL + 2)), grouped(several(number))
    judged = after.judged_by({before.fingerprint})
    assert (judged.approved, judged.approved_by) == (False, frozenset())
    assert before.judged_by({before.fingerprint}).approved


def test_a_group_is_accepted_by_approvals_of_all_its_witnesses_and_of_no_fewer() -> None:
    (group,) = grouped(several(4))
    marks = {one.fingerprint for one in several(4)}
    judged = group.judged_by(marks)
    assert (judged.approved, judged.approved_by) == (True, marks)
    assert all(one.approved for one in judged.together)
    for mark in marks:
        assert not group.judged_by(marks - {mark}).approved


KINDS = {
    "one": [one_request("read", "doc")],
    "another": [one_request("write", "doc")],
    "both": [one_request("read", "doc"), one_request("write", "doc")],
    "any of both": [RequestKind(Label("read", ANY, ("read", "write")), Label("doc"))],
    "any of three": [RequestKind(Label("read", ANY, ("list", "read", "write")), Label("doc"))],
    "any": [RequestKind(Label("read", ANY), Label("doc"))],
    "any type": [RequestKind(Label("read"), Label("doc", ANY))],
    "perhaps any": [perhaps_any("read", "doc")],
    "any other": [RequestKind(Label("x", LIKE), Label("doc"))],
    "any but one": [RequestKind(Label("x", LIKE, ("read",)), Label("doc"))],
    "holds": [RequestKind(Label("x", LIKE, (), (("starts", True),)), Label("doc"))],
    "does not hold": [RequestKind(Label("x", LIKE, (), (("starts", False),)), Label("doc"))],
    "another does not hold": [RequestKind(Label("x", LIKE, (), (("ends", False),)), Label("doc"))],
    "both hold": [RequestKind(Label("x", LIKE), Label("doc"), (("same", True),))],
    "both do not hold": [RequestKind(Label("x", LIKE), Label("doc"), (("same", False),))],
}


def test_witnesses_of_other_requests_have_another_fingerprint() -> None:
    marks = {name: witness("read").of_requests(kinds).fingerprint for name, kinds in KINDS.items()}
    assert len({*marks.values()}) == len(KINDS)


def test_the_example_of_requests_that_are_read_alike_is_no_part_of_the_fingerprint() -> None:
    for how in (LIKE, ANY):
        one, other = ([RequestKind(Label(name, how), Label("doc"))] for name in ("fresh-1", "fresh-2"))
        assert witness("a").of_requests(one).fingerprint == witness("b").of_requests(other).fingerprint


def test_the_requests_of_a_list_may_be_approved_one_by_one() -> None:
    marks = {witness(action).fingerprint for action in ("read", "write")}
    for name in ("both", "any of both"):
        assert witness("read").of_requests(KINDS[name]).judged_by(marks).approved
    for name in ("any of three", "any", "any type", "perhaps any", "any other", "any but one"):
        assert not witness("read").of_requests(KINDS[name]).judged_by(marks).approved
