"""What a schema demands of a string, in both encodings: every keyword is said."""

from __future__ import annotations

import json

import pytest

from entitlements.contract import conforms
from entitlements.proof.symbolic.smt.encoder import write_query
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.terms.string_terms import PREFIX, on_string
from entitlements.proof.symbolic.terms.term import STRING_SORT, equal, string, variable

NAME = variable("name", STRING_SORT)
SCHEMAS = [
    {"minLength": 2},
    {"maxLength": 2},
    {"minLength": 2, "maxLength": 2},
    {"pattern": "^b+$"},
    {"pattern": "b", "minLength": 2, "maxLength": 3},
]


@pytest.fixture(scope="module")
def solver() -> object:
    with Solver(seconds=60) as one:
        yield one


@pytest.mark.parametrize("regular", [False, True], ids=["by words", "by regular expressions"])
@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_string_is_permitted_where_the_validator_permits_it(
    schema: dict[str, object], regular: bool, solver: Solver
) -> None:
    rules = {"type": "string", **schema}
    for value in ("b", "bb", "bbb", "ab", "a", "abcd"):
        goals = [equal(NAME, string(value)), on_string(PREFIX, value[0], NAME)]
        query = write_query(goals, {"name": [json.dumps(rules)]}, lambda *_: False, regular=regular)
        assert solver.solve(query.script).answer == (SAT if conforms(rules, value) else UNSAT), value
