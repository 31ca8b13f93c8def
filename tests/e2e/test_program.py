"""A carrier in another language, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "folder.sh"


def uses(home, name, command, **settings):
    with (home.path / "config.toml").open("a") as file:
        told = ", ".join(f"{key} = {json.dumps(str(value))}" for key, value in settings.items())
        words = json.dumps([str(word) for word in command])
        file.write(f'[transport.{name}]\nuses = "program"\ncommand = {words}\nsettings = {{ {told} }}\n')


@pytest.fixture
def loft(tmp_path):
    path = tmp_path / "a loft"
    path.mkdir()
    return path


def test_two_nodes_meet_over_a_program(pair, loft):
    alice, bob = pair
    for home in pair:
        uses(home, "loft", ["sh", FOLDER], path=loft)
    alice.say("from afar")
    for home in (alice, bob) * 3:
        home.run("sync")
    assert bob.texts() == ["from afar"]
    assert alice.peer("Bob")["applied"] == 1
    assert list(loft.iterdir()) == [], "what all have is deleted"
    before = [path.stat().st_mtime_ns for path in loft.iterdir()]
    assert alice.out("sync") == bob.out("sync") == ""
    assert [path.stat().st_mtime_ns for path in loft.iterdir()] == before
    assert "written anew" not in alice.out("plan", "loft")


def test_a_program_may_carry_to_addresses(make, meet, loft, tmp_path):
    source = FOLDER.read_text()
    for old, new in {
        "relays=yes": 'address="$address"',
        "path=$text ;;": 'path=$text; [ "$name" = address ] && address=$text ;;',
        "/[0-9a-f]{32})+": "/[0-9a-f]{32}/[a-z-]+)+",
    }.items():
        assert old in source
        source = source.replace(old, new)
    (tmp_path / "addressed.sh").write_text(source)
    alice, bob = make("Alice"), make("Bob")
    for home in (alice, bob):
        uses(home, "loft", ["sh", tmp_path / "addressed.sh"], path=loft)
        with (home.path / "config.toml").open("a") as file:
            file.write(f'address = "loft-of-{home.name.lower()}"\n')
        home.run("sync")
    meet(alice, bob)
    alice.say("to your door")
    alice.run("sync")
    [parcel] = loft.glob("*.parcel")
    assert b"/loft-of-bob expires=" in parcel.read_bytes().partition(b"\n")[0]
    bob.run("sync")
    assert bob.texts() == ["to your door"]


def test_one_that_is_not_there_or_misbehaves_does_not_stop_the_others(pair, loft, tmp_path):
    alice, bob = pair
    uses(alice, "babel", ["sh", "-c", "echo '\x1b[31mHello'; exec sleep 10"])
    uses(alice, "dead", ["sh", "-c", "echo 'no wings \x1b[31m' >&2; exit 3"])
    uses(alice, "gone", ["sh", FOLDER], path=tmp_path / "nowhere")
    uses(alice, "loft", ["sh", FOLDER], path=loft)
    uses(bob, "loft", ["sh", FOLDER], path=loft)
    alice.say("in spite of all")
    said = alice.err("sync", code=None)
    assert "babel does not keep to the line protocol" in said or "speaks without being asked" in said
    assert "dead ended with exit code 3: no wings \\x1b" in said
    assert f"gone: {tmp_path / 'nowhere'} is not there" in said
    assert "\x1b" not in said
    bob.run("sync")
    assert bob.texts() == ["in spite of all"]


def test_what_a_program_says_besides_is_shown_to_who_watches(make, meet, loft):
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob)
    uses(alice, "loft", ["sh", "-c", f"echo 'flying \x1b[2J' >&2; exec sh {FOLDER}"], path=loft)
    assert "loft: flying \\x1b[2J\n" in alice.out("sync", "-v")
    assert alice.out("sync") == alice.err("sync") == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('uses = "program"', "command is missing"),
        ('uses = "program"\ncommand = "pigeon"', "not a list of texts"),
        ('uses = "program"\ncommand = ["x"]\ntimeout = 0', "timeout is from 1 to 86400"),
    ],
)
def test_a_mistake_in_the_settings_is_named(pair, line, said):
    alice, _ = pair
    (alice.path / "config.toml").write_text(f"[transport.pigeon]\n{line}\n")
    found = alice.err("sync", code=2)
    assert "[transport.pigeon]" in found
    assert said in found
