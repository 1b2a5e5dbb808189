"""Claims of sample tokens that stand deeper, where it is plain what they are: the roles of Keycloak."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entitlements.model import JSON

# Roles of Keycloak itself, which say nothing of an API.
_OWN_ROLES = re.compile(r"default-roles-.*|offline_access|uma_authorization")
_OWN_CLIENTS = frozenset({"account", "account-console", "broker", "realm-management", "security-admin-console"})
_CLIENT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")


@dataclass(frozen=True, slots=True)
class Lifted:
    """A claim that stands below others. values: those of each sample, without the items that are ignored."""

    name: str
    source: tuple[str, ...]
    values: tuple[list[JSON], ...]
    ignored: tuple[str, ...]


def lifted(profile: str, samples: Sequence[Mapping[str, JSON]]) -> list[Lifted]:
    """The claims of samples that a contract of this profile reads at a source."""
    if profile != "keycloak":
        return []
    paths = [path for path in dict.fromkeys(p for sample in samples for p in _paths(sample)) if _plain(path, samples)]
    taken = {name for sample in samples for name in sample}
    named = [(_name(path, alone=len(paths) == 1), path) for path in paths]
    return [_lifted(name, path, samples) for name, path in named if name not in taken]


def _paths(sample: Mapping[str, JSON]) -> Iterator[tuple[str, ...]]:
    if _at(sample, ("realm_access", "roles")) is not None:
        yield "realm_access", "roles"
    clients = sample.get("resource_access")
    for client in clients if isinstance(clients, dict) else ():
        if _CLIENT.fullmatch(client) and client not in _OWN_CLIENTS:
            yield "resource_access", client, "roles"


def _plain(path: tuple[str, ...], samples: Sequence[Mapping[str, JSON]]) -> bool:
    """Whether lists of strings stand there and nothing else, and one of them says more than the server's own."""
    found = [value for sample in samples if (value := _at(sample, path)) is not None]
    of_strings = all(isinstance(value, list) and all(isinstance(item, str) for item in value) for value in found)
    return of_strings and any(not _OWN_ROLES.fullmatch(item) for value in found for item in value)


def _at(sample: Mapping[str, JSON], path: tuple[str, ...]) -> Any:
    found: Any = sample
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _name(path: tuple[str, ...], *, alone: bool) -> str:
    return "roles" if alone else "realm_roles" if path[0] == "realm_access" else f"{path[1]}_roles"


def _lifted(name: str, path: tuple[str, ...], samples: Sequence[Mapping[str, JSON]]) -> Lifted:
    found = [[*dict.fromkeys(_at(sample, path) or [])] for sample in samples]
    ignored = {role for roles in found for role in roles if _OWN_ROLES.fullmatch(role)}
    kept = tuple([role for role in roles if role not in ignored] for roles in found)
    return Lifted(name, path, kept, tuple(sorted(ignored)))
