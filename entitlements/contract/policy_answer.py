"""`policy.answer` of a contract: where in a policy's answer the decision, its reasons and its obligations stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape, Path
from entitlements.model import JSON

_PLACES = ("allow", "reasons", "obligations")


def answer_shape(document: Mapping[str, Any]) -> AnswerShape:
    """What a checked document says; the plain form where it says nothing."""
    said = document["policy"]["answer"]
    if said is None:
        return PLAIN_ANSWER
    allow, reasons, obligations = (None if said[name] is None else tuple(said[name]) for name in _PLACES)
    return AnswerShape(allow or (), reasons, obligations, frozenset(map(tuple, said["ignore"])), boolean=False)


def canonical_policy(document: Mapping[str, Any]) -> dict[str, JSON]:
    """What the digest of a contract covers of `policy`; of the answer only what is said."""
    policy = document["policy"]
    found: dict[str, JSON] = {"package": policy["package"], "rule": policy["rule"]}
    if (said := policy["answer"]) is not None:
        places = {name: list(said[name]) for name in _PLACES if said[name] is not None}
        found["answer"] = {**places, "ignore": sorted(said["ignore"])}
    return found


def answer_faults(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Places of which one is the other, or a part of it."""
    said = document["policy"]["answer"]
    if said is None:
        return
    paths = [tuple(said[name]) for name in _PLACES if said[name] is not None]
    if found := _overlap([*paths, *map(tuple, said["ignore"])]):
        one, other = (".".join(path) for path in found)
        text = f"`{one}` and `{other}` are one place or one within the other, name each member once"
        yield ("policy", "answer"), text


def _overlap(paths: Sequence[Path]) -> tuple[Path, Path] | None:
    """Two paths of which one is the other, or leads through it; None where there are none."""
    ordered = sorted(paths)
    for one, other in itertools.pairwise(ordered):
        if other[: len(one)] == one:
            return one, other
    return None
