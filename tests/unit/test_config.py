"""The configuration file: every mistake is named with its remedy."""

from dataclasses import dataclass

import pytest

from paquebot import config
from paquebot.config import Carrier
from paquebot.errors import ConfigError


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

    assert config.read(path).carriers == (Carrier("b", "drop", {"path": "/b"}), Carrier("a", "mail", {}))


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
