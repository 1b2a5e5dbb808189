"""The composition root: settings become ready objects. Nothing else builds an adapter."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from entitlements.contract import Catalog, check_default
from entitlements.decision_log import LoopLog, Masking, open_log, read_mask_keys
from entitlements.endpoint_ring import EndpointRing
from entitlements.engine import OpaElsewhere, OpaProcess, PolicyEngine, check_policies
from entitlements.engine.policy_watcher import PolicyWatcher
from entitlements.engine.private_folder import private_base
from entitlements.errors import Fault, StartupFault
from entitlements.folder import read_file
from entitlements.key_ring import KeyRing
from entitlements.lean_pdp import LeanDecisionPoint
from entitlements.local_opa import opa_of
from entitlements.model import Fetched, TokenProfile
from entitlements.pair import Turn, Verifier
from entitlements.pairs import Folders, Offer, ServedPairs, fingerprint, locked_offer, unlocked_offer
from entitlements.pdp import PolicyDecisionPoint
from entitlements.readiness import Readiness, log_health, readiness_of
from entitlements.settings import Settings
from entitlements.token import MemoryInProcess, Nonces, Possession, TokenVerifier
from entitlements.token.introspection import IntrospectingVerifier

_MAX_KEY = 64 * 1024


@dataclass(frozen=True)
class Service:
    """Everything that serves, and how to ask whether it could and how to stop it.

    lean: decides what is plain on an event loop; None where that is turned off, or the engine has to be waited for.
    """

    pdp: PolicyDecisionPoint
    lean: LeanDecisionPoint | None
    served: ServedPairs
    readiness: Callable[[], Readiness]
    leaked_keys: Callable[[], Mapping[str, Sequence[str]]]
    fetched: Callable[[], Mapping[str, Sequence[Fetched]]]
    log_counts: Callable[[], Mapping[str, int]]
    days_left: Callable[[], Mapping[tuple[str, str], int]]
    close: Callable[[], None]

    @property
    def catalog(self) -> Catalog:
        """The contracts that are served now."""
        return self.served.offer.catalog

    def releases(self) -> Mapping[str, bytes]:
        """The bundles that an OPA server may load, by revision: the locked release and the one before it."""
        return self.served.releases()


def build(settings: Settings, *, proofs_since: float | None = None, clock: Callable[[], float] = time.time) -> Service:
    """Build the service. Raises StartupFault where it must not start; nothing is left running then.

    proofs_since: from when on no one else used DPoP proofs, in seconds since the epoch; None for now;
    clock: what time a decision is made at, read once for each.
    """
    where = _folders(settings)
    keys = KeyRing(settings)
    endpoints = EndpointRing(settings, keys)
    masking = _masking(settings)
    # One memory for the verifiers of all pairs: a lock that is taken up forgets no proof.
    since = time.time() if proofs_since is None else proofs_since
    memory = MemoryInProcess(started_at=since, leeway=settings.leeway)
    possession = Possession(memory, Nonces(), settings.leeway)
    seen = fingerprint(where)
    served = ServedPairs(
        _offer(settings, where),
        _verifiers(settings, keys, endpoints, possession),
        locked=not settings.unlocked,
        any_revision=settings.unlocked and bool(settings.opa_url),
    )
    log = open_log(settings.decision_log, rejects_per_second=settings.log_rejects_per_second)
    try:
        engine, activate = _engine(settings, served.offer)
    except BaseException:
        log.close()
        raise
    log.watch()
    keys.start()
    watcher = PolicyWatcher(
        lambda: fingerprint(where),
        lambda: _taken_up(settings, where),
        lambda offer: served.change(offer, activate),
        seen=seen,
    )
    watcher.start()
    pdp = PolicyDecisionPoint(
        pairs=lambda: served.now,
        engine=engine,
        log=log,
        budget=settings.budget,
        clock=clock,
        masking=masking,
        default_audience=settings.default_audience,
        awaited=lambda revision, until: served.awaited(revision, until, watcher.wake),
    )

    def readiness() -> Readiness:
        return readiness_of(
            served,
            watcher.health(),
            engine,
            keys.sources,
            endpoints.health(),
            log_health(log, masking, served.offer.catalog),
            unlocked=settings.unlocked,
            today=_today(),
        )

    def leaked_keys() -> Mapping[str, Sequence[str]]:
        return {issuer: source.leaked for issuer, source in keys.sources.items()}

    def close() -> None:
        watcher.stop()
        engine.close()
        keys.close()
        log.close()

    lean = _lean(settings, served, engine, log, masking, clock, pdp.turn)
    return Service(
        pdp, lean, served, readiness, leaked_keys, keys.fetched, log.counts, lambda: served.days_left(_today()), close
    )


def _lean(
    settings: Settings,
    served: ServedPairs,
    engine: PolicyEngine,
    log: LoopLog,
    masking: Masking,
    clock: Callable[[], float],
    turn: Turn,
) -> LeanDecisionPoint | None:
    if not settings.lean or not isinstance(engine, OpaProcess):
        return None
    return LeanDecisionPoint(
        pairs=lambda: served.now,
        engine=engine,
        log=log,
        budget=settings.budget,
        masking=masking,
        turn=turn,
        default_audience=settings.default_audience,
        clock=clock,
    )


def preflight(settings: Settings) -> None:
    """Find all that keeps the service from starting before a process is started for it. Raises StartupFault."""
    faults: list[Fault] = []
    offers: list[Offer] = []

    def offer() -> None:
        where = _folders(settings)
        offers.append(_read_offer(settings, where))
        faults.extend(_edits(where, offers[0]))

    def default() -> None:
        for one in offers:
            check_default(one.catalog, settings.default_audience)

    def keys() -> None:
        for one in offers:
            _try_keys(settings, one)

    def endpoints() -> None:
        for one in offers:
            _try_endpoints(settings, one)

    def log() -> None:
        open_log(settings.decision_log).close()

    def masking() -> None:
        _masking(settings)

    for check in (offer, log, masking, default, keys, endpoints):
        try:
            check()
        except StartupFault as fault:
            faults.extend(fault.faults or [Fault(fault.code, fault.message)])
    if faults:
        raise StartupFault("not_startable", "the service cannot start", faults)


def _try_keys(settings: Settings, offer: Offer) -> None:
    with contextlib.closing(KeyRing(settings)) as keys:
        keys.of(offer.catalog.profiles)


def _try_endpoints(settings: Settings, offer: Offer) -> None:
    with contextlib.closing(KeyRing(settings)) as keys:
        # What is wrong with the keys is reported already.
        with contextlib.suppress(StartupFault):
            keys.of(offer.catalog.profiles)
        EndpointRing(settings, keys).of(offer.catalog.profiles)


def _verifiers(
    settings: Settings, keys: KeyRing, endpoints: EndpointRing, possession: Possession
) -> Callable[[Sequence[TokenProfile]], Verifier]:
    """Makes the verifier of some contracts; key sources and endpoints are shared by all of them."""

    def verifier(profiles: Sequence[TokenProfile]) -> Verifier:
        sources, asked = keys.of(profiles), endpoints.of(profiles)
        jwts = TokenVerifier(
            profiles,
            sources,
            leeway=settings.leeway,
            cache_entries=settings.token_cache,
            possession=possession,
        )
        return IntrospectingVerifier(profiles, jwts, sources, asked, leeway=settings.leeway) if asked else jwts

    return verifier


def _edits(where: Folders, offer: Offer) -> list[Fault]:
    """How the policies on disk differ from the locked ones, and what is wrong with them besides."""
    faults = [*offer.edits]
    if where.opa is not None and any(fault.code == "policy_not_locked" for fault in faults):
        paths = [contract.decision_path for contract in offer.catalog.contracts]
        try:
            check_policies(where.policies, decision_paths=paths, opa=where.opa, limits=where.limits)
        except StartupFault as fault:
            faults += fault.faults
    return faults


def _folders(settings: Settings) -> Folders:
    executable = None if settings.opa_url and not settings.unlocked else opa_of(settings)
    key = read_file(Path(settings.release_key), _MAX_KEY, code="release_unsigned") if settings.release_key else None
    return Folders(settings.contracts, settings.policies, executable, settings.limits, key)


def _offer(settings: Settings, where: Folders) -> Offer:
    """What is served at the start. Raises StartupFault where it may not be."""
    offer = _taken_up(settings, where)
    if offer.edits:
        raise StartupFault("policy_not_locked", "what is locked is not what is there", offer.edits)
    return offer


def _taken_up(settings: Settings, where: Folders) -> Offer:
    """What is served from now on, after something changed. Raises StartupFault where the last one serves on."""
    offer = _read_offer(settings, where)
    check_default(offer.catalog, settings.default_audience)
    return offer


def _read_offer(settings: Settings, where: Folders) -> Offer:
    return unlocked_offer(where) if settings.unlocked else locked_offer(where, _today())


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _engine(settings: Settings, offer: Offer) -> tuple[PolicyEngine, Callable[[bytes, str], None]]:
    """The engine, and how it is made to load another bundle: a server OPA does so by itself."""
    if settings.opa_url:
        token, probe = settings.opa_token or None, offer.catalog.contracts[0].decision_path
        server = OpaElsewhere(settings.opa_url, token=token, probe=probe, plain_http=settings.opa_plain_http)
        return server, lambda _bundle, _revision: None
    base = private_base(settings.runtime_dir)
    process = OpaProcess(opa_of(settings).executable, offer.release.loaded(), offer.release.revision, base=base)
    return process, process.activate


def _masking(settings: Settings) -> Masking:
    """Masks by the first key of the file; without a file by one that ends with the process. Raises StartupFault."""
    return Masking(read_mask_keys(Path(settings.log_mask_keys))[0] if settings.log_mask_keys else None)
