"""A home on the disk: where its lock, keys and store lie, how it is made, and who may have it open."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paquebot import keychain, succession
from paquebot.amounts import age
from paquebot.errors import Busy, Misused, NotInitialised, StoreCorrupt, StoreOld
from paquebot.keychain import NODE_KEY, USER_KEY, Keychain
from paquebot.passphrase import Passphrases
from paquebot.protocol import publishing
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import IDENTITY_LIFE_MS
from paquebot.protocol.stamp import Millis
from paquebot.store import Store
from paquebot.store.blobs import sync_folder
from paquebot.vault import keystore

KEYS = "keys"
STORE = "store.db"
AWAKE = "awake"
LOCK = "lock"
"""Held by `paquebot run` for as long as it lasts; its process id stands in it."""
PATIENCE_S = 20.0
"""How long to wait for `paquebot run` to leave the home for a moment."""
LOOK_S = 0.05
_DRAFT = "keys.new"  # a home in the making: nobody has heard of these keys


def create(
    home: Path,
    name: str,
    *,
    key: str,
    now: Millis,
    entropy: Callable[[int], bytes],
    passphrase: bytes | None = None,
    user: PrivateKey | None = None,
) -> None:
    """Make a new node in *home*, its keys locked by *passphrase* if there is one; of a new user, or of *user*.

    Raise `Misused` if there is a node already or the passphrase is too short, `StoreCorrupt`, `DiskFull`.
    """
    with empty(home):
        user, node = user or PrivateKey.create(key, entropy), PrivateKey.create(key, entropy)
        secrets = keystore.create(now, entropy, Millis(now + IDENTITY_LIFE_MS))
        founding = publishing.found(name, user, node, secrets.announcement(node.fingerprint), now)
        draft = home / _DRAFT
        keychain.create(draft, user, node, secrets, now=now, entropy=entropy, passphrase=passphrase)
        store = Store(home)
        try:
            store.found(founding.local, lambda: publishing.take_root(store.view, founding, now))
        finally:
            store.close()
        # Only now are the keys a node's: from here on nothing ever overwrites them.
        _finish(home)


@contextmanager
def empty(home: Path) -> Iterator[None]:
    """Hold *home* to make a node in it. Raise `Misused` if there is one, `Busy`, or `StoreCorrupt`."""
    _make(home.absolute())
    with locked(home):
        _finish(home)
        if (home / KEYS).exists():
            check(home)
            raise Misused(f"{home} holds a node already")
        _clear(home)
        yield


def _make(folder: Path) -> None:
    """Make *folder*, and what leads to it, so that a power cut does not take it away."""
    if not folder.parent.exists():
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    with suppress(PermissionError):  # what is not ours to list was there before
        sync_folder(folder.parent)


def settle(home: Path, made: Path) -> None:
    """Make what lies whole in the folder *made* the node of *home*, which is held by `empty`. All or nothing."""
    (made / KEYS).rename(home / _DRAFT)
    shutil.rmtree(home / "blobs", ignore_errors=True)  # of a try that was cut off: there is no store here
    for name in ("blobs", "config.toml"):
        if (made / name).exists() and not (home / name).exists():
            (made / name).rename(home / name)
    sync_folder(home)  # a store that is there while what it names is not would be taken for a whole node
    (made / STORE).rename(home / STORE)
    sync_folder(home)
    _finish(home)


def holds_node(home: Path) -> bool:
    """Return whether *home* holds a node, whole or in need of help, and not one whose making was cut off."""
    return (home / KEYS).exists() or ((home / STORE).exists() and not (home / _DRAFT).exists())


def check(home: Path) -> None:
    """Raise `NotInitialised` if *home* holds no node, `StoreCorrupt` if it holds the keys of one and no store."""
    if not home.is_dir() or not ((home / KEYS).exists() or (home / _DRAFT).exists()):
        raise NotInitialised(f"there is no node in {home}")
    if not (home / STORE).exists() or (home / STORE).stat().st_size == 0:
        if not (home / KEYS).exists():
            raise NotInitialised(f"a node was being made in {home}, and that was cut off")
        raise StoreCorrupt(f"{home} holds the keys of a node, but its store is missing or empty; keep the keys")


def _finish(home: Path) -> None:
    """Complete a creation, or a change of node, that was cut off after its store was made."""
    draft = home / _DRAFT
    if draft.exists() and not (home / KEYS).exists() and _node_of(home):
        draft.rename(home / KEYS)
        sync_folder(home)
    if succession.pending(home / KEYS) and (node := _node_of(home)):
        succession.finish(home / KEYS, node)


def _node_of(home: Path) -> str | None:
    if not (home / STORE).exists():
        return None
    store = Store(home)
    try:
        return store.view.local().node
    except NotInitialised:
        return None
    finally:
        store.close()


def _clear(home: Path) -> None:
    """Remove what a creation left that was cut off before it had made a node."""
    if (home / _DRAFT).exists():
        shutil.rmtree(home / _DRAFT)
        for leftover in (STORE, f"{STORE}-wal", f"{STORE}-shm", f"{STORE}-journal"):
            (home / leftover).unlink(missing_ok=True)
    elif (home / STORE).exists():
        raise Misused(f"{home} holds a store without keys; choose another home, or bring its keys back")


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold *home* for ourselves. Raise `Busy`; but `paquebot run` is waited for, which leaves the home soon."""
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + PATIENCE_S
        while not _taken(handle):
            if time.monotonic() > until or not _awake(home):
                held = holder(home)
                whose = f" (process {held[0]}, for {age(held[1])})" if held else ""
                raise Busy(f"another paquebot works in {home} right now{whose}")
            time.sleep(LOOK_S)
        yield
    finally:
        os.close(handle)


def holder(home: Path) -> tuple[int, int] | None:
    """Return which process holds *home*, and for how many ms it has been running; None if none does.

    Linux knows without anything being written: proc_locks(5), proc_pid_stat(5). Elsewhere it is None, too.
    """
    with suppress(OSError, ValueError):
        lock = (home / LOCK).stat()
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, process, file, *_ = line.replace("-> ", "").split()
            if kind == "FLOCK" and file.endswith(f":{lock.st_ino}") and _has_open(int(process), lock):
                started = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
                up = float(Path("/proc/uptime").read_text().split()[0])
                return int(process), max(0, int(1000 * (up - started / os.sysconf("SC_CLK_TCK"))))
    return None


def _has_open(process: int, file: os.stat_result) -> bool:
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            if os.path.samestat(each.stat(), file):
                return True
    return False


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _awake(home: Path) -> bool:
    """Whether `paquebot run` is at work in *home*, in another process than this one."""
    try:
        handle = os.open(home / AWAKE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _taken(handle) and os.read(handle, 20) != b"%d" % os.getpid()
    finally:
        os.close(handle)


@contextmanager
def awake(home: Path) -> Iterator[None]:
    """Hold what says that `paquebot run` is at work in *home*. Raise `Busy` if another is."""
    check(home)
    handle = os.open(home / AWAKE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(handle):
            raise Busy(f"`paquebot run` is at work in {home} already")
        os.ftruncate(handle, 0)
        os.write(handle, b"%d" % os.getpid())
        yield
    finally:
        os.close(handle)


@contextmanager
def opened(home: Path) -> Iterator[Store]:
    """Hold *home* and its store. Raise `NotInitialised`, `Busy`, or what the store raises."""
    check(home)
    with locked(home):
        _finish(home)
        if not (home / KEYS).exists():
            raise NotInitialised(f"a node was being made in {home}, and that was cut off")
        store = Store(home)
        try:
            with store.translated():
                yield store
        finally:
            store.close()


@contextmanager
def looked_into(home: Path) -> Iterator[Store]:
    """Lend *home*'s store to look, also while another paquebot works there. Raise as `opened` does, but `Busy` rarely.

    A store that has to be made ready first is made ready.
    """
    check(home)
    if not (home / KEYS).exists() or succession.pending(home / KEYS):
        with opened(home):
            pass
    try:
        store = Store(home, looking=True)
    except StoreOld:
        with opened(home):
            pass
        store = Store(home, looking=True)
    try:
        with store.translated():
            yield store
    finally:
        store.close()


def keys(home: Path, passphrases: Passphrases | None = None) -> Keychain:
    """Return the home's keychain; without *passphrases*, only unattended sources can unlock it."""
    return Keychain(home / KEYS, passphrases or Passphrases(home))


def node_key(home: Path, chain: Keychain | None = None) -> PrivateKey:
    """Return the SDMP key of the home's node. Raise `WrongKey`."""
    return (chain or keys(home)).private_key(NODE_KEY)


def user_key(home: Path, chain: Keychain | None = None) -> PrivateKey:
    """Return the SDMP key of the home's user. Raise `NotFound` if it was taken away, or `WrongKey`."""
    return (chain or keys(home)).private_key(USER_KEY)


def envelope_keys(home: Path, chain: Keychain | None = None) -> keystore.Secrets:
    """Return the envelope keys of the home's node. Raise `WrongKey`."""
    return (chain or keys(home)).envelope_keys()


def former_envelope_keys(home: Path, chain: Keychain | None = None) -> list[keystore.Secrets]:
    """Return the lasting envelope keys of nodes that this one replaced: what was private to them opens by these."""
    return (chain or keys(home)).former_envelope_keys()


def save_envelope_keys(
    home: Path, secrets: keystore.Secrets, entropy: Callable[[int], bytes], chain: Keychain | None = None
) -> None:
    """Replace the envelope keys durably, locked as they were. Raise `WrongKey` or `DiskFull`."""
    (chain or keys(home)).save_envelope_keys(secrets, entropy)
