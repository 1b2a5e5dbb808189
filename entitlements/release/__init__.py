"""The release: the one artefact that was proved and that runs. This room knows bytes and digests, and no folder."""

from entitlements.release.archive import MAX_ARCHIVE, read_archive, write_archive
from entitlements.release.release import (
    Content,
    Release,
    Served,
    make_release,
    read_release,
    revision_of,
)

__all__ = [
    "MAX_ARCHIVE",
    "Content",
    "Release",
    "Served",
    "make_release",
    "read_archive",
    "read_release",
    "revision_of",
    "write_archive",
]
