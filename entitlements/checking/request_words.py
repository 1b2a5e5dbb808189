"""Which requests a witness represents, in words: all that an approval of it accepts, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from entitlements.proof.requests import ANY, IS, PERHAPS, Asked, Label, RequestKind
from entitlements.proof.symbolic.terms.string_terms import (
    GLOB,
    HAS_SEGMENT,
    INFIX,
    MATCHES,
    PREFIX,
    SEGMENT,
    SUFFIX,
)

_IT: Final = {"action.name": "it", "resource.type": "it"}
_BOTH: Final = {"action.name": "the action", "resource.type": "the type"}


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Words one after the other, the last one after `and` or `or`."""
    return ", ".join(parts[:-1]) + f" {word} {parts[-1]}" if len(parts) > 1 else "".join(parts)


def code(value: str) -> str:
    """A name as it stands in a request."""
    return f"`{value}`"


def requests_in_words(kinds: Sequence[RequestKind]) -> str:
    """What is done, as it follows `may now`: each kind of request, those of one type of resource together."""
    groups: dict[tuple[Label, tuple[Asked, ...]], list[Label]] = {}
    for kind in kinds:
        groups.setdefault((_told(kind.type), kind.both), []).append(kind.action)
    return ", or ".join(_of_type(actions, of, both) for (of, both), actions in groups.items())


def _told(label: Label) -> Label:
    """A label that is equal to every other one of the same names: of any, an example says nothing."""
    return replace(label, example="") if label.how == ANY else label


def _of_type(actions: Sequence[Label], of: Label, both: Sequence[Asked]) -> str:
    where = f", any two that the policies read alike{_so(both, _BOTH)}" if both else ""
    if all(action.how == IS for action in actions):
        return f"{listed([code(one.example) for one in actions], 'or')} {_type(of)}{where}"
    return f"take {listed([_label(one, 'action') for one in actions], 'or')} on {_type(of)}{where}"


def a_resource(of: str) -> str:
    """A resource of a type, with its article."""
    return f"{'an' if of[:1] in tuple('aeiou') else 'a'} {code(of)}"


def _type(of: Label) -> str:
    return a_resource(of.example) if of.how == IS else f"a resource of {_label(of, 'type')}"


def _label(label: Label, what: str) -> str:
    """The names that a label represents."""
    if label.how == IS:
        return f"the {what} {code(label.example)}" if what == "type" else code(label.example)
    if label.how == ANY:
        return f"any of the {what}s {listed([*map(code, label.names)])}" if label.names else f"any {what}"
    such = f"{'an' if what == 'action' else 'a'} {what} such as {code(label.example)}"
    if label.how == PERHAPS:
        return f"{such} (perhaps any, as it was not found out which)"
    if label.asked:
        return f"{such} (any that the policies read alike{_so(label.asked, _IT)})"
    return f"{such} (any{f' but {listed([*map(code, label.names)])}' if label.names else ''})"


def _so(asked: Sequence[Asked], names: Mapping[str, str]) -> str:
    """What makes names alike, as far as there are words for it: the fingerprint names every condition."""
    true = (_condition(json.loads(condition), names) for condition, holds in asked if holds)
    told = [one for one in true if one]
    return f": {listed(told)}" if told else ""


_PREDICATES: Final[Mapping[str, Callable[[str], str]]] = {
    PREFIX: lambda parameter: f"starts with {code(parameter)}",
    SUFFIX: lambda parameter: f"ends with {code(parameter)}",
    INFIX: lambda parameter: f"contains {code(parameter)}",
    MATCHES: lambda parameter: f"matches {code(parameter)}",
    GLOB: lambda parameter: f"matches the glob {code(json.loads(parameter)[0])}",
    HAS_SEGMENT: lambda parameter: "has the segment `{1}` at `{0}`".format(*json.loads(parameter)),
}


def _condition(term: Any, names: Mapping[str, str]) -> str:
    """A condition that policies ask of a name; empty where there are no words for it."""
    match term:
        case ["on_text", str(predicate), str(parameter), ["var", str(name)]] if predicate in _PREDICATES:
            return f"{names.get(name, name)} {_PREDICATES[predicate](parameter)}"
        case ["=", ["const", str(value)], ["part", str(how), str(at), ["var", str(name)]]] if how == SEGMENT:
            return f"{names.get(name, name)} has {code(value)} as segment {_at(at)}"
        case ["=", ["var", str(name)], ["var", str(other)]]:
            return f"{names.get(name, name)} is the same as {names.get(other, other)}"
    return ""


def _at(parameter: str) -> str:
    delimiter, place = json.loads(parameter)
    return f"{int(place) + 1} at {code(delimiter)}"
