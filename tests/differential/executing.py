"""The executor run on constants, and its result as OPA would print it: what the differential tests have in common."""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entitlements.engine import Opa
from entitlements.engine.batch_server import BatchServer
from entitlements.engine.builtin_calls import BuiltinCalls, SetDocument
from entitlements.engine.spelling import read_decimal
from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.execution.executor import Executor
from entitlements.proof.symbolic.execution.plan import Plan
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term
from entitlements.proof.symbolic.values.algebra import Algebra, OrderNeeded
from entitlements.proof.symbolic.values.concrete import in_order
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import UNDEFINED, Array, Const, Leaf, Object, Scalar, Set, Value, constant

CONFLICT = "two different values"


class NotConstant(Exception):
    """A result of constants is no constant: the walk says that it does not know."""


@dataclass(frozen=True)
class Ran:
    """What a walk on constants gives. defined, value: the result without regard to errors; failures: what fails."""

    defined: bool
    value: Any
    failures: tuple[str, ...]

    @property
    def conflict(self) -> bool:
        return any(CONFLICT in what for what in self.failures)


Oracle = Callable[..., Any]


def run_plan(
    plan: Plan,
    data: Value,
    document: Value,
    oracle: Oracle,
    *,
    executor: type[Executor] = Executor,
    builtins: type[Builtins] = Builtins,
) -> Ran:
    """Raises NotConstant, Unsupported, PlanUnknown."""
    algebra, value, failures = walk_plan(plan, data, document, oracle, executor=executor, builtins=builtins)
    found = UNDEFINED
    for guard, leaf in value.cases:
        if decided(guard):
            assert isinstance(leaf, Object)
            found = algebra.member(Value(((TRUE, leaf),)), constant("result"))
    defined, shown = shown_value(found)
    return Ran(defined, shown, failures)


def walk_plan(
    plan: Plan,
    data: Value,
    document: Value,
    oracle: Oracle,
    *,
    executor: type[Executor] = Executor,
    builtins: type[Builtins] = Builtins,
) -> tuple[Algebra, Value, tuple[str, ...]]:
    """What a plan gives, as it is, and what fails. Raises NotConstant, Unsupported, PlanUnknown."""
    limits = Limits()
    algebra = Algebra(limits)
    try:
        walk = executor(plan, data, builtins(plan.builtins, algebra, limits, oracle), algebra, limits)
        value, errors = walk.decision(document)
    except OrderNeeded as needed:
        raise NotConstant("order") from needed
    if limits.approximations or limits.cut or limits.opened:
        raise NotConstant("approximated " + " ".join(what for what, _ in limits.approximations))
    return algebra, value, tuple(what for (_, what), condition in errors.items() if decided(condition))


def decided(condition: Term) -> bool:
    """Raises NotConstant where a condition is none of the two."""
    if condition is not TRUE and condition is not FALSE:
        raise NotConstant(f"condition {condition}")
    return condition is TRUE


def shown_value(value: Value) -> tuple[bool, Any]:
    """Whether a value is defined, and the JSON document that OPA prints for it."""
    defined, document = document_of(value)
    return defined, printed(document)


def document_of(value: Value) -> tuple[bool, Any]:
    """Whether a value is defined, and its document, with sets as `SetDocument`s."""
    cases = [leaf for guard, leaf in value.cases if decided(guard)]
    assert len(cases) < 2, "two cases hold at once"
    return (True, _document(cases[0])) if cases else (False, None)


def _document(leaf: Leaf) -> Any:
    if isinstance(leaf, Const):
        return leaf.value
    if isinstance(leaf, Scalar):
        if leaf.term.op != "const":
            raise NotConstant("scalar")
        return leaf.term.args[0]
    if isinstance(leaf, Object):
        return {_key(key): document_of(member)[1] for guard, key, member in leaf.members if decided(guard)}
    if isinstance(leaf, Array) and not (leaf.ordered and leaf.known_multiplicity):
        raise NotConstant("order")
    items = [
        item for guard, element in leaf.elements if decided(guard) for there, item in [document_of(element)] if there
    ]
    return SetDocument(in_order(items)) if isinstance(leaf, Set) else items


def _key(key: Leaf) -> str:
    if isinstance(key, Scalar):
        raise NotConstant("how a number is written")
    found = printed(_document(key))
    return (
        found
        if isinstance(found, str)
        else json.dumps(found, separators=(",", ":"), default=float, ensure_ascii=False, sort_keys=True)
    )


def printed(document: Any) -> Any:
    """Sets as the sorted lists that OPA prints."""
    if isinstance(document, dict):
        return {name: printed(member) for name, member in document.items()}
    return [printed(item) for item in document] if isinstance(document, list) else document


def same(one: Any, other: Any) -> bool:
    """Whether two documents are the same JSON value: `true` is not `1`, `1.0` is `1`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(member, other[name]) for name, member in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


NOT_CALLED = (
    "print",
    "internal.print",
    "internal.test_case",
    "http.send",
    "opa.runtime",
    "assign",
    "eq",
    "rego.metadata",
)


class ServedCalls(BuiltinCalls):
    """OPA's answers about constants from one process with a rule for each built-in, as many calls are made here."""

    def __init__(self, opa: Opa) -> None:
        super().__init__(opa)
        self._folder = tempfile.TemporaryDirectory(prefix="entitlements-calls-")
        self._names: dict[tuple[str, tuple[bool, ...]], str] = {}
        done = subprocess.run([str(opa), "capabilities", "--current"], capture_output=True, timeout=300, check=True)
        self.declared: dict[str, Mapping[str, Any]] = {one["name"]: one for one in json.loads(done.stdout)["builtins"]}
        for number, (name, one) in enumerate(self.declared.items()):
            if name not in NOT_CALLED and not one.get("deprecated"):
                self._write(f"b{number}", name, one["decl"].get("args") or [])
        self._server = BatchServer(opa.executable, self._folder.name)

    def __enter__(self) -> ServedCalls:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._folder.cleanup()

    def _write(self, package: str, name: str, arguments: Sequence[Mapping[str, Any]]) -> None:
        rules = []
        choices = [[one for one in (False, True) if not one or _may_be_set(argument)] for argument in arguments]
        for shape in itertools.product(*choices):
            rule = "r" + "".join(str(int(one)) for one in shape)
            passed = ", ".join(
                f"{{x | some x in input.a[{i}]}}" if one else f"input.a[{i}]" for i, one in enumerate(shape)
            )
            rules.append(f"{rule} := [[d, type_name(d)] | d := {name}({passed})]")
            self._names[name, shape] = f"calls/{package}/{rule}"
        text = f"package calls.{package}\n\n" + "\n\n".join(rules) + "\n"
        (Path(self._folder.name) / f"{package}.rego").write_text(text)

    def _ask(self, name: str, shape: tuple[bool, ...], rows: Sequence[Sequence[Any]]) -> list[Any]:
        if (name, shape) not in self._names:
            # A set where the built-in takes none: it fails.
            return [None] * len(rows)
        texts = [json.dumps({"a": list(row)}, default=float) for row in rows]
        answers = self._server.decide(self._names[name, shape], texts)
        return [None if answer is None else exactly(answer["result"]) for answer in answers]


def _may_be_set(argument: Mapping[str, Any]) -> bool:
    if argument["type"] == "any":
        return not argument.get("of") or any(map(_may_be_set, argument["of"]))
    return bool(argument["type"] == "set")


def exactly(document: Any) -> Any:
    """A document with its numbers as Python writes them, which is how the service hands them to OPA."""
    if isinstance(document, dict):
        return {name: exactly(member) for name, member in document.items()}
    if isinstance(document, list):
        return [exactly(item) for item in document]
    return read_decimal(repr(document)) if isinstance(document, float) else document
