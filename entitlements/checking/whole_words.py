"""Whether decisions are equal as a whole: as a JSON object, and for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from entitlements.checking.words import shown
from entitlements.model import Verdict
from entitlements.proof import HOLDS
from entitlements.proof.scenario import Token
from entitlements.proof.symbolic.whole_decision import WholeDecision
from entitlements.terminal import paint, safe


def whole_json(found: WholeDecision) -> dict[str, Any]:
    """The answer as its documented JSON object; an example only where decisions differ."""
    told: dict[str, Any] = {"answer": found.answer, "reason": found.reason, "differs": [*found.differs]}
    if found.example is None:
        return told
    example = found.example
    request = {"action": example.action, "type": example.resource.type, "properties": dict(example.resource.properties)}
    tokens = {"before": _token(example.before), "after": _token(example.after)}
    verdicts = {"before": _verdict(found.before), "after": _verdict(found.after)}
    return {**told, "tokens": tokens, "request": request, "decisions": verdicts}


def _token(token: Token) -> dict[str, Any]:
    return {"claims": dict(token.claims), "scopes": sorted(token.scopes)}


def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "allow": verdict.allow,
        "reasons": [*verdict.reasons],
        "obligations": [dict(one) for one in verdict.obligations],
    }


def whole_lines(found: WholeDecision) -> Iterator[str]:
    """The answer, and an example of decisions that differ."""
    colour = "green" if found.answer in HOLDS else "red"
    told = f": {', '.join(found.differs)} differ" if found.differs else f": {found.reason}" if found.reason else ""
    yield f"  decisions are equal as a whole: {paint(found.answer, colour)}{safe(told)}"
    document = whole_json(found)
    for name in ("tokens", "request", "decisions"):
        if name in document:
            yield f"      {name} {shown(document[name])}"
