"""The record of a check: what was asked and answered, and what the answer rests on. Anyone can verify it."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entitlements import strict_json
from entitlements.checking.step import Report
from entitlements.errors import Fault, FolderUnreadable, JSONRefused, StartupFault
from entitlements.files import write_atomically
from entitlements.folder import read_file
from entitlements.model import JSON
from entitlements.proof import HOLDS as PASSES
from entitlements.proof import Answer
from entitlements.proof.evidence import ASSUMPTIONS, text_digest
from entitlements.proof.soundness import FIRST, SOUNDNESS

_VERSION = 1
_MAX_BYTES = 8 * 1024 * 1024
_SIDES = ("old", "new")
_ANSWERS = ("no_new_access", "no_lost_access")
_MEMBERS = frozenset(
    {"record", "made", "seconds", "versions", "contract", "approved", "assumptions", *_SIDES, *_ANSWERS}
)
_OPTIONAL = frozenset({"soundness"})


def make_record(report: Report, decisions: tuple[str, str], made: datetime.datetime) -> dict[str, JSON]:
    """The record of a report, as schemas/record.json describes it.

    decisions: the rules that decide; made: when, in UTC."""
    evidence = report.access.evidence
    record: dict[str, Any] = {
        "record": _VERSION,
        "soundness": SOUNDNESS,
        "made": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(evidence.seconds, 3),
        "versions": dict(evidence.versions),
        "contract": report.new.contract.name,
    }
    for number, name in enumerate(_SIDES):
        contract = (report.old, report.new)[number].contract
        record[name] = {
            "version": contract.version,
            "digest": contract.ref.digest,
            "policies": report.access.policies[number],
            "decision": decisions[number],
            "plan": evidence.plans[number],
            "data": evidence.data[number],
        }
    for name, answer in report.answers.items():
        record[name] = _answer(answer)
    record["approved"] = [*sorted(_relied_on(report))]
    record["assumptions"] = [*ASSUMPTIONS]
    return record


def _answer(answer: Answer) -> dict[str, JSON]:
    return {
        "answer": answer.answer,
        "method": answer.method,
        "coverage": answer.coverage,
        "reason": answer.reason,
        "bounds": dict(answer.bounds),
        "approximations": [*answer.approximations],
        "witnesses": [*sorted(one.fingerprint for one in answer.witnesses)],
        "queries": [text_digest(query) for query in answer.queries],
        **({"double_check": answer.double_check.as_json()} if answer.double_check else {}),
    }


def _relied_on(report: Report) -> set[str]:
    """The fingerprints of what passed only because it was approved: findings, witnesses, what was not decided."""
    marks = {finding.fingerprint for finding in report.findings if finding.gates}
    answer = report.access.no_new_access
    if answer.answer not in PASSES:
        for witness in answer.witnesses:
            marks |= witness.approved_by or {witness.fingerprint}
        marks |= {answer.fingerprint} - {""}
    return marks


def record_bytes(record: Mapping[str, JSON]) -> tuple[bytes, str]:
    """The content of a record's file, and its digest `sha256:<hex>`."""
    content = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
    return content, "sha256:" + hashlib.sha256(content).hexdigest()


def write_record(path: Path, record: Mapping[str, JSON]) -> str:
    """Write a record in one step; returns the digest of the file, `sha256:<hex>`."""
    content, digest = record_bytes(record)
    write_atomically(path, content)
    return digest


def read_record(path: Path) -> dict[str, Any]:
    """Read a record. Raises StartupFault `record_invalid`."""
    return parse_record(_read(path), path)


def parse_record(content: bytes, path: Path | str) -> dict[str, Any]:
    """The record of a file's content. path: what to name in a fault. Raises StartupFault `record_invalid`."""
    try:
        document: Any = strict_json.loads(content)
    except JSONRefused:
        raise _invalid(path, "is not strict JSON") from None
    if not isinstance(document, dict) or document.keys() - _OPTIONAL != _MEMBERS or document["record"] != _VERSION:
        raise _invalid(path, "is no record of a check")
    if not _is_number(document.get("soundness", FIRST)):
        raise _invalid(path, "names a `soundness` that is not a whole number from 1 on")
    sides = [document[name] for name in _SIDES]
    members = {"version", "digest", "policies", "decision", "plan", "data"}
    if any(not isinstance(one, dict) or not members <= one.keys() for one in sides):
        raise _invalid(path, "does not name both sides")
    if any(not isinstance(document[name], dict) for name in _ANSWERS) or not isinstance(document["contract"], str):
        raise _invalid(path, "has no answers")
    approved = document["approved"]
    if not isinstance(approved, list) or not all(isinstance(mark, str) for mark in approved):
        raise _invalid(path, "does not name what was approved")
    return document


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= FIRST


def soundness_of(record: Mapping[str, Any]) -> int:
    """The soundness of the proof that made a record, as `read_record` gives it; 1 for one that names none."""
    return int(record.get("soundness", FIRST))


def _read(path: Path) -> bytes:
    try:
        return read_file(path, _MAX_BYTES, code="record_invalid")
    except FolderUnreadable as error:
        raise StartupFault("record_invalid", error.message, error.faults) from None


def _invalid(path: Path | str, why: str) -> StartupFault:
    return StartupFault("record_invalid", f"`{path}` {why}", [Fault("record_invalid", why, str(path))])


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What a second check found to be otherwise; nothing where it found the same.

    Times, versions, the solver's questions and prose count for nothing.
    """
    found = []
    for side in _SIDES:
        found += [f"{side}.{name}" for name in new[side] if old[side].get(name) != new[side][name]]
    found += ["approved"] if old["approved"] != new["approved"] else []
    for answer in _ANSWERS:
        compared = ("answer", "method", "bounds", "approximations", "witnesses")
        found += [f"{answer}.{name}" for name in compared if old[answer].get(name) != new[answer][name]]
    return found
