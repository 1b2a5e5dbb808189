"""A release: exactly the contracts, policies and data that were digested, checked and proved, as one artefact.

It is an OPA bundle. Its revision is the SHA-256 over the canonical list of its members (path, length, bytes), with the
manifest as it is before it names the revision: whoever holds the bytes can tell the revision, and whoever hears the
revision in an answer of OPA knows the bytes. Contracts stand beside the policies under a name that OPA does not load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from entitlements import strict_json
from entitlements.errors import JSONRefused, StartupFault
from entitlements.release.archive import read_archive, write_archive

MANIFEST = ".manifest"
SIGNATURES = ".signatures.json"
_CONTRACTS = "entitlements-contracts/"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Served:
    """What a release serves for one audience: the pinned version of a contract, and older ones accepted beside it."""

    contract: str
    version: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What a release is made of.

    policies: policy and data files by their path in the policy folder; contracts: contract files by
    `<name>/<version>.yaml`, just those that are served; served: by audience; roots: the parts of `data` that the
    policies own; opa: the version of OPA that compiled, activated and proved them; invariants: the digest of the
    invariants that were proved; tzdata: the version of the zone data, empty where no contract tells policies the time.
    """

    policies: Mapping[str, bytes]
    contracts: Mapping[str, bytes]
    served: Mapping[str, Served]
    roots: tuple[str, ...]
    opa: str
    invariants: str
    tzdata: str = ""


@dataclass(frozen=True)
class Release:
    """A content with its revision, `sha256:<hex>`; signatures: OPA's `.signatures.json`, where it was signed."""

    content: Content
    revision: str
    signatures: bytes | None = None

    def bundle(self) -> bytes:
        """The artefact: a bundle for OPA, the same bytes wherever and whenever it is made."""
        members = {**_members(self.content), MANIFEST: _manifest(self.content, self.revision)}
        return write_archive(members | ({SIGNATURES: self.signatures} if self.signatures is not None else {}))

    def loaded(self) -> bytes:
        """The artefact without its signature, for an OPA that is handed what the service has verified."""
        return make_release(self.content).bundle()


def make_release(content: Content, signatures: bytes | None = None) -> Release:
    """The release of a content, which names its revision."""
    members = {**_members(content), MANIFEST: _manifest(content, None)}
    return Release(content, revision_of(members), signatures)


def revision_of(members: Mapping[str, bytes]) -> str:
    """`sha256:<hex>` over the canonical list of members: for each, in the order of its path, path, length and bytes."""
    total = hashlib.sha256(b"entitlements release 1\n")
    for name in sorted(members, key=str.encode):
        path = name.encode()
        total.update(b"%d %s %d\n" % (len(path), path, len(members[name])))
        total.update(members[name])
    return "sha256:" + total.hexdigest()


def read_release(bundle: bytes) -> Release:
    """The release of an artefact, with the revision that its content has, not the one that it claims.

    Raises StartupFault `release_invalid` where it is not byte for byte what `bundle` would make of its content.
    """
    members = read_archive(bundle)
    signatures = members.pop(SIGNATURES, None)
    try:
        content = _content(members, strict_json.loads(members.pop(MANIFEST)))
        made = make_release(content, signatures)
    except (JSONRefused, KeyError, TypeError, ValueError, AttributeError):
        raise StartupFault("release_invalid", "the release has no manifest as a release has it") from None
    if made.bundle() != bundle:
        raise StartupFault("release_invalid", "the release is not what its manifest says")
    return made


def _members(content: Content) -> dict[str, bytes]:
    return {**content.policies, **{_CONTRACTS + name: file for name, file in content.contracts.items()}}


def _manifest(content: Content, revision: str | None) -> bytes:
    served = {
        audience: {"contract": one.contract, "version": one.version, "also": [*one.also]}
        for audience, one in content.served.items()
    }
    document: dict[str, Any] = {
        "roots": [*content.roots],
        "rego_version": 1,
        "metadata": {
            "entitlements": {
                "release": _FORMAT,
                "opa": content.opa,
                "invariants": content.invariants,
                "served": served,
                **({"tzdata": content.tzdata} if content.tzdata else {}),
            }
        },
    }
    if revision is not None:
        document["revision"] = revision
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()


def _content(members: Mapping[str, bytes], manifest: Any) -> Content:
    about = manifest["metadata"]["entitlements"]
    if about["release"] != _FORMAT:
        raise ValueError
    return Content(
        policies={name: file for name, file in members.items() if not name.startswith(_CONTRACTS)},
        contracts={
            name.removeprefix(_CONTRACTS): file for name, file in members.items() if name.startswith(_CONTRACTS)
        },
        served={
            audience: Served(one["contract"], one["version"], tuple(one["also"]))
            for audience, one in about["served"].items()
        },
        roots=tuple(manifest["roots"]),
        opa=about["opa"],
        invariants=about["invariants"],
        tzdata=about.get("tzdata", ""),
    )
