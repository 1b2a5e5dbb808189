"""The release is the same bytes everywhere, its revision is that of its content, and nothing else is taken for one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements.errors import StartupFault
from entitlements.release import (
    Content,
    Served,
    make_release,
    read_archive,
    read_release,
    revision_of,
    write_archive,
)

CONTENT = Content(
    policies={"orders/authz/authz.rego": b"package orders.authz\n", "orders/authz/data.json": b'{"limit": 3}'},
    contracts={"orders/1.0.0.yaml": b"contract: orders\n"},
    served={"https://orders.example.com": Served("orders", "1.0.0")},
    roots=("orders",),
    opa="1.22.2",
    invariants="sha256:" + "0" * 64,
)
# Written down once. Another value means that every locked release of every user would have to be made again.
GOLDEN_REVISION = "sha256:1adee626f4ec380e9084e58b06a312334209d318a0f408460eb20119782fa899"
GOLDEN_BYTES = "125b4deee56a486a8c1b81bf67d161ad87ae9ec5a8c84bd85ac3d9c88f6f62d3"
MAKE = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.unit.release.test_release import CONTENT
from entitlements.release import make_release
sys.stdout.buffer.write(make_release(CONTENT).bundle())
"""


def test_golden_bytes() -> None:
    release = make_release(CONTENT)
    assert release.revision == GOLDEN_REVISION
    assert hashlib.sha256(release.bundle()).hexdigest() == GOLDEN_BYTES


def test_bytes_do_not_depend_on_folder_umask_time_zone_or_locale(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    place = {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(root)],
        cwd=tmp_path,
        env={**place, "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=60,
        check=True,
        umask=0o077,
    )
    assert done.stdout == make_release(CONTENT).bundle()


def test_revision_is_of_path_length_and_bytes() -> None:
    assert revision_of({"a": b"bc"}) != revision_of({"ab": b"c"})
    assert revision_of({"a": b"1", "b": b""}) != revision_of({"a": b"", "b": b"1"})
    assert revision_of({"a": b"1", "b": b"2"}) == revision_of({"b": b"2", "a": b"1"})


@pytest.mark.parametrize(
    "change",
    [
        {"policies": {**CONTENT.policies, "orders/authz/more.rego": b"package orders.authz\n"}},
        {"policies": {**CONTENT.policies, "orders/authz/data.json": b'{"limit": 4}'}},
        {"contracts": {"orders/1.0.0.yaml": b"contract: orders \n"}},
        {"served": {"https://orders.example.com": Served("orders", "1.0.0", ("0.9.0",))}},
        {"roots": ("orders", "payments")},
        {"opa": "1.22.3"},
        {"invariants": "sha256:" + "1" * 64},
    ],
    ids=["policy", "data", "contract", "served", "roots", "opa", "invariants"],
)
def test_each_part_changes_the_revision(change: dict[str, object]) -> None:
    assert make_release(replace(CONTENT, **change)).revision != make_release(CONTENT).revision  # type: ignore[arg-type]


def test_a_release_is_read_as_it_was_made() -> None:
    release = make_release(CONTENT)
    assert read_release(release.bundle()) == release
    signed = make_release(CONTENT, signatures=b'{"signatures": ["a.b.c"]}')
    assert signed.revision == release.revision
    assert read_release(signed.bundle()) == signed


def test_tar_programs_read_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(make_release(CONTENT).bundle())) as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile(".manifest"))  # type: ignore[arg-type]
    assert names == [
        ".manifest",
        "entitlements-contracts/orders/1.0.0.yaml",
        "orders/authz/authz.rego",
        "orders/authz/data.json",
    ]
    assert manifest["revision"] == GOLDEN_REVISION
    assert manifest["roots"] == ["orders"]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 65535, 65536, 200_000])
def test_every_size_of_a_member(size: int) -> None:
    members = {"a": b"x" * size, "b/c": b"y"}
    assert read_archive(write_archive(members)) == members


@pytest.mark.parametrize(
    "name", ["a" * 100, "d" * 150 + "/" + "f" * 100, "ä" * 40, "x/" * 60 + "f"], ids=["100", "255", "utf-8", "deep"]
)
def test_long_names(name: str) -> None:
    assert read_archive(write_archive({name: b"1"})) == {name: b"1"}


@pytest.mark.parametrize("name", ["a" * 101, "d" * 160 + "/f", "", "/a", "a/", "a\0b"])
def test_names_that_no_archive_can_hold_are_refused(name: str) -> None:
    with pytest.raises(StartupFault) as caught:
        write_archive({name: b"1"})
    assert caught.value.code == "release_invalid"


def _tar(members: list[tuple[str, bytes]], **options: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for option, value in options.items():
                setattr(member, option, value)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


GOOD = make_release(CONTENT).bundle()
MEMBERS = read_archive(GOOD)


def _with_manifest(**change: object) -> bytes:
    document = {**json.loads(MEMBERS[".manifest"]), **change}
    return write_archive({**MEMBERS, ".manifest": (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()})


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        b"garbage",
        GOOD[:-1],
        GOOD + b"\0",
        GOOD[:-4] + b"\0\0\0\0",
        gzip.compress(gzip.decompress(GOOD)),
        GOOD + GOOD,
        _tar([*MEMBERS.items()]),
        _tar([*MEMBERS.items(), ("orders/authz/authz.rego", b"package orders.authz\n\ndefault allow := true\n")]),
        _tar([*MEMBERS.items()], type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        _tar([*MEMBERS.items()], mode=0o777),
        write_archive({name: content for name, content in MEMBERS.items() if name != ".manifest"}),
        write_archive({**MEMBERS, "orders/authz/authz.rego": b"package orders.authz\n\ndefault allow := true\n"}),
        write_archive({**MEMBERS, ".manifest": b"[]"}),
        write_archive({**MEMBERS, ".manifest": b"{}"}),
        write_archive({**MEMBERS, ".manifest": MEMBERS[".manifest"] + b" "}),
        _with_manifest(revision="sha256:" + "a" * 64),
        _with_manifest(roots="orders"),
        _with_manifest(wasm=[]),
        _with_manifest(file_rego_versions={"orders/authz/authz.rego": 0}),
    ],
    ids=[
        "empty",
        "garbage",
        "cut",
        "a byte behind",
        "wrong length",
        "compressed",
        "twice",
        "written by tarfile",
        "a member twice",
        "links",
        "another mode",
        "no manifest",
        "another policy",
        "manifest is a list",
        "manifest is empty",
        "manifest spelt otherwise",
        "another revision",
        "roots as a string",
        "a resolver",
        "a file of Rego v0",
    ],
)
def test_what_is_not_byte_for_byte_a_release_is_refused(bundle: bytes) -> None:
    with pytest.raises(StartupFault) as caught:
        read_release(bundle)
    assert caught.value.code == "release_invalid"
