"""Letters: what a person wrote to a key of this home. They are opened and shown, and nothing in them is believed."""

from __future__ import annotations

from collections.abc import Iterable

from paquebot import registry
from paquebot.errors import KeysLocked, PaquebotError
from paquebot.inspection.envelopes import judge_envelope
from paquebot.inspection.pages import Page
from paquebot.vault.letters import Letter

KIND = "letter of a person"


def judge_openpgp(page: Page, data: bytes) -> str:
    """Judge OpenPGP packets: a letter that a key of this home opens, or else whatever they are; return their kind."""
    letter = opened(page, data)
    return judge_envelope(page, data) if letter is None else judge_letter(page, letter)


def opened(page: Page, data: bytes) -> Letter | None:
    """Return the letter in *data*; None if it is none, or no key here opens it, and then note why."""
    if page.known.opens is None:
        return None
    try:
        return page.known.opens(data)
    except KeysLocked:
        page.fact("letter", "perhaps: a passphrase locks the keys of this home; see `paquebot key --help`")
    except PaquebotError as problem:
        page.fact("letter", f"no: {problem}")
    return None


def judge_letter(page: Page, letter: Letter, outside: Iterable[tuple[str, str]] = ()) -> str:
    """Say what *letter* says, who signed it, and what its mail says *outside* and not within; return its kind."""
    page.check("opened", True, "a key of this home opens it, and it came whole")
    page.check("signature", letter.verified, letter.said)
    judge_content(page, letter.content)
    within = {what for what, _ in page.facts}
    for what, value in outside:
        if what not in within:
            page.fact(f"{what}, outside", value)
    return KIND


def judge_content(page: Page, content: bytes) -> str:
    """Say what a letter with *content* says; return its kind."""
    described = registry.describe(content)
    if described is not None:
        for what, value in described.facts:
            page.fact(what, value)
        page.text(described.text)
    elif b"\0" in content:
        page.fact("content", "a file, and no text")
    else:
        page.text(content.decode("utf-8", "replace").replace("\r\n", "\n").strip("\n"))
    return KIND
