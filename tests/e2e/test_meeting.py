"""How two people meet, by the command line: strangers, invitations, words, codes."""

import json

import pytest

from paquebot.protocol.encoding import short
from paquebot.protocol.limits import DAY_MS, RELEASED_MS

TODAY = RELEASED_MS + DAY_MS // 2


def pending(home) -> list[dict]:
    return home.json("peer", "pending")


@pytest.fixture
def strangers(make, stick, tmp_path):
    """Alice has pinned Bob, who has never heard of her, and finds her letter on the stick."""
    alice, bob = make("Alice"), make("Bob")
    bob.run("card", "-o", tmp_path / "bob.card")
    alice.run("peer", "add", "Bob", tmp_path / "bob.card")
    alice.say("you do not know me yet")
    alice.sync(stick)
    bob.sync(stick)
    return alice, bob


def test_one_who_waits_is_listed_accepted_and_then_heard(strangers, stick):
    alice, bob = strangers
    (found,) = pending(bob)
    assert (found["name"], found["number"], found["reason"]) == ("Alice", 1, "")
    assert "Alice" in bob.out("peer", "pending")
    assert "pinned" in bob.out("peer", "accept", "1", "Al")
    assert pending(bob) == []
    bob.sync(stick)
    assert bob.texts() == ["you do not know me yet"]
    assert "unverified" in bob.out("peer", "list")
    assert "peer-pending" in bob.out("log")
    assert alice.json("peer", "list")[0]["verified"] is None


def test_one_who_was_turned_down_is_not_shown_again(strangers, stick):
    alice, bob = strangers
    bob.run("peer", "decline", short(pending(bob)[0]["node"]))
    alice.say("please?")
    alice.sync(stick)
    bob.sync(stick)
    assert "Nobody waits" in bob.err("peer", "pending")
    assert bob.texts() == bob.json("peer", "list") == []


@pytest.mark.parametrize("command", [("accept", "2", "X"), ("accept", "xyz", "X"), ("decline", "7"), ("decline", "")])
def test_nobody_is_met_by_a_wrong_number(strangers, command):
    _, bob = strangers
    assert "see `paquebot peer pending`" in bob.err("peer", *command, code=1)
    assert len(pending(bob)) == 1


def test_a_name_in_use_is_not_given_twice(strangers, make, meet):
    _, bob = strangers
    meet(bob, make("Carol"))
    assert "another peer" in bob.err("peer", "accept", "1", "Carol", code=2)
    assert "printable" in bob.err("peer", "accept", "1", "A\nB", code=2)
    assert len(pending(bob)) == 1


def test_a_server_that_welcomes_everybody_takes_a_letter_at_first_sight(make, stick, tmp_path):
    alice, server = make("Alice"), make("Server")
    (server.path / "config.toml").write_text('accept = "first"\n')
    server.run("card", "-o", tmp_path / "server.card")
    alice.run("peer", "add", "Server", tmp_path / "server.card")
    alice.say("hello")
    alice.sync(stick)
    server.sync(stick)
    assert server.texts() == ["hello"]
    (server.path / "config.toml").write_text('accept = "all"\n')
    assert 'accept is "ask"' in server.err("sync", "--via", stick, code=2)


# Invitations.


def test_from_an_invitation_to_the_first_message_in_four_commands_each(make, stick, tmp_path):
    alice = make("Alice")  # 1
    alice.say("welcome")  # 2
    alice.run("invite", "--for", "Robert", "-o", tmp_path / "inv.txt")  # 3
    bob = make("Bob")  # 1
    said = bob.out("join", tmp_path / "inv.txt")  # 2
    assert "verified by the invitation" in said
    bob.sync(stick)  # 3
    alice.sync(stick)  # 4
    bob.sync(stick)  # 4
    assert bob.texts() == ["welcome"]
    (peer,) = alice.json("peer", "list")
    assert (peer["name"], peer["verified_by"]) == ("Robert", "invitation")
    (invite,) = json.loads(alice.out("invite", "list", "--json"))
    assert (invite["state"], invite["used_by"]) == ("used", peer["node"])


def invited(alice, tmp_path, *options: str) -> str:
    return alice.out("invite", *options).strip()


def test_an_invitation_lets_one_guest_in_and_the_next_waits_with_the_reason(make, stick, tmp_path):
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    code = invited(alice, tmp_path)
    for guest in (bob, carol):
        guest.run("join", code)
        guest.sync(stick)
        alice.sync(stick)
    assert [each["name"] for each in alice.json("peer", "list")] == ["Bob"]
    (found,) = pending(alice)
    assert (found["name"], found["reason"]) == ("Carol", "the invitation that it shows is used")
    assert "is used" in alice.out("peer", "pending")


def test_a_revoked_invitation_lets_nobody_in(make, stick, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    code = invited(alice, tmp_path)
    (invite,) = json.loads(alice.out("invite", "list", "--json"))
    alice.run("invite", "revoke", invite["id"][:6])
    bob.run("join", code)
    bob.sync(stick)
    alice.sync(stick)
    assert pending(alice)[0]["reason"] == "the invitation that it shows is revoked"
    assert "no invitation of ours" in alice.err("invite", "revoke", "zzzz", code=1)


def test_an_invitation_that_is_too_old_is_refused_by_both_sides(make, stick, tmp_path):
    day = 86_400_000
    start = 1_800_000_000_000
    alice, bob = make("Alice", clock=start), make("Bob", clock=start)
    code = invited(alice, tmp_path, "--days", "2")
    bob.run("join", code)
    bob.sync(stick)
    alice.clock = bob.clock = start + 3 * day
    alice.sync(stick)
    assert pending(alice)[0]["reason"] == "the invitation that it shows is expired"
    carol = make("Carol", clock=start + 3 * day)
    assert "was good until" in carol.err("join", code, code=2)
    assert "pinned" in carol.out("peer", "add", "Alice", "-", stdin=code.encode())


def test_an_invitation_open_for_long_verifies_nobody(make, stick, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    assert "open for long" in bob.out("join", invited(alice, tmp_path, "--days", "60"))
    bob.sync(stick)
    alice.sync(stick)
    assert [each["verified"] for each in (*alice.json("peer", "list"), *bob.json("peer", "list"))] == [None, None]


@pytest.mark.parametrize("text", ["PAQUEBOT:", "PAQUEBOT:AAAA", "no such file", "PAQUEBOT:" + "A" * 3000])
def test_what_is_no_invitation_says_so(make, text):
    bob = make("Bob")
    assert "error" in bob.err("join", text, code=None)
    assert bob.json("peer", "list") == []


def test_a_mistake_in_an_invitation_is_noticed(make, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    code = invited(alice, tmp_path)
    bad = code[:500] + ("B" if code[500] != "B" else "C") + code[501:]
    for wrong in (bad, code[:-10]):
        assert "complete" in bob.err("join", wrong, code=1)
    broken = "\n".join(code.lower()[at : at + 60] for at in range(0, len(code), 60))
    assert "pinned" in bob.out("join", "-", stdin=f"> Hello Bob,\n{broken}\n".encode())


def test_nobody_joins_himself(make, tmp_path):
    alice = make("Alice")
    assert "our own card" in alice.err("join", invited(alice, tmp_path), code=2)


# Words and codes.


def test_two_people_read_words_to_each_other_and_type_them(pair):
    alice, bob = pair
    hers, his = (home.json("peer", "verify", other.name)["read"] for home, other in ((alice, bob), (bob, alice)))
    assert hers != his
    assert len(hers) == len(his) == 4
    assert "verified" in alice.out("peer", "verify", "Bob", "--words", " ".join(his))
    assert "verified" in bob.out("peer", "verify", "Alice", "--words", ", ".join(hers).upper())
    assert alice.json("peer", "show", "Bob")["verified_by"] == "words"
    assert "verified   by words" in alice.out("peer", "show", "Bob")


def test_wrong_words_verify_nobody(pair):
    alice, bob = pair
    hers = alice.json("peer", "verify", "Bob")["read"]
    his = bob.json("peer", "verify", "Alice")["read"]
    assert "to be read aloud here" in alice.err("peer", "verify", "Bob", "--words", " ".join(hers), code=2)
    for wrong in (his[:3], his[::-1], ["oven"] * 4, []):
        assert "not the words" in alice.err("peer", "verify", "Bob", "--words", " ".join(wrong), code=2)
    assert alice.json("peer", "show", "Bob")["verified"] is None


def test_somebody_in_between_is_noticed(make, meet):
    alice, bob, mallory = make("Alice"), make("Bob"), make("Mallory")
    meet(alice, mallory)
    meet(bob, mallory)
    read_to_alice = bob.json("peer", "verify", "Mallory")["read"]
    assert "not the words" in alice.err("peer", "verify", "Mallory", "--words", " ".join(read_to_alice), code=2)


def test_a_scanned_fingerprint_verifies_as_well_as_words(pair, capsys):
    from paquebot.meetings import node_code
    from paquebot.node import Node

    alice, bob = pair
    codes = []
    for home in pair:
        with Node(home.path, looking=True) as node:
            codes.append(node_code(node.view))
    assert "not that of Bob" in alice.err("peer", "verify", "Bob", "--words", codes[0], code=2)
    assert "verified" in alice.out("peer", "verify", "Bob", "--words", "-", stdin=codes[1].encode())
    shown = bob.out("card", "--qr").splitlines()
    assert len(shown) <= 23
    assert max(map(len, shown)) <= 80


def test_a_card_as_a_code_or_picture_can_be_added(make, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    code = alice.out("card", "--code")
    assert "pinned" in bob.out("peer", "add", "Alice", "-", stdin=code.encode())
    alice.run("card", "--svg", tmp_path / "a.svg", "--png", tmp_path / "a.png")
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "needs a terminal" in alice.err("invite", "--qr", code=2)


@pytest.fixture
def crowd(make, stick, tmp_path):
    """Three who have pinned Bob and write to him; he knows none of them."""
    bob = make("Bob", clock=TODAY)
    bob.run("card", "-o", tmp_path / "bob.card")
    for name in ("Ann", "Ben", "Cy"):
        one = make(name, clock=TODAY)
        one.run("peer", "add", "Bob", tmp_path / "bob.card")
        one.say("hello")
        one.sync(stick)
    return bob


def test_only_so_many_strangers_are_heard_in_a_day_however_often_it_is_looked(crowd, stick, monkeypatch):
    monkeypatch.setattr("paquebot.protocol.strangers.STRANGERS_READ_MAX", 2)
    first = crowd.sync(stick)
    assert (first["found"], first["not_ours"], len(pending(crowd))) == (3, 3, 2)
    assert any("more strangers wrote than are heard in a day" in each for each in first["notes"])
    for minutes in (5, 10, 15):
        crowd.clock = TODAY + minutes * 60_000
        again = crowd.sync(stick)
        assert (again["found"], again["notes"]) == (0, []), "they are not even opened again"
    crowd.clock = TODAY + DAY_MS
    crowd.sync(stick)
    assert len(pending(crowd)) == 3
    crowd.clock = TODAY + DAY_MS + 60_000
    assert crowd.sync(stick)["found"] == 0


def test_who_is_a_peer_is_heard_though_a_crowd_of_strangers_writes(crowd, make, meet, stick, monkeypatch):
    monkeypatch.setattr("paquebot.protocol.strangers.STRANGERS_READ_MAX", 1)
    dora = make("Dora", clock=TODAY)
    meet(crowd, dora)
    crowd.sync(stick)
    dora.say("it is me")
    dora.sync(stick)
    crowd.sync(stick)
    assert crowd.texts() == ["it is me"]


def test_of_strangers_who_say_nothing_of_themselves_only_some_is_set_aside_in_a_day(make, meet, stick, monkeypatch):
    monkeypatch.setattr("paquebot.protocol.strangers.STRANGERS_KEPT_MAX", 1)
    alice, bob = make("Alice", clock=TODAY), make("Bob", clock=TODAY)
    meet(alice, bob)
    for home in (alice, bob, alice):
        home.say("hello")
        home.sync(stick)
    bob.run("peer", "remove", "Alice")
    for number in range(3):
        alice.clock = bob.clock = TODAY + number * 3_600_000
        alice.say(f"{number}")
        alice.sync(stick)
        bob.sync(stick, code=None)
    assert len(bob.json("quarantine", "list")["pieces"]) == 1
