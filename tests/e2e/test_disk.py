"""What lies on a home's disk: forgetting by rule and by hand, checking, mending, and the copy before a migration."""

import json
import os
import shutil
import sqlite3

import pytest
from tests.e2e.conftest import tree

DAY_MS = 86_400_000
START = 1_800_000_000_000


def configure(home, text):
    (home.path / "config.toml").write_text(text)


@pytest.fixture
def old(make, meet, stick):
    """Two homes; Bob has a note, a weather report and a file of Alice's, all 100 days old and looked at."""
    alice, bob = make("Alice", clock=START), make("Bob", clock=START)
    meet(alice, bob)
    alice.say("a note")
    alice.say("rain", "--tag", "weather")
    alice.run("publish", "-", "--filename", "big.bin", stdin=bytes(2_000_000))
    alice.sync(stick), bob.sync(stick), alice.sync(stick)
    alice.clock = bob.clock = START + 100 * DAY_MS
    bob.texts()
    return alice, bob


def titles(home):
    return sorted(each["filename"] or ",".join(each["tags"]) or "note" for each in home.json("list"))


def test_a_rule_lets_old_things_go_and_they_never_come_back(old, stick):
    alice, bob = old
    size = sum(path.stat().st_size for path in (bob.path / "blobs").rglob("*") if path.is_file())
    assert size >= 2_000_000
    configure(
        bob, "[keep]\ndays = 90\nunread = true\n[[keep.rule]]\npeer = 'Alice'\nkind = 'message'\ntag = 'weather'\n"
    )

    assert bob.sync(stick)["forgotten"] == 2
    assert titles(bob) == ["weather"]
    assert not [path for path in (bob.path / "blobs").rglob("*") if path.is_file()]
    for _ in range(2):
        alice.sync(stick)
        assert bob.sync(stick)["forgotten"] == 0
    assert titles(bob) == ["weather"]
    assert {"forgotten"} == {each["gone"] for each in bob.json("list", "--all") if each["gone"]}
    assert alice.peer("Bob")["applied"] == 3
    assert bob.run("check").stdout == b"All is well.\n"


def test_unread_things_stay_unless_the_rules_say_otherwise(old, stick):
    _, bob = old
    configure(bob, "[keep]\ndays = 90\n")
    assert bob.sync(stick)["forgotten"] == 2, "the two messages were shown, the file was not saved"
    assert titles(bob) == ["big.bin"]


def test_a_size_lets_the_oldest_go_first(old, stick):
    _, bob = old
    configure(bob, "[keep]\nsize = '1 MiB'\nunread = true\n")
    assert bob.sync(stick)["forgotten"] == 3
    assert titles(bob) == []


def test_forgetting_by_hand(old, stick):
    alice, bob = old
    first = bob.json("list")[0]["id"]
    before = tree(bob.path)
    assert "1 thing would be forgotten" in bob.out("forget", "--tag", "weather", "--dry-run")
    assert tree(bob.path) == before
    assert bob.json("forget", "--tag", "weather", "--older-than", "90d", "--yes")["forgotten"]
    assert "0 things" in bob.out("forget", "--older-than", "1y")
    bob.run("forget", "--yes", first)
    assert "0 things" in bob.out("forget", first)
    assert titles(bob) == ["big.bin"]
    assert "was forgotten" in bob.err("save", first, "-o", "x", code=1)
    assert "forgotten" in bob.out("show", first)
    alice.say("new")
    assert "not known to have reached Bob" in alice.err("forget", "--yes", alice.json("list")[-1]["id"], code=2)
    for wrong in ([], [first, "--tag", "x"], ["--older-than", "soon"], ["--from", "Nobody", "--tag", "x"]):
        assert bob.run("forget", *wrong, code=None).returncode in (1, 2)
    configure(bob, "[keep]\ndays = -1\n")
    assert "[keep]" in bob.err("forget", "--rules", code=2)


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def faults(home, *options, code):
    return sorted(each["fault"] for each in home.json("check", *options, code=code))


def test_a_damaged_chunk_is_found_and_comes_again_from_the_peer(pair, stick, tmp_path):
    alice, bob = pair
    data = os.urandom(3_000_000)
    alice.run("publish", "-", "--filename", "big.bin", stdin=data)
    alice.sync(stick), bob.sync(stick), alice.sync(stick)
    blobs = sorted(path for path in (bob.path / "blobs").rglob("*") if path.is_file())
    damage(blobs[0])
    blobs[1].unlink()

    assert faults(bob, code=15) == ["chunk"]
    assert faults(bob, "--read-data", code=15) == ["chunk", "chunk"]
    before = tree(bob.path)
    assert "ask peers for it" in bob.out("repair", "--read-data", code=15)
    assert tree(bob.path) == before, "without --yes nothing is done"
    assert "2 faults mended" in bob.out("repair", "--read-data", "--yes")
    assert [len(list((bob.path / "damaged").iterdir()))] == [1]
    assert bob.run("check", "--read-data").returncode == 0

    for home in (bob, alice, bob):
        home.clock = START
        home.sync(stick)
    (file,) = bob.json("list")
    assert file["complete"]
    bob.run("save", file["id"], "-o", tmp_path / "big.bin")
    assert (tmp_path / "big.bin").read_bytes() == data


def change(home, sql, *values):
    db = sqlite3.connect(home.path / "store.db")
    with db:
        db.execute(sql, values)
    db.close()


def test_a_damaged_message_is_found_and_comes_again(pair, stick):
    alice, bob = pair
    alice.say("precious")
    alice.sync(stick), bob.sync(stick), alice.sync(stick)
    change(
        bob,
        "UPDATE resource SET payload = CAST(replace(payload, 'precious', 'previous') AS BLOB) WHERE kind = 'message'",
    )
    (found,) = bob.json("check", code=15)
    assert (found["fault"], found["mendable"]) == ("resource", True)
    bob.run("repair", "--yes")
    for home in (bob, alice, bob):
        home.sync(stick)
    assert bob.texts() == ["precious"]
    assert bob.run("check").returncode == 0


def test_what_cannot_be_mended_is_said_with_what_to_do(pair):
    alice, _ = pair
    change(alice, "UPDATE line SET id = zeroblob(64) WHERE number = 2 AND journal = 2")
    (found,) = alice.json("check", code=15)
    assert (found["fault"], found["mendable"]) == ("chain", False)
    assert "backup" in alice.out("repair", "--yes", code=15)
    change(alice, "UPDATE resource SET payload = x'00' WHERE kind = 'envelope_keys'")
    assert {each["mendable"] for each in alice.json("check", code=15)} == {False}


def test_leftovers_are_harmless_and_can_be_cleared(pair):
    alice, _ = pair
    folder = alice.path / "blobs" / "ab"
    folder.mkdir(parents=True)
    (folder / ("c" * 62)).write_bytes(b"nobody's")
    (folder / ".x.part").write_bytes(b"half")
    assert faults(alice, code=3) == ["draft", "orphan"]
    assert "2 faults mended" in alice.out("repair", "--yes")
    assert alice.run("check").returncode == 0
    assert not list(folder.iterdir())


def test_wrong_counts_are_counted_anew(pair, stick):
    alice, _ = pair
    alice.run("publish", "-", "--filename", "big.bin", stdin=bytes(2_000_000))
    change(alice, "UPDATE resource SET lacking = 1 WHERE chunk_total > 0")
    assert faults(alice, code=15) == ["count"]
    alice.run("repair", "--yes")
    assert alice.run("check").returncode == 0


def test_what_is_listed_wrongly_is_found_and_listed_by_what_it_says(pair):
    alice, _ = pair
    alice.say("precious", "--title", "true")
    change(alice, "UPDATE resource SET title = 'false', stamp_at = 7, size = 3, expires = 9 WHERE kind = 'message'")
    assert alice.run("check").returncode == 0, "this is looked at with --read-data only"
    assert faults(alice, "--read-data", code=15) == ["listing"]
    alice.run("repair", "--read-data", "--yes")
    assert alice.run("check", "--read-data").returncode == 0
    assert [(each["title"], each["size"]) for each in alice.json("list")] == [("true", 8)]


def test_a_wrong_signature_is_found(pair):
    alice, _ = pair
    alice.say("precious")
    change(alice, "UPDATE resource SET signature = zeroblob(64) WHERE kind = 'message'")
    assert faults(alice, "--read-data", code=15) == ["resource"]


def test_a_damaged_key_is_found(pair):
    alice, _ = pair
    path = alice.path / "keys" / "envelope.json"
    value = json.loads(path.read_text())
    value["subkeys"][3]["secret"] = "ab" * 32
    path.write_text(json.dumps(value))
    (found,) = alice.json("check", code=15)
    assert (found["fault"], found["mendable"]) == ("key", False)
    assert "paquebot import" in found["remedy"]
    path.write_text(path.read_text()[:-9])
    assert faults(alice, code=15) == ["key"]


def test_text_that_is_none_is_damage(pair):
    alice, _ = pair
    change(alice, "UPDATE event SET detail = CAST(x'ff' AS TEXT)")
    assert faults(alice, "--read-data", code=15) == ["database"]


@pytest.mark.parametrize("share", ["5", "x%", "101%", "nan%"])
def test_a_share_is_a_percentage(pair, share):
    alice, _ = pair
    assert "is not a share" in alice.err("check", f"--read-data={share}", code=2)


def test_a_store_of_the_first_version_is_copied_before_it_is_changed(make):
    alice = make("Alice")
    store = alice.path / "store.db"
    made = sqlite3.connect(store)
    (version,) = made.execute("PRAGMA user_version").fetchone()
    assert version >= 2
    made.close()
    first = downgraded(alice.path)

    alice.run("list")

    (copy,) = alice.path.glob("store.db.before-*")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert rows(copy) == first
    assert [each for each in alice.path.iterdir() if each.name.endswith(".part")] == []
    assert alice.run("check").returncode == 0


def test_a_full_disk_stops_the_copy_and_changes_nothing(make, small_disk, tmp_path):
    disk = small_disk("disk", "2m")
    alice = make("Alice", path=disk / "alice")
    first = downgraded(alice.path)
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 20_000))
    assert "space" in alice.err("list", code=1)
    assert rows(alice.path / "store.db") == first
    (disk / "ballast").unlink()
    alice.run("list")


def downgraded(home):
    """Make a home's store one of the first version; return its rows."""
    from importlib import resources

    new = sqlite3.connect(home / "store.db")
    old = sqlite3.connect(home / "old.db")
    old.executescript(resources.files("paquebot.store").joinpath("migrations/0001.sql").read_text())
    for (table,) in old.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall():
        columns = ", ".join(f'"{row[1]}"' for row in old.execute(f"PRAGMA table_info({table})"))
        marks = ", ".join("?" * (columns.count(",") + 1))
        old.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})", new.execute(f"SELECT {columns} FROM {table}")
        )
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close(), new.close()
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "old.db").rename(home / "store.db")
    return rows(home / "store.db")


def rows(path):
    db = sqlite3.connect(path)
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {table: sorted(map(repr, db.execute(f"SELECT * FROM {table}"))) for table in tables}
    db.close()
    return json.dumps(found)


def test_a_complaint_of_the_database_that_is_not_so_is_not_passed_on(make, meet, stick):
    """SQLite 3.40 finds a NULL in the last column of some tables where there is 1."""
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob)
    alice.say("for Bob alone", "--to", "Bob")
    for home in (alice, bob, alice):
        home.sync(stick)
    assert alice.run("check").stdout == bob.run("check").stdout == b"All is well.\n"


def test_nothing_is_forgotten_before_its_hook_and_folder_had_it(old, stick, tmp_path):
    alice, bob = old
    (tmp_path / "inbox").mkdir()
    configure(bob, f"[keep]\nsize = '1 B'\nunread = true\n[[output]]\npath = '{tmp_path / 'inbox'}'\n")
    alice.run("publish", "-", "--filename", "new.txt", stdin=b"just in")
    alice.sync(stick)
    assert bob.sync(stick)["forgotten"] == 3
    assert (tmp_path / "inbox" / "new.txt").read_bytes() == b"just in"
    assert bob.sync(stick)["forgotten"] == 1
