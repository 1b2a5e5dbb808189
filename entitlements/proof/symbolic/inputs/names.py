"""What the variables of inputs are named after: no two parts of any inputs share a name."""

from __future__ import annotations

import json
import re

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_OF_REQUEST = re.compile(r"(resource|action|context)[.[]|context$")


def part_name(name: str) -> str:
    """A name as a part of names of variables: no two paths of names give the same one."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name)


def claim_name(name: str) -> str:
    """What the variables of a claim are named after: never what those of the request or of scopes are."""
    taken = name.startswith(("resource", "action", "context", "scope"))
    return json.dumps(name) if taken else part_name(name)


def of_request(source_list: str) -> bool:
    """Whether a list is part of the request, which is the same on both sides."""
    return _OF_REQUEST.match(source_list) is not None
