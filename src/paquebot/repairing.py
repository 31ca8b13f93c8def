"""Mending a home: what peers can give again is taken for lost, what nothing names is deleted, counts are made anew.

Bytes that turned out wrong are kept in the home's ``damaged/`` for whoever wants to look. What cannot be mended here
is said with what a person can do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from paquebot import home as homes
from paquebot.errors import WrongKey
from paquebot.keychain import LOCK, NAMES, NODE_KEY, USER_KEY, Keychain
from paquebot.protocol import carrying
from paquebot.protocol.engine import Engine
from paquebot.protocol.forgetting import FRAME
from paquebot.protocol.state import Local
from paquebot.store import Store
from paquebot.store.blobs import Blobs
from paquebot.store.checking import Fault, Finding
from paquebot.vault import keystore

FOLDER = "damaged"

MENDED = {
    Fault.INDEX: "build the indexes anew",
    Fault.RESOURCE: "take it for lost and ask peers for it",
    Fault.LISTING: "list it by what it says",
    Fault.CHUNK: "take it for lost and ask peers for it",
    Fault.CARRIED: "carry it no longer; it is taken along again where it is met",
    Fault.COUNT: "count anew",
    Fault.ORPHAN: "delete it",
    Fault.DRAFT: "delete it",
}
"""What `mend` does about each fault."""

HOPELESS = {
    Fault.DATABASE: "make a new home from a backup: paquebot import",
    Fault.CHAIN: "a peer's journal: remove the peer and add its card again; ours: make a new home from a backup",
    Fault.SET_ASIDE: "only the record of it is left; delete it: paquebot quarantine purge",
    Fault.KEY: "bring it back from an export: paquebot import FILE",
    Fault.RESOURCE: "others are judged by it: make a new home from a backup: paquebot import",
}
"""What a person can do where `mend` can do nothing."""


def check(home: Path, store: Store, *, read_data: float, progress: Callable[[int], None]) -> Iterator[Finding]:
    """Yield what is wrong with the keys in *home*, and with its *store*: see `paquebot.store.checking`."""
    secrets = homes.keys(home).secrets()
    if any(each.locked == "passphrase" for each in secrets) and not (lock := home / homes.KEYS / LOCK).exists():
        yield Finding(Fault.KEY, f"{NAMES[LOCK]}: there is no {lock}")
    for each in secrets:
        if each.path.name != USER_KEY and each.locked == "absent":
            yield Finding(Fault.KEY, f"{each.what}: there is no {each.path}")
        elif each.locked.startswith("unreadable: "):
            yield Finding(Fault.KEY, f"{each.what}: {each.locked.partition(': ')[2]}")
    whole = True
    for finding in store.check(read_data=read_data, progress=progress):
        whole &= finding.fault is not Fault.DATABASE
        yield finding
    if whole:
        local, chain = store.view.local(), homes.keys(home)
        for each in secrets:
            if each.locked == "nothing" and not _sound(chain, each.path.name, local):
                yield Finding(Fault.KEY, f"{each.what}: {each.path} is damaged, or another home's")


def _sound(chain: Keychain, name: str, local: Local) -> bool:
    """Whether a key that no passphrase locks is what was written; one that is locked shows it when it is opened."""
    try:
        if name in (USER_KEY, NODE_KEY):
            return chain.private_key(name).fingerprint == (local.user if name == USER_KEY else local.node)
        return keystore.sound(chain.read(name))
    except WrongKey:
        return False


def mendable(finding: Finding) -> bool:
    """Return whether `mend` can do something about *finding*."""
    return finding.fault in MENDED and not (finding.fault is Fault.RESOURCE and finding.what.split()[0] in FRAME)


def remedy(finding: Finding) -> str:
    """Return what is to be done about *finding*."""
    return MENDED[finding.fault] if mendable(finding) else HOPELESS[finding.fault]


def mend(home: Path, store: Store, engine: Engine, findings: Sequence[Finding]) -> list[Finding]:
    """Mend what can be mended; return that. Doing it again does nothing more. Raise `StoreError`."""
    chosen = [each for each in findings if mendable(each)]
    faults = {each.fault for each in chosen}
    if Fault.INDEX in faults:
        store.reindex()
    _keep_damaged(home, store, chosen)
    resources = [each.resource for each in chosen if each.fault is Fault.RESOURCE and each.resource]
    chunks = [each.blob for each in chosen if each.fault is Fault.CHUNK]
    store.commit(engine.lose(resources, chunks))
    gone = {each.blob for each in chosen if each.fault is Fault.CARRIED}
    store.commit(carrying.spoilt(store.view, [each.name for each in store.view.parcels() if each.blob in gone]))
    if Fault.LISTING in faults:
        store.relist([each.resource for each in chosen if each.fault is Fault.LISTING and each.resource])
    if Fault.COUNT in faults:
        store.recount()
    if isinstance(store.blobs, Blobs):
        for each in chosen:
            if each.blob:
                store.blobs.drop(each.blob)
        if Fault.DRAFT in faults:
            for path in list(store.blobs.drafts()):
                path.unlink(missing_ok=True)
    return chosen


def _keep_damaged(home: Path, store: Store, findings: Sequence[Finding]) -> None:
    for each in findings:
        if each.fault not in (Fault.RESOURCE, Fault.CHUNK):
            continue
        data = store.blobs.read(each.blob) if each.blob and isinstance(store.blobs, Blobs) else b""
        if not each.blob and each.resource:
            data = store.stored(each.resource)
        if data:
            folder = home / FOLDER
            folder.mkdir(mode=0o700, exist_ok=True)
            name = each.blob.hex() or str(each.resource)
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
