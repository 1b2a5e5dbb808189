"""Policies of which more can be decided than can be seen here are refused before anything is said of them."""

from __future__ import annotations

from pathlib import Path

from entitlements.engine import Opa, PolicyReading, read_policies
from entitlements.errors import Fault, StartupFault


def checkable(opa: Opa, policies: Path, decision_path: str) -> PolicyReading:
    """What a decision can depend on. Raises StartupFault `policy_not_checkable` with every reason, file and line."""
    reading = read_policies(opa, policies)
    reading = reading.only(reading.needed(decision_path))
    faults = [
        # What OPA serves has documents of the deployment under `system` too, which are not here.
        Fault("policy_reads_system", "reads `data.system`, or all of `data`, which are not the policies' alone", name)
        for name, (_, references) in reading.files.items()
        if any(path == () or path[0] == "system" for path in references)
    ]
    faults += [
        # OPA evaluates it, and what fails in it fails the decision; its plan leaves it out.
        Fault(
            "comprehension_alone", "a comprehension that is a statement by itself decides nothing, take it out", *place
        )
        for place in reading.alone
    ]
    if faults:
        raise StartupFault("policy_not_checkable", "the policies cannot be checked", faults)
    return reading
