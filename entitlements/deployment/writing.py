"""Writing a lock: everything that it names first, the lock itself last, each file in one step."""

from __future__ import annotations

from entitlements.contract import write_lock
from entitlements.deployment.lockdown import lockdown_bundle
from entitlements.deployment.state import BUNDLE, FOLDER, LOCKDOWN, PREVIOUS, State
from entitlements.errors import StartupFault
from entitlements.files import write_atomically


def write_state(state: State) -> None:
    """Write records, releases and lock of a state into its folder. Raises StartupFault `lock_unwritable`.

    A crash between two of these leaves the old lock with its release: that one is kept as the previous release before
    the new one takes its place, and a reader looks for a release by its revision.
    """
    folder = state.folder / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        if state.previous is not None:
            write_atomically(folder / PREVIOUS, state.previous.bundle())
        if state.release is not None:
            write_atomically(folder / BUNDLE, state.release.bundle())
            write_atomically(folder / LOCKDOWN, lockdown_bundle(state.release))
        if state.previous is None:
            (folder / PREVIOUS).unlink(missing_ok=True)
        for name, content in state.records.items():
            write_atomically(state.folder / name, content)
        write_lock(state.folder, state.lock)
    except OSError as error:
        raise StartupFault("lock_unwritable", f"`{error.filename}` cannot be written: {error.strerror}") from None
