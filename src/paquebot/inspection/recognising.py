"""Recognising a file by its content, and handing it to who judges its form."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from paquebot import registry
from paquebot.backup import HEAD
from paquebot.display import printable
from paquebot.errors import PaquebotError
from paquebot.inspection.cards import judge_card, judge_code
from paquebot.inspection.carried import is_bundle, judge_bundle, judge_described
from paquebot.inspection.collecting import collect
from paquebot.inspection.containers import judge_json
from paquebot.inspection.envelopes import is_openpgp
from paquebot.inspection.exports import judge_export
from paquebot.inspection.journals import judge_journal
from paquebot.inspection.keys import is_key, judge_private_pem, judge_public_key, judge_public_pem
from paquebot.inspection.letters import judge_content, judge_openpgp
from paquebot.inspection.pages import TROUBLE, Check, Inspection, Known, Opens, Page
from paquebot.protocol import codes
from paquebot.protocol.encoding import unb64
from paquebot.protocol.identity import PublicKey
from paquebot.protocol.limits import MIB
from paquebot.protocol.publishing import CARD_HEAD
from paquebot.protocol.stamp import Millis

FILE_BYTES_MAX = 64 * MIB  # the largest thing we write is a crate of that size
_ENCODED_CHARS_MIN = 24  # shorter texts are words
_LINE_CHARS_MAX, _LINES_MAX = 4_000, 2_000  # of a text that is shown

_ID = re.compile(r"[A-Za-z0-9_-]{86}\r?", re.ASCII)
_KEY_BODY = re.compile(r"M[A-Za-z0-9+/]{39,4000}={0,2}", re.ASCII)
_B64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def inspect(
    files: Sequence[tuple[str, bytes]], keys: Sequence[PublicKey], at: Millis, opens: Opens | None = None
) -> list[Inspection]:
    """Return what each of *files*, (name, content), is and whether it holds at the moment *at*. Raise nothing.

    Signers are looked up among *keys* and among all identities and keys in *files*. That a signature verifies says
    that its key made it; whose key it is, only *keys* or a person can say. *opens* opens letters, nothing else.
    """
    known = collect(files, keys, Known(at, opens))
    return [_inspect(name, data, known, _recognise) for name, data in files]


def read_letter(name: str, content: bytes, at: Millis) -> Inspection:
    """Return what an opened letter with *content* says. Raise nothing."""
    return _inspect(name, content, Known(at), judge_content)


def _inspect(name: str, data: bytes, known: Known, judge: Callable[[Page, bytes], str]) -> Inspection:
    page = Page(known)
    page.fact("size", f"{len(data)} bytes")
    try:
        kind = judge(page, data)
    except (PaquebotError, *TROUBLE):
        kind = page.unknown("it contradicts itself in a way that nothing here expects")
    facts = tuple((printable(what), printable(value)) for what, value in page.facts)
    checks = tuple(Check(printable(each.what), each.verdict, printable(each.detail)) for each in page.checks)
    return Inspection(printable(name), printable(kind), facts, checks, _lines("\n".join(page.texts)))


def _lines(text: str) -> str:
    """Return *text* with nothing in it that a terminal obeys or hides, but where its lines end."""
    lines = text.split("\n")
    shown = [printable(each.rstrip("\r"), _LINE_CHARS_MAX) for each in lines[:_LINES_MAX]]
    return "\n".join(shown if len(lines) <= _LINES_MAX else [*shown, f"… and {len(lines) - _LINES_MAX} more lines"])


def _recognise(page: Page, data: bytes) -> str:
    """Note all there is to say of *data*; return its kind."""
    if not data:
        return page.unknown("the file is empty")
    if len(data) > FILE_BYTES_MAX:
        return page.unknown("the file is larger than 64 MiB")
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if data.startswith(CARD_HEAD.encode()):
        return judge_card(page, data)
    if data.startswith(HEAD):
        return judge_export(page, data)
    if start.startswith(b"{"):
        return judge_json(page, data)
    if data[0] & 0x80 and is_openpgp(data):
        return judge_openpgp(page, data)
    if described := registry.describe(data):
        return judge_described(page, described)
    if is_bundle(data):
        return judge_bundle(page, data)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return page.unknown("neither text of ours nor an OpenPGP message")
    return _text(page, text)


def _text(page: Page, text: str) -> str:
    first, _, rest = text.partition("\n")
    if "PRIVATE KEY-----" in first:
        return judge_private_pem(page, text)
    if text.startswith("-----BEGIN PUBLIC KEY-----"):
        return judge_public_pem(page, text)
    if _ID.fullmatch(first) or re.fullmatch(r"[\w-]{86}@[\w-]{86}/[\w-]{86}\r?", rest[:262].partition("\n")[0]):
        return judge_journal(page, text)
    body = text.removesuffix("\n")
    encoded = len(body) >= _ENCODED_CHARS_MIN and _B64URL.fullmatch(body)
    if _KEY_BODY.fullmatch(body) and (not encoded or is_key(body)):
        return judge_public_key(page, body, "public key")
    if encoded:
        return _encoded(page, body)
    return judge_code(page, text) if codes.find(text) else page.unknown("no form that is known here")


def _encoded(page: Page, text: str) -> str:
    data = page.attempt("base64url", lambda: unb64(text), "canonical, without padding")
    if data is None:
        return "base64url text"
    page.fact("encodes", f"{len(data)} bytes")
    if not data.startswith(b"{"):
        return f"base64url text of {len(data)} bytes"
    return f"base64url text: {judge_json(page, data)}"
