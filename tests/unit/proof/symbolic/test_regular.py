"""Patterns and texts as the solver reads them, held against OPA's regular expressions and the contract's validator."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements.contract import conforms
from entitlements.engine import Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.errors import NotFollowed
from entitlements.proof.symbolic.smt.preimages import language_of, only
from entitlements.proof.symbolic.smt.regex import smt_regex, string_literal
from entitlements.proof.symbolic.smt.regex_classes import CONTRACT
from entitlements.proof.symbolic.smt.solver import SAT, Solver

LETTERS = [
    "a",
    "b",
    "A",
    "1",
    "_",
    "-",
    ".",
    "\n",
    "\r",
    "\u2028",
    "\u00e9",
    "\u0663",
    "\u0660",
    "\u212a",
    "\U0001f600",
    '"',
    "\\",
    " ",
    "\t",
    "\x00",
    "\x7f",
    "{",
    "}",
    "u",
    "^",
    "$",
    "]",
    "&",
    "k",
    "K",
    "s",
    "\u017f",
    "!",
]
text = st.lists(st.sampled_from(LETTERS), max_size=6).map("".join)
atoms = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "[ab]",
        "[^a]",
        "[a-c]",
        "[^a-c]",
        r"\.",
        r"\\",
        r"\d",
        r"[^\d]",
        r"[\w.]",
        r"\W",
        r"\w",
        r"\s",
        r"\-",
        "_",
        '"',
        " ",
        "[]a]",
        "[^]a]",
        "[a-]",
        "[-a]",
        "[.]",
        r"[\]]",
        r"[\-a]",
        "{",
        "}",
        "&",
        "[a^]",
        r"\_",
        "]",
        "(?i:a)",
        "^",
        "$",
        r"\b",
        "é",
        "[[:alpha:]]",
        r"\x61",
        r"[\w-]",
        "[+--]",
        r"\S",
        r"\D",
        r"\t",
        r"\x{e9}",
        r"\x0a",
        "[^\\s]",
        "[[:punct:]k]",
        "(?i:k)",
        "(?i:[^s])",
        "(?i:\\w)",
        "(?s:.)",
        "(?P<n>a)",
        "(?<n>b)",
        "[a&&b]",
        "[é-ü]",
        r"\!",
        r"\B",
        "[\\w-.]",
        "[a-b-_]",
        r"[\Wa]",
        r"[^\W]",
        r"[^\Db]",
        "[[:^alpha:]1]",
        "[^[:^word:]-]",
        r"\Qa.\E",
        "(?-i:a)",
        "(?U:a)",
        "(?:^|-)",
        "(?:-|$)",
        "(?:^a)?",
    ]
)
repeated = st.builds(
    lambda one, mark: one + mark,
    atoms,
    st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0}", "{2,}", "*?", "+?", "{,2}", "{,}", "a{1"]),
)
sequence = st.lists(repeated, min_size=0, max_size=4).map("".join)
grouped = st.builds(
    lambda one, other, mark: f"({one}|{other}){mark}", sequence, sequence, st.sampled_from(["", "*", "?", "{2}"])
)
pattern = st.builds(
    lambda front, parts, back: front + "".join(parts) + back,
    st.sampled_from(["", "^", "(?i)", "^^", r"\A", "(?i)^", "(?s)", "(?m)^", "(?m)", r"\b", "(?:^|-)"]),
    st.lists(
        st.one_of(sequence, grouped, grouped.map(lambda g: "(?:" + g[1:]), st.just("|"), st.just("^b"), st.just("a$")),
        max_size=3,
    ),
    st.sampled_from(["", "$", "$$", "\\z", "\n", r"\b", "(?:-|$)"]),
)
slow = settings(deadline=None, max_examples=60, suppress_health_check=[*HealthCheck])


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver(seconds=20) as one:
        yield one


@pytest.fixture(scope="module")
def opa_calls(opa: Opa) -> BuiltinCalls:
    return BuiltinCalls(opa)


def found(solver: Solver, regexes: list[tuple[str, str]]) -> list[bool]:
    """Whether each text is in its language, as the solver says."""
    lines = []
    for place, (one, regex) in enumerate(regexes):
        lines.append(f"(declare-const v{place} Bool)")
        lines.append(f"(assert (= v{place} (str.in_re {string_literal(one)} {regex})))")
    solved = solver.solve("\n".join(lines) + "\n")
    assert solved.answer == SAT, solved.reason
    return [solved.model.get(f"v{place}") == "true" for place in range(len(regexes))]


@slow
@given(patterns=st.lists(pattern, min_size=20, max_size=30), texts=st.lists(text, min_size=12, max_size=12))
def test_a_pattern_matches_as_opa_matches_it(
    patterns: list[str], texts: list[str], solver: Solver, opa_calls: BuiltinCalls
) -> None:
    translated = {one: regex for one in patterns if (regex := smt_regex(one)) is not None}
    rows = [(one, text) for one in translated for text in texts]
    if rows:
        wanted = opa_calls("regex.match", rows)
        answers = found(solver, [(text, translated[one]) for one, text in rows])
        for row, want, answer in zip(rows, wanted, answers, strict=True):
            assert want.failed or want.value is answer, row


@slow
@given(patterns=st.lists(pattern, min_size=20, max_size=30), texts=st.lists(text, min_size=12, max_size=12))
def test_a_pattern_matches_as_the_contract_matches_it(patterns: list[str], texts: list[str], solver: Solver) -> None:
    rows = []
    for one in patterns:
        regex = smt_regex(one, CONTRACT)
        if regex is None:
            continue
        schema = {"type": "string", "pattern": one}
        try:
            rows += [(schema, text, regex) for text in texts if conforms(schema, text) is not None]
        except ValueError:
            continue  # No pattern for a contract: it does not load.
    if rows:
        answers = found(solver, [(text, regex) for _, text, regex in rows])
        for (schema, text, _), answer in zip(rows, answers, strict=True):
            assert conforms(schema, text) is answer, (schema, text)


@pytest.mark.parametrize("case", ["lower", "upper"])
def test_every_letter_that_becomes_one_of_ascii_in_a_case_is_known(
    case: str, solver: Solver, opa_calls: BuiltinCalls
) -> None:
    letters = [chr(code) for code in range(0x2FFFF) if not 0xD800 <= code < 0xE000]
    (answer,) = opa_calls(case, [["".join(letters)]])
    assert len(answer.value) == len(letters)
    become: dict[str, set[str]] = {chr(code): set() for code in range(128)}
    for letter, found in zip(letters, answer.value, strict=True):
        if found.isascii():
            become[found].add(letter)
    rows = []
    for found, known in become.items():
        language = only(found, case)
        assert language is not None
        rows += [(letter, language, letter in known) for letter in {*known, *"aAkKsSiI", "\u0131", "\u0130", "\u017f"}]
    answers = [one for start in range(0, len(rows), 300) for one in solved(solver, rows[start : start + 300])]
    assert answers == [held for _, _, held in rows]
    # Each of them becomes one character, and is found for that one.
    assert sorted(letter for letter, _, held in rows if held) == sorted(itertools.chain(*become.values()))
    assert {"a", "A"} == become["a" if case == "lower" else "A"]
    assert {"k", "K", "\u212a"} >= become["k" if case == "lower" else "K"] >= {"k", "K"}


def solved(solver: Solver, rows: list[tuple[str, str, bool]]) -> list[bool]:
    return found(solver, [(letter, language) for letter, language, _ in rows])


globs = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            ".",
            "/",
            "-",
            "*",
            "?",
            "**",
            "1",
            "[ab]",
            "[!a]",
            "[a-b]",
            "[!-/]",
            "[a-]",
            "[!!]",
            r"[\]a]",
            r"[\-a]",
            "{a,b}",
            "{a*,}",
            "{**,b}/",
            "{",
            "}",
            ",",
            "[",
            "]",
            r"\*",
            r"\\",
            "!",
            "é",
            "[é/]",
        ]
    ),
    max_size=5,
).map("".join)
stops = st.sampled_from([[], None, ["/"], ["/", "."], ["a"]])


@slow
@given(
    asked=st.lists(st.tuples(globs, stops), min_size=20, max_size=30),
    texts=st.lists(st.text("ab./-1\n!]é\\*,", max_size=6), min_size=12, max_size=12),
)
def test_a_glob_matches_as_opa_matches_it(
    asked: list[tuple[str, list[str] | None]], texts: list[str], solver: Solver, opa_calls: BuiltinCalls
) -> None:
    translated = [(one, known) for one in asked if (known := language_of("glob", json.dumps(one))) is not None]
    rows = [(*one, text) for one, _ in translated for text in texts]
    if rows:
        wanted = opa_calls("glob.match", rows)
        answers = found(solver, [(text, known) for _, known in translated for text in texts])
        for row, want, answer in zip(rows, wanted, answers, strict=True):
            assert want.failed or want.value is answer, row


@slow
@given(texts=st.lists(text, min_size=1, max_size=30))
def test_texts_come_back_as_they_were(texts: list[str], solver: Solver) -> None:
    lines = [f"(declare-const v{i} String)\n(assert (= v{i} {string_literal(one)}))" for i, one in enumerate(texts)]
    lines += [f"(assert (= (str.len v{i}) {len(one)}))" for i, one in enumerate(texts)]
    solved = solver.solve("\n".join(lines) + "\n")
    assert solved.answer == SAT
    assert [solved.model[f"v{i}"] for i in range(len(texts))] == texts


@pytest.mark.parametrize("text", [r"\u{41}", r"\u0041", r"\x41", '""', "\\", "\\\\", "\x00", "\U0002fffd", "\ufffd"])
def test_texts_that_look_like_escapes_come_back_as_they_were(text: str, solver: Solver) -> None:
    solved = solver.solve(
        f"(declare-const v0 String)\n(assert (= v0 {string_literal(text)}))\n(assert (= (str.len v0) {len(text)}))\n"
    )
    assert solved.answer == SAT
    assert solved.model["v0"] == text


@pytest.mark.parametrize("text", ["\U0002ffff", "\U00030000", "a\U0010ffff"])
def test_a_text_that_the_solver_cannot_hold_is_not_followed(text: str) -> None:
    with pytest.raises(NotFollowed):
        string_literal(text)


@pytest.mark.parametrize(
    ("pattern", "followed"),
    [
        ("^a$|^b$", True),
        ("^(a|b)$", True),
        ("(^a|b$)", True),
        (r"\Aa\z", True),
        ("a{2}{3}", False),
        ("((a{40}){40})", False),
        ("a**", False),
        ("a++", False),
        ("(?m)^a", True),
        (r"a\b", True),
        (r".\b", False),
        (r"\ba?", False),
        (r"\pL", False),
        (r"\Qa.b\E", True),
        ("(?:^|,)ops(?:,|$)", True),
        ("(a|^b)(c|d$)e", False),
        (r"\101", False),
        ("(?P<n>a)(?P<n>b)", False),
        ("(?=a)", False),
        ("(?<!a)b", False),
        ("a(^b)c", False),
        ("(" * 500 + ")" * 500, False),
        ("(", False),
        (")", False),
        ("[a", False),
        ("[b-a]", False),
        ("\\", False),
        ("a{1001}", False),
        ("(?i)é", False),
    ],
    ids=str,
)
def test_an_expression_is_followed_or_not(pattern: str, followed: bool) -> None:
    assert (smt_regex(pattern) is not None) is followed
