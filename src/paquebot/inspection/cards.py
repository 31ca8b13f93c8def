"""Cards: every object in one, and what they say together."""

from __future__ import annotations

from paquebot.inspection.containers import judge_json
from paquebot.inspection.pages import Page
from paquebot.inspection.signed import announcement_facts
from paquebot.protocol.encoding import short
from paquebot.protocol.publishing import CARD_BYTES_MAX, read_card
from paquebot.protocol.stamp import format_time


def judge_card(page: Page, data: bytes) -> str:
    """Judge a card and every object in it; return its kind."""
    kind = "card"
    if len(data) > CARD_BYTES_MAX:
        page.check("size", False, f"a card has at most {CARD_BYTES_MAX} bytes")
        return kind
    text = page.attempt("UTF-8", lambda: str(data, "utf-8"))
    if text is None:
        return kind
    lines = [line for line in text.split("\n") if line.startswith("{")]
    for number, line in enumerate(lines[:32], 1):
        each = Page(page.known)
        what = judge_json(each, line.encode("utf-8", "replace"))
        _fold(page, f"object {number}, {what}", each)
    card = page.attempt(
        "card", lambda: read_card(text, page.known.at), "one user, one node, one trust, one set of keys; all signed"
    )
    if card is None:
        return kind
    page.fact("name", card.name)
    page.fact("user", f"{card.user.fingerprint} ({short(card.user.fingerprint)})")
    page.fact("node", f"{card.node.fingerprint} ({short(card.node.fingerprint)})")
    page.fact("trust", card.trust)
    page.fact("user's identity", f"until {format_time(card.user.expires)}")
    page.fact("node's identity", f"until {format_time(card.node.expires)}")
    announcement_facts(page, card.keys)
    return kind


def _fold(page: Page, what: str, part: Page) -> None:
    """Note *part* as one check: the first that failed, else the first that could not be made."""
    worst = sorted(part.checks, key=lambda each: (True, None, False).index(each.verdict))[-1:]
    for each in worst:
        detail = f"{len(part.checks)} checks" if each.verdict else f"{each.what}: {each.detail}"
        page.check(what, each.verdict, detail)
