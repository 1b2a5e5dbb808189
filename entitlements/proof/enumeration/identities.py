"""Values worth trying for the registered claims that every token holds and policy sees: `sub` and `client_id`."""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.contract import ClaimSpec, Contract, conforms
from entitlements.model import JSON
from entitlements.proof.enumeration.values import Pool, values
from entitlements.proof.migration import identity_step, related_claim

_FEW = 6
# Parts of references stand among the constants of a policy.
_WORDS = frozenset({"allow", "action", "claims", "client_id", "context", "data", "id", "input", "name", "subject"})
_MANY = 24


def identity_pairs(
    old: Contract, new: Contract, name: str, plain: Sequence[str], pool: Pool
) -> list[tuple[JSON, JSON]]:
    """Pairs of what `sub` or `client_id` may be before and after; plain: what it is where anything may be."""
    step = identity_step(old, new, name)
    sides = [_tried(spec, plain, pool, same=step.same) for spec in (step.before, step.after) if spec is not None]
    return [
        (one, other) for one in sides[0] for other in sides[1] if related_claim(step, one, other, released=(True, True))
    ]


def _tried(spec: ClaimSpec, plain: Sequence[str], pool: Pool, *, same: bool) -> list[JSON]:
    closed = "enum" in spec.schema or "const" in spec.schema
    named = [] if closed else [*plain, "", *[text for text in pool.strings if text not in _WORDS][:_FEW]]
    found: list[JSON] = [text for text in dict.fromkeys(named) if conforms(spec.schema, text)]
    # Where the plain ones do not tell enough, those that the schema itself permits.
    more = values(spec.schema, pool, limit=_MANY) if len(found) < 2 or not same else ()
    return [*found, *(value for value in more if value not in found)]
