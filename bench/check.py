"""The check of a change: pairs of tokens decided a second, beside one HTTP query a decision, and the sample history."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from bench.questions import orders
from devkit.service import ROOT
from devkit.watched_opa import watched_opa
from entitlements.checking.step import Step, check_step
from entitlements.contract import Contract, load_approvals, load_file, parse_contract
from entitlements.engine import BatchEngine, Opa, read_policies
from entitlements.proof import METHOD, Effort, Side, compare_access
from entitlements.proof.enumeration.space import Space
from entitlements.proof.scenario import policy_input_of

_HISTORY = ROOT / "examples" / "history"
_STEPS = (("1.0.0", "1.1.0", 1, 1), ("1.1.0", "2.0.0", 1, 1), ("1.1.0", "2.0.0", 1, 2), ("2.0.0", "2.1.0", 2, 3))


def measure(opa: Opa, *, points: int) -> tuple[list[list[str]], list[list[str]]]:
    """Two tables: rates with their ratio, and the seconds of each step of the sample history. points: pairs that are
    enumerated in each direction; a tenth of them is asked by HTTP."""
    return _rates(opa, points), _history(opa)


def _rates(opa: Opa, budget: int) -> list[list[str]]:
    """The same inputs, decided in batches and by one HTTP query each on a connection that is kept, in turns."""
    old, new = orders(), _with_another_role(orders())
    space = Space(old, new, [read_policies(opa, ROOT / "policies")])
    layout = max(space.layouts, key=lambda one: one.size)
    points = [space.scenario(layout, row) for row in itertools.islice(space.covering(layout, seed=1), budget // 10)]
    inputs = [policy_input_of(new, point.after, point) for point in points]
    with BatchEngine(opa, ROOT / "policies", new.decision_path) as batches:
        engine = watched_opa(opa, ROOT / "policies", [new.decision_path])
        try:
            one_by_one, together = [], []
            for number in range(4):
                slow = _seconds(
                    lambda: [engine.ask(new.decision_path, one, deadline=time.monotonic() + 5) for one in inputs]
                )
                fast = _seconds(lambda: batches.decide(inputs * 5))
                # The first round warms both up.
                if number:
                    one_by_one.append(len(inputs) / slow)
                    together.append(5 * len(inputs) / fast)
        finally:
            engine.close()
    base = sorted(one_by_one)[1]
    sides = Side(old, ROOT / "policies", old.decision_path), Side(new, ROOT / "policies", new.decision_path)
    taken = _seconds(lambda: compare_access(*sides, opa=opa, effort=Effort(METHOD, budget=budget)))
    return [
        ["decisions, one HTTP query each", f"{base:.0f}", "1.0"],
        ["decisions in batches", f"{sorted(together)[1]:.0f}", f"{sorted(together)[1] / base:.1f}"],
        ["pairs, one HTTP query for each side", f"{base / 2:.0f}", "1.0"],
        [
            f"pairs of a whole check, {budget} in each direction",
            f"{2 * budget / taken:.0f}",
            f"{4 * budget / taken / base:.1f}",
        ],
    ]


def _with_another_role(contract: Contract) -> Contract:
    text = (ROOT / "contracts" / contract.name / f"{contract.version}.yaml").read_text()
    document = yaml.safe_load(text) | {"version": "1.1.0"}
    document["claims"]["roles"]["schema"]["items"]["enum"].append("auditor")
    return parse_contract(yaml.safe_dump(document), Path("orders.yaml"), named=False)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _history(opa: Opa) -> list[list[str]]:
    rows = []
    contracts = _HISTORY / "contracts"
    for old, new, before, after in _STEPS:
        files = [load_file(contracts / "tickets" / f"{version}.yaml") for version in (old, new)]
        step = Step(
            files[0],
            files[1],
            (_HISTORY / f"policies-{before}", _HISTORY / f"policies-{after}"),
            (files[0].contract.decision_path, files[1].contract.decision_path),
        )
        begun = time.perf_counter()
        report = check_step(
            step,
            approvals=load_approvals(contracts, "tickets"),
            contracts=contracts,
            today=datetime.datetime.now(datetime.UTC).date(),
            opa=opa,
        )
        answer = report.access.no_new_access
        state = f"{answer.answer}, approved" if answer.approved else answer.answer
        rows.append(
            [
                f"{old} → {new}, policies {before} → {after}",
                state,
                answer.coverage,
                f"{time.perf_counter() - begun:.2f}",
            ]
        )
    return rows
