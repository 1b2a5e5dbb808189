"""Patterns as languages: by name what is easily read otherwise, beside the validator of the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from entitlements.contract import conforms
from entitlements.proof.symbolic.smt.regex import smt_regex, string_literal
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver

STRINGS = ["", "a", "ab", "a\nb", "axb", "a.b", "aab", "b", "a-", "A", "_", "\t", "é"]
COMPLEMENTS = {
    r"^[^\Wa]$": ["b", "A", "_"],
    r"^[\Wa]$": ["a", "\t", "é"],
    r"\b-$": ["a-"],
    r"\ba": ["a", "ab", "a\nb", "axb", "a.b", "aab", "a-"],
}
PATTERNS = ["^a.b$", "a.b", "^a\\.b$", "^[^a]", "^[a-c]+$", "^a?b$", "^(a|ab)$", "\\w", "^\\d*$", "^$", "b$", "^a{2}"]


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver(seconds=60) as one:
        yield one


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pattern_matches_what_the_contract_matches(pattern: str, solver: Solver) -> None:
    language = smt_regex(pattern)
    assert language is not None
    for string in STRINGS:
        asked = f"(assert (str.in_re {string_literal(string)} {language}))\n"
        wanted = SAT if conforms({"type": "string", "pattern": pattern}, string) else UNSAT
        assert solver.solve(asked).answer == wanted, string


@pytest.mark.parametrize("pattern", ["\\bword?\\b", "\\b[a-]", "\\pL", "a(?=b)", "a{1,500}", "a$b", "(a{100}){11}"])
def test_pattern_that_may_be_read_otherwise_is_not_translated(pattern: str) -> None:
    assert smt_regex(pattern) is None


@pytest.mark.parametrize("pattern", [*COMPLEMENTS])
def test_pattern_with_a_complement_or_a_boundary_matches_what_it_says(pattern: str, solver: Solver) -> None:
    language = smt_regex(pattern)
    assert language is not None
    for string in STRINGS:
        asked = f"(assert (str.in_re {string_literal(string)} {language}))\n"
        assert solver.solve(asked).answer == (SAT if string in COMPLEMENTS[pattern] else UNSAT), string
