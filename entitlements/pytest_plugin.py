"""The hooks of the pytest plugin: they find contract files, and load the rest of the package only where there are some.

`pytest contracts policies` runs the contract tests and proves the invariants; the ini options
`entitlements_contracts` and `entitlements_policies` name
other folders, relative to the root of the project.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_CONTRACTS, _POLICIES = "entitlements_contracts", "entitlements_policies"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two folders, for whoever keeps them elsewhere."""
    parser.addini(_CONTRACTS, "folder of the claim contracts and contracts.lock", default="contracts")
    parser.addini(_POLICIES, "folder of the Rego policies", default="policies")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file of the contracts folder, or an invariant beside the policies, as its tests."""
    config = parent.config
    contracts = (config.rootpath / config.getini(_CONTRACTS)).resolve()
    policies = (config.rootpath / config.getini(_POLICIES)).resolve()
    of_policies = file_path.name.endswith("_invariant.rego") and file_path.resolve().is_relative_to(policies)
    if not of_policies and contracts not in (file_path.parent.resolve(), file_path.parent.parent.resolve()):
        return None
    from entitlements import contract_tests

    return contract_tests.collector(file_path, parent, contracts=contracts, policies=policies)
