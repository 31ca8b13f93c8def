"""Transports are found by their entry point, ours and strangers' alike, and one that fails does not stop the rest."""

import pytest

from paquebot import registry
from paquebot.entrypoints import EntryPoint
from paquebot.errors import PluginError

GROUP = registry.GROUP


def points(monkeypatch, *found: EntryPoint) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_ours_is_found_like_any_other():
    assert registry.load("drop").name == "drop"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(PluginError, match="did you mean 'drop'"):
        registry.load("drpo")


def test_two_of_one_name_are_refused_with_both_owners(monkeypatch):
    points(monkeypatch, EntryPoint("x", "one:T", GROUP), EntryPoint("x", "two:T", GROUP))

    with pytest.raises(PluginError, match=r"one:T and two:T"):
        registry.installed()


def test_one_that_does_not_load_says_why(monkeypatch):
    points(monkeypatch, EntryPoint("x", "no_such_module:T", GROUP))

    with pytest.raises(PluginError, match="does not load: No module named"):
        registry.load("x")


def test_one_for_another_door_is_refused(monkeypatch):
    points(monkeypatch, EntryPoint("x", "paquebot.registry:TransportKind", GROUP))

    with pytest.raises(PluginError, match="speaks version None"):
        registry.load("x")
