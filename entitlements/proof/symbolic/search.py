"""Witnesses of every kind, one after the other: what a kind is, and that no other is looked for once all are found.

Assumes: goals that are satisfiable only if the decision can change. Guarantees: each witness is confirmed by the
relation and by OPA; once the search ends without a reason, every point that meets the goals is of a kind that was
found: it has at least the differences of a witness, and a request that the policies read as one that is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from entitlements.proof.answer import Witness
from entitlements.proof.grouping import HANDFUL, grouped
from entitlements.proof.requests import ANY, Label, RequestKind, perhaps_any
from entitlements.proof.scenario import Scenario
from entitlements.proof.symbolic.confirming import Confirming
from entitlements.proof.symbolic.inputs.witness_classes import of_kind, single_differences
from entitlements.proof.symbolic.request_classes import MOST_CLASSES, RequestClass, RequestClasses, together
from entitlements.proof.symbolic.residual import residual
from entitlements.proof.symbolic.session import Candidate, Session
from entitlements.proof.symbolic.smt.solver import SAT
from entitlements.proof.symbolic.terms.term import FALSE, TRUE, Term, conj, count, disj, less, neg, number

_MOST_WITNESSES = 48
_MOST_CANDIDATES = 90
_BY_RULE = 24
"""So many witnesses are distinguished by the rules that grant them, too; more only by what changed and the request."""


class TooGenerous(Exception):
    """The relation holds of a candidate though none of the tokens that it represents are related."""


@dataclass(frozen=True)
class Found:
    """witnesses: those with the fewest changes first; reason: why the search ended early, if it did; all_shown:
    whether every kind is among them.
    """

    witnesses: tuple[Witness, ...]
    reason: str = ""
    all_shown: bool = True


@dataclass(frozen=True)
class _Alike:
    """Requests for which the very tokens of a point turn the decision. condition: where a request is of one of the
    classes.
    """

    classes: tuple[RequestClass, ...]
    condition: Term


def _perhaps_any(scenario: Scenario) -> _Alike:
    """Every request, as it was not found out which ones turn the decision: the witness says so."""
    kind = perhaps_any(scenario.action, scenario.resource.type)
    return _Alike((RequestClass(kind, TRUE, TRUE, TRUE),), TRUE)


def _asks(scenario: Scenario, kind: RequestKind) -> Scenario:
    """The same tokens and resource, asked about by an example of a kind of requests."""
    resource = replace(scenario.resource, type=kind.type.example)
    return replace(scenario, action=kind.action.example, resource=resource)


class Search:
    """Looks for witnesses in one direction; obligation: for those that lose (or gain) an obligation.

    blocked: what excludes the kinds that were found.
    """

    def __init__(self, confirming: Confirming, session: Session, *, widening: bool, obligation: bool) -> None:
        self._confirming = confirming
        self._session = session
        self._question = session.question
        self._widening, self._obligation = widening, obligation
        self._classes = RequestClasses(session.question)
        self._changes = single_differences(self._question.inputs.algebra, self._question.pair)
        self._one_by_one: set[Term] = set()
        self.blocked: list[Term] = []

    def run(self, goals: Sequence[Term]) -> Found:
        """Every kind of witness of these goals."""
        found: dict[str, Witness] = {}
        known: set[str] = set()
        for _ in range(_MOST_CANDIDATES):
            if len(found) == _MOST_WITNESSES:
                break
            candidate = self._candidate(goals)
            if candidate.scenario is None:
                return Found(grouped([*found.values()]), candidate.reason)
            scenario, doubt = self._confirmed(candidate)
            if scenario is None:
                return Found(grouped([*found.values()]), doubt)
            witness = self._of_class(scenario, plain=False)
            if witness.fingerprint in known:
                # It shrank to one that is known, though other rules grant it.
                witness = self._of_class(scenario, plain=True)
            by_rule = witness.fingerprint not in known and len(found) < _BY_RULE
            kind = self._kind(witness, self._granting(witness, candidate) if by_rule else ())
            alike = self._read_alike(goals, kind, candidate, witness.scenario)
            self.blocked.append(neg(conj(kind, alike.condition)))
            known |= {witness.of_requests([one.kind]).fingerprint for one in alike.classes}
            witness = witness.of_requests(self._told(alike.classes))
            found.setdefault(witness.fingerprint, witness)
        return Found(grouped([*found.values()]), "", all_shown=False)

    def _candidate(self, goals: Sequence[Term]) -> Candidate:
        """The next point, with few changes."""
        asked = [*goals, *self.blocked]
        query, solved = self._session.solve(asked)
        changes, most = count(self._changes), len(self._changes)
        for few in range(1, min(most, 4)) if solved.answer == SAT else ():
            fewer = self._session.solve([*asked, less(changes, number(few), strict=False)])
            if fewer[1].answer == SAT:
                query, solved = fewer
                break
        return self._session.candidate_of(asked, query, solved)

    def _of_class(self, scenario: Scenario, *, plain: bool) -> Witness:
        """The witness of a confirmed point, for all requests that are read as its own is."""
        make = self._confirming.plain_witness if plain else self._confirming.witness
        witness = make(scenario, widening=self._widening, obligation=self._obligation)
        return witness.of_requests([self._class_of(witness.scenario).kind])

    def _granting(self, witness: Witness, candidate: Candidate) -> Iterator[Term]:
        """Where the rules come to their end that grant a witness; of one on a single line the condition alone may have
        been looked at.
        """
        for place, term in self._question.executed[1 if self._widening else 0].fired.items():
            if (place.file, place.row) in witness.grants and residual(term, candidate.assignment, ()) is TRUE:
                yield term

    def _kind(self, witness: Witness, granting: Iterable[Term]) -> Term:
        """What has to be so of every point that the witness represents, whatever its request."""
        inputs, pair = self._question.inputs, self._question.pair
        return conj(of_kind(inputs.algebra, pair, witness.scenario), *granting)

    def _class_of(self, scenario: Scenario) -> RequestClass:
        return self._classes.of(scenario.action, scenario.resource.type)

    def _read_alike(self, goals: Sequence[Term], kind: Term, candidate: Candidate, shrunk: Scenario) -> _Alike:
        """The classes of requests at which the tokens of a witness turn the decision; the first is that of the point.

        Others of the same kind, with other tokens, are witnesses of their own: what one says is so of all its requests.
        """
        own = self._class_of(shrunk)
        if own.condition is TRUE or kind in self._one_by_one:
            return _Alike((own,), own.condition)
        found = self._met([*goals, kind], candidate, shrunk)
        if len(found.classes) > MOST_CLASSES:
            return _perhaps_any(shrunk)
        if len(found.classes) <= HANDFUL and all(one.kind.named for one in found.classes):
            self._one_by_one.add(kind)
            return _Alike((own,), own.condition)
        return found

    def _met(self, goals: Sequence[Term], candidate: Candidate, scenario: Scenario) -> _Alike:
        """The classes of requests for which the very tokens of a point turn the decision, as OPA confirms."""
        own = self._class_of(scenario)
        region = residual(conj(*goals), candidate.assignment, self._classes.atoms)
        if region is TRUE and self._classes.open:
            anything = RequestKind(Label(scenario.action, ANY), Label(scenario.resource.type, ANY))
            return _Alike((RequestClass(anything, TRUE, TRUE, TRUE),), TRUE)
        classes, whole = self._classes.within(region, (own.kind.action.example, own.kind.type.example), self._session)
        if not all(self._is_witness(_asks(scenario, one.kind)) for one in classes):
            return _Alike((own,), own.condition)
        found = tuple(dict.fromkeys((own, *classes)))
        return _Alike(found, disj(region if whole else FALSE, *(one.condition for one in found)))

    def _is_witness(self, scenario: Scenario) -> bool:
        return self._confirming.related(scenario, widening=self._widening) and self._confirming.confirmed(
            scenario, widening=self._widening, obligation=self._obligation
        )

    def _told(self, classes: Sequence[RequestClass]) -> tuple[RequestKind, ...]:
        if len(classes) == 1:
            return (classes[0].kind,)
        return together(classes, lambda condition: self._session.never([neg(condition)]))

    def _confirmed(self, candidate: Candidate) -> tuple[Scenario | None, str]:
        """The point of a candidate that is a witness; None with the reason where it is none. Raises ModelMismatch,
        TooGenerous.
        """
        points = [one for one in (candidate.scenario, candidate.longer) if one is not None]
        related = [one for one in points if self._confirming.related(one, widening=self._widening)]
        for scenario in related:
            if self._confirming.confirmed(scenario, widening=self._widening, obligation=self._obligation):
                return scenario, ""
        if self._question.generous and (candidate.longer not in related or candidate.stretched):
            raise TooGenerous
        if candidate.longer not in related:
            return None, "a candidate was found, but no permitted tokens for it"
        if candidate.exact and candidate.assignment and not self._approximate:
            raise self._confirming.mismatch(self._question, candidate.assignment)
        return None, f"a candidate was found that OPA does not confirm, {self._why_approximate()}"

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
