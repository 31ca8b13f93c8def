"""What there is to read without a network: topics, man pages, and what the shell completes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import pytest
from tests.e2e.conftest import Home

from paquebot.cli.main import COMMANDS, TOPICS, group, topic_text


@pytest.fixture
def nobody(tmp_path):
    """A home without a node: who reads has none yet."""
    return Home(tmp_path / "none", "nobody")


def test_help_lists_the_topics_and_every_topic_can_be_read(nobody):
    said = nobody.out("help")
    for topic in TOPICS:
        assert f"paquebot help {topic}" in said
        text = nobody.out("help", topic)
        assert text.startswith(topic.upper())
        assert max(map(len, text.splitlines())) <= 80
    assert not nobody.path.exists()


def test_help_of_a_command_is_what_the_command_says(nobody):
    for words in (["publish"], ["peer", "verify"], ["trust"]):
        assert nobody.out("help", *words).strip() == nobody.out(*words, "--help").strip()


@pytest.mark.parametrize("words", [["nope"], ["peer", "nope"], ["publish", "nope"], ["security", "nope"]])
def test_what_is_neither_says_what_there_is(nobody, words):
    assert "topics: security, formats" in nobody.err("help", *words, code=1)


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_name_only_commands_and_options_that_exist(topic):
    named = re.findall(r"paquebot ((?:--home [A-Z/a-z]+ )?)([a-z-]+)((?: [a-z]+\b)?)([^\n`)]*)", topic_text(topic))
    assert named or topic == "plugin"
    for _, name, second, rest in named:
        assert name in COMMANDS, name
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group) and second:
            command = command.get_command(click.Context(command), second.strip())
            assert command is not None, f"{name}{second}"
        known = {option for each in command.params for option in each.opts} | {"--help"}
        assert set(re.findall(r"--[a-z-]+", rest.partition("paquebot")[0])) <= known, (name, rest)


def test_man_pages_are_written_for_every_command(nobody, tmp_path):
    nobody.run("help", "--man", tmp_path / "man1")
    pages = {path.name: path.read_text() for path in (tmp_path / "man1").iterdir()}
    assert {f"paquebot-{name}.1" for name in COMMANDS} | {"paquebot.1", "paquebot-peer-verify.1"} <= pages.keys()
    for page in pages.values():
        assert page.startswith('.TH "PAQUEBOT')
        macros = {line.split()[0] for line in page.splitlines() if line[:1] in (".", "'")}
        assert macros <= {".TH", ".SH", ".PP", ".TP", ".nf", ".fi"}
        assert "\b" not in page
    assert "paquebot publish \\-\\-message" in pages["paquebot-publish.1"]
    nobody.run("help", "--man", tmp_path / "man1")
    assert {path.name: path.read_text() for path in (tmp_path / "man1").iterdir()} == pages
    assert "give no topic" in nobody.err("help", "security", "--man", tmp_path, code=2)
    nobody.run("help", "--man", tmp_path / "man1" / "paquebot.1", code=2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_every_shell(nobody, shell):
    assert f"_PAQUEBOT_COMPLETE={shell}_complete" in nobody.out("completion", shell)
    nobody.run("completion", "csh", code=2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("paquebot pub", "plain,publish\n"),
        ("paquebot peer ver", "plain,verify\n"),
        ("paquebot --pl", "plain,--plain\n"),
    ],
)
def test_the_shell_is_told_what_can_follow(words, expected):
    asked = {"_PAQUEBOT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "paquebot"], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)
