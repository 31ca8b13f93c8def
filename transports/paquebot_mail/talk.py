"""What is said to an IMAP server: log in, look into a folder, fetch, wait, and put away. Names go quoted, always."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from aioimaplib.aioimaplib import AUTH, SELECTED

from paquebot.transport import Transient
from paquebot_mail.imap import Answer, Imap, Lost, Running, Said
from paquebot_mail.server import Login, bearer
from paquebot_mail.wire import SPOOLED_MAX, Token, Unreadable, tokens

__all__ = [
    "Folder", "LoginRefused", "Quota", "capable", "create", "examine", "expunge", "fetch", "idle", "junk", "localised",
    "log_in", "log_out", "mark_deleted", "move", "quota", "quoted", "search", "select",
    "uid_sets",
]  # fmt: skip

# Refusals that say nothing against the password (RFC 5530).
_PASSING = frozenset({"UNAVAILABLE", "LIMIT", "INUSE", "SERVERBUG", "OVERQUOTA"})
_SET_MAX = 900  # RFC 2683, 3.2.1.5: a command line should not be longer than 1,000 bytes
_JUNK_NAMES = ("junk", "spam", "junk e-mail", "junk email", "bulk mail", "bulk")


class LoginRefused(Transient):
    """The mail server does not let us in. Set the password anew, or renew the token."""

    def __init__(self, message: str, *, token: bool) -> None:
        super().__init__(message)
        self.token = token
        """Whether it was an access token, which may only have expired."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What a server says of a folder that was opened."""

    name: str
    uidvalidity: int
    """0 if it did not say: no number of it lasts."""
    uidnext: int
    """0 if it did not say."""
    exists: int


@dataclass(frozen=True, slots=True)
class Quota:
    """How full the account is, in kilobytes (STORAGE) or in mails (MESSAGE)."""

    resource: str
    used: int
    limit: int


# -- getting in and out ---------------------------------------------------------------------------


def capable(imap: Imap, name: str) -> bool:
    """Return whether the server, as it is now, can do *name*."""
    return name in imap.capabilities


async def log_in(imap: Imap, login: Login) -> None:
    """Log in, and learn what the server can do for who is logged in. Raise `LoginRefused`, `Said` or `Lost`."""
    if imap.state != AUTH:  # it may know us already
        if not imap.capabilities:
            await imap.ask("CAPABILITY")
        secret = await login.secret()
        before = set(imap.capabilities)
        answer = await (_by_token if login.token else _by_password)(imap, login.user, secret)
        if answer.status != "OK":
            code = answer.code[0]
            message = f"{imap.server.host} refuses {login.user}: {answer.text[:200]}"
            raise Said(message, code) if code in _PASSING else LoginRefused(message, token=login.token)
        imap.state = AUTH
        if answer.code[0] != "CAPABILITY" and imap.capabilities == before:
            await imap.ask("CAPABILITY")  # what it can do before says nothing of after
    if capable(imap, "ID"):
        with suppress(Said):  # some let nobody in who does not say who asks (163.com)
            await imap.ask("ID", '("name" "paquebot")')


async def _by_password(imap: Imap, user: str, password: str) -> Answer:
    if capable(imap, "AUTH=PLAIN"):
        said = f"\0{user}\0{password}".encode()
        running, _ = await _authenticate(imap, "PLAIN", said)
        return await imap.end(running)
    if capable(imap, "LOGINDISABLED") or not (user + password).isascii():
        raise LoginRefused(f"{imap.server.host} offers no login by password", token=False)
    return await imap.end(imap.command("LOGIN", _string(user), _string(password)))


async def _by_token(imap: Imap, user: str, token: str) -> Answer:
    if capable(imap, "AUTH=OAUTHBEARER"):
        mechanism, said, enough = "OAUTHBEARER", bearer(imap.server, user, token), "AQ=="
    elif capable(imap, "AUTH=XOAUTH2"):
        mechanism, said, enough = "XOAUTH2", f"user={user}\1auth=Bearer {token}\1\1".encode(), ""
    else:
        raise LoginRefused(f"{imap.server.host} offers no login by token", token=True)
    running, prompt = await _authenticate(imap, mechanism, said)
    if prompt is None:
        prompt = await imap.prompted(running)
    if prompt is None:
        return await imap.end(running)
    # It prompts only to say why not, and refuses when it was answered.
    imap.send(enough)
    answer = await imap.end(running)
    return answer if answer.status == "OK" else Answer(answer.status, f"{answer.text} ({_reason(prompt)})", ())


async def _authenticate(imap: Imap, mechanism: str, said: bytes) -> tuple[Running, bytes | None]:
    """Say *said* by *mechanism*; return the command, and its prompt if one is left to be answered."""
    words = b64encode(said).decode()
    if capable(imap, "SASL-IR"):
        return imap.command("AUTHENTICATE", mechanism, words), None
    running = imap.command("AUTHENTICATE", mechanism)
    if await imap.prompted(running) is not None:
        imap.send(words)
    return running, None


def _reason(prompt: bytes) -> str:
    try:
        said = json.loads(b64decode(prompt[2:] if prompt.startswith(b"+ ") else prompt))
        return f"status {said['status']}"
    except (ValueError, KeyError, TypeError):
        return "no reason given"


async def log_out(imap: Imap) -> None:
    """Say goodbye, and cut the line whatever the answer."""
    try:
        if imap.lost is None:
            with suppress(Lost, Said):
                await imap.ask("LOGOUT")
    finally:
        await imap.hang_up()


# -- folders --------------------------------------------------------------------------------------


async def examine(imap: Imap, name: str) -> Folder:
    """Open a folder to read it. Nothing that is done then changes anything in it, not even what is recent."""
    return await _open(imap, "EXAMINE", name)


async def select(imap: Imap, name: str) -> Folder:
    """Open a folder to put mails away."""
    return await _open(imap, "SELECT", name)


async def _open(imap: Imap, how: str, name: str) -> Folder:
    imap.stirred.clear()
    answer = await imap.ask(how, quoted(name))
    imap.state = SELECTED
    values: dict[str, int] = {}
    exists = 0
    for response in answer.untagged:
        text = response.text.decode("utf-8", "replace")
        if found := re.match(r"OK \[(UIDVALIDITY|UIDNEXT) (\d{1,10})\]", text, re.IGNORECASE):
            values[found[1].upper()] = int(found[2])
        elif response.kind == "EXISTS":
            exists = response.number
    return Folder(name, values.get("UIDVALIDITY", 0), values.get("UIDNEXT", 0), exists)


async def localised(imap: Imap, name: str) -> str:
    """Return *name*, whose folders of folders are written with ``/``, as the server writes it."""
    if "/" not in name:
        return name
    answer = await imap.ask("LIST", '""', '""')
    for said in _told(answer, "LIST"):
        if len(said) == 4 and isinstance(said[2], bytes):
            return name.replace("/", said[2].decode("ascii", "replace"))
    return name


async def create(imap: Imap, name: str) -> None:
    """Make a folder. Raise `Said`, unless it is there already."""
    try:
        await imap.ask("CREATE", quoted(name))
    except Said as error:
        if error.code != "ALREADYEXISTS":
            raise


async def junk(imap: Imap) -> str | None:
    """Return the name of the folder where the provider puts what it takes for spam; None if there is none."""
    answer = await imap.ask("LIST", '""', '"*"')
    by_name: str | None = None
    for said in _told(answer, "LIST"):
        if len(said) != 4 or not isinstance(said[1], list):
            continue
        name = named(_plain(said[3]))
        if r"\JUNK" in {each.upper() for each in said[1] if isinstance(each, str)}:
            return name
        separator = _plain(said[2])
        last = name.rsplit(separator, 1)[-1] if separator and separator != "NIL" else name
        if by_name is None and last.lower() in _JUNK_NAMES:
            by_name = name
    return by_name


def _told(answer: Answer, kind: str) -> Iterator[list[Token]]:
    """Yield what was told of *kind*, word by word, but for what cannot be understood: nobody depends on it."""
    for response in answer.untagged:
        if response.kind == kind:
            with suppress(Unreadable):
                yield tokens(response.pieces)


async def quota(imap: Imap, name: str) -> list[Quota]:
    """Return how full the account is that *name* lies in; empty if it does not say."""
    if not capable(imap, "QUOTA"):
        return []
    answer = await imap.ask("GETQUOTAROOT", quoted(name))
    found = []
    for said in _told(answer, "QUOTA"):
        if len(said) != 3 or not isinstance(said[2], list):
            continue
        words = [_plain(each) for each in said[2]]
        found += [
            Quota(resource.upper(), int(used), int(limit))
            for resource, used, limit in zip(words[::3], words[1::3], words[2::3], strict=False)
            if used.isdigit() and limit.isdigit()
        ]
    return found


# -- mails ----------------------------------------------------------------------------------------


def uid_sets(uids: Iterable[int]) -> Iterator[str]:
    """Yield UID sets no longer than a command line should be.

    >>> list(uid_sets([7, 1, 2, 3, 9, 10]))
    ['1:3,7,9:10']
    """
    ordered = sorted(set(uids))
    runs: list[list[int]] = []
    for uid in ordered:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    line = ""
    for first, last in runs:
        word = str(first) if first == last else f"{first}:{last}"
        if line and len(line) + len(word) >= _SET_MAX:
            yield line
            line = ""
        line += f",{word}" if line else word
    if line:
        yield line


def fetch(imap: Imap, uids: str, items: str, most: int = SPOOLED_MAX) -> Running:
    """Ask for *items* of mails, of at most so many bytes; `Imap.heard` is given them, `Imap.end` waits for the end."""
    return imap.command("FETCH", uids, f"({items})", uid=True, most=most)


async def search(imap: Imap, header: str, text: str) -> list[str]:
    """Return the UIDs of the mails in the open folder whose *header* has *text* in it."""
    answer = await imap.ask("SEARCH", "HEADER", header, text, uid=True)
    numbers = b" ".join(each.text for each in answer.untagged if each.kind == "SEARCH").split()
    return [number.decode() for number in numbers if number.isdigit()]


async def mark_deleted(imap: Imap, uids: str) -> None:
    """Mark these mails, which are ours, to be expunged."""
    await imap.ask("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)", uid=True)


async def expunge(imap: Imap, uids: str) -> None:
    """Expunge these mails and no other: a plain EXPUNGE would take what a person has marked."""
    await imap.ask("EXPUNGE", uids, uid=True)


async def move(imap: Imap, uids: str, name: str) -> None:
    """Move these mails into another folder, making it if it is lacking."""
    try:
        await _move(imap, uids, name)
    except Said as error:
        if error.code != "TRYCREATE":
            raise
        await create(imap, name)
        await _move(imap, uids, name)


async def _move(imap: Imap, uids: str, name: str) -> None:
    if capable(imap, "MOVE"):
        await imap.ask("MOVE", uids, quoted(name), uid=True)
    else:
        await imap.ask("COPY", uids, quoted(name), uid=True)
        await mark_deleted(imap, uids)
        await expunge(imap, uids)


async def idle(imap: Imap, seconds: float) -> bool:
    """Wait until the open folder changes, at most *seconds*; return whether it did since it was last waited for.

    A server that cannot tell by itself is asked at the end. Raise `Lost` at once if cut off.
    """
    if not imap.stirred.is_set():
        await _idle(imap, seconds)
    stirred = imap.stirred.is_set()
    imap.stirred.clear()
    return stirred


async def _idle(imap: Imap, seconds: float) -> None:
    if not capable(imap, "IDLE"):
        await asyncio.sleep(seconds)
        await imap.ask("NOOP")
        return
    running = imap.command("IDLE")
    if await imap.prompted(running) is not None:
        try:
            async with asyncio.timeout(seconds):
                await imap.stirred.wait()
        except TimeoutError:
            pass
        except BaseException:
            imap.fail("it was not waited for any longer")
            raise
        imap.send("DONE")
    answer = await imap.end(running)
    if answer.status != "OK":
        raise Said(f"{imap.server.host} does not let us wait: {answer.text[:200]}", answer.code[0])


# -- words ----------------------------------------------------------------------------------------


def quoted(name: str) -> str:
    r"""Return a folder's name as it goes on the line: in IMAP's own UTF-7 (RFC 3501, 5.1.3), quoted.

    >>> print(quoted("INBOX"), quoted('Gelöscht & "weg"'))
    "INBOX" "Gel&APY-scht &- \"weg\""
    """
    parts = re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", name)
    return _string("".join(part.replace("&", "&-") if " " <= part[0] <= "~" else _utf7(part) for part in parts))


def named(text: str) -> str:
    """Return the name that a server wrote in IMAP's UTF-7.

    >>> named("Gel&APY-scht &- weg")
    'Gelöscht & weg'
    """
    return re.sub(r"&([^-]*)-", lambda found: _of_utf7(found[1]) if found[1] else "&", text)


def _of_utf7(text: str) -> str:
    try:
        return b64decode(text.replace(",", "/") + "===").decode("utf-16-be")
    except ValueError:
        return f"&{text}-"


def _utf7(text: str) -> str:
    return f"&{b64encode(text.encode('utf-16-be')).decode().rstrip('=').replace('/', ',')}-"


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(token: Token) -> str:
    return token.decode("ascii", "replace") if isinstance(token, bytes) else token if isinstance(token, str) else ""
