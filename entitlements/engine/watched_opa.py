"""A child OPA that serves a watched folder of policies: the engine of a service that was given no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from entitlements.engine.opa_process import OpaProcess
from entitlements.engine.policy_files import build_bundle
from entitlements.engine.policy_folder import policy_fingerprint
from entitlements.engine.policy_watcher import PolicyWatcher
from entitlements.folder import CEILING, Limits
from entitlements.model import JSON, PartHealth, Verdict


class WatchedOpa:
    """The two parts as one engine: the child answers, the watcher brings it what was edited."""

    def __init__(self, process: OpaProcess, watcher: PolicyWatcher[tuple[bytes, str]]) -> None:
        self.process = process
        self._watcher = watcher
        watcher.start()

    def ask(self, decision_path: str, policy_input: Mapping[str, JSON], *, deadline: float) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        return self.process.ask(decision_path, policy_input, deadline=deadline)

    def health(self) -> PartHealth:
        """Red while OPA is down, while the files are not what it serves, and while nobody watches them."""
        served, watched = self.process.health(), self._watcher.health()
        if served.ready and not watched.ready:
            return PartHealth(False, watched.problem, served.detail)
        return served

    def close(self) -> None:
        """Watch no more and stop OPA."""
        self._watcher.stop()
        self.process.close()


def watched_opa(
    executable: Path,
    folder: Path,
    decision_paths: Sequence[str],
    *,
    admits: Callable[[str], bool] = lambda _revision: True,
    limits: Limits = CEILING,
    base: Path | None = None,
) -> WatchedOpa:
    """Serve the policies of a folder, and what they become.

    admits: whether a policy revision may be served; limits: of files; base: see `OpaProcess`.
    Raises StartupFault where the policies cannot be built or OPA does not come up.
    """

    def build() -> tuple[bytes, str]:
        return build_bundle(folder, decision_paths=decision_paths, opa=executable, admits=admits, limits=limits)

    # Taken before the files are read, so that an edit meanwhile is seen.
    seen = policy_fingerprint(folder)
    process = OpaProcess(executable, *build(), base=base)
    watcher = PolicyWatcher(
        lambda: policy_fingerprint(folder), build, lambda built: process.activate(*built), seen=seen
    )
    return WatchedOpa(process, watcher)
