"""The proof in one direction: no permitted token and request turn the decision, or a witness that OPA confirms.

One satisfiability question, `migration and request and not allowed before and allowed after`. A model of it becomes two
tokens and a request, which an independent predicate and OPA itself have to confirm before anyone is shown them.

Assumes: the question. Guarantees: `proved` only if goals, facts and relation are unsatisfiable, also with all that
may fail taken as possible, and no list is short and no object open; `refuted` only with points that the independent
relation and OPA confirmed; `unknown` otherwise. Lists: docs/proof-bounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from entitlements.engine import BatchEngine
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.errors import NotFollowed
from entitlements.model import JSON, same_json
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN, WITHIN_BOUNDS, NeverAllows, Witness
from entitlements.proof.decisions import Decisions
from entitlements.proof.scenario import Scenario
from entitlements.proof.symbolic.encode import Policy, Question, encode
from entitlements.proof.symbolic.found import Failure, Proof
from entitlements.proof.symbolic.inputs.witness_classes import of_kind, single_differences
from entitlements.proof.symbolic.self_check import ModelMismatch, check_against_opa, mismatch_of
from entitlements.proof.symbolic.session import Candidate, Session
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.smt.solver import SAT, UNDECIDED, Solver
from entitlements.proof.symbolic.terms.term import FALSE, Term, conj, count, less, neg, number
from entitlements.proof.symbolic.vacuous import never_allows
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.witnesses import Witnesses

_MOST_WITNESSES = 48
_MOST_CANDIDATES = 90
_BY_RULE = 24
"""So many witnesses are distinguished by the rules that grant them, too; more only by what changed and the request."""
_MORE = "there are more kinds of witnesses than are shown"
_MOST_FAILURES = 8


class Prover:
    """Asks both directions about two contracts and two policies.

    engines: OPA with each policy, which confirms; makers: turn a confirmed point into a witness, by direction.
    """

    def __init__(
        self,
        decisions: Decisions,
        policies: tuple[Policy, Policy],
        engines: tuple[BatchEngine, BatchEngine],
        makers: Mapping[tuple[bool, bool], Witnesses],
        calls: BuiltinCalls,
        solver: Solver,
    ) -> None:
        self._decisions = decisions
        self._contracts = decisions.contracts
        self._policies = policies
        self._engines = engines
        self._makers = makers
        self._calls = calls
        self._solver = solver
        self._questions: dict[tuple[int, frozenset[str]], Question] = {}

    def prove(self, *, widening: bool) -> Proof:
        """The answer in one direction. Raises ModelMismatch where the symbolic execution and OPA differ."""
        try:
            question = self._question(1 if widening else 0)
            try:
                return _Search(self, Session(question, self._solver), widening=widening).run()
            except _TooGenerous:
                # How often a value occurs in a list may decide which tokens are related.
                question = self._question(1 if widening else 0, full=frozenset(question.inputs.by_length))
                return _Search(self, Session(question, self._solver), widening=widening).run()
        except NotFollowed as fault:
            return Proof(UNKNOWN, fault.message)

    def never_allows(self, side: int, rule: str) -> NeverAllows | None:
        """Whether one side surely allows nothing at all; None where that is not known."""
        try:
            return never_allows(Session(self._question(side), self._solver), side, rule)
        except NotFollowed:
            return None

    def _question(self, request_of: int, full: frozenset[str] = frozenset()) -> Question:
        old, new = self._contracts
        if same_json(old.canonical["request"], new.canonical["request"]):
            request_of = 1
        if (request_of, full) not in self._questions:
            question = encode(
                *(self._contracts, self._policies, self._calls),
                request_of=request_of,
                seconds=self._solver.seconds,
                full=full,
            )
            check_against_opa(question, self._engines)
            self._questions[request_of, full] = question
        return self._questions[request_of, full]

    def mismatch(self, question: Question, assignment: Assignment) -> ModelMismatch:
        """The fault that a model of the solver is decided differently, on the side on which it is."""
        return mismatch_of("a model of the solver is decided differently", question, self._engines, assignment)

    def confirmed(self, scenario: Scenario, *, widening: bool, obligation: bool) -> bool:
        """Whether OPA decides a point as a turn of this direction; obligation: as one that loses an obligation."""
        return bool(self._decisions.turns([scenario], widening=widening, obligation=obligation))

    def witness(self, scenario: Scenario, *, widening: bool, obligation: bool) -> Witness:
        """The witness of a confirmed point."""
        (found,) = self._makers[widening, obligation].of([scenario])
        return found

    def plain_witness(self, scenario: Scenario, *, widening: bool, obligation: bool) -> Witness:
        """The witness of a confirmed point as it is, with nothing left out."""
        return self._makers[widening, obligation].plain(scenario)

    def related(self, scenario: Scenario, *, widening: bool) -> bool:
        """The independent check of a point: two permitted tokens of one principal and a permitted request."""
        return self._makers[widening, False].permitted(scenario)

    def input_of(self, scenario: Scenario) -> Mapping[str, JSON]:
        """What policy sees at a point after the change."""
        return self._decisions.input(scenario, 1)

    def fails(self, scenario: Scenario, side: int) -> bool:
        """Whether OPA gives no decision at a point on one side."""
        return self._decisions.verdicts(scenario)[side] is None


class _TooGenerous(Exception):
    """The relation holds of a candidate though none of the tokens that it represents are related."""


class _Search:
    """One direction: candidates, witnesses, and what remains when there is none left."""

    def __init__(self, prover: Prover, session: Session, *, widening: bool) -> None:
        self._prover = prover
        self._session = session
        self._question = session.question
        self._widening = widening
        self._allows = 1 if widening else 0
        self._denies = 1 - self._allows
        self._obligation = False
        self._blocked: list[Term] = []
        self._lost: list[Term] = []

    def run(self) -> Proof:
        """Search for witnesses, and say what is known of the rest."""
        question = self._question
        goals = [question.allowed(self._allows), neg(question.allowed(self._denies))]
        witnesses, undecided, all_shown = self._witnesses(goals)
        if question.obliges and not undecided:
            more, undecided, all_of_them = self._obligations()
            witnesses, all_shown = (*witnesses, *more), all_shown and all_of_them
        answer, reason = self._rest(undecided)
        proof = Proof(REFUTED if witnesses else answer, reason if all_shown else _MORE, witnesses=witnesses)
        proof.approvable = all_shown
        proof.queries = self._session.queries
        proof.failures = self._failures()
        proof.bounds = {source_list: question.looked_at.get(source_list, 0) for source_list in question.short_lists}
        approximations = [one for executed in question.executed for one in executed.limits.approximations]
        proof.approximations = tuple({f"`{what}` at {place}": None for what, place in approximations})
        return proof

    def _obligations(self) -> tuple[tuple[Witness, ...], str, bool]:
        """The same of points where both sides allow and an obligation is lost (or gained, for a narrowing)."""
        turned, self._blocked, self._obligation = self._blocked, [], True
        try:
            witnesses, undecided, all_shown = self._witnesses(self._question.obligation_lost(widening=self._widening))
        finally:
            self._lost, self._blocked, self._obligation = self._blocked, turned, False
        why = f"the obligations of a decision are not followed at `{self._deciding}`: {undecided}" if undecided else ""
        return witnesses, why, all_shown

    @property
    def _deciding(self) -> Place:
        """A place at which the obligations are made that are in doubt, as far as that is known."""
        for executed in self._question.executed:
            for _, place in executed.limits.approximations:
                return place
        return self._question.executed[self._allows].limits.place

    @property
    def _untouched(self) -> bool:
        """Whether the same policy sees the same on both sides, whatever that is."""
        question = self._question
        same = question.executed[0].allow is question.executed[1].allow
        old, new = question.pair.contracts
        if any(executed.errors for executed in question.executed) and old.ref != new.ref:
            # Whether OPA comes to evaluate what fails depends on the input: the same conditions say nothing of that.
            return False
        same = same and question.lost[0] is FALSE and question.lost[1] is FALSE
        return question.same_policy and same and question.executed[0].fails is question.executed[1].fails

    def _rest(self, undecided: str) -> tuple[str, str]:
        """What is known of everything that no witness represents: proved, or why it is not."""
        if undecided:
            return UNKNOWN, undecided
        question = self._question
        if self._untouched:
            return PROVED, ""
        opened = [place for executed in question.executed for place in executed.limits.opened]
        opened += [p for w in question.executed for name, p in w.limits.cut.items() if name not in question.looked_at]
        if opened:
            return UNKNOWN, f"`{opened[0]}` looks through members that the contract does not type, see `request`"
        if any(executed.errors for executed in question.executed):
            goals = [question.possibly_allowed(self._allows), neg(question.allowed(self._denies))]
            asked = [[*goals, *self._blocked]]
            if question.obliges:
                asked.append([*question.possibly_obligation_lost(widening=self._widening), *self._lost])
            for one in asked:
                answer = self._session.solve(one)[1]
                if answer.answer == UNDECIDED:
                    return UNKNOWN, answer.reason
                if answer.answer == SAT:
                    places = [str(place) for executed in question.executed for place, _ in executed.errors]
                    return (
                        UNKNOWN,
                        f"a rule or a built-in may fail at `{places[0]}`, and OPA may not come to evaluate it",
                    )
        if short := question.short_lists:
            lists = ", ".join(f"`{name}` up to {question.looked_at.get(name, 0)}" for name in short)
            return WITHIN_BOUNDS, f"lists were looked at up to a length that may not be all that matters: {lists}"
        return PROVED, ""

    def _witnesses(self, goals: Sequence[Term]) -> tuple[tuple[Witness, ...], str, bool]:
        """Witnesses of every kind, those with the fewest changes first; why the search ended early, if it did; whether
        every kind is among them.
        """
        found: dict[str, Witness] = {}
        singles = single_differences(self._question.inputs.algebra, self._question.pair)
        changes, most = count(singles), len(singles)
        for _ in range(_MOST_CANDIDATES):
            if len(found) == _MOST_WITNESSES:
                break
            query, solved = self._session.solve([*goals, *self._blocked])
            for few in range(1, min(most, 4)) if solved.answer == SAT else ():
                fewer = self._session.solve([*goals, *self._blocked, less(changes, number(few), strict=False)])
                if fewer[1].answer == SAT:
                    query, solved = fewer
                    break
            candidate = self._session.candidate_of([*goals, *self._blocked], query, solved)
            scenario = candidate.scenario
            if scenario is None:
                return tuple(found.values()), candidate.reason, True
            if doubt := self._doubt(scenario, candidate):
                return tuple(found.values()), doubt, True
            witness = self._prover.witness(scenario, widening=self._widening, obligation=self._obligation)
            if witness.fingerprint in found:
                # It shrank to one that is known, though other rules grant it.
                witness = self._prover.plain_witness(scenario, widening=self._widening, obligation=self._obligation)
            by_rule = witness.fingerprint not in found and len(found) < _BY_RULE
            self._block(witness.scenario, witness.grants if by_rule else frozenset())
            found.setdefault(witness.fingerprint, witness)
        return tuple(found.values()), "", False

    def _doubt(self, scenario: Scenario, candidate: Candidate) -> str:
        """Why a candidate is no witness; empty where it is one. Raises ModelMismatch."""
        if not self._prover.related(scenario, widening=self._widening):
            if self._question.inputs.by_length:
                raise _TooGenerous
            return "a candidate was found, but no permitted tokens for it"
        if self._prover.confirmed(scenario, widening=self._widening, obligation=self._obligation):
            return ""
        if candidate.exact and candidate.assignment and not self._approximate:
            raise self._prover.mismatch(self._question, candidate.assignment)
        return f"a candidate was found that OPA does not confirm, {self._why_approximate()}"

    @property
    def _approximate(self) -> bool:
        return any(w.limits.approximations or w.limits.opened or w.errors for w in self._question.executed)

    def _why_approximate(self) -> str:
        for executed in self._question.executed:
            for what, place in executed.limits.approximations:
                return f"as `{what}` at `{place}` is not followed"
            for place in executed.limits.opened:
                return f"as `{place}` looks through members that the contract does not type"
            for place, what in executed.errors:
                return f"as at `{place}` {what}"
        return "as a number has no exact decimal form, or a string is made in a way that is not followed"

    def _block(self, scenario: Scenario, granting: frozenset[tuple[str, int]]) -> None:
        """Look for another kind from now on: other differences, another request, another rule that grants."""
        kind = of_kind(self._question.inputs.algebra, self._question.pair, scenario)
        fired = self._question.executed[self._allows].fired
        grants = [term for place, term in fired.items() if (place.file, place.row) in granting]
        self._blocked.append(neg(conj(kind, *grants)))

    def _failures(self) -> tuple[Failure, ...]:
        """Where a rule or a built-in fails for a permitted token on the side that comes after."""
        found: list[Failure] = []
        errors = self._question.executed[1].errors
        for (place, what), condition in [*errors.items()][:_MOST_FAILURES]:
            scenario = self._session.candidate([self._question.pair.permitted[1], condition]).scenario
            if scenario is not None and self._prover.fails(scenario, 1):
                found.append(Failure(place, what, self._prover.input_of(scenario)))
        return tuple(found)
