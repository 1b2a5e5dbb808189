"""What the claims of a token must say: the contract document, its catalog of pins and the conformance of claims."""

from entitlements.contract.catalog import Catalog, load_catalog
from entitlements.contract.conformance import Admitted, Refused, admit, request_faults
from entitlements.contract.document import (
    ALWAYS_DECLARED,
    ClaimSpec,
    Consumer,
    Contract,
    ObjectSpec,
    RequestSpec,
    ScopeSpec,
)
from entitlements.contract.input_schema import input_schema
from entitlements.contract.lint import lint
from entitlements.contract.loader import load_contract
from entitlements.contract.lock import LOCK_NAME, write_lock

__all__ = [
    "ALWAYS_DECLARED",
    "LOCK_NAME",
    "Admitted",
    "Catalog",
    "ClaimSpec",
    "Consumer",
    "Contract",
    "ObjectSpec",
    "Refused",
    "RequestSpec",
    "ScopeSpec",
    "admit",
    "input_schema",
    "lint",
    "load_catalog",
    "load_contract",
    "request_faults",
    "write_lock",
]
