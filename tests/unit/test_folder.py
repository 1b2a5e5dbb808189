"""The one reader of folders: what it reads, what it never looks at, what it refuses, and that it cannot hang."""

from __future__ import annotations

import os
import socket
import threading
from functools import partial
from pathlib import Path, PurePosixPath

import pytest

from entitlements import folder
from entitlements.errors import FolderUnreadable
from entitlements.folder import Limits, fingerprint

read_file = partial(folder.read_file, code="unreadable")
read_folder = partial(folder.read_folder, code="unreadable")


def rego(path: PurePosixPath) -> bool:
    return path.suffix == ".rego"


def refused(root: Path, limits: Limits | None = None) -> dict[str, str]:
    """What is refused, by relative name."""
    with pytest.raises(FolderUnreadable) as caught:
        read_folder(root, rego, *([limits] if limits else []))
    return {fault.file.removeprefix(f"{root}").lstrip("/"): fault.message for fault in caught.value.faults}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "a.rego").write_text("package shop\n")
    return folder


def test_wanted_files_are_read_by_relative_path_in_order(root: Path) -> None:
    (root / "b.rego").write_bytes(b"\xff")
    assert read_folder(root, rego) == {"b.rego": b"\xff", "shop/a.rego": b"package shop\n"}
    assert [*read_folder(root, rego)] == ["b.rego", "shop/a.rego"]


def test_other_names_are_never_read_and_never_an_error(root: Path) -> None:
    (root / "README").write_text("x")
    (root / ".hidden.rego").write_text("x")
    (root / ".git").mkdir()
    (root / ".git" / "a.rego").write_text("x")
    (root / "a.rego~").symlink_to("/etc/hostname")
    (root / "notes.txt").symlink_to("notes.txt")
    os.mkfifo(root / "pipe")
    (root / ".data").symlink_to("/")
    (root / "huge.log").write_bytes(b"x" * 4096)
    assert [*read_folder(root, rego, Limits(file_bytes=100))] == ["shop/a.rego"]


def test_a_mounted_config_map_is_read_by_its_visible_names(tmp_path: Path) -> None:
    version = tmp_path / "..2026_01_01"
    (version / "shop" / "authz").mkdir(parents=True)
    (version / "shop" / "authz" / "authz.rego").write_text("one")
    (version / "top.rego").write_text("two")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "shop").symlink_to("..data/shop")
    (tmp_path / "top.rego").symlink_to("..data/top.rego")
    assert read_folder(tmp_path, rego) == {"shop/authz/authz.rego": b"one", "top.rego": b"two"}


def test_a_new_version_of_a_config_map_changes_the_fingerprint(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "a.rego").write_text("same size " + str(number))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.rego").symlink_to("..data/a.rego")
    before = fingerprint(tmp_path, rego)
    assert before == fingerprint(tmp_path, rego)
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert fingerprint(tmp_path, rego) != before


@pytest.mark.parametrize("name", ["a.rego", "shop"])
def test_a_link_out_of_the_folder_is_refused_with_both_names(root: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "a.rego").write_text("package evil\n")
    (root / "linked").mkdir()
    (root / "linked" / name).symlink_to(outside / "a.rego" if name == "a.rego" else outside)
    told = refused(root)
    assert [*told] == [f"linked/{name}"]
    assert "out of the folder" in told[f"linked/{name}"]
    assert str(outside) in told[f"linked/{name}"]


def test_a_link_by_way_of_the_outside_that_ends_inside_is_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "detour").symlink_to(root / "shop" / "a.rego")
    (root / "b.rego").symlink_to("../detour")
    assert [*read_folder(root, rego)] == ["b.rego", "shop/a.rego"]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("self.rego", "self.rego"),
        ("self", "self"),
        ("up", "."),
        ("shop/back", ".."),
        ("gone.rego", "absent"),
        ("gone", "absent"),
    ],
)
def test_a_link_that_ends_nowhere_or_in_itself_is_refused(root: Path, name: str, target: str) -> None:
    (root / name).symlink_to(target)
    told = refused(root)
    assert [*told] == [name]
    assert f"`{target}`" in told[name]


def test_a_fifo_or_socket_with_a_wanted_name_is_refused_and_does_not_hang(root: Path) -> None:
    os.mkfifo(root / "fifo.rego")
    (root / "null.rego").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "s.rego"))
        told = refused(root)
    assert told == {
        "fifo.rego": "is a FIFO, not a regular file",
        "null.rego": "is a device, not a regular file",
        "s.rego": "is a socket, not a regular file",
    }


def test_a_folder_where_a_file_is_expected_is_refused(root: Path) -> None:
    (root / "a.rego").mkdir()
    assert refused(root) == {"a.rego": "is a folder where a file is expected"}


def test_a_name_that_is_not_utf8_is_refused_and_can_be_printed(root: Path) -> None:
    (root / os.fsdecode(b"\xff.rego")).write_text("x")
    (root / os.fsdecode(b"d\xfe")).mkdir()
    (root / os.fsdecode(b"d\xfe") / "a.rego").write_text("x")
    (root / os.fsdecode(b"\xfd")).write_text("other names are no error")
    assert refused(root) == {
        "\\xff.rego": "has a name that is not UTF-8",
        "d\\xfe/a.rego": "has a name that is not UTF-8",
    }


def test_a_name_with_control_characters_is_refused_without_being_obeyed(root: Path) -> None:
    (root / "a\n\x1b[31m.rego").write_text("x")
    assert refused(root) == {"a\\n\\x1b[31m.rego": "has a name with control characters"}


def test_limits_are_told_by_name(root: Path) -> None:
    (root / "b.rego").write_bytes(b"x" * 101)
    assert refused(root, Limits(file_bytes=100)) == {"b.rego": "is larger than 100 bytes"}
    assert refused(root, Limits(files=1)) == {"": "holds more than 1 files"}
    assert refused(root, Limits(total_bytes=102)) == {"": "holds more than 102 bytes"}
    assert len(read_folder(root, rego, Limits(files=2, file_bytes=101, total_bytes=114))) == 2


def test_links_between_siblings_cannot_multiply_without_end(root: Path) -> None:
    for number in range(24):
        place = root / f"d{number}"
        place.mkdir()
        for name in ("x", "y"):
            (place / name).symlink_to(f"../d{number + 1}" if number < 23 else "../shop")
    assert refused(root, Limits(entries=500))[""] == "holds more than 500 entries"
    assert Limits().entries == 20_000


def test_an_absent_root_or_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert refused(tmp_path / "absent") == {"": "cannot be read: no such file or directory"}
    assert refused(tmp_path / "file") == {"": "is not a folder"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_refused(root: Path) -> None:
    (root / "b.rego").write_text("x")
    (root / "b.rego").chmod(0)
    (root / "closed").mkdir(mode=0)
    told = refused(root)
    (root / "closed").chmod(0o700)
    assert told == {"b.rego": "cannot be read: permission denied", "closed": "cannot be read: permission denied"}


def test_a_folder_that_keeps_changing_gives_one_state_or_an_error(root: Path) -> None:
    stop = threading.Event()

    def rewrite() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            for name in ("one.rego", "two.rego"):
                (root / ".new").write_text(str(number))
                (root / ".new").replace(root / name)

    writer = threading.Thread(target=rewrite)
    writer.start()
    told: set[str] = set()
    try:
        for _ in range(200):
            try:
                found = read_folder(root, rego)
            except FolderUnreadable as fault:
                told |= {one.message for one in fault.faults}
                continue
            # `one` is always written before `two`.
            if {"one.rego", "two.rego"} <= found.keys():
                assert int(found["one.rego"]) - int(found["two.rego"]) in (0, 1)
    finally:
        stop.set()
        writer.join()
    assert told <= {"changed while it was read, try again", "cannot be read: no such file or directory"}


def test_one_file_is_read_if_it_is_regular_inside_and_small(root: Path) -> None:
    (root / "out.rego").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo")
    assert read_file(root / "shop" / "a.rego", 100, within=root) == b"package shop\n"
    for path, limit in ((root / "out.rego", 10**6), (root / "fifo", 100), (root / "shop", 100), (root / "gone", 100)):
        with pytest.raises(FolderUnreadable) as caught:
            read_file(path, limit, within=root)
        assert caught.value.faults[0].file == str(path)
    with pytest.raises(FolderUnreadable, match="larger than 3 bytes"):
        read_file(root / "shop" / "a.rego", 3)
