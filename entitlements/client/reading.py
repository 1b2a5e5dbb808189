"""What the service answered becomes one of the types of answers, or is unreadable: anything unexpected is no answer.

Members that are not known are refused, too: one of a later service could be a condition of the allow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from typing import TypeVar

from entitlements import strict_json
from entitlements.client.answers import (
    Allow,
    AllowIf,
    Answer,
    Batch,
    BatchAnswer,
    Deny,
    Malformed,
    Obligation,
    Refused,
    Unavailable,
)
from entitlements.errors import JSONRefused
from entitlements.http_answer import Head, HTTPAnswer
from entitlements.model import JSON, ContractRef, Violation

# Obligations may nest as deep as the engine's answer, and stand in a list of answers.
_DEPTH = strict_json.MAX_DEPTH + 6
_TYPE = re.compile(r'application/json(?:[ \t]*;[ \t]*charset="?utf-8"?)?', re.IGNORECASE)
_HEADER = re.compile(r"[\x20-\x7e]{1,8192}")
_SECONDS = re.compile(r"[0-9]{1,5}")
_DECISION = frozenset({"decision", "effect", "decision_id", "reasons", "obligations", "contract", "policy"})
_SOMETIMES = frozenset({"www_authenticate", "violations"})
_TOKEN_REFUSED = frozenset({"decision", "effect", "error", "error_description", "decision_id"})
_PROBLEM = frozenset({"error", "error_description"})
_EXPLAINED = frozenset({"code", "details"})
_UNAVAILABLE = frozenset({"error", "code", "error_description"})
# Statuses by which the service says that the question is at fault.
_AT_FAULT = frozenset({400, 404, 405, 413, 415, 431})
_Read = TypeVar("_Read")


class Unreadable(Exception):
    """It is no answer of the service; the reason as what is said of it. It quotes nothing of the answer."""


def read_one(whole: HTTPAnswer, contract: str) -> Answer:
    """The answer to one question; contract: by whose name it was asked, empty for none."""
    return _read(whole, lambda members: _decision(members, contract))


def read_batch(whole: HTTPAnswer, questions: int, contract: str) -> BatchAnswer:
    """The answer to so many questions; contract: as of `read_one`."""
    return _read(whole, lambda members: _batch(members, questions, contract))


def _read(whole: HTTPAnswer, decided: Callable[[dict[str, JSON]], _Read]) -> _Read | Refused | Malformed | Unavailable:
    status = whole.head.status
    try:
        if status == 200:
            return decided(_members(whole))
        if status == 401:
            return _refused(_members(whole), whole.head)
        if status == 503:
            return _unavailable(_members(whole), whole.head)
        if status in _AT_FAULT:
            return _malformed(_members(whole), status)
    except Unreadable as error:
        return Unavailable("service_answer_invalid", detail=str(error))
    return Unavailable("service_answer_invalid", detail=f"the answer has the status {status}")


def _members(whole: HTTPAnswer) -> dict[str, JSON]:
    kinds = whole.head.values("content-type")
    if len(kinds) != 1 or not _TYPE.fullmatch(kinds[0]):
        raise Unreadable(f"the answer of status {whole.head.status} is not JSON by its content type")
    try:
        document = strict_json.loads(whole.body, max_depth=_DEPTH)
    except JSONRefused as refusal:
        raise Unreadable(f"the answer of status {whole.head.status} is not strict JSON: {refusal.message}") from None
    return _object(document, "the answer")


def _decision(members: dict[str, JSON], contract: str) -> Answer:
    _exactly(members, _DECISION, _SOMETIMES)
    allow, effect = members["decision"], members["effect"]
    if not isinstance(allow, bool) or effect != ("allow" if allow else "deny"):
        raise Unreadable("`decision` and `effect` are not one decision")
    name, reasons = _string(members, "decision_id"), _strings(members["reasons"], "reasons")
    obligations = tuple(_obligation(one) for one in _list(members["obligations"], "obligations"))
    decided_by, revision = _contract(members["contract"]), _revision(members["policy"])
    challenge = _challenge(members)
    violations = tuple(_violation(one) for one in _list(members.get("violations", []), "violations"))
    if not allow:
        return Deny(name, reasons, obligations, violations, challenge, decided_by, revision)
    if decided_by is None or revision is None or violations:
        raise Unreadable("an allow names no contract or no policy, or tells of violations")
    if contract and decided_by.name != contract:
        raise Unreadable("an allow is by another contract than the one that was asked by")
    if obligations or challenge:
        return AllowIf(name, obligations, reasons, decided_by, revision, challenge)
    return Allow(name, reasons, decided_by, revision)


def _batch(members: dict[str, JSON], questions: int, contract: str) -> Batch:
    _exactly(members, {"batch_id", "answers"})
    answers = _list(members["answers"], "answers")
    if len(answers) != questions:
        raise Unreadable(f"{len(answers)} answers came to {questions} questions")
    found = tuple(_item(_object(one, "an answer"), contract) for one in answers)
    return Batch(_string(members, "batch_id"), found)


def _item(members: dict[str, JSON], contract: str) -> Answer:
    """One answer of a batch, which has no status of its own."""
    if "error" not in members:
        return _decision(members, contract)
    if "decision" in members:
        return _refused(members, None)
    if members["error"] == "decision_unavailable":
        return _unavailable(members, None)
    return _malformed(members, 400)


def _refused(members: dict[str, JSON], head: Head | None) -> Refused:
    _exactly(members, _TOKEN_REFUSED)
    if members["decision"] is not False or members["effect"] != "deny":
        raise Unreadable("a refusal of the token has a decision")
    challenges, nonces = (head.values("www-authenticate"), head.values("dpop-nonce")) if head else ((), ())
    if len(nonces) > 1 or (head is not None and not challenges):
        raise Unreadable("a refusal of the token has no challenge, or two nonces")
    return Refused(
        _string(members, "error"),
        _string(members, "error_description"),
        _string(members, "decision_id"),
        challenges,
        "".join(nonces),
    )


def _unavailable(members: dict[str, JSON], head: Head | None) -> Unavailable:
    _exactly(members, _UNAVAILABLE)
    if members["error"] != "decision_unavailable":
        raise Unreadable("the answer is not that of an unavailable decision")
    waits = head.values("retry-after") if head else ()
    seconds = int(waits[0]) if len(waits) == 1 and _SECONDS.fullmatch(waits[0]) else 1
    return Unavailable(_string(members, "code"), seconds, "the service cannot decide")


def _malformed(members: dict[str, JSON], status: int) -> Malformed:
    _exactly(members, _PROBLEM, _EXPLAINED)
    code = _string(members, "code") if "code" in members else ""
    details = _object(members.get("details", {}), "`details`")
    told = {path: _strings(faults, "details") for path, faults in details.items()}
    return Malformed(status, _string(members, "error"), code, told)


def _obligation(value: JSON) -> Obligation:
    members = _object(value, "an obligation")
    return Obligation(_string(members, "id"), members)


def _contract(value: JSON) -> ContractRef | None:
    if value is None:
        return None
    members = _object(value, "`contract`")
    _exactly(members, {"name", "version", "digest"})
    return ContractRef(*(_string(members, name) for name in ("name", "version", "digest")))


def _revision(value: JSON) -> str | None:
    members = _object(value, "`policy`")
    _exactly(members, {"revision"})
    return None if members["revision"] is None else _string(members, "revision")


def _violation(value: JSON) -> Violation:
    members = _object(value, "a violation")
    _exactly(members, {"code", "claim", "message"})
    # A violation of the token as a whole names no claim.
    claim = "" if members["claim"] == "" else _string(members, "claim")
    return Violation(_string(members, "code"), claim, _string(members, "message"))


def _challenge(members: Mapping[str, JSON]) -> str:
    """What goes into a header of the API's own answer: nothing that could end it."""
    if "www_authenticate" not in members:
        return ""
    challenge = _string(members, "www_authenticate")
    if not _HEADER.fullmatch(challenge):
        raise Unreadable("`www_authenticate` does not fit into a header")
    return challenge


def _exactly(members: Mapping[str, JSON], required: Set[str], optional: Set[str] = frozenset()) -> None:
    if not required <= members.keys() <= required | optional:
        raise Unreadable("members are missing or not known")


def _object(value: JSON, what: str) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not an object")
    return value


def _list(value: JSON, what: str) -> list[JSON]:
    if not isinstance(value, list):
        raise Unreadable(f"`{what}` is not an array")
    return value


def _string(members: Mapping[str, JSON], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"`{name}` is not a string, or empty")
    return value


def _strings(value: JSON, what: str) -> tuple[str, ...]:
    strings = _list(value, what)
    found = tuple(one for one in strings if isinstance(one, str))
    if len(found) != len(strings):
        raise Unreadable(f"`{what}` holds something else than strings")
    return found
