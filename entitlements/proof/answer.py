"""What a check found out: three answers, never two, and a witness for each way in which access widens or narrows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import rfc8785

from entitlements.model import JSON
from entitlements.proof.attribution import FirstRule
from entitlements.proof.requests import RequestKind, meaning_of, one_request
from entitlements.proof.scenario import Scenario, Token
from entitlements.proof.symbolic.terms.timestamps import UTC, rendered

PROVED, WITHIN_BOUNDS, REFUTED, UNKNOWN = "proved", "proved_within_bounds", "refuted", "unknown"
ACCESS, OBLIGATION = "access", "obligation"
"""What a witness shows: access that turns, or an allow whose obligations differ."""
HOLDS = frozenset({PROVED})
"""Answers that pass: a proof within bounds that are not shown to suffice is none."""
_MOST_NARROWER = 64
"""Of so many actions and types at most an approval of each one by one counts for the witness of all."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Tokens of one principal and a request that show a widening (or a narrowing), confirmed by the real engine.

    rule: the rules that turn it, with file and line, in words; first: those whose value differs first; changed: the
    claims that differ; allows_before: whether the request was allowed before, and is not after (a narrowing);
    grants: file and line of the rules that hold only where access is allowed; kind: `access`, or `obligation` where
    both are allowed and the obligations differ.

    requests: which requests it represents, where that is more than its own; together: all witnesses of its cause,
    where they are told as one; narrower: fingerprints of narrower witnesses that are together this one; meaning: what
    its fingerprint is made of, without the request; approved_by: the approvals that accept it.
    """

    scenario: Scenario
    allows_before: bool
    changed: tuple[str, ...]
    rule: str
    reasons_before: tuple[str, ...]
    reasons_after: tuple[str, ...]
    fingerprint: str
    approved: bool = False
    grants: frozenset[tuple[str, int]] = frozenset()
    kind: str = ACCESS
    obligations_before: tuple[Mapping[str, JSON], ...] = ()
    obligations_after: tuple[Mapping[str, JSON], ...] = ()
    first: tuple[FirstRule, ...] = ()
    requests: tuple[RequestKind, ...] = ()
    together: tuple[Witness, ...] = ()
    narrower: frozenset[str] = frozenset()
    meaning: Mapping[str, Any] = field(default_factory=dict, repr=False)
    approved_by: frozenset[str] = frozenset()

    def of_requests(self, kinds: Sequence[RequestKind]) -> Witness:
        """The same witness of all requests of these kinds."""
        own = one_request(self.scenario.action, self.scenario.resource.type)
        named = [one for kind in kinds for one in kind.listed]
        known = all(kind.listed for kind in kinds) and 1 < len(named) <= _MOST_NARROWER
        marks = (fingerprint({**self.meaning, **one_request(*one).meaning}) for one in named if known)
        return replace(
            self,
            requests=() if tuple(kinds) == (own,) else tuple(kinds),
            fingerprint=fingerprint({**self.meaning, **meaning_of(kinds)}),
            narrower=frozenset(marks),
        )

    def judged_by(self, accepted: Set[str]) -> Witness:
        """The same witness, approved where its own fingerprint is accepted, or those of all that it represents."""
        own = frozenset({self.fingerprint})
        others = self.narrower if self.narrower and self.narrower <= accepted else frozenset()
        approved_by = own if own <= accepted else others
        approved = bool(approved_by)
        together = tuple(replace(one, approved=approved) for one in self.together)
        return replace(self, approved=approved, approved_by=approved_by, together=together)

    def as_json(self) -> dict[str, JSON]:
        """The witness as its documented JSON object; how it is grouped only where it is."""
        found = self._alone()
        if self.requests:
            found["requests"] = [kind.as_json() for kind in self.requests]
        if self.together:
            found["together"] = [one.as_json() for one in self.together]
        return found

    def _alone(self) -> dict[str, JSON]:
        before, after = self.scenario.before, self.scenario.after
        return {
            "claims_before": _claims(before, after),
            "scopes_before": [*sorted(before.scopes)],
            "claims_after": _claims(after, before),
            "scopes_after": [*sorted(after.scopes)],
            "request": {
                "subject": before.subject,
                "action": self.scenario.action,
                **(
                    {"action_properties": dict(self.scenario.action_properties)}
                    if self.scenario.action_properties
                    else {}
                ),
                "resource": {
                    "type": self.scenario.resource.type,
                    "id": self.scenario.resource.id,
                    "properties": dict(self.scenario.resource.properties),
                },
                "context": dict(self.scenario.context),
                **({} if self.scenario.at is None else {"at": rendered(UTC, self.scenario.at)}),
            },
            "changed": [*self.changed],
            "rule": self.rule,
            "differs_first": [one.as_json() for one in self.first],
            "kind": self.kind,
            "obligations_before": [dict(one) for one in self.obligations_before],
            "obligations_after": [dict(one) for one in self.obligations_after],
            "reasons_before": [*self.reasons_before],
            "reasons_after": [*self.reasons_after],
            "fingerprint": self.fingerprint,
            "approved": self.approved,
            "confirmed": True,
        }


def _claims(token: Token, other: Token) -> dict[str, JSON]:
    """The claims of a token, with `sub` and `client_id` where those of the other token differ."""
    registered = {"sub": (token.subject, other.subject), "client_id": (token.client, other.client)}
    return {**token.claims, **{name: one for name, (one, differs) in registered.items() if one != differs}}


@dataclass(frozen=True, slots=True)
class NeverAllows:
    """That one side (`before` or `after`) allows no permitted token anything, whatever the request.

    rule: the path of the rule that decides; file, line: where it stands, line 0 where that is not known; shape: what
    it is where it can never be read as an allow, or empty.
    """

    side: str
    rule: str
    file: str
    line: int
    shape: str = ""

    def __str__(self) -> str:
        name = f"`data.{self.rule.replace('/', '.')}`"
        told = f"vacuous: no permitted token is ever allowed {self.side} the change, under any request: {name}"
        if not self.shape:
            return f"{told} never holds"
        return f"{told} is {self.shape}; only `true` allows, or an object whose `allow` is `true`"


@dataclass(frozen=True, slots=True)
class NeverFires:
    """That no rule that reads a claim, which changes, can fire on either side.

    rules: file and line of each; side, file, line: where the first stands.
    """

    claim: str
    rules: tuple[str, ...]
    side: str
    file: str
    line: int

    def __str__(self) -> str:
        rules = ", ".join(self.rules)
        return f"vacuous: no rule that reads `{self.claim}` can ever fire, before or after the change: {rules}"


@dataclass(frozen=True, slots=True)
class DoubleCheck:
    """What a second solver says of the queries without a model on which an answer rests.

    confirmed: how many it finds no model of either; not_confirmed: why not, of each other one; version: of cvc5;
    contradicted: the file with both queries where it finds a model, or empty.
    """

    confirmed: int
    not_confirmed: tuple[str, ...] = ()
    version: str = ""
    contradicted: str = ""

    @property
    def agreed(self) -> tuple[str, ...]:
        """The solvers that find no model of any of these queries; none where no query was needed, or one disagrees."""
        if self.contradicted or not self._all:
            return ()
        return ("z3",) if self.not_confirmed else ("z3", "cvc5")

    def as_json(self) -> dict[str, JSON]:
        """The double check as its documented JSON object."""
        return {
            "agreed": [*self.agreed],
            "confirmed": self.confirmed,
            "not_confirmed": [*self.not_confirmed],
            "contradicted": self.contradicted,
        }

    def __str__(self) -> str:
        if self.contradicted:
            return f"double check: cvc5 {self.version} contradicts, see {self.contradicted}"
        if not self._all:
            return "double check: no solver was needed"
        told = f"double check: cvc5 {self.version} confirmed {self.confirmed} of {self._all} queries"
        return "; ".join([told, *(f"not confirmed: {why}" for why in dict.fromkeys(self.not_confirmed))])

    @property
    def _all(self) -> int:
        return self.confirmed + len(self.not_confirmed)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer in one direction. coverage says what was executed; reason says why an answer is unknown.

    fingerprint: what an approval accepts of what was not looked at; accepted: whether there is one. Of a proof, bounds:
    how many elements of each list were looked at where more are permitted; approximations: built-ins of which only
    congruence was used; queries: what the solver was asked, as SMT-LIB; never_allows: sides that surely never allow,
    never_fires: changed claims that surely no rule reads that can fire, both as far as that was found out;
    double_check: what a second solver says, where one was asked.
    """

    answer: str
    method: str
    coverage: str
    reason: str = ""
    witnesses: tuple[Witness, ...] = field(default=())
    fingerprint: str = ""
    accepted: bool = False
    bounds: Mapping[str, int] = field(default_factory=dict)
    approximations: tuple[str, ...] = ()
    queries: tuple[str, ...] = field(default=(), repr=False)
    never_allows: tuple[NeverAllows, ...] = ()
    never_fires: tuple[NeverFires, ...] = ()
    double_check: DoubleCheck | None = None

    @property
    def disputed(self) -> bool:
        """Whether a second solver says the contrary of what the answer would rest on."""
        return self.double_check is not None and bool(self.double_check.contradicted)

    @property
    def approved(self) -> bool:
        """Whether a person accepted what was found: every witness, and that not everything was looked at."""
        if self.answer == UNKNOWN or self.reason:
            return self.accepted and all(one.approved for one in self.witnesses)
        return self.answer == REFUTED and bool(self.witnesses) and all(one.approved for one in self.witnesses)

    @property
    def passes(self) -> bool:
        """Whether the gate opens: only for what was proved, or approved."""
        return self.answer in HOLDS or self.approved

    def as_json(self) -> dict[str, JSON]:
        """The answer as its documented JSON object; claims of which no reader can fire, and the second solver, only
        where there are some.
        """
        idle: dict[str, JSON] = {"never_fires": [one.claim for one in self.never_fires]} if self.never_fires else {}
        return {
            "answer": self.answer,
            "method": self.method,
            "coverage": self.coverage,
            "reason": self.reason,
            "approved": self.approved,
            "fingerprint": self.fingerprint,
            "bounds": dict(self.bounds),
            "approximations": [*self.approximations],
            "never_allows": [one.side for one in self.never_allows],
            **idle,
            **({"double_check": self.double_check.as_json()} if self.double_check else {}),
            "witnesses": [witness.as_json() for witness in self.witnesses],
        }


def fingerprint(meaning: Mapping[str, Any]) -> str:
    """What an approval of a witness accepts: in this step this happens to these claims, and these rules turn."""
    return hashlib.sha256(rfc8785.dumps(dict(meaning))).hexdigest()[:16]
