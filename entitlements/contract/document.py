"""A claim contract as frozen types, and the one text that its digest is taken of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import rfc8785

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.contract.sources import PLAIN, Extraction
from entitlements.model import JSON, ContractRef, TokenProfile

REGISTERED = ("iss", "aud", "exp", "iat", "jti", "sub", "client_id")
"""Claims that RFC 9068 section 2.2 demands of every access token; a contract may only narrow them."""
TOKEN_TIMES = frozenset({"iat", "exp"})
"""Registered claims that policies see where a contract declares them, and `time`."""
ALWAYS_DECLARED = frozenset({*REGISTERED, "nbf", "scope"})


@dataclass(frozen=True, slots=True)
class ClaimSpec:
    """What one claim must look like: a JSON Schema subset, who may carry it and how sensitive it is.

    extraction: where it stands in a token; all else is said of the claim after it.
    actor: whether policies see it as `input.subject.actor`, and not among the claims.
    """

    name: str
    schema: Mapping[str, JSON]
    required: bool
    sensitivity: str
    tokens: tuple[str, ...]
    description: str
    renamed_from: str
    extraction: Extraction = PLAIN
    actor: bool = False

    def canonical(self) -> dict[str, JSON]:
        """What the digest of a contract covers of it: everything but prose."""
        return {
            "required": self.required,
            "sensitivity": self.sensitivity,
            "tokens": list(self.tokens),
            "schema": dict(self.schema),
            "renamed_from": self.renamed_from,
            **self.extraction.canonical(),
            **({"actor": True} if self.actor else {}),
        }


def read_differently(old: ClaimSpec, new: ClaimSpec) -> bool:
    """Whether the value of a claim may be another one for the same token, apart from the items that are ignored.

    A claim under its own name that is renamed is not: the issuer renames it, too.
    """
    one, other = replace(old.extraction, ignored=()), replace(new.extraction, ignored=())
    if one.source or other.source:
        one, other = replace(one, source=one.path(old.name)), replace(other, source=other.path(new.name))
    return one != other


@dataclass(frozen=True, slots=True)
class ScopeSpec:
    """A scope that the contract declares and the claims it releases."""

    name: str
    description: str
    claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who relies on which claims; a strict one also breaks on claims that are added.

    tokens: the kinds of token that it reads; none where the contract does not say so: it may read any.
    """

    name: str
    kind: str
    relies_on: tuple[str, ...]
    strict: bool
    tokens: tuple[str, ...] = ()

    def reads(self, kinds: Iterable[str]) -> bool:
        """Whether it reads one of these kinds of token."""
        return not self.tokens or not {*self.tokens}.isdisjoint(kinds)

    def relies(self, claim: str, kinds: Iterable[str]) -> bool:
        """Whether it relies on a claim in one of these kinds of token."""
        return claim in self.relies_on and self.reads(kinds)


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """A closed set of typed members."""

    properties: Mapping[str, Mapping[str, JSON]]
    required: tuple[str, ...]

    def schema(self) -> dict[str, JSON]:
        """The same as a JSON Schema of a closed object."""
        return {
            "type": "object",
            "properties": {name: dict(schema) for name, schema in self.properties.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """What a request may name: actions, resource types with their properties, and context members."""

    actions: tuple[str, ...]
    resources: Mapping[str, ObjectSpec]
    context: ObjectSpec


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """That policies see `input.context.time`, which the service itself adds. zone: an IANA name, for its parts."""

    zone: str


@dataclass(frozen=True)
class Contract:
    """One version of one contract, checked. `canonical` is the normalised document that its digest is taken of."""

    name: str
    version: str
    description: str
    profile: TokenProfile
    decision_path: str
    reject_undeclared: bool
    claims: Mapping[str, ClaimSpec]
    scopes: Mapping[str, ScopeSpec]
    removed: tuple[str, ...]
    consumers: tuple[Consumer, ...]
    request: RequestSpec | None
    canonical: Mapping[str, JSON]
    time: TimeSpec | None = None
    answer: AnswerShape = PLAIN_ANSWER

    @cached_property
    def ref(self) -> ContractRef:
        """Name, version and `sha256:<hex>` of the canonical document (RFC 8785)."""
        text = rfc8785.dumps(self.canonical)
        return ContractRef(self.name, self.version, "sha256:" + hashlib.sha256(text).hexdigest())

    @cached_property
    def unseen(self) -> frozenset[str]:
        """Registered claims that policies do not see among the claims: with `time` they see times that are declared."""
        return frozenset(REGISTERED) - (TOKEN_TIMES if self.time is not None else frozenset())

    @cached_property
    def actor(self) -> ClaimSpec | None:
        """The claim that policies see as `input.subject.actor`."""
        return next((claim for claim in self.claims.values() if claim.actor), None)

    @cached_property
    def released_by(self) -> Mapping[str, frozenset[str]]:
        """For each claim the scopes that release it; empty for a claim that is bound to no scope."""
        return {
            claim: frozenset(scope.name for scope in self.scopes.values() if claim in scope.claims)
            for claim in self.claims
        }
