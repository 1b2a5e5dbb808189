"""Lists of a point made as long as the solver has them, with elements that no reading tells from those that are there.

Assumes: a point with the elements that were looked at, and the same point at its full lengths. Guarantees: nothing; the
relation and OPA judge the point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from entitlements.contract import conforms
from entitlements.model import same_json
from entitlements.proof.scenario import Scenario
from entitlements.proof.symbolic.inputs.pairing import Pairing, Partners

_NAMES = 200
"""How many names are tried as elements that no policy knows."""


def lengthened(pairing: Pairing, short: Scenario, whole: Scenario) -> Scenario:
    """The point at its full lengths. Lists of two tokens that hang together get the same further elements."""
    claims = dict(whole.before.claims), dict(whole.after.claims)
    for partners in pairing.partners:
        names = partners.claims
        lists = [_at(token.claims.get(name), partners.path) for token, name in zip(_tokens(short), names, strict=True)]
        longest = [
            _at(token.claims.get(name), partners.path) for token, name in zip(_tokens(whole), names, strict=True)
        ]
        if not all(isinstance(one, list) for one in (*lists, *longest)):
            continue
        more = [len(long) - len(one) for one, long in zip(lists, longest, strict=True)]
        for side, found in enumerate(_longer(partners, lists, more)):
            claims[side][names[side]] = _with(claims[side][names[side]], partners.path, found)
    before, after = (replace(token, claims=held) for token, held in zip(_tokens(whole), claims, strict=True))
    return replace(whole, before=before, after=after)


def _tokens(scenario: Scenario) -> tuple[Any, Any]:
    return scenario.before, scenario.after


def _longer(partners: Partners, lists: Sequence[list[Any]], more: Sequence[int]) -> Iterator[list[Any]]:
    """Both lists with so many elements more, of those that both hold, or of new ones."""
    unique = any(schema.get("uniqueItems") for schema in partners.schemas)
    shared = [] if unique else [one for one in lists[1] if any(same_json(one, other) for other in lists[0])]
    further = shared[:1] * max(more) if shared else [*_new(partners, lists, max(more))]
    for one, number in zip(lists, more, strict=True):
        yield [*one, *further[:number]]


def _new(partners: Partners, lists: Sequence[list[Any]], number: int) -> Iterator[str]:
    """Strings that both contracts permit and neither list holds."""
    found = 0
    for place in range(_NAMES + number):
        name = f"x{place}"
        permitted = all(conforms(schema["items"], name) for schema in partners.schemas)
        if found < number and permitted and not any(name in one for one in lists):
            found += 1
            yield name


def _at(document: Any, path: Sequence[str]) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _with(document: Any, path: Sequence[str], found: list[Any]) -> Any:
    return found if not path else {**document, path[0]: _with(document[path[0]], path[1:], found)}
