"""The health of an OPA, by the decision that it is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable

from entitlements.engine.policy_files import CONSTANT_PATH
from entitlements.errors import EngineUnavailable
from entitlements.model import PartHealth, Verdict, not_ready

HEALTH_SECONDS = 1.0


def probed_health(ask: Callable[..., Verdict], probe: str) -> PartHealth:
    """Whether `ask` (see `PolicyEngine`) gets a verdict within a second, and of which policy revision.

    probe: the decision path that is asked with an empty input. A policy may fail for that: then a constant is asked.
    """
    deadline = time.monotonic() + HEALTH_SECONDS
    try:
        verdict = _probed(ask, probe, deadline)
    except EngineUnavailable as error:
        return not_ready(error.code, error.message)
    return PartHealth(True, detail={"revision": verdict.revision, "version": verdict.engine_version})


def _probed(ask: Callable[..., Verdict], probe: str, deadline: float) -> Verdict:
    try:
        return ask(probe, {}, deadline=deadline)
    except EngineUnavailable as error:
        if error.code != "policy_error":
            raise
        return ask(CONSTANT_PATH, {}, deadline=deadline)
