"""Look-ups in base documents by keys that OPA converts, and the same look-ups where it does not: OPA beside.

Every way to write the look-up, of every kind of key, on documents whose names and elements a conversion would find.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entitlements.engine import Opa
from entitlements.engine.plan_build import build_plan

from .executing import ServedCalls
from .test_constants import compared, serve

DATA = """{"docs": {
  "m": {"1": "int", "2": "two", "1.0": "point", "1.5": "half", "-3": "minus", "+1": "plus", "-0": "negative zero",
        "0": "zero", "1e0": "exponent", "1e-05": "small", "0.00001": "long", "01": "leading", "true": "yes",
        "null": "no", "100": "hundred", "1e2": "e2", "k": "k", "1e+16": "big", "10000000000000000": "digits"},
  "xs": ["zero", "one", {"1": "inner", "1.5": "inner half"}],
  "deep": {"a": {"1": {"1.5": "found"}, "1.5": [10, 20]}, "1": {"a": "first"}, "1.5": {"a": "second"}},
  "keys": [1, 1.0, 1.5, 1e0, -0, 0, 2, "1", "k", null, true, -3, 1e-05, 0.00001, 1e2, 100],
  "rows": [{"id": 1, "name": "one"}, {"id": 1.5, "name": "half"}]
}}"""
NUMBERS = [1, 2, 0, -3, 1.5, 0.00001, 100, 7, 2.5, 10**16, -1]
STRINGS = ["1", "01", "+1", "1.0", "1.", ".", "-0", "-1", "k", "1e0", "1.5", "a", "", "99", "00000000000000000001"]
OTHERS: list[Any] = [None, True, False, [1], {"a": 1}]
INPUTS = [{"k": key, "a": other} for key in [*NUMBERS, *STRINGS, *OTHERS] for other in ("a", 1, 1.5)]

CONVERTING = {
    "direct": "data.docs.m[input.k]",
    "of an array": "data.docs.xs[input.k]",
    "nested": "data.docs.xs[2][input.k]",
    "deep": "data.docs.deep[input.a][input.k]",
    "deeper": "data.docs.deep.a[input.k][1.5]",
    "through all": "{x | x := data.docs.deep[_][input.k]}",
    "through some": "[x | some i; x := data.docs.deep[i][input.a]]",
    "a constant": "data.docs.m[1.5]",
    "a whole constant": "data.docs.m[2]",
    "a negative constant": "data.docs.m[-3]",
    "a constant string of an array": 'data.docs.xs["1"]',
    "a constant with a sign": 'data.docs.xs["+1"]',
    "by data": "{x | x := data.docs.m[data.docs.rows[_].id]}",
    "calculated": "data.docs.m[input.k + 1]",
    "calculated to a fraction": "data.docs.xs[2][count(input.a) + 0]",
    "under not": "{1 | not data.docs.m[input.k]}",
    "a constant under not": "{1 | not data.docs.m[1.5]}",
    "in an every": "{1 | every x in [1, 2] { data.docs.m[x] }}",
    "in an array": "[data.docs.m[input.k]]",
    "of a call": "upper(data.docs.m[input.k])",
    "below the root": "data.docs[input.a]",
    "by a rule": "data.docs.m[key]",
}
PLAIN = {
    "a variable": "x if { m := data.docs.m; x := m[input.k] }",
    "a variable of an array": "x if { m := data.docs.xs; x := m[input.k] }",
    "some in": "x if { x := [y | some m in data.docs.deep; y := m[input.k]] }",
    "an alias": "x if { m = data.docs.m; x = m[input.k] }",
    "a function": "look(data.docs.m, input.k)",
    "a rule": "table[input.k]",
    "object.get": 'object.get(data.docs.m, input.k, "none")',
    "object.get of a path": 'object.get(data.docs, ["m", input.k], "none")',
    "member": "{1 | input.k in data.docs.m}",
    "member by key": '{1 | input.k, "half" in data.docs.m}',
    "a pattern": "x if { {1: x} = data.docs.m }",
    "a pattern of an array": "x if { [_, x, _] = data.docs.xs }",
    "a pattern within": 'x if { {"a": {1.5: x}} = data.docs.deep }',
    "walk": "{y | walk(data.docs.deep, [[_, input.k], y])}",
    "the input": "input.k[input.a]",
    "a variable that is known": "x if { some k, x in data.docs.m; k == input.k }",
    "a variable that is bound": "x if { k := input.k; m := data.docs.m; m[k] = x }",
    "an object of the policy": '{"1": "text", 1: "number", 1.5: "half"}[input.k]',
    "a copy": "{a: b | some a, b in data.docs.m}[input.k]",
    "every": "{1 | every m in data.docs.deep { m[input.k] }}",
    "an object of with": 'x if { x := table[input.k] with data.docs.m as {1: "n"} }',
}
BOUND = {
    "a rule and deeper": "deep[input.a][input.k]",
    "a set": "{1 | names[input.k]}",
    "a set of a set": "{1 | again[input.k]}",
    "a set of indices": "{1 | places[input.k]}",
    "pairs": '{1 | pairs[[input.k, "half"]]}',
    "pairs taken apart": "{x | pairs[[input.k, x]]}",
    "pairs by number": "{x | pairs[[1.5, x]]}",
    "objects": '{1 | objects[{"k": input.k}]}',
    "within the whole set": "{1 | input.k in names}",
    "under not": "{1 | not names[input.k]}",
}
WITH = {
    "another document": "x if { x := direct with data.docs.other as 1 }",
    "the document": 'x if { x := direct with data.docs.m as {1: "number", "2": "text", 1.5: "half"} }',
    "a member": 'x if { x := direct with data.docs.m.k as "new" }',
    "a member by number": 'x if { x := direct with data.docs.m["1"] as "new" }',
    "a document by itself": "x if { x := direct with data.docs.m as data.docs.deep.a }",
    "the input": 'x if { x := direct with input as {"k": 1.5} }',
    "an input of a document": "x if { x := direct with input.k as data.docs.keys[2] }",
}
REST = """
look(m, k) := m[k]
table := data.docs.m
deep[a] := b if some a, b in data.docs.deep
key := input.k
names contains k if { some k; data.docs.m[k] }
again contains k if { some k; names[k] }
places contains i if { some i; data.docs.xs[i] }
pairs contains [k, v] if some k, v in data.docs.m
objects contains {"k": k} if { some k; data.docs.m[k] }
direct := data.docs.m[input.k]
"""


@pytest.fixture(scope="module")
def calls(opa: Opa) -> Iterator[ServedCalls]:
    with ServedCalls(opa) as served:
        yield served


def tried(forms: dict[str, str], opa: Opa, folder: Path, calls: ServedCalls) -> tuple[Counter[str], list[str]]:
    rules = [f"out := {text}" for text in forms.values()]
    total, differing = Counter[str](), []
    files = {f"q{i}.rego": f"package q{i}\n{REST}\n{rule}\n".encode() for i, rule in enumerate(rules)}
    files["data.json"] = DATA.encode()
    server = serve(opa, folder, files)
    try:
        for i, name in enumerate(forms):
            answers = [*server.decide(f"q{i}/out", [json.dumps(one) for one in INPUTS])]
            mine = {one: content for one, content in files.items() if one in (f"q{i}.rego", "data.json")}
            counts, found = compared(build_plan(opa, mine, f"q{i}/out"), answers, INPUTS, calls)
            total += counts
            differing += [f"{name}: {one}" for one in found]
            print(name, dict(counts))
    finally:
        server.close()
    return total, differing


def test_references_into_base_documents_convert_as_opa_does(opa: Opa, tmp_path: Path, calls: ServedCalls) -> None:
    total, differing = tried(CONVERTING, opa, tmp_path, calls)
    assert differing == []
    assert total["agree"] > 0.9 * total.total()


def test_lookups_in_values_do_not_convert(opa: Opa, tmp_path: Path, calls: ServedCalls) -> None:
    total, differing = tried(PLAIN, opa, tmp_path, calls)
    assert differing == []
    assert total["agree"] > 0.9 * total.total()


def test_partial_rules_by_a_bound_key_are_right_or_not_followed(opa: Opa, tmp_path: Path, calls: ServedCalls) -> None:
    total, differing = tried(BOUND, opa, tmp_path, calls)
    assert differing == []
    assert total["agree"] > 0.3 * total.total()


def test_references_into_replaced_documents_are_right_or_not_followed(
    opa: Opa, tmp_path: Path, calls: ServedCalls
) -> None:
    total, differing = tried(WITH, opa, tmp_path, calls)
    assert differing == []
    assert total["agree"] > 0.5 * total.total()


def test_numbers_of_base_documents_are_keys_as_they_are_spelled(opa: Opa, tmp_path: Path, calls: ServedCalls) -> None:
    forms = {f"key {i}": f"data.docs.m[data.docs.keys[{i}]]" for i in range(len(json.loads(DATA)["docs"]["keys"]))}
    total, differing = tried(forms, opa, tmp_path, calls)
    assert differing == []
    assert total["unsupported key_converted"] > 0, "a spelling that is not the service's is not followed"
