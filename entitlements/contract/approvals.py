"""`approvals.yaml`: reviewed, expiring acceptances of single findings of single version steps."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from entitlements import positions
from entitlements.contract import shape
from entitlements.contract.gate_settings import load_gate_settings
from entitlements.contract.loader import read_text
from entitlements.contract.lock import version_key
from entitlements.errors import ContractsInvalid, Fault
from entitlements.files import write_atomically
from entitlements.schema_files import editor_line, schema_name

APPROVALS_NAME = "approvals.yaml"
_FINGERPRINT = validate.Regexp(
    r"\A[0-9a-f]{16}\Z", error="must be 16 hexadecimal digits: one finding, never a wildcard"
)
_DIGEST = validate.Regexp(r"\Asha256:[0-9a-f]{64}\Z", error="must be `sha256:` and 64 hexadecimal digits")
_PLAIN = validate.And(validate.Length(min=1, max=1000), validate.Regexp(r"(?s).*\S", error="must not be blank"))


@dataclass(frozen=True, slots=True)
class Approval:
    """One acceptance. old and new: the version step; expires: the last day that it counts; line: where it stands.

    policies: the digest of the policies under which the tokens and requests were shown that are accepted; empty where
    it is of a finding of the contract alone, or was written by hand for whatever the policies become.
    """

    fingerprint: str
    old: str
    new: str
    reason: str
    by: str
    expires: datetime.date
    policies: str = ""
    line: int = 0

    def counts_under(self, policies: str) -> bool:
        """Whether it accepts what is shown under the policies with this digest."""
        return self.policies in ("", policies)


class _ApprovalShape(Schema):
    class Meta:
        unknown = RAISE

    fingerprint = fields.String(required=True, validate=_FINGERPRINT)
    old = fields.String(required=True, data_key="from", validate=validate.Regexp(shape.VERSION))
    new = fields.String(required=True, data_key="to", validate=validate.Regexp(shape.VERSION))
    reason = fields.String(required=True, validate=_PLAIN)
    by = fields.String(required=True, validate=_PLAIN)
    expires = fields.Date(required=True, format="%Y-%m-%d")
    policies = fields.String(validate=_DIGEST, load_default="")


class _ApprovalsShape(Schema):
    class Meta:
        unknown = RAISE

    approvals = fields.List(fields.Nested(_ApprovalShape), required=True)


def load_approvals(folder: Path, name: str) -> tuple[Approval, ...]:
    """The approvals of one contract; none where there is no file.

    Raises ContractsInvalid `approvals_invalid` with every fault: malformed, wildcard or self-contradicting entries.
    """
    path = folder / name / APPROVALS_NAME
    return _parse(path, read_text(path, within=folder)) if os.path.lexists(path) else ()


def _parse(path: Path, text: str) -> tuple[Approval, ...]:
    located = positions.read(text)
    if located.faults:
        raise _invalid(path, [(line, text) for line, _, text in located.faults])
    try:
        document: dict[str, Any] = _ApprovalsShape().load(located.value)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _invalid(path, [(located.line(place), text) for place, text in shape.faults(error.messages)]) from None
    found = tuple(
        Approval(**entry, line=located.line(("approvals", index))) for index, entry in enumerate(document["approvals"])
    )
    faults = [
        (one.line, "approves a step that does not go forward")
        for one in found
        if version_key(one.old) > version_key(one.new)
    ]
    seen: set[tuple[str, str, str]] = set()
    for one in found:
        key = (one.fingerprint, one.old, one.new)
        if key in seen:
            faults.append((one.line, f"approves `{one.fingerprint}` twice"))
        seen.add(key)
    if faults:
        raise _invalid(path, faults)
    return found


def _invalid(path: Path, found: Sequence[tuple[int, str]]) -> ContractsInvalid:
    faults = [Fault("approvals_invalid", text, str(path), line) for line, text in found]
    return ContractsInvalid("approvals_invalid", f"`{path}` cannot be used", faults)


def of_step(approvals: Sequence[Approval], old: str, new: str) -> tuple[Approval, ...]:
    """The approvals of one version step."""
    return tuple(one for one in approvals if (one.old, one.new) == (old, new))


def stale(
    path: Path,
    approvals: Sequence[Approval],
    asked_for: Collection[str],
    today: datetime.date,
    policies: str | None = None,
) -> list[Fault]:
    """One fault for each approval of a step that expired, counts for too long, that nothing asks for any more, or that
    was given for other policies than those with this digest (None: for any).
    """
    found = []
    for one in approvals:
        if fault := _dated(path, one, today):
            found.append(fault)
        elif one.fingerprint not in asked_for:
            text = f"the approval of `{one.fingerprint}` matches no finding of this step, take it out"
            found.append(Fault("approval_unmatched", text, str(path), one.line))
        elif policies is not None and not one.counts_under(policies):
            text = (
                f"the approval of `{one.fingerprint}` was given for other policies, "
                "look at what it means under these and accept it again"
            )
            found.append(Fault("approval_outdated", text, str(path), one.line))
    return found


def misplaced(path: Path, approvals: Sequence[Approval], today: datetime.date) -> list[Fault]:
    """One fault for each approval, of whatever step, that expired, counts for too long or names an absent version."""
    found = []
    for one in approvals:
        absent = [version for version in (one.old, one.new) if not path.with_name(f"{version}.yaml").exists()]
        if fault := _dated(path, one, today):
            found.append(fault)
        elif absent:
            text = f"the approval of `{one.fingerprint}` names the version {absent[0]}, which is not there"
            found.append(Fault("approval_unmatched", text, str(path), one.line))
    return found


def _dated(path: Path, one: Approval, today: datetime.date) -> Fault | None:
    """A fault where an approval ran out, or was written by hand to count for longer than gate.yaml allows."""
    last = load_gate_settings(path.parent.parent).last_day(today)
    if one.expires < today:
        text = f"the approval of `{one.fingerprint}` expired on {one.expires}"
        return Fault("approval_expired", text, str(path), one.line)
    if one.expires > last:
        text = (
            f"the approval of `{one.fingerprint}` ends after {last}, the last day that `max_days` of gate.yaml allows"
        )
        return Fault("approval_too_long", text, str(path), one.line)
    return None


def write_approval(folder: Path, name: str, approval: Approval, today: datetime.date) -> Path:
    """Append one approval to a contract's file; what stands there is kept.

    One for the same finding that no longer counts today, as it ran out, goes beyond gate.yaml or was given for other
    policies, is replaced.
    Raises ContractsInvalid and writes nothing where the file could not be loaded with the new entry.
    """
    path = folder / name / APPROVALS_NAME
    known = load_approvals(folder, name)
    step = (approval.fingerprint, approval.old, approval.new)
    same = [one for one in known if (one.fingerprint, one.old, one.new) == step]
    if any(_dated(path, one, today) is None and one.counts_under(approval.policies) for one in same):
        raise _invalid(path, [(0, f"`{approval.fingerprint}` is approved already")])
    known = tuple(one for one in known if one not in same)
    head = editor_line(path, folder, "approvals") if (folder / schema_name("approvals")).is_file() else ""
    text = head + "approvals:\n" + "".join(map(_entry, (*known, approval)))
    _parse(path, text)
    write_atomically(path, text.encode())
    return path


def _entry(approval: Approval) -> str:
    """One entry as YAML: every value as a JSON string, so that none of them reads as anything else."""
    members = {
        "fingerprint": approval.fingerprint,
        "from": approval.old,
        "to": approval.new,
        "reason": approval.reason,
        "by": approval.by,
        "expires": approval.expires.isoformat(),
        **({"policies": approval.policies} if approval.policies else {}),
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in members.items()]
    return "- " + "\n  ".join(lines) + "\n"
