"""OPA's plan of a policy and the base documents beside it, as `opa build -t plan` writes them."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any

from entitlements.engine.spelling import read_decimal, read_integer


@dataclass(frozen=True)
class BuiltPlan:
    """The plan document, the base documents (numbers exact), and the entry point's name."""

    plan: dict[str, Any]
    data: Any
    entrypoint: str


def read_bundle(archive: bytes, decision_path: str) -> BuiltPlan:
    """The plan of one rule in the bundle that OPA wrote for it."""
    members = _members(archive)
    data = json.loads(members["data.json"], parse_float=read_decimal, parse_int=read_integer)
    return BuiltPlan(json.loads(members["plan.json"]), data, decision_path)


def _members(archive: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as bundle:
        for member in bundle.getmembers():
            file = bundle.extractfile(member)
            if file is not None:
                found[member.name.lstrip("/")] = file.read()
    return found
