"""A peer that announces keys which are none, or another's: it harms itself and nobody else."""

from contextlib import contextmanager
from unittest.mock import patch

import pytest
from tests.e2e.conftest import Home

from paquebot.envelope_keys import EnvelopeKeys
from paquebot.node import Node
from paquebot.protocol import admission
from paquebot.protocol.encoding import b64
from paquebot.protocol.publishing import Draft

POINTLESS = b64(bytes(32))


@pytest.fixture
def three(make, meet):
    homes = make("Alice"), make("Bob"), make("Carol")
    meet(*homes)
    return homes


def announced(home: Home) -> dict:
    with Node(home.path) as node:
        name = node.view.announced(node.view.local().node)
        return node.resource(name).container.value["envelope_keys"]


@contextmanager
def unchecked():
    """What a hostile peer's program does not check, or an older one of ours."""

    with (
        patch("paquebot.protocol.points.exchanges", lambda _: True),
        patch("paquebot.protocol.points.signs", lambda _: True),
        patch.object(admission, "_check_point", lambda *_: None),
        patch.object(EnvelopeKeys, "_checked", lambda _, secrets: secrets),
        patch.object(EnvelopeKeys, "turn", lambda *_: None),
    ):
        yield


def announce(home: Home, **change: object) -> None:
    keys = {**announced(home), **change}
    with Node(home.path) as node:
        node.publish([Draft(schemas=("envelope_keys",), fields={"envelope_keys": keys})])


def change_of(home: Home, what: str) -> dict:
    if what != "points":
        return {what: POINTLESS}
    groups = announced(home)["groups"]
    return {"groups": [{**group, "points": POINTLESS * (len(group["points"]) // 43)} for group in groups]}


@pytest.mark.parametrize("what", ["storage", "points", "signing"])
def test_keys_that_are_none_are_refused_when_they_arrive(three, stick, what):
    alice, bob, carol = three
    with unchecked():
        announce(bob, **change_of(bob, what))
        bob.sync(stick)

    alice.say("hi all")
    assert "malformed" in alice.err("sync", "--via", stick, code=3)
    alice.sync(stick)
    carol.run("sync", "--via", stick, code=None)
    assert carol.texts() == ["hi all"]
    with unchecked():
        bob.sync(stick)
    assert bob.texts() == ["hi all"], "his earlier keys go on"


@pytest.mark.parametrize("what", ["storage", "points"])
def test_keys_that_turn_out_to_be_none_stop_the_letters_to_their_owner_alone(three, stick, what):
    alice, bob, carol = three
    with unchecked():
        announce(bob, **change_of(bob, what))
        bob.sync(stick)
        alice.run("sync", "--via", stick, code=None)
        alice.say("hi all")
        carol.say("hi Alice")
        carol.run("sync", "--via", stick, code=None)

        said = alice.err("sync", "--via", stick, code=16)
        assert "Bob" in said
        assert alice.peer("Carol")["handed"] == 1
        carol.run("sync", "--via", stick, code=None)
    assert sorted(alice.texts()) == ["hi Alice", "hi all"]
    assert sorted(carol.texts()) == ["hi Alice", "hi all"]


def test_anothers_signing_key_is_refused(three, stick):
    alice, bob, carol = three
    theirs = announced(carol)
    with unchecked():
        announce(bob, signing=theirs["signing"], created=theirs["created"])
        bob.sync(stick)
    assert "not-permitted" in alice.err("sync", "--via", stick, code=3)
    carol.say("help")
    carol.run("sync", "--via", stick, code=None)
    alice.sync(stick)
    assert alice.texts() == ["help"]


def test_who_has_anothers_signing_key_cuts_nobody_off(three, stick):
    alice, bob, carol = three
    theirs = announced(carol)
    with unchecked():
        announce(bob, signing=theirs["signing"], created=theirs["created"])
        bob.sync(stick)
        alice.sync(stick)
        carol.say("help")
        carol.sync(stick)
        alice.sync(stick)
    assert alice.texts() == ["help"]
