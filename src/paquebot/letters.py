"""Letters: mails that people wrote to a key of this node. They are kept to be read, and nothing else is done."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import field, replace
from functools import partial

from paquebot import registry
from paquebot.errors import BadSignature, Handwritten, Misused, Refused
from paquebot.frozen import frozen
from paquebot.protocol import noting, routes
from paquebot.protocol.effects import Effects, Quarantine
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.keys import Pins
from paquebot.protocol.limits import KIB, NAME_MAX
from paquebot.protocol.stamp import Millis
from paquebot.store.view import SqliteView
from paquebot.vault.keystore import Secrets
from paquebot.vault.letters import Letter, open_letter
from paquebot.vault.openpgp import armoured, export_certificate, shown_key

_HEAD_MAX = 64 * KIB
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"(?im)^(from|to|date|subject|message-id):(?:[^\r\n]|\r?\n[ \t])*\r?\n")
_PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"


@frozen
class Certificate:
    """What somebody must have to write to this node from a mail program."""

    armoured: str
    name: str
    address: str
    """Where letters are to go; empty if the node has told no address for mail."""
    key: bytes = field(repr=False)
    until: Millis
    """From then on nothing can be encrypted with it: envelope keys are replaced."""

    def card(self) -> str:
        """Return it as a contact (RFC 6350), for programs that take keys by contacts. Raise `Misused`."""
        if not self.address:
            raise Misused("a contact needs an address, and this node has told none for mail")
        name = re.sub(r"([\\,;])", r"\\\1", self.name)
        key = f"data:application/pgp-keys;base64\\,{b64encode(self.key).decode()}"
        lines = ("BEGIN:VCARD", "VERSION:4.0", f"EMAIL:{self.address}", f"FN:{name}", f"KEY:{key}", "END:VCARD", "")
        return "\r\n".join(lines)


def certificate(view: SqliteView, secrets: Secrets, now: Millis) -> Certificate:
    """Return this node's certificate as of *now*. Raise `Expired` if no key is live."""
    local = view.local()
    address = next((address for kind, address in routes.said(view, local.node) if kind == "mail"), "")
    user = f"{local.name} <{address}>" if address else local.name
    key = export_certificate(secrets, user if len(user) <= NAME_MAX else local.name, now)
    return Certificate(armoured(key), local.name, address, key, shown_key(secrets, now).expires)


Opens = Callable[[bytes, Pins, Millis], Letter]
"""As `Sealer.read` does."""


def opener(secrets: Secrets) -> Opens:
    """Return what opens letters with *secrets* alone."""
    return partial(open_letter, secrets)


def read(view: SqliteView, opens: Opens, message: bytes, now: Millis) -> Letter:
    """Return the letter in the OpenPGP *message*, its signers said by the names that they have here.

    Raise as `open_letter` does.
    """
    peers = view.peers()
    names: dict[str, str] = {peer.node: peer.name for peer in peers}
    known = ((peer.node, view.announcement(peer.node)) for peer in peers)
    found = opens(message, {node: keys for node, keys in known if keys is not None}, now)
    who = " or ".join(names[each] for each in found.signers)
    return replace(found, said=f"signed with the node key of {who}") if who else found


def find(view: SqliteView, opens: Opens, mail: bytes, now: Millis) -> Letter | None:
    """Return the letter to this node in *mail*, if there is one. Raise `BadSignature` for a damaged one."""
    described = registry.describe(mail)
    for message in described.parcels if described else ():
        try:
            return read(view, opens, message, now)
        except BadSignature:
            raise
        except Refused:
            continue
    return None


def set_aside(view: SqliteView, letter: Letter, mail: bytes, now: Millis) -> Effects:
    """Keep *letter*, which came in *mail*, for a person to read: open, because the key to it will be destroyed.

    It is kept as a mail: what it does not say within of its sender, date and subject, it gets from outside.
    """
    within = registry.describe(letter.content)
    known = {what.encode() for what, _ in within.facts} if within else set()
    outside = [each for each in _FIELD.finditer(_head(mail)) if each[1].lower() not in known]
    kept = b"".join((*(each[0] for each in outside), b"" if within else _PLAIN, letter.content))
    why = f"a letter of a person, no envelope; {letter.said}"
    if borrowed := sorted({each[1].decode().lower() for each in outside} - {"message-id", "to"}):
        why += f"; not sealed in it: {', '.join(borrowed)}"
    found = registry.describe(mail)
    where = f"a mail from {dict(found.facts).get('from', 'somebody') if found else 'somebody'}"
    # There is room for each sender: what anybody may write crowds out no letter of a peer's.
    sender = Fingerprint(letter.signers[0]) if len(letter.signers) == 1 else None
    yield from noting.noted(view, [Quarantine(kept, Handwritten.code, why, sender, where, now)], now)


def _head(mail: bytes) -> bytes:
    end = _END_OF_HEAD.search(mail, 0, _HEAD_MAX)
    return mail[: end.start() + 2] if end else b""
