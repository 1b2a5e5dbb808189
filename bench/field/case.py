"""A policy of the set with its changes, read from its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from entitlements.contract import Contract, parse_contract
from entitlements.files import write_files
from entitlements.model import Resource
from entitlements.proof.scenario import Scenario, Token

CASES = Path(__file__).parent / "cases"
_HEAD = {
    "contract": "field",
    "issuer": "https://login.example.com",
    "audience": "https://field.example.com",
    "description": "A contract of the field set.",
    "undeclared_claims": "ignore",
    "tokens": {"access_token": {"profile": "rfc9068", "algorithms": ["ES256"], "max_lifetime": 3600}},
}


@dataclass(frozen=True)
class Change:
    """One change of a policy's claims, rules or data.

    documents: the contract before and after, as YAML; files: the policy files before and after, by name;
    widens: whether anybody gains access or loses an obligation; pair: a scenario that shows it, and whether it is by
    an obligation.
    """

    name: str
    documents: tuple[str, str]
    files: tuple[Mapping[str, bytes], Mapping[str, bytes]]
    widens: bool
    pair: Scenario | None
    by_obligation: bool
    samples: Mapping[str, Sequence[Any]]

    @property
    def contracts(self) -> tuple[Contract, Contract]:
        """Both contracts."""
        old, new = (parse_contract(text, Path(f"{self.name}.yaml"), named=False) for text in self.documents)
        return old, new

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both policies, into one folder where they are the same."""
        sides = folder / "old", folder / ("old" if self.files[0] == self.files[1] else "new")
        for side, files in zip(sides, self.files, strict=True):
            write_files(side, files)
        return sides


def load(names: Sequence[str] = ()) -> list[Change]:
    """The changes of all cases, or of those whose file's name begins with one of the names."""
    found = sorted(path for path in CASES.glob("*.yaml") if not names or path.name.startswith(tuple(names)))
    return [change for path in found for change in _changes(path)]


def _changes(path: Path) -> list[Change]:
    case = yaml.safe_load(path.read_text())
    return [_change(f"{path.stem}: {change['name']}", case, change) for change in case["changes"]]


def _change(name: str, case: Mapping[str, Any], change: Mapping[str, Any]) -> Change:
    claims = {**case["claims"], **change.get("claims", {})}
    claims = {name: claim for name, claim in claims.items() if claim is not None}
    policy = case["policy"]
    for old, new in change.get("edit", {}).items():
        if old not in policy:
            raise ValueError(f"{name}: there is no `{old}` in the policy")
        policy = policy.replace(old, new)
    data = change.get("data", case.get("data"))
    request = case.get("request"), change.get("request", case.get("request"))
    before = _contract(case, "1.0.0", case["claims"], request[0])
    after = _contract({**case, **change.get("contract", {})}, "2.0.0", claims, request[1])
    shown = change.get("witness")
    if change["widens"] != (shown is not None):
        raise ValueError(f"{name}: a change that widens needs a witness, another one may have none")
    files = _files(case["policy"], case.get("data")), _files(policy, data)
    samples = case.get("samples", {})
    lost = bool(shown and shown.get("lost"))
    return Change(name, (before, after), files, change["widens"], _pair(shown), lost, samples)


def _contract(case: Mapping[str, Any], version: str, claims: Mapping[str, Any], request: Any) -> str:
    document = {
        **_HEAD,
        "version": version,
        "policy": {"package": "authz", "rule": case.get("decision", "allow")},
        "claims": claims,
        "scopes": case.get("scopes", {}),
        **({"removed": case["removed"]} if "removed" in case else {}),
        **({"request": request} if request else {}),
    }
    return yaml.safe_dump(document, allow_unicode=True)


def _files(policy: str, data: Any) -> dict[str, bytes]:
    files = {"authz/authz.rego": policy.encode()}
    if data is not None:
        files["data.yaml"] = yaml.safe_dump(data, allow_unicode=True).encode()
    return files


def _pair(shown: Mapping[str, Any] | None) -> Scenario | None:
    if shown is None:
        return None
    before, after = (_token(shown, side) for side in ("before", "after"))
    asked = shown["request"]
    resource = Resource(asked["type"], "1", asked.get("properties", {}))
    return Scenario(before, after, asked["action"], resource, asked.get("context", {}))


def _token(shown: Mapping[str, Any], side: str) -> Token:
    scopes = frozenset(shown.get("scopes", {}).get(side, ()))
    return Token("u_1", scopes, {name: _filled(value) for name, value in shown[side].items()})


def _filled(value: Any) -> Any:
    """`{first: [...], fill: n}` is a list of the first ones and n names that no policy knows."""
    if isinstance(value, Mapping) and set(value) == {"first", "fill"}:
        return [*value["first"], *(f"n{number}" for number in range(value["fill"]))]
    return value
