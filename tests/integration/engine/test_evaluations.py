"""Evaluations outside of requests: batches in which some fail, built-ins on constants, and OPA's plan."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from entitlements.engine import BatchEngine, Opa
from entitlements.engine.builtin_calls import BuiltinCalls, CallResult, SetDocument
from entitlements.engine.plan_build import build_plan
from entitlements.engine.spelling import Canonical
from entitlements.errors import EngineUnavailable
from entitlements.proof.symbolic.execution.plan import PlanUnknown, read_plan

POLICY = "package shop.authz\n\ndefault allow := false\n\nallow if to_number(input.name) == 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop/authz").mkdir(parents=True)
    (tmp_path / "shop/authz/authz.rego").write_text(POLICY)
    (tmp_path / "shop/data.json").write_text('{"limits": {"a": 1.5}}')
    return tmp_path


def test_inputs_whose_evaluation_fails_spoil_no_other(folder: Path, opa: Opa) -> None:
    inputs = [{"name": name} for name in ("1", "x", "2", [], 1, {}, 0)] * 40
    with BatchEngine(opa, folder, "shop/authz/allow") as engine:
        verdicts = engine.decide(inputs)
    expected = [True, None, False, None, True, None, False] * 40
    assert [None if one is None else one.allow for one in verdicts] == expected


def test_an_undefined_decision_among_failing_ones_is_a_denial(folder: Path, opa: Opa) -> None:
    (folder / "shop/authz/authz.rego").write_text(POLICY.replace("default allow := false\n", ""))
    with BatchEngine(opa, folder, "shop/authz/allow") as engine:
        verdicts = engine.decide([{"name": "1"}, {"name": "x"}, {}, {"name": "2"}])
    assert [None if one is None else (one.allow, *one.reasons) for one in verdicts] == [
        (True,),
        None,
        (False, "policy_undefined"),
        (False, "policy_undefined"),
    ]


CALLS = {
    "value": ("upper", ["aß"], CallResult(defined=True, value="Aß")),
    "number": ("plus", [1, 2], CallResult(defined=True, value=3)),
    "fraction": ("plus", [Fraction(1, 2), 1], CallResult(defined=True, value=Canonical(3, 2))),
    "failure": ("upper", [1], CallResult(defined=False, failed=True)),
    "division": ("div", [1, 0], CallResult(defined=False, failed=True)),
    "set": ("or", [SetDocument([1]), SetDocument([2])], CallResult(defined=True, value=SetDocument([1, 2]))),
    "false": ("regex.match", ["^a", "b"], CallResult(defined=True, value=False)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_built_in_on_constants_is_what_opa_says(name: str, opa: Opa) -> None:
    builtin, row, wanted = CALLS[name]
    (found,) = BuiltinCalls(opa)(builtin, [row])
    assert found == wanted
    assert type(found.value) is type(wanted.value)


def test_calls_that_fail_spoil_no_others(opa: Opa) -> None:
    found = BuiltinCalls(opa)("upper", [["a"], [1], ["b"], [None]])
    assert [one.value for one in found] == ["A", None, "B", None]
    assert [one.failed for one in found] == [False, True, False, True]


def test_a_relation_gives_all_its_results(opa: Opa) -> None:
    (found,) = BuiltinCalls(opa)("walk", [[{"a": [1]}]], relation=True)
    assert sorted(map(str, found.value)) == sorted(map(str, [[[], {"a": [1]}], [["a"], [1]], [["a", 0], 1]]))


def test_an_executable_that_is_none_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        BuiltinCalls(Opa(tmp_path / "absent"))("upper", [["a"]])
    with pytest.raises(EngineUnavailable):
        build_plan(Opa(tmp_path / "absent"), {"a.rego": b"package a"}, "a/b")


def test_the_plan_comes_with_the_base_documents_and_exact_numbers(folder: Path, opa: Opa) -> None:
    files = {
        "shop/authz/authz.rego": POLICY.encode(),
        "shop/data.json": (folder / "shop/data.json").read_bytes(),
    }
    built = build_plan(opa, files, "shop/authz/allow")
    assert built.data["shop"]["limits"]["a"] == Fraction(3, 2)
    plan = read_plan(built.plan, "shop/authz/allow")
    assert "to_number" in plan.builtins


def test_a_plan_with_what_is_not_known_is_refused(opa: Opa) -> None:
    built = build_plan(opa, {"shop/authz/authz.rego": POLICY.encode()}, "shop/authz/allow")
    function = built.plan["funcs"]["funcs"][0]
    function["blocks"][0]["stmts"].append({"type": "LeapStmt", "stmt": {"file": 0, "row": 3, "col": 1}})
    with pytest.raises(PlanUnknown, match="Leap"):
        read_plan(built.plan, "shop/authz/allow")
    with pytest.raises(PlanUnknown):
        read_plan({"static": {}, "plans": {"plans": []}}, "shop/authz/allow")
