"""When both sides of a scenario are asked: seconds at which a policy that reads the time could turn."""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.contract import TOKEN_TIMES, Contract
from entitlements.proof.enumeration.values import Pool
from entitlements.proof.instants import instants, some
from entitlements.proof.migration import claim_steps

_MANY = 64
_ANY = 1_800_000_000


def zones_of(*contracts: Contract) -> list[str]:
    """The zone of each contract that tells policies the time."""
    return [contract.time.zone for contract in contracts if contract.time is not None]


def sees_times(old: Contract, new: Contract) -> bool:
    """Whether policies of either side see when a token was issued or expires: it limits when it may be presented."""
    return any(TOKEN_TIMES & {step.name_before, step.name_after} for step in claim_steps(old, new))


def moments(old: Contract, new: Contract, pool: Pool, *, read: bool) -> Sequence[int | None]:
    """Seconds since the epoch; None where no contract tells policies the time. read: whether a policy may read it."""
    zones = zones_of(old, new)
    if not zones:
        return [None]
    if not read and not sees_times(old, new):
        return [_ANY]
    return some(instants(zones, pool.numbers, pool.strings), _MANY)
