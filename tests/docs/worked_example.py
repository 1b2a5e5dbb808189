"""The worked example of docs/architecture.md: `python -m tests.docs.worked_example OPA` writes what each pass gives.

In a process of its own, as the order in which terms are written depends on those that were made before.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof.symbolic.encode import Policy, Question, encode
from entitlements.proof.symbolic.execution.plan import Block, Local
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import Solver
from entitlements.proof.symbolic.terms.term import neg
from tests.shop import SHOP

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
BLOCKS = [found.strip("\n") for found in re.findall(r"^```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
SOURCE = next(block for block in BLOCKS if block.startswith("package shop.authz"))
"""The policy, as the page shows it."""


def contract(version: str, *, required: bool) -> Contract:
    roles = {"type": "array", "items": {"enum": ["viewer", "editor"]}, "maxItems": 5}
    document = {
        **SHOP,
        "version": version,
        "claims": {
            "roles": {"required": True, "schema": roles},
            "suspended": {"required": required, "schema": {"type": "boolean"}},
        },
        "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
    }
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


@dataclass
class Example:
    """The passes, one after the other."""

    opa: Opa

    @cached_property
    def policy(self) -> Policy:
        return Policy(build_plan(self.opa, {"a.rego": f"{SOURCE}\n".encode()}, "shop/authz/allow"))

    @cached_property
    def question(self) -> Question:
        contracts = contract("1.0.0", required=True), contract("1.1.0", required=False)
        return encode(contracts, (self.policy, self.policy), BuiltinCalls(self.opa), request_of=1)

    def plan(self) -> str:
        (function,) = self.policy.plan.functions.values()
        return "\n".join(lines(function.blocks[0]))

    def conditions(self) -> str:
        before, after = (walked.allow for walked in self.question.executed)
        return f"before:  {before}\nafter:   {after}\nrelated: {self.question.pair.related}"

    def asked(self) -> tuple[str, str]:
        """The query as SMT-LIB, and the witness."""
        goals = [self.question.allowed(1), neg(self.question.allowed(0))]
        with Solver(seconds=20) as solver:
            session = Session(self.question, solver)
            point = session.candidate(goals).scenario
            assert point is not None
            tokens = f"before: {json.dumps(point.before.claims)}\nafter:  {json.dumps(point.after.claims)}"
            return session.queries[0].strip(), tokens


def lines(block: Block, depth: int = 0) -> Iterator[str]:
    """The statements of a block as text."""
    for one in block:
        shown = {name: one.operands[name] for name in NAMES if name in one.operands}
        told = " ".join(f"{name}={written(value)}" for name, value in shown.items())
        yield f"{'  ' * depth}{one.kind} {told}".rstrip()
        for inner in one.blocks:
            yield from lines(inner, depth + 1)


NAMES = ("func", "args", "source", "a", "b", "key", "target", "result")


def written(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))})"
    return f"${value.index}" if isinstance(value, Local) else json.dumps(value)


def main(opa: Opa) -> None:
    example = Example(opa)
    query, witness = example.asked()
    found = {"plan": example.plan(), "conditions": example.conditions(), "query": query, "witness": witness}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Opa(Path(sys.argv[1])))
