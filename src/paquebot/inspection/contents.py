"""Plain contents of containers: what a resource, a trust, a node or an exchange says in its fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from paquebot.amounts import count
from paquebot.errors import Malformed
from paquebot.inspection.pages import Page
from paquebot.protocol.encoding import unb64
from paquebot.protocol.resource import About, FileManifest
from paquebot.protocol.stamp import format_time


def facts_of(key: str) -> Callable[[Page, dict[str, Any]], None]:
    """Return what says the plain fields of the object under *key*."""

    def say(page: Page, value: dict[str, Any]) -> None:
        for what, each in (value[key] if isinstance(value[key], dict) else {key: value[key]}).items():
            page.fact(what, ", ".join(map(str, each)) if isinstance(each, list) else each)

    return say


def judge_about(page: Page, value: dict[str, Any]) -> None:
    """Judge what a resource says about itself."""
    found = page.attempt("about", lambda: About.parse(value["about"]))
    if found is None:
        return
    page.fact("stamp", found.stamp)
    for what in ("title", "filename", "conversation", "parent", "supersedes"):
        if getattr(found, what):
            page.fact(what, getattr(found, what))
    for what, several in (("tags", found.tags), ("after", found.after)):
        if several:
            page.fact(what, ", ".join(several))
    if found.expires is not None:
        page.fact("expires", format_time(found.expires))


def judge_file(page: Page, value: dict[str, Any]) -> None:
    """Judge the manifest of a file."""
    found = page.attempt("file", lambda: FileManifest.parse(value["file"]))
    if found is not None:
        page.fact(
            "file", f"{found.size} bytes, {'inside' if found.data is not None else count(found.chunk_count, 'chunk')}"
        )


def judge_trust(page: Page, value: dict[str, Any]) -> None:
    """Say what a trust allows; judge its date."""
    facts_of("trust")(page, value)
    if "expires" in value["trust"]:
        page.in_force(value["trust"]["expires"])


def judge_node(page: Page, value: dict[str, Any]) -> None:
    """Say what a node tells of itself."""
    for key in ("node", "information"):
        if key in value:
            facts_of(key)(page, value)


def judge_encrypted(page: Page, value: dict[str, Any]) -> None:
    """Judge SDMP's own encryption by its sizes; nothing opens it."""
    body = value["encrypted"]
    page.fact("recipients", f"{len(body['recipients'])}, not named")
    page.fact("opened", "no: that takes a recipient's key")
    page.passes("iv has 16 bytes", lambda: _sized(body["iv"], lambda size: size == 16))
    page.passes("payload is whole blocks", lambda: _sized(body["payload"], lambda size: size > 0 and size % 16 == 0))
    page.passes("keys are wrapped under RSA", lambda: _all_sized([each["key"] for each in body["recipients"]]))


def _all_sized(keys: Sequence[str]) -> None:
    for each in keys:
        _sized(each, lambda size: size >= 256)


def _sized(text: str, fits: Callable[[int], bool]) -> None:
    size = len(unb64(text))
    if not fits(size):
        raise Malformed(f"{size} bytes cannot be right")


def judge_connection(page: Page, value: dict[str, Any]) -> None:
    """Judge the numbers of a key exchange."""
    body = value["connection"]

    def sound() -> None:
        modulus, public = (int.from_bytes(unb64(body[name])) for name in ("p", "N"))
        if not 1 < public < modulus - 1:
            raise Malformed("N is no number between 1 and p - 1")

    page.fact("modulus", f"{len(body['p']) * 6} bits at most")
    page.passes("numbers", sound, "1 < N < p - 1; whether p is a safe prime was not checked")
