"""Asking for a verdict. The engine is OPA itself, as a server or as a supervised child; nothing else decides."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from entitlements.engine.answer import LOCKDOWN_REVISION, read_answer
from entitlements.engine.batch import BatchEngine
from entitlements.engine.executable import OPA_VERSION, find_opa
from entitlements.engine.opa import Opa
from entitlements.engine.policy_edits import Edit, edits_of
from entitlements.engine.policy_files import CONSTANT_PATH, check_policies, strict_warnings
from entitlements.engine.policy_folder import LOCKDOWN, digest_of, invariant_files, policy_digest, policy_files
from entitlements.engine.policy_module import Read, RuleLines
from entitlements.engine.policy_reading import PolicyReading, read_policies
from entitlements.engine.policy_roots import policy_roots
from entitlements.engine.port import LoopEngine, PolicyEngine

if TYPE_CHECKING:
    from entitlements.engine.opa_elsewhere import OpaElsewhere
    from entitlements.engine.opa_process import OpaProcess
    from entitlements.engine.opa_server import OpaServer

# What asks an OPA over HTTP is loaded when it is asked for: a check of contracts has no use for it.
_OVER_HTTP = {"OpaElsewhere": "opa_elsewhere", "OpaProcess": "opa_process", "OpaServer": "opa_server"}

__all__ = [
    "CONSTANT_PATH",
    "LOCKDOWN",
    "LOCKDOWN_REVISION",
    "OPA_VERSION",
    "BatchEngine",
    "Edit",
    "LoopEngine",
    "Opa",
    "OpaElsewhere",
    "OpaProcess",
    "OpaServer",
    "PolicyEngine",
    "PolicyReading",
    "Read",
    "RuleLines",
    "check_policies",
    "digest_of",
    "edits_of",
    "find_opa",
    "invariant_files",
    "policy_digest",
    "policy_files",
    "policy_roots",
    "read_answer",
    "read_policies",
    "strict_warnings",
]


def __getattr__(name: str) -> Any:
    """See PEP 562."""
    if name not in _OVER_HTTP:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_OVER_HTTP[name]}"), name)
