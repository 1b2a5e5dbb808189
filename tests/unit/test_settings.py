"""Settings come from the environment, all faults reported at once."""

import re
from pathlib import Path

import pytest

from entitlements.errors import StartupFault
from entitlements.settings import VARIABLES, Variable, load_settings

ROOT = Path(__file__).resolve().parents[2]


def test_empty_environment_gives_the_documented_defaults() -> None:
    settings = load_settings({})
    assert (settings.contracts, settings.host, settings.port) == (Path("contracts"), "127.0.0.1", 8080)
    assert (settings.budget, settings.leeway, settings.keys) == (0.5, 10, {})


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(StartupFault) as caught:
        load_settings(
            {
                "ENTITLEMENTS_LISTEN": "8080",
                "ENTITLEMENTS_LEEWAY": "61",
                "ENTITLEMENTS_BUDGET_MS": "soon",
                "ENTITLEMENTS_OPA_URL": "http://user:secret@opa:8181",
                "ENTITLEMENTS_OPA_TOKEN": "short",
                "ENTITLEMENTS_KEYS": "issuer-without-location",
                "ENTITLEMENTS_KYES": "x",
            }
        )
    assert {fault.path for fault in caught.value.faults} == {
        "ENTITLEMENTS_LISTEN",
        "ENTITLEMENTS_LEEWAY",
        "ENTITLEMENTS_BUDGET_MS",
        "ENTITLEMENTS_OPA_URL",
        "ENTITLEMENTS_OPA_TOKEN",
        "ENTITLEMENTS_KEYS",
        "ENTITLEMENTS_KYES",
    }
    assert "secret" not in " ".join(map(str, caught.value.faults))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "ENTITLEMENTS_LISTEN",
            ["127.0.0.1:1", "localhost:65535", "[::1]:8080", "0.0.0.0:80"],
            [
                "127.0.0.1",
                ":80",
                "127.0.0.1:0",
                "127.0.0.1:65536",
                "::1:80",
                "a b:80",
                "a:80x",
                "http://a:80",
                "a:８０",
            ],
        ),
        ("ENTITLEMENTS_LEEWAY", ["0", "60"], ["-1", "61", "1.0", "1e1", "٣", "0x1", "9" * 5000]),
        ("ENTITLEMENTS_THREADS", ["1", "64"], ["0", "65"]),
        ("ENTITLEMENTS_BUDGET_MS", ["20", "10000"], ["19", "10001", "500ms"]),
        ("ENTITLEMENTS_TOKEN_CACHE", ["0", "1000000"], ["1000001", "yes"]),
        ("ENTITLEMENTS_KEYS_MAX_STALE", ["10", "86400"], ["9", "86401"]),
        ("ENTITLEMENTS_KEYS_COOLDOWN", ["1", "3600"], ["0", "3601"]),
        (
            "ENTITLEMENTS_OPA_URL",
            ["http://localhost:8181", "https://opa.example", "unix:///run/opa.sock", "http://[::1]:8181/"],
            [
                "opa:8181",
                "http://opa:8181",
                "ftp://opa",
                "http://",
                "http://u@opa",
                "http://opa/v1",
                "http://opa?x",
                "http://opa:99999",
            ],
        ),
        ("ENTITLEMENTS_OPA_TOKEN", ["x" * 16], ["x" * 15, "x" * 16 + " y", "x" * 16 + "é"]),
        (
            "ENTITLEMENTS_KEYS",
            ["https://a=/k", "https://a=https://a/k http://127.0.0.1=k"],
            ["https://a", "https://a=", "a=/k", "https://a=/k https://a=/l", "https://a=http://evil.example/k"],
        ),
        ("ENTITLEMENTS_KEYS_REFRESH", ["5", "86400"], ["4", "86401"]),
        ("ENTITLEMENTS_INTROSPECTION_CACHE", ["0", "3600"], ["-1", "3601"]),
        (
            "ENTITLEMENTS_INTROSPECTION",
            [
                "https://a.example=https://a.example/x",
                "https://a.example=http://127.0.0.1:9/x https://b.example=https://c/",
            ],
            [
                *("https://a.example", "https://a.example=", "https://a.example=http://b.example/x", "a=https://b/x"),
                *("https://a.example=file", "https://a.example=https://u@b/x", "https://a.example=https://b/x#f"),
                "https://a.example=https://b/x https://a.example=https://c/x",
            ],
        ),
        (
            "ENTITLEMENTS_INTROSPECTION_CLIENTS",
            ["https://a.example=client.json"],
            ["client.json", "https://a.example=", "https://a.example=x https://a.example=y"],
        ),
    ],
)
def test_each_setting_has_its_limits(name: str, good: list[str], bad: list[str]) -> None:
    for value in good:
        load_settings({name: value})
    for value in bad:
        with pytest.raises(StartupFault) as caught:
            load_settings({name: value})
        assert {fault.path for fault in caught.value.faults} == {name}, value


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("https://a=/k.json", {"https://a": "/k.json"}),
        (
            "https://a=/k.json https://b=https://b/jwks?x=1",
            {"https://a": "/k.json", "https://b": "https://b/jwks?x=1"},
        ),
        ("https://a=http://127.0.0.1:9/jwks", {"https://a": "http://127.0.0.1:9/jwks"}),
        ("https://a/b=discover https://c/=discover", {"https://a/b": "discover", "https://c/": "discover"}),
    ],
)
def test_key_sets_are_read(text: str, keys: dict[str, str]) -> None:
    assert load_settings({"ENTITLEMENTS_KEYS": text}).keys == keys


@pytest.mark.parametrize("text", ["https://a=", "a=/k", "https://a=/k https://a=/l", "https://a=http://b/jwks"])
def test_bad_key_set_is_refused(text: str) -> None:
    with pytest.raises(StartupFault):
        load_settings({"ENTITLEMENTS_KEYS": text})


def test_hosts_of_an_issuer_are_read() -> None:
    text = "https://a=keys.example https://a=keys.example:8443 https://b=[::1]:9"
    hosts = load_settings({"ENTITLEMENTS_ISSUER_HOSTS": text}).issuer_hosts
    assert hosts == {"https://a": ("keys.example", "keys.example:8443"), "https://b": ("[::1]:9",)}


@pytest.mark.parametrize(
    "text",
    [
        "https://a",
        "https://a=",
        "a=b",
        "https://a=https://b",
        "https://a=b/c",
        "https://a=B",
        "https://a=b:0",
        "https://a=*",
    ],
)
def test_bad_host_of_an_issuer_is_refused(text: str) -> None:
    with pytest.raises(StartupFault):
        load_settings({"ENTITLEMENTS_ISSUER_HOSTS": text})


def test_token_of_the_engine_is_not_shown() -> None:
    settings = load_settings({"ENTITLEMENTS_OPA_TOKEN": "0123456789abcdef-secret"})
    assert "0123456789abcdef" not in repr(settings)


def row(variable: Variable) -> list[str]:
    return [f"`{variable.name}`", f"`{variable.default}`" if variable.default else "", variable.meaning]


def test_the_page_of_settings_has_name_default_and_meaning_of_each_as_the_code_does() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    rows = [line.strip("| ").split(" |", 4) for line in page.splitlines() if line.startswith("| `")]
    assert [[cells[0], cells[1].strip(), cells[4].strip()] for cells in rows] == [row(one) for one in VARIABLES]


def test_the_readme_names_only_settings_that_there_are() -> None:
    named = set(re.findall(r"(?<![A-Z_])ENTITLEMENTS_[A-Z_]*[A-Z]", (ROOT / "README.md").read_text()))
    assert named
    assert named <= {variable.name for variable in VARIABLES}
