"""What an answer rests on, so that someone else can find it out again: digests, versions and assumptions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from entitlements.model import JSON

ASSUMPTIONS = (
    "the contract describes every token: the service refuses or strips whatever else a token holds",
    "a principal's tokens before and after the change are related as docs/proof.md says",
    "OPA evaluates a policy as its own plan of it says, in strict mode of built-in errors",
    "texts hold no character beyond U+2FFFF that a policy tells from others",
)


@dataclass(frozen=True)
class Evidence:
    """plans, data: digests of OPA's plan and of the base documents, before and after; versions: of what was used;
    seconds: how long it took.
    """

    plans: tuple[str, str]
    data: tuple[str, str]
    versions: Mapping[str, str]
    seconds: float


def digest(document: Any) -> str:
    """`sha256:<hex>` of a JSON document, whatever the order of its members."""
    text = json.dumps(document, sort_keys=True, default=_number)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def text_digest(text: str) -> str:
    """`sha256:<hex>` of a string."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _number(value: Any) -> JSON:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    raise TypeError(type(value).__name__)
