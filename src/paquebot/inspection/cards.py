"""Cards and invitations: every object in one, and what they say together."""

from __future__ import annotations

from paquebot.inspection.containers import judge_json
from paquebot.inspection.pages import Page
from paquebot.inspection.signed import announcement_facts
from paquebot.protocol import codes, routes, schema
from paquebot.protocol.codes import Code
from paquebot.protocol.encoding import short
from paquebot.protocol.publishing import CARD_BYTES_MAX, Card, card_of, read_card
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import format_time

_WHOLE = "one user, one node, one trust, one set of keys; all signed"


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
    _say(page, page.attempt("card", lambda: read_card(text, page.known.at), _WHOLE))
    return kind


def judge_code(page: Page, text: str) -> str:
    """Judge a code, as an invitation is one, and the card in it; return its kind. Its secret is not shown."""
    code = page.attempt("code", lambda: codes.read(text), "nothing of it is missing")
    if code is None:
        return "code of a card or an invitation"
    if code.kind == codes.NODE:
        page.fact("node", f"{code.node} ({short(code.node)})" if code.node else "")
        return "code of a node: `paquebot peer verify` compares it"
    _say(page, page.attempt("card", lambda: card_of(code.card, page.known.at), _WHOLE))
    return _invitation(page, code) if code.kind == codes.INVITE else "card, as a code"


def _invitation(page: Page, code: Code) -> str:
    until = format_time(code.expires)
    page.fact("good", f"for one person, from {format_time(code.created)} until {until}")
    page.fact("secret", "whoever shows it first becomes a peer: give it to one person, and let nobody else see it")
    page.check("in time", page.known.at <= code.expires, "" if page.known.at <= code.expires else f"it ended {until}")
    return "invitation: `paquebot join` accepts it"


def _say(page: Page, card: Card | None) -> None:
    """Note what a good card says."""
    if card is None:
        return
    page.fact("name", card.name)
    page.fact("user", f"{card.user.fingerprint} ({short(card.user.fingerprint)})")
    page.fact("node", f"{card.node.fingerprint} ({short(card.node.fingerprint)})")
    page.fact("trust", card.trust)
    page.fact("user's identity", f"until {format_time(card.user.expires)}")
    page.fact("node's identity", f"until {format_time(card.node.expires)}")
    told = [route for each in card.resources for route in routes.of(Resource.read(each, schema.published))]
    for kind, address in told:
        page.fact("address", f"{address} ({kind})")
    if not told:
        page.fact("address", "none: by a stick or folder it needs none")
    announcement_facts(page, card.keys)


def _fold(page: Page, what: str, part: Page) -> None:
    """Note *part* as one check: the first that failed, else the first that could not be made."""
    worst = sorted(part.checks, key=lambda each: (True, None, False).index(each.verdict))[-1:]
    for each in worst:
        detail = f"{len(part.checks)} checks" if each.verdict else f"{each.what}: {each.detail}"
        page.check(what, each.verdict, detail)
