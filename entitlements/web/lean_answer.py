"""The body of a decision without a tree of objects: the octets of Flask's provider."""

from __future__ import annotations

import functools
import json

from entitlements.model import ContractRef, Decision
from entitlements.web.authorize import render


def answer_body(decision: Decision) -> bytes:
    """What the ordinary route answers for a decision about a bearer token. Flask's provider sorts members."""
    ref, revision = decision.contract, decision.policy_revision
    if ref is None or revision is None or decision.obligations or decision.violations:
        return json.dumps(render(decision, "Bearer"), sort_keys=True).encode("ascii")
    allowed, effect = ("true", "allow") if decision.allow else ("false", "deny")
    reasons = json.dumps(list(decision.reasons)) if decision.reasons else "[]"
    return (
        f'{{"contract": {_contract(ref)}, "decision": {allowed}, "decision_id": {json.dumps(decision.id)}, '
        f'"effect": "{effect}", "obligations": [], "policy": {_policy(revision)}, "reasons": {reasons}}}'
    ).encode("ascii")


@functools.lru_cache(256)
def _contract(ref: ContractRef) -> str:
    return json.dumps({"digest": ref.digest, "name": ref.name, "version": ref.version})


@functools.lru_cache(16)
def _policy(revision: str) -> str:
    return json.dumps({"revision": revision})
