"""How far ahead an approval may reach, also one that was written by hand and not by `contract approve`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from entitlements.contract import load_gate_settings
from entitlements.deployment.state import State
from entitlements.errors import Fault, StartupFault


def overlong_faults(state: State, today: datetime.date) -> Iterator[Fault]:
    """A fault for each approval that ends later than `max_days` of gate.yaml after `today`. Raises ContractsInvalid."""
    most = load_gate_settings(state.folder).max_days
    for name, approvals in state.approvals.items():
        for one in approvals:
            if (one.expires - today).days > most:
                text = (
                    f"the approval of `{one.fingerprint}` ends on {one.expires}, more than {most} days ahead "
                    "(`max_days` in gate.yaml): give it an earlier day"
                )
                yield Fault("approval_too_long", text, str(state.folder / name / "approvals.yaml"), one.line)


def refuse_overlong(state: State, today: datetime.date) -> None:
    """Raise StartupFault `lock_refused` where an approval reaches too far."""
    if faults := [*overlong_faults(state, today)]:
        raise StartupFault("lock_refused", "the lock was not written", faults)
