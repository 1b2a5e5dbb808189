"""Two versions of a contract become a list of changes, each of one rule, at one place, with what was and what is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from entitlements.contract.change_rules import BREAKING, RULES, WARNING, Change
from entitlements.contract.document import ClaimSpec, Consumer, Contract, read_differently
from entitlements.contract.links import successors
from entitlements.contract.lock import version_key
from entitlements.contract.opaque_tokens import opaque_changes
from entitlements.contract.schema_changes import schema_changes
from entitlements.contract.trusted_time import time_changes
from entitlements.model import JSON

_SENSITIVITY = ("public", "internal", "pii", "secret")


def changes(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every change from `old` to `new`, in the order of the document; none for equal contracts."""
    found = list(_all(old, new))
    found += _affected(old, new, found)
    needed = _needed_step(found)
    if found and _step(old.version, new.version) < needed:
        found.append(Change("version_too_small", "version", "", old.version, new.version))
    return tuple(found)


def _all(old: Contract, new: Contract) -> Iterator[Change]:
    yield from _profile(old, new)
    yield from _claims(old, new)
    yield from _scopes(old, new)
    yield from _tombstones(old, new)
    yield from _request(old, new)
    yield from time_changes(old, new)
    before = {consumer.name for consumer in old.consumers}
    after = {consumer.name for consumer in new.consumers}
    yield from _members("consumer_removed", "consumers", before - after, "", gone=True)
    yield from _members("consumer_added", "consumers", after - before, "", gone=False)


def _members(rule: str, path: str, names: set[str], claim: str, *, gone: bool) -> Iterator[Change]:
    for name in sorted(names):
        yield Change(rule, path, claim, name if gone else None, None if gone else name)


def _profile(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = old.profile, new.profile
    if before.issuer != after.issuer:
        yield Change("issuer_changed", "issuer", "", before.issuer, after.issuer)
    if before.audience != after.audience:
        yield Change("audience_changed", "audience", "", before.audience, after.audience)
    if old.decision_path != new.decision_path:
        yield Change("decision_rule_changed", "policy", "", old.decision_path, new.decision_path)
    if old.answer != new.answer:
        yield Change(
            "decision_answer_changed",
            "policy.answer",
            "",
            *(_part(c.canonical, "policy").get("answer") for c in (old, new)),
        )
    place = "tokens.access_token"
    old_kind, new_kind = (_part(c.canonical, "tokens", "access_token", "profile") for c in (old, new))
    if old_kind != new_kind:
        yield Change("token_profile_changed", f"{place}.profile", "", old_kind, new_kind)
    else:
        yield from _rules(place, old, new)
    yield from opaque_changes(old, new)
    yield from _members(
        "algorithm_removed", f"{place}.algorithms", {*before.algorithms} - {*after.algorithms}, "", gone=True
    )
    yield from _members(
        "algorithm_added", f"{place}.algorithms", {*after.algorithms} - {*before.algorithms}, "", gone=False
    )
    if before.max_lifetime != after.max_lifetime:
        rule = "lifetime_raised" if after.max_lifetime > before.max_lifetime else "lifetime_lowered"
        yield Change(rule, f"{place}.max_lifetime", "", before.max_lifetime, after.max_lifetime)
    for bound in (False, True):
        was, is_now = before.permits(bound=bound), after.permits(bound=bound)
        if was != is_now:
            rule = "sender_constraint_relaxed" if is_now else "sender_constraint_tightened"
            settings = before.sender_constrained, after.sender_constrained
            yield Change(rule, f"{place}.sender_constrained", "", *settings)
    if old.reject_undeclared != new.reject_undeclared:
        rule = "undeclared_tightened" if new.reject_undeclared else "undeclared_relaxed"
        words = {True: "reject", False: "ignore"}
        yield Change(rule, "undeclared_claims", "", words[old.reject_undeclared], words[new.reject_undeclared])


def _rules(place: str, old: Contract, new: Contract) -> Iterator[Change]:
    """Rules of one profile that differ: said by hand, or beside its name."""
    before, after = (_part(contract.canonical, "tokens", "access_token").get("rules", {}) for contract in (old, new))
    for member in sorted({*before, *after}):
        if before.get(member) != after.get(member):
            yield Change("token_profile_changed", f"{place}.{member}", "", before.get(member), after.get(member))


def _part(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document[key]
    return document


def _claims(old: Contract, new: Contract) -> Iterator[Change]:
    names = successors(old, new)
    for name, claim in old.claims.items():
        successor = names.get(name)
        if name in new.claims and successor != name:
            yield Change("claim_replaced", f"claims.{name}", name, name, new.claims[name].renamed_from)
        elif successor is None:
            yield Change("claim_removed", f"claims.{name}", name, _shape(claim), None)
            if name not in new.removed:
                yield Change("claim_removed_without_tombstone", f"claims.{name}", name, name, None)
        if successor is not None:
            if successor != name:
                yield Change("claim_renamed", f"claims.{successor}", name, name, successor)
            yield from _claim(claim, new.claims[successor])
    for name, claim in new.claims.items():
        if name not in old.claims and name not in names.values():
            yield Change("claim_added", f"claims.{name}", name, None, _shape(claim))


def _shape(claim: ClaimSpec) -> JSON:
    return {"schema": dict(claim.schema), "required": claim.required}


def _claim(old: ClaimSpec, new: ClaimSpec) -> Iterator[Change]:
    place = f"claims.{new.name}"
    if old.required != new.required:
        rule = "claim_made_required" if new.required else "claim_made_optional"
        yield Change(rule, f"{place}.required", old.name, old.required, new.required)
    if old.sensitivity != new.sensitivity:
        lowered = _SENSITIVITY.index(new.sensitivity) < _SENSITIVITY.index(old.sensitivity)
        rule = "sensitivity_lowered" if lowered else "sensitivity_raised"
        yield Change(rule, f"{place}.sensitivity", old.name, old.sensitivity, new.sensitivity)
    if old.actor != new.actor:
        yield Change("claim_moved", f"{place}.actor", old.name, old.actor, new.actor)
    kinds = f"{place}.tokens"
    yield from _members("token_kind_removed", kinds, {*old.tokens} - {*new.tokens}, old.name, gone=True)
    yield from _members("token_kind_added", kinds, {*new.tokens} - {*old.tokens}, old.name, gone=False)
    yield from _source(old, new, place)
    yield from schema_changes(old.schema, new.schema, f"{place}.schema", old.name)


def _source(old: ClaimSpec, new: ClaimSpec, place: str) -> Iterator[Change]:
    if read_differently(old, new):
        yield Change("source_changed", f"{place}.source", old.name, _read(old), _read(new))
    before, after = {*old.extraction.ignored}, {*new.extraction.ignored}
    yield from _members("ignored_item_removed", f"{place}.ignore_items", before - after, old.name, gone=True)
    yield from _members("ignored_item_added", f"{place}.ignore_items", after - before, old.name, gone=False)


def _read(claim: ClaimSpec) -> dict[str, JSON]:
    told = {name: value for name, value in claim.extraction.canonical().items() if name != "ignore_items"}
    return {**told, "source": [*claim.extraction.path(claim.name)]}


def _scopes(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = set(old.scopes), set(new.scopes)
    for scope in sorted(before - after):
        yield Change("scope_removed", f"scopes.{scope}", "", scope, None)
    for scope in sorted(after - before):
        yield Change("scope_added", f"scopes.{scope}", "", None, scope)
    names = successors(old, new)
    before_of = {claim: name for name, claim in names.items()}
    bound = {
        claim: (bool(old.released_by[before_of[claim]]), bool(new.released_by[claim]))
        for claim in new.claims
        if claim in before_of
    }
    for claim, (was, is_now) in bound.items():
        if was != is_now:
            yield Change("claim_bound" if is_now else "claim_unbound", f"claims.{claim}", claim, was, is_now)
    for scope in sorted(before & after):
        held = {names[claim] for claim in old.scopes[scope].claims if claim in names}
        holds = set(new.scopes[scope].claims)
        # What comes or goes with its claim, or with all its scopes, is reported once, as that.
        told = {claim for claim in held ^ holds if bound.get(claim) != (True, True)}
        place = f"scopes.{scope}.claims"
        for claim in sorted(held - holds - told):
            yield Change("scope_withholds_claim", place, claim, claim, None)
        for claim in sorted(holds - held - told):
            yield Change("scope_releases_claim", place, claim, None, claim)


def _tombstones(old: Contract, new: Contract) -> Iterator[Change]:
    for name in sorted({*old.removed} - {*new.removed}):
        if name in new.claims:
            yield Change("tombstone_reused", f"claims.{name}", name, name, None)
        else:
            yield Change("tombstone_dropped", "removed", name, name, None)
    for name in sorted({*new.removed} - {*old.removed}):
        if name not in old.claims:
            yield Change("tombstone_added", "removed", name, None, name)


def _request(old: Contract, new: Contract) -> Iterator[Change]:
    if old.request is None and new.request is None:
        return
    if old.request is None or new.request is None:
        rule = "request_tightened" if new.request else "request_relaxed"
        yield Change(rule, "request", "", bool(old.request), bool(new.request))
        return
    for path, before, after in (
        ("request.actions", {*old.request.actions}, {*new.request.actions}),
        ("request.resources", {*old.request.resources}, {*new.request.resources}),
    ):
        yield from _members("request_tightened", path, before - after, "", gone=True)
        yield from _members("request_relaxed", path, after - before, "", gone=False)
    objects = {
        f"request.resources.{name}": (spec, new.request.resources[name])
        for name, spec in old.request.resources.items()
        if name in new.request.resources
    }
    for path, (one, other) in {**objects, "request.context": (old.request.context, new.request.context)}.items():
        for change in schema_changes(one.schema(), other.schema(), path, ""):
            narrows = change.rule.endswith(("_removed", "_tightened", "_made_required"))
            rule = "request_tightened" if narrows else "request_relaxed"
            yield Change(rule, change.path, "", change.old, change.new)


def kinds_of(change: Change, old: Contract, new: Contract) -> frozenset[str]:
    """The kinds of token in which a change of a claim shows; none for a change of no claim."""
    if change.rule in ("token_kind_added", "token_kind_removed"):
        return frozenset({str(change.new if change.old is None else change.old)})
    claim = old.claims.get(change.claim) or new.claims.get(change.claim)
    return frozenset(claim.tokens) if claim else frozenset()


def _affected(old: Contract, new: Contract, found: list[Change]) -> list[Change]:
    """One change for each consumer and claim that it relies on, where the claim changes in a way that can break it.

    What changes in a kind of token that the consumer does not read is not told it.
    """
    breaking = [change for change in found if RULES[change.rule].compatibility in (BREAKING, WARNING)]
    affected = []
    for consumer in old.consumers:
        touched: dict[str, list[str]] = {}
        for change in breaking:
            if consumer.relies(change.claim, kinds_of(change, old, new)):
                touched.setdefault(change.claim, []).append(change.rule)
        affected += [
            Change("consumer_affected", f"consumers.{consumer.name}", claim, [*sorted({*rules})], consumer.name)
            for claim, rules in touched.items()
        ]
    return affected + [
        Change("strict_consumer_broken", f"consumers.{consumer.name}", change.claim, None, consumer.name)
        for consumer in old.consumers
        for change in found
        if consumer.strict and _appears(change, consumer, kinds_of(change, old, new))
    ]


def _appears(change: Change, consumer: Consumer, kinds: frozenset[str]) -> bool:
    """Whether a claim comes into a kind of token that a consumer reads."""
    said = change.rule == "claim_added" or (change.rule == "token_kind_added" and bool(consumer.tokens))
    return said and consumer.reads(kinds)


_MAJOR, _MINOR, _PATCH, _NONE = 3, 2, 1, 0


def _needed_step(found: list[Change]) -> int:
    if any(RULES[change.rule].compatibility == BREAKING for change in found):
        return _MAJOR
    if all(change.rule.startswith("consumer_") for change in found):
        return _PATCH
    return _MINOR


def _step(old: str, new: str) -> int:
    """How large a step the version number makes; below zero for a number that does not grow."""
    before, after = version_key(old), version_key(new)
    if after <= before:
        return _NONE if after == before else -1
    if after[0] != before[0]:
        return _MAJOR
    # Below 1.0.0 nothing is promised (Semantic Versioning 2.0.0, item 4): a minor step may break.
    if after[1] != before[1]:
        return _MAJOR if after[0] == 0 else _MINOR
    return _PATCH
