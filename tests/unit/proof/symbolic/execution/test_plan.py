"""The reader of OPA's plan refuses what it does not know."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements.proof.symbolic.execution.plan import PlanUnknown, read_plan


def statement(kind: str, **body: Any) -> dict[str, Any]:
    return {"type": kind, "stmt": {"file": 0, "row": 3, "col": 1, **body}}


def plan(*statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "static": {"files": [{"value": "a.rego"}], "strings": [{"value": "x"}]},
        "plans": {"plans": [{"name": "a/allow", "blocks": [{"stmts": [*statements]}]}]},
    }


TAKEN = statement("AssignVarStmt", source={"type": "local", "value": 0}, target=2)
GIVEN = statement("ResultSetAddStmt", value=2)


def test_plan_of_known_statements_is_read() -> None:
    read = read_plan(plan(TAKEN, GIVEN), "a/allow")
    assert [one.kind for one in read.entry.blocks[0]] == ["AssignVar", "ResultSetAdd"]
    assert str(read.entry.blocks[0][0].place) == "a.rego:3"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ([statement("GuessStmt"), GIVEN], "the plan's statement `Guess` is not known here"),
        ([GIVEN], "the plan reads what was not assigned"),
        ([statement("CallStmt", func="g0", args=[], result=2), GIVEN], "the plan calls `g0`, which it has not"),
        ([statement("NotStmt", block={"stmts": [statement("BreakStmt", index=1)]})], "jumps out of a loop"),
        ([statement("AssignVarStmt", source={"type": "local", "value": 0})], "a form that is not known here"),
    ],
    ids=["statement", "unassigned", "function", "jump", "form"],
)
def test_plan_that_is_not_understood_is_refused(statements: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(PlanUnknown, match=told):
        read_plan(plan(*statements), "a/allow")


def test_plan_of_another_entry_point_is_refused() -> None:
    with pytest.raises(PlanUnknown):
        read_plan(plan(TAKEN, GIVEN), "b/allow")
