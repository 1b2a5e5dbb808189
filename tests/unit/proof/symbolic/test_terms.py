"""Terms simplify as they are made; what they say must not change by it, here or in the solver."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements.contract import conforms
from entitlements.proof.symbolic.smt.assignment import Assignment, NotKnown, of_model
from entitlements.proof.symbolic.smt.encoder import write_query
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.smt.string_models import NoString, find_strings
from entitlements.proof.symbolic.terms import string_relations
from entitlements.proof.symbolic.terms import string_terms as text_terms
from entitlements.proof.symbolic.terms import term as terms
from entitlements.proof.symbolic.terms.term import BOOL, INT, REAL, STRING_SORT, Term
from tests.examples import examples

BOOLS, INTS, REALS, TEXTS = ["p", "q", "r"], ["i", "j"], ["x", "y"], ["s", "t"]
WORDS = ["", "0", "-1", "01", "a", "b", "ab", 'q"', "\\u{41}", "é", "a/b", "/", "/a", "aab/b/", "aaaa", "Ab"]
ASCII = [word for word in WORDS if word.isascii()]
DELIMITERS = ["/", "a", "aa", "ab"]
SIZES = {"c": 3, "d": 2, "e": 1}
slow = settings(deadline=None, max_examples=examples(400), suppress_health_check=[*HealthCheck])
World = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A term, and what it is to mean."""

    term: Term
    means: Callable[[World], Any]


def lifted(make: Callable[..., Term], means: Callable[..., Any], *parts: Pair) -> Pair:
    return Pair(make(*(p.term for p in parts)), lambda world: means(*(p.means(world) for p in parts)))


def leaf(name: str, sort: str) -> Pair:
    return Pair(terms.variable(name, sort), lambda world: world[name])


def chosen(name: str, index: int) -> Pair:
    place = index % SIZES[name]
    return Pair(terms.choice(name, place, SIZES[name]), lambda world: world[name] == place)


def divided(name: str, by: int) -> Pair:
    """A remainder with the sign of the dividend, and the whole number below the quotient."""
    return lifted(
        lambda a: terms.arithmetic(
            "+", terms.arithmetic("%", a, terms.number(by)), terms.arithmetic("div", a, terms.number(abs(by)))
        ),
        lambda a: int(math.fmod(a, by)) + math.floor(Fraction(a, abs(by))),
        leaf(name, INT),
    )


numbers: st.SearchStrategy[Pair] = st.recursive(
    st.one_of(
        st.sampled_from(INTS).map(lambda n: leaf(n, INT)),
        st.sampled_from(REALS).map(lambda n: leaf(n, REAL)),
        st.sampled_from([-2, 0, 1, 3, Fraction(1, 2), Fraction(-3, 2), 2**70]).map(
            lambda n: Pair(terms.number(n), lambda _world: n)
        ),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: lifted(lambda a, b: terms.arithmetic("+", a, b), lambda a, b: a + b, *p)),
        st.tuples(inner, inner).map(lambda p: lifted(lambda a, b: terms.arithmetic("-", a, b), lambda a, b: a - b, *p)),
        inner.map(lambda p: lifted(lambda a: terms.arithmetic("*", terms.number(3), a), lambda a: 3 * a, p)),
        st.builds(divided, st.sampled_from(INTS), st.sampled_from([2, -3, 7])),
        st.builds(
            lambda name, one, other: lifted(
                terms.conditional, lambda c, a, b: a if c else b, leaf(name, BOOL), one, other
            ),
            st.sampled_from(BOOLS),
            inner,
            inner,
        ),
    ),
    max_leaves=3,
)


def trimmed(front: bool, cut: str, subject: Pair) -> Pair:
    how = text_terms.TRIM_PREFIX if front else text_terms.TRIM_SUFFIX
    means = (lambda s: s.removeprefix(cut)) if front else (lambda s: s.removesuffix(cut))
    return lifted(lambda s: text_terms.part(how, cut, s), means, subject)


texts: st.SearchStrategy[Pair] = st.recursive(
    st.one_of(
        st.sampled_from(TEXTS).map(lambda n: leaf(n, STRING_SORT)),
        st.sampled_from(WORDS).map(lambda w: Pair(terms.string(w), lambda _world: w)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(
            lambda found: lifted(lambda *a: text_terms.concatenation(a), lambda *a: "".join(a), *found)
        ),
        st.builds(trimmed, st.booleans(), st.sampled_from(WORDS), inner),
        st.sampled_from(INTS).map(lambda n: lifted(string_relations.digits, str, leaf(n, INT))),
    ),
    max_leaves=3,
)
SHORT = json.dumps({"type": "string", "maxLength": 1})
LIKE = json.dumps({"type": "string", "pattern": "^a+$"})


def on(predicate: str, parameter: str, subject: Pair) -> Pair:
    means = {
        "prefix": lambda s: s.startswith(parameter),
        "suffix": lambda s: s.endswith(parameter),
        "infix": lambda s: parameter in s,
        "conforms": lambda s: conforms(json.loads(parameter), s),
    }[predicate]
    return lifted(lambda s: text_terms.on_string(predicate, parameter, s), means, subject)


def of_piece(delimiter: str, place: int, subject: Pair, said: tuple[str, str]) -> Pair:
    """Something that is said of a segment of a text, where there is such a segment."""
    predicate, word = said

    def term(whole: Term) -> Term:
        piece = text_terms.part("segment", json.dumps([delimiter, place]), whole)
        there = text_terms.on_string("segments", json.dumps([delimiter, place + 1]), whole)
        said_of = {
            "equal": lambda: terms.equal(piece, terms.string(word)),
            "same": lambda: terms.equal(piece, whole),
            "trimmed": lambda: terms.equal(text_terms.part("trim_prefix", "a", piece), terms.string(word)),
            "less": lambda: terms.less(piece, terms.string(word)),
        }
        made = said_of.get(predicate, lambda: text_terms.on_string(predicate, word, piece))()
        return terms.conj(there, made)

    def means(whole: str) -> bool:
        found = whole.split(delimiter)
        if place >= len(found):
            return False
        piece = found[place]
        return {
            "equal": piece == word,
            "same": piece == whole,
            "trimmed": piece.removeprefix("a") == word,
            "less": piece < word,
            "prefix": piece.startswith(word),
            "suffix": piece.endswith(word),
            "infix": word in piece,
        }[predicate]

    return lifted(term, means, subject)


def has_piece(delimiter: str, word: str, subject: Pair) -> Pair:
    parameter = json.dumps([delimiter, word])
    return lifted(
        lambda s: text_terms.on_string("has_segment", parameter, s), lambda s: word in s.split(delimiter), subject
    )


CUTS: dict[str, tuple[list[str], Callable[..., str]]] = {
    "trim": (["a", "/b"], lambda s, cut: s.strip(cut)),
    "trim_left": (["a", "/b"], lambda s, cut: s.lstrip(cut)),
    "trim_right": (["a", "/b"], lambda s, cut: s.rstrip(cut)),
    "trim_prefix": (["a", "a/"], lambda s, cut: s.removeprefix(cut)),
    "trim_suffix": (["b", "/"], lambda s, cut: s.removesuffix(cut)),
    "substring": (["[0, 1]", "[1, 2]", "[2, -1]", "[1, 0]"], lambda s, span: cut_out(s, *json.loads(span))),
    "lower": ([""], lambda s, _: s.lower()),
    "upper": ([""], lambda s, _: s.upper()),
    "replace": (['["a", "b"]', '["aa", ""]'], lambda s, words: s.replace(*json.loads(words))),
}


def cut_out(whole: str, start: int, size: int) -> str:
    return whole[start:] if size < 0 else whole[start : start + size]


def of_cut(how: str, number: int, place: int, subject: Pair, said: tuple[str, str]) -> Pair:
    """Something that is said of what is made of a text, or of the first piece of it."""
    (parameters, cut), (predicate, word) = CUTS[how], said
    parameter = parameters[number % len(parameters)]

    def made(whole: Term) -> Term:
        inner = whole if place else text_terms.part("segment", '["/", 0]', whole)
        found = text_terms.part(how, parameter, inner)
        if predicate == "equal":
            return terms.equal(found, terms.string(word))
        return text_terms.on_string(predicate, word, found)

    def means(whole: str) -> bool:
        found = cut(whole if place else whole.split("/", maxsplit=1)[0], parameter)
        said_of = {"equal": found == word, "prefix": found.startswith(word), "suffix": found.endswith(word)}
        return said_of.get(predicate, word in found)

    return lifted(made, means, subject)


SAID = ["equal", "same", "trimmed", "less", "prefix", "suffix", "infix"]
pieces = st.one_of(
    st.builds(
        of_piece,
        st.sampled_from(DELIMITERS),
        st.integers(0, 2),
        texts,
        st.tuples(st.sampled_from(SAID), st.sampled_from(WORDS)),
    ),
    st.builds(has_piece, st.sampled_from(DELIMITERS), st.sampled_from(WORDS), texts),
    st.builds(
        of_cut,
        st.sampled_from([*CUTS]),
        st.integers(0, 3),
        st.integers(0, 1),
        texts,
        st.tuples(st.sampled_from(["equal", "prefix", "suffix", "infix"]), st.sampled_from([*ASCII, "A", "AB"])),
    ),
)


def of_two(predicate: str, one: Pair, other: Pair) -> Pair:
    """Something that is said of two texts of which neither has to be known."""
    if predicate == "same":
        return lifted(string_relations.same_strings, lambda a, b: a == b, one, other)
    means = {"prefix": str.startswith, "suffix": str.endswith, "infix": str.__contains__}[predicate]
    return lifted(lambda a, b: string_relations.holds_of(predicate, b, a), means, one, other)


pairs_of_texts = st.builds(of_two, st.sampled_from(["same", "prefix", "suffix", "infix"]), texts, texts)
atoms: st.SearchStrategy[Pair] = st.one_of(
    st.sampled_from(BOOLS).map(lambda n: leaf(n, BOOL)),
    st.booleans().map(lambda b: Pair(terms.truth(b), lambda _world: b)),
    st.builds(chosen, st.sampled_from([*SIZES]), st.integers(0, 2)),
    st.tuples(numbers, numbers).map(lambda p: lifted(terms.equal, lambda a, b: a == b, *p)),
    st.tuples(numbers, numbers).map(lambda p: lifted(terms.less, lambda a, b: a < b, *p)),
    st.tuples(numbers, numbers).map(
        lambda p: lifted(lambda a, b: terms.less(a, b, strict=False), lambda a, b: a <= b, *p)
    ),
    numbers.map(lambda p: lifted(terms.is_whole, lambda a: Fraction(a).denominator == 1, p)),
    st.tuples(texts, texts).map(lambda p: lifted(terms.equal, lambda a, b: a == b, *p)),
    st.tuples(texts, texts).map(lambda p: lifted(terms.less, lambda a, b: a < b, *p)),
    texts.map(lambda p: lifted(lambda s: terms.equal(text_terms.length(s), terms.number(2)), lambda s: len(s) == 2, p)),
    st.builds(on, st.sampled_from(["prefix", "suffix", "infix"]), st.sampled_from(WORDS), texts),
    st.builds(on, st.just("conforms"), st.sampled_from([SHORT, LIKE]), texts),
    pairs_of_texts,
    pieces,
)


def counted(parts: list[Pair], bound: int, kind: int) -> Pair:
    """A comparison of how many hold with a constant, which simplifies at its ends."""
    size = lambda *a: terms.count(a)  # noqa: E731
    limit = terms.number(bound)
    forms: list[tuple[Callable[..., Term], Callable[..., bool]]] = [
        (lambda *a: terms.less(size(*a), limit), lambda *a: sum(a) < bound),
        (lambda *a: terms.less(size(*a), limit, strict=False), lambda *a: sum(a) <= bound),
        (lambda *a: terms.less(limit, size(*a)), lambda *a: bound < sum(a)),
        (lambda *a: terms.less(limit, size(*a), strict=False), lambda *a: bound <= sum(a)),
        (lambda *a: terms.equal(size(*a), limit), lambda *a: sum(a) == bound),
    ]
    return lifted(*forms[kind], *parts)


def combined(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    some = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        some.map(lambda found: lifted(terms.conj, lambda *a: all(a), *found)),
        some.map(lambda found: lifted(terms.disj, lambda *a: any(a), *found)),
        inner.map(lambda p: lifted(terms.neg, lambda a: not a, p)),
        st.tuples(inner, inner).map(lambda p: lifted(terms.implies, lambda a, b: not a or b, *p)),
        st.tuples(inner, inner).map(lambda p: lifted(terms.same_truth, lambda a, b: a == b, *p)),
        st.builds(counted, some, st.integers(-1, 5), st.integers(0, 4)),
    )


plain = st.one_of(
    st.sampled_from(BOOLS).map(lambda n: leaf(n, BOOL)), st.builds(chosen, st.sampled_from([*SIZES]), st.integers(0, 2))
)
conditions = st.recursive(atoms, combined, max_leaves=8)
formulas = st.recursive(plain, combined, max_leaves=30)
halves = st.integers(-6, 8).map(lambda n: Fraction(n, 2))
worlds = st.fixed_dictionaries(
    {
        **{name: st.booleans() for name in BOOLS},
        **{name: st.integers(-3, 4) for name in INTS},
        **dict.fromkeys(REALS, halves),
        **{name: st.sampled_from(WORDS) for name in TEXTS},
        **{name: st.integers(0, size - 1) for name, size in SIZES.items()},
    }
)


def decide(predicate: str, parameter: str, subject: str) -> bool:
    assert predicate == "conforms"
    return conforms(json.loads(parameter), subject)


def never(term: Term) -> Any:
    raise AssertionError(f"a variable that is not named: {term!r}")


def evaluated(term: Term, world: World) -> Any:
    return Assignment(world, {name: world[name] for name in SIZES}, decide, never).of(term)


@slow
@given(conditions, st.lists(worlds, min_size=1, max_size=8))
def test_a_condition_means_what_it_is_made_of(made: Pair, drawn: list[World]) -> None:
    for world in drawn:
        with suppress(NotKnown):
            assert evaluated(made.term, world) == made.means(world)


@slow
@given(formulas, st.lists(worlds, min_size=4, max_size=20))
def test_a_large_formula_of_few_variables_means_what_it_is_made_of(made: Pair, drawn: list[World]) -> None:
    """Absorption, contradiction and choices that exclude each other are met often."""
    for world in drawn:
        with suppress(NotKnown):
            assert evaluated(made.term, world) == made.means(world)


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    # A question without an answer shows nothing: it is given up soon, and later at night.
    with Solver(seconds=examples(1, nightly=10)) as one:
        yield one


@settings(slow, max_examples=examples(150))
@given(goals=st.lists(conditions, min_size=1, max_size=3), world=worlds, rich=st.booleans(), regular=st.booleans())
def test_the_solver_reads_terms_as_they_mean(
    goals: list[Pair], world: World, rich: bool, regular: bool, solver: Solver
) -> None:
    """A model makes every goal true, and where some assignment does the answer is never `unsat`."""
    roots = [goal.term for goal in goals]
    rules = {"s": [SHORT]}
    query = write_query(roots, rules, decide, strings_as_strings=rich, regular=regular)
    solved = solver.solve(query.script)
    if all(goal.means(world) for goal in goals) and conforms(json.loads(SHORT), world["s"]):
        assert solved.answer != UNSAT
    if solved.answer == SAT:
        with suppress(NoString, NotKnown):
            model = of_model(query, solved.model, lambda coded: find_strings(query, coded, rules), decide, default)
            assert all(model.of(root) for root in roots)


def default(term: Term) -> Any:
    return {BOOL: False, INT: 0, REAL: Fraction(0), STRING_SORT: ""}[term.sort]


@settings(slow, max_examples=examples(150))
@given(
    parts=st.lists(st.one_of(pieces, pairs_of_texts), min_size=1, max_size=3),
    whole=st.sampled_from(WORDS),
    regular=st.booleans(),
)
def test_the_solver_reads_pieces_of_texts_as_they_mean(
    parts: list[Pair], whole: str, regular: bool, solver: Solver
) -> None:
    size = len(whole) - 2
    world = {**dict.fromkeys(TEXTS, whole), **dict.fromkeys(INTS, size)}
    known = [terms.equal(terms.variable(name, STRING_SORT), terms.string(whole)) for name in TEXTS]
    known += [terms.equal(terms.variable(name, INT), terms.number(size)) for name in INTS]
    goals = [one.term if one.means(world) else terms.neg(one.term) for one in parts]
    assert (
        solver.solve(write_query([*known, *goals], {}, decide, strings_as_strings=True, regular=regular).script).answer
        == SAT
    )
    opposite = terms.disj(*map(terms.neg, goals))
    assert (
        solver.solve(
            write_query([*known, opposite], {}, decide, strings_as_strings=True, regular=regular).script
        ).answer
        == UNSAT
    )


def test_equal_terms_are_one_object_and_types_are_told_apart() -> None:
    assert terms.number(1) is terms.number(Fraction(2, 2))
    assert terms.number(1) is not terms.TRUE
    assert terms.variable("x", INT) is not terms.variable("x", REAL)
    assert terms.string("1") is not terms.number(1)
