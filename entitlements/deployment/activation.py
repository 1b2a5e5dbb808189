"""A real OPA activates the very bytes of a release and answers, before anything is locked."""

from __future__ import annotations

import contextlib
import time

from entitlements.deployment.state import contracts_of
from entitlements.engine import Opa, OpaProcess
from entitlements.errors import EngineUnavailable, Fault, StartupFault
from entitlements.release import Release

_SECONDS = 10.0


def activate(release: Release, opa: Opa) -> None:
    """Load the release into an OPA of its own and ask each decision. Raises StartupFault `release_not_activated`."""
    try:
        process = OpaProcess(opa.executable, release.loaded(), release.revision)
    except StartupFault as fault:
        raise _refused(fault.message) from None
    with contextlib.closing(process):
        for path in sorted({one.decision_path for one in contracts_of(release).values()}):
            try:
                answered = process.ask(path, {}, deadline=time.monotonic() + _SECONDS).revision
            except EngineUnavailable as error:
                # A policy may fail for an input that has nothing in it: it was evaluated then.
                if error.code != "policy_error":
                    raise _refused(f"data.{path.replace('/', '.')}: {error.message}") from None
                continue
            if answered != release.revision:
                raise _refused(f"OPA answered with the revision `{answered}`")


def _refused(why: str) -> StartupFault:
    fault = Fault("release_not_activated", f"OPA does not serve the release: {why}")
    return StartupFault("release_not_activated", "nothing was locked", [fault])
