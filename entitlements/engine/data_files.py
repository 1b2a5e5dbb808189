"""Data documents of a policy folder, read strictly: what OPA and we could read differently, or lose, is a fault.

Duplicate members, numbers that no double holds exactly, odd encodings, YAML beyond its JSON-like core, two documents
that say the same place, and members that a rule computes are reported with file and line (RFC 8259, RFC 7493).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from entitlements import positions, strict_json
from entitlements.engine.policy_folder import DATA_NAMES
from entitlements.engine.policy_terms import InputPath
from entitlements.errors import Fault, JSONRefused, StartupFault
from entitlements.model import JSON

_MAX_DEPTH = 24
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|-?[0-9][0-9.eE+-]*|\n')
Documents = dict[str, dict[str, JSON]]


def data_names(files: Mapping[str, bytes]) -> list[str]:
    """The data documents among some files."""
    return [name for name in files if name.rpartition("/")[2] in DATA_NAMES]


def read_data(files: Mapping[str, bytes], folder: Path) -> Documents:
    """Every data document by file. Raises StartupFault `policy_invalid` with every fault."""
    found: Documents = {}
    faults: list[Fault] = []
    for name in data_names(files):
        document, told = _document(name, files[name])
        faults += [Fault("policy_invalid", why, str(folder / name), line) for line, why in told]
        if isinstance(document, dict) and not told:
            found[name] = document
    faults += [Fault("policy_invalid", why, str(folder / name), 1) for name, why in conflicts(found)]
    if faults:
        raise StartupFault("policy_invalid", "the data documents cannot be used", faults)
    return found


def place_of(name: str) -> InputPath:
    """Where the members of a file stand below `data`."""
    return tuple(name.split("/")[:-1])


def roots_of(documents: Documents) -> Iterator[InputPath]:
    """What the documents declare below `data`: the place of each, of one at the top each of its members."""
    for name, document in documents.items():
        place = place_of(name)
        if place:
            yield place
        else:
            yield from ((member,) for member in document)


def holds(documents: Documents, path: InputPath) -> str | None:
    """The file whose document has a value at a path, or above it one that is not an object."""
    for name, document in documents.items():
        place = place_of(name)
        if path[: len(place)] != place:
            if place[: len(path)] == path:
                return name
            continue
        value: Any = document
        for part in path[len(place) :]:
            if not isinstance(value, dict):
                return name
            if part not in value:
                break
            value = value[part]
        else:
            return name
    return None


def conflicts(documents: Documents) -> Iterator[tuple[str, str]]:
    """File and reason where two documents give the same place a value, and where one is named `system`."""
    seen: dict[str, Any] = {}
    for name, document in documents.items():
        whole: dict[str, JSON] = document
        for part in reversed(place_of(name)):
            whole = {part: whole}
        if "system" in whole:
            yield name, "`data.system` belongs to OPA itself: give the document another name"
        yield from ((name, why) for why in _merge(seen, whole, (), name))


def _merge(seen: dict[str, Any], document: Mapping[str, JSON], path: InputPath, name: str) -> Iterator[str]:
    """Put a document into what was seen; each member of it that is there already and no object in both is reported."""
    for key, value in document.items():
        known = seen.get(key)
        if isinstance(value, dict) and (known is None or isinstance(known, dict)):
            yield from _merge(seen.setdefault(key, {}), value, (*path, key), name)
        elif known is not None:
            other = known if isinstance(known, str) else "another data document"
            yield f"`data.{'.'.join((*path, key))}` stands in `{other}` too: keep one of them"
        else:
            seen[key] = name


def _document(name: str, content: bytes) -> tuple[JSON, list[tuple[int, str]]]:
    value, told = _json(content) if name.endswith(".json") else _yaml(content)
    if not told and not isinstance(value, dict):
        told = [(1, "a data document must be an object")]
    return value, told


def _yaml(content: bytes) -> tuple[JSON, list[tuple[int, str]]]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None, [(content[: _bad_octet(content)].count(b"\n") + 1, "the text is not valid UTF-8")]
    if text.startswith("\ufeff"):
        return None, [(1, "the text starts with a byte order mark")]
    located = positions.read(text)
    return located.value, [(line, why) for line, _, why in located.faults]


def _json(content: bytes) -> tuple[JSON, list[tuple[int, str]]]:
    try:
        value = strict_json.loads(content, max_depth=_MAX_DEPTH)
    except JSONRefused as refused:
        return None, [(_line_of(content, refused.code), refused.message)]
    for line, text in _numbers(content.decode()):
        if not exact(text):
            return None, [(line, "a number has more digits than a double holds: write it as a string")]
    return value, []


def exact(text: str) -> bool:
    """Whether the decimal is the very one that its double prints as."""
    return Decimal(text) == Decimal(repr(float(text)))


def _numbers(text: str) -> Iterator[tuple[int, str]]:
    line = 1
    for match in _TOKENS.finditer(text):
        chunk = match[0]
        line += chunk == "\n"
        if chunk[0] in "-0123456789":
            yield line, chunk


def _line_of(content: bytes, code: str) -> int:
    """The line that a refusal is about."""
    text = content.decode("utf-8", "replace")
    if code == "json_not_utf8":
        return content[: _bad_octet(content)].count(b"\n") + 1
    if code == "json_duplicate_member":
        return _duplicate(text)
    if code == "json_too_deep":
        return _too_deep(text)
    if code == "json_number_out_of_range":
        found = (line for line, number in _numbers(text) if not abs(Decimal(number)) <= strict_json.MAX_SAFE_INTEGER)
        return next(found, 1)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except ValueError:
        return 1
    return 1


def _too_deep(text: str) -> int:
    """The line of the first array or object beyond the depth."""
    line, depth = 1, 0
    for match in _TOKENS.finditer(text):
        line += match[0] == "\n"
        depth += (match[0] in "{[") - (match[0] in "}]")
        if depth > _MAX_DEPTH:
            return line
    return 1


def _duplicate(text: str) -> int:
    """The line of the first member that its object has already."""
    line, last = 1, ""
    objects: list[set[str]] = []
    for match in _TOKENS.finditer(text):
        chunk = match[0]
        if chunk == "\n":
            line += 1
            continue
        if chunk in "{[":
            objects.append(set())
        elif chunk in "}]" and objects:
            objects.pop()
        elif chunk == ":" and objects:
            key = json.loads(last, strict=False)
            if key in objects[-1]:
                return line
            objects[-1].add(key)
        last = chunk
    return 1


def _bad_octet(content: bytes) -> int:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0
