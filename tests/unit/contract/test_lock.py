"""The lock pins what is served by digest: whatever differs from it is told, with its place, and is not served."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.contract import LOCK_NAME, load_catalog, plan_lock, read_lock, write_lock
from entitlements.errors import ContractsInvalid

ROOT = Path(__file__).resolve().parents[3]
LOCK: dict[str, Any] = yaml.safe_load((ROOT / "contracts" / LOCK_NAME).read_text(encoding="utf-8"))
ORDERS, PAYMENTS = "https://orders.example.com", "https://payments.example.com"
POLICY, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    return tmp_path / "contracts"


def add_version(folder: Path, version: str, **changes: str) -> None:
    text = (folder / "orders" / "1.0.0.yaml").read_text().replace("version: 1.0.0", f"version: {version}")
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "orders" / f"{version}.yaml").write_text(text)


def write(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """The lock of the repository with one thing changed."""
    document = yaml.safe_load(yaml.safe_dump(LOCK))
    change(document)
    (folder / LOCK_NAME).write_text(yaml.safe_dump(document))


def faults_of(refusal: pytest.ExceptionInfo[ContractsInvalid]) -> set[tuple[str, str]]:
    return {(fault.code, fault.path) for fault in refusal.value.faults}


TEXTS: dict[str, str] = {
    "empty": "",
    "no YAML": "lock: [",
    "a list": "[]",
    "a text": "lock",
    "another version": "lock: 2\naudiences: {a: 1}\npublished: {}\n",
    "no audience": "lock: 1\naudiences: {}\npublished: {}\n",
    "audience of another shape": "lock: 1\naudiences: {a: 5}\npublished: {}\n",
    "published of another shape": "lock: 1\naudiences: {}\npublished: [x]\n",
    "unknown member": "lock: 1\naudiences: {}\npublished: {}\nforce: true\n",
    "an alias": "lock: 1\naudiences: &a {}\npublished: *a\n",
    "a key twice": "lock: 1\nlock: 1\naudiences: {}\npublished: {}\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_lock_that_is_none_is_refused(folder: Path, name: str) -> None:
    """S1, S2."""
    (folder / LOCK_NAME).write_text(TEXTS[name])
    with pytest.raises(ContractsInvalid) as refusal:
        load_catalog(folder)
    assert {fault.code for fault in refusal.value.faults} == {"lock_invalid"}
    assert all(fault.file == str(folder / LOCK_NAME) and fault.line for fault in refusal.value.faults)


PIN: dict[str, tuple[str, Any]] = {
    "digest short": ("digest", "sha256:00"),
    "digest of another kind": ("digest", "md5:" + "0" * 64),
    "digest absent": ("digest", None),
    "policy number": ("policy", 1),
    "also text": ("also", "1.0.0"),
    "also numbers": ("also", [1.0]),
    "version number": ("version", 1.0),
    "check unheard of": ("check", "fine"),
    "approved text": ("approved", "yes"),
    "unknown member": ("force", True),
}


@pytest.mark.parametrize("name", PIN)
def test_pin_of_another_shape_is_refused_at_its_place(folder: Path, name: str) -> None:
    member, value = PIN[name]
    write(folder, lambda lock: lock["audiences"][ORDERS].update({member: value}))
    with pytest.raises(ContractsInvalid) as refusal:
        read_lock(folder)
    assert all(fault.path.startswith(f"audiences.{ORDERS}.{member}") for fault in refusal.value.faults)


def test_pin_of_what_is_not_there_is_refused(folder: Path) -> None:
    """S1: every way in which lock and contracts can differ, each by its own code."""
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "version_missing": lambda lock: lock["audiences"][ORDERS].update(version="9.9.9"),
        "digest_differs": lambda lock: lock["audiences"][ORDERS].update(digest=OTHER),
        "version_unpublished": lambda lock: lock["published"].pop("orders"),
        "audience_differs": lambda lock: lock["audiences"].update({PAYMENTS: dict(lock["audiences"][ORDERS], also=[])}),
        "published_changed": lambda lock: lock["published"]["orders"].update({"1.0.0": OTHER}),
        "published_missing": lambda lock: lock["published"].update({"gone": {"1.0.0": OTHER}}),
    }
    for code, change in changes.items():
        write(folder, change)
        with pytest.raises(ContractsInvalid) as refusal:
            load_catalog(folder)
        assert code in {fault.code for fault in refusal.value.faults}, code
    write(folder, lambda lock: lock["audiences"][ORDERS].update(also=["0.9.0"]))
    with pytest.raises(ContractsInvalid) as refusal:
        load_catalog(folder)
    assert faults_of(refusal) == {("version_missing", ORDERS)}


def test_faults_of_lock_and_contracts_are_told_at_once(folder: Path) -> None:
    (folder / LOCK_NAME).write_text("lock: 2\n")
    (folder / "orders" / "1.0.0.yaml").write_text("contract: [")
    (folder / "payments" / "1.0.0.yaml").unlink()
    (folder / "payments" / "1.0.0.yaml").mkdir()
    with pytest.raises(ContractsInvalid) as refusal:
        load_catalog(folder)
    assert {fault.code for fault in refusal.value.faults} == {"lock_invalid", "contract_invalid", "contract_unreadable"}


def test_contract_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    """S1."""
    file = folder / "orders" / "1.0.0.yaml"
    file.rename(tmp_path / "elsewhere.yaml")
    file.symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(ContractsInvalid) as refusal:
        load_catalog(folder)
    assert {fault.code for fault in refusal.value.faults} == {"contract_unreadable"}


def test_plan_pins_the_newest_by_number_or_what_is_asked_for(folder: Path) -> None:
    for version in ("1.2.0", "1.10.0"):
        add_version(folder, version)
    newest = plan_lock(folder, read_lock(folder), policy_digest=POLICY)
    assert newest.pins[ORDERS].version == "1.10.0"
    assert newest.pins[ORDERS].check == "unknown"
    asked = plan_lock(
        folder, read_lock(folder), policy_digest=POLICY, pins={"orders": "1.2.0"}, also={"orders": ["1.0.0"]}
    )
    assert (asked.pins[ORDERS].version, asked.pins[ORDERS].also) == ("1.2.0", ("1.0.0",))
    assert set(asked.published["orders"]) == {"1.0.0", "1.2.0", "1.10.0"}
    write_lock(folder, asked)
    assert read_lock(folder) == asked
    (contract, older) = load_catalog(folder).candidates(ORDERS)
    assert (contract.version, older.version) == ("1.2.0", "1.0.0")


def test_plan_refuses_what_cannot_be_pinned(folder: Path) -> None:
    for options in (
        {"pins": {"orders": "3.0.0"}},
        {"pins": {"order": "1.0.0"}},
        {"also": {"orders": ["3.0.0"]}},
        {"also": {"order": ["1.0.0"]}},
    ):
        with pytest.raises(ContractsInvalid) as refusal:
            plan_lock(folder, read_lock(folder), policy_digest=POLICY, **options)  # type: ignore[arg-type]
        assert {fault.code for fault in refusal.value.faults} == {"version_missing"}
    other = folder / "copies" / "1.0.0.yaml"
    other.parent.mkdir()
    other.write_text((folder / "orders" / "1.0.0.yaml").read_text().replace("contract: orders", "contract: copies"))
    with pytest.raises(ContractsInvalid) as refusal:
        plan_lock(folder, read_lock(folder), policy_digest=POLICY)
    assert {fault.code for fault in refusal.value.faults} == {"audience_pinned_twice"}


def test_plan_refuses_a_published_version_that_was_changed_or_is_gone(folder: Path) -> None:
    file = folder / "orders" / "1.0.0.yaml"
    text = file.read_text()
    for change, code in (
        (lambda: file.write_text(text.replace("maximum: 5", "maximum: 9", 1)), "published_changed"),
        (file.unlink, "published_missing"),
    ):
        change()
        with pytest.raises(ContractsInvalid) as refusal:
            plan_lock(folder, read_lock(folder), policy_digest=POLICY)
        assert code in {fault.code for fault in refusal.value.faults}


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), value=VALUES)
def test_any_change_of_a_good_lock_is_read_or_refused(
    data: st.DataObject, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = yaml.safe_load(yaml.safe_dump(LOCK))
    part = document
    while isinstance(part, dict):
        place = data.draw(st.sampled_from(sorted(part)))
        if not isinstance(part[place], dict) or data.draw(st.booleans()):
            part[place] = value
            break
        part = part[place]
    folder = tmp_path_factory.mktemp("lock")
    (folder / LOCK_NAME).write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        assert read_lock(folder).pins
    except ContractsInvalid as refusal:
        assert refusal.faults  # noqa: PT017 - a refusal without a fault says nothing
