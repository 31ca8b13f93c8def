"""Which 32 bytes may serve as somebody's public key.

A few X25519 points make every shared secret the same, and for a few Ed25519 points anybody can sign. Libraries refuse
the former only when they are used, and the latter not at all; we refuse both when they are announced.
"""

from __future__ import annotations

_P = 2**255 - 19
_D = -121_665 * pow(121_666, -1, _P) % _P
_SIGN = 1 << 255  # X25519 ignores the highest bit, Ed25519 keeps a sign in it
# Numbers whose order divides eight, from https://cr.yp.to/ecdh.html; those above _P are other forms of these.
_U8 = 325606250916557431795983626356110631294008115727848805560023387167927233504
_U8_TWIN = 39382357235489614581723060781553021112529911719440698176882885853963445705823
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_LOW_U = {0, 1, _P - 1, _U8, _U8_TWIN}
_LOW_Y = {0, 1, _P - 1, _Y8, _P - _Y8}


def exchanges(point: bytes) -> bool:
    """Return whether a secret agreed on with *point* is one.

    >>> exchanges(bytes(32)), exchanges(bytes([9]) + bytes(31))
    (False, True)
    """
    return len(point) == 32 and int.from_bytes(point, "little") % _SIGN % _P not in _LOW_U


def signs(point: bytes) -> bool:
    """Return whether *point* is an Ed25519 key: on the curve, in its one form, and nobody's by being of low order.

    >>> signs(bytes(32)), signs(bytes([0x58]) + bytes([0x66]) * 31)
    (False, True)
    """
    y = int.from_bytes(point, "little") % _SIGN
    if len(point) != 32 or y >= _P or y in _LOW_Y:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P)
    return pow(square, (_P - 1) // 2, _P) == 1
