"""What an export brings back: a whole node in an empty home, or what a home of the same user lacks.

An export is unpacked beside the home and believed only when all of it has been read and checked. Until then the home
is as it was; from then on every step can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from paquebot import backup, keychain
from paquebot import home as homes
from paquebot.backup import Export
from paquebot.errors import KeysLocked, Malformed, Misused, WrongKey
from paquebot.keychain import ENVELOPE_KEYS, NODE_KEY, USER_KEY, Keychain
from paquebot.passphrase import Passphrases
from paquebot.private import Privacy
from paquebot.protocol import admission, carrying, merging
from paquebot.protocol.effects import Effect, Effects, Keep, KeepBlob, Note, SaveInvite, SavePeer, Tell
from paquebot.protocol.encoding import digest, short
from paquebot.protocol.engine import Engine
from paquebot.protocol.events import Kind
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.trust import announcement_fields
from paquebot.store import Store, snapshot
from paquebot.store.blobs import Blobs
from paquebot.store.view import SqliteView
from paquebot.vault import files, keystore, locking

STAGING = "import.new"
_LINES = 256  # in one transaction
_BLOBS = 16

Progress = Callable[[int], None]
Entropy = Callable[[int], bytes]


@dataclass(slots=True)
class Taken:
    """What an import brought."""

    resources: int = 0
    refused: int = 0
    """Resources that cannot be admitted here."""
    chunks: int = 0
    peers: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


def restore(
    home: Path, export: Export, wall: Millis, entropy: Entropy, passphrase: bytes | None, progress: Progress
) -> Taken:
    """Make the node of *export* live in the empty *home*, its keys locked by *passphrase* if there is one.

    It gets new fast and dated envelope keys and announces them: what peers had sealed to the old ones it cannot open,
    and they send it again once they have heard. Raise `Misused` if *home* holds a node or the export cannot make one,
    and what `Export.unpack` raises; then *home* is as it was.
    """
    manifest = export.manifest
    if not manifest.data:
        raise Misused(
            "this export holds secrets only, and a node needs its journal too. Make a new node of the same user:"
            " paquebot init --recover --from FILE"
        )
    if len(manifest.secrets) < 2:
        raise Misused(
            "this export holds no keys, and nobody can be without. Make a new node of the same user first:"
            " paquebot init --recover, then import this"
        )
    with homes.empty(home):
        made = home / STAGING
        backup.discard(made)
        try:
            export.unpack(made, progress)
            _renew(made, export, wall, entropy, passphrase)
            homes.settle(home, made)
        finally:
            backup.discard(made)
    return Taken(resources=manifest.resources, secrets=list(manifest.secrets))


def _renew(made: Path, export: Export, wall: Millis, entropy: Entropy, passphrase: bytes | None) -> None:
    """Check that keys and store belong together, and give the node new keys that peers can seal to."""
    chain = Keychain(made / homes.KEYS, Passphrases(made))
    with Store.translated(), closing(snapshot.adopt(made)) as store:
        view = store.view
        local, node = view.local(), chain.private_key(NODE_KEY)
        announced, secrets = view.announcement(local.node), chain.envelope_keys()
        if not local.node == node.fingerprint == export.manifest.node or local.user != export.manifest.user:
            raise WrongKey("the keys in the export belong to another node than the rest of it")
        if announced is None or announced.signing != keystore.signing_point(secrets.signing):
            raise WrongKey("the envelope keys in the export belong to another node than the rest of it")
        _check_user_key(chain, local.user)
        _check_names(view)
        engine = Engine(view, node, entropy, random.Random())
        secrets = secrets.renewed(engine.now(wall), entropy)
        if passphrase is not None:
            chain.set_passphrase(passphrase, entropy)
        chain.save_envelope_keys(secrets, entropy)
        fields = announcement_fields(secrets.announcement(local.node))
        store.commit(engine.publish([Draft(schemas=("envelope_keys",), fields=fields)], wall))
        now = engine.now(wall)
        store.commit(_woken(view, export.manifest.created, now))
        store.fold()  # for only that file is moved


def _woken(view: SqliteView, then: Millis, now: Millis) -> Effects:
    """Ask all peers what has happened since *then*, and note it for the person.

    Whether an invitation was used since cannot be known; it would be good a second time, so it is good no more.
    """
    for peer in view.peers():
        yield SavePeer(replace(peer, ask_at=now))
    for invite in view.invites():
        if invite.state(now) == "open":
            yield SaveInvite(replace(invite, revoked=now))
    yield from carrying.anew(view)  # what was carried for others is in no export
    yield Note(Kind.RESTORED, now, detail=f"this home was brought back from an export of {format_time(then)[:10]}")


def _check_names(view: SqliteView) -> None:
    """Raise `Malformed` unless every resource is what its name says."""
    last, _ = view.tip()
    for first in range(1, last + 1, _LINES):
        for line in view.own_lines(first, first + _LINES - 1):
            signed = view.resource(line.entry.resource)
            if signed is not None and digest(signed.payload) != line.entry.resource:
                raise Malformed("a resource in the export is not what its name says")


def _check_user_key(chain: Keychain, user: str) -> None:
    """Raise `WrongKey` if there is a user key, it can be read, and it is another user's."""
    path = chain.folder / USER_KEY
    if path.exists() and not chain.locked(USER_KEY) and chain.private_key(USER_KEY).fingerprint != user:
        raise WrongKey("the user key in the export belongs to another user than the rest of it")


def merge(
    home: Path, export: Export, passphrases: Passphrases, wall: Millis, entropy: Entropy, progress: Progress
) -> Taken:
    """Take over what the node in *home* lacks of an export of the same user; doing it twice changes nothing.

    Of an export that is not encrypted, whose origin nothing proves, only what is signed is taken: no peers, no keys.
    Raise `Misused` for an export of another user, and what `Export.unpack` raises; then *home* is as it was.
    """
    with homes.opened(home) as store:
        local = store.view.local()
        if export.manifest.user != local.user:
            raise Misused(
                f"this export is of another user, {export.manifest.name}; a home has one user: import it into a home of"
                " its own, by paquebot --home DIR import"
            )
        chain, made, taken = homes.keys(home, passphrases), home / STAGING, Taken()
        backup.discard(made)
        try:
            export.unpack(made, progress)
            with ExitStack() as stack:
                other = stack.enter_context(closing(snapshot.adopt(made))) if export.manifest.data else None
                if other is not None and other.view.local().user != local.user:
                    raise Malformed("the export is not of the user that it names")
                if export.manifest.encrypted:
                    _take_keys(chain, made, export, local.node, taken, entropy)
                if other is not None:
                    _merge(store, other, wall, taken, proven=export.manifest.encrypted)
                with suppress(KeysLocked):  # then it is opened at the next sync
                    privacy = Privacy(
                        store.view,
                        chain.envelope_keys,
                        lambda: chain.private_key(NODE_KEY),
                        entropy,
                        chain.former_envelope_keys,
                    )
                    store.commit(privacy.open_new())
                    store.commit(privacy.open_again())
        finally:
            backup.discard(made)
    return taken


def _merge(store: Store, other: Store, wall: Millis, taken: Taken, *, proven: bool) -> None:
    view = store.view
    now = max(view.clock().now(wall), view.founded())
    if proven:
        added = store.commit(merging.contacts(view, other.view, now))
        taken.peers = [effect.peer.name for effect in added if isinstance(effect, SavePeer)]
    last, _ = other.view.tip()
    for first in range(1, last + 1, _LINES):
        for effect in store.commit(_resources(view, other.view, first, first + _LINES - 1, now)):
            taken.resources += isinstance(effect, Keep)
            taken.refused += isinstance(effect, Tell) and effect.outcome == "rejected"
    if isinstance(other.blobs, Blobs):
        lacking = (name for name in other.blobs.names() if view.files_with(name))
        while some := list(islice(lacking, _BLOBS)):
            taken.chunks += len(some)
            store.commit(_chunks(view, other, some))
    if taken.peers:
        store.commit(merging.held_there(view, other.view))


def _resources(view: SqliteView, other: SqliteView, first: int, last: int, now: Millis) -> Iterator[Effect]:
    origin = other.local().node
    for line in other.own_lines(first, last):
        signed, listed = other.resource(line.entry.resource), other.listing(line.entry.resource)
        if signed is None or listed is None or view.has(signed.id):
            continue
        signed = SignedObject.parse(signed.encode())  # its name is what its bytes say, not what that store says
        for effect in merging.resource(view, signed, origin, now):
            yield merging.as_before(
                effect, signed.id, shown=listed.shown, received=listed.received, sender=listed.sender or origin
            )


def _chunks(view: SqliteView, other: Store, names: list[bytes]) -> Effects:
    for name in names:
        if (data := other.blobs.get(name)) is not None:
            yield from admission.blob(view, KeepBlob(name, data))


def _take_keys(chain: Keychain, made: Path, export: Export, node: str, taken: Taken, entropy: Entropy) -> None:
    """Put secrets in their place that are not in this home; what is there is never overwritten."""
    theirs = Keychain(made / homes.KEYS, Passphrases(made))
    _check_user_key(theirs, export.manifest.user)
    there = {path.name for path in theirs.folder.iterdir()}
    if USER_KEY in there and not (chain.folder / USER_KEY).exists():
        _put(chain, theirs, USER_KEY, USER_KEY, entropy)
        taken.secrets.append("user key")
    if export.manifest.node == node:
        for name in (NODE_KEY, ENVELOPE_KEYS):
            if name in there and not (chain.folder / name).exists():
                _put(chain, theirs, name, name, entropy)
                taken.secrets.append(keychain.NAMES[name])
    for name in sorted(there - set(keychain.NAMES)):
        if not (chain.folder / name).exists():
            _put(chain, theirs, name, name, entropy)
            taken.secrets.append(f"storage and recovery key of the former node {name[7:17]}")
    if export.manifest.node != node and ENVELOPE_KEYS in there:
        name = keychain.FORMER.format(short(export.manifest.node))
        if not (chain.folder / name).exists():
            theirs.envelope_keys()  # read, so that nothing unreadable is put there
            _put(chain, theirs, ENVELOPE_KEYS, name, entropy)
            taken.secrets.append(f"storage and recovery key of the former node {short(export.manifest.node)}")


def _put(chain: Keychain, theirs: Keychain, name: str, target: str, entropy: Entropy) -> None:
    content = files.read_secret(theirs.folder / name)
    if (
        name == USER_KEY and locking.parse(content, keychain.NAMES[name]) is not None
    ):  # under a passphrase of its own, which it keeps
        files.write_secret(chain.folder / target, content)
    else:
        chain.write(target, content, entropy)
