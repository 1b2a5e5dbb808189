"""The approvals that serving rests on: they are there, have not run out and reach no further than gate.yaml allows."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from entitlements.contract import Approval, Pin, of_step
from entitlements.deployment.state import State
from entitlements.errors import Fault, StartupFault

RELOCK = "run `entitlements contract lock`"


def overlong_faults(state: State, today: datetime.date) -> Iterator[Fault]:
    """A fault for each approval that ends later than `max_days` of gate.yaml after `today`. Raises ContractsInvalid."""
    last = state.gate.last_day(today)
    for name, approvals in state.approvals.items():
        for one in approvals:
            if one.expires > last:
                text = (
                    f"the approval of `{one.fingerprint}` ends on {one.expires}, after {last}, the last day "
                    "that `max_days` of gate.yaml allows: give it an earlier day"
                )
                yield Fault("approval_too_long", text, str(state.folder / name / "approvals.yaml"), one.line)


def refuse_overlong(state: State, today: datetime.date) -> None:
    """Raise StartupFault `lock_refused` where an approval reaches too far."""
    if faults := [*overlong_faults(state, today)]:
        raise StartupFault("lock_refused", "the lock was not written", faults)


@dataclass(frozen=True, slots=True)
class Lapsed:
    """An approval that serving rests on and that ran out; days_left: of the grace, before a start is refused."""

    approval: Approval
    contract: str
    days_left: int


class Approved:
    """Looks up the approvals that records rest on."""

    def __init__(self, state: State, today: datetime.date | None, *, grace: bool) -> None:
        self._state = state
        self._today = today
        self._grace = datetime.timedelta(days=state.gate.grace_days if grace else 0)
        self.lapsed: list[Lapsed] = []
        self.expires: dict[str, datetime.date] = {}

    def demand(self, pin: Pin, record: Mapping[str, Any], file: str) -> Iterator[Fault]:
        """A fault for each finding that the record calls approved and that has no approval now."""
        step = record["old"]["version"], record["new"]["version"]
        given = {one.fingerprint: one for one in of_step(self._state.approvals.get(pin.contract, ()), *step)}
        needed, policies = record["approved"], str(record["new"]["policies"])
        if record["no_new_access"].get("answer") != "proved" and not needed:
            yield Fault("approval_missing", f"the check did not prove it and names no approval: {RELOCK}", file)
        for mark in needed:
            one = given.get(mark)
            if one is None:
                text = f"it rests on the approval of `{mark}`, which is not there: accept it again, or {RELOCK}"
                yield Fault("approval_missing", text, file, 0, f"{step[0]} to {step[1]}")
            elif not one.counts_under(policies):
                text = f"it rests on the approval of `{mark}`, which was given for other policies: accept it again"
                yield Fault("approval_outdated", text, file, 0, f"{step[0]} to {step[1]}")
            elif self._today is not None:
                yield from self._dated(one, pin, self._today, Fault("", "", file, 0, f"{step[0]} to {step[1]}"))

    def _dated(self, one: Approval, pin: Pin, today: datetime.date, place: Fault) -> Iterator[Fault]:
        """A fault where an approval ran out or counts for longer than the project allows; else it is noted."""
        rests = f"it rests on the approval of `{one.fingerprint}`, which"
        if today - one.expires > self._grace:
            text = f"{rests} expired on {one.expires}: accept it again"
            yield replace(place, code="approval_expired", message=text)
        elif one.expires > (last := self._state.gate.last_day(today)):
            text = f"{rests} ends on {one.expires}, after {last}, the last day that `max_days` of gate.yaml allows"
            yield replace(place, code="approval_too_long", message=text)
        else:
            self.expires[pin.audience] = min(self.expires.get(pin.audience, one.expires), one.expires)
            if one.expires < today:
                self.lapsed.append(Lapsed(one, pin.contract, (self._grace - (today - one.expires)).days))
