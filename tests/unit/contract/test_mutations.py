"""The checker is mutated: without any one of its rules, and without any one of its statements, a fixture turns red.

A mutant is a copy of the two modules that find changes, with one statement taken out; the modules themselves stay as
they are.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import RULES, Change, Contract, TimeSpec, changes

from .test_changes import ALWAYS, BASE, FIXTURES, contract, edited, put

PACKAGE = Path(__file__).resolve().parents[3] / "entitlements" / "contract"
MODULES = ("schema_changes.py", "changes.py")
Checker = Callable[[Contract, Contract], Sequence[Change]]
Fixture = tuple[Contract, Contract, frozenset[str], frozenset[str]]
"""Old, new, the rules that are looked at, and those of them that must be given."""


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> list[Fixture]:
    folder = tmp_path_factory.mktemp("contracts")
    base = contract(BASE, folder)
    others = frozenset(RULES) - ALWAYS
    found = [(base, contract(edited(edit), folder), others, frozenset(wanted)) for _, edit, wanted in FIXTURES]
    fewer = contract(edited(put("claims.tier.schema.enum", ["free"]), "1.1.0"), folder)
    more = contract(edited(put("claims.tier.schema.enum", ["free", "gold", "x"]), "1.0.1"), folder)
    patch = contract(edited(lambda d: d["consumers"].append({"name": "more", "kind": "first-party"}), "1.0.1"), folder)
    ignoring = contract(edited(put("undeclared_claims", "ignore")), folder)
    retyped = replace(base, canonical=_with_profile(base.canonical))
    told = contract(edited(put("tokens.access_token.audience_is", "client")), folder)
    opaque = contract(edited(put("tokens.access_token.opaque", {})), folder)
    always = frozenset(ALWAYS)
    timed = replace(base, time=TimeSpec("Europe/Berlin"))
    elsewhere = replace(base, time=TimeSpec("Asia/Tokyo"))
    return [
        *found,
        (base, fewer, always, always),
        (base, more, always, always),
        (base, patch, always, frozenset()),
        (ignoring, base, others, frozenset({"undeclared_tightened"})),
        (base, timed, others, frozenset({"time_added"})),
        (timed, base, others, frozenset({"time_removed"})),
        (timed, elsewhere, others, frozenset({"time_zone_changed"})),
        (opaque, base, others, frozenset({"opaque_tokens_removed"})),
        (base, retyped, others, frozenset({"token_profile_changed"})),
        (base, told, others, frozenset({"token_profile_changed"})),
    ]


def _with_profile(canonical: Any) -> dict[str, Any]:
    document = copy.deepcopy(dict(canonical))
    document["tokens"]["access_token"]["profile"] = "another"
    return document


def red(checker: Checker, fixtures: Sequence[Fixture]) -> bool:
    """Whether any fixture fails with this checker; one that raises fails too."""
    for old, new, looked_at, wanted in fixtures:
        try:
            given = {change.rule for change in checker(old, new)}
        except Exception:
            return True
        if given & looked_at != wanted:
            return True
    return False


def test_the_checker_itself_turns_no_fixture_red(fixtures: list[Fixture]) -> None:
    assert not red(changes, fixtures)
    assert not red(mutant("", 0), fixtures)


@pytest.mark.parametrize("rule", RULES)
def test_without_a_rule_a_fixture_turns_red(rule: str, fixtures: list[Fixture]) -> None:
    assert red(lambda old, new: [change for change in changes(old, new) if change.rule != rule], fixtures)


class _Without(ast.NodeTransformer):
    """Takes the n-th statement out that tells a change, or passes changes on."""

    def __init__(self, number: int) -> None:
        self.left = number

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if not tells(node):
            return node
        self.left -= 1
        return ast.parse("yield from ()").body[0] if self.left == 0 else node


def tells(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, (ast.Yield, ast.YieldFrom))


def mutant(module: str, number: int) -> Checker:
    """`changes` of a copy of the modules, without one statement of one of them."""
    spaces: dict[str, dict[str, Any]] = {}
    for name in MODULES:
        tree: Any = ast.parse((PACKAGE / name).read_text())
        if name == module:
            tree = ast.fix_missing_locations(_Without(number).visit(tree))
        spaces[name] = {"__name__": f"mutant_{name.removesuffix('.py')}"}
        exec(compile(tree, name, "exec"), spaces[name])
    spaces["changes.py"]["schema_changes"] = spaces["schema_changes.py"]["schema_changes"]
    found: Checker = spaces["changes.py"]["changes"]
    return found


def statements() -> Iterator[Any]:
    for name in MODULES:
        tree = ast.parse((PACKAGE / name).read_text())
        for number, node in enumerate(filter(tells, ordered(tree)), start=1):
            yield pytest.param(name, number, id=f"{name}:{getattr(node, 'lineno', 0)}")


def ordered(node: ast.AST) -> Iterator[ast.AST]:
    """Every node, in the order in which a transformer visits them."""
    for inner in ast.iter_child_nodes(node):
        yield inner
        yield from ordered(inner)


@pytest.mark.parametrize(("module", "number"), [*statements()])
def test_without_a_statement_a_fixture_turns_red(module: str, number: int, fixtures: list[Fixture]) -> None:
    assert red(mutant(module, number), fixtures)
