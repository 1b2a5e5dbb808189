"""The contracts that are served: each audience's pinned version, and the older ones accepted beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entitlements.contract.document import Contract
from entitlements.contract.lock import LOCK_NAME, Lock, load_all, read_lock
from entitlements.contract.lock_plan import changed_since_published
from entitlements.contract.opaque_tokens import ambiguous
from entitlements.errors import ContractsInvalid, Fault
from entitlements.model import TokenProfile


@dataclass(frozen=True)
class Catalog:
    """Served contracts by audience, the pinned version first. Several audiences stand side by side."""

    by_audience: Mapping[str, tuple[Contract, ...]]
    lock: Lock

    @property
    def audiences(self) -> tuple[str, ...]:
        """Every audience that a contract is pinned for."""
        return tuple(self.by_audience)

    def candidates(self, audience: str) -> tuple[Contract, ...]:
        """The versions that serve an audience, the pinned one first; none for an unknown audience."""
        return self.by_audience.get(audience, ())

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Every served version."""
        return tuple(contract for versions in self.by_audience.values() for contract in versions)

    @property
    def profiles(self) -> tuple[TokenProfile, ...]:
        """What each served version demands of a token."""
        return tuple(contract.profile for contract in self.contracts)


def load_catalog(folder: Path) -> Catalog:
    """Load every contract and the lock. Raises ContractsInvalid with the faults of all files at once."""
    faults: list[Fault] = []
    contracts: Mapping[tuple[str, str], Contract] = {}
    lock = Lock({}, {})
    try:
        contracts = load_all(folder)
    except ContractsInvalid as error:
        faults.extend(error.faults)
    try:
        lock = read_lock(folder)
    except ContractsInvalid as error:
        faults.extend(error.faults)
    if not faults:
        faults = changed_since_published(folder, lock, contracts) + _pin_faults(folder, lock, contracts)
    if faults:
        raise ContractsInvalid("contracts_invalid", "the contracts cannot be used", faults)
    return Catalog(
        {
            audience: tuple(contracts[pin.contract, version] for version in (pin.version, *pin.also))
            for audience, pin in lock.pins.items()
        },
        lock,
    )


def _pin_faults(folder: Path, lock: Lock, contracts: Mapping[tuple[str, str], Contract]) -> list[Fault]:
    file = str(folder / LOCK_NAME)
    faults = []
    for audience, pin in lock.pins.items():
        served = [contracts.get((pin.contract, version)) for version in (pin.version, *pin.also)]
        faults += ambiguous([contract for contract in served if contract is not None], file)
        for version in (pin.version, *pin.also):
            contract = contracts.get((pin.contract, version))
            if contract is None:
                faults.append(
                    Fault("version_missing", f"no version {version} of `{pin.contract}`", file, path=audience)
                )
            elif contract.profile.audience != audience:
                faults.append(
                    Fault(
                        "audience_differs", f"`{pin.contract}` {version} is for another audience", file, path=audience
                    )
                )
            elif version not in lock.published.get(pin.contract, {}):
                faults.append(
                    Fault("version_unpublished", f"`{pin.contract}` {version} was never locked", file, path=audience)
                )
            elif version == pin.version and contract.ref.digest != pin.digest:
                faults.append(
                    Fault("digest_differs", f"`{pin.contract}` {version} is not what was pinned", file, path=audience)
                )
    return faults
