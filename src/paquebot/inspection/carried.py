"""Files of carriers, described by the carriers themselves; and bundles, which lie open once an envelope is opened."""

from __future__ import annotations

from collections import Counter

from paquebot.amounts import count
from paquebot.inspection.envelopes import is_openpgp, judge_envelope
from paquebot.inspection.letters import judge_letter, opened
from paquebot.inspection.pages import Page
from paquebot.protocol import bundle as bundles
from paquebot.protocol.bundle import Bundle, Chunk, Rebuilt, Update, Verbatim
from paquebot.protocol.stamp import format_time
from paquebot.transport import Described


def judge_described(page: Page, found: Described) -> str:
    """Write down what a carrier says of its file, and judge the envelopes, or the letter, in it; return its kind."""
    if len(found.parcels) == 1 and found.parcels[0] and is_openpgp(found.parcels[0]):
        letter = opened(page, found.parcels[0])
        if letter is not None:
            return judge_letter(page, letter, found.facts)
    for what, value in found.facts:
        page.fact(what, value)
    for what, verdict, detail in found.checks:
        page.check(what, verdict, detail)
    for number, parcel in enumerate(found.parcels, 1):
        if parcel and is_openpgp(parcel):
            judge_envelope(page.under(f"parcel {number}"), parcel)
        else:
            page.check(f"parcel {number}", False, "it is no OpenPGP message, so no envelope")
    if not found.parcels:
        page.text(found.text)
    return found.kind


def is_bundle(data: bytes) -> bool:
    """Return whether *data* begins as a CBOR map does."""
    return data[0] >> 5 == 5


def judge_bundle(page: Page, data: bytes) -> str:
    """Judge an opened bundle; return its kind. Who sealed it, only the envelope said."""
    bundle = page.attempt("bundle", lambda: bundles.decode(data), "deterministic CBOR, every part readable")
    if bundle is None:
        return "CBOR"
    page.fact("id", bundle.id.hex())
    page.fact("sender's tag", bundle.sender.hex())
    for to in bundle.to:
        page.fact(
            "to", f"node tag {to.node.hex()}, number {to.sequence}, {count(len(to.heard.numbers), 'envelope')} heard"
        )
    page.fact("created", format_time(bundle.created))
    page.fact("expires", format_time(bundle.expires))
    page.fact("parts", ", ".join(f"{count} {kind}" for kind, count in sorted(_kinds(bundle).items())) or "none")
    return "bundle"


def _kinds(bundle: Bundle) -> Counter[str]:
    names = {Rebuilt: "resource", Verbatim: "signature object", Update: "journal update", Chunk: "chunk"}
    return Counter(names.get(type(part), type(part).__name__.lower()) for part in bundle.parts)
