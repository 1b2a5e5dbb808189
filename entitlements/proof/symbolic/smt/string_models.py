"""Strings for a model: constants where the solver names one, else fresh ones that conform and that no policy knows."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence

import rstr

from entitlements.contract import conforms
from entitlements.proof.enumeration.values import sample_strings
from entitlements.proof.symbolic.smt.encoder import Query

_TRIES = 60


class NoString(Exception):
    """No text was found that conforms to everything that is demanded of it."""


def find_strings(query: Query, coded: Mapping[str, int], rules: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """A string for each variable encoded as an integer; equal integers of variables that may be equal get equal
    strings.

    rules: what each variable has to conform to. Raises NoString.
    """
    together: dict[tuple[int, int], list[str]] = {}
    found: dict[str, str] = {}
    for name, code in coded.items():
        if code in query.codes:
            found[name] = query.codes[code]
        else:
            together.setdefault((query.groups[name], code), []).append(name)
    taken = set(query.codes.values())
    for names in together.values():
        demanded = list(dict.fromkeys(rule for name in names for rule in rules.get(name, ())))
        string = fresh_string(demanded, taken)
        taken.add(string)
        found |= dict.fromkeys(names, string)
    return found


def fresh_string(rules: Sequence[str], taken: set[str]) -> str:
    """A string that conforms to all rules and is none of those that are taken. Raises NoString."""
    schemas = [json.loads(rule) for rule in rules]
    for string in _candidates(schemas):
        if string not in taken and all(conforms(schema, string) for schema in schemas):
            return string
    raise NoString


def _candidates(schemas: Sequence[Mapping[str, object]]) -> Iterator[str]:
    for schema in schemas:
        yield from sample_strings(schema)
    for schema in schemas:
        if "pattern" in schema:
            yield from _matching(str(schema["pattern"]))
    for number in itertools.count(1):
        if number > _TRIES:
            return
        yield f"fresh-{number}"
        yield f"x{number}"
        yield "y" * number


def _matching(pattern: str) -> Iterator[str]:
    generator = rstr.Rstr(random.Random(pattern))  # noqa: S311 - samples, no secrets
    try:
        re.compile(pattern)
        for _ in range(_TRIES):
            yield generator.xeger(pattern)
    except (re.error, ValueError, KeyError, IndexError, OverflowError):
        return
