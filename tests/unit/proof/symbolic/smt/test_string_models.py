"""Strings for a model: equal where the model says so, different where it does, and permitted by every schema."""

from __future__ import annotations

import json

import pytest

from entitlements.proof.symbolic.smt.encoder import Query
from entitlements.proof.symbolic.smt.string_models import NoString, find_strings, fresh_string

CODED = frozenset("abcd")
QUERY = Query("", {}, {0: "known"}, CODED, {"a": 0, "b": 0, "c": 0, "d": 1})
RULES = {name: [json.dumps({"type": "string", "minLength": 2, "maxLength": 40})] for name in CODED}


def test_each_number_of_one_group_is_another_string() -> None:
    found = find_strings(QUERY, {"a": 1, "b": 1, "c": 2, "d": 1}, RULES)
    assert found["a"] == found["b"]
    assert len({found["a"], found["c"], found["d"], "known"}) == 4
    assert all(2 <= len(one) <= 40 for one in found.values())


def test_number_of_a_constant_is_the_constant() -> None:
    assert find_strings(QUERY, {"a": 0}, RULES) == {"a": "known"}


@pytest.mark.parametrize(
    "schema",
    [{"enum": ["x", "y"]}, {"type": "string", "pattern": "^[ab]$"}, {"type": "string", "minLength": 3, "maxLength": 3}],
    ids=str,
)
def test_taken_string_is_not_given_again(schema: dict[str, object]) -> None:
    first = fresh_string([json.dumps({"type": "string", **schema})], set()) if "enum" not in schema else "x"
    if "enum" in schema:
        with pytest.raises(NoString):
            fresh_string([json.dumps(schema)], {"x", "y"})
        return
    assert fresh_string([json.dumps(schema)], {first}) != first


def test_schemas_that_exclude_each_other_have_no_string() -> None:
    rules = [json.dumps({"type": "string", "maxLength": 1}), json.dumps({"type": "string", "minLength": 2})]
    with pytest.raises(NoString):
        fresh_string(rules, set())
