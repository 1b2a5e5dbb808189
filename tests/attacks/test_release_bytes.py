"""Archives that two readers could understand differently, that write elsewhere, or that cost time and memory."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from devkit.service import Issuer
from entitlements.engine import Opa
from entitlements.release.archive import _entry, _gzip
from tests.attacks.real_commands import AttackedProject
from tests.locked_project import POLICY, widened


@pytest.fixture(scope="module")
def locked(opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was locked twice, so that there is a previous release."""
    del opa
    project = AttackedProject(tmp_path_factory.mktemp("locked") / "project", files_only=True)
    project.start()
    project.lock()
    project.rego.write_text(POLICY + "\n# again\n")
    project.lock()
    return project.folder


@pytest.fixture
def project(locked: Path, tmp_path: Path) -> AttackedProject:
    shutil.copytree(locked, tmp_path / "project")
    return AttackedProject(tmp_path / "project", files_only=True)


def tar_of(bundle: bytes) -> bytes:
    return gzip.decompress(bundle)


def ending(bundle: bytes) -> bytes:
    """The tar without its two blocks of zeros."""
    return tar_of(bundle)[:-1024]


def extra(member: bytes) -> Callable[[bytes], bytes]:
    return lambda bundle: _gzip(ending(bundle) + member + bytes(1024))


def header(name: str, kind: bytes, link: str = "", size: bytes = b"00000000000\0") -> bytes:
    block = bytearray(_entry("x", b"")[:512])
    block[:100] = name.encode().ljust(100, b"\0")
    block[124:136] = size
    block[156:157] = kind
    block[157:257] = link.encode().ljust(100, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(bundle: bytes) -> bytes:
    record = b"30 path=shop/authz/more.rego\n"
    body = record.ljust(512, b"\0")
    head = header("pax", b"x", size=b"%011o\0" % len(record))
    return _gzip(head + body + ending(bundle) + bytes(1024))


def deflated(bundle: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(tar_of(bundle)) + packer.flush()


def bomb(bundle: bytes) -> bytes:
    return gzip.compress(tar_of(bundle)[:-1024] + bytes(200 * 1024 * 1024))


def by_tarfile(bundle: bytes) -> bytes:
    """The same members, written by another program."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(bundle)) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member))
    return out.getvalue()


def wrong_checksum(bundle: bytes) -> bytes:
    tar = bytearray(tar_of(bundle))
    tar[148:154] = b"000000"
    return _gzip(bytes(tar))


def named(*names: str) -> Callable[[bytes], bytes]:
    """More members, by our own writer."""
    return lambda bundle: _gzip(ending(bundle) + b"".join(_entry_named(name) for name in names) + bytes(1024))


def _entry_named(name: str) -> bytes:
    body = b"package shop.more\n"
    return header(name, b"0", size=b"%011o\0" % len(body)) + body.ljust(512, b"\0")


ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "trailing_bytes": lambda bundle: bundle + b"x",
    "second_gzip_member": lambda bundle: bundle + gzip.compress(b"more"),
    "the_whole_twice": lambda bundle: bundle + bundle,
    "bytes_behind_the_end_of_the_tar": lambda bundle: _gzip(tar_of(bundle) + _entry_named("shop/authz/more.rego")),
    "duplicate_member": named("shop/authz/authz.rego"),
    "member_that_differs_by_a_dot": named("./shop/authz/authz.rego"),
    "member_that_differs_by_case": named("shop/authz/AUTHZ.rego"),
    "members_of_one_name_in_unicode": named("shop/authz/\u00e9.rego", "shop/authz/e\u0301.rego"),
    "absolute_path": named("/etc/cron.d/x"),
    "path_that_leads_out": named("../../../../tmp/x.rego"),
    "backslash": named("shop\\authz\\x.rego"),
    "control_character": named("shop/authz/x\n.rego"),
    "hidden_file": named("shop/authz/.x.rego"),
    "test_file": named("shop/authz/x_test.rego"),
    "data_of_both_formats": named("shop/authz/data.json", "shop/authz/data.yaml"),
    "wasm": named("policy.wasm"),
    "manifest_below": named("shop/.manifest"),
    "link": extra(header("shop/authz/more.rego", b"2", "/etc/passwd")),
    "hard_link": extra(header("shop/authz/more.rego", b"1", "shop/authz/authz.rego")),
    "device": extra(header("shop/authz/more.rego", b"3")),
    "folder_member": extra(header("shop/more", b"5")),
    "sparse_member": extra(header("shop/authz/more.rego", b"S")),
    "pax_header": pax,
    "size_below_zero": extra(header("shop/authz/more.rego", b"0", size=b"-0000001000\0")),
    "size_with_underscores": extra(header("shop/authz/more.rego", b"0", size=b"0000_0000_0\0")),
    "size_in_base_256": extra(header("shop/authz/more.rego", b"0", size=b"\x80" + bytes(10) + b"\x01")),
    "size_beyond_the_end": extra(header("shop/authz/more.rego", b"0", size=b"77777777777\0")),
    "compressed": deflated,
    "bomb": bomb,
    "another_writer": by_tarfile,
    "wrong_checksum": wrong_checksum,
    "gzip_with_a_name": lambda bundle: bundle[:3] + b"\x08" + bundle[4:10] + b"name\0" + bundle[10:],
    "gzip_with_a_time": lambda bundle: bundle[:4] + struct.pack("<I", 1) + bundle[8:],
    "wrong_crc": lambda bundle: bundle[:-8] + bytes(4) + bundle[-4:],
    "cut_short": lambda bundle: bundle[:-9],
    "empty": lambda _bundle: b"",
    "garbage": lambda _bundle: b"\x1f\x8b" + b"\xff" * 5000,
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_we_did_not_write_is_refused(project: AttackedProject, issuer: Issuer, name: str) -> None:
    project.bundle.write_bytes(ARCHIVES[name](project.bundle.read_bytes()))
    refused = project.serve(issuer)
    assert refused.exit_code == 2, refused.output
    assert "contract lock" in refused.output
    assert "serving on" not in refused.output


@pytest.mark.parametrize("name", ["size_below_zero", "path_that_leads_out", "bomb"])
def test_a_previous_release_that_we_did_not_write_is_refused(
    project: AttackedProject, issuer: Issuer, name: str
) -> None:
    project.previous.write_bytes(ARCHIVES[name](project.previous.read_bytes()))
    refused = project.serve(issuer)
    assert (refused.exit_code, "previous.tar.gz" in refused.output) == (2, True), refused.output


@pytest.mark.parametrize("swap", ["both", "copied", "foreign"])
def test_the_releases_cannot_change_places(project: AttackedProject, issuer: Issuer, swap: str, tmp_path: Path) -> None:
    """The previous release as the locked one, twice the same, and one of another project."""
    locked, previous = project.bundle.read_bytes(), project.previous.read_bytes()
    if swap == "foreign":
        other = AttackedProject(tmp_path / "other", files_only=True)
        other.start()
        other.rego.write_text(widened("user"))
        other.lock()
        previous = other.bundle.read_bytes()
    if swap != "copied":
        project.bundle.write_bytes(previous)
    project.previous.write_bytes(locked if swap == "both" else previous)
    if swap == "copied":
        project.bundle.write_bytes(previous)
    before = project.command("contract", "verify", "--all")
    refused = project.serve(issuer) if swap != "both" else before
    assert refused.exit_code in (0, 2), refused.output
    assert swap == "both" or refused.exit_code == 2, refused.output
