"""The plan of policies that were checked, for the proof."""

from __future__ import annotations

from collections.abc import Mapping

from entitlements.engine.built_plan import BuiltPlan
from entitlements.engine.opa import Opa
from entitlements.errors import EngineUnavailable


def build_plan(opa: Opa, files: Mapping[str, bytes], decision_path: str) -> BuiltPlan:
    """Have OPA plan the policy files, which it has checked already, for one decision rule; not to be changed.

    Raises EngineUnavailable where OPA fails.
    """
    planned = opa.plan(files, decision_path)
    if planned is None:
        raise EngineUnavailable("engine_failed", "OPA failed to plan the policies")
    return planned
