"""OPA's answer, read strictly: only the JSON literal `true` allows.

An undefined decision and one of another type are denials with a reason of their own, so that they stand in the
decision log and can never be taken for an allow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from entitlements import strict_json
from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape, Path
from entitlements.errors import EngineUnavailable, JSONRefused
from entitlements.model import JSON, Verdict

POLICY_UNDEFINED = "policy_undefined"
POLICY_ERROR = "policy_error"
CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ANSWER_MEMBERS = frozenset({"result", "provenance", "decision_id"})
# How the revision of a server's lockdown bundle begins; it decides nothing and stands beside the one that does.
LOCKDOWN_REVISION = "lockdown:"
_KNOWN: dict[tuple[bytes, AnswerShape], Verdict] = {}
_KNOWN_BYTES, _MOST_KNOWN = 4096, 256
MAX_REASONS = 32
MAX_OBLIGATIONS = 16


def read_answer(body: bytes, shape: AnswerShape = PLAIN_ANSWER) -> Verdict:
    """Read the body of a 200 answer of OPA's Data API with provenance.

    Raises EngineUnavailable `engine_answer_invalid` (not strict JSON object, or one with a warning or an error beside
    the result) or `policy_revision_unknown` (not exactly one bundle revision was named).
    """
    try:
        document = strict_json.loads(body, max_depth=32, rounded=True)
    except JSONRefused:
        raise EngineUnavailable("engine_answer_invalid", "the engine's answer is not strict JSON") from None
    if not isinstance(document, dict):
        raise EngineUnavailable("engine_answer_invalid", "the engine's answer is not a JSON object")
    if not document.keys() <= _ANSWER_MEMBERS:
        # OPA warns, for one, that it has evaluated a policy without its input.
        raise EngineUnavailable("engine_answer_invalid", "the engine's answer holds more than a result")
    return read_result(document, "result", _revision(document), _engine_version(document), shape)


def read_answer_again(body: bytes, shape: AnswerShape = PLAIN_ANSWER) -> Verdict:
    """The same, cached for answers that name nothing but reasons: most of OPA's answers are a few, again and again.

    An obligation, a member that is not looked at and an answer that is not one may hold what a policy took from a token
    or a request, which is not kept.
    """
    known = _KNOWN.get((body, shape))
    if known is None:
        known = read_answer(body, shape)
        bare = not known.obligations and not shape.ignored and POLICY_ERROR not in known.reasons
        if bare and len(body) <= _KNOWN_BYTES:
            if len(_KNOWN) >= _MOST_KNOWN:
                _KNOWN.clear()
            _KNOWN[body, shape] = known
    return known


def read_result(
    document: Mapping[str, JSON],
    member: str,
    revision: str,
    engine_version: str = "",
    shape: AnswerShape = PLAIN_ANSWER,
) -> Verdict:
    """The verdict of a decision that stands in `document` under `member`, or is undefined where it does not."""
    if member not in document:
        return Verdict(False, (POLICY_UNDEFINED,), (), revision, engine_version)
    result = document[member]
    if isinstance(result, bool) and (shape.boolean or not result):
        return Verdict(result, (), (), revision, engine_version)
    read = _read_object(result, shape)
    if read is None:
        return Verdict(False, (POLICY_ERROR,), (), revision, engine_version)
    allow, reasons, obligations = read
    return Verdict(allow, reasons, obligations, revision, engine_version)


def _read_object(result: JSON, shape: AnswerShape) -> tuple[bool, tuple[str, ...], tuple[dict[str, JSON], ...]] | None:
    """The parts of a decision object, or None for anything that is not exactly one."""
    if not isinstance(result, dict) or not _is_shaped(result, shape.members):
        return None
    allow = _at(result, shape.allow, None)
    reasons = _at(result, shape.reasons, [])
    obligations = _at(result, shape.obligations, [])
    if not isinstance(allow, bool) or not isinstance(reasons, list) or not isinstance(obligations, list):
        return None
    codes = [code for code in reasons if isinstance(code, str) and CODE.fullmatch(code)]
    found = [
        obligation
        for obligation in obligations
        if isinstance(obligation, dict) and isinstance(obligation.get("id"), str)
    ]
    if len(codes) != len(reasons) or len(found) != len(obligations):
        return None
    if len(codes) > MAX_REASONS or len(found) > MAX_OBLIGATIONS:
        return None
    return allow, tuple(sorted(codes)), tuple(sorted(found, key=lambda obligation: str(obligation["id"])))


def _is_shaped(value: JSON, members: Mapping[str, Any]) -> bool:
    """Whether an object has no members but these, on every level that they name."""
    return isinstance(value, dict) and all(
        name in members and (members[name] is None or _is_shaped(inner, members[name])) for name, inner in value.items()
    )


def _at(value: JSON, path: Path | None, absent: JSON) -> JSON:
    """What stands at a path; `absent` where nothing does."""
    for name in path or ():
        if not isinstance(value, dict) or name not in value:
            return absent
        value = value[name]
    return value if path else absent


def _revision(document: dict[str, JSON]) -> str:
    """The one revision that is not the lockdown's. Raises EngineUnavailable `policy_revision_unknown`."""
    provenance = document.get("provenance")
    bundles = provenance.get("bundles") if isinstance(provenance, dict) else None
    revisions = [
        bundle.get("revision") if isinstance(bundle, dict) else None
        for bundle in (bundles.values() if isinstance(bundles, dict) else ())
    ]
    named = [one for one in revisions if isinstance(one, str) and one]
    decides = [one for one in named if not one.startswith(LOCKDOWN_REVISION)]
    # A bundle without a revision could hold any policy: then nothing is known of what decided.
    if len(named) != len(revisions) or len(decides) != 1 or len(named) > 2:
        raise EngineUnavailable("policy_revision_unknown", "the engine does not name the policy revision it serves")
    return decides[0]


def _engine_version(document: dict[str, JSON]) -> str:
    provenance = document.get("provenance")
    version = provenance.get("version") if isinstance(provenance, dict) else None
    return version if isinstance(version, str) else ""
