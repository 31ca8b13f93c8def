"""The export of a home: one file, its form, how it is written, and how it is read without believing it.

    line 1    ``paquebot export 1``
    line 2    JSON: ``{"scrypt": {"n", "r", "p", "salt"}}``, or ``{}`` if the file is not encrypted
    the rest  sealed pieces (`paquebot.vault.stream`), under the key that scrypt makes of the passphrase or, without
              one, under a key of 32 zero bytes: then nothing is secret, but damage is still noticed

What the pieces hold is a sequence of members: a line ``NAME SIZE`` and SIZE bytes. First ``manifest.json``; then
``keys/user.json``, ``keys/node.json``, ``keys/envelope.json``, ``keys/former-NODE.json``; ``config.toml``;
``store.db``; ``blobs/HEX`` for each blob, named by the SHA-256 of its bytes; last ``end 0``. Nothing is compressed, so
nothing is larger than it looks.

Fast and dated envelope secrets are never in it: they are destroyed on their day, and a copy would undo that.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from paquebot import config
from paquebot.errors import Malformed, Misused, TooLarge, WrongKey, WrongPassphrase
from paquebot.keychain import ENVELOPE_KEYS, NAMES, NODE_KEY, USER_KEY, Keychain, read_private_key
from paquebot.passphrase import Passphrases, Which
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import ENVELOPE_BYTES_MAX, MIB
from paquebot.protocol.stamp import Millis, format_time, parse_time
from paquebot.store import Store, snapshot
from paquebot.store.blobs import Blobs, sync_folder
from paquebot.store.view import SqliteView
from paquebot.vault import keystore, locking, stream

HEAD = b"paquebot export 1\n"
_FIRST = "manifest.json"
_LINE_MAX = 4_096
_COPY_BYTES = 256 * 1024
_MEMBER = re.compile(
    r"(manifest\.json|keys/(?:user|node|envelope|former-[0-9a-f]{10})\.json|config\.toml|store\.db|blobs/[0-9a-f]{64}|end)"
    r" (0|[1-9][0-9]{0,15})"
)
_MAX = {"blobs": ENVELOPE_BYTES_MAX, "store.db": 1 << 46}
"""The largest member by its name, in bytes; of all others a MiB."""

SECRETS = {
    USER_KEY: "user key",
    NODE_KEY: "node key",
    ENVELOPE_KEYS: "envelope keys (signing, storage and recovery; not the fast and dated ones)",
}
"""How the secrets in an export are named to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export says of itself."""

    created: Millis
    name: str
    user: str
    node: str
    resources: int
    secrets: tuple[str, ...]
    """Names as in `SECRETS`, or with what protects them besides."""
    data: bool
    """It holds resources, peers and files, not only secrets."""
    encrypted: bool = True

    def encode(self) -> bytes:
        """Return the manifest as JSON."""
        value = {
            "form": "paquebot export",
            "version": 1,
            "created": format_time(self.created),
            "name": self.name,
            "user": self.user,
            "node": self.node,
            "resources": self.resources,
            "secrets": list(self.secrets),
            "data": self.data,
        }
        return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, content: bytes, *, encrypted: bool) -> Manifest:
        """Return what `encode` wrote. Raise `Malformed`."""
        try:
            value: dict[str, Any] = json.loads(content)
            if value["version"] != 1:
                raise Malformed("the export was written by a newer paquebot: upgrade this one")
            texts = [value["name"], value["user"], value["node"], *value["secrets"]]
            if not all(isinstance(each, str) for each in texts) or type(value["resources"]) is not int:
                raise TypeError
            return cls(
                created=parse_time(value["created"]),
                name=value["name"],
                user=value["user"],
                node=value["node"],
                resources=value["resources"],
                secrets=tuple(value["secrets"]),
                data=bool(value["data"]),
                encrypted=encrypted,
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Malformed("the export does not say what it is") from None


# Writing.


def secrets_in(chain: Keychain) -> dict[str, str]:
    """Return the secrets that an export of everything would hold: file names, and how they are named to people."""
    there = {each.path.name: each.locked for each in chain.secrets()}
    own = {USER_KEY: "user key, under its own passphrase"} if there[USER_KEY] == "own passphrase" else {}
    former = {name: f"storage and recovery key of former node {name[7:17]}" for name in there if name not in NAMES}
    return {name: said for name, said in {**SECRETS, **own, **former}.items() if there[name] != "absent"}


def manifest(view: SqliteView, chain: Keychain, now: Millis, *, data: bool, secrets: bool, encrypted: bool) -> Manifest:
    """Return what an export would hold."""
    local = view.local()
    return Manifest(
        created=now,
        name=local.name,
        user=local.user,
        node=local.node,
        resources=view.tip()[0] if data else 0,
        secrets=tuple(secrets_in(chain).values()) if secrets else (),
        data=data,
        encrypted=encrypted,
    )


def write(
    target: Path,
    home: Path,
    store: Store,
    chain: Keychain,
    said: Manifest,
    *,
    passphrase: bytes | None,
    entropy: Callable[[int], bytes],
    progress: Callable[[int], None],
) -> int:
    """Write the export that *said* describes to the new file *target*, durably; return its size in bytes.

    Raise `Misused` if *target* is there already.
    """
    if os.path.lexists(target):
        raise Misused(f"{target} is there already, and an export never overwrites; choose another name")
    draft = target.with_name(
        f".{target.name[:200]}.part"
    )  # always the same: the next try takes away what this one left
    copy = home / "export.new"
    try:
        if said.data:
            copy.unlink(missing_ok=True)
            snapshot.take(home, copy, secrets=bool(said.secrets))
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            members = _members(home, copy, store, chain, said)
            _write(file, members, passphrase, entropy, progress)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if os.path.lexists(target):
            raise Misused(f"{target} has appeared meanwhile, and an export never overwrites")
        draft.rename(target)
        sync_folder(target.absolute().parent)
        return size
    finally:
        draft.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)


Member = tuple[str, "bytes | Path"]


def _members(home: Path, copy: Path, store: Store, chain: Keychain, said: Manifest) -> Iterator[Member]:
    yield _FIRST, said.encode()
    if said.secrets:
        for name, what in secrets_in(chain).items():
            yield f"keys/{name}", _secret(chain, name, verbatim="own passphrase" in what)
        if (home / config.FILE_NAME).is_file() and said.data:
            yield config.FILE_NAME, (home / config.FILE_NAME).read_bytes()
    if said.data:
        yield "store.db", copy
        if isinstance(store.blobs, Blobs):
            carried = store.carried_only()
            for blob in store.blobs.names():
                if blob not in carried and (data := store.blobs.get(blob)) is not None:
                    yield f"blobs/{blob.hex()}", data
    yield "end", b""


def _secret(chain: Keychain, name: str, *, verbatim: bool) -> bytes:
    if verbatim:
        return (chain.folder / name).read_bytes()
    if name == ENVELOPE_KEYS:
        return keystore.encode(chain.envelope_keys().lasting())
    return chain.read(name)


def _write(
    file: BinaryIO,
    members: Iterator[Member],
    passphrase: bytes | None,
    entropy: Callable[[int], bytes],
    progress: Callable[[int], None],
) -> None:
    key, said = stream.PLAIN, b"{}\n"
    if passphrase is not None:
        made = locking.fresh(passphrase, entropy)
        cost = {"n": made.cost.n, "r": made.cost.r, "p": made.cost.p, "salt": made.salt.hex()}
        key, said = made.key, json.dumps({"scrypt": cost}).encode() + b"\n"
    file.write(HEAD + said)
    sealed = stream.Writer(file, key, HEAD + said)
    for name, content in members:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        sealed.write(f"{name} {size}\n".encode())
        for part in _parts(content):
            sealed.write(part)
            progress(len(part))
    sealed.close()


def _parts(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while part := file.read(_COPY_BYTES):
            yield part


# Reading.


@dataclass(slots=True)
class Export:
    """An export that was opened and not yet believed: its manifest, and the rest to be unpacked."""

    manifest: Manifest
    _reader: stream.Reader

    def user_key(self, passphrases: Passphrases) -> PrivateKey:
        """Return the user key alone; nothing else can be read then. Raise `Misused` if there is none, or `WrongKey`."""
        name, size = _next_member(self._reader)
        if name != f"keys/{USER_KEY}":
            raise Misused("this export holds no user key; type the words of a recovery sheet")
        content = _exactly(self._reader, size)
        locked = locking.parse(content, NAMES[USER_KEY])
        if locked is not None:
            content = locked.unlock(passphrases.get(Which.USER))
        key = read_private_key(content, Path(name))
        if key.fingerprint != self.manifest.user:
            raise WrongKey("the user key in the export belongs to another user than the rest of it")
        return key

    def unpack(self, folder: Path, progress: Callable[[int], None]) -> None:
        """Write everything into the new private *folder*: ``keys``, ``store.db``, ``blobs``, ``config.toml``.

        Raise `Malformed` if any of it is damaged or missing, or `TooLarge`. *folder* is to be thrown away then.
        """
        folder.mkdir(mode=0o700)
        (folder / "keys").mkdir(mode=0o700)
        blobs = Blobs(folder / "blobs")
        while True:
            name, size = _next_member(self._reader)
            if name == "end":
                break
            if name.startswith("blobs/"):
                data = _exactly(self._reader, size)
                if blobs.put(data).hex() != name[6:]:
                    raise Malformed("a file in the export does not have the hash that names it")
                progress(size)
            else:
                self._copy(folder / name, size, progress)
        self._reader.finish()
        if self.manifest.data != (folder / "store.db").exists():
            raise Malformed("the export does not hold what it says")

    def _copy(self, path: Path, size: int, progress: Callable[[int], None]) -> None:
        if path.exists():
            raise Malformed("the export holds the same thing twice")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            while size:
                part = _exactly(self._reader, min(size, _COPY_BYTES))
                file.write(part)
                size -= len(part)
                progress(len(part))
            file.flush()
            os.fsync(handle)


def is_encrypted(file: BinaryIO) -> bool:
    """Return whether an export needs a passphrase. Raise `Malformed` if it is none, `WrongKey` for a hostile cost."""
    _, said = _head(file)
    file.seek(0)
    return bool(said)


def open_(file: BinaryIO, passphrase: Callable[[], bytes]) -> Export:
    """Return the export in *file*; its *passphrase* is asked for if it is needed.

    Raise `Malformed` if it is none, is damaged, or the passphrase is wrong; `WrongKey` for a hostile cost.
    """
    head, said = _head(file)
    key = stream.PLAIN
    if said:
        cost = locking.Cost(said["n"], said["r"], said["p"])
        cost.check()
        key = locking.derive(passphrase(), bytes.fromhex(said["salt"]), cost)
    reader = stream.Reader(file, key, head)
    try:
        name, size = _next_member(reader)
    except Malformed:
        if said and not reader.seems_to_begin(f"{_FIRST} ".encode()):
            raise WrongPassphrase("the passphrase of the export is wrong, or its very beginning is damaged") from None
        raise Malformed("the export is damaged or cut off; take another copy of it") from None
    if name != _FIRST:
        raise Malformed("the export does not begin by saying what it is")
    return Export(Manifest.decode(_exactly(reader, size), encrypted=bool(said)), reader)


def _head(file: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    first = file.read(len(HEAD))
    second = file.readline(_LINE_MAX)
    if first != HEAD:
        newer = first.startswith(b"paquebot export ")
        why = "the export was written by a newer paquebot: upgrade this one" if newer else "this is not an export"
        raise Malformed(why)
    try:
        value = json.loads(second)
        said = value.get("scrypt", {})
        if said:
            locking.Cost(said["n"], said["r"], said["p"]).check()
            bytes.fromhex(said["salt"])
        return first + second, said
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Malformed("the head of the export is damaged") from None


def _next_member(reader: stream.Reader) -> tuple[str, int]:
    found = _MEMBER.fullmatch(reader.readline(_LINE_MAX).decode("ascii", "replace"))
    if found is None:
        raise Malformed("the export holds something that does not belong there")
    name, size = found[1], int(found[2])
    if size > _MAX.get(name.split("/")[0], MIB):
        raise TooLarge("a part of the export is larger than any that we write")
    return name, size


def _exactly(reader: stream.Reader, size: int) -> bytes:
    data = reader.read(size)
    if len(data) != size:
        raise Malformed("the export ends too early")
    return data


def discard(folder: Path) -> None:
    """Remove what was unpacked."""
    shutil.rmtree(folder, ignore_errors=True)
