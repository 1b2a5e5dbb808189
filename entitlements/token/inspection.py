"""A look into a token without believing it: for a person at a terminal, never for a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from entitlements.errors import TokenRejected
from entitlements.model import JSON, TokenRules
from entitlements.profiles import header_type, misfits
from entitlements.token import compact
from entitlements.token.binding import binding_of
from entitlements.token.claims import check_times
from entitlements.token.codes import Refusal, refuse
from entitlements.token.header import check_header
from entitlements.token.signature import SUPPORTED_ALGORITHMS


@dataclass(frozen=True, slots=True)
class InspectedToken:
    """What a token says of itself. NOTHING here is verified: whoever sent the token wrote it.

    header, payload: the parts, None where one cannot be read; refusals: the reasons to refuse the token that can be
    told without keys and clock.
    """

    header: Mapping[str, JSON] | None = field(repr=False)
    payload: Mapping[str, JSON] | None = field(repr=False)
    refusals: tuple[TokenRejected, ...]


def inspect(
    token: str,
    rules_of: Callable[[Mapping[str, JSON]], TokenRules] = lambda _: TokenRules(),
    permits: Callable[[Mapping[str, JSON], bool], bool] = lambda _, bound: not bound,
) -> InspectedToken:
    """Decode a token WITHOUT verification. Never raises for any text.

    rules_of: the rules of the contract that its claims are for; permits: whether that contract permits a token that is
    bound to a key, or one that is not.
    """
    try:
        header_part, payload_part, _ = compact.split(token)
    except TokenRejected as refusal:
        return InspectedToken(None, None, (refusal,))
    header, header_refusal = _read(header_part, "header", compact.HEADER_DEPTH)
    payload, payload_refusal = _read(payload_part, "payload", compact.PAYLOAD_DEPTH)
    if header is None or payload is None:
        return InspectedToken(header, payload, tuple(filter(None, (header_refusal, payload_refusal))))
    return InspectedToken(header, payload, tuple(_judge(token, rules_of(payload), permits, header, payload)))


def _read(part: str, name: str, depth: int) -> tuple[dict[str, JSON] | None, TokenRejected | None]:
    try:
        return compact.parse_object(part, name, depth), None
    except TokenRejected as refusal:
        return None, refusal


def _judge(
    token: str,
    rules: TokenRules,
    permits: Callable[[Mapping[str, JSON], bool], bool],
    header: Mapping[str, JSON],
    payload: Mapping[str, JSON],
) -> Iterator[TokenRejected]:
    kind = header_type(header)
    checks = (
        lambda: compact.parse(token),
        # What is wrong with the type is told with the claims.
        lambda: check_header(header, SUPPORTED_ALGORITHMS, () if kind is None else (kind,)),
        lambda: check_times(payload),
        lambda: _check_bound(permits, payload),
    )
    for found in misfits(rules, kind, payload):
        yield refuse(Refusal(found.code), found.text)
    for check in checks:
        try:
            check()
        except TokenRejected as refusal:
            if refusal.code != Refusal.TYPE_NOT_ACCESS_TOKEN and "`exp` is missing" not in refusal.message:
                yield refusal


def _check_bound(permits: Callable[[Mapping[str, JSON], bool], bool], payload: Mapping[str, JSON]) -> None:
    bound = binding_of(payload) is not None
    if not permits(payload, bound):
        code = Refusal.SENDER_CONSTRAINED if bound else Refusal.TOKEN_NOT_BOUND
        raise refuse(code, f"the token is bound to {'a' if bound else 'no'} key, which the contract does not permit")
