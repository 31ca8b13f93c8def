"""What is on its way, and what would go: as much as is known, and nothing is done by asking."""

import os

import pytest
from tests.e2e.conftest import tree
from tests.e2e.test_looking import state

from paquebot.protocol.limits import HOUR_MS, RELEASED_MS

CHUNKED = 3_000_000
TODAY = RELEASED_MS + HOUR_MS


@pytest.fixture
def told(pair, tmp_path):
    """Alice, who has a note and a large file for Bob."""
    alice, bob = pair
    alice.say("hello", "--title", "Greeting")
    (tmp_path / "chart.bin").write_bytes(os.urandom(CHUNKED))
    alice.run("publish", tmp_path / "chart.bin")
    return alice, bob


def test_a_plan_is_what_the_sync_then_does(told, stick):
    alice, _ = told
    homes, sticks = state(alice.path), tree(stick)

    plan = alice.json("plan", "--via", stick)

    assert (state(alice.path), tree(stick)) == (homes, sticks), "asking changed something"
    ((batch,),) = [each["batches"] for each in plan["carriers"]]
    assert (batch["peer"], batch["contents"]["parts"]) == ("Bob", 3)
    assert set(batch["contents"]["titles"]) == {"Greeting", "chart.bin"}
    said = alice.out("plan", "--via", stick)
    report = alice.sync(stick)
    assert (batch["letters"], report["sent"]) == (2, 2)
    assert CHUNKED < report["sent_bytes"] <= batch["bytes_max"]
    assert "Bob: 2 envelopes, at most 3." in said
    assert alice.json("plan", "--via", stick)["carriers"][0]["batches"] == []


def test_the_outbox_is_what_was_handed_over_and_not_acknowledged(told, stick):
    alice, bob = told
    assert alice.json("outbox") == []
    alice.sync(stick)

    (batch,) = alice.json("outbox", "--peer", "Bob")
    assert (batch["peer"], batch["where"], batch["letters"]) == ("Bob", str(stick), 2)
    assert "Greeting" in alice.out("outbox")
    assert "no peer is called" in alice.err("outbox", "--peer", "Nobody", code=1)

    bob.sync(stick)
    alice.sync(stick)
    assert all(each["contents"]["parts"] == 0 for each in alice.json("outbox"))


def test_a_plan_for_two_carriers_counts_as_their_sync_does(told, stick, tmp_path):
    alice, _ = told
    other = tmp_path / "other"
    other.mkdir()

    plan = alice.json("plan", "--via", stick, "--via", other)
    report = alice.json("sync", "--via", stick, "--via", other)

    planned = sum(batch["letters"] for each in plan["carriers"] for batch in each["batches"])
    assert planned == report["sent"] == 4


def test_a_plan_asks_for_no_more_than_the_limits_let_a_sync_ask_for(make, meet, stick):
    alice, bob = make("Alice", clock=TODAY), make("Bob", clock=TODAY)
    meet(alice, bob)
    (bob.path / "config.toml").write_text("[limits]\nitems = 5\n")
    for n in range(12):
        alice.say(f"{n} " * 35_000)
    alice.sync(stick)
    bob.sync(stick)
    bob.clock = TODAY + HOUR_MS
    ((batch,),) = [each["batches"] for each in bob.json("plan", "--via", stick)["carriers"]]
    assert batch["contents"]["requests"] == 5 + 1, "five notes, and what is new"
    (bob.path / "config.toml").write_text("[limits]\nitmes = 5\n")
    assert "did you mean 'items'" in bob.err("plan", "--via", stick, code=2)


def test_a_plan_without_a_carrier_says_so(told, tmp_path):
    alice, _ = told
    assert "--via" in alice.err("plan", code=2)
    assert "no stick or folder is there" in alice.err("plan", "--via", tmp_path / "absent", code=13)
    assert "stick" in alice.err("plan", "stick", code=2)


def test_a_plan_needs_no_key_and_waits_for_nobody(told, stick):
    from paquebot.home import locked

    alice, _ = told
    (alice.path / "keys" / "node.json").unlink()
    with locked(alice.path):
        assert alice.json("plan", "--via", stick)["carriers"][0]["batches"]
        assert alice.json("outbox") == []
