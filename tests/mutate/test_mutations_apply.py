"""The mutations of `make mutate` apply to the code of today, and no file of the proof is without one."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.mutate.mutation import Mutation
from tests.mutate.mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "entitlements"
WITHOUT_LOGIC = {
    "proof/symbolic/builtins/table.py": "what a rule is; the rules are mutated where they stand",
    "proof/symbolic/values/place.py": "a place and how it is written",
}


def named(mutation: Mutation) -> str:
    return mutation.name


@pytest.mark.parametrize("mutation", MUTATIONS, ids=named)
def test_mutation_replaces_code_that_stands_once_by_other_code(mutation: Mutation) -> None:
    source = (PACKAGE / mutation.file).read_text(encoding="utf-8")
    assert source.count(mutation.old) == 1, f"mend its `old` in tests/mutate: {mutation.file} has changed"
    broken = source.replace(mutation.old, mutation.new)
    assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(source))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=named)
def test_mutation_names_tests_that_exist_and_says_why(mutation: Mutation) -> None:
    assert mutation.tests
    for test in mutation.tests:
        file, _, name = test.partition("::")
        source = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name.partition('[')[0]}(" in source, test
    assert mutation.why


def test_no_two_mutations_have_one_name() -> None:
    assert [name for name, number in Counter(map(named, MUTATIONS)).items() if number > 1] == []


def test_every_file_of_the_proof_with_logic_has_a_mutation() -> None:
    files = {
        path.relative_to(PACKAGE).as_posix()
        for path in (PACKAGE / "proof").rglob("*.py")
        if any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert files - {mutation.file for mutation in MUTATIONS} == WITHOUT_LOGIC.keys()
