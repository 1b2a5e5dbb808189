"""Values worth trying for a schema: every permitted one where they are few, else those at which a policy could turn.

Boundaries of ranges and lengths, every constant that stands in a policy or its data and the numbers beside it, values
that other claims and properties may hold too (so that equal and unequal both occur), and fresh values that stand in no
policy.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rstr

from entitlements.contract import alternatives, conforms, is_map, parts
from entitlements.model import JSON, same_json
from entitlements.proof.enumeration.covering_rows import pairwise

_MANY = 24
_FEW = 6
_SHORT_RANGE = 12
_SAMPLES_A_STRING = 3
_SAMPLES = {
    "email": ["a@example.com", "b@example.org"],
    "uri": ["https://a.example.com/", "https://b.example.org/x"],
    "date": ["2026-01-01", "2026-12-31"],
    "date-time": ["2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z"],
    "uuid": ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"],
    "ipv4": ["192.0.2.1", "198.51.100.7"],
    "ipv6": ["2001:db8::1", "2001:db8::2"],
    "hostname": ["a.example.com", "b.example.org"],
}


@dataclass(frozen=True)
class Pool:
    """Scalars that may stand anywhere: constants of the policies, and samples of every string schema."""

    strings: tuple[str, ...]
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, constants: Iterable[JSON], schemas: Sequence[Mapping[str, Any]]) -> Pool:
        """The pool of these constants and of everything that the schemas name or imply."""
        strings = {value for value in constants if isinstance(value, str)}
        numbers = {value for value in constants if isinstance(value, (int, float)) and not isinstance(value, bool)}
        for schema in schemas:
            for inner in _inner(schema):
                strings |= set(sample_strings(inner)) | {v for v in _finite_domain(inner) if isinstance(v, str)}
                numbers |= set(_bounds(inner))
        return cls(tuple(sorted(strings)), tuple(sorted(numbers)))


def _inner(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from alternatives(schema)
    if is_map(schema):
        yield {"type": "string", **schema["propertyNames"]}
    for inner in parts(schema):
        yield from _inner(inner)


def _finite_domain(schema: Mapping[str, Any]) -> list[Any]:
    return [*schema["enum"]] if "enum" in schema else [schema["const"]] if "const" in schema else []


def _bounds(schema: Mapping[str, Any]) -> Iterator[float]:
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if keyword in schema:
            yield schema[keyword]


def sample_strings(schema: Mapping[str, Any]) -> list[str]:
    """Two strings of a string schema, equal for equal schemas; none for others."""
    if schema.get("type") != "string" or _finite_domain(schema):
        return []
    candidates = [*_SAMPLES.get(schema.get("format", ""), [])]
    if "pattern" in schema:
        candidates += _of_pattern(schema["pattern"])
    short, long = schema.get("minLength", 1), schema.get("maxLength", 12)
    candidates += ["x" * max(short, 1), "y" * max(min(long, 12), 1), "x" * short, "z" * min(long, 300)]
    return [text for text in dict.fromkeys(candidates) if conforms(schema, text)][:_SAMPLES_A_STRING]


def _of_pattern(pattern: str) -> list[str]:
    generator = rstr.Rstr(random.Random(pattern))  # noqa: S311 - samples, no secrets
    try:
        re.compile(pattern)
        return sorted({generator.xeger(pattern) for _ in range(8)}, key=lambda text: (len(text), text))[:4]
    except (re.error, ValueError, KeyError, IndexError, OverflowError):
        return []


def values(schema: Mapping[str, Any], pool: Pool, *, limit: int = _MANY, ordered: bool = True) -> tuple[JSON, ...]:
    """Distinct permitted values of a schema, the plainest first, `limit` at most.

    ordered: whether the order of a list's items may matter; where not, one list represents all its orders.
    """
    found: list[JSON] = []
    for value in _candidates(schema, pool, limit, ordered):
        if len(found) >= limit:
            break
        if conforms(schema, value) and not any(same_json(value, other) for other in found):
            found.append(value)
    return tuple(found)


def listed(schema: Mapping[str, Any], *, limit: int = _MANY, ordered: bool = True) -> bool:
    """Whether `values` gives every permitted value of a schema (up to the order of lists, where that is said)."""
    number = _count(schema, ordered)
    return number is not None and number <= limit


def _count(schema: Mapping[str, Any], ordered: bool) -> int | None:
    """How many values there are at most, as `_candidates` lists them; None where they are not all listed."""
    if finite_domain := _finite_domain(schema):
        return len(finite_domain)
    forms = alternatives(schema)
    if len(forms) > 1:
        numbers = [_count(form, ordered) for form in forms]
        return None if None in numbers else sum(filter(None, numbers))
    kind = schema.get("type")
    if kind == "null":
        return 1
    if is_map(schema):
        return None
    if kind == "boolean":
        return 2
    if kind == "integer":
        return len(_range(schema)) or None
    if kind == "array":
        return _count_lists(schema, ordered)
    if kind == "object":
        return _count_objects(schema)
    return None


def _count_lists(schema: Mapping[str, Any], ordered: bool) -> int | None:
    number = _count(schema["items"], True)
    if number is None or number > _items_limit(schema) or schema["maxItems"] > _MANY:
        return None
    sizes = range(int(schema["maxItems"]) + 1)
    if not schema.get("uniqueItems"):
        return sum(int(number**size) for size in sizes)
    ways = math.perm if ordered else math.comb
    return sum(ways(number, size) for size in sizes)


def _count_objects(schema: Mapping[str, Any]) -> int | None:
    total = 1
    for name, inner in schema["properties"].items():
        number = _count(inner, True)
        if number is None or number > _FEW:
            return None
        total *= number + (name not in schema.get("required", ()))
    return total


def _items_limit(schema: Mapping[str, Any]) -> int:
    """How many different items are tried in a list."""
    return max(_FEW, len(_finite_domain(schema["items"])))


def _candidates(schema: Mapping[str, Any], pool: Pool, limit: int, ordered: bool) -> Iterator[Any]:
    finite_domain = _finite_domain(schema)
    kind = schema.get("type")
    forms = alternatives(schema)
    if finite_domain:
        yield from finite_domain
    elif len(forms) > 1:
        for form in forms:
            yield from values(form, pool, limit=limit, ordered=ordered)
    elif kind == "null":
        yield None
    elif is_map(schema):
        yield from _maps(schema, pool)
    elif kind == "boolean":
        yield from (False, True)
    elif kind in ("integer", "number"):
        yield from _numbers(schema, pool, whole=kind == "integer")
    elif kind == "string":
        # A fresh value first: one that no policy knows.
        yield from sample_strings(schema)
        yield from pool.strings
    elif kind == "array":
        yield from _lists(schema, pool, limit, ordered)
    elif kind == "object":
        yield from _objects(schema, pool, limit)


def _range(schema: Mapping[str, Any]) -> range:
    """The whole numbers of a short closed range; none of any other."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None or high - low >= _SHORT_RANGE:
        return range(0)
    return range(math.ceil(low), math.floor(high) + 1)


def _numbers(schema: Mapping[str, Any], pool: Pool, *, whole: bool) -> Iterator[float]:
    step = schema.get("multipleOf", 1)
    ends = [*_bounds(schema)]
    yield from ends
    if whole:
        yield from _range(schema)
    yield from (end + sign * step for end in ends for sign in (1, -1))
    yield 0
    for number in pool.numbers:
        for near in (number, number + 1, number - 1):
            yield int(near) if whole and near == int(near) else near
    if not whole:
        # Between any two that someone names.
        known = sorted({*ends, *pool.numbers, 0})
        yield from ((low + high) / 2 for low, high in itertools.pairwise(known))
        yield from (number + 0.5 for number in known)
    yield step


def _lists(schema: Mapping[str, Any], pool: Pool, limit: int, ordered: bool) -> Iterator[list[Any]]:
    items = values(schema["items"], pool, limit=_items_limit(schema))
    longest = min(schema.get("maxItems", len(items)), len(items))
    yield []
    yield from ([item] for item in items)
    yield [*items[:longest]]
    for size in range(2, longest + 1):
        yield from (list(chosen) for chosen in itertools.islice(itertools.combinations(items, size), limit))
    if not schema.get("uniqueItems") and items:
        yield [items[0]] * min(max(2, schema.get("minItems", 2)), schema.get("maxItems", 2))
        if listed(schema, limit=limit, ordered=ordered):
            for size in range(2, schema["maxItems"] + 1):
                yield from (list(chosen) for chosen in itertools.product(items, repeat=size))
    elif ordered:
        for size in range(2, longest + 1):
            yield from (list(chosen) for chosen in itertools.islice(itertools.permutations(items, size), limit))


def _maps(schema: Mapping[str, Any], pool: Pool) -> Iterator[dict[str, Any]]:
    """Some maps, never all: none, one and two of the names that are known to be permitted."""
    names = [str(name) for name in values({"type": "string", **schema["propertyNames"]}, pool, limit=_FEW)]
    held = values(schema["additionalProperties"], pool, limit=_FEW)
    yield {}
    yield from ({name: value} for name in names for value in held)
    yield from ({one: value, other: value} for one, other in itertools.pairwise(names) for value in held)


def _objects(schema: Mapping[str, Any], pool: Pool, limit: int) -> Iterator[dict[str, Any]]:
    required = schema.get("required", ())
    choices: dict[str, tuple[Any, ...]] = {}
    for name, inner in schema["properties"].items():
        present: tuple[Any, ...] = tuple((value,) for value in values(inner, pool, limit=_FEW))
        choices[name] = present if name in required else (*present, ())
    full = 1
    for choice in choices.values():
        full *= max(len(choice), 1)
    if full <= limit:
        for chosen in itertools.product(*choices.values()):
            yield _assembled(choices, chosen)
        return
    for row in pairwise([len(choice) for choice in choices.values()]):
        yield _assembled(choices, [choice[index] for choice, index in zip(choices.values(), row, strict=True)])


def _assembled(names: Iterable[str], chosen: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    return {name: value[0] for name, value in zip(names, chosen, strict=True) if value}
