"""Asking the solver about one question, and making a point (two tokens and a request) of its models.

Assumes: a question. Guarantees: every query holds goals, facts and relation; a point only where a model has
documents.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from entitlements.contract import EARLIEST, LATEST
from entitlements.model import Resource
from entitlements.proof.scenario import Scenario, Token
from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.inputs.clock import SECONDS
from entitlements.proof.symbolic.inputs.dates import is_day
from entitlements.proof.symbolic.lengthening import lengthened
from entitlements.proof.symbolic.smt.assignment import Assignment, NotKnown, of_model
from entitlements.proof.symbolic.smt.encoder import Query, write_query
from entitlements.proof.symbolic.smt.solver import SAT, UNDECIDED, UNSAT, Solved, Solver
from entitlements.proof.symbolic.smt.string_models import NoString, find_strings, fresh_string
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.string_terms import CONFORMS, on_string
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    FALSE,
    STRING_SORT,
    Term,
    equal,
    number,
    subterms,
    variable,
)
from entitlements.proof.symbolic.terms.timestamps import UNITS, number_of
from entitlements.proof.symbolic.time_limit import UNLIMITED, TimeLimit, heaviest_rule

_FIRST = 0.25
"""The share of a question's time after which it is put in another spelling."""


@dataclass(frozen=True)
class Candidate:
    """A point that the solver names. scenario: None where there is none; reason: why that is not known, or empty.

    exact: whether the documents of the point say exactly what the model says; longer: the same point with lists as long
    as the model has them, where the scenario holds their elements that were looked at; stretched: whether it does so
    with elements of another choice than the model's.
    """

    scenario: Scenario | None
    reason: str = ""
    exact: bool = True
    assignment: Assignment | None = None
    longer: Scenario | None = None
    stretched: bool = False


class Session:
    """One question and the solver. limit: when it is to be abandoned; queries: the SMT-LIB strings that were asked so
    far; rests: those of them that have no model, and of which the answer says so; undecided: why the last query without
    an answer has none.
    """

    def __init__(self, question: Question, solver: Solver, limit: TimeLimit = UNLIMITED) -> None:
        self.question = question
        self.undecided = ""
        self.limit = limit
        self.queries: list[str] = []
        self.rests: list[str] = []
        self._solver = solver

    def solve(
        self,
        goals: Sequence[Term],
        *,
        strings_as_strings: bool = False,
        stamped: Mapping[Term, str] | None = None,
    ) -> tuple[Query, Solved]:
        """Whether all goals can hold at once with all that is known of the inputs. stamped: see `write_query`."""
        question = self.question
        if any(goal is FALSE for goal in goals):
            return Query("(assert false)\n", {}, {}, frozenset()), Solved(UNSAT)
        known = [*question.inputs.facts, question.pair.related]
        asked = [*goals, *known], question.inputs.strings, question.decide_string
        query = write_query(*asked, strings_as_strings=strings_as_strings, stamped=stamped)
        self.queries.append(query.script)
        solved = self._asked(query.script, share=_FIRST if query.patterned else 1.0)
        if solved.answer == UNDECIDED and query.patterned:
            # No spelling suits all questions: what one is abandoned for, the other often answers at once.
            query = write_query(*asked, strings_as_strings=strings_as_strings, regular=True, stamped=stamped)
            self.queries.append(query.script)
            solved = self._asked(query.script, share=1 - _FIRST)
        self.undecided = solved.reason if solved.answer == UNDECIDED else self.undecided
        return query, solved

    def _asked(self, script: str, *, share: float = 1.0) -> Solved:
        """The solver's answer, within what is left of the time of the whole question."""
        if (left := self.limit.left) <= 0:
            return Solved(UNDECIDED, reason=self.limit.reached)
        return self._solver.solve(script, share=min(share, left / self._solver.seconds))

    def too_much(self, reason: str) -> str:
        """Why there is no answer, with the rule that asks the most where it is the solver that has none."""
        rule = heaviest_rule(self.question) if reason and reason == self.undecided else None
        return f"{reason}; the rule that asks the most of it is at `{rule}`" if rule else reason

    def never(self, goals: Sequence[Term]) -> bool:
        """Whether no tokens and request meet all goals, related or not; false where that is not found out soon."""
        if any(goal is FALSE for goal in goals):
            return True
        question = self.question
        query = write_query([*goals, *question.inputs.facts], question.inputs.strings, question.decide_string)
        return self._asked(query.script, share=_FIRST).answer == UNSAT and not self.barren

    @cached_property
    def barren(self) -> str:
        """Why nothing follows of what the contracts demand: perhaps no value meets it, and whatever is asked could not
        be met either; empty where some value surely does.

        A claim that may be absent is one of the demands, as all its values have variables.
        """
        strings: dict[tuple[str, ...], str] = {}
        for name, rules in self.question.inputs.strings.items():
            strings.setdefault(tuple(rules), name)
        subjects = [(rule, variable(name, STRING_SORT)) for rules, name in strings.items() for rule in rules]
        known = [*(on_string(CONFORMS, rule, name) for rule, name in subjects), *self.question.inputs.facts]
        if not known or self._permitted(known):
            return ""
        if self.limit.left <= 0:
            self.undecided = self.limit.reached
            return self.undecided
        first = bisect_left(range(len(known)), 1, key=lambda last: not self._permitted(known[: last + 1]))
        names = dict.fromkeys(
            f"`{term.args[0]}`" for term in subterms([known[first]]) if term.op in (Op.VAR, Op.CHOICE)
        )
        where = f" ({', '.join(names)})" if names else ""
        return f"a part of the contracts{where} may permit no value at all, and nothing is proved of it"

    def _permitted(self, known: Sequence[Term]) -> bool:
        asked = known, self.question.inputs.strings, self.question.decide_string
        for regular in (False, True):
            query = write_query(*asked, regular=regular)
            answer = self._asked(query.script, share=_FIRST if query.patterned and not regular else 1.0).answer
            if answer != UNDECIDED or not query.patterned:
                break
        return answer == SAT

    def candidate(self, goals: Sequence[Term]) -> Candidate:
        """A point at which all goals hold, if there is one."""
        query, solved = self.solve(goals)
        return self.candidate_of(goals, query, solved)

    def candidate_of(self, goals: Sequence[Term], query: Query, solved: Solved) -> Candidate:
        """The point of an answer that is there already."""
        if solved.answer == UNSAT:
            if any(goal is FALSE for goal in goals):
                return Candidate(None)
            self.rests.append(query.script)
            return Candidate(None, self.barren)
        if solved.answer != SAT:
            return Candidate(None, solved.reason)
        try:
            return self._scenario(query, solved)
        except NotKnown:
            if found := self._at_instants(goals, query, solved):
                return found
            return Candidate(None, "what a built-in gives decides, and it is not followed")
        except NoString:
            pass
        query, solved = self.solve(goals, strings_as_strings=True)
        if solved.answer == UNSAT:
            # With the strings themselves in the question there is none.
            self.rests.append(query.script)
            return Candidate(None, self.barren)
        try:
            return self._scenario(query, solved) if solved.answer == SAT else Candidate(None, solved.reason)
        except (NoString, NotKnown):
            return Candidate(None, "a string that the contract permits was not found")

    def example(self, goals: Sequence[Term]) -> Assignment | None:
        """Values that meet goals, whatever else is known of the inputs; None where none are found soon."""
        question = self.question
        # A time and a day are numbers within bounds.
        bounds = question.inputs.facts if any(term is SECONDS or is_day(term) for term in subterms(goals)) else ()
        query = write_query([*goals, *bounds], question.inputs.strings, question.decide_string)
        solved = self._asked(query.script, share=_FIRST)
        try:
            return self._assignment(query, solved) if solved.answer == SAT else None
        except (NotKnown, NoString):
            return None

    def _at_instants(self, goals: Sequence[Term], query: Query, solved: Solved) -> Candidate | None:
        """A point at one of the seconds that a model names, where its timestamps are not those of its second."""
        for second in _named_seconds(query, solved):
            clock = Assignment({SECONDS.args[0]: second}, {}, self.question.decide_string, lambda _: 0)
            stamped = {term: clock.of(term) for term in query.stamps.values() if term.args[0] in UNITS}
            pinned = [*goals, equal(SECONDS, number(second))]
            found = self.solve(pinned, strings_as_strings=True, stamped=stamped)
            if found[1].answer == SAT:
                with contextlib.suppress(NotKnown, NoString):
                    return self._scenario(*found)
        return None

    def _scenario(self, query: Query, solved: Solved) -> Candidate:
        question, assignment = self.question, self._assignment(query, solved)
        short, whole = short_scenario(question, assignment), scenario_of(question, assignment)
        longer = whole if whole == short else lengthened(question.pair.pairing, short, whole)
        exact = assignment.exact and assignment.surely
        return Candidate(short, "", exact, assignment, longer, stretched=longer != whole)

    def _assignment(self, query: Query, solved: Solved) -> Assignment:
        question = self.question
        rules = question.inputs.strings

        def default(term: Term) -> Any:
            if term is SECONDS:
                return EARLIEST
            if term.sort == STRING_SORT:
                return fresh_string(rules.get(term.args[0], ()), set())
            return False if term.sort == BOOL else 0

        return of_model(
            query, solved.model, lambda coded: find_strings(query, coded, rules), question.decide_string, default
        )


def _named_seconds(query: Query, solved: Solved) -> Iterator[int]:
    """The second of a model, and those that its timestamps are the strings of."""
    names = [symbol for symbol, term in query.symbols.items() if term is SECONDS]
    if not query.stamps or not names:
        return
    second = int(solved.model[names[0]])
    yield second
    for symbol, term in query.stamps.items():
        form, counted = term.args
        if form not in UNITS:
            continue
        clock = Assignment({SECONDS.args[0]: second}, {}, lambda *_: False, lambda _: 0)
        wanted = number_of(form, solved.model.get(symbol, ""))
        if wanted is not None:
            moved = second + (wanted - clock.of(counted)) * UNITS[form]
            yield min(max(moved, EARLIEST), LATEST)


def short_scenario(question: Question, assignment: Assignment) -> Scenario:
    """The same with no more elements of truncated lists than are looked at. Raises NotKnown."""
    assignment.whole = False
    try:
        return scenario_of(question, assignment)
    finally:
        assignment.whole = True


def scenario_of(question: Question, assignment: Assignment) -> Scenario:
    """The tokens and the request of an assignment. Raises NotKnown."""
    pair, request = question.pair, question.pair.request
    tokens = []
    for token in pair.tokens:
        claims = {name: assignment.document(value) for name, value in token.claims.items()}
        tokens.append(
            Token(
                assignment.document(token.subject),
                frozenset(name for name, bit in token.scopes.items() if assignment.of(bit)),
                {name: value for name, value in claims.items() if assignment.present(value)},
                assignment.document(token.client),
            )
        )
    properties = assignment.document(request.action_properties)
    resource = Resource(
        assignment.document(request.kind),
        assignment.document(request.identifier),
        assignment.document(request.properties),
    )
    return Scenario(
        tokens[0],
        tokens[1],
        assignment.document(request.action),
        resource,
        assignment.document(request.context),
        properties if assignment.present(properties) else {},
        assignment.of(SECONDS) if pair.zones else None,
    )
