"""The recovery sheet: a user key on paper, as words to type and as a QR code to scan.

An Ed25519 key is 32 bytes: 24 words of the English list of BIP-39, the last of which checks the others. An RSA key is
too long to be typed; it has the QR code alone. What a QR code says is one line: ``paquebot user key ed25519 SECRET``
or ``paquebot user key rsa SECRET``, with the secret in base64url.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from paquebot.errors import Malformed, Misused, WrongKey
from paquebot.protocol.encoding import Fingerprint, b64, short, unb64
from paquebot.protocol.identity import EDDSA, PrivateKey
from paquebot.protocol.stamp import Millis, format_time

WORDS = 24
TEXT_BYTES_MAX = 8_192
"""What may be given to `read`: the QR text of an RSA key of 4096 bits has 3,200."""
_LINE = "paquebot user key"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is printed."""

    name: str
    user: Fingerprint
    nodes: tuple[Fingerprint, ...]
    made: Millis
    words: tuple[str, ...] = field(repr=False)
    """24 of them, or none for an RSA key."""
    code: str = field(repr=False)
    """What the QR code says."""


def make(key: PrivateKey, name: str, nodes: Sequence[Fingerprint], now: Millis) -> Sheet:
    """Return the sheet of the user with *key*, whose nodes are *nodes*."""
    return Sheet(name, key.fingerprint, tuple(nodes), now, words_of(key), code_of(key))


def words_of(key: PrivateKey) -> tuple[str, ...]:
    """Return the words that are *key*; none if it is an RSA key."""
    if key.public.algorithm != EDDSA:
        return ()
    from mnemonic import Mnemonic

    return tuple(Mnemonic("english").to_mnemonic(key.secret()).split(" "))


def code_of(key: PrivateKey) -> str:
    """Return the line that is *key*, for a QR code."""
    kind = "ed25519" if key.public.algorithm == EDDSA else "rsa"
    return f"{_LINE} {kind} {b64(key.secret())}"


def read(text: str) -> PrivateKey:
    """Return the key that *text* is: words, also numbered or shortened to four letters, or the line of the QR code.

    A whole sheet will do, as it was printed or as a page or picture of it was written.

    Raise `Misused`, which repeats at most a single wrong word.
    """
    if len(text) > TEXT_BYTES_MAX:
        raise Misused("this is far longer than any recovery sheet")
    flat = " ".join(text.split())
    if flat.startswith(_LINE):
        return _from_code(flat)
    return _from_words(_printed(text) or [word for word in re.split(r"[^a-z]+", flat.lower()) if word])


def _printed(text: str) -> list[str]:
    """Return the words of a whole sheet, as text, page or picture; none if *text* is no sheet."""
    lines = re.split(r"\n|<[^>]*>", text)
    rows = [line for line in lines if re.fullmatch(r"\s*(\d\d?\s+[a-z]{3,8}\s*)+", line)]
    numbered = {int(number): word for row in rows for number, word in re.findall(r"(\d+)\s+([a-z]+)", row)}
    if sorted(numbered) == list(range(1, WORDS + 1)):
        return [numbered[number] for number in sorted(numbered)]
    alone = re.findall(r"<li>([a-z]{3,8})</li>", text)
    return alone if len(alone) == WORDS else []


def _from_code(line: str) -> PrivateKey:
    match line.removeprefix(_LINE).split():
        case ["ed25519" | "rsa" as kind, secret]:
            try:
                return PrivateKey.from_secret(kind, unb64(secret))
            except (Malformed, WrongKey):
                pass
    raise Misused("the line of the QR code is not whole")


def _from_words(given: list[str]) -> PrivateKey:
    from mnemonic import Mnemonic

    known = Mnemonic("english")
    if len(given) != WORDS:
        raise Misused(f"a recovery sheet has {WORDS} words; these are {len(given)}")
    words = [_known(word, number, known.wordlist) for number, word in enumerate(given, 1)]
    try:
        return PrivateKey.from_secret("ed25519", bytes(known.to_entropy(words)))
    except (ValueError, LookupError):
        raise Misused(
            "these words do not belong together: one of them is another, or two have changed places"
        ) from None


def _known(word: str, number: int, words: list[str]) -> str:
    if word in words:
        return word
    found = [each for each in words if len(word) >= 4 and each.startswith(word)]
    if len(found) == 1:
        return found[0]
    near = difflib.get_close_matches(word, words, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise Misused(f"word {number}, {word[:20]!r}, is not one of the list{hint}")


# Printing.


def about(sheet: Sheet) -> tuple[str, ...]:
    """Return what the sheet says besides the key, in paragraphs."""
    nodes = ", ".join(short(node) for node in sheet.nodes)
    how = "type the words" if sheet.words else "scan the code into a file and give it as --words-file FILE"
    return (
        f"Whoever holds this sheet can act as {sheet.name}: make a new node in that name, and revoke those there are"
        f" ({nodes}). It opens no letter and holds no message. Keep it where a thief of the machine does not look.",
        f"On a new machine: paquebot init --recover --name {shlex.quote(sheet.name)}, {how}. Then paquebot import FILE"
        " with the latest export, if there is one; without, exchange cards with your peers anew.",
        "If the old machine was lost or stolen, then: paquebot node replace OLDNODE"
        f"{f' (one of {nodes})' if nodes else ''}. Your peers will go on with the new node.",
    )


def as_text(sheet: Sheet) -> str:
    """Return the sheet for a terminal or a line printer, 80 columns wide; with a QR code if there are no words."""
    lines = [f"Recovery sheet of {sheet.name}", f"made {_date(sheet)}, user {short(sheet.user)}", ""]
    if sheet.words:
        lines += [
            "   ".join(f"{n + 1:>2} {sheet.words[n]:<10}" for n in range(row, WORDS, 6)).rstrip() for row in range(6)
        ]
    else:
        lines.append(sheet.code)
    for each in about(sheet):
        lines += ["", *_wrapped(each, 78)]
    return "\n".join(lines) + "\n"


def as_html(sheet: Sheet) -> str:
    """Return the sheet as one page for a browser to print; it asks for nothing from elsewhere."""
    words = "".join(f"<li>{escape(word)}</li>" for word in sheet.words)
    said = "".join(f"<p>{escape(each)}</p>" for each in about(sheet))
    place = f'style="width:{_side(sheet)}mm"'
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>Recovery sheet of {escape(sheet.name)}</title><style>"
        "body{font:12pt serif;max-width:40em;margin:2em auto}ol{columns:4;font:14pt monospace}"
        ".code{word-break:break-all;font:8pt monospace}@page{margin:2cm}</style></head><body>"
        f"<h1>Recovery sheet of {escape(sheet.name)}</h1>"
        f"<p>made {_date(sheet)}, user <b>{short(sheet.user)}</b></p>"
        f"{f'<ol>{words}</ol>' if words else ''}{_qr(sheet, place)}{said}"
        f"<p class='code'>{escape(sheet.user)}</p></body></html>\n"
    )


def as_svg(sheet: Sheet) -> str:
    """Return the sheet as a picture of an A4 page, in millimetres."""
    rows: list[str] = []

    def write(x: float, y: float, size: float, text: str, family: str = "serif") -> None:
        rows.append(f'<text x="{x}" y="{y:.1f}" font-size="{size}" font-family="{family}">{escape(text)}</text>')

    write(20, 30, 8, f"Recovery sheet of {sheet.name}")
    write(20, 38, 4.5, f"made {_date(sheet)}, user {short(sheet.user)}")
    for number, word in enumerate(sheet.words):
        write(20 + 42 * (number // 6), 52 + 8 * (number % 6), 5, f"{number + 1:>2} {word}", "monospace")
    side = _side(sheet)
    rows.append(_qr(sheet, f'x="20" y="105" width="{side}" height="{side}"'))
    y = 113.0 + side
    for each in about(sheet):
        for line in _wrapped(each, 88):
            write(20, y, 4.2, line)
            y += 5.5
        y += 3
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 210 297">'
        f'<rect width="210" height="297" fill="#fff"/>{"".join(rows)}</svg>\n'
    )


def _qr(sheet: Sheet, place: str) -> str:
    """Return the QR code as an inline SVG with the attributes *place*."""
    import segno

    # Words can be typed if the code is stained; an RSA key needs all the room there is.
    code = segno.make(sheet.code, error="q" if sheet.words else "l", micro=False, boost_error=False)
    return code.svg_inline(omitsize=True, svgclass=None, lineclass=None).replace("<svg", f"<svg {place}", 1)


def _side(sheet: Sheet) -> int:
    """Return how wide the QR code is printed, in millimetres."""
    return 60 if sheet.words else 120


def _date(sheet: Sheet) -> str:
    return format_time(sheet.made)[:10]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False)
