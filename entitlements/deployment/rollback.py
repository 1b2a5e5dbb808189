"""Taking a release back: one that was served before is locked again, without a new proof and not without a trace."""

from __future__ import annotations

import datetime

from entitlements.contract import ROLLED_BACK, Lock, Pin, Rollback
from entitlements.deployment.history import History
from entitlements.deployment.state import State, contracts_of
from entitlements.engine import digest_of
from entitlements.errors import Fault, StartupFault
from entitlements.release import Release


def rolled_back(
    state: State, history: History | None, revision: str, *, reason: str, by: str, today: datetime.date
) -> State:
    """The state that serves an earlier release again.

    state: what is locked now; revision: of the earlier release, or the beginning of it (8 digits or more). Raises
    StartupFault `rollback_refused` where no such release is kept, or several are.
    """
    now = state.release
    if now is None:
        raise _refused("there is no locked release to roll back from")
    release = _find(state, history, revision)
    if release.revision == now.revision:
        raise _refused("this release is the one that is locked")
    policy = digest_of(release.content.policies)
    contracts = contracts_of(release)
    published = {name: dict(versions) for name, versions in state.lock.published.items()}
    for (name, version), contract in contracts.items():
        if published.setdefault(name, {}).setdefault(version, contract.ref.digest) != contract.ref.digest:
            raise _refused(f"`{name}` {version} was published with another content since")
    pins = {
        audience: Pin(
            audience,
            one.contract,
            one.version,
            contracts[one.contract, one.version].ref.digest,
            one.also,
            policy,
            ROLLED_BACK,
        )
        for audience, one in release.content.served.items()
    }
    trace = Rollback(now.revision, reason, by, today)
    lock = Lock(pins, published, release.revision, now.revision, trace)
    return State(state.folder, lock, release, now, {}, state.approvals, gate=state.gate)


def _find(state: State, history: History | None, wanted: str) -> Release:
    begin = "sha256:" + wanted.removeprefix("sha256:")
    if len(begin) < len("sha256:") + 8:
        raise _refused("name the release by 8 digits of its revision or more")
    known = [one for one in (state.release, state.previous) if one is not None]
    if history is not None:
        known += history.releases()
    found = {one.revision: one for one in known if one.revision.startswith(begin)}
    if len(found) != 1:
        what = "several releases begin so" if found else "neither git nor `release/` holds such a release"
        raise _refused(f"{what}: `{wanted}`")
    return next(iter(found.values()))


def _refused(why: str) -> StartupFault:
    return StartupFault("rollback_refused", why, [Fault("rollback_refused", why)])
