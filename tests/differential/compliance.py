"""OPA's own compliance cases, fetched as a Go module at test time and never kept here, run through plan and
executor."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from entitlements.engine import Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.executable import OPA_VERSION
from entitlements.engine.plan_build import BuiltPlan, build_plan
from entitlements.errors import EngineUnavailable
from entitlements.proof.symbolic.execution.plan import PlanUnknown, read_plan
from entitlements.proof.symbolic.values.algebra import Unsupported
from entitlements.proof.symbolic.values.concrete import in_order
from entitlements.proof.symbolic.values.value import UNDEFINED, constant

from .executing import NotConstant, Oracle, Ran, run_plan, same

MODULE = "github.com/open-policy-agent/opa"
FOLDER = "v1/test/cases/testdata/v1"
_PATH = re.compile(r"data((?:\.[a-z_A-Z][\w]*)+) = (?!input\b)([a-z]\w*)")
# Built-ins whose result is another one at each time, machine or network.
_IMPURE = re.compile(
    r"http\.send|time\.now_ns|rand\.intn|uuid\.rfc4122|net\.lookup_ip_addr|opa\.runtime|custom_builtin"
)
_NONE = object()
_AT_COMPILE_TIME = ("rego_parse_error", "rego_type_error", "rego_compile_error", "rego_recursion_error", "rego_unsafe")


@dataclass(frozen=True)
class Case:
    """One case. document: as OPA's module has it."""

    file: str
    document: Mapping[str, Any] = field(repr=False)

    @property
    def note(self) -> str:
        return f"{self.file}: {self.document['note']}"


@dataclass(frozen=True)
class Report:
    """What became of the cases: how many agree, why others are outside, and each that differs."""

    agree: int
    outside: Counter[str]
    differ: list[str]
    outside_cases: list[tuple[str, str]]


class Outside(Exception):
    """A case that says nothing about the executor."""


def fetch_cases(folder: Path) -> list[Case]:
    """Every case of the pinned version. folder: any in which Go may run."""
    root = _module(folder) / FOLDER
    found = []
    for path in sorted(root.rglob("*.yaml")):
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        found += [Case(path.relative_to(root).as_posix(), one) for one in document["cases"]]
    return found


def go() -> str | None:
    """The Go command, which fetches OPA's module and checks its sum; None where there is none."""
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


def _module(folder: Path) -> Path:
    command = [go() or "go", "mod", "download", "-json", f"{MODULE}@v{OPA_VERSION}"]
    done = subprocess.run(command, capture_output=True, cwd=folder, timeout=170, check=True)
    return Path(json.loads(done.stdout)["Dir"])


class _Loader(yaml.SafeLoader):
    """YAML as OPA reads it: numbers exactly, no dates, and `on` is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | Fraction:
    return Fraction(loader.construct_scalar(node).replace("_", ""))


_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def run_cases(cases: list[Case], opa: Opa, oracle: Oracle | None = None, **parts: Any) -> Report:
    """Run cases, two at a time."""
    oracle = oracle or BuiltinCalls(opa)
    agree, outside, differ, left_out = 0, Counter[str](), [], []

    def build(case: Case) -> _Ready | Outside:
        try:
            return _ready(case.document, opa)
        except Outside as reason:
            return reason

    # Terms are made by one thread only; OPA's plans come from several.
    with ThreadPoolExecutor(2) as threads:
        for case, ready in zip(cases, threads.map(build, cases), strict=True):
            said = _said(case, ready, oracle, parts)
            if said.startswith("outside "):
                outside[said.removeprefix("outside ").split(": ")[0]] += 1
                left_out.append((case.note, said))
            elif said:
                differ.append(f"{case.note}: {said}")
            else:
                agree += 1
    return Report(agree, outside, differ, left_out)


@dataclass(frozen=True)
class _Ready:
    """A case whose plan is there."""

    built: BuiltPlan
    binding: str
    given: Any


def _ready(document: Mapping[str, Any], opa: Opa) -> _Ready:
    """Raises Outside."""
    text = "\n".join(document.get("modules") or ()) + document["query"]
    if _IMPURE.search(text):
        raise Outside("what a built-in gives hangs on time, chance or the network")
    if document.get("experimental_keywords") or document.get("env"):
        raise Outside("experimental keywords or environment variables")
    given = document.get("input", _NONE)
    if "input_term" in document:
        try:
            given = json.loads(document["input_term"], parse_float=Fraction)
        except ValueError:
            raise Outside("the input is no JSON") from None
    return _Ready(*_built(document, opa), given)


def _said(case: Case, ready: _Ready | Outside, oracle: Oracle, parts: Mapping[str, Any]) -> str:
    """How the executor differs, `outside` with a reason, or nothing."""
    if isinstance(ready, Outside):
        return f"outside {ready}"
    given = UNDEFINED if ready.given is _NONE else constant(ready.given)
    try:
        plan = read_plan(ready.built.plan, ready.built.entrypoint)
        ran = run_plan(plan, constant(ready.built.data), given, oracle, **parts)
    except PlanUnknown as fault:
        return f"outside the plan is not known: {fault.message}"
    except Unsupported as fault:
        return f"outside unsupported, {fault.code}: {fault.message}"
    except NotConstant as fault:
        return f"outside not known exactly: {fault}"
    except EngineUnavailable as fault:
        return f"outside a call cannot be handed to OPA: {fault.message}"
    except Exception as fault:
        return f"crash, {fault!r}"
    return _compared(case.document, ran, ready.binding)


def _built(document: Mapping[str, Any], opa: Opa) -> tuple[BuiltPlan, str]:
    """The plan of a case, and the variable that its entry point's result is bound to; none where it gives bindings."""
    files = {f"test-{i}.rego": module.encode() for i, module in enumerate(document.get("modules") or ())}
    files["data.json"] = json.dumps(document.get("data") or {}, default=float).encode()
    found = _PATH.fullmatch(document["query"].strip())
    if found:
        try:
            return build_plan(opa, files, found[1].replace(".", "/").lstrip("/")), found[2]
        except EngineUnavailable:
            pass
    names = {name: None for row in document.get("want_result") or () for name in row}
    if found and not names:
        names = {found[2]: None}
    row = ", ".join(f'"{name}": {name}' for name in names)
    wrapper = f"package compliance_query\n\nresult contains {{{row}}} if {{\n{document['query']}\n}}\n"
    try:
        return build_plan(opa, {**files, "query.rego": wrapper.encode()}, "compliance_query/result"), ""
    except EngineUnavailable:
        wanted = str(document.get("want_error_code") or "")
        reason = "wants a compile error" if wanted.startswith(_AT_COMPILE_TIME) else "OPA does not plan it"
        raise Outside(reason) from None


def _compared(document: Mapping[str, Any], ran: Ran, binding: str) -> str:
    strict = bool(document.get("strict_error"))
    fails = bool(ran.failures) if strict else ran.conflict
    if document.get("want_error") or document.get("want_error_code"):
        return "" if fails else f"no error, {ran.value}"
    if fails:
        return f"fails, {ran.failures}"
    rows = ([{binding: ran.value}] if ran.defined else []) if binding else list(ran.value)
    if "want_result" not in document:
        return "" if bool(rows) == bool(document["want_defined"]) else f"defined: {ran.defined}"
    wanted = list(document["want_result"])
    if document.get("sort_bindings"):
        rows, wanted = _as_sets(rows), _as_sets(wanted)
    rows, wanted = in_order(rows), in_order(wanted)
    return "" if same(rows, wanted) else f"{rows} instead of {wanted}"


def _as_sets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: in_order(v) if isinstance(v, list) else v for name, v in row.items()} for row in rows]
