"""What the source of policies shows about the shape of a decision, without OPA: may it hold obligations?

The answer errs to one side: what is not plainly a boolean, or an object whose keys are spelled out, may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|#[^\n]*|[A-Za-z_][A-Za-z0-9_]*|:=|[\n{}\[\]()]|[^\s]',
    re.ASCII,
)
_BRACKETS = {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}
_BODY = frozenset({"\n", "if", "{", ""})
_WORD = b"obligation"
_ESCAPE = b"\\u"


def may_oblige(files: Mapping[str, bytes], decision_path: str) -> bool:
    """Whether a decision of these policies may hold obligations.

    files: policy files and base documents, by name; decision_path: `package/path/rule`. False only where every head of
    the rule plainly gives a boolean, or an object without that member.
    """
    if any(_WORD in content.lower() or _ESCAPE in content for content in files.values()):
        return True
    *package, rule = decision_path.split("/")
    heads = 0
    for name, content in files.items():
        if not name.endswith(".rego"):
            continue
        tokens = _tokens(content.decode("utf-8", errors="replace"))
        place = _package(tokens)
        if place is None or _defines_within(place, [*package, rule]):
            return True
        if place != package:
            continue
        found = list(_heads(tokens, rule))
        if not all(found):
            return True
        heads += len(found)
    return heads == 0


def _defines_within(place: list[str], decision: list[str]) -> bool:
    """Whether a file of another package may define the decision or a part of it."""
    package = decision[:-1]
    return place != package and (place[: len(decision)] == decision or package[: len(place)] == place)


def _tokens(text: str) -> list[str]:
    """The tokens of a module without comments; line breaks are tokens."""
    return [part for part in _TOKEN.findall(text) if not part.startswith("#")]


def _package(tokens: list[str]) -> list[str] | None:
    """The path of the package; None where it is not plainly written."""
    if "package" not in tokens:
        return None
    start = tokens.index("package") + 1
    end = tokens.index("\n", start) if "\n" in tokens[start:] else len(tokens)
    parts = tokens[start:end]
    plain = all(one.isidentifier() if number % 2 == 0 else one == "." for number, one in enumerate(parts))
    return parts[::2] if parts and plain else None


def _heads(tokens: list[str], rule: str) -> Iterator[bool]:
    """For each place outside of bodies that names the rule: whether it plainly gives a value without obligations."""
    depth = 0
    for at, part in enumerate(tokens):
        depth += _BRACKETS.get(part, 0)
        if part == "$" or (depth == 0 and part == "else"):
            # A template string holds expressions, which are not distinguished here.
            yield False
        elif depth == 0 and part == rule:
            yield _starts_rule(tokens, at) and _plain_value(tokens, at + 1)


def _starts_rule(tokens: list[str], at: int) -> bool:
    before = tokens[at - 1] if at else "\n"
    return before == "\n" or (before == "default" and at > 1 and tokens[at - 2] == "\n")


def _plain_value(tokens: list[str], at: int) -> bool:
    """Whether a head goes on with a body at once, a boolean, or an object whose keys are strings."""
    rest = [*tokens[at:], ""]
    if rest[0] in _BODY:
        return True
    if rest[0] not in (":=", "="):
        return False
    if rest[1] in ("true", "false"):
        return rest[2] in _BODY
    end = _end_of_object(rest) if rest[1] == "{" else 0
    return bool(end) and rest[end] in _BODY and _keys_spelled(rest[2 : end - 1])


def _end_of_object(rest: list[str]) -> int:
    """The place after the object that begins at 1; 0 where it does not end."""
    depth = 0
    for at, part in enumerate(rest[1:], start=1):
        depth += _BRACKETS.get(part, 0)
        if depth == 0:
            return at + 1
    return 0


def _keys_spelled(members: list[str]) -> bool:
    """Whether every member begins with a string and a colon, at the outer level, and there is no comprehension."""
    depth, expected = 0, True
    inner = [part for part in members if part != "\n"]
    for at, part in enumerate(inner):
        if depth == 0 and expected:
            if not part.startswith(('"', "`")) or inner[at + 1 : at + 2] != [":"]:
                return False
            expected = False
        elif depth == 0 and part in ("|", ","):
            expected = part == ","
            if not expected:
                return False
        depth += _BRACKETS.get(part, 0)
    return bool(inner)
