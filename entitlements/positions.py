"""YAML text becomes plain values with the line of every member. Only the JSON-like core of YAML is let through.

Refused with their line: duplicate keys, tags, anchors, aliases, merge keys, several documents, and plain scalars that
YAML 1.1 would turn into a boolean or a date behind the author's back (`yes`, `on`, `2026-01-01`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from entitlements.model import JSON

Path = tuple[str | int, ...]
_MAX_DEPTH = 24
_AMBIGUOUS = frozenset({"yes", "no", "on", "off", "y", "n"})
# A number as JSON spells it, and within what a double holds exactly (RFC 7493 section 2.2).
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# What other readers of YAML take for a number: `0o7`, `0x1F`, `1_0e3`.
_PERHAPS_A_NUMBER = re.compile(r"[-+]?(?:0[box][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]+)?)")
_MAX_NUMBER = 2**53 - 1


@dataclass
class Located:
    """A document's value, the line of each of its places, and the faults met while reading it."""

    value: JSON = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[tuple[int, Path, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a place, or of the nearest place around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def line_of(self, dotted: str) -> int:
        """The line of a place whose parts are joined by dots (which may stand in names too), or around it."""
        joined = {".".join(map(str, path)): path for path in self.lines}
        around = [path for name, path in joined.items() if name and f"{dotted}.".startswith(f"{name}.")]
        return self.line(max(around, key=len, default=()))


class _Composer(yaml.SafeLoader):
    """Refuses tags, anchors and aliases before they are composed, so that no alias can multiply a document.

    Depth is counted here too: at the interpreter's own limit a finalizer that happens to run fails as well.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not accepted", problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem="tags are not accepted", problem_mark=event.start_mark)
        if self._depth > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def read(text: str) -> Located:
    """Read one YAML document. Faults are collected, never raised."""
    located = Located()
    try:
        loader = _Composer(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        located.faults.append((mark.line + 1 if mark else 1, (), f"not readable as YAML: {error.problem}"))
        return located
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        # OverflowError: an escape such as `\\UFFFFFFFF` that names no character.
        located.faults.append((1, (), "not readable as YAML"))
        return located
    if node is None:
        located.faults.append((1, (), "the document is empty"))
        return located
    located.value = _value(node, (), located)
    return located


def _value(node: yaml.Node, path: Path, located: Located) -> JSON:
    located.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        return _mapping(node, path, located)
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_value(item, (*path, index), located) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path, located)
    return _fault(node, path, located, f"the tag `{node.tag}` is not accepted")


def _mapping(node: yaml.MappingNode, path: Path, located: Located) -> JSON:
    members: dict[str, JSON] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
            cure = f", put quotes around `{key_node.value}`" if isinstance(key_node, yaml.ScalarNode) else ""
            _fault(key_node, path, located, f"a key must be plain text{cure}")
            continue
        key = key_node.value
        if not _is_text(key):
            _fault(key_node, path, located, "a key holds a lone surrogate")
            continue
        place = (*path, key)
        if key in members:
            _fault(key_node, place, located, f"the key `{key}` stands twice")
            continue
        located.lines[place] = key_node.start_mark.line + 1
        members[key] = _value(value_node, place, located)
    return members


def _scalar(node: yaml.ScalarNode, path: Path, located: Located) -> JSON:
    text, kind = node.value, node.tag.removeprefix("tag:yaml.org,2002:")
    quoted = node.style in ("'", '"', "|", ">")
    if kind in ("int", "float") or (kind == "str" and not quoted and _FLOAT.fullmatch(text)):
        # YAML 1.1 takes `1e5` for text; JSON, and whoever wrote it, for a number.
        return _number(node, path, located)
    if kind == "str":
        if not _is_text(text):
            return _fault(node, path, located, "the text holds a lone surrogate")
        plain = quoted or not (text.lower() in _AMBIGUOUS or _PERHAPS_A_NUMBER.fullmatch(text))
        return str(text) if plain else _ambiguous(node, path, located)
    if kind == "bool":
        return text == "true" if text in ("true", "false") else _ambiguous(node, path, located)
    if kind == "null":
        return None
    return _ambiguous(node, path, located)


def _number(node: yaml.ScalarNode, path: Path, located: Located) -> JSON:
    text = node.value
    if _INTEGER.fullmatch(text):
        number: int | float = int(text)
    elif _FLOAT.fullmatch(text):
        number = float(text)
    else:
        return _fault(node, path, located, f"`{text}` is not a plain number")
    if not (math.isfinite(number) and abs(number) <= _MAX_NUMBER):
        return _fault(node, path, located, "the number is beyond the exact range of a double")
    if Decimal(text) != Decimal(repr(number)):
        return _fault(node, path, located, "the number has more digits than a double holds: write it as a string")
    return number


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _ambiguous(node: yaml.ScalarNode, path: Path, located: Located) -> JSON:
    return _fault(node, path, located, f"`{node.value}` is ambiguous, write true or false, or put quotes around it")


def _fault(node: yaml.Node, path: Path, located: Located, message: str) -> JSON:
    """Collect a fault; the value that represents what could not be read is null."""
    located.faults.append((node.start_mark.line + 1, path, message))
    return None
