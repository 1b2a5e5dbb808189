"""What the next lock will be, before anything of it was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from entitlements.contract.document import Contract
from entitlements.contract.lock import Lock, Pin, load_all, version_key
from entitlements.contract.opaque_tokens import ambiguous
from entitlements.errors import ContractsInvalid, Fault


def plan_lock(
    folder: Path,
    base: Lock,
    *,
    policy_digest: str,
    pins: Mapping[str, str] | None = None,
    also: Mapping[str, Sequence[str]] | None = None,
) -> Lock:
    """What the lock will be: each contract's newest version pinned, or the one that `pins` names for it.

    base: what was locked before, empty where nothing was; policy_digest: of the policy files; also: older versions, by
    contract, that are accepted beside it. A pin that differs from the base's has the check `unknown`, as it was not
    checked yet. Raises ContractsInvalid where a
    published version was changed or is gone: published contracts are append-only.
    """
    contracts = load_all(folder)
    faults = changed_since_published(folder, base, contracts)
    published = {name: dict(versions) for name, versions in base.published.items()}
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
        faults += ambiguous([contract, *(contracts[name, older] for older in accepted)], str(folder / name))
        audience = contract.profile.audience
        if audience in planned:
            faults.append(Fault("audience_pinned_twice", f"two contracts serve `{audience}`"))
        pin = Pin(audience, name, version, contract.ref.digest, accepted, policy_digest, "unknown")
        before = base.pins.get(audience)
        if before is not None and (before.digest, before.policy) == (pin.digest, pin.policy):
            kept = {version: mark for version, mark in before.also_records.items() if version in accepted}
            pin = replace(pin, check=before.check, approved=before.approved, record=before.record, also_records=kept)
        planned[audience] = pin
    if faults:
        raise ContractsInvalid("lock_refused", "the lock was not written", faults)
    return Lock(planned, published)


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
