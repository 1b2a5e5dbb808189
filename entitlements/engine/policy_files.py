"""Policy files: their check by OPA."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from entitlements.engine.data_files import read_data
from entitlements.engine.plan_build import plan_of
from entitlements.engine.policy_folder import policy_files
from entitlements.engine.policy_lint import FORBIDDEN, forbidden, lint
from entitlements.errors import EngineUnavailable, Fault, StartupFault
from entitlements.files import write_files
from entitlements.folder import CEILING, Limits

# Constant data beside the lockdown of a server, undefined in a child: it has an answer whatever policies do.
CONSTANT_PATH = "system/decision_paths"
_OPA_SECONDS = 60


def check_policies(folder: Path, *, decision_paths: Sequence[str], opa: Path, limits: Limits = CEILING) -> None:
    """Have OPA check the files: they compile, call no impure built-in, and each decision path is a rule.

    Raises StartupFault `policy_invalid` with a fault for each error, with file and line.
    """
    check_files(policy_files(folder, limits), folder, decision_paths, opa)


def check_files(files: dict[str, bytes], folder: Path, decision_paths: Sequence[str], opa: Path) -> None:
    """The same of files that were read already."""
    documents = read_data(files, folder)
    told = _checked(opa, tuple(sorted(files.items())))
    faults = lint(files, documents, folder, opa)
    if told is not None:
        faults += _errors(told, folder)
        raise StartupFault("policy_invalid", "the policies do not compile", faults)
    if faults:
        raise StartupFault("policy_invalid", "the policies cannot be used", faults)
    faults = [
        Fault("decision_rule_missing", f"no policy has the rule `data.{path.replace('/', '.')}`", str(folder))
        for path in decision_paths
        if not _has_rule(opa, files, path)
    ]
    if faults:
        raise StartupFault("policy_invalid", "the policies lack a decision rule", faults)


def strict_warnings(folder: Path, *, opa: Path, limits: Limits = CEILING) -> list[Fault]:
    """What OPA's strict mode has against files that compile: arguments, variables and imports that nothing reads."""
    files = tuple(sorted(policy_files(folder, limits).items()))
    told = None if _checked(opa, files) else _checked(opa, files, strict=True)
    found = _errors(told, folder) if told else []
    return [Fault("policy_not_strict", fault.message, fault.file, fault.line) for fault in found]


@lru_cache(maxsize=16)
def _checked(opa: Path, files: tuple[tuple[str, bytes], ...], *, strict: bool = False) -> str | None:
    """What OPA has against the files, which are asked about once; None where it has nothing against them."""
    with tempfile.TemporaryDirectory(prefix="entitlements-") as work:
        root = Path(work) / "policies"
        write_files(root, dict(files))
        capabilities = Path(work) / "capabilities.json"
        capabilities.write_text(json.dumps(_reduced_capabilities(opa)))
        mode = ["--strict"] if strict else []
        options = ["--bundle", "--format", "json", "--capabilities", str(capabilities)]
        done = _run(opa, "check", *mode, *options, str(root))
        return (done.stderr or done.stdout).replace(str(root), "") if done.returncode else None


def _has_rule(opa: Path, files: Mapping[str, bytes], path: str) -> bool:
    # A rule that exists can be an entry point of a bundle; OPA refuses one that does not.
    try:
        return plan_of(opa, tuple(sorted(files.items())), path) is not None
    except EngineUnavailable as error:
        raise StartupFault("opa_failed", "the OPA executable could not check the policies") from error


def _run(opa: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(opa), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_OPA_SECONDS,
            check=False,
            env={},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartupFault("opa_failed", "the OPA executable could not check the policies") from error


@lru_cache(maxsize=4)
def _reduced_capabilities(opa: Path) -> dict[str, Any]:
    try:
        capabilities: dict[str, Any] = json.loads(_run(opa, "capabilities", "--current").stdout)
    except ValueError:
        raise StartupFault("opa_failed", "the OPA executable could not check the policies") from None
    capabilities["builtins"] = [
        item for item in capabilities["builtins"] if not item.get("nondeterministic") and item["name"] not in FORBIDDEN
    ]
    capabilities["allow_net"] = []
    return capabilities


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
