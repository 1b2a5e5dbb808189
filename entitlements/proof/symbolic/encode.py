"""One question: the same request, decided for a token before and a token after, as two conditions over all of them.

Assumes: two contracts and two plans. Guarantees: if tokens, request and lists up to the sizes that are followed turn
the decision, then some assignment satisfies relation, facts and goals; lists that do not suffice for all lengths are
`short_lists`. Why the others do: the lemma of docs/proof-bounds.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from entitlements.contract import Contract, conforms
from entitlements.engine.built_plan import BuiltPlan
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.proof.symbolic.builtins.apply import Builtins
from entitlements.proof.symbolic.element_bounds import Bounds
from entitlements.proof.symbolic.execution.bound_keys import converts_keys
from entitlements.proof.symbolic.execution.executor import Executor
from entitlements.proof.symbolic.execution.plan import Plan, read_plan
from entitlements.proof.symbolic.execution.statements import Errors
from entitlements.proof.symbolic.execution.verdict import ReadDecision, lost_obligation, read_decision
from entitlements.proof.symbolic.inputs.inputs import LOOKED_AT, MOST_LOOKED_AT, Inputs
from entitlements.proof.symbolic.inputs.token_pair import TokenPair, make_token_pair
from entitlements.proof.symbolic.terms.string_terms import CONFORMS, GLOB
from entitlements.proof.symbolic.terms.term import FALSE, Term, conj, disj, neg
from entitlements.proof.symbolic.values.algebra import Algebra, OrderNeeded, Unsupported
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.value import Leaf, Value, constant

_MOST_RESTARTS = 40
_MOST_WANTED = 65


class Policy:
    """A policy that is ready to be executed. built: OPA's plan and the base documents."""

    def __init__(self, built: BuiltPlan) -> None:
        self.plan: Plan = read_plan(built.plan, built.entrypoint)
        self.data = constant(built.data)
        self.document: Mapping[str, Any] = {"plan": built.plan, "data": built.data, "entry": built.entrypoint}

    @property
    def converts_keys(self) -> bool:
        """Whether a conversion of keys of base documents can matter to the policy: see `bound_keys.converts_keys`."""
        return converts_keys({**self.plan.functions, self.plan.entry.name: self.plan.entry}, self.data)

    def same_as(self, other: Policy) -> bool:
        """Whether both decide alike by being the same."""
        return self is other or self.document == other.document


@dataclass(frozen=True)
class Executed:
    """What a policy decides. allow: where it allows if nothing fails; errors: where what fails, and at which place.

    fired: where the body of each rule came to its end, by the place of the rule.
    """

    allow: Term
    errors: Errors
    limits: Limits
    fired: Mapping[Place, Term] = field(repr=False)
    value: Value = field(repr=False)
    obliges: bool = False
    obligations: Sequence[tuple[Term, Value]] = field(default=(), repr=False)
    """The obligations of the decision, each under its condition."""
    rules: Sequence[tuple[tuple[str, ...], Place, Value]] = field(default=(), repr=False)
    """Rules with their places and values, those first that others are made of."""

    @property
    def fails(self) -> Term:
        """Where something fails: then there is no decision, which is no allow."""
        return disj(*self.errors.values())

    @property
    def may_fail(self) -> bool:
        """Whether anything may fail."""
        return bool(self.errors)

    @property
    def allowed(self) -> Term:
        """Where the service answers allow."""
        return conj(self.allow, neg(self.fails))


@dataclass(frozen=True)
class Question:
    """Both sides executed. one_policy: whether both sides have the same policy; decide: asked for what is constant;
    lost: where an obligation of one side's decision (0 before, 1 after) is not among those of the other's.
    """

    pair: TokenPair
    inputs: Inputs
    executed: tuple[Executed, Executed]
    one_policy: bool
    decide: Builtins
    lost: tuple[Term, Term] = (FALSE, FALSE)

    def decide_string(self, predicate: str, parameter: str, subject: str) -> bool:
        """Whether a constant string meets a predicate that only OPA (or the contract's validator) knows."""
        return decide_string(self.decide, predicate, parameter, subject)

    def allowed(self, side: int) -> Term:
        """Where the service allows on one side: the contract lets the request through and the policy allows."""
        return conj(self.pair.permitted[side], self.executed[side].allowed)

    def possibly_allowed(self, side: int) -> Term:
        """The same, and where something may fail that OPA perhaps does not come to evaluate."""
        return conj(self.pair.permitted[side], self.executed[side].allow)

    def obligation_lost(self, *, widening: bool) -> list[Term]:
        """Where both sides allow and an obligation is lost, or for a narrowing gained: all have to hold."""
        return [self.allowed(0), self.allowed(1), self.lost[0 if widening else 1]]

    def possibly_obligation_lost(self, *, widening: bool) -> list[Term]:
        """The same, and where it cannot be told what a decision holds."""
        unsure = disj(*(executed.fails for executed in self.executed))
        lost = self.lost[0 if widening else 1]
        return [self.possibly_allowed(0), self.possibly_allowed(1), disj(lost, unsure)]

    @property
    def obliges(self) -> bool:
        """Whether any decision may hold an obligation, or may be something that is not told."""
        return any(executed.obliges for executed in self.executed)

    @property
    def complete(self) -> bool:
        """Whether what was looked at is all there is: each list that was read is long enough, and no object is open."""
        return not self.short_lists and not any(executed.limits.opened for executed in self.executed)

    @property
    def same_policy(self) -> bool:
        """Whether both sides have the same policy, and conditions that are the same say that it decides alike.

        Where something was left out they do not: of `count(xs) > 5 and changed` nothing is left if `xs` is truncated.
        """
        return self.one_policy and self.complete

    @property
    def short_lists(self) -> dict[str, Place]:
        """Lists of which fewer elements were looked at than the decision can depend on, with where they are read."""
        return self.bounds.short()

    @property
    def looked_at(self) -> dict[str, int]:
        """How many elements of each list are followed."""
        ends = {
            source_list: end.known for executed in self.executed for source_list, end in executed.limits.ends.items()
        }
        return {**self.inputs.sizes, **ends}

    @property
    def needs(self) -> dict[str, int | None]:
        """How many elements of each truncated list the decisions of both sides can depend on."""
        return self.bounds.needs

    @property
    def generous(self) -> bool:
        """Whether the relation may hold of lists whose members or elements are those of related ones."""
        related = any(name in self.inputs.truncated for name in self.inputs.related)
        return bool(self.inputs.by_length) or (self.inputs.generous and related)

    @cached_property
    def bounds(self) -> Bounds:
        """How many elements of each list there have to be."""
        conditions = [*self.pair.permitted, *self.lost]
        for executed in self.executed:
            conditions += [executed.allow, *executed.errors.values()]
        return Bounds(self.inputs, self.pair.pairing, self.executed, conditions)


def decide_string(builtins: Builtins, predicate: str, parameter: str, subject: str) -> bool:
    """Whether a constant string meets a predicate that only OPA or the contract's validator knows."""
    if predicate == CONFORMS:
        return conforms(json.loads(parameter), subject)
    if predicate == GLOB:
        (result,) = builtins.ask("glob.match", [[*json.loads(parameter), subject]])
    else:
        (result,) = builtins.ask("regex.match", [[parameter, subject]])
    return result.value is True


def encode(
    contracts: tuple[Contract, Contract],
    policies: tuple[Policy, Policy],
    oracle: BuiltinCalls,
    *,
    request_of: int,
    free: frozenset[str] = frozenset(),
    seconds: float = 60.0,
    looked_at: int = LOOKED_AT,
    full: Set[str] = frozenset(),
    generous: bool = True,
) -> Question:
    """Execute both sides symbolically, with lists as long as the policies need them.

    request_of: the side that has to allow, whose contract types the request; free: claims that the tokens may hold
    differently though their specification is the same; seconds: what the executions may take; looked_at: how many
    elements of a list are looked at if no more are needed; full: lists to take element by element; generous: whether
    lists that differ between the tokens may be longer than is looked at. Raises Unsupported where a policy cannot be
    followed.
    """
    full = set(full)
    bounds: dict[str, int] = {}
    until = time.monotonic() + seconds
    for _ in range(_MOST_RESTARTS):
        try:
            asked = request_of, free, looked_at, generous
            question = encode_within(contracts, policies, oracle, asked, full, bounds, until)
        except OrderNeeded as needed:
            full.add(needed.source_list)
            continue
        longer = _longer(question)
        if not longer:
            return question
        bounds |= longer
    raise Unsupported("policy_too_large", "the policies read too many lists by order")


def _longer(question: Question) -> dict[str, int]:
    """The lists of which more elements have to be looked at, with how many."""
    found = {}
    for source_list, needed in question.needs.items():
        # Where no number suffices, more elements at least show what depends on a few more.
        most = MOST_LOOKED_AT if needed is None else min(needed, MOST_LOOKED_AT)
        if question.inputs.sizes.get(source_list, most) < most:
            found[source_list] = most
    for source_list, wanted in question.inputs.wanted.items():
        if wanted > _MOST_WANTED:
            raise Unsupported(
                "list_too_long", f"whether `{source_list}` has more than {wanted - 1} elements is not followed"
            )
        found[source_list] = max(wanted, found.get(source_list, 0))
    return found


def encode_within(
    contracts: tuple[Contract, Contract],
    policies: tuple[Policy, Policy],
    oracle: BuiltinCalls,
    asked: tuple[int, frozenset[str], int, bool],
    full: set[str],
    bounds: Mapping[str, int],
    until: float,
) -> Question:
    """Both sides with so many elements of each list, whether or not that suffices: see `Question.short_lists`.

    asked: the side whose contract types the request, the claims that may differ freely, how many elements are looked
    at of a list that `bounds` does not name, and `generous`. full: lists over an enum that are taken element by
    element. Raises OrderNeeded where another one has to be, Unsupported where a policy cannot be followed.
    """
    inputs = Inputs(Algebra(Limits()), bounds, asked[2], frozenset(full), generous=asked[3])
    pair = make_token_pair(inputs, *contracts, request_of=asked[0], free=asked[1])
    executed = []
    read: list[ReadDecision] = []
    first = None
    opaque: dict[Leaf, int] = {}
    for side in (0, 1):
        limits = Limits(until=until)
        algebra = Algebra(limits)
        builtins = Builtins(policies[side].plan.builtins, algebra, limits, oracle, opaque)
        first = first or builtins
        executor = Executor(policies[side].plan, policies[side].data, builtins, algebra, limits)
        document = pair.document(side)
        value, errors = executor.decision(document)
        decision = read_decision(algebra, value, contracts[side].answer)
        if decision.doubtful is not FALSE:
            errors = {**errors, (limits.place, "the decision may be malformed"): decision.doubtful}
        obliges = bool(decision.obligations) or decision.doubtful is not FALSE
        told = obliges, decision.obligations, executor.rules(document)
        executed.append(Executed(decision.allow, errors, limits, executor.fired, value, *told))
        read.append(decision)
    # What depends on lists that were truncated is noticed on the side that comes after.
    obligations = [one.obligations for one in read]
    lost = lost_obligation(algebra, *obligations), lost_obligation(algebra, *obligations[::-1])
    assert first is not None  # noqa: S101 - two sides were executed
    return Question(pair, inputs, (executed[0], executed[1]), policies[0].same_as(policies[1]), first, lost)
