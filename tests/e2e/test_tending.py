"""`paquebot drop`: what lies on a stick is said, verified and tidied, and nothing is used up by asking."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest
from tests.e2e.conftest import crates, tree
from tests.e2e.test_looking import state
from tests.e2e.test_secrets import WORDS, fd_of

from paquebot import registry
from paquebot.home import locked

EMPTY = {"count": 0, "bytes": 0, "urgent": 0, "acknowledged": 0, "expired": 0}


def aboard(home, stick, **options):
    (found,) = home.json("drop", "status", "--via", stick, **options)
    return found


def counts(home, stick):
    return {whose: each["count"] for whose, each in aboard(home, stick)["envelopes"].items()}


@pytest.fixture
def told(make, meet, stick):
    """Alice has a note for Bob on the stick. Carol knows neither of them."""
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    meet(alice, bob)
    alice.say("hello")
    alice.sync(stick)
    return alice, bob, carol


def test_status_says_for_whom_things_are_and_changes_nothing(told, stick):
    alice, bob, carol = told
    before = [tree(stick), *(state(each.path) for each in told)]

    assert counts(alice, stick) == {"for us": 0, "from us": 1, "others'": 0}
    assert counts(bob, stick) == {"for us": 1, "from us": 0, "others'": 0}
    assert counts(carol, stick) == {"for us": 0, "from us": 0, "others'": 1}
    said = bob.out("drop", "status", "--via", stick)

    assert [tree(stick), *(state(each.path) for each in told)] == before
    found = aboard(bob, stick)
    assert (found["writable"], found["complete"], found["damaged"], found["shared_by"]) == (True, True, [], "")
    assert found["volume"] == (stick / "PAQUEBOT/FORMAT.TXT").read_text().split()[3]
    assert found["bytes"] == sum(each.stat().st_size for each in crates(stick))
    assert f"volume {found['volume']}" in said
    assert "for us     1" in said


def test_what_lies_there_twice_is_counted_once(told, stick):
    _, bob, _ = told
    (crate,) = crates(stick)
    crate.with_name("copy.PQB").write_bytes(crate.read_bytes())

    assert counts(bob, stick)["for us"] == 1


def test_what_is_acknowledged_is_said(told, stick):
    _, bob, carol = told
    kept = crates(stick)[0].read_bytes()
    bob.sync(stick)
    (stick / "PAQUEBOT/C/again.PQB").write_bytes(kept)

    assert aboard(carol, stick)["envelopes"]["others'"]["acknowledged"] == 1


def test_an_empty_folder_has_nothing_aboard_and_gets_nothing(make, stick):
    alice = make("Alice")

    found = aboard(alice, stick)

    assert (found["volume"], found["bytes"], set(map(str, found["envelopes"].values()))) == ("", 0, {str(EMPTY)})
    assert "no volume id yet" in alice.out("drop", "status", "--via", stick)
    assert "nothing to free" in alice.out("drop", "gc", "--via", stick)
    assert "nothing of paquebot's is there" in alice.out("drop", "verify", "--via", stick)
    assert list(stick.iterdir()) == []


def test_locked_keys_are_not_asked_for(told, stick):
    _, bob, _ = told
    bob.run("key", "passphrase", "--new-fd", fd_of(WORDS))

    assert counts(bob, stick) == {"for us": 0, "from us": 0, "for us or others": 1}
    bob.run("drop", "verify", "--via", stick)
    bob.run("drop", "gc", "--dry-run", "--via", stick)


def test_who_looks_waits_for_nobody_and_who_tidies_does(told, stick):
    _, bob, _ = told
    with locked(bob.path):
        assert counts(bob, stick)["for us"] == 1
        bob.run("drop", "verify", "--via", stick)
        bob.run("drop", "gc", "--dry-run", "--via", stick)
        bob.run("drop", "gc", "--via", stick, code=11)


def test_tidying_frees_what_it_said_and_uses_up_no_acknowledgement(told, stick):
    alice, bob, _ = told
    (crate,) = crates(stick)
    kept = crate.read_bytes()
    bob.sync(stick)
    crate.write_bytes(kept)  # as if Bob's stick had been pulled before he could delete it

    before = tree(stick), state(alice.path)
    would = alice.json("drop", "gc", "--dry-run", "--via", stick)
    assert (tree(stick), state(alice.path)) == before
    done = alice.json("drop", "gc", "--via", stick)

    assert [{**each, "dry_run": False} for each in would] == done
    assert [(each["files"], each["bytes"]) for each in done[0]["freed"] if each["files"]] == [(1, len(kept))]
    assert not crate.exists()
    report = alice.sync(stick)
    assert (report["acknowledged"], report["notes"]) == (1, []), "not called lost, and heard of"


def test_tidying_needs_to_be_told_neither_twice_nor_of_losses(told, stick):
    alice, bob, _ = told
    crates(stick)[0].unlink()

    assert "nothing to free" in alice.out("drop", "gc", "--via", stick)
    assert "sent again" in alice.sync(stick)["notes"][0], "the loss is still news"
    bob.sync(stick)
    assert bob.texts() == ["hello"]


def test_what_is_damaged_is_named_and_comes_again(told, stick):
    alice, bob, _ = told
    (crate,) = crates(stick)
    data = bytearray(crate.read_bytes())
    data[300] ^= 1
    crate.write_bytes(data)
    (slip := stick / "PAQUEBOT/A/AAAA.ACK").parent.mkdir(exist_ok=True)
    slip.write_bytes(b"PQA1 torn")
    before = tree(stick), state(bob.path)

    (found,) = bob.json("drop", "verify", "--via", stick, code=3)

    assert (tree(stick), state(bob.path)) == before
    assert [each["where"] for each in found["findings"]] == [
        f"{crate.relative_to(stick)} record 1",
        "PAQUEBOT/A/AAAA.ACK",
    ]
    done = bob.run("drop", "verify", "--via", stick, code=3)
    assert b"not what was written" in done.stderr
    assert b"2 damaged" in done.stdout
    bob.sync(stick, code=3)
    alice.sync(stick)
    bob.sync(stick, code=None)
    assert bob.texts() == ["hello"]


def test_a_torn_crate_is_named_and_a_foreign_file_is_no_damage(told, stick):
    _, bob, _ = told
    (crate,) = crates(stick)
    (stick / "PAQUEBOT/notes.doc").write_text("mine")
    assert "not one of ours" in bob.out("drop", "verify", "--via", stick)
    crate.write_bytes(crate.read_bytes()[:-1])

    assert "whole records in it: 1" in bob.err("drop", "verify", "--via", stick, code=3)
    assert aboard(bob, stick)["damaged"] == [str(crate.relative_to(stick))]


def test_one_that_is_not_there_stops_no_other(told, stick, tmp_path):
    _, bob, _ = told
    away = tmp_path / "away"
    for command in ("status", "verify", "gc"):
        done = bob.run("drop", command, "--via", away, "--via", stick, code=13)
        assert b"no stick or folder is there" in done.stderr
        assert str(stick).encode() in done.stdout


def test_carriers_have_names_and_what_cannot_be_tended_is_left_out_unless_it_is_named(told, stick, monkeypatch):
    _, bob, _ = told
    config = f'[transport.blue]\nuses = "drop"\npath = "{stick}"\n[transport.post]\nuses = "post"\n'
    (bob.path / "config.toml").write_text(config + 'office = "x"\n')
    points = registry.entry_points(group=registry.GROUP)
    post = EntryPoint("post", "tests.e2e.test_tending:Untended", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [*points, post])

    assert bob.out("drop", "status").startswith(f"blue at {stick}: volume ")
    assert "nothing to look over" in bob.err("drop", "status", "post", code=2)
    assert "nothing to free" in bob.out("drop", "gc", "blue", "--dry-run")


@dataclass
class Settings:
    office: str


class Untended:
    api = 0
    settings_type = Settings

    def __init__(self, settings, context):
        pass


def test_a_medium_that_cannot_be_written_to_is_not_tidied(told, stick, monkeypatch):
    _, bob, _ = told
    monkeypatch.setattr("paquebot_drop.folder.Folder.writable", False)

    assert "cannot be written to" in bob.out("drop", "status", "--via", stick)
    assert "read-only" in bob.err("drop", "gc", "--via", stick, code=13)
    bob.run("drop", "verify", "--via", stick)


def test_what_was_taken_from_a_read_only_medium_is_acknowledged_by_another(told, stick, tmp_path, monkeypatch):
    alice, bob, _ = told
    other = tmp_path / "other"
    other.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("paquebot_drop.folder.Folder.writable", False)
        report = bob.sync(stick, code=None)
    assert bob.texts() == ["hello"]
    assert any("cannot be written to" in each for each in [*report["notes"], *map(str, report["problems"])])
    bob.sync(other)
    alice.sync(other)
    assert "✓✓✓ 1 of 1" in alice.out("status")
    assert {each["where"] for each in alice.json("outbox")} <= {str(other)}


def test_a_volume_that_is_not_mounted_is_no_harm_and_two_places_are_a_mistake(told, stick):
    _, bob, _ = told
    config = bob.path / "config.toml"
    config.write_text('[transport.blue]\nuses = "drop"\nvolume = "QWERTYUIOPASDFGH"\n')
    for command in (["sync"], ["drop", "status"], ["drop", "verify", "blue"], ["plan"]):
        assert "QWERTYUIOPASDFGH is not mounted" in bob.err(*command, code=13)
    config.write_text(config.read_text() + f'path = "{stick}"\n')
    assert "say where" in bob.err("sync", code=2)
    assert "say where" in bob.err("drop", "status", code=2)
