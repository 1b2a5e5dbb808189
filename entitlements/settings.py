"""The environment becomes one frozen `Settings`, checked once, every fault reported at once. Nothing else reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entitlements.errors import StartupFault
from entitlements.folder import CEILING, Limits
from entitlements.settings_reader import SettingsReader


@dataclass(frozen=True, slots=True)
class Variable:
    """One documented environment variable: its name, its default as text and what it means."""

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable("ENTITLEMENTS_CONTRACTS", "contracts", "folder of the claim contracts and `contracts.lock`"),
    Variable("ENTITLEMENTS_POLICIES", "policies", "folder of the Rego policies"),
    Variable("ENTITLEMENTS_MAX_FILES", "1000", "files that the policies may consist of (1 to 10000)"),
    Variable("ENTITLEMENTS_MAX_FILE_KIB", "4096", "KiB that one policy file may have (1 to 65536)"),
    Variable(
        "ENTITLEMENTS_DEFAULT_AUDIENCE",
        "",
        "the pinned audience of callers that name none, where more than one is pinned; empty: they are refused",
    ),
    Variable(
        "ENTITLEMENTS_KEYS",
        "",
        "key sets, `issuer=discover` (the issuer's metadata tells the address), `issuer=URL` or `issuer=file`, "
        "separated by whitespace; each issuer of a pinned contract needs one",
    ),
    Variable(
        "ENTITLEMENTS_ISSUER_HOSTS",
        "",
        "hosts that an issuer's metadata may name beside its own, `issuer=host` or `issuer=host:port`, "
        "separated by whitespace",
    ),
    Variable("ENTITLEMENTS_KEYS_MAX_STALE", "3600", "seconds that a key set may serve while it cannot be refreshed"),
    Variable(
        "ENTITLEMENTS_KEYS_REFRESH",
        "300",
        "seconds within which a key is refused that the issuer took out of its key set, while that can be fetched",
    ),
    Variable(
        "ENTITLEMENTS_KEYS_COOLDOWN",
        "10",
        "seconds between two fetches that unknown key ids may cause, after a burst of three",
    ),
    Variable(
        "ENTITLEMENTS_INTROSPECTION",
        "",
        "introspection endpoints, `issuer=URL`, separated by whitespace, for issuers whose opaque tokens a pinned "
        "contract permits; where none is named and the keys are those of `discover`, the issuer's metadata names it",
    ),
    Variable(
        "ENTITLEMENTS_INTROSPECTION_CLIENTS",
        "",
        "files (mode 0600) with the credentials of this service at these endpoints, `issuer=file`, separated by "
        "whitespace",
    ),
    Variable(
        "ENTITLEMENTS_INTROSPECTION_CACHE",
        "30",
        "seconds that an active token may be used before the issuer is asked again; a refusal counts for 10 at most",
    ),
    Variable(
        "ENTITLEMENTS_OPA_URL",
        "",
        "address of an OPA server, `https://`, `http://` on loopback, or `unix:///path`; "
        "empty: a supervised OPA child is started",
    ),
    Variable("ENTITLEMENTS_OPA_PLAIN_HTTP", "no", "`yes` permits `http://` to an OPA server on another host"),
    Variable(
        "ENTITLEMENTS_OPA_TOKEN_FILE",
        "",
        "file with the OPA server's bearer token, not world-readable (mode 0640)",
    ),
    Variable("ENTITLEMENTS_OPA_TOKEN", "", "bearer token that the OPA server asks for (16 characters or more)"),
    Variable("ENTITLEMENTS_OPA_BIN", "", "the OPA executable; empty: `.tools/opa`, then PATH"),
    Variable("ENTITLEMENTS_RELEASE_KEY", "", "public key (PEM file): only a release that its holder signed is served"),
    Variable("ENTITLEMENTS_LISTEN", "127.0.0.1:8080", "host:port to serve on"),
    Variable(
        "ENTITLEMENTS_OPERATOR_TOKEN_FILE",
        "",
        "file with the bearer token that shows the detail of `/readyz` and `/metrics` to callers from elsewhere, "
        "not world-readable (mode 0640)",
    ),
    Variable(
        "ENTITLEMENTS_BUNDLES_TOKEN_FILE",
        "",
        "file with the bearer token by which OPA servers load the release from `/bundles/<digest>`, "
        "not world-readable (mode 0640); empty: there is no such address",
    ),
    Variable("ENTITLEMENTS_THREADS", "8", "requests that are decided at the same time (1 to 64)"),
    Variable(
        "ENTITLEMENTS_LEAN",
        "1",
        "`1` answers plain requests in front of the ordinary route, with the same bytes; `0` turns that off",
    ),
    Variable("ENTITLEMENTS_LEEWAY", "10", "seconds of clock difference that token times may show (0 to 60)"),
    Variable("ENTITLEMENTS_BUDGET_MS", "500", "milliseconds that one decision may take in all (20 to 10000)"),
    Variable("ENTITLEMENTS_TOKEN_CACHE", "4096", "verified tokens that are cached (0 turns it off)"),
    Variable("ENTITLEMENTS_DECISION_LOG", "stdout", "`stdout` or the path of a file to append decisions to"),
    Variable(
        "ENTITLEMENTS_LOG_REJECTS_PER_SECOND",
        "200",
        "lines that refused tokens may cost in the decision log each second; the others are counted (1 to 100000)",
    ),
    Variable(
        "ENTITLEMENTS_LOG_MASK_KEYS",
        "",
        "file (mode 0600) of `key-id: base64` lines; the first key masks what a contract marks as `pii`; "
        "empty: a random key per start",
    ),
)
_DEFAULTS = {variable.name: variable.default for variable in VARIABLES}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the service can be told. Times are in seconds.

    keys: by issuer a file path, a URL or `discover`;
    unlocked: serve unlocked policies, for development; a flag of the command line, never of the environment.
    """

    contracts: Path
    policies: Path
    default_audience: str
    keys: Mapping[str, str]
    issuer_hosts: Mapping[str, tuple[str, ...]]
    keys_max_stale: int
    keys_refresh: int
    keys_cooldown: int
    introspection: Mapping[str, str]
    introspection_clients: Mapping[str, str]
    introspection_cache: int
    opa_url: str
    opa_plain_http: bool
    opa_token: str = field(repr=False)
    opa_bin: str
    host: str
    port: int
    threads: int
    lean: bool
    leeway: int
    budget: float
    token_cache: int
    decision_log: str
    log_rejects_per_second: int
    log_mask_keys: str
    release_key: str
    operator_token: str = field(repr=False)
    bundles_token: str = field(repr=False)
    search_path: str
    limits: Limits = CEILING
    runtime_dir: str = ""
    unlocked: bool = False


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Check the environment and freeze it. Raises StartupFault `settings_invalid` with every fault together."""
    reader = SettingsReader(environment, _DEFAULTS)
    reader.refuse_unknown_names()
    host, port = reader.listen("ENTITLEMENTS_LISTEN")
    settings = Settings(
        contracts=Path(reader.text("ENTITLEMENTS_CONTRACTS")),
        policies=Path(reader.text("ENTITLEMENTS_POLICIES")),
        default_audience=reader.text("ENTITLEMENTS_DEFAULT_AUDIENCE"),
        keys=reader.keys("ENTITLEMENTS_KEYS"),
        issuer_hosts=reader.hosts("ENTITLEMENTS_ISSUER_HOSTS"),
        keys_max_stale=reader.integer("ENTITLEMENTS_KEYS_MAX_STALE", 10, 86400),
        keys_refresh=reader.integer("ENTITLEMENTS_KEYS_REFRESH", 5, 86400),
        keys_cooldown=reader.integer("ENTITLEMENTS_KEYS_COOLDOWN", 1, 3600),
        introspection=reader.endpoints("ENTITLEMENTS_INTROSPECTION"),
        introspection_clients=reader.files("ENTITLEMENTS_INTROSPECTION_CLIENTS"),
        introspection_cache=reader.integer("ENTITLEMENTS_INTROSPECTION_CACHE", 0, 3600),
        opa_url=reader.url("ENTITLEMENTS_OPA_URL"),
        opa_plain_http=reader.plain_http("ENTITLEMENTS_OPA_PLAIN_HTTP", "ENTITLEMENTS_OPA_URL"),
        opa_token=reader.opa_token("ENTITLEMENTS_OPA_TOKEN", "ENTITLEMENTS_OPA_TOKEN_FILE"),
        opa_bin=reader.text("ENTITLEMENTS_OPA_BIN"),
        host=host,
        port=port,
        threads=reader.integer("ENTITLEMENTS_THREADS", 1, 64),
        lean=bool(reader.integer("ENTITLEMENTS_LEAN", 0, 1)),
        leeway=reader.integer("ENTITLEMENTS_LEEWAY", 0, 60),
        budget=reader.integer("ENTITLEMENTS_BUDGET_MS", 20, 10_000) / 1000,
        token_cache=reader.integer("ENTITLEMENTS_TOKEN_CACHE", 0, 1_000_000),
        decision_log=reader.text("ENTITLEMENTS_DECISION_LOG"),
        log_rejects_per_second=reader.integer("ENTITLEMENTS_LOG_REJECTS_PER_SECOND", 1, 100_000),
        log_mask_keys=reader.text("ENTITLEMENTS_LOG_MASK_KEYS"),
        release_key=reader.text("ENTITLEMENTS_RELEASE_KEY"),
        bundles_token=reader.token("ENTITLEMENTS_BUNDLES_TOKEN_FILE"),
        operator_token=reader.token("ENTITLEMENTS_OPERATOR_TOKEN_FILE"),
        search_path=environment.get("PATH", ""),
        limits=Limits(
            files=reader.integer("ENTITLEMENTS_MAX_FILES", 1, 10_000),
            file_bytes=reader.integer("ENTITLEMENTS_MAX_FILE_KIB", 1, 65_536) * 1024,
        ),
        runtime_dir=environment.get("XDG_RUNTIME_DIR", ""),
    )
    if reader.faults:
        raise StartupFault("settings_invalid", "the settings cannot be used", reader.faults)
    return settings
