"""OPA's plan of a policy and the base documents beside it: what `opa build -t plan` writes."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from entitlements.engine.spelling import read_decimal, read_integer
from entitlements.errors import EngineUnavailable
from entitlements.files import write_files

_SECONDS = 120


@dataclass(frozen=True)
class BuiltPlan:
    """The plan document, the base documents (numbers exact), and the entry point's name."""

    plan: dict[str, Any]
    data: Any
    entrypoint: str


def build_plan(opa: Path, files: dict[str, bytes], decision_path: str) -> BuiltPlan:
    """Have OPA plan the policy files, which it has checked already, for one decision rule.

    Raises EngineUnavailable where OPA fails.
    """
    planned = plan_of(opa, tuple(sorted(files.items())), decision_path)
    if planned is None:
        raise EngineUnavailable("engine_failed", "OPA failed to plan the policies")
    return planned


@lru_cache(maxsize=16)
def plan_of(opa: Path, files: tuple[tuple[str, bytes], ...], decision_path: str) -> BuiltPlan | None:
    """The plan, not to be changed, made once for the same files; None where OPA makes none: there is no such rule.

    Raises EngineUnavailable where the executable cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="entitlements-plan-") as work:
        root = Path(work) / "policies"
        write_files(root, dict(files))
        out = Path(work) / "bundle.tar.gz"
        command = [str(opa), "build", "-t", "plan", "--bundle", "-e", decision_path, "-o", str(out), "."]
        try:
            done = subprocess.run(command, capture_output=True, cwd=root, timeout=_SECONDS, check=False, env={})
        except (OSError, subprocess.SubprocessError):
            raise EngineUnavailable("engine_failed", "OPA failed to plan the policies") from None
        if done.returncode != 0:
            return None
        members = _members(out.read_bytes())
    data = json.loads(members["data.json"], parse_float=read_decimal, parse_int=read_integer)
    return BuiltPlan(json.loads(members["plan.json"]), data, decision_path)


def _members(archive: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as bundle:
        for member in bundle.getmembers():
            file = bundle.extractfile(member)
            if file is not None:
                found[member.name.lstrip("/")] = file.read()
    return found
