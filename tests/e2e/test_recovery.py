"""From a lost machine to a working node: recovery sheets, bare machines, and what peers then see."""

import json
import shutil
from pathlib import Path

import pytest
from tests.e2e.conftest import Home, tree
from tests.e2e.test_export import export, take
from tests.e2e.test_secrets import Terminal, fd_of

from paquebot.protocol.encoding import short
from paquebot.vault import locking
from paquebot.vault.locking import Cost


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    monkeypatch.setattr(locking, "COST", Cost(16, 8, 1))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def words_of(home: Home) -> str:
    return " ".join(json.loads(home.out("recovery", "--json"))["words"])


def has_user_key(home: Home) -> bool:
    return (home.path / "keys" / "user.json").exists()


# The sheet.


def test_a_sheet_can_be_printed_in_three_forms(make, tmp_path):
    alice = make("Alice")
    words = words_of(alice).split()

    text = alice.out("recovery")
    said = alice.out("recovery", "--html", tmp_path / "a.html", "--svg", tmp_path / "a.svg")

    assert "print it, then delete it" in said
    assert words[0] not in said
    for name in ("a.html", "a.svg"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
        text += (tmp_path / name).read_text()
    assert all(text.count(word) >= 3 for word in words)
    assert has_user_key(alice)


def test_a_sheet_never_overwrites(make, tmp_path):
    alice = make("Alice")
    (tmp_path / "a.html").write_text("mine")

    assert "is there already" in alice.err("recovery", "--html", tmp_path / "a.html", code=2)

    assert (tmp_path / "a.html").read_text() == "mine"


def test_a_sheet_needs_a_node_and_its_user_key(make, tmp_path):
    Home(tmp_path / "nobody", "nobody").run("recovery", code=10)
    alice = make("Alice")
    (tmp_path / "words").write_text(words_of(alice))
    alice.run("recovery", "--take-away", "--words-file", tmp_path / "words")

    assert "taken away" in alice.err("recovery", code=1)


def test_a_locked_user_key_is_asked_for(make):
    alice = make("Alice")
    words = words_of(alice)
    alice.run("key", "passphrase", "--new-fd", fd_of("four random words"))

    assert "[secrets]" in alice.err("recovery", code=12)
    said = alice.run("--passphrase-fd", fd_of("four random words"), "recovery", "--json").stdout
    assert " ".join(json.loads(said)["words"]) == words


def test_the_key_is_taken_away_only_when_the_words_were_read_back(make, tmp_path):
    alice, eve = make("Alice"), make("Eve")
    (tmp_path / "words").write_text(words_of(alice))
    (tmp_path / "others").write_text(words_of(eve))
    (tmp_path / "half").write_text(words_of(alice).rsplit(" ", 1)[0])

    for file, hint in (("others", "another key"), ("half", "these are 23")):
        assert hint in alice.err("recovery", "--take-away", "--words-file", tmp_path / file, code=2)
        assert has_user_key(alice)
    assert "--words-file" in alice.err("recovery", "--take-away", code=2)
    assert has_user_key(alice)
    assert "no longer in this home" in alice.out("recovery", "--take-away", "--words-file", tmp_path / "words")

    assert not has_user_key(alice)
    alice.say("a node works without it")
    assert "not in this home" in alice.out("key", "list")


def test_a_person_types_three_words_back(make):
    alice = make("Alice")
    words = words_of(alice).split()
    terminal = Terminal("--home", str(alice.path), "recovery", "--take-away")
    for _ in range(3):
        terminal.expect(" on the sheet: ")
        number = int(terminal.shown.rpartition("Word ")[2].split()[0])
        terminal.shown = ""
        terminal.type(words[number - 1])

    assert terminal.end() == 0
    assert not has_user_key(alice)


def test_an_rsa_user_has_a_code_instead_of_words(make, tmp_path):
    alice = make("Alice", "--key", "rsa3072")
    (tmp_path / "code").write_text(json.loads(alice.out("recovery", "--json"))["code"])
    alice.run("recovery", "--svg", tmp_path / "a.svg")

    alice.run("recovery", "--take-away", "--words-file", tmp_path / "code")
    again = Home(tmp_path / "again", "Alice")
    again.run("init", "--recover", "--name", "Alice", "--words-file", tmp_path / "code")

    assert again.json("status")["user"] == alice.json("status")["user"]


# The bare machine.


def test_the_words_make_a_new_node_of_the_same_user(make, tmp_path):
    alice = make("Alice")
    new = Home(tmp_path / "new", "Alice")

    said = new.run("init", "--recover", "--name", "Alice", "--words-file", "-", stdin=words_of(alice).encode())

    assert b"compare that with the sheet" in said.stdout
    old, now = alice.json("status"), new.json("status")
    assert now["user"] == old["user"]
    assert now["node"] != old["node"]
    new.say("me again")


def test_an_export_of_the_secrets_makes_one_too(make, tmp_path):
    alice = make("Alice")
    export(alice, tmp_path / "secrets", "--secrets-only")
    new = Home(tmp_path / "new", "Alice")

    new.run(
        "init", "--recover", "--from", tmp_path / "secrets", "--export-passphrase-fd", fd_of("a chest with three locks")
    )

    assert new.json("status")["user"] == alice.json("status")["user"]
    assert new.json("status")["name"] == "Alice"


def test_an_export_without_the_user_key_makes_none(make, tmp_path):
    alice = make("Alice")
    (tmp_path / "words").write_text(words_of(alice))
    alice.run("recovery", "--take-away", "--words-file", tmp_path / "words")
    export(alice, tmp_path / "secrets", "--secrets-only")
    new = Home(tmp_path / "new", "Alice")
    source = ["--from", tmp_path / "secrets", "--export-passphrase-fd"]

    assert "no user key" in new.err("init", "--recover", *source, fd_of("a chest with three locks"), code=2)
    assert "is wrong" in new.err("init", "--recover", *source, fd_of("another chest"), code=12)

    assert not (new.path / "keys").exists()


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--recover", "--name", "Alice"], "nobody is here to type"),
        (["--recover", "--words-file", "WORDS"], "--name is missing"),
        (["--recover", "--name", "Alice", "--words-file", "WRONG"], "24 words"),
        (["--name", "Alice", "--words-file", "WORDS"], "--recover"),
        ([], "--name is missing"),
    ],
)
def test_a_recovery_that_cannot_be_is_said(make, tmp_path, options, hint):
    (tmp_path / "WORDS").write_text(words_of(make("Alice")))
    (tmp_path / "WRONG").write_text("these are not the words")
    new = Home(tmp_path / "new", "Alice")
    options = [tmp_path / each if each.isupper() else each for each in options]

    assert hint in new.err("init", *options, code=2)

    assert not (new.path / "keys").exists()


def test_a_home_with_a_node_is_not_recovered_over(make, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    (tmp_path / "words").write_text(words_of(alice))
    before = tree(bob.path)

    bob.run("init", "--recover", "--name", "Alice", "--words-file", tmp_path / "words", code=2)

    assert tree(bob.path) == before


def test_a_new_node_takes_everything_over_from_an_export(pair, stick, tmp_path):
    """Home A with peers; export and sheet; A is gone; a new node of the same user has everything again."""
    alice, bob = pair
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 5_000)
    alice.run("publish", tmp_path / "big.bin")
    alice.say("from Alice")
    bob.say("from Bob")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    words, listed = words_of(alice), {each["id"]: each["new"] for each in alice.json("list")}
    export(alice, tmp_path / "alice.export")
    shutil.rmtree(alice.path)

    new = Home(alice.path, "Alice")
    new.run("init", "--recover", "--name", "Alice", "--words-file", "-", stdin=words.encode())
    taken = json.loads(take(new, tmp_path / "alice.export", "--json").stdout)["taken"]

    assert taken["peers"] == ["Bob"]
    assert taken["refused"] == 0
    assert "storage and recovery key of the former node" in taken["secrets"][0]
    assert {each["id"]: each["new"] for each in new.json("list")} == listed
    before = tree(new.path)
    assert "Nothing in it was lacking" in take(new, tmp_path / "alice.export").stdout.decode()
    assert tree(new.path) == before
    new.run("card", "-o", tmp_path / "new.card")
    bob.run("peer", "add", "Alice 2", tmp_path / "new.card")
    new.say("from the new machine")
    bob.say("welcome back")
    for home in (new, bob, new, bob, new):
        home.sync(stick)
    assert "from the new machine" in bob.texts()
    assert "welcome back" in new.texts()
    assert new.peer("Bob")["state"] == bob.peer("Alice 2")["state"] == "in sync"
    Path(tmp_path / "again.bin").unlink(missing_ok=True)
    file = next(each for each in new.json("list") if each["schema"] == "file")
    new.run("save", file["id"], "-o", tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()


def test_what_the_peer_holds_is_not_sent_to_it_again(pair, stick, tmp_path):
    alice, bob = pair
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 5_000)
    alice.run("publish", tmp_path / "big.bin")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    words = words_of(alice)
    export(alice, tmp_path / "alice.export")
    shutil.rmtree(alice.path)
    new = Home(alice.path, "Alice")
    new.run("init", "--recover", "--name", "Alice", "--words-file", "-", stdin=words.encode())
    take(new, tmp_path / "alice.export")
    new.run("card", "-o", tmp_path / "new.card")
    bob.run("peer", "add", "Alice 2", tmp_path / "new.card")

    assert new.sync(stick)["sent_bytes"] < 100_000


# In the place of a lost or stolen node.


def node_of(home: Home) -> str:
    return home.json("status")["node"]


def standing(home: Home) -> dict[str, str]:
    """How each node is seen at *home*."""
    return {each["node"]: each["state"] for each in json.loads(home.out("node", "list", "--json"))}


@pytest.fixture
def stolen(pair, stick, tmp_path):
    """Alice's home is with a thief; a new node of hers has everything from the export. Returns new, thief, Bob."""
    alice, bob = pair
    alice.say("from Alice")
    bob.say("from Bob")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    words = words_of(alice)
    export(alice, tmp_path / "alice.export")
    thief = Home(alice.path.rename(tmp_path / "thief"), "thief")
    new = Home(alice.path, "Alice")
    new.run("init", "--recover", "--name", "Alice", "--words-file", "-", stdin=words.encode())
    take(new, tmp_path / "alice.export")
    return new, thief, bob


@pytest.mark.parametrize("by", ["the user key", "the node"])
def test_a_new_node_takes_the_place_of_a_stolen_one(stolen, stick, tmp_path, by):
    new, thief, bob = stolen
    old = node_of(thief)
    if by == "the node":
        (tmp_path / "words").write_text(words_of(new))
        new.run("recovery", "--take-away", "--words-file", tmp_path / "words")

    assert "takes the place" in new.out("node", "replace", "--yes", short(old))
    new.say("from the new machine")
    bob.say("after the theft")
    for home in (new, bob, new, bob, new):
        home.sync(stick)
    thief.say("I am Alice, send money")
    thief.run("sync", "--via", stick, code=None)
    for home in (bob, new, bob, new):
        home.run("sync", "--via", stick, code=None)

    assert standing(bob)[old] == standing(new)[old] == "revoked"
    assert standing(bob)[node_of(new)] == "trusted"
    assert {each["name"]: each["node"] for each in bob.json("peer", "list")}["Alice"] == node_of(new)
    assert sorted(bob.texts()) == ["after the theft", "from Alice", "from Bob", "from the new machine"]
    assert sorted(new.texts()) == sorted(bob.texts())
    assert "after the theft" not in thief.texts()


def test_replacing_needs_a_node_of_ones_own_that_is_another(stolen):
    new, thief, bob = stolen
    old = node_of(thief)

    assert "none of your nodes" in new.err("node", "replace", "--yes", "ffffffff", code=1)
    assert "none of your nodes" in new.err("node", "replace", "--yes", short(node_of(bob)), code=1)
    assert "work on" in new.err("node", "replace", "--yes", short(node_of(new)), code=2)
    assert "is not known here" in new.err("node", "replace", "--yes", short(old), "--after", "3", code=2)
    assert "one of" in new.err("node", "replace", "--yes", short(old), "--after", "3", "--since", "2026-11-12", code=2)
    assert "is not a date" in new.err("node", "replace", "--yes", short(old), "--since", "yesterday", code=2)
    assert standing(new)[old] == "trusted"
    new.run("node", "replace", "--yes", short(old))
    assert "revoked already" in new.err("node", "replace", "--yes", short(old), code=2)


def test_without_an_export_peers_give_back_what_they_hold(pair, stick, tmp_path):
    """A sheet of paper and a peer's card are enough."""
    alice, bob = pair
    alice.say("from Alice")
    bob.say("from Bob")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    words, old = words_of(alice), node_of(alice)
    shutil.rmtree(alice.path)
    new = Home(alice.path, "Alice")
    new.run("init", "--recover", "--name", "Alice", "--words-file", "-", stdin=words.encode())
    new.run("peer", "add", "Bob", tmp_path / "Bob.card")

    for home in (new, bob, new, bob, new):
        home.run("sync", "--via", stick)
    new.run("node", "replace", "--yes", short(old))
    for home in (new, bob, new):
        home.run("sync", "--via", stick)

    assert sorted(new.texts()) == ["from Alice", "from Bob"]
    assert standing(bob)[old] == "revoked"


def test_private_things_of_the_old_node_open_on_the_new_one_and_from_its_exports(pair, stick, tmp_path):
    alice, bob = pair
    for home in (alice, bob, alice):
        home.sync(stick)
    uri = alice.say("for Bob alone", "--to", "Bob")
    words = words_of(alice)
    export(alice, tmp_path / "alice.export")
    shutil.rmtree(alice.path)
    new = Home(alice.path, "Alice")
    new.run("init", "--recover", "--name", "Alice", "--words-file", "-", stdin=words.encode())
    take(new, tmp_path / "alice.export")

    assert "for Bob alone" in new.out("show", uri)
    new.run("check", "--read-data")
    said = export(new, tmp_path / "second.export").stdout.decode()
    assert "key of former node" in said
    shutil.rmtree(new.path)
    take(new, tmp_path / "second.export")
    assert "for Bob alone" in new.out("show", uri)
    other = Home(tmp_path / "other", "Alice")
    other.run("init", "--recover", "--name", "Alice", "--words-file", "-", stdin=words.encode())
    take(other, tmp_path / "second.export")
    assert "for Bob alone" in other.out("show", uri)
    for home in (new, other):
        home.run("key", "passphrase", "--new-fd", fd_of("four random words"))
        assert {each["protected"] for each in json.loads(home.out("key", "list", "--json"))} == {"passphrase"}
        shown = home.run("--passphrase-fd", fd_of("four random words"), "show", uri, "--json").stdout
        assert json.loads(shown)["text"] == "for Bob alone"
