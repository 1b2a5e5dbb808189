"""Policy files: their check by OPA."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from entitlements.engine.data_files import read_data
from entitlements.engine.forbidden import forbidden
from entitlements.engine.opa import Opa
from entitlements.engine.policy_folder import policy_files
from entitlements.engine.policy_lint import lint
from entitlements.errors import EngineUnavailable, Fault, StartupFault
from entitlements.folder import CEILING, Limits

# Constant data beside the lockdown of a server, undefined in a child: it has an answer whatever policies do.
CONSTANT_PATH = "system/decision_paths"


def check_policies(folder: Path, *, decision_paths: Sequence[str], opa: Opa, limits: Limits = CEILING) -> None:
    """Have OPA check the files: they compile, call no impure built-in, and each decision path is a rule.

    Raises StartupFault `policy_invalid` with a fault for each error, with file and line.
    """
    check_files(policy_files(folder, limits), folder, decision_paths, opa)


def check_files(files: Mapping[str, bytes], folder: Path, decision_paths: Sequence[str], opa: Opa) -> None:
    """The same of files that were read already."""
    documents = read_data(files, folder)
    try:
        opa.begin(files, decision_paths)
        told = opa.check(files)
        faults = lint(files, documents, folder, opa)
        # A rule that exists can be an entry point of a bundle; OPA refuses one that does not.
        missing = [] if told or faults else [path for path in decision_paths if opa.plan(files, path) is None]
    except EngineUnavailable as error:
        raise StartupFault("opa_failed", "the OPA executable could not check the policies") from error
    if told is not None:
        raise StartupFault("policy_invalid", "the policies do not compile", [*faults, *_errors(told, folder)])
    if faults:
        raise StartupFault("policy_invalid", "the policies cannot be used", faults)
    faults = [
        Fault("decision_rule_missing", f"no policy has the rule `data.{path.replace('/', '.')}`", str(folder))
        for path in missing
    ]
    if faults:
        raise StartupFault("policy_invalid", "the policies lack a decision rule", faults)


def strict_warnings(folder: Path, *, opa: Opa, limits: Limits = CEILING) -> list[Fault]:
    """What OPA's strict mode has against files that compile: arguments, variables and imports that nothing reads."""
    files = policy_files(folder, limits)
    told = None if opa.check(files) else opa.check(files, strict=True)
    found = _errors(told, folder) if told else []
    return [Fault("policy_not_strict", fault.message, fault.file, fault.line) for fault in found]


def _errors(told: str, folder: Path) -> list[Fault]:
    try:
        errors = json.loads(told)["errors"]
    except (ValueError, KeyError, TypeError):
        return [Fault("policy_invalid", told.strip()[:500], str(folder))]
    faults = []
    for error in errors:
        location = error.get("location") or {}
        name = str(location.get("file", "")).lstrip("/")
        message = str(error.get("message", ""))
        place = str(folder / name), int(location.get("row", 0))
        instead = forbidden(message)
        faults.append(
            Fault("builtin_forbidden", instead, *place) if instead else Fault("policy_invalid", message, *place)
        )
    return faults
