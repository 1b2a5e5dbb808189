"""Built-in functions that a policy may not use: what it decides would depend on more than its input and the release."""

from __future__ import annotations

_CURE = {
    "the network": "put what the decision needs into a claim, the context of the request or a data document",
    "the clock": "the token's times are checked already; pass another time in the context of the request",
    "chance": "a decision must be the same for the same input; pass a random value in the context of the request",
    "the process": "a decision depends on its input and the release alone; take the call out",
}
FORBIDDEN = {
    "http.send": "the network",
    "net.lookup_ip_addr": "the network",
    "json.match_schema": "the network",
    "json.verify_schema": "the network",
    "time.now_ns": "the clock",
    "io.jwt.decode_verify": "the clock",
    "crypto.x509.parse_and_verify_certificates": "the clock",
    "crypto.x509.parse_and_verify_certificates_with_options": "the clock",
    "io.jwt.encode_sign": "chance",
    "io.jwt.encode_sign_raw": "chance",
    "rand.intn": "chance",
    "uuid.rfc4122": "chance",
    "opa.runtime": "the process",
    "trace": "the process",
}


def forbidden(message: str) -> str | None:
    """What to tell instead of OPA's message that a function is undefined, where it was taken from it on purpose."""
    name = message.removeprefix("undefined function ")
    reason = FORBIDDEN.get(name) if name != message else None
    return f"`{name}` is forbidden because it asks {reason}: {_CURE[reason]}" if reason else None
