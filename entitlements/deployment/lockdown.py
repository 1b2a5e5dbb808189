"""The second bundle of a server OPA: what its callers may do. The only place where a package `system` may stand."""

from __future__ import annotations

import json
from collections.abc import Sequence

from entitlements.deployment.state import contracts_of
from entitlements.engine import CONSTANT_PATH, LOCKDOWN, LOCKDOWN_REVISION
from entitlements.release import Release, revision_of, write_archive


def lockdown_bundle(release: Release) -> bytes:
    """A bundle with the root `system`: callers may ask the release's decisions, health, metrics and no more."""
    return bundle_of(sorted({contract.decision_path for contract in contracts_of(release).values()}))


def bundle_of(decision_paths: Sequence[str]) -> bytes:
    """The same for decisions by their paths."""
    data = {"decision_paths": sorted({*decision_paths, CONSTANT_PATH})}
    members = {
        "system/authz/authz.rego": LOCKDOWN.read_bytes(),
        "system/data.json": (json.dumps(data, indent=1) + "\n").encode(),
    }
    manifest = {"revision": LOCKDOWN_REVISION + revision_of(members), "rego_version": 1, "roots": ["system"]}
    return write_archive({**members, ".manifest": (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()})
