"""The proof in one direction: no permitted token and request turn the decision, or a witness that OPA confirms.

One satisfiability question, `migration and request and not allowed before and allowed after`. A model of it becomes two
tokens and a request, which an independent predicate and OPA itself have to confirm before anyone is shown them.

Assumes: the question. Guarantees: `proved` only if goals, facts and relation are unsatisfiable, also with all that
may fail taken as possible, and no list is short and no object open; `refuted` only with points that the independent
relation and OPA confirmed; `unknown` otherwise. Lists: docs/proof-bounds.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from entitlements.engine import BatchEngine, PolicyReading
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.errors import NotFollowed
from entitlements.model import same_json
from entitlements.proof.answer import PROVED, REFUTED, UNKNOWN, WITHIN_BOUNDS, NeverAllows, NeverFires
from entitlements.proof.decisions import Decisions
from entitlements.proof.symbolic.confirming import Confirming
from entitlements.proof.symbolic.encode import Policy, Question, encode
from entitlements.proof.symbolic.found import Failure, Proof
from entitlements.proof.symbolic.search import Found, Search, TooGenerous
from entitlements.proof.symbolic.self_check import check_against_opa
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import SAT, UNDECIDED, UNSAT, Solver
from entitlements.proof.symbolic.terms.term import FALSE, Term, neg
from entitlements.proof.symbolic.time_limit import TimeLimit
from entitlements.proof.symbolic.vacuous import never_allows, never_fires
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.whole_decision import WholeDecision, whole_decision
from entitlements.proof.witnesses import Witnesses

_MORE = "there are more kinds of witnesses than are shown"
_MOST_FAILURES = 8


class Prover:
    """Asks both directions about two contracts and two policies.

    engines: OPA with each policy, which confirms; makers: turn a confirmed point into a witness, by direction;
    clock: by which a question may take as many seconds as the solver has for a query.
    """

    def __init__(
        self,
        decisions: Decisions,
        policies: tuple[Policy, Policy],
        engines: tuple[BatchEngine, BatchEngine],
        makers: Mapping[tuple[bool, bool], Witnesses],
        calls: BuiltinCalls,
        solver: Solver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._decisions = decisions
        self._contracts = decisions.contracts
        self._policies = policies
        self._engines = engines
        self._confirming = Confirming(decisions, engines, makers)
        self._calls = calls
        self._solver = solver
        self._questions: dict[tuple[int, frozenset[str], bool], Question] = {}

    def prove(self, *, widening: bool) -> Proof:
        """The answer in one direction. Raises ModelMismatch where the symbolic execution and OPA differ."""
        limit = TimeLimit.starting(self._solver.seconds, self._clock)
        full, generous = frozenset[str](), True
        try:
            while True:
                question = self._question(1 if widening else 0, limit, full, generous=generous)
                try:
                    return self._run(question, limit, widening=widening)
                except TooGenerous:
                    # How often a value occurs in a list decides which tokens are related, or how long lists are.
                    full, generous = full | question.inputs.by_length, bool(question.inputs.by_length)
        except NotFollowed as fault:
            return Proof(UNKNOWN, fault.message)

    def _run(self, question: Question, limit: TimeLimit, *, widening: bool) -> Proof:
        return _Direction(self._confirming, Session(question, self._solver, limit), widening=widening).run()

    def whole_decision(self) -> WholeDecision:
        """Whether both sides decide alike in every member, where access is proved in both directions."""
        limit = TimeLimit.starting(self._solver.seconds, self._clock)
        try:
            session = Session(self._question(1, limit), self._solver, limit)
            return whole_decision(session, self._decisions, lambda one: self._confirming.related(one, widening=True))
        except NotFollowed as fault:
            return WholeDecision(UNKNOWN, fault.message)

    def never_allows(self, side: int, rule: str) -> NeverAllows | None:
        """Whether one side surely allows nothing at all; None where that is not known."""
        try:
            limit = TimeLimit.starting(self._solver.seconds, self._clock)
            return never_allows(Session(self._question(side, limit), self._solver, limit), side, rule)
        except NotFollowed:
            return None

    def never_fires(self, readings: Sequence[PolicyReading]) -> tuple[NeverFires, ...]:
        """The changed claims of which surely no reader can fire; readings: what the policies of each side read."""
        try:
            limit = TimeLimit.starting(self._solver.seconds, self._clock)
            sessions = [Session(self._question(side, limit), self._solver, limit) for side in (0, 1)]
            return tuple(never_fires(sessions, readings))
        except NotFollowed:
            return ()

    def _question(
        self, request_of: int, limit: TimeLimit, full: frozenset[str] = frozenset(), *, generous: bool = True
    ) -> Question:
        old, new = self._contracts
        if same_json(old.canonical["request"], new.canonical["request"]):
            request_of = 1
        key = request_of, full, generous
        if key not in self._questions:
            question = encode(
                *(self._contracts, self._policies, self._calls),
                request_of=request_of,
                seconds=limit.left,
                full=full,
                generous=generous,
            )
            check_against_opa(question, self._engines)
            self._questions[key] = question
        return self._questions[key]


class _Direction:
    """One direction: witnesses, and what remains when there is none left."""

    def __init__(self, confirming: Confirming, session: Session, *, widening: bool) -> None:
        self._confirming = confirming
        self._session = session
        self._question = session.question
        self._widening = widening
        self._allows = 1 if widening else 0
        self._denies = 1 - self._allows
        self._blocked: list[Term] = []
        self._lost: list[Term] = []

    def run(self) -> Proof:
        """Search for witnesses, and say what is known of the rest."""
        question = self._question
        goals = [question.allowed(self._allows), neg(question.allowed(self._denies))]
        found = self._found(goals, self._blocked, obligation=False)
        witnesses, undecided, all_shown = found.witnesses, found.reason, found.all_shown
        if question.obliges and not undecided:
            more = self._found(question.obligation_lost(widening=self._widening), self._lost, obligation=True)
            witnesses, all_shown = (*witnesses, *more.witnesses), all_shown and more.all_shown
            if more.reason:
                undecided = f"the obligations of a decision are not followed at `{self._deciding}`: {more.reason}"
        answer, reason = self._rest(undecided)
        proof = Proof(REFUTED if witnesses else answer, reason if all_shown else _MORE, witnesses=witnesses)
        proof.approvable = all_shown
        proof.queries = self._session.queries
        proof.rests = tuple(dict.fromkeys(self._session.rests))
        proof.failures = self._failures()
        proof.bounds = {source_list: question.looked_at.get(source_list, 0) for source_list in question.short_lists}
        approximations = [one for executed in question.executed for one in executed.limits.approximations]
        proof.approximations = tuple({f"`{what}` at {place}": None for what, place in approximations})
        return proof

    def _found(self, goals: Sequence[Term], blocked: list[Term], *, obligation: bool) -> Found:
        """The witnesses of goals; obligation: of points where both sides allow and an obligation is lost or gained.

        blocked: takes what excludes their kinds.
        """
        search = Search(self._confirming, self._session, widening=self._widening, obligation=obligation)
        try:
            return search.run(goals)
        finally:
            blocked += search.blocked

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
            return UNKNOWN, self._session.too_much(undecided)
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
                query, answer = self._session.solve(one)
                if answer.answer == UNSAT and not any(goal is FALSE for goal in one):
                    self._session.rests.append(query.script)
                if answer.answer == UNDECIDED:
                    return UNKNOWN, self._session.too_much(answer.reason)
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

    def _failures(self) -> tuple[Failure, ...]:
        """Where a rule or a built-in fails for a permitted token on the side that comes after."""
        found: list[Failure] = []
        errors = self._question.executed[1].errors
        for (place, what), condition in [*errors.items()][:_MOST_FAILURES]:
            scenario = self._session.candidate([self._question.pair.permitted[1], condition]).scenario
            if scenario is not None and self._confirming.fails(scenario, 1):
                found.append(Failure(place, what, self._confirming.input_of(scenario)))
        return tuple(found)
