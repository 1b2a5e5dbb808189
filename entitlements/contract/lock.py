"""`contracts.lock`: which version each audience is served by, pinned by digest, and every version ever published."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from entitlements import positions
from entitlements.contract import shape
from entitlements.contract.document import Contract
from entitlements.contract.loader import load_contract, read_text, readable_contracts
from entitlements.errors import ContractsInvalid, Fault

LOCK_NAME = "contracts.lock"
FIRST_VERSION = "first_version"
PASSING = frozenset({FIRST_VERSION, "proved"})
_ANSWERS = (*sorted(PASSING), "proved_within_bounds", "refuted", "unknown")
_DIGEST = validate.Regexp(r"\Asha256:[0-9a-f]{64}\Z", error="must be `sha256:` and 64 hexadecimal digits")
_HEADER = "# Written by `entitlements contract lock`. A published version is never changed: a fix is a new version.\n"


@dataclass(frozen=True, slots=True)
class Pin:
    """One audience's contract version, pinned by digest; `also` are older versions accepted beside it.

    policy: digest of the policy files it was locked with; check: what the check of this step answered, or
    `first_version`; approved: whether a person accepted an answer that is no proof; record: digest of the record of
    that check, which stands beside the contract.
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

    @property
    def passes(self) -> bool:
        """Whether what is pinned was proved or approved."""
        return self.check in PASSING or self.approved


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole lock: pins by audience, and for each contract the digest of every version ever published."""

    pins: Mapping[str, Pin]
    published: Mapping[str, Mapping[str, str]]


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
    record = fields.String(load_default="", validate=validate.Regexp(r"\A(sha256:[0-9a-f]{64})?\Z"))


class _LockShape(Schema):
    class Meta:
        unknown = RAISE

    lock = fields.Integer(required=True, strict=True, validate=validate.Equal(1))
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
    located = positions.read(read_text(path, within=folder))
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
    pins = {
        audience: Pin(audience, **{**members, "also": tuple(members["also"])})
        for audience, members in document["audiences"].items()
    }
    return Lock(pins, document["published"])


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


def plan_lock(
    folder: Path,
    *,
    policy_digest: str,
    pins: Mapping[str, str] | None = None,
    also: Mapping[str, Sequence[str]] | None = None,
) -> Lock:
    """What the lock will be: each contract's newest version pinned, or the one that `pins` names for it.

    policy_digest: of the policy files; also: older versions, by contract, that are accepted beside it. A pin that
    differs from the last lock's stands with the check `unknown` until it was checked. Raises ContractsInvalid where a
    published version was changed or is gone: published contracts are append-only.
    """
    contracts = load_all(folder)
    old = read_lock(folder) if os.path.lexists(folder / LOCK_NAME) else Lock({}, {})
    faults = changed_since_published(folder, old, contracts)
    published = {name: dict(versions) for name, versions in old.published.items()}
    for (name, version), contract in contracts.items():
        published.setdefault(name, {}).setdefault(version, contract.ref.digest)
    names = {name for name, _ in contracts}
    unknown = sorted({*(pins or {}), *(also or {})} - names)
    faults += [Fault("version_missing", f"there is no contract `{name}`", str(folder)) for name in unknown]
    planned: dict[str, Pin] = {}
    for name in sorted(names):
        newest = max((version for other, version in contracts if other == name), key=version_key)
        version = (pins or {}).get(name, newest)
        accepted = tuple((also or {}).get(name, ()))
        absent = [wanted for wanted in (version, *accepted) if (name, wanted) not in contracts]
        if absent:
            faults.append(Fault("version_missing", f"there is no version {absent[0]} of `{name}`", str(folder)))
            continue
        newer = [wanted for wanted in accepted if version_key(wanted) >= version_key(version)]
        if newer:
            text = f"`{name}` {newer[0]} is not older than {version}, so it cannot be accepted beside it"
            faults.append(Fault("version_not_older", text, str(folder)))
            continue
        contract = contracts[name, version]
        audience = contract.profile.audience
        if audience in planned:
            faults.append(Fault("audience_pinned_twice", f"two contracts serve `{audience}`"))
        pin = Pin(audience, name, version, contract.ref.digest, accepted, policy_digest, "unknown")
        before = old.pins.get(audience)
        if before is not None and (before.digest, before.policy) == (pin.digest, pin.policy):
            pin = replace(pin, check=before.check, approved=before.approved, record=before.record)
        planned[audience] = pin
    if faults:
        raise ContractsInvalid("lock_refused", "the lock was not written", faults)
    return Lock(planned, published)


def write_lock(folder: Path, lock: Lock) -> None:
    """Write `contracts.lock` in one step."""
    _write(folder / LOCK_NAME, lock)


def changed_since_published(folder: Path, lock: Lock, contracts: Mapping[tuple[str, str], Contract]) -> list[Fault]:
    """One fault for each published version that was changed or is gone."""
    faults = []
    for name, versions in lock.published.items():
        for version, digest in versions.items():
            file = str(folder / name / f"{version}.yaml")
            contract = contracts.get((name, version))
            if contract is None:
                faults.append(Fault("published_missing", "the published version is gone, bring it back", file))
            elif contract.ref.digest != digest:
                faults.append(
                    Fault("published_changed", "the published version was changed, make it a new version", file)
                )
    return faults


def _write(path: Path, lock: Lock) -> None:
    document = {
        "lock": 1,
        "audiences": {
            pin.audience: {
                "contract": pin.contract,
                "version": pin.version,
                "digest": pin.digest,
                "also": list(pin.also),
                "policy": pin.policy,
                "check": pin.check,
                "approved": pin.approved,
                **({"record": pin.record} if pin.record else {}),
            }
            for pin in lock.pins.values()
        },
        "published": {
            name: dict(sorted(versions.items(), key=lambda item: version_key(item[0])))
            for name, versions in sorted(lock.published.items())
        },
    }
    text = _HEADER + yaml.safe_dump(document, sort_keys=False, width=120)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".lock")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(re.sub(r"version: '?([0-9.]+)'?", r"version: \1", text))
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
