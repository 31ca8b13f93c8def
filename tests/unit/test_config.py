"""The configuration file: every mistake is named with its remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from paquebot import config
from paquebot.config import Carrier
from paquebot.errors import ConfigError
from paquebot.protocol.account import Grant
from paquebot.transport import PathText


@dataclass(frozen=True)
class Settings:
    path: str
    label: str = ""
    limit: int | None = None
    ratio: float = 1.0
    quiet: bool = False


def test_no_file_is_an_empty_configuration(tmp_path):
    assert config.read(tmp_path / "config.toml").carriers == ()


def test_carriers_come_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[transport.b]\nuses = 'drop'\npath = '/b'\n[transport.a]\nuses = 'mail'\n")

    assert config.read(path).carriers == (
        Carrier("b", "drop", {"path": "/b"}, base=tmp_path),
        Carrier("a", "mail", {}, base=tmp_path),
    )


def test_a_table_becomes_settings():
    assert config.settings("here", Settings, {"path": "/x", "limit": 3}) == Settings("/x", limit=3)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({}, "here: path is missing"),
        ({"path": 1}, "here: path = 1 is not a text in quotes"),
        ({"path": "/x", "limit": "3"}, "here: limit = '3' is not a whole number"),
        ({"path": "/x", "limit": True}, "here: limit = True is not a whole number"),
        ({"path": "/x", "quiet": 1}, "here: quiet = 1 is not true or false"),
        ({"path": "/x", "lable": "y"}, "here: 'lable' is unknown; did you mean 'label'?"),
        ({"path": "/x", "zzz": "y"}, "here: 'zzz' is unknown; known are: path, label, limit, ratio, quiet"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(table, complaint):
    with pytest.raises(ConfigError) as caught:
        config.settings("here", Settings, table)

    assert str(caught.value) == complaint


@dataclass(frozen=True)
class House:
    door: Door | None = None
    window: Pane | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Door:
    host: str
    port: int = 0


@dataclass(frozen=True)
class Pane:
    width: int = 0
    height: int = 0


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"door": "/x"}, "door = '/x' is not a table of host, port; write door = { host = \"/x\" }"),
        ({"door": 3}, "door = 3 is not a table of host, port; write door = { host = … }"),
        (
            {"words": "pass show x"},
            'words = \'pass show x\' is not a list of texts in quotes; write words = ["pass", "show", "x"]',
        ),
        ({"words": [1]}, "words = [1] is not a list of texts in quotes"),
        ({"window": "w"}, "window = 'w' is not a table of width, height; write window = { width = … }"),
    ],
)
def test_where_a_table_or_a_list_is_wanted_it_is_said_how_one_is_written(table, complaint):
    with pytest.raises(ConfigError) as caught:
        config.settings("here", House, table)
    assert str(caught.value) == f"here: {complaint}"


@dataclass(frozen=True)
class Places:
    near: PathText = PathText("")
    named: str = ""
    inner: Places | None = None


def test_a_relative_path_begins_where_the_file_lies(monkeypatch):
    monkeypatch.setenv("HOME", "/home/a")
    given = {"near": "x/y", "named": "x/y"}
    base = Path("/etc/paquebot")
    assert config.settings("", Places, given | {"inner": {"near": "z"}}, base) == Places(
        PathText("/etc/paquebot/x/y"), "x/y", Places(PathText("/etc/paquebot/z"))
    )
    for path, found in (("~/x", "/home/a/x"), ("/x", "/x"), ("", "")):
        assert config.settings("", Places, {"near": path}, base) == Places(PathText(found))
    for wrong in (7, "a\0b"):
        with pytest.raises(ConfigError, match="is not a path in quotes"):
            config.settings("", Places, {"near": wrong}, base)


def test_an_enormous_file_is_not_read_as_toml(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"[" * 300_000)

    with pytest.raises(ConfigError, match="larger than any"):
        config.read(path)


def test_a_deep_one_is_refused_politely(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"a = " + b"[\n" * 30_000)

    with pytest.raises(ConfigError, match="not TOML"):
        config.read(path)


# [limits]


def test_limits_are_generous_unless_they_are_set(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("")
    assert config.read(path).limits.grant == Grant()
    path.write_text("[limits]\nwindow_minutes = 30\nitems = 7\nmegabytes = 100\n")
    assert config.read(path).limits.grant == Grant(window_ms=1_800_000, items=7, bytes=100 << 20)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("limits = 3", "write [limits]"),
        ("[limits]\nitem = 3", "did you mean 'items'"),
        ("[limits]\nitems = 0", "items is at least 1"),
        ("[limits]\nitems = -5", "items is at least 1"),
        ('[limits]\nitems = "many"', "a whole number"),
        ("[limits]\nitems = true", "a whole number"),
        ("[limits]\nmegabytes = 1", "megabytes is at least 16"),
        ("[limits]\nanswer_megabytes = 15", "answer_megabytes is at least 16"),
        ("[limits]\nwindow_minutes = 99999", "window_minutes is at most 44640"),
        ("[limits]\nenvelopes = 99999999999", "envelopes is"),
    ],
)
def test_limits_that_make_no_sense_are_refused_with_their_remedy(tmp_path, text, hint):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(hint)):
        config.read(path)
