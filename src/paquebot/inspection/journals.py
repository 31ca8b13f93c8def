"""Journals, whole or broadcast: each line follows the one before, and says what the resources say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from paquebot.errors import BrokenChain, Malformed, NotPermitted
from paquebot.inspection.pages import Page
from paquebot.inspection.signed import check_by_trust
from paquebot.protocol import journal
from paquebot.protocol.encoding import Fingerprint, LineId, digest, raw, short
from paquebot.protocol.limits import LINES_MAX
from paquebot.protocol.resource import Resource
from paquebot.protocol.trust import PUBLISH, Trust, identity_of

_EXPECTED = {1: "the user's identity", 2: "the trust in the node"}


def judge_journal(page: Page, text: str) -> str:
    """Judge a journal, also against the other files; return its kind."""
    lines = text.removesuffix("\n").split("\n")
    node = Fingerprint(lines[0])
    plain = "\r" not in text
    page.check("line ends", plain, "line feeds" if plain else "a carriage return would be part of what is hashed")
    rooted = page.passes("line 0 is a fingerprint", lambda: raw(node))
    good, detail, entries = _follow(journal.root(node), lines[1:])
    page.check("each line follows the one before", good, detail)
    page.fact("node", f"{node} ({short(node)})" if rooted else node)
    page.fact("lines", f"{len(lines)}, with the fingerprint")
    page.fact("tip", f"{digest(lines[-1].encode())}; nothing covers the last line yet")
    if len(lines) == 1:
        page.fact("alone", "64 bytes as base64url may also be any other identifier, or an Ed25519 signature")
    if good:
        _journal_known(page, node, entries)
    return "journal"


def _journal_known(page: Page, node: Fingerprint, entries: list[journal.Entry]) -> None:
    """Compare a journal with what the files say of its node and of what it lists."""
    identity = page.known.identity(node)
    if identity is not None:
        page.check("line 0 names a node", identity.kind == "node", f"its identity is that of a {identity.kind}")
    else:
        page.fact("node's identity", "only its key is known" if node in page.known.keys else "not among the files")
    for number, entry in enumerate(entries, 1):
        found = page.known.resources.get(entry.resource)
        what = _EXPECTED.get(number, "")
        if found is None:
            if what:
                page.fact(f"line {number}", f"should be {what}: {entry.resource}, not among the files")
            continue
        right = found.user == entry.publisher
        page.check(f"line {number} names the author", right, "" if right else "the resource says another")
        if number == 1:
            page.passes(f"line 1 is {what}", partial(_is_user, found))
        if number == 2:
            check_by_trust(page, f"line 2 is {what}", found, partial(_publishes, node))


def _is_user(resource: Resource) -> None:
    if not resource.container.keeps("identity") or identity_of(resource).kind != "user":
        raise NotPermitted("it is something else")


def _publishes(node: Fingerprint, trust: Trust) -> None:
    if trust.trustee != node or PUBLISH not in trust.rights:
        raise NotPermitted("it does not allow this node to publish")


def judge_broadcast(page: Page, value: dict[str, Any]) -> None:
    """Judge the journal lines in a broadcast."""
    since, lines = value["journal"]["since"], value["journal"]["entries"]
    page.fact("since line", since)
    page.fact("lines", len(lines))
    few = len(lines) <= LINES_MAX
    page.check("number of lines", few, f"{len(lines)}{'' if few else f', more than {LINES_MAX}'}")
    page.check("each line follows the one before", *_follow(since, lines)[:2])
    if lines:
        page.fact("tip", f"{digest(lines[-1].encode())}; nothing covers the last line yet")


def _follow(since: str, lines: Sequence[str]) -> tuple[bool, str, list[journal.Entry]]:
    """Return whether *lines* follow each other after the line named *since*, what is wrong, and what they say."""
    entries: list[journal.Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            entries += journal.follow(LineId(since), [line])
        except BrokenChain:
            return False, f"line {number} of {len(lines)} does not follow the line before it", entries
        except Malformed as problem:
            return False, f"line {number} of {len(lines)}: {problem}", entries
        since = digest(line.encode())
    return True, f"{len(lines)} after the first", entries
