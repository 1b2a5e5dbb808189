"""Both sides of a question as symbolic inputs: tokens of one principal before and after, and the request they share.

Assumes: as `inputs.py`. Guarantees: each pair of permitted tokens of one principal, and each request, stands under
some assignment that satisfies `related`, but for lists that are longer than is followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from entitlements.contract import ACT, Contract, ObjectSpec
from entitlements.model import CONTEXT_TIME, same_json
from entitlements.proof.migration import claim_steps, identity_step
from entitlements.proof.symbolic.inputs.clock import clock_facts, time_value, token_facts
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.names import part_name
from entitlements.proof.symbolic.inputs.pairing import Pairing
from entitlements.proof.symbolic.inputs.relation import claim_related, same_value, scopes_related
from entitlements.proof.symbolic.inputs.schema_encoding import conforming, longest_needed
from entitlements.proof.symbolic.terms.term import (
    BOOL,
    FALSE,
    TRUE,
    Term,
    conj,
    disj,
    neg,
    same_truth,
    variable,
)
from entitlements.proof.symbolic.values.algebra import Algebra, Unsupported
from entitlements.proof.symbolic.values.value import (
    UNDEFINED,
    Array,
    Const,
    Leaf,
    Object,
    Value,
    constant,
    joined,
    of_leaf,
)


@dataclass
class TokenInput:
    """What policy sees of a symbolic token: subject, client, scopes by name, claims by name."""

    subject: Value
    client: Value
    scopes: Mapping[str, Term]
    claims: Mapping[str, Value]


@dataclass
class RequestInput:
    """A symbolic request, the same one on both sides."""

    action: Value
    action_properties: Value
    kind: Value
    identifier: Value
    properties: Value
    context: Value


@dataclass
class TokenPair:
    """Everything that a question is about. related: where the second token may follow the first.

    unchanged: by claim (and `scope`), where it is the same on both sides; permitted: where each side's contract lets
    the request through; pairing: how lists of both sides hang together.
    """

    contracts: tuple[Contract, Contract]
    tokens: tuple[TokenInput, TokenInput]
    request: RequestInput
    related: Term
    unchanged: Mapping[str, Term]
    permitted: tuple[Term, Term]
    pairing: Pairing

    def document(self, side: int) -> Value:
        """The input of one side's policy (0 before, 1 after), shaped as for a served request."""
        token, request = self.tokens[side], self.request
        held = tuple((bit, constant(name)) for name, bit in sorted(token.scopes.items()))
        actor = self.contracts[side].actor
        acting = {} if actor is None else {"actor": _current_actor(token.claims[actor.name])}
        among = {name: value for name, value in token.claims.items() if actor is None or name != actor.name}
        claims = tuple((value.defined, _name(name), value) for name, value in among.items())
        scopes = Array(held, prefix=all(bit is TRUE for bit, _ in held))
        subject = _object(
            type=constant("user"),
            id=token.subject,
            claims=of_leaf(Object(claims)),
            scopes=of_leaf(scopes),
            client_id=token.client,
            issuer=constant(self.contracts[side].profile.issuer),
            **acting,
        )
        action = _object(name=request.action, properties=request.action_properties)
        resource = _object(type=request.kind, id=request.identifier, properties=request.properties)
        reference = self.contracts[side].ref
        contract = _object(name=constant(reference.name), version=constant(reference.version))
        context = _with_time(request.context, self.contracts[side])
        return _object(subject=subject, action=action, resource=resource, context=context, contract=contract)

    @property
    def zones(self) -> list[str]:
        """The zone of each side whose policies are told the time."""
        return [contract.time.zone for contract in self.contracts if contract.time is not None]


def _with_time(context: Value, contract: Contract) -> Value:
    """What policies see as the context: what the caller sends, and the time of the service."""
    if contract.time is None:
        return context
    member = (TRUE, Const(CONTEXT_TIME), time_value(contract.time))
    return Value(
        tuple(
            (guard, replace(leaf, members=(*leaf.members, member)))
            for guard, leaf in context.cases
            if isinstance(leaf, Object)
        )
    )


def _current_actor(chain: Value) -> Value:
    """What policies see of the claim of the actor: the twin of `contract.actor.current_actor`."""
    return Value(tuple((guard, _without_prior(leaf)) for guard, leaf in chain.cases))


def _without_prior(leaf: Leaf) -> Leaf:
    if not isinstance(leaf, Object):
        raise Unsupported("actor_not_followed", "the actor is not an object of which the members are known")
    return replace(leaf, members=tuple(member for member in leaf.members if member[1] != Const(ACT)))


def _name(name: str) -> Leaf:
    return Const(name)


def _object(**members: Value) -> Value:
    return of_leaf(Object(tuple((value.defined, _name(name), value) for name, value in members.items())))


def make_token_pair(
    inputs: Inputs, old: Contract, new: Contract, *, request_of: int, free: frozenset[str] = frozenset()
) -> TokenPair:
    """The sides of a question.

    request_of: the side (0 before, 1 after) whose contract types the request: the one that has to allow it;
    free: claims that may differ in any way that the contracts permit.
    """
    algebra = inputs.algebra
    before_scopes, after_scopes = _scopes(old, new)
    related = [scopes_related(old, new, before_scopes, after_scopes)]
    before: dict[str, Value] = {}
    after: dict[str, Value] = {}
    pairing = Pairing(inputs)
    for step in claim_steps(old, new):
        one, other = pairing.claim(step, apart=step.name_before in free)
        there = _released(old, step.name_before, before_scopes), _released(new, step.name_after, after_scopes)
        if one is not other and step.name_before not in free:
            related.append(claim_related(algebra, step, one, other, there))
        if step.before is not None:
            before[step.name_before] = one.where(there[0])
        if step.after is not None:
            after[step.name_after] = other.where(there[1])
    identities = [_identity(pairing, old, new, name) for name in ("sub", "client_id")]
    related += [condition for _, _, condition in identities]
    (subject, client) = identities
    tokens = (
        TokenInput(subject[0], client[0], before_scopes, before),
        TokenInput(subject[1], client[1], after_scopes, after),
    )
    names = dict.fromkeys([*before, *after])
    unchanged = {name: _same(algebra, before.get(name, UNDEFINED), after.get(name, UNDEFINED)) for name in names}
    scopes = {*before_scopes, *after_scopes}
    unchanged["sub"] = _same(algebra, subject[0], subject[1])
    unchanged["client_id"] = _same(algebra, client[0], client[1])
    unchanged["scope"] = conj(
        *(same_truth(before_scopes.get(name, FALSE), after_scopes.get(name, FALSE)) for name in sorted(scopes))
    )
    contracts = (old, new)
    if old.time is not None or new.time is not None:
        inputs.facts += [*clock_facts(), *token_facts(old, before), *token_facts(new, after)]
    request = _request(inputs, contracts[request_of])
    permitted = tuple(
        TRUE if side == request_of else _permitted(inputs, contracts[request_of], contracts[side], request)
        for side in (0, 1)
    )
    return TokenPair(contracts, tokens, request, conj(*related), unchanged, (permitted[0], permitted[1]), pairing)


def _same(algebra: Algebra, one: Value, other: Value) -> Term:
    if one is other:
        return TRUE
    return disj(conj(neg(one.defined), neg(other.defined)), same_value(algebra, one, other))


def _scopes(old: Contract, new: Contract) -> tuple[dict[str, Term], dict[str, Term]]:
    """A condition for each declared scope on each side; one for both where the finite domain is the same."""
    before = {name: variable(f"scope {name}", BOOL) for name in sorted(old.scopes)}
    if set(old.scopes) == set(new.scopes):
        return before, before
    return before, {name: variable(f"scope {name} after", BOOL) for name in sorted(new.scopes)}


def _released(contract: Contract, claim: str, scopes: Mapping[str, Term]) -> Term:
    by = contract.released_by.get(claim, frozenset())
    return disj(*(scopes[name] for name in sorted(by))) if by else TRUE


def _identity(pairing: Pairing, old: Contract, new: Contract, claim: str) -> tuple[Value, Value, Term]:
    """The subject or the client: a string that stays, unless the contracts narrow it differently."""
    step = identity_step(old, new, claim)
    one, other = pairing.claim(step)
    related = TRUE if one is other else claim_related(pairing.inputs.algebra, step, one, other, (TRUE, TRUE))
    return one, other, related


def _request(inputs: Inputs, contract: Contract) -> RequestInput:
    spec = contract.request
    identifier = inputs.string("resource.id")
    if spec is None:
        return RequestInput(
            inputs.string("action.name"),
            inputs.open_object("action.properties", there=variable("action.properties there", BOOL)),
            inputs.string("resource.type"),
            identifier,
            inputs.open_object("resource.properties"),
            inputs.open_object("context", without=frozenset({CONTEXT_TIME})),
        )
    kinds = list(spec.resources)
    kind = inputs.of_schema({"enum": kinds}, "resource.type")
    properties = joined(
        (guard, inputs.of_members(spec.resources[name], f"resource.{part_name(name)}"))
        for (guard, _), name in zip(kind.cases, kinds, strict=True)
    )
    return RequestInput(
        inputs.of_schema({"enum": list(spec.actions)}, "action.name"),
        UNDEFINED,
        kind,
        identifier,
        properties,
        inputs.of_members(spec.context, "context"),
    )


def _permitted(inputs: Inputs, typed: Contract, contract: Contract, request: RequestInput) -> Term:
    """Where another contract than the one that types the request lets it through, too."""
    spec = contract.request
    if spec is None or (
        typed.request is not None and same_json(typed.canonical["request"], contract.canonical["request"])
    ):
        return TRUE
    algebra = inputs.algebra
    actions = conforming(algebra, {"enum": list(spec.actions)}, request.action)
    bare = neg(request.action_properties.defined)
    kinds = [
        conj(algebra.equal(request.kind, constant(name)), _members(inputs, properties, request.properties))
        for name, properties in spec.resources.items()
    ]
    return conj(actions, bare, disj(*kinds), _members(inputs, spec.context, request.context))


def _members(inputs: Inputs, spec: ObjectSpec, value: Value) -> Term:
    schema = spec.schema()
    inputs.wanted |= longest_needed(schema, value)
    return conforming(inputs.algebra, schema, value)
