"""The challenge by which an API asks its client for a stronger sign-in (RFC 9470 section 3).

The obligation is the policy's; what is written here is only its form in a header. What a header cannot hold as it is,
is left out: nothing a policy says ends a string early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from entitlements.model import JSON

STEP_UP = "step_up"
# What a quoted string holds without escapes (RFC 9110 section 5.6.4), without whitespace: values are joined by it.
_VALUE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")
_MAX_VALUES = 16
_MAX_AGE = 2**31


def step_up_challenge(obligations: Iterable[Mapping[str, JSON]], scheme: str) -> str:
    """The value of `WWW-Authenticate`; empty where no obligation asks for a stronger sign-in.

    obligations: `acr_values` (a string of words or a list), `acr_value` and `max_age` in one with the id `step_up`, or
    in its `properties`; scheme: by which the token was sent.
    """
    asked = [obligation for obligation in obligations if obligation.get("id") == STEP_UP]
    if not asked:
        return ""
    members = [part for obligation in asked for part in (obligation, obligation.get("properties"))]
    found = [part for part in members if isinstance(part, dict | Mapping)]
    parameters = [
        'error="insufficient_user_authentication"',
        'error_description="a stronger or more recent sign-in is needed"',
    ]
    values = [*dict.fromkeys(value for part in found for value in _acr_values(part))][:_MAX_VALUES]
    if values:
        parameters.append(f'acr_values="{" ".join(values)}"')
    ages = [*_max_ages(found)]
    if ages:
        parameters.append(f'max_age="{min(ages)}"')
    return f'{scheme} realm="entitlements", {", ".join(parameters)}'


def _acr_values(part: Mapping[str, JSON]) -> Iterator[str]:
    """The authentication contexts that are named, the preferred one first."""
    for name in ("acr_values", "acr_value"):
        said = part.get(name)
        named: Sequence[JSON] = said.split(" ") if isinstance(said, str) else said if isinstance(said, list) else ()
        values = [value for value in named if isinstance(value, str) and _VALUE.fullmatch(value)]
        # All or none: a part of what was asked for could be the weaker one.
        yield from values if len(values) == len(named) else ()


def _max_ages(parts: Iterable[Mapping[str, JSON]]) -> Iterator[int]:
    for part in parts:
        age = part.get("max_age")
        if isinstance(age, int) and not isinstance(age, bool) and 0 <= age < _MAX_AGE:
            yield age
