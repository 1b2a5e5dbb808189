"""The roots of a bundle of policies: the parts of `data` that its files own, and nothing beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from entitlements.engine.data_files import read_data, roots_of


def policy_roots(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The top-level names of `data` that policy and data files own, in order.

    files: contents by path in the policy folder. Raises StartupFault where a data document cannot be read.
    """
    folders = {name.partition("/")[0] for name in files if "/" in name}
    return tuple(sorted(folders | {place[0] for place in roots_of(read_data(files, Path()))}))
