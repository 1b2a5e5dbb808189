"""Traverses what the parser of OPA tells of a policy file: expressions, terms, references and lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

InputPath = tuple[str, ...]


def expressions(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every expression in a part of a module."""
    if isinstance(node, list):
        for inner in node:
            yield from expressions(inner)
    elif isinstance(node, Mapping):
        if "terms" in node:
            yield node
        for inner in node.values():
            yield from expressions(inner)


def terms(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every term in a part of a module."""
    if isinstance(node, list):
        for inner in node:
            yield from terms(inner)
    elif isinstance(node, Mapping):
        if "type" in node and "value" in node:
            yield node
        for key, inner in node.items():
            if key not in {"location", "annotations"}:
                yield from terms(inner)


def data_paths(node: Any) -> Iterator[InputPath]:
    """The constant part of every reference to `data`; the empty path where `data` stands alone."""
    if isinstance(node, list):
        for inner in node:
            yield from data_paths(inner)
    elif isinstance(node, Mapping):
        if node.get("type") == "ref":
            head, *rest = node["value"]
            if head.get("value") == "data":
                constant = itertools.takewhile(lambda part: part["type"] == "string", rest)
                yield tuple(part["value"] for part in constant)
            yield from data_paths(rest)
        elif node.get("type") == "var" and node.get("value") == "data":
            yield ()
        else:
            for key, inner in node.items():
                if key not in {"location", "annotations"}:
                    yield from data_paths(inner)


def rows(node: Any) -> Iterator[int]:
    """Every line that a part of a module stands on."""
    if isinstance(node, list):
        for inner in node:
            yield from rows(inner)
    elif isinstance(node, Mapping):
        if isinstance(node.get("location"), Mapping):
            yield node["location"]["row"]
        for key, inner in node.items():
            if key != "annotations":
                yield from rows(inner)
