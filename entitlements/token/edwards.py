"""Which 32 octets are a usable Ed25519 public key (RFC 8032 section 5.1.3).

The library takes any 32 octets. A key of small order makes one signature hold for many messages, and an encoding that
is not canonical or not on the curve belongs to no one.
"""

from __future__ import annotations

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
# The `y` of the eight points whose order divides 8: the identity, the one of order 2, and those of order 4 and 8.
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8})


def problem_of_point(encoded: bytes) -> str:
    """Why `encoded` is no usable public key, in words, or the empty string."""
    if len(encoded) != 32:
        return "an Ed25519 key must have 32 octets"
    y = int.from_bytes(encoded, "little") & ((1 << 255) - 1)
    if y >= _P:
        return "the point's encoding is not canonical"
    if y in _SMALL_ORDER_Y:
        return "the point has a small order"
    # x^2 = (y^2 - 1) / (d y^2 + 1); the quotient is a square exactly where the product is (Euler's criterion).
    square = (y * y - 1) * (_D * y * y + 1) % _P
    if pow(square, (_P - 1) // 2, _P) != 1:
        return "the point is not on the curve"
    return ""
