"""What OPA compiles and a release must not hold: found in OPA's own syntax tree, with file, line and what to write.

A reference to `data` outside of the packages and data documents of the folder would read what someone puts beside the
release; one that is computed could. `system` is the engine's own. A package stands in the folder of its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from entitlements.engine.data_files import Documents, holds, place_of, roots_of
from entitlements.engine.opa import Opa
from entitlements.engine.policy_folder import ASIDE
from entitlements.engine.policy_terms import InputPath
from entitlements.errors import Fault


def lint(files: Mapping[str, bytes], documents: Documents, folder: Path, opa: Opa) -> list[Fault]:
    """The faults of policies that parse, and none where one does not. documents: their data, read already."""
    modules: dict[str, dict[str, Any]] = {}
    for name, content in files.items():
        if name.endswith(".rego"):
            module = opa.parse(content)
            if module is None:
                return []
            modules[name] = module
    declared = {*roots_of(documents), *(_package(module) for module in modules.values())}
    found: list[Fault] = []
    for name, module in modules.items():
        told = [*_package_faults(name, module), *_data_faults(module, declared), *_rule_faults(module, documents)]
        found += [Fault("policy_invalid", why, str(folder / name), line) for line, why in sorted({*told})]
    return found


def _package(module: Mapping[str, Any]) -> InputPath:
    return tuple(str(part["value"]) for part in module["package"]["path"][1:])


def _package_faults(name: str, module: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    package, line = _package(module), module["package"]["location"]["row"]
    if package[:1] == ("system",):
        yield line, "the package `system` is OPA's own interface: give the policy another package"
    elif not name.endswith(ASIDE) and package != place_of(name):
        dotted, wanted = ".".join(package), "/".join([*package, name.rpartition("/")[2]])
        yield line, f"the package `{dotted}` must stand in the folder of its name: move the file to `{wanted}`"


def _rule_faults(module: Mapping[str, Any], documents: Documents) -> Iterator[tuple[int, str]]:
    for rule in module.get("rules") or []:
        head = rule["head"]
        name = str(head.get("name") or head["ref"][0]["value"])
        file = holds(documents, (*_package(module), name))
        if file is not None:
            yield rule["location"]["row"], f"the rule `{name}` has a value in `{file}` too: rename one of them"


def _data_faults(module: Mapping[str, Any], declared: Collection[InputPath]) -> Iterator[tuple[int, str]]:
    aliases: dict[str, InputPath] = {"data": ()}
    for imported in module.get("imports") or []:
        head, *rest = imported["path"]["value"]
        path = tuple(str(part["value"]) for part in rest)
        if head["value"] == "data" and not _within(path, declared):
            if path and not _above(path, declared):
                yield imported["location"]["row"], _outside(path)
            else:
                aliases[str(imported.get("alias") or (path[-1] if path else "data"))] = path
    for line, parts in _references(module.get("rules") or [], 1):
        head, *rest = parts
        if head.get("type") == "var" and head.get("value") in aliases:
            yield from _reference_faults(line, aliases[head["value"]], rest, declared)


def _reference_faults(
    line: int, base: InputPath, rest: Sequence[Mapping[str, Any]], declared: Collection[InputPath]
) -> Iterator[tuple[int, str]]:
    path = base
    for part in rest:
        if _within(path, declared):
            return
        if part.get("type") != "string":
            break
        path = (*path, str(part["value"]))
    if _within(path, declared):
        return
    if path and not _above(path, declared):
        yield line, _outside(path)
    else:
        known = ", ".join(sorted(f"`data.{'.'.join(one)}`" for one in declared if one)[:3])
        shown = ".".join(("data", *path))
        yield line, f"what is read of `{shown}` is not known before it runs: name a package or document such as {known}"


def _outside(path: InputPath) -> str:
    return (
        f"`data.{'.'.join(path)}` is in no package and no data document of this folder: "
        f"put it into `{'/'.join(path[:-1] or path)}/data.json`, or read it from `input.context`"
    )


def _within(path: InputPath, declared: Collection[InputPath]) -> bool:
    return any(path[:length] in declared for length in range(1, len(path) + 1))


def _above(path: InputPath, declared: Collection[InputPath]) -> bool:
    return any(one[: len(path)] == path for one in declared)


def _references(node: Any, line: int) -> Iterator[tuple[int, Sequence[Mapping[str, Any]]]]:
    """Every reference and variable in a part of a module, with its line."""
    if isinstance(node, list):
        for inner in node:
            yield from _references(inner, line)
    elif isinstance(node, Mapping):
        line = (node.get("location") or {}).get("row", line)
        if node.get("type") == "ref":
            yield line, node["value"]
            yield from _references(node["value"][1:], line)
            if node["value"][0].get("type") not in ("var", "string"):
                yield from _references(node["value"][0], line)
        elif node.get("type") == "var":
            yield line, [node]
        else:
            for key, inner in node.items():
                if key not in {"location", "annotations"}:
                    yield from _references(inner, line)
