"""The executor on constants is a reference interpreter of OPA's plan: it gives what OPA gives.

Of every sample policy of the repository, and of generated ones, on inputs drawn at random. The one difference that may
be: the plan fails where OPA does not come to evaluate the call that fails, and gives the same value but for that.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from entitlements.engine import BatchEngine, Opa
from entitlements.engine.batch_server import BatchServer
from entitlements.engine.builtin_calls import CallResult, SetDocument
from entitlements.engine.plan_build import BuiltPlan, build_plan
from entitlements.engine.policy_folder import policy_files
from entitlements.errors import EngineUnavailable
from entitlements.proof.symbolic.builtins.apply import RULES, Builtins
from entitlements.proof.symbolic.execution.plan import read_plan
from entitlements.proof.symbolic.terms.term import TRUE
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.concrete import in_order
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import KINDS, Set, Value, constant, of_leaf

from .executing import (
    NOT_CALLED,
    NotConstant,
    Ran,
    ServedCalls,
    decided,
    document_of,
    exactly,
    printed,
    run_plan,
    same,
)
from .generated import DATA, PolicyMaker, random_input

ROOT = Path(__file__).resolve().parents[2]
GENERATED = int(os.environ.get("GENERATED", "40"))
INPUTS = 25


@pytest.fixture(scope="module")
def calls(opa: Opa) -> Iterator[ServedCalls]:
    with ServedCalls(opa) as served:
        yield served


def difference(ran: Ran, answer: dict[str, Any] | None) -> str:
    """How a walk differs from OPA's answer (None: the evaluation failed), or nothing."""
    if answer is None:
        return "" if ran.failures else f"OPA fails, the walk gives {ran.value}"
    same_value = ran.defined == ("result" in answer) and same(ran.value, exactly(answer.get("result")))
    return (
        "" if same_value else f"OPA gives {answer}, the walk {ran.value if ran.defined else 'nothing'}, {ran.failures}"
    )


def compared(
    built: BuiltPlan, answers: list[dict[str, Any] | None], inputs: list[Any], calls: Any, **parts: Any
) -> tuple[Counter[str], list[str]]:
    """How many inputs agree and how many are not followed, and each that differs."""
    plan, data = read_plan(built.plan, built.entrypoint), constant(built.data)
    counts, found = Counter[str](), []
    for document, answer in zip(inputs, answers, strict=True):
        try:
            ran = run_plan(plan, data, constant(exactly(document)), calls, **parts)
        except Unsupported as fault:
            counts["unsupported " + fault.code] += 1
            continue
        except NotConstant as reason:
            counts["not known exactly " + str(reason)] += 1
            continue
        if said := difference(ran, answer):
            found.append(f"{json.dumps(document)}: {said}")
        else:
            counts["agree"] += 1
    return counts, found


def serve(opa: Opa, folder: Path, files: dict[str, bytes]) -> BatchServer:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return BatchServer(opa.executable, str(folder))


def generated(seed: int, package: str, opa: Opa) -> tuple[dict[str, bytes], BuiltPlan]:
    """A policy that OPA accepts, and its plan."""
    chance = random.Random(seed)
    while True:
        text = PolicyMaker(chance, package).policy()
        files = {f"{package}.rego": text.encode(), "data.json": json.dumps(DATA).encode()}
        try:
            return files, build_plan(opa, files, f"{package}/out")
        except EngineUnavailable:
            continue


SAMPLES = [
    ("policies", "orders/authz/decision"),
    ("policies", "payments/authz/decision"),
    *((f"examples/history/policies-{number}", "tickets/authz/allow") for number in (1, 2, 3)),
]


def sample_input(chance: random.Random, text: str) -> dict[str, Any]:
    """An input with the members and the constants that a policy names, some missing and some of another type."""
    words = [*dict.fromkeys(re.findall(r'"([^"]*)"', text))]

    def value() -> Any:
        kind = chance.randrange(8)
        if kind < 4:
            return chance.choice(words)
        if kind < 6:
            return [chance.choice(words) for _ in range(chance.randint(0, 3))]
        return chance.choice([None, True, False, 0, 1, 3, 2.5, 10**20, {}, {"k": "a"}])

    def members(path: str) -> dict[str, Any]:
        names = dict.fromkeys(re.findall(rf"input\.{path}\.(\w+)", text))
        return {name: value() for name in names if chance.random() < 0.85}

    claims = members("subject.claims") | ({"suspended": False} if chance.random() < 0.5 else {})
    return {
        "subject": {**members("subject"), "claims": claims, "scopes": [w for w in words if chance.random() < 0.4]},
        "action": {"name": chance.choice(words)},
        "resource": {**members("resource"), "properties": members("resource.properties")},
        "context": members("context"),
    }


@pytest.mark.parametrize(("folder", "rule"), SAMPLES)
def test_sample_policies_decide_as_opa_decides(folder: str, rule: str, opa: Opa, calls: ServedCalls) -> None:
    files = policy_files(ROOT / folder)
    text = "".join(content.decode() for name, content in files.items() if name.startswith(rule.rpartition("/")[0]))
    chance = random.Random(rule)
    inputs = [sample_input(chance, text) for _ in range(300)]
    server = BatchServer(opa.executable, str(ROOT / folder))
    try:
        answers = [*server.decide(rule, [json.dumps(one) for one in inputs])]
    finally:
        server.close()
    counts, found = compared(build_plan(opa, files, rule), answers, inputs, calls)
    assert found == []
    assert counts["agree"] >= 0.95 * len(inputs)
    with BatchEngine(opa, ROOT / folder, rule) as engine:
        verdicts = engine.decide(inputs)
    assert [verdict is None for verdict in verdicts] == [answer is None for answer in answers]


def test_generated_policies_give_what_opa_gives(opa: Opa, calls: ServedCalls, tmp_path: Path) -> None:
    first = int(os.environ.get("SEED", "1"))
    made = {f"p{seed}": generated(seed, f"p{seed}", opa) for seed in range(first, first + GENERATED)}
    server = serve(opa, tmp_path, {name: content for files, _ in made.values() for name, content in files.items()})
    total, differing = Counter[str](), []
    try:
        for package, (_, built) in made.items():
            chance = random.Random(package)
            inputs = [random_input(chance) for _ in range(INPUTS)]
            answers = [*server.decide(f"{package}/out", [json.dumps(one) for one in inputs])]
            counts, found = compared(built, answers, inputs, calls)
            total += counts
            differing += [f"{package}: {one}" for one in found]
    finally:
        server.close()
    print(f"\n{dict(total)}")
    assert differing == []
    assert total["agree"] > 0.8 * GENERATED * INPUTS


ODD = [
    *(
        None,
        True,
        False,
        0,
        1,
        -2,
        3,
        10**20,
        Fraction(5, 2),
        "",
        "a",
        "ab",
        "b",
        "é😀",
        "a,b",
        "^a",
        "1",
        "%v %s",
        "%d%%",
        "/",
    ),
    *([], ["a"], ["a", "b", "a"], [1, 2], [3, 1], ["a", 1], [[1], [2]], {}, {"a": 1}, {"b": ["a"]}),
    *(SetDocument(), SetDocument(["a", "b"]), SetDocument([1, 2]), SetDocument([2, 3])),
]
"""Documents of every type, those that built-ins read differently too."""


def odd_value(chance: random.Random, declared: Mapping[str, Any]) -> Any:
    """A document, of a declared type three times out of four."""
    fitting = [one for one in ODD if kind_of(one) in kinds_of(declared)]
    return chance.choice(fitting if chance.random() < 0.75 else ODD)


def kinds_of(declared: Mapping[str, Any]) -> set[str]:
    if declared["type"] != "any":
        return {str(declared["type"])}
    return set(KINDS) if not declared.get("of") else set().union(*map(kinds_of, declared["of"]))


def kind_of(document: Any) -> str:
    return value_of(document).cases[0][1].kind


def differing_calls(calls: ServedCalls, rules: Mapping[str, Any], rounds: int) -> list[str]:
    """Calls of the table's rules on constants that OPA answers differently."""
    found = []
    chance = random.Random(3)
    for name in sorted(rules):
        one = calls.declared.get(name)
        if one is None or one.get("deprecated") or name in NOT_CALLED:
            continue
        declared = {name: one["decl"]}
        for _ in range(rounds):
            row = [odd_value(chance, argument) for argument in one["decl"].get("args") or []]
            limits = Limits()
            table = TableOf(declared, Algebra(limits), limits, calls)
            table.rules = rules
            try:
                value, failures = table(name, [value_of(argument) for argument in row], TRUE)
                ran = *document_of(value), any(decided(condition) for condition in failures.values())
            except (Unsupported, NotConstant):
                continue
            (wanted,) = calls(name, [row])
            if ran[2] != wanted.failed or (not wanted.failed and not same_call(ran, wanted)):
                found.append(f"{name}{tuple(row)}: OPA gives {wanted}, the table {ran}")
    return found


def same_call(ran: tuple[bool, Any, bool], wanted: CallResult) -> bool:
    return ran[0] == wanted.defined and (not ran[0] or same(printed(ran[1]), printed(_in_order(wanted.value))))


def _in_order(document: Any) -> Any:
    return SetDocument(in_order(document)) if isinstance(document, SetDocument) else document


def value_of(document: Any) -> Value:
    if isinstance(document, SetDocument):
        return of_leaf(Set(tuple((TRUE, constant(item)) for item in document)))
    return constant(document)


class TableOf(Builtins):
    """The built-ins with a table of rules of their own."""

    rules: Mapping[str, Any] = RULES

    def rule_of(self, name: str) -> Any:
        return self.rules.get(name)


def test_every_rule_of_the_table_gives_what_opa_gives(calls: ServedCalls) -> None:
    assert differing_calls(calls, RULES, 60) == []
