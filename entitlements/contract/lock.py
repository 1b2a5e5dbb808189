"""`contracts.lock`: which version each audience is served by, pinned by digest, and every version ever published."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from entitlements import positions
from entitlements.contract import shape
from entitlements.contract.document import Contract
from entitlements.contract.loader import load_contract, read_text, readable_contracts
from entitlements.errors import ContractsInvalid, Fault
from entitlements.files import write_atomically

LOCK_NAME = "contracts.lock"
FIRST_VERSION = "first_version"
ROLLED_BACK = "rolled_back"
PASSING = frozenset({FIRST_VERSION, ROLLED_BACK, "proved"})
_ANSWERS = (*sorted(PASSING), "proved_within_bounds", "refuted", "unknown")
_DIGEST = validate.Regexp(r"\Asha256:[0-9a-f]{64}\Z", error="must be `sha256:` and 64 hexadecimal digits")
_DIGEST_OR_NONE = validate.Regexp(r"\A(sha256:[0-9a-f]{64})?\Z", error="must be `sha256:` and 64 hexadecimal digits")
_FORMATS = (1, 2)
_CONFLICT = re.compile(r"(<{7}|={7}|>{7})( |$)")
MEND_MERGE = (
    "take one side whole, contracts.lock, release/ and *.proof.json together "
    "(`git checkout BRANCH -- contracts`, keeping the contracts that you want), then run `entitlements contract lock`"
)
_HEADER = "# Written by `entitlements contract lock`. A published version is never changed: a fix is a new version.\n"


@dataclass(frozen=True, slots=True)
class Pin:
    """One audience's contract version, pinned by digest; `also` are older versions accepted beside it.

    policy: digest of the policy files it was locked with; check: what the check of this step answered, or
    `first_version`; approved: whether a person accepted an answer that is no proof; record: digest of the record of
    that check, which stands beside the contract; also_records: the same for the checks of older versions.
    """

    audience: str
    contract: str
    version: str
    digest: str
    also: tuple[str, ...]
    policy: str
    check: str
    approved: bool = False
    record: str = ""
    also_records: Mapping[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether what is pinned was proved or approved."""
        return self.check in PASSING or self.approved


@dataclass(frozen=True, slots=True)
class Rollback:
    """A release that was served before and is served again, without a new proof. date: the day, in UTC."""

    undone: str
    reason: str
    by: str
    date: datetime.date


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole lock: pins by audience, and for each contract the digest of every version ever published.

    release: the revision of the release that holds just this; previous: of the one that it was checked against, which
    a service still holds while an OPA changes over; rollback: where that release was taken back. A lock that an older
    version of this product wrote has no release: it cannot be served, and the next lock starts from it.
    """

    pins: Mapping[str, Pin]
    published: Mapping[str, Mapping[str, str]]
    release: str = ""
    previous: str = ""
    rollback: Rollback | None = None


class _PinShape(Schema):
    class Meta:
        unknown = RAISE

    contract = fields.String(required=True)
    version = fields.String(required=True)
    digest = fields.String(required=True, validate=_DIGEST)
    also = fields.List(fields.String(), load_default=list)
    policy = fields.String(required=True, validate=_DIGEST)
    check = fields.String(required=True, validate=validate.OneOf(_ANSWERS))
    approved = shape.Boolean(load_default=False)
    record = fields.String(load_default="", validate=_DIGEST_OR_NONE)
    also_records = fields.Dict(keys=fields.String(), values=fields.String(validate=_DIGEST), load_default=dict)


class _RollbackShape(Schema):
    class Meta:
        unknown = RAISE

    undone = fields.String(required=True, validate=_DIGEST)
    reason = fields.String(required=True, validate=validate.Length(min=1, max=1000))
    by = fields.String(required=True, validate=validate.Length(min=1, max=1000))
    date = fields.Date(required=True, format="%Y-%m-%d")

    @post_load
    def _freeze(self, data: Mapping[str, Any], **_: Any) -> Rollback:
        return Rollback(**data)


class _LockShape(Schema):
    class Meta:
        unknown = RAISE

    lock = fields.Integer(required=True, strict=True, validate=validate.OneOf(_FORMATS))
    release = fields.String(load_default="", validate=_DIGEST_OR_NONE)
    previous = fields.String(load_default="", validate=_DIGEST_OR_NONE)
    rollback = fields.Nested(_RollbackShape, load_default=None)
    audiences = fields.Dict(keys=fields.String(), values=fields.Nested(_PinShape), required=True)
    published = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.String(validate=_DIGEST)),
        required=True,
    )


def read_lock(folder: Path) -> Lock:
    """Read `contracts.lock`. Raises ContractsInvalid with every fault."""
    path = folder / LOCK_NAME
    if not os.path.lexists(path):
        raise _invalid(path, [(1, "", "there is no lock, run `entitlements contract lock`")])
    return parse_lock(read_text(path, within=folder), path)


def rollback_mark(lock: Lock) -> str:
    """The fingerprint by which a rollback is approved; empty where there is none."""
    if lock.rollback is None:
        return ""
    return hashlib.sha256(f"rollback {lock.rollback.undone} to {lock.release}".encode()).hexdigest()[:16]


def rollback_asks(folder: Path) -> set[str]:
    """The fingerprint that a rollback asks an approval for, where the lock of a folder is one; never raises."""
    try:
        return {rollback_mark(read_lock(folder))} - {""}
    except ContractsInvalid:
        return set()


def parse_lock(text: str, path: Path) -> Lock:
    """The lock of a file's text. path: what to name in a fault. Raises ContractsInvalid with every fault."""
    if marked := [number for number, line in enumerate(text.splitlines(), 1) if _CONFLICT.match(line)]:
        raise _invalid(path, [(marked[0], "", f"a merge left its conflict markers, {MEND_MERGE}")])
    located = positions.read(text)
    if located.faults:
        raise _invalid(path, [(line, "", text) for line, _, text in located.faults])
    try:
        document: dict[str, Any] = _LockShape().load(located.value)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _invalid(
            path, [(located.line(p), ".".join(map(str, p)), text) for p, text in shape.faults(error.messages)]
        ) from None
    if not document["audiences"]:
        raise _invalid(path, [(1, "audiences", "no audience is pinned")])
    if (document["lock"] == 1) == bool(document["release"]):
        raise _invalid(path, [(1, "release", "a lock of format 2 names a release, one of format 1 does not")])
    pins = {
        audience: Pin(audience, **{**members, "also": tuple(members["also"])})
        for audience, members in document["audiences"].items()
    }
    return Lock(pins, document["published"], document["release"], document["previous"], document["rollback"])


def _invalid(path: Path, found: Sequence[tuple[int, str, str]]) -> ContractsInvalid:
    faults = [Fault("lock_invalid", text, str(path), line, place) for line, place, text in found]
    return ContractsInvalid("lock_invalid", f"`{path}` cannot be used", faults)


def load_all(folder: Path) -> dict[tuple[str, str], Contract]:
    """Every contract in the folder by name and version. Raises ContractsInvalid with the faults of all files."""
    faults: list[Fault] = []
    found: dict[tuple[str, str], Contract] = {}
    if not folder.is_dir():
        raise _invalid(folder, [(0, "", "there is no such folder, see ENTITLEMENTS_CONTRACTS")])
    paths, unreadable = readable_contracts(folder)
    faults.extend(unreadable)
    for path in paths:
        try:
            contract = load_contract(path)
        except ContractsInvalid as error:
            faults.extend(error.faults)
        else:
            found[contract.name, contract.version] = contract
    if faults:
        raise ContractsInvalid("contract_invalid", "the contracts cannot be used", faults)
    if not found:
        raise _invalid(folder, [(0, "", "the folder holds no contract")])
    return found


def version_key(version: str) -> tuple[int, ...]:
    """Semantic versions in their order."""
    return tuple(int(part) for part in version.split("."))


def write_lock(folder: Path, lock: Lock) -> None:
    """Write `contracts.lock` in one step."""
    write_atomically(folder / LOCK_NAME, lock_text(lock).encode())


def lock_text(lock: Lock) -> str:
    """The lock as its file has it."""
    head: dict[str, Any] = {"lock": 2 if lock.release else 1}
    head |= {name: value for name, value in (("release", lock.release), ("previous", lock.previous)) if value}
    if lock.rollback is not None:
        head["rollback"] = {**asdict(lock.rollback), "date": lock.rollback.date.isoformat()}
    document = {
        **head,
        "audiences": {pin.audience: _pin_document(pin) for pin in lock.pins.values()},
        "published": {
            name: dict(sorted(versions.items(), key=lambda item: version_key(item[0])))
            for name, versions in sorted(lock.published.items())
        },
    }
    text = _HEADER + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)
    return re.sub(r"version: '?([0-9.]+)'?", r"version: \1", text)


def _pin_document(pin: Pin) -> dict[str, Any]:
    return {
        "contract": pin.contract,
        "version": pin.version,
        "digest": pin.digest,
        "also": list(pin.also),
        "policy": pin.policy,
        "check": pin.check,
        "approved": pin.approved,
        **({"record": pin.record} if pin.record else {}),
        **({"also_records": dict(pin.also_records)} if pin.also_records else {}),
    }
