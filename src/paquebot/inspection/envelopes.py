"""Envelopes and other OpenPGP: described packet by packet, never opened."""

from __future__ import annotations

from paquebot.errors import Malformed, TooLarge
from paquebot.inspection.pages import Page
from paquebot.vault import packets

_PACKETS_SHOWN_MAX = 8


def is_openpgp(data: bytes) -> bool:
    """Return whether *data* starts as an encrypted message does, or consists of OpenPGP packets."""
    if data[0] in (0xC1, 0x84, 0x85, 0x86):  # an encrypted session key, whole or not
        return True
    try:
        return bool(packets.describe(data))
    except (Malformed, TooLarge):
        return False


def judge_envelope(page: Page, data: bytes) -> str:
    """Judge OpenPGP packets; return their kind."""
    described = page.attempt("packets", lambda: packets.describe(data), "every byte belongs to one")
    if described is None:
        return "OpenPGP"
    for number, each in enumerate(described[:_PACKETS_SHOWN_MAX], 1):
        page.fact(f"packet {number}", f"{each.name} (tag {each.tag}), {each.size} bytes, {each.detail}".rstrip(", "))
    if len(described) > _PACKETS_SHOWN_MAX:
        page.fact("further packets", len(described) - _PACKETS_SHOWN_MAX)
    outer = page.attempt("form of an envelope", lambda: packets.outer(data), "recipients, then one encrypted packet")
    if outer is None:
        return "OpenPGP"
    hidden = sum(each.key_id == packets.HIDDEN for each in outer.recipients)
    page.fact("recipients", f"{len(outer.recipients)}: {hidden} hidden, {len(outer.recipients) - hidden} named")
    page.fact("ciphertext", f"{len(outer.sealed)} bytes")
    page.fact("opened", "no: that takes the keys of a recipient's home")
    return "envelope (OpenPGP)"
