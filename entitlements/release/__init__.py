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
from entitlements.release.signature import ALGORITHMS, sign_release, verify_release

__all__ = [
    "ALGORITHMS",
    "MAX_ARCHIVE",
    "Content",
    "Release",
    "Served",
    "make_release",
    "read_archive",
    "read_release",
    "revision_of",
    "sign_release",
    "verify_release",
    "write_archive",
]
