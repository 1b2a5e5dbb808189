"""Changed decisions become witnesses: one of each kind, shrunk to what matters, confirmed by OPA, with their rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from entitlements.contract import Contract
from entitlements.engine import BatchEngine, PolicyReading, RuleLines
from entitlements.model import same_json
from entitlements.proof.answer import ACCESS, OBLIGATION, Witness, fingerprint
from entitlements.proof.attribution import Evaluated, FirstRule, attribute, standing
from entitlements.proof.decisions import Decisions, request_permitted
from entitlements.proof.kinds import Difference, differences
from entitlements.proof.kinds import meaning as kind_meaning
from entitlements.proof.migration import ABSENT, claim_steps, identity_step, related, related_claim
from entitlements.proof.requests import one_request
from entitlements.proof.scenario import Scenario

_MOST_KINDS = 24
_MOST_ROUNDS = 60


class Witnesses:
    """Makes witnesses of changed decisions in one direction; obligation: of lost obligations where both allow."""

    def __init__(
        self,
        old: Contract,
        new: Contract,
        decisions: Decisions,
        engines: tuple[BatchEngine, BatchEngine],
        readings: tuple[PolicyReading, PolicyReading],
        *,
        widening: bool,
        obligation: bool = False,
    ) -> None:
        self._old, self._new = old, new
        self._decisions = decisions
        self._engines = engines
        self._readings = readings
        self._widening = widening
        self._obligation = obligation
        self.all_shown = True

    def of(self, changed_decisions: Sequence[Scenario]) -> tuple[Witness, ...]:
        """One witness for each kind of change (what it needs, action, type of resource), smallest changes first.

        `all_shown` says afterwards whether every changed decision is of a kind that is shown.
        """
        known: list[tuple[tuple[str, str], frozenset[Difference]]] = []
        found: dict[str, Witness] = {}
        for scenario in sorted(
            changed_decisions, key=lambda p: (len(p.changed), len(p.before.claims), len(p.resource.properties))
        ):
            place, needs = (scenario.action, scenario.resource.type), differences(self._old, self._new, scenario)
            if any(place == other and (less <= needs if less else not needs) for other, less in known):
                continue
            if len(found) == _MOST_KINDS:
                self.all_shown = False
                break
            shrunk = self._shrunk(scenario)
            known += [(place, needs), (place, differences(self._old, self._new, shrunk))]
            witness = self._witness(shrunk)
            found.setdefault(witness.fingerprint, witness)
        return tuple(found.values())

    def plain(self, scenario: Scenario) -> Witness:
        """The witness of one changed decision as it is."""
        return self._witness(scenario)

    def _shrunk(self, scenario: Scenario) -> Scenario:
        """The same change with fewer changed claims, then with fewer claims, scopes and properties at all."""
        for _ in range(_MOST_ROUNDS):
            candidates = [one for one in self._smaller(scenario) if self.permitted(one)]
            still = self._decisions.turns(candidates, widening=self._widening, obligation=self._obligation)
            if not still:
                break
            scenario = still[0]
        return scenario

    def _smaller(self, scenario: Scenario) -> Iterator[Scenario]:
        for step in claim_steps(self._old, self._new):
            one = scenario.before.claims.get(step.name_before, ABSENT)
            other = scenario.after.claims.get(step.name_after, ABSENT)
            if not same_json(one, other):
                yield _with(scenario, step.name_before, one, step.name_after, one)
                yield _with(scenario, step.name_before, other, step.name_after, other)
        yield from _same_identity(scenario)
        if scenario.before.scopes != scenario.after.scopes:
            yield _scoped(scenario, scenario.before.scopes, scenario.before.scopes)
            yield _scoped(scenario, scenario.after.scopes, scenario.after.scopes)
        for step in claim_steps(self._old, self._new):
            if step.name_before in scenario.before.claims or step.name_after in scenario.after.claims:
                yield _with(scenario, step.name_before, ABSENT, step.name_after, ABSENT)
        for scope in sorted(scenario.before.scopes & scenario.after.scopes):
            yield _scoped(scenario, scenario.before.scopes - {scope}, scenario.after.scopes - {scope})
        for name in scenario.resource.properties:
            kept = {key: value for key, value in scenario.resource.properties.items() if key != name}
            yield replace(scenario, resource=replace(scenario.resource, properties=kept))
        for name in scenario.context:
            yield replace(scenario, context={key: value for key, value in scenario.context.items() if key != name})

    def permitted(self, scenario: Scenario) -> bool:
        """Whether both tokens are permitted and related, and the side that allows permits the request."""
        one, other = scenario.before, scenario.after
        identities = (("sub", one.subject, other.subject), ("client_id", one.client, other.client))
        return (
            all(
                related_claim(identity_step(self._old, self._new, name), *pair, released=(True, True))
                for name, *pair in identities
            )
            and related(self._old, self._new, (one.scopes, one.claims), (other.scopes, other.claims))
            and scenario.possible(self._old, self._new)
            and request_permitted(self._new if self._widening else self._old, scenario)
        )

    def _witness(self, scenario: Scenario) -> Witness:
        verdicts = self._decisions.verdicts(scenario)
        ran = (
            [("demands it on one side alone", self._ran_alone(scenario))]
            if self._obligation
            else [*self._ran_turned(scenario)]
        )
        turned = [f"{word} {rule.file} {rule.name}" for word, rules in ran for rule in rules]
        told, first = self._attributed(scenario)
        meaning = self._meaning(scenario, turned)
        return Witness(
            scenario,
            not self._widening,
            scenario.changed,
            told,
            verdicts[0].reasons if verdicts[0] else ("evaluation_failed",),
            verdicts[1].reasons if verdicts[1] else ("evaluation_failed",),
            fingerprint({**meaning, **one_request(scenario.action, scenario.resource.type).meaning}),
            grants=frozenset((rule.file, rule.first) for rule in ([] if self._obligation else ran[0][1])),
            kind=OBLIGATION if self._obligation else ACCESS,
            obligations_before=verdicts[0].obligations if verdicts[0] else (),
            obligations_after=verdicts[1].obligations if verdicts[1] else (),
            first=first,
            meaning=meaning,
        )

    def _meaning(self, scenario: Scenario, turned: Sequence[str]) -> dict[str, Any]:
        """What a fingerprint is made of, but for the request."""
        meaning: dict[str, Any] = {
            "direction": "widening" if self._widening else "narrowing",
            "contract": self._new.name,
            "from": self._old.version,
            "to": self._new.version,
            "turned": sorted(turned),
            **kind_meaning(self._old, self._new, differences(self._old, self._new, scenario)),
        }
        if self._old.version == self._new.version:
            # It is the policies that change: another change of theirs is another one to approve.
            meaning["policies"] = [engine.revision for engine in self._engines]
        if self._obligation:
            lost = self._decisions.lost(scenario, widening=self._widening)
            meaning |= {"kind": OBLIGATION, "obligations": sorted({str(obligation["id"]) for obligation in lost})}
        return meaning

    def _attributed(self, scenario: Scenario) -> tuple[str, tuple[FirstRule, ...]]:
        """The rules that came to an end on one side alone and whose value differs, in words, and those that do first.

        Where access is lost, a rule that ended only after denies now, and one that ended only before no longer grants.
        """
        has = 0 if self._obligation is self._widening else 1
        sides = [
            Evaluated(self._engines[one], self._readings[one], self._decisions.input(scenario, one)) for one in (0, 1)
        ]
        found = attribute(sides[has], sides[1 - has])
        turns = ("grants", "no longer denies") if self._widening else ("no longer grants", "now denies")
        words = ("demands it on one side alone", "") if self._obligation else turns
        parts = [(words[0], found.here), *([] if self._obligation else [(words[1], found.there)])]
        named = {rule for _, rules in parts for rule in rules}
        if not named <= {*found.first}:
            parts.insert(0, ("differs first", found.first))
        told = "; ".join(f"{word}: {', '.join(map(_place, rules))}" for word, rules in parts if rules)
        return told, standing(found, sides[1])

    def _ran_alone(self, scenario: Scenario) -> list[RuleLines]:
        """The rules that ran only on the side whose obligation the other has not. Only of what makes a kind of witness:
        approvals name it.
        """
        side = 0 if self._widening else 1
        engine, reading = self._engines[side], self._readings[side]
        held, holds = (engine.coverage(self._decisions.input(scenario, one)).lines for one in (side, 1 - side))
        demands = [rule for rule in reading.rules if _ran(rule, held - holds)]
        return demands or [rule for rule in reading.rules if _ran(rule, held)][:3]

    def _ran_turned(self, scenario: Scenario) -> Iterator[tuple[str, list[RuleLines]]]:
        """The rules that ran only where access is allowed, and those only where it is denied: as `_ran_alone`."""
        inputs = [self._decisions.input(scenario, side) for side in (0, 1)]
        allows = 1 if self._widening else 0
        engine, reading = self._engines[allows], self._readings[allows]
        denied, allowed = engine.coverage(inputs[1 - allows]).lines, engine.coverage(inputs[allows]).lines
        grants = [rule for rule in reading.rules if _ran(rule, allowed - denied)]
        stopped = [rule for rule in reading.rules if _ran(rule, denied - allowed)]
        if not grants and not stopped:
            # The policy itself changed, or only its data did.
            grants = [rule for rule in reading.rules if _ran(rule, allowed)][:3]
        yield "grants", grants
        yield "no longer denies", stopped


def _place(rule: RuleLines) -> str:
    return f"{rule.file}:{rule.first} {rule.name}"


def _ran(rule: RuleLines, lines: frozenset[tuple[str, int]]) -> bool:
    """Whether the line of a rule's head was covered: one on the same line as its body may have been looked at only."""
    return (rule.file, rule.first) in lines


def _with(scenario: Scenario, name_before: str, before: Any, name_after: str, after: Any) -> Scenario:
    return replace(
        scenario,
        before=replace(scenario.before, claims=_set(scenario.before.claims, name_before, before)),
        after=replace(scenario.after, claims=_set(scenario.after.claims, name_after, after)),
    )


def _set(claims: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    rest = {key: kept for key, kept in claims.items() if key != name}
    return rest if value is ABSENT else {**rest, name: value}


def _same_identity(scenario: Scenario) -> Iterator[Scenario]:
    one, other = scenario.before, scenario.after
    if (one.subject, one.client) != (other.subject, other.client):
        yield replace(scenario, after=replace(other, subject=one.subject, client=one.client))
        yield replace(scenario, before=replace(one, subject=other.subject, client=other.client))


def _scoped(scenario: Scenario, before: frozenset[str], after: frozenset[str]) -> Scenario:
    return replace(
        scenario, before=replace(scenario.before, scopes=before), after=replace(scenario.after, scopes=after)
    )
