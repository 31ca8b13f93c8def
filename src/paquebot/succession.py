"""A home goes on as another node: the new keys are safe before the store changes hands, and used only after.

1. The new keys are written into ``keys.next``, with the new node's name.
2. The store changes hands, in one transaction.
3. The keys change places.

A home that was cut off anywhere between is completed, or left as it was, by whoever opens it next.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from paquebot.errors import KeysLocked, NotFound, WrongPassphrase
from paquebot.keychain import ENVELOPE_KEYS, FORMER, NODE_KEY, USER_KEY, Keychain, write_private_key
from paquebot.protocol import incarnation
from paquebot.protocol.encoding import short
from paquebot.protocol.identity import EDDSA, PrivateKey
from paquebot.protocol.limits import IDENTITY_LIFE_MS
from paquebot.protocol.stamp import Millis
from paquebot.store import Store
from paquebot.store.blobs import sync_folder
from paquebot.vault import files, keystore
from paquebot.vault.locking import Entropy

NEXT = "keys.next"
NAME = "node"
"""The file in it that says whose keys these are."""


def go_on(store: Store, chain: Keychain, now: Millis, entropy: Entropy, *, all_new: bool = False) -> None:
    """Let a new node of the same user take over *store*, and give *chain* its keys. Raise `WrongKey` or `DiskFull`.

    With *all_new*, its storage key is new too: the old one is kept for reading, and nothing more is closed to it.
    """
    view = store.view
    old, before = chain.private_key(NODE_KEY), chain.envelope_keys()
    user: PrivateKey | None = None
    with suppress(NotFound, KeysLocked, WrongPassphrase):  # the old node may speak for its user as well
        user = chain.private_key(USER_KEY)
    key = PrivateKey.create("ed25519" if old.public.algorithm == EDDSA else "rsa3072", entropy)
    secrets = keystore.create(now, entropy, Millis(now + IDENTITY_LIFE_MS))
    secrets = secrets if all_new else secrets.with_storage(before.storage)
    new = incarnation.prepare(view, old, user, key, secrets.announcement(key.fingerprint), now)
    former = {FORMER.format(short(view.local().node)): keystore.encode(before.lasting())} if all_new else {}
    _prepare(chain, key, secrets.opening(before), former, now, entropy)
    store.succeed(new.local, new.last, lambda: incarnation.take_root(store.view, new, now))
    finish(chain.folder, new.local.node)


def _prepare(
    chain: Keychain,
    key: PrivateKey,
    secrets: keystore.Secrets,
    former: dict[str, bytes],
    now: Millis,
    entropy: Entropy,
) -> None:
    """Write the new keys, and those that are kept as *former* ones, where nobody uses them yet."""
    folder = chain.folder.with_name(NEXT)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    content = {
        NODE_KEY: write_private_key(key, Millis(now + IDENTITY_LIFE_MS)),
        ENVELOPE_KEYS: keystore.encode(secrets),
        **former,
    }
    for name, each in content.items():
        files.write_secret(folder / name, chain.sealed(name, each, entropy))
    files.write_secret(folder / NAME, key.fingerprint.encode())
    sync_folder(folder.parent)


def pending(keys: Path) -> bool:
    """Return whether the keys of another node lie beside *keys*."""
    return keys.with_name(NEXT).exists()


def finish(keys: Path, node: str) -> None:
    """Complete a change of keys, if the store belongs to *node* already; else remove what was prepared for nobody."""
    folder = keys.with_name(NEXT)
    name = folder / NAME
    if name.exists() and name.read_text() == node:
        for former in folder.glob(FORMER.format("*")):  # first, or what they open would be closed for ever
            former.replace(keys / former.name)
        for each in (NODE_KEY, ENVELOPE_KEYS):
            if (folder / each).exists():
                (folder / each).replace(keys / each)
        sync_folder(keys)
    shutil.rmtree(folder)
    sync_folder(keys.parent)
