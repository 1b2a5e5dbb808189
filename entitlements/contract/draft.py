"""A first draft of a contract from the claims of sample tokens: types, choices and optionality as they were seen.

A draft is a starting point for a person: samples show what was issued, never what may be. No value of a claim that
looks like personal data goes into it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from entitlements.contract.document import ALWAYS_DECLARED
from entitlements.contract.draft_sources import Lifted, lifted
from entitlements.model import JSON, TokenRules
from entitlements.profiles import scopes_of

_MOST_CHOICES = 8
_PERSONAL = re.compile(
    r"e?mail|(given|family|full|first|last|middle|nick|user|display)_?name|^name$|phone|mobile|address|street|city|zip"
    r"|postal|birth|gender|picture|photo|ssn|passport|^ip$|ip_?addr|geo|latitude|longitude",
    re.IGNORECASE,
)
_SECRET = re.compile(r"secret|passw|credential|api_?key|private|otp$|^pin$", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()/-]{7,}[0-9]")
_IDENTIFIER = re.compile(r"(^|[_-])(id|uid|tenant|org|organi[sz]ation|account|customer|user|session)s?$", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MISREAD = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


_ANYTHING: dict[str, JSON] = {"type": "string", "maxLength": 64}
Guess = tuple[dict[str, JSON], str]
"""A schema, and what a person has to look at in it."""


@dataclass(frozen=True, slots=True)
class DraftHead:
    """What a draft says of the tokens as a whole.

    rules: of their profile; notes: what a person has to look at first.
    """

    name: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    max_lifetime: int
    rules: TokenRules = field(default_factory=TokenRules)
    notes: tuple[str, ...] = ()


def draft(head: DraftHead, samples: Sequence[Mapping[str, JSON]]) -> str:
    """The text of version 1.0.0 of a contract that permits all samples.

    samples: the claims of access tokens, one or more. What was guessed is marked `review` in a comment.
    """
    unclaimed = ALWAYS_DECLARED | {"cnf"} | (frozenset() if head.rules.name == "rfc9068" else head.rules.known)
    names = sorted({name for sample in samples for name in sample if name not in unclaimed})
    granted = [frozenset(scopes_of(head.rules, sample) or ()) for sample in samples]
    released = _released(names, samples, granted)
    below = lifted(head.rules.name, samples)
    access_token: dict[str, JSON] = {
        "profile": head.rules.name,
        "algorithms": [*head.algorithms],
        "max_lifetime": head.max_lifetime,
    }
    bound = ["cnf" in sample for sample in samples]
    if any(bound):
        access_token["sender_constrained"] = "required" if all(bound) else "permitted"
    if head.rules.audience_clients:
        access_token["audience"] = {"claim": head.rules.client[0], "values": [*head.rules.audience_clients]}
    lines = [
        f"# A draft from {len(samples)} sample {'token' if len(samples) == 1 else 'tokens'}: review every line.",
        "# Samples show what was issued, not what may be.",
        *(f"# review: {note}" for note in head.notes),
        f"contract: {head.name}",
        "version: 1.0.0",
        "description: Access tokens as they were seen.",
        f"issuer: {_flow(head.issuer)}",
        f"audience: {_flow(head.audience)}",
        f"policy: {{package: {head.name.replace('-', '_')}.authz, rule: decision}}",
        "tokens:",
        f"  access_token: {_flow(access_token)}",
        "undeclared_claims: ignore",
        "claims:" if names or below else "claims: {}",
    ]
    for name in names:
        lines += _claim(name, samples, scope_bound=any(name in claims for claims in released.values()))
    for deep in below:
        lines += _deep_claim(deep)
    if released:
        lines.append("scopes:")
        lines += [f"  {_flow(scope)}: {{claims: {_flow(claims)}}}" for scope, claims in sorted(released.items())]
    return "\n".join(lines) + "\n"


def _released(
    names: Sequence[str], samples: Sequence[Mapping[str, JSON]], granted: Sequence[frozenset[str]]
) -> dict[str, list[str]]:
    """The scopes that were seen, each with the claims that were there exactly when it was granted."""
    found: dict[str, list[str]] = {}
    for scope in sorted(frozenset().union(*granted)):
        found[scope] = [
            name
            for name in names
            if any(scope not in scopes for scopes in granted)
            and all((name in sample) == (scope in scopes) for sample, scopes in zip(samples, granted, strict=True))
        ]
    return found


def _claim(name: str, samples: Sequence[Mapping[str, JSON]], *, scope_bound: bool) -> Iterator[str]:
    values = [sample[name] for sample in samples if name in sample]
    sensitivity, why = _sensitivity(name, values)
    schema, notes = _schema(name, values, hidden=sensitivity in ("pii", "secret"))
    required = scope_bound or len(values) == len(samples)
    yield f"  {_flow(name)}:"
    yield f"    required: {json.dumps(required)}"
    yield f"    sensitivity: {sensitivity}{f'  # review: {why}' if why else ''}"
    yield f"    schema: {_flow(schema)}{f'  # review: {notes}' if notes else ''}"


def _deep_claim(deep: Lifted) -> Iterator[str]:
    """A list that stands below other names: as a set, empty where the server leaves it out."""
    schema, notes = _schema(deep.name, deep.values, hidden=False)
    items = schema["items"]
    listed = isinstance(items, dict) and "enum" in items
    yield f"  {_flow(deep.name)}:"
    yield f"    source: {_flow([*deep.source])}"
    yield "    as: set"
    if listed and deep.ignored:
        yield f"    ignore_items: {_flow([*deep.ignored])}  # review: the server's own, which say nothing of this API"
    yield "    absent: empty  # review: the server leaves an empty list out"
    yield "    sensitivity: internal"
    yield f"    schema: {_flow({**schema, 'uniqueItems': True})}{f'  # review: {notes}' if notes else ''}"


def _sensitivity(name: str, values: Sequence[JSON]) -> tuple[str, str]:
    if _SECRET.search(name):
        return "secret", "guessed by its name"
    if _PERSONAL.search(name):
        return "pii", "guessed by its name"
    if any(_looks_personal(value) for value in values):
        return "pii", "guessed by its values"
    return "internal", ""


def _looks_personal(value: JSON) -> bool:
    if isinstance(value, str):
        return bool(_EMAIL.fullmatch(value) or _PHONE.fullmatch(value))
    if isinstance(value, list):
        return any(map(_looks_personal, value))
    if isinstance(value, dict):
        return any(_PERSONAL.search(name) or _looks_personal(inner) for name, inner in value.items())
    return False


def _schema(name: str, values: Sequence[JSON], *, hidden: bool) -> Guess:
    """A schema that permits all values, and what a person has to look at."""
    kinds = {_kind(value) for value in values}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) > 1:
        most = max(sorted(kinds), key=lambda kind: sum(_kind(value) == kind for value in values))
        schema, _ = _schema(name, [value for value in values if _kind(value) == most], hidden=hidden)
        return schema, f"seen as {', '.join(sorted(kinds))}; a claim has one type"
    (kind,) = kinds
    numbers = [value for value in values if isinstance(value, (int, float))]
    guesses: dict[str, Callable[[], Guess]] = {
        "boolean": lambda: ({"type": "boolean"}, ""),
        "integer": lambda: _number(kind, numbers),
        "number": lambda: _number(kind, numbers),
        "string": lambda: _string(name, [value for value in values if isinstance(value, str)], hidden=hidden),
        "array": lambda: _array(name, [value for value in values if isinstance(value, list)], hidden=hidden),
        "object": lambda: _object([value for value in values if isinstance(value, dict)], hidden=hidden),
        "null": lambda: (_ANYTHING, "only null was seen, which no contract permits"),
    }
    return guesses[kind]()


def _kind(value: JSON) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    names: dict[type, str] = {float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _number(kind: str, values: Sequence[int | float]) -> Guess:
    return {"type": kind, "minimum": min(0, *values), "maximum": max(values)}, "the limits are those that were seen"


def _string(name: str, values: Sequence[str], *, hidden: bool) -> Guess:
    if values and all(_EMAIL.fullmatch(value) for value in values):
        return {"type": "string", "format": "email", "maxLength": 254}, ""
    distinct = sorted(set(values))
    few = len(distinct) <= _MOST_CHOICES and len(values) >= 2 * len(distinct) and not _IDENTIFIER.search(name)
    if few and not hidden and all(_WORD.fullmatch(value) for value in distinct):
        return {"enum": [*distinct]}, "the choices are those that were seen"
    length = 16
    while length < max(map(len, values), default=0):
        length *= 2
    return {"type": "string", "maxLength": length}, ""


def _array(name: str, values: Sequence[list[JSON]], *, hidden: bool) -> Guess:
    items = [item for value in values for item in value]
    longest = max(map(len, values))
    if not items:
        return {
            "type": "array",
            "items": {"type": "string", "maxLength": 64},
            "maxItems": 16,
        }, "only empty lists were seen"
    inner, notes = _schema(name, items, hidden=hidden)
    words = {item for item in items if isinstance(item, str)}
    if not hidden and len(words) <= _MOST_CHOICES and all(isinstance(i, str) and _WORD.fullmatch(i) for i in items):
        inner, notes = {"enum": [*sorted(words)]}, "the choices are those that were seen"
    schema: dict[str, JSON] = {"type": "array", "items": inner, "maxItems": max(longest, 1)}
    written = [[json.dumps(item, sort_keys=True) for item in value] for value in values]
    if all(len(set(text)) == len(text) for text in written):
        schema["uniqueItems"] = True
        if "enum" in inner:
            schema["maxItems"] = max(longest, len(words))
    return schema, notes


def _object(values: Sequence[dict[str, JSON]], *, hidden: bool) -> Guess:
    names = sorted({name for value in values for name in value})
    if not names:
        return {
            "type": "object",
            "properties": {"unknown": {"type": "string", "maxLength": 64}},
        }, "only empty objects were seen"
    notes = []
    properties: dict[str, JSON] = {}
    for name in names:
        inner, note = _schema(name, [value[name] for value in values if name in value], hidden=hidden)
        properties[name] = inner
        if note:
            notes.append(f"{name}: {note}")
    required: list[JSON] = [name for name in names if all(name in value for value in values)]
    if _are_data(names, values):
        notes.insert(0, "the member names look like data: each new one would need a new version of the contract")
    return {"type": "object", "properties": properties, "required": required}, "; ".join(notes)


def _are_data(names: Sequence[str], values: Sequence[dict[str, JSON]]) -> bool:
    """Whether an object looks like a map: its members are of one kind, and other ones in other samples."""
    kinds = {_kind(member) for value in values for member in value.values()}
    differ = any(value.keys() != values[0].keys() for value in values)
    odd = any(not _PLAIN.fullmatch(name) or _IDENTIFIER.search(name) for name in names)
    return len(kinds) == 1 and ((differ and not any({*names} == value.keys() for value in values)) or (odd and differ))


def _flow(value: Any) -> str:
    """The value as YAML on one line: plain words as they are, anything else as JSON, so that none is misread."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _MISREAD:
        return value
    return json.dumps(value, ensure_ascii=False)
