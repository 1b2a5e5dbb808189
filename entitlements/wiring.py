"""The composition root: settings become ready objects. Nothing else builds an adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from entitlements.contract import LOCK_NAME, Catalog, PolicyGate, gate_faults, load_catalog
from entitlements.decision_log import MASKED, JsonLinesLog, Masking, open_log, read_mask_keys
from entitlements.engine import OpaElsewhere, PolicyEngine, check_policies, find_opa, policy_digest, watched_opa
from entitlements.engine.private_folder import private_base
from entitlements.errors import Fault, StartupFault
from entitlements.model import JSON, PartHealth
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
    leaked_keys: Callable[[], Mapping[str, Sequence[str]]]
    log_counts: Callable[[], Mapping[str, int]]
    close: Callable[[], None]


def build(settings: Settings) -> Service:
    """Build the service. Raises StartupFault where it must not start; nothing is left running then."""
    catalog = load_catalog(settings.contracts)
    keys = key_sources(settings, catalog)
    masking = _masking(settings)
    log = open_log(settings.decision_log)
    admits = _gate(settings, catalog)
    try:
        engine = _engine(settings, catalog, admits)
    except BaseException:
        log.close()
        raise
    log.watch()
    verifier = TokenVerifier(catalog.profiles, keys, leeway=settings.leeway, cache_entries=settings.token_cache)
    pdp = PolicyDecisionPoint(
        verifier=verifier,
        catalog=catalog,
        engine=engine,
        log=log,
        budget=settings.budget,
        admits=admits,
        masking=masking,
    )

    def readiness() -> Mapping[str, PartHealth]:
        return {
            "contracts": _contracts_health(catalog, settings),
            "engine": _engine_health(engine, admits),
            "keys": _keys_health(keys),
            "decision_log": _log_health(log, masking, catalog),
        }

    def leaked_keys() -> Mapping[str, Sequence[str]]:
        return {issuer: source.leaked for issuer, source in keys.items()}

    def close() -> None:
        engine.close()
        for source in keys.values():
            source.close()
        log.close()

    return Service(pdp, catalog, readiness, leaked_keys, log.counts, close)


def preflight(settings: Settings) -> None:
    """Find all that keeps the service from starting before a process is started for it. Raises StartupFault."""
    faults: list[Fault] = []
    catalog: Catalog | None = None
    for check in (
        lambda: load_catalog(settings.contracts),
        lambda: open_log(settings.decision_log).close(),
        lambda: _masking(settings) and None,
    ):
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
        if not settings.unlocked and settings.policies.is_dir():
            try:
                digest = policy_digest(settings.policies)
                faults.extend(gate_faults(catalog.lock, digest, str(settings.contracts / LOCK_NAME)))
            except StartupFault:
                # What is wrong with the folder is told by the check below.
                pass
        if not settings.opa_url:
            try:
                check_policies(
                    settings.policies, decision_paths=decision_paths(catalog), opa=opa(settings), limits=settings.limits
                )
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
            sources[issuer] = HttpKeys(
                location,
                # A request has one budget: half of it is left for the engine.
                wait=settings.budget / 2,
                cooldown=settings.keys_cooldown,
                max_stale=settings.keys_max_stale,
            )
        else:
            file_keys = FileKeys(Path(location), max_stale=settings.keys_max_stale)
            sources[issuer] = file_keys
            health = file_keys.health(time.monotonic())
            if not health.ready:
                text = f"{health.problem} (needed for the issuer `{issuer}`)"
                faults.append(Fault("keys_unusable", text, location, path="ENTITLEMENTS_KEYS"))
    if faults:
        raise StartupFault("keys_missing", "the key sets cannot be used", faults)
    return sources


def _engine(settings: Settings, catalog: Catalog, admits: Callable[[str], bool]) -> PolicyEngine:
    paths = decision_paths(catalog)
    if settings.opa_url:
        token = settings.opa_token or None
        return OpaElsewhere(settings.opa_url, token=token, probe=paths[0], plain_http=settings.opa_plain_http)
    base = private_base(settings.runtime_dir)
    return watched_opa(opa(settings), settings.policies, paths, admits=admits, limits=settings.limits, base=base)


def _gate(settings: Settings, catalog: Catalog) -> Callable[[str], bool]:
    """Whether a policy revision may decide: the locked one, or any for a service that runs unlocked."""
    if settings.unlocked:
        return lambda _revision: True
    locked = PolicyGate(settings.contracts, [contract.ref for contract in catalog.contracts]).admits
    if not (settings.opa_url and settings.policies.is_dir()):
        return locked
    mounted = _Mounted(settings.policies)
    return lambda revision: locked(revision) and mounted.revision() == revision


class _Mounted:
    """The policies that an OPA server mounts too: it names the revision of its manifest, whatever its files are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked = 0.0
        self._revision = ""

    def revision(self) -> str:
        """The digest of the files, at most a second old; empty where they cannot be read."""
        now = time.monotonic()
        if now - self._looked > 1:
            try:
                self._revision = policy_digest(self._folder)
            except StartupFault:
                self._revision = ""
            self._looked = time.monotonic()
        return self._revision


def _masking(settings: Settings) -> Masking:
    """Masks by the first key of the file; without a file by one that ends with the process. Raises StartupFault."""
    return Masking(read_mask_keys(Path(settings.log_mask_keys))[0] if settings.log_mask_keys else None)


def _log_health(log: JsonLinesLog, masking: Masking, catalog: Catalog) -> PartHealth:
    health = log.health()
    masks = any(
        contract.claims[name].sensitivity == "pii"
        for contract in catalog.contracts
        for name in MASKED
        if name in contract.claims
    )
    return replace(health, detail={**health.detail, **masking.detail(masks=masks)})


def _contracts_health(catalog: Catalog, settings: Settings) -> PartHealth:
    pinned: list[JSON] = [f"{contract.ref.name}@{contract.ref.version}" for contract in catalog.contracts]
    return PartHealth(True, "", {"pinned": pinned, "unlocked": True} if settings.unlocked else {"pinned": pinned})


def _engine_health(engine: PolicyEngine, admits: Callable[[str], bool]) -> PartHealth:
    """The engine's health; it must serve the policies that were locked."""
    health = engine.health()
    if not health.ready or admits(str(health.detail.get("revision", ""))):
        return health
    problem = "the policies are not the locked ones, run `entitlements contract lock` and start the service again"
    return PartHealth(False, problem, health.detail)


def _keys_health(keys: Mapping[str, KeySource]) -> PartHealth:
    now = time.monotonic()
    problems = [
        f"{issuer}: {health.problem}" for issuer, source in keys.items() if not (health := source.health(now)).ready
    ]
    alarms: list[JSON] = [
        {"code": "key_leaked", "issuer": issuer, "kid": kid} for issuer, source in keys.items() for kid in source.leaked
    ]
    return PartHealth(not problems, "; ".join(problems), {"issuers": list(keys), "alarms": alarms})
