"""What cannot be taken back is asked first, of somebody; and who is asked keeps nobody else out of the home."""

import time

import pytest
from tests.e2e.conftest import Home
from tests.e2e.test_secrets import Terminal

from paquebot.node import Node
from paquebot.protocol.encoding import short
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis, format_time


def terminal(home: Home, *words: str) -> Terminal:
    return Terminal("--home", str(home.path), *words)


def state(home: Home) -> tuple[object, ...]:
    """What the commands below would change."""
    with Node(home.path, looking=True) as node:
        view = node.view
        gone = [(each.id, each.gone, each.revoked_by) for each in view.listed(revoked=True)]
        return view.local().node, view.tip(), gone, len(view.quarantined())


@pytest.mark.parametrize(
    "words",
    [
        ("revoke", "ID"),
        ("forget", "ID"),
        ("forget", "--kind", "message"),
        ("node", "revoke", "NODE"),
        ("node", "replace", "NODE"),
        ("node", "renew"),
    ],
)
def test_where_nobody_can_be_asked_nothing_is_done_without_a_yes(pair, words):
    alice, _ = pair
    note = alice.say("hello")
    node = short(alice.json("status")["node"])
    before = state(alice)

    said = alice.err(*({"ID": note, "NODE": node}.get(word, word) for word in words), code=2)

    assert "nobody is there to be asked: say --yes" in said
    assert state(alice) == before
    assert "nobody is there" not in alice.err("forget", "--tag", "none"), "where nothing is to do, nothing is asked"


def test_a_no_changes_nothing_and_a_yes_does_it_while_others_go_on_working(pair):
    alice, _ = pair
    note = alice.say("hello", "--title", "Greeting")
    before = state(alice)
    for answer, code in (("n", 130), ("y", 0)):
        asked = terminal(alice, "revoke", note)
        asked.expect("Revoke? [y/N]")
        assert "Greeting" in asked.shown
        assert state(alice) == before
        alice.say("said while somebody thinks")
        before = state(alice)
        asked.type(answer)
        assert asked.end() == code, asked.shown
        assert (state(alice) == before) == (answer == "n")
    assert alice.json("status", note)[0]["revoked"]


def test_a_node_that_changed_while_its_person_was_asked_is_not_renewed_twice(pair):
    alice, _ = pair
    asked = terminal(alice, "node", "renew")
    asked.expect("new keys? [y/N]")
    alice.run("node", "renew", "--yes")
    before = state(alice)
    asked.type("y")
    assert asked.end() == 2
    assert "gone on as another node meanwhile" in asked.shown
    assert state(alice) == before


def test_who_types_the_words_of_a_peer_keeps_nobody_out(pair):
    alice, bob = pair
    words = " ".join(bob.json("peer", "verify", "Alice")["read"])
    asked = terminal(alice, "peer", "verify", "Bob")
    asked.expect("Type what Bob reads to you")
    alice.say("said while somebody telephones")
    asked.type(words)
    assert asked.end() == 0, asked.shown
    assert "Bob is verified" in asked.shown
    assert alice.json("peer", "list")[0]["verified"]


def test_words_for_a_node_that_is_another_by_now_verify_nobody(pair):
    alice, bob = pair
    words = " ".join(bob.json("peer", "verify", "Alice")["read"])
    asked = terminal(alice, "peer", "verify", "Bob")
    asked.expect("Type what Bob reads to you")
    alice.run("node", "renew", "--yes")
    asked.type(words)
    assert asked.end() == 2
    assert "begin again" in asked.shown
    assert alice.json("peer", "list")[0]["verified"] is None


def test_a_clock_that_fell_back_takes_nothing_back_before_somebody_says_that_it_is_right(pair):
    alice, _ = pair
    now = time.time_ns() // 1_000_000
    assert "nothing speaks against it" in alice.out("clock", "--right"), (
        "where nothing is dated ahead, nothing is asked"
    )
    alice.clock = now + 30 * DAY_MS
    alice.say("one")
    alice.clock = None
    before = state(alice)

    assert "nobody is there to be asked: say --yes" in alice.err("clock", "--right", code=2)
    for answer, code in (("n", 130), ("y", 0)):
        asked = terminal(alice, "clock", "--right")
        asked.expect("early date? [y/N]")
        assert f"clock shows {format_time(Millis(now))[:8]}" in asked.shown
        assert "1 thing dated ahead" in asked.shown
        assert state(alice) == before
        alice.run("list")
        asked.type(answer)
        assert asked.end() == code, asked.shown
        assert (state(alice) == before) == (answer == "n")
    assert alice.json("clock")["ahead"] == []


def test_who_is_asked_for_the_date_keeps_nobody_out_and_destroys_nothing_by_a_no(pair):
    alice, _ = pair
    keys = alice.path / "keys" / "envelope.json"
    before = keys.read_bytes()
    for answer, code in (("n", 130), ("y", 0)):
        asked = terminal(alice, "key", "destroy")
        asked.expect("? [y/N]")
        alice.say("said while somebody looks at the calendar")
        asked.type(answer)
        assert asked.end() == code, asked.shown
        assert "Is it 20" in asked.shown
    assert "No envelope key is past its time" in asked.shown
    assert keys.read_bytes() == before
