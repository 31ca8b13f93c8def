"""Errands are made once for each event, wait when there are too many, and outlive the events they are about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from tests.unit.nodes import NOW, carry, friends

from paquebot import errands
from paquebot.config import Config, Hooks, Output
from paquebot.protocol.effects import DropErrand, Note
from paquebot.protocol.events import Kind
from paquebot.protocol.limits import DAY_MS, EVENTS_AGE_MS
from paquebot.protocol.patience import backoff
from paquebot.protocol.stamp import Millis

HOOKED = Config(Path("config.toml"), hooks=Hooks({"on-arrival": ("true",), "on-arrived": ("true",)}))


def heard(*texts: str):
    """A node to which these messages came."""
    alice, bob = friends("Alice", "Bob")
    alice.say(*texts)
    carry(alice, bob)
    return bob, bob.store.view


def enlist(node, config=HOOKED, now=NOW):
    return node.store.commit(errands.enlist(node.store.view, config, now))


def test_every_event_makes_its_errands_once():
    bob, view = heard("one", "two")
    enlist(bob)
    assert [each.task for each in view.errands()] == ["on-arrival", "on-arrived"] * 2
    assert [each.event for each in view.errands()][::2] == view.events(kinds=[Kind.ARRIVED])
    assert enlist(bob) == []
    assert len(view.errands()) == 4


def test_what_happened_before_a_hook_was_configured_is_not_its_business():
    bob, view = heard("one")
    enlist(bob, Config(Path("config.toml")))
    enlist(bob)
    assert view.errands() == []


def test_too_many_errands_hold_back_the_next_and_none_is_lost():
    bob, view = heard("one", "two", "three")
    done = []
    with patch.object(errands, "ERRANDS_MAX", 3), patch.object(errands, "EVENTS_MAX", 0):
        for _ in range(5):
            enlist(bob)
            assert len(view.errands()) <= 3
            done += [each.event.resource for each in view.errands()]
            bob.store.commit([DropErrand(each.number) for each in view.errands()])
        assert enlist(bob) == []
    assert len(done) == 6
    assert len(set(done)) == 3


def test_the_log_is_bounded_by_number_and_age_and_errands_outlive_it():
    bob, view = heard("one", "two")
    with patch.object(errands, "EVENTS_MAX", 2):
        enlist(bob)
    assert len(view.events()) == 2
    later = Millis(NOW + EVENTS_AGE_MS + DAY_MS)
    bob.store.commit([Note(Kind.FAILURE, later, detail="stick: gone")])
    enlist(bob, now=later)
    assert [each.kind for each in view.events()] == [Kind.FAILURE]
    assert len(view.errands()) == 4


def test_outputs_match_by_author_and_tag():
    bob, view = heard("one")
    outputs = (Output("all"), Output("alice", peer="Alice"), Output("eve", peer="Eve"), Output("tagged", tag="x"))
    enlist(bob, Config(Path("config.toml"), outputs=(*outputs, Output("all"))))
    assert [each.task for each in view.errands()] == ["output all", "output alice"]


def test_a_failure_puts_an_errand_off_ever_longer_and_is_noted_once():
    bob, view = heard("one")
    enlist(bob)
    now, waits = NOW, []
    for _ in range(4):
        errand = view.errands()[0]
        bob.store.commit(errands.settled(errand, "exit code 1\nred", now))
        again = view.errands()[0]
        assert not errands.due(again, now)
        assert errands.due(again, again.retry_at)
        waits.append(again.retry_at - now)
        now = again.retry_at
    assert waits == [backoff(count) for count in (1, 2, 3, 4)]
    assert again.problem == "exit code 1\\nred"
    assert len(view.events(kinds=[Kind.HOOK_FAILED])) == 1
    assert errands.due(again, Millis(NOW - 3650 * DAY_MS))
    bob.store.commit(errands.settled(again, "", now))
    assert again.number not in [each.number for each in view.errands()]


def test_an_errand_about_something_forgotten_is_given_up_and_that_is_noted():
    bob, view = heard("one")
    enlist(bob)
    for errand in view.errands():
        bob.store.commit(errands.settled(errand, "exit code 1", NOW))
    for errand in view.errands():
        bob.store.commit(errands.settled(errand, errands.GONE, NOW))
    assert view.errands() == []
    assert [errands.GONE in each.detail for each in view.events(kinds=[Kind.HOOK_FAILED])] == [False, False, True, True]


def test_errands_of_hooks_that_are_configured_no_more_are_given_up_and_take_no_room():
    bob, view = heard("one", "two")
    enlist(bob, replace(HOOKED, outputs=(Output("all"),)))
    config = replace(HOOKED, hooks=Hooks({"on-silence": ("true",)}))
    bob.store.commit([Note(Kind.SILENCE, NOW, detail="for days")])
    with patch.object(errands, "ERRANDS_MAX", 3):
        enlist(bob, config)
    assert [each.task for each in view.errands()] == ["output all", "output all", "on-silence"]
    given_up = [each.detail for each in view.events(kinds=[Kind.HOOK_FAILED])]
    assert given_up == [f"{task}: {errands.UNKNOWN}" for task in ("on-arrival", "on-arrived") * 2]
