"""`--expires`: shown, and let go where a rule says so; a clock that is wrong throws nothing away."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from tests.e2e.conftest import Home

DAY = 86_400_000


def at(home: Home, days: float) -> Home:
    """Return the home with its clock so many days from now."""
    return Home(home.path, home.name, clock=int(time.time() * 1000 + days * DAY))


def date(days: int) -> str:
    return datetime.fromtimestamp(time.time() + days * 86_400, UTC).strftime("%Y-%m-%d")


@pytest.fixture
def given(pair, stick):
    """Bob holds, and has seen, what Alice published openly and privately until in three days; he keeps no expired."""
    alice, bob = pair
    uris = [alice.say("the ferry leaves at nine", "--expires", date(3), *more) for more in ((), ("--to", "Bob"))]
    alice.say("for ever")
    alice.sync(stick), bob.sync(stick)
    for uri in uris:
        bob.run("show", uri)
    (bob.path / "config.toml").write_text("[keep]\nexpired = true\n")
    return alice, bob, uris


def listed(home: Home) -> dict[str, dict]:
    return {each["uri"]: each for each in home.json("list")}


def test_what_expired_is_shown_as_expired_from_its_day_on_and_not_before(given):
    _, bob, uris = given
    for uri in uris:
        assert listed(bob)[uri]["expires"].startswith(date(3))
        assert not listed(bob)[uri]["expired"]
        assert f"expires   {date(3)}" in bob.out("show", uri)
        assert listed(at(bob, 4))[uri]["expired"]
        assert f"expired   {date(3)}" in at(bob, 4).out("show", uri)
    assert "expired" not in bob.out("list")
    assert at(bob, 4).out("list").count("expired") == 2
    assert [each["expires"] for each in bob.json("list")].count(None) == 1


def test_what_expired_goes_by_rule_once_a_peers_clock_says_too_that_its_day_has_come(given, stick):
    alice, bob, uris = given
    at(bob, 4).run("sync", "--via", stick)
    assert all(uri in listed(bob) for uri in uris)
    at(alice, 4).say("four days later")
    at(alice, 4).sync(stick)
    assert at(bob, 4).sync(stick)["new"] == 1
    at(bob, 4).sync(stick)
    assert not any(uri in listed(bob) for uri in uris)
    assert len(listed(bob)) == 2
    at(alice, 4).sync(stick), at(bob, 4).sync(stick)
    assert len(listed(bob)) == 2
    assert all(uri in listed(alice) for uri in uris)


def test_nothing_goes_without_a_rule_nor_unread_nor_what_a_rule_keeps(given, stick, tmp_path):
    alice, bob, _ = given
    unread = alice.say("nobody has looked", "--expires", date(3))
    kept = alice.say("kept", "--expires", date(3), "--tag", "log")
    at(alice, 4).say("later")
    at(alice, 4).sync(stick)
    at(bob, 4).sync(stick)
    at(bob, 4).run("show", kept)
    due = {each["uri"] for each in at(bob, 4).json("forget", "--rules", "--dry-run")["resources"]}
    assert due == {kept}
    (bob.path / "config.toml").write_text("[keep]\nexpired = true\n[[keep.rule]]\ntag = 'log'\n")
    due = {each["uri"] for each in at(bob, 4).json("forget", "--rules", "--dry-run")["resources"]}
    assert not due & {kept, unread}
    (bob.path / "config.toml").write_text("")
    assert at(bob, 4).json("forget", "--rules", "--dry-run")["resources"] == []


@pytest.mark.parametrize("days", [1_400, 3_650])
def test_a_clock_years_ahead_loses_nothing_and_hands_everything_on(given, stick, make, meet, days):
    alice, bob, uris = given
    carol = make("Carol")
    meet(bob, carol, alice)
    wrong = at(bob, days)
    wrong.run("sync", "--via", stick, code=None)
    assert listed(wrong)[uris[0]]["expired"] == (days == 1_400)  # ten years are not believed at all
    assert wrong.json("forget", "--rules", "--dry-run")["resources"] == []
    wrong.run("sync", "--via", stick, code=None)
    assert not listed(bob)[uris[0]]["expired"]
    carol.sync(stick), bob.sync(stick), alice.sync(stick), bob.sync(stick), carol.sync(stick)
    assert uris[0] in listed(carol)


def test_ours_stays_while_a_peer_lacks_it(given, stick):
    alice, _, _ = given
    uri = alice.say("not there yet", "--expires", date(3))
    (alice.path / "config.toml").write_text("[keep]\nexpired = true\nunread = true\n")
    at(alice, 4).sync(stick)
    assert uri in listed(alice)


def test_rules_are_read_strictly(make):
    alice = make("Alice")
    (alice.path / "config.toml").write_text("[keep]\nexpired = 3\n")
    assert "unread and expired are true or false" in alice.err("sync", code=2)
