"""Globs as languages: what each matches and what it does not, as gobwas reads it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from entitlements.proof.symbolic.smt.regex import smt_glob, string_literal
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver

STRINGS = ["", "a", "b", "-", "/", "a/b", "ab", "a,b", "{a}", "*", "]", "\\", "a/", "!"]
MATCHED = {
    "*": ["", "a", "b", "-", "ab", "a,b", "{a}", "*", "]", "\\", "!"],
    "?": ["a", "b", "-", "*", "]", "\\", "!"],
    "a**": ["a", "a/b", "ab", "a,b", "a/"],
    "a{/b,/}": ["a/b", "a/"],
    "{a,b}": ["a", "b"],
    "{,a}b": ["b", "ab"],
    "{a{/,},b}": ["a", "b", "a/"],
    "a,b": ["a,b"],
    "[ab]": ["a", "b"],
    "[!ab]": ["-", "/", "*", "]", "\\", "!"],
    "[a-b]": ["a", "b"],
    "[!-!]": ["a", "b", "/", "*", "]", "\\"],
    r"[\]a]": ["a", "]"],
    r"\*": ["*"],
    r"\{a\}": ["{a}"],
    "": [""],
}


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver(seconds=60) as one:
        yield one


@pytest.mark.parametrize("glob", [*MATCHED])
def test_glob_matches_what_it_says(glob: str, solver: Solver) -> None:
    language = smt_glob(glob, ["/"])
    assert language is not None
    for string in STRINGS:
        asked = f"(assert (str.in_re {string_literal(string)} {language}))\n"
        assert solver.solve(asked).answer == (SAT if string in MATCHED[glob] else UNSAT), string


REFUSED = ["[b-]", "[", "[]", "[!]", "[b-a]", "[a-z0-9]", "{a", "{a,{b}", "a\\", "{" * 70 + "}" * 70]


@pytest.mark.parametrize("glob", REFUSED)
def test_glob_that_opa_refuses_is_not_translated(glob: str) -> None:
    assert smt_glob(glob, ["/"]) is None


def test_delimiter_of_two_characters_is_not_translated() -> None:
    assert smt_glob("*", ["//"]) is None
