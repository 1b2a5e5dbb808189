"""The words of the product as frozen types.

Everything that crosses from one room to another is one of these. This module knows no library, no room and no
environment: it may only import the standard library.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_TOKEN_BYTES = 16 * 1024
"""What a token may measure: 200 group ids, the most that Entra puts into one, make 11.6 kB."""

CONTEXT_TIME = "time"  # the member of a request's `context` that is the service's own: no caller may send it

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


def same_json(one: object, other: object) -> bool:
    """Equality of JSON values: `1` and `1.0` are one number, and `true` is none (to Python it is 1)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    return bool(one == other)


@dataclass(frozen=True, slots=True)
class ContractRef:
    """Names one version of one contract; `digest` is `sha256:<hex>` of its canonical document."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What the claims of an access token must satisfy, where the header does not distinguish it from other tokens.

    test: `all_of` or `any_of` the parts; `present`, `one_of` the values, or `prefix` (the one value) of the claim,
    which is a string for the last two; `audience_is_not_client`.
    """

    test: str
    claim: str = ""
    values: tuple[str, ...] = ()
    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenRules:
    """How an access token of one kind of authorization server is distinguished, and where things stand in it.

    The defaults are those of RFC 9068.

    header_types: permitted `typ` of the header in lower case, without `application/`; empty string: no `typ`;
    marker: what only an access token satisfies, None where the header alone decides;
    never: claims that no access token of this server has; scopes: names and forms (`string` or `list`) of claims with
    granted scopes; client: claims that name the client, all that are there have to agree;
    registered: claims that have to be there, beside what represents the audience;
    audience_clients: the clients whose tokens are for the audience, where the server issues no `aud`;
    audience_is: what the audience is although no one should use it as one: `client`, `account`, `issuer`, `userinfo`;
    unused: claims of the server that mean nothing to policies and are not reported as undeclared.
    """

    name: str = "rfc9068"
    header_types: tuple[str, ...] = ("at+jwt",)
    marker: Condition | None = None
    never: tuple[str, ...] = ("nonce", "at_hash", "c_hash", "s_hash", "events", "token_introspection")
    scopes: tuple[tuple[str, str], ...] = (("scope", "string"),)
    client: tuple[str, ...] = ("client_id",)
    registered: tuple[str, ...] = ("iss", "exp", "sub", "client_id", "iat", "jti")
    audience_clients: tuple[str, ...] = ()
    audience_is: str = ""
    unused: tuple[str, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """Every claim that these rules read or know of."""
        named = {name for name, _ in self.scopes} | {*self.client, *self.registered, *self.unused}
        return frozenset(named | {"iss", "aud", "exp", "iat", "nbf", "jti", "sub"})


@dataclass(frozen=True, slots=True)
class OpaqueTokens:
    """Which tokens a contract permits that are introspected (RFC 7662) and not verified here.

    prefix: how every opaque token of the issuer begins, empty where any may be one; jwts: whether JWTs of the issuer
    are introspected too.
    """

    prefix: str = ""
    jwts: bool = False


@dataclass(frozen=True, slots=True)
class TokenProfile:
    """What a contract version demands of a token before its claims are looked at.

    issuer and audience are compared octet by octet; algorithms are JWS names (RFC 7518, RFC 8037);
    max_lifetime is the largest permitted `exp - iat` in seconds; sender_constrained: whether tokens that are bound to a
    key of the client are `refused`, `permitted` or `required`; opaque is None where only JWTs are permitted.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    max_lifetime: int
    rules: TokenRules = TokenRules()
    sender_constrained: str = "refused"
    opaque: OpaqueTokens | None = None

    def permits(self, *, bound: bool) -> bool:
        """Whether a token that is bound to a key, or one that is not, may be used."""
        return self.sender_constrained != ("refused" if bound else "required")

    def takes(self, asked_by: Collection[OpaqueTokens] | None) -> bool:
        """Whether a token may be used: what had it introspected, or None for one that was verified here."""
        return (self.opaque is None or not self.opaque.jwts) if asked_by is None else self.opaque in asked_by


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of a token whose signature, type, issuer, audience and times hold. Only the token room makes these.

    values: the whole payload, as parsed; audience: the pinned audience that was matched; algorithm: the JWS
    algorithm of the signature; expires_at: `exp` in seconds since the epoch; lifetime: `exp - iat` in seconds, from now
    on where there is no `iat`; header_type: `typ` of the header as in `TokenRules`; introspected: they are those of an
    introspection answer, which has neither header nor signature: `algorithm` and `header_type` are empty then; bound:
    whether it is bound to a key, which its sender proved to hold; exchanged: they are those of a JWT that the issuer
    gave for the token that was presented; asked_by: what had it introspected, of the versions of its audience.
    """

    values: Mapping[str, JSON]
    issuer: str
    audience: str
    algorithm: str
    expires_at: float
    lifetime: float
    header_type: str = "at+jwt"
    introspected: bool = False
    bound: bool = False
    exchanged: bool = False
    asked_by: tuple[OpaqueTokens, ...] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """One way a token breaks a contract. `claim` is a path such as `roles[1]`; `message` never holds a claim value."""

    code: str
    claim: str
    message: str


@dataclass(frozen=True, slots=True)
class Principal:
    """The subject of a decision, made only from declared and conforming claims. Only the contract room makes these."""

    id: str
    client_id: str
    claims: Mapping[str, JSON]
    scopes: tuple[str, ...]
    type: str = "user"


@dataclass(frozen=True, slots=True)
class Action:
    """What the caller wants to do (AuthZEN Authorization API 1.0, section 5.3)."""

    name: str
    properties: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resource:
    """What the caller wants to do it to (AuthZEN Authorization API 1.0, section 5.2)."""

    type: str
    id: str
    properties: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DPoPProof:
    """What a client sent in the header `DPoP` (RFC 9449 section 4.1), and the request that it sent it with.

    jwt: the header's value; method, url: of the client's request to the API, as the API received it.
    """

    jwt: str = field(repr=False)
    method: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateProof:
    """The certificate of the connection by which a client asked: SHA-256 as base64url (RFC 8705 section 3.1)."""

    thumbprint: str


Proof: TypeAlias = DPoPProof | CertificateProof


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One question: may the bearer of `token` do `action` to `resource` in `context`?

    audience, contract: what the asking API calls itself, in the body and in the path, or None where it does not;
    proof: by which the client showed the API that it holds the token's key, None where it did not.
    """

    token: str = field(repr=False)
    action: Action
    resource: Resource
    context: Mapping[str, JSON] = field(default_factory=dict)
    audience: str | None = None
    contract: str | None = None
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The engine's answer, strictly parsed. `revision` names the policy that was evaluated.

    engine_version: the version of OPA that evaluated it, as it says itself; empty where it does not say.
    """

    allow: bool
    reasons: tuple[str, ...]
    obligations: tuple[Mapping[str, JSON], ...]
    revision: str
    engine_version: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Our answer. `contract`, `policy_revision`: None only where no contract admitted it; ignored: stripped claims."""

    id: str
    allow: bool
    reasons: tuple[str, ...]
    obligations: tuple[Mapping[str, JSON], ...] = ()
    violations: tuple[Violation, ...] = ()
    contract: ContractRef | None = None
    policy_revision: str | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a part.

    code: tells nothing of the deployment, so that anyone may read it; text: for operators only.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class PartHealth:
    """Whether one part that decisions depend on can serve; problems: why not, or what is wrong while it serves on."""

    ready: bool
    problems: tuple[Problem, ...] = ()
    detail: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """Every problem in words; empty for none."""
        return "; ".join(problem.text for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What operators are told of one document that is fetched from an issuer.

    what: `keys` or `metadata`; source: its address or file; age: seconds since it was last confirmed, None where none
    is usable; failures: fetches that failed since the start; last_failure, last_failure_age: its code, and seconds ago.
    """

    what: str
    source: str
    age: float | None
    failures: int = 0
    last_failure: str = ""
    last_failure_age: float | None = None


def not_ready(code: str, text: str, detail: Mapping[str, JSON] | None = None) -> PartHealth:
    """The health of a part that cannot serve."""
    return PartHealth(False, (Problem(code, text),), detail or {})
