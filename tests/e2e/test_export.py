"""Exports: what they hold, whom they bring back, and what hostile or damaged ones can do, which is nothing."""

import io
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from tests.e2e.conftest import Home, tree
from tests.e2e.test_secrets import fd_of, opened

from paquebot import backup, importing
from paquebot import home as homes
from paquebot.store import Store
from paquebot.vault import locking, stream
from paquebot.vault.locking import Cost

WORDS = "a chest with three locks"
DAY_MS = 86_400_000
NOW = 1_795_200_000_000


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    monkeypatch.setattr(locking, "COST", Cost(16, 8, 1))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def export(home: Home, path: Path, *options: str, code: int = 0, words: str = WORDS):
    return home.run("export", path, *options, "--export-passphrase-fd", fd_of(words), code=code)


def take(home: Home, path: Path, *options: str, code: int = 0, words: str = WORDS):
    return home.run("import", path, *options, "--export-passphrase-fd", fd_of(words), code=code)


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory):
    """A folder with Alice and Bob, who have exchanged a message each and a file with chunks, and Alice's export."""
    folder = tmp_path_factory.mktemp("exchanged")
    alice, bob = (Home(folder / name, name) for name in ("Alice", "Bob"))
    (folder / "stick").mkdir()
    (folder / "big.bin").write_bytes(os.urandom(1_200_000))
    for home in (alice, bob):
        home.run("init", "--name", home.name)
        home.run("card", "-o", folder / f"{home.name}.card")
    alice.run("peer", "add", "Bob", folder / "Bob.card")
    bob.run("peer", "add", "Alice", folder / "Alice.card")
    alice.run("publish", folder / "big.bin")
    alice.say("from Alice")
    bob.say("from Bob")
    for home in (alice, bob, alice, bob, alice):
        home.sync(folder / "stick")
    with patch.object(locking, "COST", Cost(16, 8, 1)):
        export(alice, folder / "alice.export")
    return folder


@pytest.fixture
def known(exchanged, tmp_path):
    """Copies of Alice, Bob and Alice's export, of one test's own."""
    shutil.copytree(exchanged, tmp_path, dirs_exist_ok=True)
    return Home(tmp_path / "Alice", "Alice"), Home(tmp_path / "Bob", "Bob"), tmp_path / "alice.export"


@pytest.fixture
def stick(tmp_path):
    return tmp_path / "stick"


def lose(home: Home) -> None:
    shutil.rmtree(home.path)


def test_a_node_lives_again_from_its_export(known, stick, tmp_path):
    alice, bob, path = known
    listed, texts = alice.json("list", "--all"), alice.texts()
    lose(alice)

    said = take(alice, path).stdout.decode()

    assert "Alice" in said
    assert "user key, node key, envelope keys" in said
    assert "brought back from an export" in alice.out("log")
    again = alice.json("list", "--all")
    assert [each["id"] for each in again[: len(listed)]] == [each["id"] for each in listed]
    assert [each["schema"] for each in again[len(listed) :]] == ["envelope_keys"]
    assert alice.texts() == texts
    file = next(each for each in again if each["schema"] == "file")
    alice.run("save", file["id"], "-o", tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    alice.say("I am back")
    bob.say("are you there?")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    assert "I am back" in bob.texts()
    assert "are you there?" in alice.texts()
    assert alice.peer("Bob")["state"] == bob.peer("Alice")["state"] == "in sync"
    assert not alice.json("status")["quarantine"]


def test_what_was_sealed_to_keys_that_are_gone_comes_again(known, stick):
    alice, bob, path = known
    lose(alice)
    bob.say("sealed to the lost keys")
    bob.sync(stick)

    take(alice, path)
    for home in (alice, bob, alice, bob, alice):
        home.run("sync", "--via", stick, code=None)

    assert "sealed to the lost keys" in alice.texts()


@pytest.mark.parametrize("locked", [False, True], ids=["unlocked", "locked"])
def test_an_old_export_forgets_nothing(known, stick, locked):
    """What came after it, peers return; what the node says anew before it has heard of that is kept, too."""
    alice, bob, path = known
    alice.say("after the export")
    bob.say("Bob after the export")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    lose(alice)
    take(alice, path, *(["--new-fd", fd_of("four random words")] if locked else []))

    def run(*arguments) -> None:
        unlocked = ["--passphrase-fd", fd_of("four random words")] if locked else []
        alice.run(*unlocked, *arguments, code=None)

    run("publish", "--message", "after the restore")
    for _ in range(4):
        run("sync", "--via", stick)
        bob.run("sync", "--via", stick, code=None)

    everything = ["Bob after the export", "after the export", "after the restore", "from Alice", "from Bob"]
    assert sorted(alice.texts()) == sorted(bob.texts()) == everything
    assert alice.peer("Bob")["state"] == bob.peer("Alice")["state"] == "in sync"
    protected = {each["protected"] for each in json.loads(alice.out("key", "list", "--json"))}
    assert protected == {"passphrase" if locked else "nothing"}


def test_what_was_forgotten_does_not_come_back_by_an_export(known):
    alice, _, path = known
    file = next(each for each in alice.json("list") if each["schema"] == "file")
    alice.run("forget", file["id"], "--yes")

    assert "Nothing in it was lacking" in take(alice, path).stdout.decode()

    assert file["id"] not in {each["id"] for each in alice.json("list")}


def test_what_an_export_that_was_killed_left_is_taken_away(known, tmp_path):
    alice, _, _ = known
    (tmp_path / ".x.export.part").write_bytes(b"half")

    export(alice, tmp_path / "x.export")

    assert not (tmp_path / ".x.export.part").exists()


def test_an_export_says_which_secrets_it_holds_before_and_after(known, tmp_path):
    alice, _, _ = known
    everything = "user key, node key, envelope keys (signing, storage and recovery; not the fast and dated ones)"

    for options, expected in (
        ([], f"files, and these secrets: {everything}."),
        (["--secrets-only"], f"hold these secrets: {everything}."),
        (["--no-secrets"], "files, and no secret."),
    ):
        said = export(alice, tmp_path / f"x{len(options)}{options}", *options).stdout.decode()
        assert expected in said
        assert said.count(expected.removeprefix("hold ")) == 2
    (alice.path / "keys" / "user.json").unlink()
    assert "these secrets: node key, envelope" in export(alice, tmp_path / "y").stdout.decode()


def test_no_fast_or_dated_secret_and_no_plain_byte_leaves(known):
    alice, _, path = known
    keys = json.loads((alice.path / "keys" / "envelope.json").read_text())
    with path.open("rb") as file:
        found = backup.open_(file, WORDS.encode)
        found.unpack(path.with_name("unpacked"), lambda _: None)
    exported = json.loads((path.with_name("unpacked") / "keys" / "envelope.json").read_text())

    assert [each["kind"] for each in exported["subkeys"]] == ["recovery"]
    assert exported["storage"] == keys["storage"]
    assert {each["kind"] for each in keys["subkeys"]} == {"recovery", "dated", "fast"}
    assert b"from Alice" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


def test_an_export_never_overwrites(known):
    alice, _, path = known
    before = path.read_bytes()

    assert "never overwrites" in export(alice, path, code=2).stderr.decode()

    assert path.read_bytes() == before


def test_an_export_that_fails_leaves_nothing_behind(known, tmp_path, monkeypatch):
    alice, _, _ = known
    before = tree(alice.path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stream.Writer, "close", full)

    export(alice, tmp_path / "x.export", code=1)

    assert not list(tmp_path.glob("*x.export*"))
    assert tree(alice.path) == before


@pytest.mark.parametrize("place", ["/nonexistent/folder/x", "."])
def test_a_place_that_cannot_be_written_is_said(known, place):
    alice, _, _ = known

    assert alice.run("export", place, "--export-passphrase-fd", fd_of(WORDS), code=None).returncode in (1, 2)


def test_a_passphrase_is_demanded_where_there_are_secrets(known, tmp_path):
    alice, _, path = known

    assert "--export-passphrase-fd" in alice.err("export", tmp_path / "x", code=2)
    assert "--export-passphrase-fd" in alice.err("import", path, code=12)
    assert "at least 8" in export(alice, tmp_path / "x", words="short", code=2).stderr.decode()
    assert not (tmp_path / "x").exists()


def test_importing_into_the_same_home_changes_nothing(known):
    alice, _, path = known
    alice.say("later")
    before = tree(alice.path)

    for _ in range(2):
        assert "Nothing in it was lacking" in take(alice, path).stdout.decode()

    assert tree(alice.path) == before


def test_a_home_that_lacks_things_gets_them(known, tmp_path):
    alice, _, _path = known
    newer = tmp_path / "newer"
    shutil.copytree(alice.path, newer)
    copy = Home(newer, "Alice")
    copy.say("only in the copy")
    export(copy, tmp_path / "newer.export")
    (alice.path / "keys" / "user.json").unlink()

    said = json.loads(take(alice, tmp_path / "newer.export", "--json").stdout)

    assert said["taken"] == {"resources": 1, "refused": 0, "chunks": 0, "peers": [], "secrets": ["user key"]}
    assert "only in the copy" in alice.texts()
    assert (alice.path / "keys" / "user.json").exists()
    before = tree(alice.path)
    assert json.loads(take(alice, tmp_path / "newer.export", "--json").stdout)["taken"]["resources"] == 0
    assert tree(alice.path) == before


def test_an_export_of_another_user_is_refused(known):
    _alice, bob, path = known
    before = tree(bob.path)

    assert "another user, Alice" in take(bob, path, code=2).stderr.decode()

    assert tree(bob.path) == before


@pytest.mark.parametrize(
    ("option", "hint"), [("--no-secrets", "holds no keys"), ("--secrets-only", "init --recover --from")]
)
def test_half_an_export_makes_no_node(known, tmp_path, option, hint):
    alice, _, _ = known
    export(alice, tmp_path / "half.export", option)
    home = Home(tmp_path / "new", "new")

    assert hint in take(home, tmp_path / "half.export", code=2).stderr.decode()

    assert not homes.holds_node(home.path)


def test_an_export_in_clear_brings_only_what_is_signed(known, tmp_path):
    alice, _, _ = known
    copy = Home(tmp_path / "copy", "Alice")
    shutil.copytree(alice.path, copy.path)
    copy.say("signed")
    stranger = Home(tmp_path / "Eve", "Eve")
    stranger.run("init", "--name", "Eve")
    stranger.run("card", "-o", tmp_path / "eve.card")
    copy.run("peer", "add", "Eve", tmp_path / "eve.card")
    said = copy.out("export", tmp_path / "clear.export", "--no-secrets")
    assert "not encrypted" in said

    said = alice.out("import", tmp_path / "clear.export")

    assert "only what is signed" in said
    assert "signed" in alice.texts()
    assert [each["name"] for each in alice.json("peer", "list")] == ["Bob"]


def test_an_export_without_secrets_holds_no_invitation_and_nothing_from_inside_private_things(known, tmp_path):
    alice, _, _ = known
    note = alice.say("nobody else", "--to", "Bob", "--title", "titleword", "--tag", "tagword")
    alice.run("invite", "--for", "labelword")
    with closing(sqlite3.connect(alice.path / "store.db")) as db, db:
        ((secret,),) = db.execute("SELECT secret FROM invite")
        db.execute("INSERT INTO joined SELECT user, node, peer, ?, 1 FROM peer", (b"whatwaspromised!",))
    alice.out("export", tmp_path / "clear.export", "--no-secrets")

    with (tmp_path / "clear.export").open("rb") as file:
        backup.open_(file, WORDS.encode).unpack(tmp_path / "clear", lambda _: None)

    found = (tmp_path / "clear" / "store.db").read_bytes()
    words = (b"titleword", b"tagword", b"labelword", b"whatwaspromised!", secret)
    assert [word for word in words if word in found] == []
    assert "labelword" in alice.out("invite", "list")
    assert alice.json("show", note)["title"] == "titleword"
    assert "Nothing in it was lacking" in alice.out("import", tmp_path / "clear.export")


def test_an_invitation_that_may_have_been_used_since_is_good_no_more(known, tmp_path):
    alice, _, _ = known
    alice.run("invite", "--for", "Carol")
    export(alice, tmp_path / "alice2.export")
    lose(alice)

    take(alice, tmp_path / "alice2.export")

    assert "revoked" in alice.out("invite", "list")


def test_keys_are_locked_on_both_sides_if_that_is_wanted(known, tmp_path):
    alice, _, _ = known
    alice.run("key", "passphrase", "--new-fd", fd_of("four random words"))
    assert "[secrets]" in export(alice, tmp_path / "x", code=12).stderr.decode()
    alice.run(
        "--passphrase-fd", fd_of("four random words"), "export", tmp_path / "x", "--export-passphrase-fd", fd_of(WORDS)
    )
    home = Home(tmp_path / "new", "new")

    take(home, tmp_path / "x", "--new-fd", fd_of("four other words"))

    assert home.run("publish", "--message", "x", code=12)
    opened(home, "publish", "--message", "x", words="four other words")
    assert "a whole and valid" not in home.out("key", "list")


def test_a_user_key_with_a_passphrase_of_its_own_keeps_it(known, tmp_path):
    alice, _, _ = known
    alice.run("key", "passphrase", "--user", "--new-fd", fd_of("four random words"))
    assert "user key, under its own passphrase" in export(alice, tmp_path / "x").stdout.decode()
    home = Home(tmp_path / "new", "new")

    take(home, tmp_path / "x")

    protected = {each["secret"]: each["protected"] for each in json.loads(home.out("key", "list", "--json"))}
    assert protected["user key"] == "own passphrase"
    home.say("here I am")


# Damage and malice.


@pytest.mark.parametrize("place", ["first line", "second line", "manifest", "middle", "end"])
def test_a_damaged_export_is_refused_and_harms_nothing(known, tmp_path, place):
    alice, _, path = known
    whole = bytearray(path.read_bytes())
    at = {"first line": 3, "second line": 30, "manifest": 300, "middle": len(whole) // 2, "end": len(whole) - 1}[place]
    whole[at] ^= 1
    (tmp_path / "damaged").write_bytes(whole)
    before = tree(alice.path)
    home = Home(tmp_path / "new", "new")

    for target in (alice, home):
        done = take(target, tmp_path / "damaged", code=None)
        assert done.returncode in (3, 12)
        assert b"Traceback" not in done.stderr

    assert tree(alice.path) == before
    assert not homes.holds_node(home.path)
    take(home, path)
    home.say("unharmed")


@pytest.mark.parametrize("part", [0, 1, 17, 18, 40, 100, 0.3, 0.7, 0.9999])
def test_an_export_that_was_cut_is_refused(known, tmp_path, part):
    _, _, path = known
    whole = path.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(part if part >= 1 or not part else part * len(whole))])
    home = Home(tmp_path / "new", "new")

    assert take(home, tmp_path / "cut", code=None).returncode in (3, 12)

    assert not homes.holds_node(home.path)
    assert not (home.path / importing.STAGING).exists()


def test_a_wrong_passphrase_is_said(known, tmp_path):
    _, _, path = known
    home = Home(tmp_path / "new", "new")

    assert "passphrase of the export is wrong" in take(home, path, words="not this one", code=12).stderr.decode()
    assert not homes.holds_node(home.path)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100_000, b"# paquebot card of x\n", b"paquebot export 2\n{}\n", b"PK\x03\x04"]
)
def test_what_is_no_export_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)

    assert b"Traceback" not in take(Home(tmp_path / "new", "new"), tmp_path / "file", code=3).stderr


@pytest.mark.parametrize("cost", [{"n": 1 << 40, "r": 8, "p": 1}, {"n": 7, "r": 8, "p": 1}, {"n": 16}, "x", 7, [1]])
def test_a_hostile_cost_is_refused_at_once(tmp_path, cost):
    said = {"scrypt": {**cost, "salt": "00" * 16} if isinstance(cost, dict) else cost}
    (tmp_path / "file").write_bytes(backup.HEAD + json.dumps(said).encode() + b"\n" + bytes(100))

    done = take(Home(tmp_path / "new", "new"), tmp_path / "file", code=None)

    assert done.returncode in (3, 12)
    assert b"Traceback" not in done.stderr


def forge(path: Path, unpacked: Path, *, change=lambda members: members) -> Path:
    """An export in clear with whatever members one likes, as anybody can write it."""
    names = ["manifest.json", *(f"keys/{n}.json" for n in ("user", "node", "envelope")), "store.db"]
    members = [(name, (unpacked / name).read_bytes()) for name in names if (unpacked / name).exists()]
    members += [(f"blobs/{p.parent.name}{p.name}", p.read_bytes()) for p in sorted(unpacked.glob("blobs/*/*"))]
    target = io.BytesIO()
    head = backup.HEAD + b"{}\n"
    target.write(head)
    writer = stream.Writer(target, stream.PLAIN, head)
    for name, content in change([*members, ("end", b"")]):
        size = content if isinstance(content, int) else len(content)
        writer.write(f"{name} {size}\n".encode())
        writer.write(b"" if isinstance(content, int) else content)
    writer.close()
    path.write_bytes(target.getvalue())
    return path


@pytest.fixture
def unpacked(known, tmp_path):
    _, _, path = known
    with path.open("rb") as file:
        found = backup.open_(file, WORDS.encode)
        found.unpack(tmp_path / "unpacked", lambda _: None)
    (tmp_path / "unpacked" / "manifest.json").write_bytes(found.manifest.encode())
    return tmp_path / "unpacked"


def test_a_forged_export_without_change_is_whole(unpacked, tmp_path):
    home = Home(tmp_path / "new", "new")

    home.run("import", forge(tmp_path / "forged", unpacked))

    assert home.texts()


FORGERIES = {
    "a path upwards": lambda m: [m[0], ("../../evil", b"x"), *m[1:]],
    "an absolute path": lambda m: [m[0], ("/tmp/evil", b"x"), *m[1:]],
    "a key of another name": lambda m: [m[0], ("keys/lock.json", b"{}"), *m[1:]],
    "the same twice": lambda m: [*m[:2], m[1], *m[2:]],
    "no manifest": lambda m: m[1:],
    "no store": lambda m: [each for each in m if each[0] != "store.db"],
    "no node key": lambda m: [each for each in m if each[0] != "keys/node.json"],
    "no end": lambda m: m[:-1],
    "something after the end": lambda m: [*m, ("end", b"")],
    "a size beyond all bounds": lambda m: [m[0], ("keys/node.json", 1 << 40)],
    "a blob beyond all bounds": lambda m: [*m[:-1], ("blobs/" + "0" * 64, 1 << 33)],
    "a size that is not there": lambda m: [*m[:-1], ("blobs/" + "0" * 64, 1_000_000)],
    "a negative size": lambda m: [m[0], ("keys/node.json", -5)],
    "a blob under a false name": lambda m: [*m[:-1], ("blobs/" + "0" * 64, b"x"), m[-1]],
    "an empty store": lambda m: [(n, b"" if n == "store.db" else c) for n, c in m],
    "a store of noise": lambda m: [(n, os.urandom(9_000) if n == "store.db" else c) for n, c in m],
    "half a store": lambda m: [(n, c[: len(c) // 2] if n == "store.db" else c) for n, c in m],
    "a manifest of noise": lambda m: [("manifest.json", b"[" * 50_000), *m[1:]],
    "a manifest of another user": lambda m: [
        ("manifest.json", m[0][1].replace(b'"user": "', b'"user": "AAAA')),
        *m[1:],
    ],
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_export_is_refused_and_harms_nothing(known, unpacked, tmp_path, name):
    alice, _, _ = known
    before = tree(alice.path)
    path = forge(tmp_path / "forged", unpacked, change=FORGERIES[name])
    home = Home(tmp_path / "new", "new")

    done = home.run("import", path, code=None)

    assert done.returncode in (2, 3, 12), done.stderr
    assert b"Traceback" not in done.stderr
    assert not homes.holds_node(home.path)
    assert not (home.path / importing.STAGING).exists()
    if name not in ("no node key",):
        assert alice.run("import", path, code=None).returncode in (2, 3, 12)
    assert tree(alice.path) == before


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER evil AFTER INSERT ON line BEGIN DELETE FROM resource; END",
        "CREATE VIEW evil AS SELECT 1",
        "CREATE TABLE evil (x)",
        "DROP TABLE wanted",
        "ALTER TABLE peer ADD COLUMN evil TEXT NOT NULL DEFAULT ''",
        "PRAGMA user_version = 99999",
        "DELETE FROM local",
        "UPDATE local SET node = 4711",
        "UPDATE resource SET payload = zeroblob(10)",
    ],
)
def test_a_store_that_is_not_of_our_form_is_refused(known, unpacked, tmp_path, sql):
    alice, _, _ = known
    before = tree(alice.path)
    db = sqlite3.connect(unpacked / "store.db")
    db.execute(sql)
    db.commit()
    db.close()
    path = forge(tmp_path / "forged", unpacked)

    for home in (Home(tmp_path / "new", "new"), alice):
        done = home.run("import", path, code=None)
        assert done.returncode or (home is alice and "UPDATE resource" in sql), done.stdout
        assert b"Traceback" not in done.stderr

    assert tree(alice.path) == before
    assert not homes.holds_node(tmp_path / "new")


def test_keys_of_another_node_are_refused(known, unpacked, make, tmp_path):
    eve = make("Eve")
    home = Home(tmp_path / "new", "new")

    for name in ("node.json", "envelope.json", "user.json"):
        whole = (unpacked / "keys" / name).read_bytes()
        (unpacked / "keys" / name).write_bytes((eve.path / "keys" / name).read_bytes())
        home.run("import", forge(tmp_path / f"forged-{name}", unpacked), code=12)
        (unpacked / "keys" / name).write_bytes(whole)

    assert not homes.holds_node(home.path)


def test_an_import_may_be_cut_off_at_any_moment(known, tmp_path, monkeypatch):
    _, _, path = known
    home = Home(tmp_path / "new", "new")
    real, left = Path.rename, 0

    def rename(self, target):
        nonlocal left
        if self.is_relative_to(home.path) and "blobs/" not in str(self):
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
        return real(self, target)

    for steps in range(4):
        monkeypatch.setattr(Path, "rename", rename)
        left = steps
        take(home, path, code=130)
        monkeypatch.setattr(Path, "rename", real)
        done = take(home, path, code=None)
        if done.returncode:  # it had been completed: then it is there
            assert steps == 3, done.stderr
        home.say("here I am")
        assert "from Bob" in home.texts()
        lose(home)


def test_a_restored_store_has_the_same_shape_as_a_new_one(known, tmp_path):
    _, _, path = known
    home = Home(tmp_path / "new", "new")
    take(home, path)

    store = Store(home.path)
    assert store.view.local().name == "Alice"
    store.close()
    with closing(sqlite3.connect(home.path / "store.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)  # who looks does not stop who writes
