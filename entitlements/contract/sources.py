"""Where a claim stands in a token and how it is read: `source`, `as`, `ignore_items`, `absent` and `overage`.

Each is an exact function of the token: what has not exactly the expected shape is a violation, nothing is guessed. What
policies, schemas and proofs speak of is the claim after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from entitlements.contract import schema_subset
from entitlements.model import JSON

Place = tuple[str | int, ...]
MEMBERS = ("source", "introspection_source", "as", "ignore_items", "absent", "overage")


@dataclass(frozen=True, slots=True)
class Extraction:
    """How a claim is made of what a token says. The defaults: it stands under its own name, as it is.

    source: names from the top of the token down, empty for the claim's own; introspection_source: the same in an
    introspection answer, empty where it is `source`;
    words: a string is split at single spaces; member: of a list of objects, this member of each;
    as_set: one string counts as a list of it, and repetitions fall together;
    ignored: items that are left out; empty_if_absent: a token without it has an empty list;
    overage: claims that say that this one stands elsewhere.
    """

    source: tuple[str, ...] = ()
    introspection_source: tuple[str, ...] = ()
    words: bool = False
    member: str = ""
    as_set: bool = False
    ignored: tuple[str, ...] = ()
    empty_if_absent: bool = False
    overage: tuple[str, ...] = ()

    def path(self, name: str, *, introspected: bool = False) -> tuple[str, ...]:
        """Where the claim of this name stands."""
        return (self.introspection_source if introspected else ()) or self.source or (name,)

    def canonical(self) -> dict[str, JSON]:
        """What the digest of a contract covers of it; nothing where it is the default."""
        steps: list[JSON] = [*(["words"] if self.words else []), *(["set"] if self.as_set else [])]
        if self.member:
            steps.insert(0, {"member": self.member})
        found: dict[str, JSON] = {
            "source": [*self.source],
            "introspection_source": [*self.introspection_source],
            "as": steps,
            "ignore_items": [*self.ignored],
            "absent": "empty" if self.empty_if_absent else "",
            "overage": [*self.overage],
        }
        return {name: value for name, value in found.items() if value}


PLAIN = Extraction()


def extraction(name: str, claim: Mapping[str, Any]) -> Extraction:
    """The extraction of a checked claim. A source that is the claim's own name is none."""
    steps = _steps(claim["as"])
    own = claim["source"] or [name]
    other = claim["introspection_source"] or own
    return Extraction(
        source=() if own == [name] else tuple(own),
        introspection_source=() if other == own else tuple(other),
        words="words" in steps,
        member=next((step["member"] for step in steps if isinstance(step, dict)), ""),
        as_set="set" in steps,
        ignored=tuple(sorted(claim["ignore_items"])),
        empty_if_absent=claim["absent"] == "empty",
        overage=tuple(sorted(claim["overage"])),
    )


def _steps(written: Any) -> list[Any]:
    return [] if written is None else written if isinstance(written, list) else [written]


def source_faults(claims: Mapping[str, Any], built_in: frozenset[str]) -> Iterator[tuple[Place, str]]:
    """What is wrong with how claims of the right shape are read. built_in: registered claims."""
    for name, claim in claims.items():
        yield from _claim_faults(name, claim, built_in)


def _claim_faults(name: str, claim: Mapping[str, Any], built_in: frozenset[str]) -> Iterator[tuple[Place, str]]:
    place: Place = ("claims", name)
    given = [member for member in MEMBERS if claim[member]]
    if name in built_in:
        for member in given:
            yield (*place, member), f"`{name}` is built in and stands where the token's profile says"
        return
    for member in ("source", "introspection_source"):
        path = claim[member]
        if path is not None and not 1 <= len(path) <= 8:
            yield (*place, member), "is a list of one to eight names, from the top of the token down"
        elif path and path[0] in built_in:
            yield (*place, member), f"`{path[0]}` is built in and cannot be read under another name"
    yield from _step_faults(claim["as"], (*place, "as"))
    yield from _list_faults(claim, place)
    if claim["absent"] and claim["overage"]:
        yield (*place, "absent"), "a claim that may stand elsewhere is unknown where it is absent, never empty"


def _step_faults(written: Any, place: Place) -> Iterator[tuple[Place, str]]:
    steps = _steps(written)
    kinds = ["member" if isinstance(step, dict) else step for step in steps]
    for step in steps:
        member = step.get("member") if isinstance(step, dict) and {*step} == {"member"} else None
        if step not in ("set", "words") and not (isinstance(member, str) and 0 < len(member) <= 128):
            yield place, "is `set`, `words`, `{member: NAME}` or a list of them"
            return
    if kinds not in ([], ["set"], ["words"], ["member"], ["words", "set"], ["member", "set"]) or written == []:
        yield place, "is one of `words` and `{member: NAME}`, or `set`, or one of the former and then `set`"


def _list_faults(claim: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    """What makes or thins out a list needs the schema of one that its results fit."""
    made = [member for member in ("as", "ignore_items", "absent") if claim[member]]
    schema = claim["schema"]
    if not made or not isinstance(schema, dict):
        return
    if schema.get("type") != "array":
        yield (*place, made[0]), "makes a list, so the schema has to be of the type `array`"
        return
    if "set" in _steps(claim["as"]) and schema.get("uniqueItems") is not True:
        yield (*place, "as"), "a set holds nothing twice, so the schema says `uniqueItems: true`"
    if claim["absent"] and schema.get("minItems", 0) != 0:
        yield (*place, "absent"), "an empty list is not permitted by `minItems`"
    if claim["absent"] and claim["required"]:
        yield (*place, "absent"), "a required claim is never absent: leave `required` or `absent` out"
    items = schema.get("items")
    if isinstance(items, dict) and not any(schema_subset.faults(items, ())):
        yield from _item_faults(claim, items, place)


def _item_faults(claim: Mapping[str, Any], items: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    validator = schema_subset.compile_validator(items)
    for index, item in enumerate(claim["ignore_items"]):
        if validator.is_valid(item):
            yield (*place, "ignore_items", index), f"`{item}` is permitted by the schema: leave it out of one of both"
    listed = items.get("enum", []) if "words" in _steps(claim["as"]) else []
    if any(not isinstance(item, str) or not item or " " in item for item in listed):
        yield (*place, "as"), "`words` makes strings without spaces, so `items` cannot permit others"
