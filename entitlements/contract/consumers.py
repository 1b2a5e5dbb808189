"""`consumers` of a contract: who relies on which claims, in which kinds of token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from entitlements.contract.document import ALWAYS_DECLARED, Consumer
from entitlements.model import JSON

Place = tuple[str | int, ...]


def consumers(document: Mapping[str, Any]) -> tuple[Consumer, ...]:
    """The consumers that a checked document names."""
    return tuple(
        Consumer(
            item["name"],
            item["kind"],
            tuple(sorted(item["relies_on"])),
            item["strict"],
            tuple(sorted(item["tokens"] or ())),
        )
        for item in document["consumers"]
    )


def consumer_faults(document: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong with the consumers of a document whose shape is right."""
    names = [consumer["name"] for consumer in document["consumers"]]
    for index, consumer in enumerate(document["consumers"]):
        if consumer["name"] in names[:index]:
            yield ("consumers", index, "name"), f"the consumer `{consumer['name']}` stands twice"
        if consumer["tokens"] == []:
            yield ("consumers", index, "tokens"), "a consumer reads one kind of token or more"
        for position, name in enumerate(consumer["relies_on"]):
            if name not in document["claims"] and name not in ALWAYS_DECLARED:
                yield ("consumers", index, "relies_on", position), f"the claim `{name}` is not declared"


def canonical_consumers(document: Mapping[str, Any]) -> list[JSON]:
    """What the digest covers of them; `tokens` only where it is said, so that digests of before stay as they were."""
    return [_canonical(item) for item in sorted(document["consumers"], key=lambda item: str(item["name"]))]


def _canonical(item: Mapping[str, Any]) -> dict[str, JSON]:
    others = {name: value for name, value in item.items() if name != "tokens"}
    told = {"tokens": sorted(item["tokens"])} if item["tokens"] else {}
    return {**others, "relies_on": sorted(item["relies_on"]), **told}
