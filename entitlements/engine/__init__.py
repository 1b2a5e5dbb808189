"""Asking for a verdict. The engine is OPA itself, as a server or as a supervised child; nothing else decides."""

from entitlements.engine.answer import read_answer
from entitlements.engine.batch import BatchEngine
from entitlements.engine.executable import OPA_VERSION, find_opa
from entitlements.engine.opa_elsewhere import OpaElsewhere
from entitlements.engine.opa_process import OpaProcess
from entitlements.engine.opa_server import OpaServer
from entitlements.engine.policy_files import build_bundle, check_policies, write_manifest
from entitlements.engine.policy_folder import invariant_files, policy_digest, policy_files
from entitlements.engine.policy_module import Read, RuleLines
from entitlements.engine.policy_reading import PolicyReading, read_policies
from entitlements.engine.port import PolicyEngine
from entitlements.engine.watched_opa import WatchedOpa, watched_opa

__all__ = [
    "OPA_VERSION",
    "BatchEngine",
    "OpaElsewhere",
    "OpaProcess",
    "OpaServer",
    "PolicyEngine",
    "PolicyReading",
    "Read",
    "RuleLines",
    "WatchedOpa",
    "build_bundle",
    "check_policies",
    "find_opa",
    "invariant_files",
    "policy_digest",
    "policy_files",
    "read_answer",
    "read_policies",
    "watched_opa",
    "write_manifest",
]
