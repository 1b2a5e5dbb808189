"""The differential tests notice a broken rule of a built-in and a broken statement of the executor, each one at a time.

What is broken stands in a table or a subclass of the test's own.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entitlements.engine import Opa
from entitlements.engine.batch_server import BatchServer
from entitlements.engine.plan_build import BuiltPlan, build_plan
from entitlements.proof.symbolic.builtins.apply import RULES
from entitlements.proof.symbolic.execution.executor import Executor
from entitlements.proof.symbolic.terms.term import FALSE, Term
from entitlements.proof.symbolic.values.value import Array, Set, Value, constant

from .executing import NOT_CALLED, ServedCalls
from .generated import DATA, random_input
from .test_constants import compared, differing_calls

# These rules are of values that are not known, see the tests of open values; constants go to OPA.
OPEN = frozenset(
    {
        *("div", "glob.match", "lower", "regex.match", "replace", "split", "substring", "upper"),
        *("trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix"),
        *("time.clock", "time.weekday"),
    }
)
# Plans call these themselves; no policy can. Others give nothing that could be distinguished from another.
INTERNAL = frozenset({"internal.member_2", "internal.member_3", "internal.template_string"})
DEPRECATED = frozenset({"re_match"})
WITHOUT_RESULT = frozenset({"internal.print", "print", "trace"})

POLICY = """package mutated

out["equal"] if input.s == "a"
out["unequal"] if input.s != "a"
out["negated"] if not input.t
out["negated_call"] if not f(input.s)
out["some"] := x if { some x in {"b", "c"}; x == input.s }
out["every"] if every x in input.xs { x != "a" }
out["array"] := [x | some x in input.xs]
out["set"] := {x | some x in input.xs}
out["object"] := {k: v | some k, v in input.o}
out["with"] if f("b") with input.s as "b"
out["with_data"] := y if { y := data.docs.on with data.docs.on as 5 }
out["else"] := chain
out["default"] := guarded
out["sorted"] := sort({1, 3, 2})
out["unified"] := y if [_, y] = input.xs
out["pattern"] := y if {"k": y} = input.o
out["dynamic"] := data.mutated.inner[input.s]
out["called"] := g(input.s)
out["null"] := null
out["number"] := 2.5
out["int"] := 7
out["members"] := members
out["table"] := table
out["either"] if either
out["twice"] := twice
out["walked"] := count([p | walk(input.o, [p, _])])
out["set_member"] if input.s in members
out["nested"] := data.docs.nested.x.y

f(x) if x == "b"

f(x) if { x == input.s; x == "c" }

g(x) := 1 if x == "a"

g(x) := 2 if x == "b"

chain := 1 if { input.s == "a" } else := 2 if { input.s == "b" } else := 3

default guarded := "no"

guarded := "yes" if input.t

inner["a"] := 1

inner["b"] := 2

members contains x if some x in input.xs

members contains "z" if input.t

table[input.s] := 1

table["q"] := 2 if input.t

either if input.s == "a"

either if input.t

twice := input.xs[0]

twice := "a" if input.t
"""


@dataclass(frozen=True)
class Sample:
    """A policy that uses every statement, and what OPA makes of many inputs."""

    built: BuiltPlan
    inputs: list[Any]
    answers: list[dict[str, Any] | None]


@pytest.fixture(scope="module")
def calls(opa: Opa) -> Iterator[ServedCalls]:
    with ServedCalls(opa) as served:
        yield served


@pytest.fixture(scope="module")
def sample(opa: Opa) -> Sample:
    text = POLICY.replace("\nout[", "\n\nout[")
    files = {"mutated.rego": text.encode(), "data.json": json.dumps(DATA).encode()}
    chance = random.Random(5)
    inputs = [random_input(chance) for _ in range(60)]
    inputs += [{"s": s, "t": t, "xs": ["a", "b"], "o": {"k": 1}} for s in ("a", "b", "c") for t in (True, False)]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        server = BatchServer(opa.executable, folder)
        try:
            answers = [*server.decide("mutated/out", [json.dumps(one) for one in inputs])]
        finally:
            server.close()
    return Sample(build_plan(opa, files, "mutated/out"), inputs, answers)


def test_the_policy_agrees_as_long_as_nothing_is_broken(sample: Sample, calls: ServedCalls) -> None:
    counts, found = compared(sample.built, sample.answers, sample.inputs, calls)
    assert found == []
    assert counts["agree"] > 0.9 * len(sample.inputs)


def wrong(rule: Callable[..., Value]) -> Callable[..., Value]:
    """The rule with another result: the opposite of a boolean, one element less, a wrong constant."""

    def broken(self: Any, arguments: Sequence[Value], live: Term) -> Value:
        value = rule(self, arguments, live)
        parts = []
        for guard, leaf in value.cases:
            if isinstance(leaf, (Array, Set)) and leaf.elements:
                parts.append((guard, type(leaf)(leaf.elements[1:])))
            elif getattr(leaf, "value", None) in (True, False) and leaf.kind == "boolean":
                parts.append((guard, constant(not leaf.value).cases[0][1]))
            else:
                parts.append((guard, constant("broken").cases[0][1]))
        return Value(tuple(parts))

    return broken


@pytest.mark.parametrize("name", sorted(set(RULES) - INTERNAL - OPEN - DEPRECATED - WITHOUT_RESULT - set(NOT_CALLED)))
def test_a_broken_rule_of_a_built_in_is_noticed(name: str, calls: ServedCalls) -> None:
    assert differing_calls(calls, {name: wrong(RULES[name])}, 60)


def _skipped(_self: Executor, _frame: Any, _statement: Any, live: Term) -> Term:
    return live


def _failing(_self: Executor, _frame: Any, _statement: Any, _live: Term) -> Term:
    return FALSE


_ASSIGNING = {
    "assign_int": "target",
    "assign_var": "target",
    "assign_var_once": "target",
    "call": "result",
    "dot": "target",
    "len": "target",
    "make_null": "target",
    "make_number_int": "target",
    "make_number_ref": "target",
}


def _other(name: str) -> Callable[..., Term]:
    def broken(self: Executor, frame: Any, statement: Any, live: Term) -> Term:
        end: Term = getattr(Executor, f"_do_{name}")(self, frame, statement, live)
        frame.locals[statement.operands[_ASSIGNING[name]]] = constant("broken")
        return end

    return broken


BROKEN = {
    **{f"{name} is passed over": (name, _skipped) for name in ("equal", "not_equal", "not", "set_add", "array_append")},
    **{f"{name} is passed over": (name, _skipped) for name in ("object_insert_once", "is_undefined")},
    **{f"{name} is passed over": (name, _skipped) for name in ("is_array", "scan", "with")},
    **{
        f"{name} always stops": (name, _failing) for name in ("equal", "not_equal", "not", "is_defined", "scan", "with")
    },
    **{f"{name} gives another value": (name, _other(name)) for name in _ASSIGNING if name != "assign_int"},
}


def _used(sample: Sample, name: str) -> bool:
    kind = "".join(part.title() for part in name.split("_"))
    return f'"{kind}Stmt"' in json.dumps(sample.built.plan)


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_statement_of_the_executor_is_noticed(what: str, sample: Sample, calls: ServedCalls) -> None:
    name, broken = BROKEN[what]
    assert _used(sample, name)
    executor = type("BrokenExecutor", (Executor,), {f"_do_{name}": broken})
    assert _notices(sample, calls, executor)


class NotFailing(Executor):
    """Conflicts and failing calls are forgotten."""

    def _fail(self, *_: Any) -> None:
        """Nothing."""


class BlocksRunOn(Executor):
    """A jump leaves nothing."""

    def _block(self, frame: Any, block: Any, live: Term) -> tuple[Term, dict[int, Term]]:
        end, out = super()._block(frame, block, live)
        return end, dict.fromkeys(out, FALSE)


class LastRoundOnly(Executor):
    """Of what is scanned, the first round is left out."""

    def _looping(self, frame: Any, statement: Any, loop: Any) -> Any:
        loop.rounds.pop(0) if loop.rounds else None
        return super()._looping(frame, statement, loop)


@pytest.mark.parametrize("executor", [NotFailing, BlocksRunOn, LastRoundOnly])
def test_a_broken_part_of_the_executor_is_noticed(executor: type[Executor], sample: Sample, calls: ServedCalls) -> None:
    assert _notices(sample, calls, executor)


def _notices(sample: Sample, calls: ServedCalls, executor: type[Executor]) -> bool:
    """Whether OPA decides anything otherwise. A crash shows no difference: it fails the test."""
    return bool(compared(sample.built, sample.answers, sample.inputs, calls, executor=executor)[1])
