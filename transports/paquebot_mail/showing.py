"""What a mail says to people: who, when, what about, and its words. It is as hostile as any, and nothing in it counts.

Texts come out as they are written; whoever shows them makes them safe to show.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from urllib.parse import unquote_to_bytes

from paquebot_mail.mime import Entity, TooMany, content, end_of_head, walk

__all__ = ["TEXT_CHARS_MAX", "field", "show"]

TEXT_CHARS_MAX = 256 << 10
_FIELDS = ("from", "to", "date", "subject")
_VALUE_MAX = 1_000
_ATTACHED_MAX = 20
_WORD = re.compile(r"=\?([\w.:-]{1,40})(?:\*[\w-]*)?\?([bBqQ])\?([^?\s]{0,1000})\?=(?:\s+(?==\?))?", re.ASCII)
_CHARSET = re.compile(rb"(?i);\s*charset\s*=\s*\"?([\w.:-]{1,40})")
_NAME = re.compile(rb"(?i);\s*(?:file)?name\s*=\s*(?:\"([^\"\r\n]{1,300})\"|([^\s\";]{1,300}))")
_NAME_CODED = re.compile(rb"(?i);\s*(?:file)?name\*\s*=\s*([\w.:-]{1,40})'[\w-]*'([^\s;]{1,900})")
_CHARSETS = re.compile(
    r"utf-?8|us-ascii|iso-?8859-\d{1,2}|windows-125\d|cp125\d|koi8-[ru]|gbk?|gb2312|gb18030|big5"
    r"|euc-(?:jp|kr)|iso-2022-(?:jp|kr)|shift[_-]jis",
    re.ASCII | re.IGNORECASE,
)
"""Those that people use; some others of Python's cost time without bound."""
_UNSEEN = re.compile(r"(?is)<(style|script).*?(?=</\1|\Z)")
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"(?i)<(?:br|/p|/div|/tr|/li|/h\d|/blockquote)\b[^<>]*>")
_SPACE = re.compile(r"[ \t\r\n]+")


def show(mail: bytes) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return what *mail*, or a part of one with its own header, says of itself and of what is attached; and its text.

    The text is that of its plain parts; of those in HTML, without the tags, if there are no others.
    """
    head = mail[: end_of_head(mail) or 0]
    facts = [(name, value) for name in _FIELDS if (value := field(head, name))]
    plain, marked, attached = list[str](), list[str](), 0
    try:
        for entity in _parts(mail):
            own = mail[entity.head : entity.start]
            name = _filename(own)
            if entity.kind in (b"", b"text/plain", b"text/html") and not _is_attached(own):
                (marked if entity.kind == b"text/html" else plain).append(_text(mail, entity, own))
                continue
            attached += 1
            if attached <= _ATTACHED_MAX:
                kind = entity.kind.decode("ascii", "replace")
                size = len(content(mail, entity))
                facts.append(("attached", f"{name or 'without a name'}, {kind}, {size} bytes"))
    except TooMany as excess:
        facts.append(("parts", str(excess)))
    if attached > _ATTACHED_MAX:
        facts.append(("attached", f"{attached - _ATTACHED_MAX} more"))
    text = "\n".join(plain) or "\n".join(_without_tags(each) for each in marked)
    return tuple(facts), text[:TEXT_CHARS_MAX]


def field(head: bytes, name: str) -> str:
    """Return the value of the one field called *name* in *head*, decoded; of several, how many there are."""
    found = re.findall(rb"(?im)^%s:((?:[^\r\n]|\r?\n[ \t])*)" % name.encode(), head)
    if len(found) > 1:
        return f"said {len(found)} times"
    value = b"".join(found)[:_VALUE_MAX].decode("utf-8", "replace")
    return _SPACE.sub(" ", _WORD.sub(lambda word: _decoded(word[1], word[2], word[3]), value)).strip()


def _decoded(charset: str, way: str, word: str) -> str:
    """Return what an encoded word says (RFC 2047)."""
    if way in "qQ":
        data = unquote_to_bytes(word.replace("%", "%25").replace("=", "%").replace("_", " "))
    else:
        try:
            data = b64decode(word + "=" * (-len(word) % 4))
        except ValueError:
            return word
    return _in_charset(data, charset)


def _in_charset(data: bytes, charset: str) -> str:
    with suppress(LookupError):  # there is no ISO-8859-12
        return data.decode(charset if _CHARSETS.fullmatch(charset) else "utf-8", "replace")
    return data.decode("utf-8", "replace")


def _parts(mail: bytes) -> Iterator[Entity]:
    """Yield the leaves of *mail*; what lies in a mail that is attached, or is encrypted, is no part of it."""
    inside = 0
    for entity in walk(mail):
        if inside and entity.depth > inside:
            continue
        inside = entity.depth if entity.kind in (b"message/rfc822", b"multipart/encrypted") else 0
        if not entity.kind.startswith(b"multipart/"):
            yield entity


def _is_attached(head: bytes) -> bool:
    return field(head, "content-disposition").lower().startswith("attachment")


def _filename(head: bytes) -> str:
    if coded := _NAME_CODED.search(head):
        return _in_charset(unquote_to_bytes(coded[2]), coded[1].decode("ascii", "replace"))
    found = _NAME.search(head)
    named = (found[1] or found[2]).decode("utf-8", "replace") if found else ""
    return _WORD.sub(lambda word: _decoded(word[1], word[2], word[3]), named)


def _text(mail: bytes, entity: Entity, head: bytes) -> str:
    charset = _CHARSET.search(head)
    data = content(mail, entity)[: 4 * TEXT_CHARS_MAX]
    text = _in_charset(data, charset[1].decode("ascii", "replace") if charset else "utf-8")
    return text[:TEXT_CHARS_MAX].replace("\r\n", "\n").strip("\n")


def _without_tags(text: str) -> str:
    """Return the words of *text* in HTML.

    >>> _without_tags("<style>p {}</style><p>one &amp;<br>\\n two</p><p>three")
    'one &\\ntwo\\nthree'
    """
    text = _TAG.sub("", _BREAK.sub("\0", _SPACE.sub(" ", _UNSEEN.sub("", text))))
    return "\n".join(_unescaped(each).strip() for each in text.split("\0")).strip("\n")


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a number of thousands of digits
        return text
