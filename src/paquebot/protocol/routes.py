"""Where nodes can be reached: routes such as ``mailto:node@b.example``, which a node's `node` resource names.

A route is told by the node itself, signed, and the newest word counts; what our own person says counts for more. A
route that cannot be one is passed over: it spoils neither its neighbours nor the resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from paquebot.errors import Misused
from paquebot.protocol.effects import Effects, Remember
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import ROUTES_MAX
from paquebot.protocol.resource import Resource
from paquebot.protocol.state import Peer, View

BYTES_MAX = 254
"""Of an address: RFC 5321's longest path, and enough for any other carrier's."""
_SCHEMES = {"mail": "mailto"}
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL = re.compile(rf"(?!-)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_OTHER = re.compile(r"[!-~]+")
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def valid(kind: str, address: str) -> bool:
    r"""Return whether *address* can be one for carriers of *kind*: it may go into headers and commands as it is.

    For mail: RFC 5321's mailbox in ASCII, without quoted names and addresses in brackets.

    >>> [valid("mail", each) for each in ("node+x@b.example", "a@ship", "a b@c", "a@b\r\nBcc: x@y", "-x@y", "a@é.fr")]
    [True, True, False, False, False, False]
    """
    pattern = _MAIL if kind == "mail" else _OTHER
    return len(address) <= BYTES_MAX and pattern.fullmatch(address) is not None


def route(kind: str, address: str) -> str:
    """Return the route by which carriers of *kind* reach *address*. Raise `Misused` if it cannot be one.

    >>> route("mail", "node@b.example")
    'mailto:node@b.example'
    """
    if not _KIND.fullmatch(kind):
        raise Misused(f"{kind!r} is no kind of carrier")
    if not valid(kind, address):
        example = ", such as node@b.example" if kind == "mail" else ""
        raise Misused(f"{address[:BYTES_MAX]!r} is no address for {kind}{example}")
    return f"{_SCHEMES.get(kind, kind)}:{address}"


def parse(text: str) -> tuple[str, str] | None:
    """Return the kind of carrier and the address of a route; None if it is none.

    >>> parse("mailto:node@b.example"), parse("mailto:a@b?bcc=c@d"), parse("https://b.example")
    (('mail', 'node@b.example'), None, ('https', '//b.example'))
    """
    scheme, colon, address = text.partition(":")
    kind = next((kind for kind, each in _SCHEMES.items() if each == scheme), scheme)
    good = colon and scheme not in _SCHEMES and _KIND.fullmatch(kind) and valid(kind, address)
    return (kind, address) if good else None


def said(view: View, node: Fingerprint) -> tuple[tuple[str, str], ...]:
    """Return the routes that *node* itself names: kinds and addresses, its favourites first."""
    name = view.described(node)
    signed = view.resource(name) if name else None
    return of(Resource.read(signed, view.schema)) if signed else ()


def of(resource: Resource) -> tuple[tuple[str, str], ...]:
    """Return the routes that a `node` resource names."""
    value = resource.container.value
    named = value.get("node") or value.get("information") or {}
    found = (parse(each) for each in named.get("routes", ())[:ROUTES_MAX])
    return tuple(dict.fromkeys(each for each in found if each))


def set_by_hand(view: View, node: Fingerprint) -> dict[str, str]:
    """Return what our person said of *node*: addresses by kind of carrier, empty where it must not be written to."""
    lines = (view.remembered(_key(node)) or b"").decode().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def put_by_hand(view: View, node: Fingerprint, kind: str, address: str | None) -> Effects:
    """Note that our person says where *node* is; with an empty *address* nowhere, with None what it says itself.

    Raise `Misused`.
    """
    if address:
        route(kind, address)
    elif not _KIND.fullmatch(kind):
        raise Misused(f"{kind!r} is no kind of carrier")
    known = set_by_hand(view, node)
    known.pop(kind, None)
    if address is not None:
        known[kind] = address
    value = "\n".join(f"{kind} {address}" for kind, address in sorted(known.items()))
    yield Remember(_key(node), value.encode() or None)


def forgotten(peer: Peer) -> Effects:
    """Forget what our person said of *peer*, which is removed."""
    yield Remember(_key(peer.node), None)


def _key(node: Fingerprint) -> str:
    return f"routes/{node}"


def address(view: View, node: Fingerprint, kind: str) -> str:
    """Return where carriers of *kind* reach *node*; empty if that is not known."""
    by_hand = set_by_hand(view, node)
    if kind in by_hand:
        return by_hand[kind]
    return next((address for each, address in said(view, node) if each == kind), "")


def addresses(view: View, kind: str) -> dict[Fingerprint, str]:
    """Return where carriers of *kind* reach our peers, those alone that they reach."""
    found = ((peer.node, address(view, peer.node, kind)) for peer in view.peers())
    return {node: address for node, address in found if address}


def every(view: View, kind: str) -> set[str]:
    """Return all addresses for carriers of *kind* from which a peer may write: what it says, and what was set here."""
    nodes = [peer.node for peer in view.peers()]
    found = {each for node in nodes for each in (*said(view, node), *set_by_hand(view, node).items())}
    return {address for each, address in found if each == kind and address}


def untold(view: View, routes: Iterable[str]) -> dict[str, Any] | None:
    """Return the fields that tell others our node's *routes*, under the schema `node`; None if it says so already."""
    local, now = view.local(), list(dict.fromkeys(routes))[:ROUTES_MAX]
    if now == [route(*each) for each in said(view, local.node)]:
        return None
    return {"node": {"type": "node", "name": local.name, **({"routes": now} if now else {})}}
