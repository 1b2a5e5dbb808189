"""Decisions with obligations, drawn at random: on constants the proof reads of them what the service reads of OPA's."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entitlements.engine import Opa
from entitlements.engine.answer import read_result
from entitlements.engine.plan_build import BuiltPlan, build_plan
from entitlements.errors import EngineUnavailable
from entitlements.model import Verdict
from entitlements.proof.symbolic.execution.plan import read_plan
from entitlements.proof.symbolic.execution.verdict import lost_obligation, read_decision
from entitlements.proof.symbolic.terms.term import TRUE
from entitlements.proof.symbolic.values.algebra import Unsupported
from entitlements.proof.symbolic.values.value import constant

from .executing import NotConstant, ServedCalls, decided, exactly, same, shown_value, walk_plan
from .generated import DATA, PolicyMaker, random_input
from .test_constants import serve

DRAWN = int(os.environ.get("GENERATED", "40"))
INPUTS = 15


@pytest.fixture(scope="module")
def calls(opa: Opa) -> Iterator[ServedCalls]:
    with ServedCalls(opa) as served:
        yield served


def drawn(seed: int, package: str, opa: Opa) -> tuple[bytes, BuiltPlan]:
    """A policy that OPA accepts, and the plan of its decision."""
    chance = random.Random(f"duties {seed}")
    while True:
        text = PolicyMaker(chance, package).obliging().encode()
        files = {f"{package}.rego": text, "data.json": json.dumps(DATA).encode()}
        try:
            return text, build_plan(opa, files, f"{package}/decision")
        except EngineUnavailable:
            continue


def read(built: BuiltPlan, document: Any, calls: Any) -> tuple[bool, list[Any], bool, Any]:
    """Whether the proof finds an allow, its obligations, whether something fails, and what is needed to compare two."""
    plan, data = read_plan(built.plan, built.entrypoint), constant(built.data)
    algebra, value, failures = walk_plan(plan, data, constant(exactly(document)), calls)
    found = read_decision(algebra, value)
    if decided(found.doubtful):
        raise NotConstant("doubtful")
    duties = [shown_value(duty)[1] for there, duty in found.obligations if decided(there)]
    return decided(found.allow), duties, bool(failures), (algebra, found.obligations)


def subset(some: Any, others: Any) -> bool:
    return all(any(same(one, exactly(other)) for other in others) for one in some)


def difference(found: tuple[bool, list[Any], bool, Any], answer: dict[str, Any] | None) -> str:
    """How a reading differs from OPA's answer (None: the evaluation failed), or nothing."""
    allow, duties, fails, _ = found
    if answer is None:
        return "" if fails else "OPA fails"
    verdict = read_result(answer, "result", "")
    if allow != verdict.allow:
        return f"OPA's answer {answer} allows: {verdict.allow}"
    if not allow or (
        subset(duties, verdict.obligations) and all(any(same(one, d) for d in duties) for one in _exact(verdict))
    ):
        return ""
    return f"OPA gives {answer}, the proof {duties}"


def _exact(verdict: Verdict) -> list[Any]:
    return [exactly(one) for one in verdict.obligations]


def test_drawn_decisions_are_read_as_the_service_reads_them(opa: Opa, calls: ServedCalls, tmp_path: Path) -> None:
    made = {f"d{seed}": drawn(seed, f"d{seed}", opa) for seed in range(DRAWN)}
    files = {f"{package}.rego": text for package, (text, _) in made.items()}
    server = serve(opa, tmp_path, {**files, "data.json": json.dumps(DATA).encode()})
    counts, differing, losses = Counter[str](), list[str](), 0
    try:
        for package, (_, built) in made.items():
            chance = random.Random(package)
            inputs = [random_input(chance) for _ in range(INPUTS)]
            answers = [*server.decide(f"{package}/decision", [json.dumps(one) for one in inputs])]
            known: list[tuple[Any, Verdict]] = []
            for document, answer in zip(inputs, answers, strict=True):
                try:
                    found = read(built, document, calls)
                except (Unsupported, NotConstant):
                    counts["not followed"] += 1
                    continue
                if said := difference(found, answer):
                    differing.append(f"{package} {json.dumps(document)}: {said}")
                counts["allow" if found[0] else "deny"] += 1
                if found[0] and answer is not None and not found[2]:
                    known.append((found[3], read_result(answer, "result", "")))
            wrong, some = lost_differs(known)
            differing += [f"{package}: {one}" for one in wrong]
            losses += some
    finally:
        server.close()
    assert differing == []
    assert counts["allow"] > DRAWN
    assert counts["allow"] + counts["deny"] > 0.6 * DRAWN * INPUTS
    assert losses > DRAWN / 4


def lost_differs(known: list[tuple[Any, Verdict]]) -> tuple[list[str], int]:
    """Pairs of inputs of one policy of which the question and OPA's answers do not say the same of a lost obligation,
    and how many are lost.
    """
    wrong, lost = [], 0
    for (algebra, held), before in known:
        for (_, holds), after in known:
            asked = lost_obligation(algebra, held, holds)
            truth = not subset(_exact(before), after.obligations)
            lost += truth
            try:
                if decided(asked) != truth:
                    wrong.append(f"{before.obligations} to {after.obligations}: {asked is TRUE}")
            except NotConstant:
                continue
    return wrong, lost
