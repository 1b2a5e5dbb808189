"""The proof by size: generated families of rules and claims, unchanged, proved and refuted, and the enumeration
beside it."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.engine.policy_folder import policy_files
from entitlements.proof import METHOD, Effort, Side, compare_access
from entitlements.proof.symbolic.encode import Policy, encode
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import Solver
from entitlements.proof.symbolic.terms.term import neg

_SIZES = ((5, 5), (20, 20), (80, 60), (200, 60), (1000, 20), (1000, 60))
_LISTS = (3, 8)
_KINDS = ("unchanged", "proved", "refuted")
_ROUNDS = 5


@dataclass(frozen=True)
class Family:
    """A policy of so many rules over so many claims, and two versions of its contract."""

    rules: int
    claims: int
    kind: str
    old: Contract
    new: Contract
    policy: str


def families(sizes: tuple[tuple[int, int], ...] = _SIZES) -> Iterator[Family]:
    """One for each size and kind, made from the size as seed."""
    for rules, claims in sizes:
        for kind in _KINDS:
            chance = random.Random(rules * 1000 + claims)
            schemas = [_schema(number, chance) for number in range(claims)]
            policy = _policy(rules, schemas, chance)
            old, new = (_contract(version, schemas, kind) for version in ("1.0.0", "2.0.0"))
            yield Family(rules, claims, kind, old, new, policy)


def _schema(number: int, chance: random.Random) -> dict[str, object]:
    shape = number % 4
    if shape == 0:
        longest = chance.choice(_LISTS)
        values = [f"r{number}_{value}" for value in range(longest)]
        return {"type": "array", "items": {"enum": values}, "uniqueItems": True, "maxItems": longest}
    if shape == 1:
        return {"enum": [f"v{number}_{value}" for value in range(6)]}
    return {"type": "boolean"} if shape == 2 else {"type": "integer", "minimum": 0, "maximum": 1000}


def _condition(number: int, schema: dict[str, object], chance: random.Random) -> str:
    claim = f"input.subject.claims.c{number}"
    shape = number % 4
    if shape == 0:
        return f'"r{number}_{chance.randrange(3)}" in {claim}'
    if shape == 1:
        return f'{claim} == "v{number}_{chance.randrange(5)}"'
    return f"{claim} == true" if shape == 2 else f"{claim} >= {chance.randrange(1000)}"


def _policy(rules: int, schemas: list[dict[str, object]], chance: random.Random) -> str:
    lines = ["package shop.authz", "", "default allow := false"]
    for _ in range(rules):
        picked = chance.sample(range(len(schemas)), min(3, len(schemas)))
        body = [_condition(number, schemas[number], chance) for number in picked]
        body.append(f'input.action.name == "a{chance.randrange(5)}"')
        lines += ["", "allow if {", *(f"\t{line}" for line in body), "}"]
    # What the change of claim 1 turns: a deny-list.
    lines += ["", "allow if {", '\tinput.action.name == "a5"', '\tinput.subject.claims.c1 != "v1_5"', "}"]
    return "\n".join(lines) + "\n"


def _contract(version: str, schemas: list[dict[str, object]], kind: str) -> Contract:
    claims = {f"c{number}": {"required": True, "schema": schema} for number, schema in enumerate(schemas)}
    if version == "2.0.0" and kind == "proved":
        claims["c2"] = {**claims["c2"], "required": False}
    if version == "2.0.0" and kind == "refuted":
        claims["c1"] = {"required": True, "schema": {"enum": [*schemas[1]["enum"], "sandbox"]}}  # type: ignore[misc]
    if version == "2.0.0" and kind == "unchanged":
        claims["unread"] = {"schema": {"type": "string"}}
    return contract(version, claims, [f"a{number}" for number in range(6)])


def contract(version: str, claims: Mapping[str, Any], actions: Sequence[str]) -> Contract:
    """The contract of a shop with these claims and actions."""
    document = {
        "contract": "shop",
        "version": version,
        "issuer": "https://login.example.com",
        "audience": "https://shop.example.com",
        "policy": {"package": "shop.authz", "rule": "allow"},
        "tokens": {"access_token": {"profile": "rfc9068", "algorithms": ["ES256"], "max_lifetime": 600}},
        "claims": claims,
        "request": {"actions": [*actions], "resources": {"item": {}}},
    }
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


def measure(opa: Opa, *, most_rules: int, rounds: int, points: int) -> tuple[list[list[str]], list[list[str]]]:
    """Two tables: milliseconds of the proof by size, and the enumeration beside it."""
    sizes = tuple(size for size in _SIZES if size[0] <= most_rules)
    rows = [["start of the solver", "", "", "", *_started()]]
    with tempfile.TemporaryDirectory() as work, Solver() as solver:
        for family in families(sizes):
            rows.append(_row(family, Path(work), opa, solver))
        beside = [_beside(family, Path(work), opa, rounds, points) for family in families(((20, 20),))]
    return rows, beside


def _started() -> tuple[str, str]:
    """Milliseconds until a new solver process has answered its first question: the median and the worst."""
    taken = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        with Solver() as solver:
            solver.solve("(assert false)")
        taken.append(1000 * (time.perf_counter() - begun))
    return f"{statistics.median(taken):.0f}", f"{max(taken):.0f}"


def _folder(family: Family, work: Path) -> Path:
    folder = work / f"{family.rules}-{family.claims}"
    (folder / "shop/authz").mkdir(parents=True, exist_ok=True)
    (folder / "shop/authz/authz.rego").write_text(family.policy)
    return folder


def _row(family: Family, work: Path, opa: Opa, solver: Solver) -> list[str]:
    """OPA's plan once; then walk and solver, of which the median and the worst of some rounds are reported."""
    begun = time.perf_counter()
    policy = Policy(build_plan(opa, policy_files(_folder(family, work)), family.old.decision_path))
    planned = time.perf_counter() - begun
    taken, answer = [], ""
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        question = encode((family.old, family.new), (policy, policy), BuiltinCalls(opa), request_of=1)
        session = Session(question, solver)
        answer = session.solve([question.allowed(1), neg(question.allowed(0))])[1].answer
        taken.append(time.perf_counter() - begun)
    wanted = "sat" if family.kind == "refuted" else "unsat"
    assert answer == wanted, f"{family.rules} rules, {family.claims} claims, {family.kind}: {answer}"
    milliseconds = [f"{1000 * value:.0f}" for value in (planned, statistics.median(taken), max(taken))]
    return [str(family.rules), str(family.claims), family.kind, *milliseconds]


def _beside(family: Family, work: Path, opa: Opa, rounds: int, points: int) -> list[str]:
    """The whole check by proof and by enumeration, in turns: seconds, ratio and answers."""
    folder = _folder(family, work)
    sides = Side(family.old, folder, family.old.decision_path), Side(family.new, folder, family.new.decision_path)
    proof, enumeration, answers = [], [], ("", "")
    for _ in range(rounds):
        begun = time.perf_counter()
        one = compare_access(*sides, opa=opa).no_new_access.answer
        proof.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        other = compare_access(*sides, opa=opa, effort=Effort(METHOD, budget=points)).no_new_access.answer
        enumeration.append(time.perf_counter() - begun)
        answers = one, other
    fast, slow = statistics.median(proof), statistics.median(enumeration)
    size = f"{family.rules} × {family.claims}, {family.kind}"
    return [size, f"{fast:.2f}", answers[0], f"{slow:.2f}", answers[1], f"{slow / fast:.1f}"]
