"""Claims are held against a contract: a principal made of declared, conforming claims only, or every violation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jsonschema_rs

from entitlements.contract.document import ALWAYS_DECLARED, Contract, ObjectSpec
from entitlements.contract.extraction import extract
from entitlements.contract.keywords import VIOLATIONS
from entitlements.contract.schema_subset import compile_validator
from entitlements.model import CONTEXT_TIME, JSON, Action, Principal, Resource, TokenRules, VerifiedClaims, Violation
from entitlements.profiles import client_of, for_audience, introspected, misfit, named_audiences, scopes_of, subject_of

_SCOPE_FORMS = {
    "string": "is not a list of scopes separated by single spaces",
    "list": "is not an array of scopes",
}
# A token of 16 KiB can break a contract in thousands of places, and an answer is bounded too.
MAX_VIOLATIONS = 100
_NO_OBJECT = ObjectSpec({}, ())


@dataclass(frozen=True, slots=True)
class Admitted:
    """The claims conform. ignored: names of claims and scopes that were stripped."""

    principal: Principal
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The claims break the contract; every violation, at least one and at most `MAX_VIOLATIONS`."""

    violations: tuple[Violation, ...]


def admit(contract: Contract, claims: VerifiedClaims) -> Admitted | Refused:
    """Make a principal of the claims that the contract declares for an access token.

    Registered claims are built in. A claim that is bound to scopes counts as undeclared unless one of them is granted.
    Undeclared claims and scopes are stripped, or are violations where the contract rejects them.
    """
    profile = contract.profile
    rules = introspected(profile.rules) if claims.introspected else profile.rules
    violations: list[Violation] = []
    if (claims.issuer, claims.audience) != (profile.issuer, profile.audience):
        violations.append(Violation("issuer_not_permitted", "iss", "is not the issuer or audience of this version"))
    if not for_audience(replace(profile, rules=rules), claims.values, named_audiences(claims.values)):
        violations.append(
            Violation("issuer_not_permitted", "aud", "is not for the audience or a client of this version")
        )
    if not claims.introspected and claims.algorithm not in profile.algorithms:
        violations.append(Violation("algorithm_not_permitted", "alg", "is not an algorithm of this version"))
    if claims.lifetime > profile.max_lifetime:
        violations.append(Violation("lifetime_too_long", "exp", "is later than this version permits"))
    if not profile.permits(bound=claims.bound):
        words = "is a binding, which this version refuses" if claims.bound else "is missing: it is required"
        violations.append(Violation("binding_not_permitted", "cnf", words))
    if not profile.takes(claims.asked_by if claims.introspected or claims.exchanged else None):
        violations.append(Violation("form_not_permitted", "", "is not a form of token that this version permits"))
    if misfit(rules, claims.header_type, claims.values) is not None:
        violations.append(Violation("profile_mismatch", "typ", "is not an access token by the profile of this version"))
    scopes = scopes_of(rules, claims.values)
    if scopes is None:
        name = next(name for name, _ in rules.scopes if name in claims.values)
        violations.append(Violation("scope_malformed", name, _SCOPE_FORMS[dict(rules.scopes)[name]]))
        scopes = ()
    granted = tuple(scope for scope in scopes if scope in contract.scopes)
    found = _claims(contract, rules, claims, frozenset(granted))
    foreign = [scope for scope in scopes if scope not in contract.scopes]
    if contract.reject_undeclared:
        violations += [
            Violation("claim_undeclared", _shown(n), "is not declared for this token") for n in found.undeclared
        ]
    if contract.reject_undeclared and foreign:
        violations.append(Violation("scope_undeclared", "scope", "holds a scope that is not declared"))
    violations += found.violations
    if violations:
        return Refused(tuple(violations[:MAX_VIOLATIONS]))
    principal = Principal(
        id=subject_of(rules, claims.values),
        client_id=client_of(rules, claims.values),
        claims={name: value for name, value in found.present.items() if name not in contract.unseen},
        scopes=granted,
    )
    return Admitted(principal, tuple(_shown(name) for name in [*found.undeclared, *foreign][:32]))


@dataclass(frozen=True, slots=True)
class _Claims:
    present: Mapping[str, JSON]
    undeclared: tuple[str, ...]
    violations: tuple[Violation, ...]


def _claims(contract: Contract, rules: TokenRules, claims: VerifiedClaims, granted: frozenset[str]) -> _Claims:
    """The declared claims of a token, the names of others, and every violation by the declared ones."""
    values = named_as_registered(rules, claims.values)
    held = _held(contract, granted)
    extracted = extract(contract, held, values, introspected=claims.introspected)
    known = ALWAYS_DECLARED | (frozenset() if rules.name == "rfc9068" else rules.known)
    known |= {"cnf"} if claims.bound else frozenset()
    if claims.introspected:
        # Declared for the answer alone: no policy sees them, and they are no violation there.
        known |= {name for name, claim in contract.claims.items() if "introspection" in claim.tokens}
    undeclared = tuple(name for name in values if name not in extracted.used and name not in known)
    violations = [
        Violation("claim_missing", name, "is required")
        for name in sorted(held - extracted.unreadable)
        if contract.claims[name].required and name not in extracted.present
    ]
    violations += [*extracted.violations, *value_violations(contract, extracted.present)]
    return _Claims(extracted.present, undeclared, tuple(violations))


def named_as_registered(rules: TokenRules, values: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The claims, with subject and client under their registered names (RFC 9068 section 2.2) alone."""
    named = {"sub": subject_of(rules, values), "client_id": client_of(rules, values)}
    others = {name: value for name, value in values.items() if name not in named}
    return {**others, **{name: value for name, value in named.items() if value}}


def request_faults(
    contract: Contract, action: Action, resource: Resource, context: Mapping[str, JSON]
) -> dict[str, list[str]]:
    """What in a request the contract does not declare, by field path; empty where all is well or nothing is typed."""
    specification = contract.request
    found: dict[str, list[str]] = {}
    if CONTEXT_TIME in context:
        found[f"context.{CONTEXT_TIME}"] = ["is the service's own, leave it out"]
    if specification is None:
        return found
    if action.name not in specification.actions:
        found["action.name"] = ["is not declared by the contract"]
    if action.properties:
        found["action.properties"] = ["are not declared by the contract"]
    typed = specification.resources.get(resource.type)
    if typed is None:
        found["resource.type"] = ["is not declared by the contract"]
    for path, spec, members in (
        ("resource.properties", typed or _NO_OBJECT, resource.properties if typed else {}),
        ("context", specification.context, {name: one for name, one in context.items() if name != CONTEXT_TIME}),
    ):
        for violation in _object_violations(spec, members, path):
            found.setdefault(violation.claim, []).append(violation.message)
    return found


def _object_violations(spec: ObjectSpec, members: Mapping[str, JSON], path: str) -> Iterator[Violation]:
    for name in members:
        if name not in spec.properties:
            yield Violation("member_undeclared", f"{path}.{_shown(name)}", "is not declared by the contract")
    for name in spec.required:
        if name not in members:
            yield Violation("member_missing", f"{path}.{name}", "is required by the contract")
    for name, schema in spec.properties.items():
        if name in members and not (validator := _validator(_Key(schema))).is_valid(members[name]):
            yield from _violations(validator, members[name], f"{path}.{name}")


@lru_cache(maxsize=4096)
def _held_cached(contract: _ContractKey, granted: frozenset[str]) -> frozenset[str]:
    released = contract.contract.released_by
    return frozenset(
        name
        for name, claim in contract.contract.claims.items()
        if "access_token" in claim.tokens and (not released[name] or released[name] & granted)
    )


def _held(contract: Contract, granted: frozenset[str]) -> frozenset[str]:
    """Claims that an access token with these scopes may hold."""
    return _held_cached(_ContractKey(contract), granted)


class _ContractKey:
    """A contract as a cache key: its digest says all."""

    __slots__ = ("contract",)

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    def __hash__(self) -> int:
        return hash(self.contract.ref.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ContractKey) and other.contract.ref == self.contract.ref


class _Key:
    """A schema as a cache key, by identity: schemas live as long as their contract."""

    __slots__ = ("schema",)

    def __init__(self, schema: Mapping[str, JSON]) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.schema is self.schema


@lru_cache(maxsize=4096)
def _validator(key: _Key) -> jsonschema_rs.Draft202012Validator:
    return compile_validator(key.schema)


def conforms(schema: Mapping[str, JSON], value: JSON) -> bool:
    """Whether a value conforms to a claim's schema, exactly as it is judged in a token."""
    return _validator(_Key(schema)).is_valid(value)


def value_violations(contract: Contract, present: Mapping[str, JSON]) -> list[Violation]:
    found: list[Violation] = []
    for name, value in present.items():
        validator = _validator(_Key(contract.claims[name].schema))
        if not validator.is_valid(value):
            found.extend(_violations(validator, value, name))
    return found


def _violations(validator: jsonschema_rs.Draft202012Validator, value: Any, name: str) -> Iterator[Violation]:
    for error in itertools.islice(validator.iter_errors(value), MAX_VIOLATIONS):
        code, words = VIOLATIONS.get(type(error.kind).__name__, ("not_conforming", "does not conform"))
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" for part in error.instance_path)
        yield Violation(code, name + path, words + _types(error.kind, error.instance))


def _types(kind: Any, value: Any) -> str:
    """The wanted and the found JSON type where these are not the same; never the value."""
    wanted: list[str] = []
    if hasattr(kind, "types"):
        wanted = [*kind.types]
    elif hasattr(kind, "options"):
        wanted = [*dict.fromkeys(map(_type_of, kind.options))]
    elif hasattr(kind, "expected_value"):
        wanted = [_type_of(kind.expected_value)]
    found = _type_of(value)
    if not wanted or found in wanted or (found == "integer" and "number" in wanted):
        return ""
    return f": {' or '.join(wanted)} is wanted, {found} was found"


def _type_of(value: Any) -> str:
    """The name of a value's JSON type (JSON Schema 2020-12 section 6.1.1: 1.0 is an integer)."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, (int, float)):
        return "integer" if value == int(value) else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _shown(name: str) -> str:
    """A name that came with a token, made safe to print: printable ASCII of bounded length."""
    return name if name.isascii() and name.isprintable() and len(name) <= 64 else ascii(name)[1:-1][:64]
