"""The composition root: settings become ready objects. Nothing else builds an adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from entitlements.contract import Catalog, load_catalog
from entitlements.decision_log import open_log
from entitlements.engine import OpaProcess, OpaServer, PolicyEngine, check_policies, find_opa, policy_digest
from entitlements.errors import Fault, StartupFault
from entitlements.model import PartHealth
from entitlements.pdp import PolicyDecisionPoint
from entitlements.settings import Settings
from entitlements.token import FileKeys, HttpKeys, KeySource, TokenVerifier

TOOLS = Path(".tools")


@dataclass(frozen=True)
class Service:
    """Everything that serves, and how to ask whether it could and how to stop it."""

    pdp: PolicyDecisionPoint
    catalog: Catalog
    readiness: Callable[[], Mapping[str, PartHealth]]
    close: Callable[[], None]


def build(settings: Settings) -> Service:
    """Build the service. Raises StartupFault where it must not start; nothing is left running then."""
    catalog = load_catalog(settings.contracts)
    keys = key_sources(settings, catalog)
    log = open_log(settings.decision_log)
    try:
        engine = _engine(settings, catalog)
    except BaseException:
        log.close()
        raise
    verifier = TokenVerifier(catalog.profiles, keys, leeway=settings.leeway, cache_entries=settings.token_cache)
    pdp = PolicyDecisionPoint(verifier=verifier, catalog=catalog, engine=engine, log=log, budget=settings.budget)

    def readiness() -> Mapping[str, PartHealth]:
        return {
            "contracts": PartHealth(True, "", {"pinned": [f"{c.ref.name}@{c.ref.version}" for c in catalog.contracts]}),
            "engine": _engine_health(engine, settings),
            "keys": _keys_health(keys),
            "decision_log": log.health(),
        }

    def close() -> None:
        engine.close()
        for source in keys.values():
            source.close()
        log.close()

    return Service(pdp, catalog, readiness, close)


def preflight(settings: Settings) -> None:
    """Find all that keeps the service from starting before a process is started for it. Raises StartupFault."""
    faults: list[Fault] = []
    catalog: Catalog | None = None
    for check in (lambda: load_catalog(settings.contracts), lambda: open_log(settings.decision_log).close()):
        try:
            catalog = check() or catalog
        except StartupFault as fault:
            faults.extend(fault.faults or [Fault(fault.code, fault.message)])
    if catalog is not None:
        try:
            for source in key_sources(settings, catalog).values():
                source.close()
        except StartupFault as fault:
            faults.extend(fault.faults)
        if not settings.opa_url:
            try:
                check_policies(settings.policies, decision_paths=decision_paths(catalog), opa=opa(settings))
            except StartupFault as fault:
                faults.extend(fault.faults or [Fault(fault.code, fault.message)])
    if faults:
        raise StartupFault("not_startable", "the service cannot start", faults)


def opa(settings: Settings) -> Path:
    """The pinned OPA executable. Raises StartupFault."""
    return find_opa(configured=settings.opa_bin, tools=TOOLS, search_path=settings.search_path)


def decision_paths(catalog: Catalog) -> tuple[str, ...]:
    """Every path that a decision is asked at."""
    return tuple(sorted({contract.decision_path for contract in catalog.contracts}))


def key_sources(settings: Settings, catalog: Catalog) -> dict[str, KeySource]:
    """One key source for each issuer of a served contract. Raises StartupFault `keys_missing` with every fault."""
    sources: dict[str, KeySource] = {}
    faults: list[Fault] = []
    for issuer in dict.fromkeys(profile.issuer for profile in catalog.profiles):
        location = settings.keys.get(issuer)
        if location is None:
            faults.append(
                Fault("keys_missing", f"no key set is set for the issuer `{issuer}`", path="ENTITLEMENTS_KEYS")
            )
        elif location.startswith(("https://", "http://")):
            sources[issuer] = HttpKeys(location, cooldown=settings.keys_cooldown, max_stale=settings.keys_max_stale)
        else:
            file_keys = FileKeys(Path(location), max_stale=settings.keys_max_stale)
            sources[issuer] = file_keys
            health = file_keys.health(time.monotonic())
            if not health.ready:
                faults.append(Fault("keys_unusable", health.problem, path="ENTITLEMENTS_KEYS"))
    if faults:
        raise StartupFault("keys_missing", "the key sets cannot be used", faults)
    return sources


def _engine(settings: Settings, catalog: Catalog) -> PolicyEngine:
    paths = decision_paths(catalog)
    if settings.opa_url:
        return OpaServer(settings.opa_url, token=settings.opa_token or None, probe=paths[0])
    return OpaProcess(opa(settings), settings.policies, paths)


def _engine_health(engine: PolicyEngine, settings: Settings) -> PartHealth:
    """The engine's health; a server must serve the very policies that stand in the folder, where there is one."""
    health = engine.health()
    if not (health.ready and settings.opa_url and settings.policies.is_dir()):
        return health
    try:
        on_disk = policy_digest(settings.policies)
    except StartupFault as fault:
        return PartHealth(False, fault.message, health.detail)
    if health.detail.get("revision") == on_disk:
        return health
    problem = "the engine names another policy revision than the folder's: run `entitlements contract lock`"
    return PartHealth(False, problem, {**health.detail, "on_disk": on_disk})


def _keys_health(keys: Mapping[str, KeySource]) -> PartHealth:
    now = time.monotonic()
    problems = [
        f"{issuer}: {health.problem}" for issuer, source in keys.items() if not (health := source.health(now)).ready
    ]
    return PartHealth(not problems, "; ".join(problems), {"issuers": list(keys)})
