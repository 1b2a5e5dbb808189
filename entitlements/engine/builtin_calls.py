"""What OPA makes of calls of one built-in function on constants: for the proof, which must not guess at it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from entitlements.engine.opa import Opa
from entitlements.engine.spelling import read_decimal, read_integer
from entitlements.errors import EngineUnavailable

_SECONDS = 60


class SetDocument(list[Any]):
    """A set of documents, which JSON has not, distinguished from a list."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call gives: a value, nothing (`defined` is false), or a failure."""

    defined: bool
    failed: bool = False
    value: Any = None


class BuiltinCalls:
    """Asks the OPA executable. Numbers come and go as whole numbers or fractions, exactly."""

    def __init__(self, opa: Opa) -> None:
        self._opa = opa

    def __call__(self, name: str, rows: Sequence[Sequence[Any]], *, relation: bool = False) -> list[CallResult]:
        """One result a row of arguments, under strict errors. Raises EngineUnavailable where OPA itself fails.

        relation: whether the function gives many results (`walk`), which come as a list.
        """
        results: dict[int, CallResult] = {}
        for shape in dict.fromkeys(map(_shape, rows)):
            places = [place for place, row in enumerate(rows) if _shape(row) == shape]
            answers = self._ask(name, shape, [rows[place] for place in places])
            results.update(zip(places, (_result(one, relation) for one in answers), strict=True))
        return [results[place] for place in range(len(rows))]

    def _ask(
        self, name: str, shape: tuple[bool, ...], rows: Sequence[Sequence[Any]], *, result: str = "d"
    ) -> list[Any]:
        arguments = ", ".join(f"{{x | some x in a[{i}]}}" if is_set else f"a[{i}]" for i, is_set in enumerate(shape))
        query = f"[r | some a in input.rows; r := [[{result}, type_name(d)] | d := {name}({arguments})]]"
        document = json.dumps({"rows": [list(map(_plain, row)) for row in rows]}, default=_number)
        done = self._opa.run(
            *("eval", "--strict-builtin-errors", "--stdin-input", "--format", "json", query),
            document=document.encode(),
            seconds=_SECONDS,
        )
        if done.returncode == 0:
            parsed = json.loads(done.stdout, parse_float=read_decimal, parse_int=read_integer)
            (answers,) = (e["value"] for result in parsed["result"] for e in result["expressions"])
            return list(answers)
        if len(rows) == 1:
            if b'"errors"' in done.stdout:
                return [None]
            if result != "d":
                raise EngineUnavailable("engine_failed", "OPA failed to evaluate a built-in function")
            # `to_number("+1")` is a number that OPA keeps as it is written, and JSON has no such number.
            return [_unspelled(answer) for answer in self._ask(name, shape, rows, result=_AS_JSON)]
        middle = len(rows) // 2
        return self._ask(name, shape, rows[:middle]) + self._ask(name, shape, rows[middle:])


_AS_JSON = "[e | e := d + 0; e == d][0]"


def _unspelled(answer: list[Any] | None) -> list[Any] | None:
    """A result that is a number in another spelling than it is read in."""
    return answer and [[Fraction(value), kind] for value, kind in answer]


def _shape(row: Sequence[Any]) -> tuple[bool, ...]:
    """Which arguments are sets."""
    return tuple(isinstance(one, SetDocument) for one in row)


def _plain(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _plain(member) for name, member in document.items()}
    if isinstance(document, list):
        if any(isinstance(item, SetDocument) for item in document):
            raise EngineUnavailable("engine_failed", "a set within a list or a set cannot be handed to OPA")
        return [_plain(item) for item in document]
    return float(document) if isinstance(document, Fraction) and float(document) == document else document


def _number(document: Any) -> Any:
    raise EngineUnavailable("engine_failed", f"the number {document} has no exact decimal form")


def _result(answer: list[Any] | None, relation: bool) -> CallResult:
    if answer is None:
        return CallResult(defined=False, failed=True)
    if relation:
        return CallResult(defined=True, value=[value for value, _ in answer])
    if not answer:
        return CallResult(defined=False)
    value, kind = answer[0]
    return CallResult(defined=True, value=SetDocument(value) if kind == "set" else value)
