"""One question to an introspection endpoint over HTTP, bounded in time and size.

The token stands in the body and nowhere else: addresses and headers are written into logs on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from entitlements.errors import IntrospectionUnavailable
from entitlements.token.bounded_http import Answer, AnswerRefused, Exchange, NotAnswered
from entitlements.token.introspection.answer import MAX_ANSWER_BYTES

# Of another status nothing is read.
_WITH_A_BODY = (200, 400)


@dataclass(frozen=True, slots=True)
class Connection:
    """How an endpoint is reached.

    ca_file: PEM file of the only trusted roots, None for the default ones; certificate: files of our own certificate
    and its key, None for none; connected: see Exchange.
    """

    url: str
    timeout: float
    ca_file: str | None = None
    certificate: tuple[str, str] | None = None
    connected: Callable[[str], None] | None = None


def post(connection: Connection, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
    """Send a form once, as `Exchange` says.

    Raises IntrospectionUnavailable introspection_unreachable; the message quotes nothing of question and answer. Raises
    what `connected` raises.
    """
    exchange = Exchange(
        *(connection.timeout, MAX_ANSWER_BYTES, connection.ca_file, connection.certificate, connection.connected),
        with_body=_WITH_A_BODY,
    )
    try:
        return exchange.send("POST", connection.url, headers, form)
    except NotAnswered as cause:
        raise _failed(str(cause)) from None
    except AnswerRefused as refused:
        raise _failed(f"its answer {refused}") from None


def _failed(cause: str) -> IntrospectionUnavailable:
    return IntrospectionUnavailable("introspection_unreachable", f"the introspection endpoint cannot be asked: {cause}")
