"""What was proved about the time is true of the zone data that it was proved with, and of no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from entitlements.contract import Contract, tzdata_version

RENEW = "prove it again with `entitlements contract verify --renew`"


def zone_data_of(contracts: Iterable[Contract]) -> str:
    """The version of the zone data by which the time of these contracts is told now; empty where none tells it."""
    return tzdata_version() if any(contract.time is not None for contract in contracts) else ""


def other_zone_data(known: str, contracts: Iterable[Contract]) -> str:
    """Why a release or a record that was made with this version does not hold here; empty where it does.

    known: what it names, empty where it names none; contracts: those that it is about, as far as they are at hand.
    """
    needed = zone_data_of(contracts) or (tzdata_version() if known else "")
    if known == needed:
        return ""
    made = f"tzdata {known}" if known else "no tzdata"
    return f"made with {made}, this installation tells the time by tzdata {needed}: {RENEW}"


def zone_data_named(record: Mapping[str, Any]) -> str:
    """The version of the zone data that a record names; empty where it names none."""
    found = record["versions"].get("tzdata", "") if isinstance(record["versions"], dict) else ""
    return str(found)
