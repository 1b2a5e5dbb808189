"""The claims of a verified token become those that a contract declares: read at their sources, normalised exactly."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from entitlements.contract.document import ClaimSpec, Contract
from entitlements.model import JSON, Violation


@dataclass(frozen=True, slots=True)
class Extracted:
    """present: the claims that are there, by their declared names, not yet held against their schemas;
    violations: of claims that cannot be read, which are not missing; unreadable: their names;
    used: the names at the top of the token that were read.
    """

    present: dict[str, JSON]
    violations: tuple[Violation, ...]
    unreadable: frozenset[str]
    used: frozenset[str]


class _Unreadable(Exception):
    """A claim is not exactly of the shape that its source and its normalisations expect."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.code)
        self.violation = violation


def extract(contract: Contract, held: Set[str], values: Mapping[str, JSON], *, introspected: bool) -> Extracted:
    """Read the claims of a contract.

    held: the claims that this token may hold; values: all that it says; introspected: whether it is an introspection
    answer.
    """
    present: dict[str, JSON] = {}
    violations: dict[str, Violation] = {}
    used = set()
    for name, spec in contract.claims.items():
        if name not in held:
            continue
        path = spec.extraction.path(name, introspected=introspected)
        used.add(path[0])
        try:
            found = _read(spec, path, values)
        except _Unreadable as unreadable:
            violations[name] = unreadable.violation
            continue
        if found is not None:
            present[name] = found.value
    return Extracted(present, tuple(violations.values()), frozenset(violations), frozenset(used))


@dataclass(frozen=True, slots=True)
class _Found:
    value: Any


def _read(spec: ClaimSpec, path: tuple[str, ...], values: Mapping[str, JSON]) -> _Found | None:
    for marker in spec.extraction.overage:
        if marker in values:
            text = f"is unknown: `{marker}` says that it is not in this token"
            raise _Unreadable(Violation("claim_elsewhere", spec.name, text))
    found: Any = values
    for depth, part in enumerate(path):
        if not isinstance(found, Mapping):
            raise _mismatch(spec.name, f"cannot be read: `{path[depth - 1]}` is not an object")
        if part not in found:
            return _Found([]) if spec.extraction.empty_if_absent else None
        found = found[part]
    return _Found(_normalised(spec, found))


def _mismatch(name: str, text: str) -> _Unreadable:
    return _Unreadable(Violation("type_mismatch", name, text))


def _normalised(spec: ClaimSpec, value: Any) -> Any:
    how = spec.extraction
    if how.words:
        value = _words(spec.name, value)
    if how.member:
        value = _members(spec.name, how.member, value)
    if how.as_set and isinstance(value, str):
        value = [value]
    if (how.as_set or how.ignored) and not isinstance(value, list):
        raise _mismatch(spec.name, f"is not an array{' or a string' if how.as_set else ''}")
    if how.ignored:
        value = [item for item in value if not (isinstance(item, str) and item in how.ignored)]
    return _once(value) if how.as_set else value


def _words(name: str, value: Any) -> list[str]:
    """A string split at single spaces, as scopes are (RFC 6749 section 3.3); an empty one has no word."""
    if not isinstance(value, str):
        raise _mismatch(name, "is not a string of words")
    words = value.split(" ") if value else []
    if any(not word for word in words):
        raise _Unreadable(Violation("pattern_mismatch", name, "is not words separated by single spaces"))
    return words


def _members(name: str, member: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(name, "is not an array of objects")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise _mismatch(f"{name}[{index}]", "is not an object")
        if member not in item:
            raise _Unreadable(Violation("member_missing", f"{name}[{index}]", f"lacks the member `{member}`"))
    return [item[member] for item in value]


def _once(items: list[Any]) -> list[Any]:
    """Each item at its first place only, equal as `same_json` has it."""
    found: dict[Any, Any] = {}
    for item in items:
        found.setdefault(_key(item), item)
    return [*found.values()]


def _key(item: Any) -> Any:
    """Equal for equal JSON values only; to Python `true` is 1."""
    if isinstance(item, bool):
        return ("boolean", item)
    if isinstance(item, list):
        return ("array", *map(_key, item))
    if isinstance(item, dict):
        return ("object", frozenset((name, _key(value)) for name, value in item.items()))
    return item


def placed(contract: Contract, claims: Mapping[str, JSON]) -> dict[str, JSON]:
    """Claims by their declared names as an access token of the contract holds them: the reverse of `extract`.

    For development tokens. Names that the contract does not declare stay where they are.
    """
    found: dict[str, JSON] = {}
    for name, value in claims.items():
        spec = contract.claims.get(name)
        path = spec.extraction.path(name) if spec else (name,)
        _put(found, path, value if spec is None else _denormalised(spec, value))
    return found


def _denormalised(spec: ClaimSpec, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if spec.extraction.words and all(isinstance(item, str) for item in value):
        return " ".join(value)
    return [{spec.extraction.member: item} for item in value] if spec.extraction.member else value


def _put(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for part in above:
        inner = target.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = target[part] = {}
        target = inner
    target[last] = value
