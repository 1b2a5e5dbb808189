"""`gate.yaml`: what a project demands of its approvals. It stands in the contracts folder, where it is reviewed."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from entitlements import positions
from entitlements.contract import shape
from entitlements.contract.loader import read_text
from entitlements.errors import ContractsInvalid, Fault

GATE_NAME = "gate.yaml"


@dataclass(frozen=True, slots=True)
class GateSettings:
    """max_days: how far ahead an approval may expire; grace_days: for how long a release still starts after one did."""

    max_days: int = 365
    grace_days: int = 14

    def last_day(self, today: datetime.date) -> datetime.date:
        """The last day on which an approval may end that is there today."""
        return today + datetime.timedelta(days=self.max_days)


class _ApprovalsShape(Schema):
    class Meta:
        unknown = RAISE

    max_days = fields.Integer(strict=True, validate=validate.Range(1, 36_500), load_default=GateSettings().max_days)
    grace_days = fields.Integer(strict=True, validate=validate.Range(0, 90), load_default=GateSettings().grace_days)


class _GateShape(Schema):
    class Meta:
        unknown = RAISE

    approvals = fields.Nested(_ApprovalsShape, required=True)


def load_gate_settings(folder: Path) -> GateSettings:
    """The settings of a contracts folder; the defaults where there is no file. Raises ContractsInvalid."""
    path = folder / GATE_NAME
    if not os.path.lexists(path):
        return GateSettings()
    located = positions.read(read_text(path, within=folder))
    faults = [Fault("gate_invalid", text, str(path), line) for line, _, text in located.faults]
    if not faults:
        try:
            document = _GateShape().load(located.value)  # type: ignore[arg-type]
        except ValidationError as error:
            faults = [
                Fault("gate_invalid", text, str(path), located.line(place), ".".join(map(str, place)))
                for place, text in shape.faults(error.messages)
            ]
    if faults:
        raise ContractsInvalid("gate_invalid", f"`{path}` cannot be used", faults)
    return GateSettings(**document["approvals"])
