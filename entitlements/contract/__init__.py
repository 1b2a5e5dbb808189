"""What the claims of a token must say: the contract document, its catalog of pins and the conformance of claims."""

from entitlements.contract.actor import ACT, acting
from entitlements.contract.approvals import (
    APPROVALS_NAME,
    Approval,
    load_approvals,
    misplaced,
    of_step,
    stale,
    write_approval,
)
from entitlements.contract.audience import asked_audience, check_default, second_audience_warning
from entitlements.contract.catalog import Catalog, load_catalog
from entitlements.contract.change_rules import RULES, Change, ChangeRule
from entitlements.contract.changes import changes, kinds_of
from entitlements.contract.conformance import (
    Admitted,
    Refused,
    admit,
    conforms,
    named_as_registered,
    request_faults,
)
from entitlements.contract.document import (
    ALWAYS_DECLARED,
    REGISTERED,
    TOKEN_TIMES,
    ClaimSpec,
    Consumer,
    Contract,
    ObjectSpec,
    RequestSpec,
    ScopeSpec,
    TimeSpec,
    read_differently,
)
from entitlements.contract.draft import DraftHead, draft
from entitlements.contract.extraction import placed
from entitlements.contract.gate_settings import GATE_NAME, GateSettings, load_gate_settings
from entitlements.contract.input_schema import input_schema
from entitlements.contract.links import link_faults, link_faults_of_step, renamed, successors
from entitlements.contract.lint import lint, lint_errors, lint_opaque
from entitlements.contract.loader import load_contract, parse_contract
from entitlements.contract.lock import (
    FIRST_VERSION,
    LOCK_NAME,
    MEND_MERGE,
    ROLLED_BACK,
    Lock,
    Pin,
    Rollback,
    lock_text,
    parse_lock,
    read_lock,
    rollback_asks,
    rollback_mark,
    version_key,
    write_lock,
)
from entitlements.contract.lock_plan import changed_since_published, plan_lock
from entitlements.contract.other_kinds import (
    KIND_WORDS,
    OTHER_KINDS,
    consumer_violations,
    kind_violations,
    known_in,
)
from entitlements.contract.policy_input import PrincipalInput, policy_input
from entitlements.contract.registered import always_names_client, claim_places
from entitlements.contract.resource_metadata import metadata_url, resource_metadata
from entitlements.contract.schema_changes import retyped
from entitlements.contract.schema_forms import alternatives, has_map, is_map, parts, types_of
from entitlements.contract.steps import ContractFile, at_commit, base_unreadable, load_file, pairs, versions
from entitlements.contract.trusted_time import EARLIEST, LATEST, offsets, time_context, tzdata_version

__all__ = [
    "ACT",
    "ALWAYS_DECLARED",
    "APPROVALS_NAME",
    "EARLIEST",
    "FIRST_VERSION",
    "GATE_NAME",
    "KIND_WORDS",
    "LATEST",
    "LOCK_NAME",
    "MEND_MERGE",
    "OTHER_KINDS",
    "REGISTERED",
    "ROLLED_BACK",
    "RULES",
    "TOKEN_TIMES",
    "Admitted",
    "Approval",
    "Catalog",
    "Change",
    "ChangeRule",
    "ClaimSpec",
    "Consumer",
    "Contract",
    "ContractFile",
    "DraftHead",
    "GateSettings",
    "Lock",
    "ObjectSpec",
    "Pin",
    "PrincipalInput",
    "Refused",
    "RequestSpec",
    "Rollback",
    "ScopeSpec",
    "TimeSpec",
    "acting",
    "admit",
    "alternatives",
    "always_names_client",
    "asked_audience",
    "at_commit",
    "base_unreadable",
    "changed_since_published",
    "changes",
    "check_default",
    "claim_places",
    "conforms",
    "consumer_violations",
    "draft",
    "has_map",
    "input_schema",
    "is_map",
    "kind_violations",
    "kinds_of",
    "known_in",
    "link_faults",
    "link_faults_of_step",
    "lint",
    "lint_errors",
    "lint_opaque",
    "load_approvals",
    "load_catalog",
    "load_contract",
    "load_file",
    "load_gate_settings",
    "lock_text",
    "metadata_url",
    "misplaced",
    "named_as_registered",
    "of_step",
    "offsets",
    "pairs",
    "parse_contract",
    "parse_lock",
    "parts",
    "placed",
    "plan_lock",
    "policy_input",
    "read_differently",
    "read_lock",
    "renamed",
    "request_faults",
    "resource_metadata",
    "retyped",
    "rollback_asks",
    "rollback_mark",
    "second_audience_warning",
    "stale",
    "successors",
    "time_context",
    "types_of",
    "tzdata_version",
    "version_key",
    "versions",
    "write_approval",
    "write_lock",
]
