"""`time` of a contract: the service says what time it is, so that no policy reads a clock.

The parts are those of one instant in one zone, by the IANA data of the package `tzdata` and never by that of the
machine: what was proved about a zone is what is served. Leap seconds do not exist (POSIX), and an instant is never
ambiguous: of a wall-clock time that comes twice, or never, the seconds tell which one it is.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from entitlements.contract.change_rules import Change
from entitlements.contract.document import Contract, TimeSpec
from entitlements.errors import DecisionUnavailable
from entitlements.model import CONTEXT_TIME, JSON

EARLIEST, LATEST = 946_684_800, 4_102_444_799
"""2000-01-01T00:00:00Z and 2099-12-31T23:59:59Z: a clock beyond them is wrong, and nothing is proved there."""
PARTS: Mapping[str, str] = {
    "utc": "string",
    "seconds": "integer",
    "date": "string",
    "weekday": "integer",
    "minutes": "integer",
}
"""What `context.time` holds, with the JSON types: the order is that in which documentation tells of them."""
_PACKAGE = "tzdata"
# A placeholder of installers, which represents no place.
_NO_ZONES = frozenset({"Factory"})


def time_spec(document: Mapping[str, Any]) -> TimeSpec | None:
    """What a checked document says; None where policies are given no time."""
    return None if document["time"] is None else TimeSpec(document["time"]["zone"])


def canonical_time(document: Mapping[str, Any]) -> dict[str, JSON]:
    """What the digest of a contract covers of it; nothing where it declares no time."""
    return {} if document["time"] is None else {"time": dict(document["time"])}


def time_faults(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """A zone that there is not, and a `context.time` that a caller would send."""
    request = document["request"]
    if request is not None and CONTEXT_TIME in request["context"]["properties"]:
        yield (
            ("request", "context", "properties", CONTEXT_TIME),
            "`context.time` is the service's own and no caller may send it: declare `time: {zone: …}` instead",
        )
    if document["time"] is None:
        return
    zone = document["time"]["zone"]
    try:
        known = _zones()
    except ModuleNotFoundError:
        yield ("time", "zone"), "the package `tzdata` is not installed: install what requirements.lock pins"
        return
    if zone not in known:
        yield (
            ("time", "zone"),
            f"`{zone}` is not an IANA time zone of tzdata {tzdata_version()}, such as `Europe/Berlin`",
        )


def time_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """Whether policies are told the time, and in which zone."""
    before, after = (None if one.time is None else one.time.zone for one in (old, new))
    if before == after:
        return
    if before is None or after is None:
        yield Change("time_removed" if after is None else "time_added", "time", "", before, after)
    else:
        yield Change("time_zone_changed", "time.zone", "", before, after)


def time_context(spec: TimeSpec, now: float) -> dict[str, JSON]:
    """`context.time` at `now`, in seconds since the epoch; a part of a second is dropped.

    Raises DecisionUnavailable `clock_out_of_range`; a `now` that is not a number is out of range, too.
    """
    if not EARLIEST <= now < LATEST + 1:
        raise DecisionUnavailable("clock_out_of_range", "the clock of this machine cannot be right")
    seconds = int(now)
    local = datetime.datetime.fromtimestamp(seconds, _zone(spec.zone))
    utc = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return {
        "utc": utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": seconds,
        "date": local.date().isoformat(),
        "weekday": local.isoweekday(),
        "minutes": local.hour * 60 + local.minute,
    }


@lru_cache(maxsize=64)
def offsets(zone: str) -> Sequence[tuple[int, int]]:
    """From which second on a zone is how many seconds ahead of UTC, from `EARLIEST` to `LATEST`, oldest first."""
    found = [(EARLIEST, _offset(zone, EARLIEST))]
    # No zone changes twice within the hours of one step and ends as it was: the data knows whole days at least.
    for later in range(EARLIEST + _STEP, LATEST + _STEP + 1, _STEP):
        last, after = found[-1][1], _offset(zone, min(later, LATEST))
        if after != last:
            low, high = later - _STEP, min(later, LATEST)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == last else (low, middle)
            found.append((high, after))
    return tuple(found)


_STEP = 6 * 3600


def _offset(zone: str, seconds: int) -> int:
    found = datetime.datetime.fromtimestamp(seconds, _zone(zone)).utcoffset()
    return int((found or datetime.timedelta()).total_seconds())


def tzdata_version() -> str:
    """The version of the zone data. Raises importlib.metadata.PackageNotFoundError."""
    return importlib.metadata.version(_PACKAGE)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    """The names of all zones. Raises ModuleNotFoundError."""
    text = importlib.resources.files(_PACKAGE).joinpath("zones").read_text(encoding="utf-8")
    return frozenset(text.split()) - _NO_ZONES


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    with importlib.resources.files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
