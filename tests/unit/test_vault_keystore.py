"""Issue, rotation and destruction of envelope keys, tags, and the file that holds the secrets."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paquebot.errors import DiskFull, Malformed, WrongKey
from paquebot.protocol.keys import KeyClass
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis
from paquebot.vault.files import KeyFile, read_secret, remove_secret, write_secret
from paquebot.vault.keystore import Secrets, create, decode, encode, exchange_point, tag, tag_key
from paquebot.vault.rotation import destroy

NOW = Millis(1_800_000_000_777)
CREATED = Millis(1_800_000_000_000)
END = Millis(NOW + 3_652 * DAY_MS)


def entropy_from(seed: str) -> Callable[[int], bytes]:
    counter = itertools.count()
    return lambda n: hashlib.shake_256(f"{seed} {next(counter)}".encode()).digest(n)


SECRETS = create(NOW, entropy_from("alice"), END)


def kinds(secrets: Secrets) -> dict[KeyClass, int]:
    return {kind: sum(s.key.kind is kind for s in secrets.subkeys) for kind in KeyClass}


def days(count: float) -> Millis:
    return Millis(CREATED + int(count * DAY_MS))


def test_a_new_node_has_one_recovery_24_dated_and_one_fast_key() -> None:
    assert kinds(SECRETS) == {KeyClass.RECOVERY: 1, KeyClass.DATED: 24, KeyClass.FAST: 1}
    keys = SECRETS.announcement("alice").keys
    assert [key.expires for key in keys if key.kind is KeyClass.DATED] == [days(30 * i) for i in range(1, 25)]
    assert [key.expires for key in keys if key.kind is KeyClass.FAST] == [days(10)]
    assert [key.expires for key in keys if key.kind is KeyClass.RECOVERY] == [END]
    assert {key.created for key in keys} == {CREATED}
    assert len({s.secret for s in SECRETS.subkeys} | {SECRETS.signing, SECRETS.storage}) == 28


def test_the_same_dice_give_the_same_keys() -> None:
    assert create(NOW, entropy_from("alice"), END) == SECRETS != create(NOW, entropy_from("bob"), END)


def test_the_announcement_picks_fast_then_dated_then_recovery() -> None:
    announcement = SECRETS.announcement("alice")
    picked = [announcement.pick(days(day), 0) for day in (0, 9.9, 10, 35, 719.9, 720)]
    assert [(key.kind, key.expires) for key in picked if key] == [
        (KeyClass.FAST, days(10)),
        (KeyClass.FAST, days(10)),
        (KeyClass.DATED, days(30)),
        (KeyClass.DATED, days(60)),
        (KeyClass.DATED, days(720)),
        (KeyClass.RECOVERY, END),
    ]


def test_a_fast_key_lives_for_ten_days() -> None:
    rotated = SECRETS.with_fast(Millis(days(5) + 9), entropy_from("more"))
    assert rotated.subkeys[:-1] == SECRETS.subkeys
    newest = rotated.subkeys[-1].key
    assert (newest.kind, newest.created, newest.expires) == (KeyClass.FAST, days(5), days(15))


def test_secrets_do_not_show_themselves() -> None:
    shown = repr(SECRETS) + str(SECRETS)
    for secret in (SECRETS.signing, SECRETS.storage, *(s.secret for s in SECRETS.subkeys)):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


# Tags.

BOB = create(NOW, entropy_from("bob"), END)


def test_both_ends_compute_the_same_tag_key_for_each_direction() -> None:
    alice, bob = SECRETS.announcement("alice"), BOB.announcement("bob")
    there = tag_key(SECRETS.storage, bob.storage, "alice", "bob")
    back = tag_key(SECRETS.storage, bob.storage, "bob", "alice")
    assert there == tag_key(BOB.storage, alice.storage, "alice", "bob")
    assert back == tag_key(BOB.storage, alice.storage, "bob", "alice")
    assert there != back
    assert len(there) == 32
    assert there != tag_key(SECRETS.storage, alice.storage, "alice", "bob")
    assert there != tag_key(SECRETS.storage, bob.storage, "alice", "bo")


def test_a_tag_differs_with_its_salt_and_key() -> None:
    tags = {tag(key, salt) for key in (bytes(32), b"k" * 32) for salt in (b"", b"1", b"2")}
    assert len(tags) == 6
    assert {len(t) for t in tags} == {8}


@pytest.mark.parametrize("point", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"short"])
def test_a_storage_point_that_keeps_no_secret_is_refused(point: bytes) -> None:
    with pytest.raises(Malformed):
        tag_key(SECRETS.storage, point, "alice", "bob")


# The file.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "envelope.key"


def test_keys_survive_the_file(path: Path) -> None:
    file = KeyFile(path)
    file.save(BOB)
    file.save(SECRETS)
    assert file.load() == SECRETS
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["envelope.key"]


def test_a_destroyed_secret_is_gone_from_the_file(path: Path) -> None:
    file = KeyFile(path)
    file.save(SECRETS)
    file.save(destroy(SECRETS, days(15)))
    fast = next(s.secret for s in SECRETS.subkeys if s.key.kind is KeyClass.FAST)
    assert fast.hex().encode() not in path.read_bytes()


def test_what_is_replaced_or_removed_is_overwritten_unless_somebody_keeps_a_copy(path: Path) -> None:
    write_secret(path, b"old secret")
    with path.open("rb") as old:
        write_secret(path, b"new")
        assert old.read() == bytes(10)
    with path.open("rb") as new:
        remove_secret(path)
        assert new.read() == bytes(3)
    write_secret(path, b"old secret")
    copy = path.with_name("copy")
    os.link(path, copy)
    write_secret(path, b"new")
    assert copy.read_bytes() == b"old secret"


def test_the_remains_of_a_crash_are_no_obstacle(path: Path) -> None:
    write_secret(path, b"old")
    (path.parent / "envelope.key.new").write_bytes(b"half")
    write_secret(path, b"new")
    assert read_secret(path) == b"new"
    assert os.listdir(path.parent) == ["envelope.key"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    write_secret(path, b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(DiskFull):
            write_secret(path, b"new")
    assert read_secret(path) == b"old"
    assert os.listdir(path.parent) == ["envelope.key"]


def test_a_missing_file_is_told(path: Path) -> None:
    with pytest.raises(WrongKey, match="no directory"):
        read_secret(path)
    path.parent.mkdir(mode=0o700)
    with pytest.raises(WrongKey, match="no key file"):
        read_secret(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_file_open_to_others_is_refused_with_the_remedy(path: Path, mode: int) -> None:
    write_secret(path, b"secret")
    path.chmod(mode)
    with pytest.raises(WrongKey, match=f"chmod 600 {path}"):
        read_secret(path)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711])
def test_a_directory_open_to_others_is_refused_with_the_remedy(path: Path, mode: int) -> None:
    write_secret(path, b"secret")
    path.parent.chmod(mode)
    with pytest.raises(WrongKey, match=f"chmod 700 {path.parent}"):
        read_secret(path)
    with pytest.raises(WrongKey, match=f"chmod 700 {path.parent}"):
        write_secret(path, b"other")
    path.parent.chmod(0o700)
    assert read_secret(path) == b"secret"


def test_a_symbolic_link_is_refused(path: Path) -> None:
    write_secret(path, b"secret")
    link = path.parent / "link.key"
    link.symlink_to(path)
    with pytest.raises(WrongKey, match="symbolic link"):
        read_secret(link)
    directory = path.parent.parent / "link"
    directory.symlink_to(path.parent)
    with pytest.raises(WrongKey, match="symbolic link"):
        read_secret(directory / path.name)


def test_a_link_is_replaced_and_not_followed(path: Path) -> None:
    write_secret(path, b"secret")
    link = path.parent / "link.key"
    link.symlink_to(path)
    write_secret(link, b"other")
    assert (read_secret(path), read_secret(link)) == (b"secret", b"other")


def test_what_is_no_plain_file_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.mkdir(mode=0o700)
    with pytest.raises(WrongKey, match="not a plain file"):
        read_secret(path)
    with pytest.raises(WrongKey, match="cannot be used"):
        write_secret(path, b"x")
    os.mkfifo(path.parent / "pipe", 0o600)
    with pytest.raises(WrongKey, match="not a plain file"):
        read_secret(path.parent / "pipe")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_is_refused(path: Path) -> None:
    write_secret(path, b"secret")
    os.chown(path, 12345, -1)
    with pytest.raises(WrongKey, match="another user"):
        read_secret(path)
    os.chown(path, 0, -1)
    os.chown(path.parent, 12345, -1)
    with pytest.raises(WrongKey, match="another user"):
        read_secret(path)


def test_a_huge_file_is_refused(path: Path) -> None:
    write_secret(path, bytes((1 << 20) + 1))
    with pytest.raises(WrongKey, match="too large"):
        read_secret(path)


VALUE = json.loads(encode(SECRETS))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        json.dumps(VALUE | {"form": "something else"}).encode(),
        json.dumps(VALUE | {"version": 2}).encode(),
        json.dumps(VALUE | {"signing": "00"}).encode(),
        json.dumps(VALUE | {"storage": "zz" * 32}).encode(),
        json.dumps(VALUE | {"created": "now"}).encode(),
        json.dumps(VALUE | {"expires": -1}).encode(),
        json.dumps(VALUE | {"subkeys": [{}]}).encode(),
        json.dumps(VALUE | {"subkeys": 7}).encode(),
        json.dumps(VALUE | {"subkeys": [VALUE["subkeys"][0] | {"kind": "eternal"}]}).encode(),
        encode(SECRETS)[:-9],
        b"[" * 200_000,
    ],
)
def test_a_damaged_file_is_refused_without_quoting_it(content: bytes) -> None:
    with pytest.raises(WrongKey) as refusal:
        decode(content)
    assert refusal.value.__cause__ is None
    assert SECRETS.signing.hex() not in str(refusal.value)


def test_points_belong_to_their_secrets() -> None:
    assert all(s.key.point == exchange_point(s.secret) for s in decode(encode(SECRETS)).subkeys)
    assert decode(encode(replace(SECRETS, subkeys=()))).subkeys == ()
