"""`transport list` and `transport check`: what a person learns of a carrier, on its real medium."""

from __future__ import annotations

import json

import pytest
from tests.conformance.test_drop import tree
from tests.e2e.test_program import FOLDER, uses


def promises(found):
    return {each["promise"]: each["result"] for each in found["promises"]}


def test_a_stick_keeps_every_promise_and_nothing_on_it_is_touched(pair, stick):
    alice, bob = pair
    (stick / "holiday.jpg").write_bytes(b"sun")
    alice.say("on its way")
    alice.sync(stick)
    before = tree(stick)
    del before["."]  # the time of the folder itself

    found = alice.json("transport", "check", "--via", stick)

    assert set(promises(found).values()) == {"ok"}
    assert len(found["promises"]) > 35
    assert found["broken"] == 0
    assert found["capability"]["bytes_max"] == 16 << 20
    after = tree(stick)
    del after["."]
    assert after == before
    bob.sync(stick)
    assert bob.texts() == ["on its way"]


@pytest.mark.parametrize(
    ("sabotage", "only", "why"),
    [
        (('[ "${hash%% *}" = "$key" ] &&', ""), "cut short", "something arrived that was never sent"),
        (('keep "$key.parcel"', "true"), "killed", "something was handed over and does not arrive"),
        (('"settle | show"', '"never"'), "twice is the same", "cannot do 'settle'"),
        (("say end ;;", "sleep 1000 ;;"), "empty route", "does not answer"),
    ],
)
def test_a_promise_that_is_not_kept_is_named(make, tmp_path, sabotage, only, why):
    alice, loft = make("Alice"), tmp_path / "loft"
    loft.mkdir()
    source = FOLDER.read_text().replace("settle | show)", '"settle | show")')
    assert sabotage[0] in source
    source = source.replace(*sabotage).replace('"settle | show")', "settle | show)").replace('"never")', "never)")
    (tmp_path / "bad.sh").write_text(source)
    uses(alice, "loft", ["sh", tmp_path / "bad.sh"], path=loft)
    with (alice.path / "config.toml").open("a") as file:
        file.write("timeout = 1\n")
    said = alice.out("transport", "check", "loft", "--only", only, code=1)
    assert said.startswith("broken ")
    assert why in said
    assert "0 kept, 1 broken" in said
    assert list(loft.iterdir()) == []


def test_a_carrier_without_a_place_aside_is_tried_only_when_that_is_said(pair, tmp_path):
    alice, bob = pair
    loft = tmp_path / "loft"
    loft.mkdir()
    (tmp_path / "plain.sh").write_text(FOLDER.read_text().replace("scratch)", "aside)"))
    for home in pair:
        uses(home, "loft", ["sh", tmp_path / "plain.sh"], path=loft)
    alice.say("among others")
    alice.run("sync")
    before = tree(loft)
    said = alice.err("transport", "check", "loft", code=2)
    assert "has no place" in said
    assert "--among-others" in said
    assert tree(loft) == before

    asked = ("transport", "check", "loft", "--among-others", "--yes", "--only")
    for only in ("acknowledged does not come back", "token comes back", "empty route", "as they were sent"):
        assert set(promises(alice.json(*asked, only)).values()) == {"ok"}
    assert promises(alice.json(*asked, "killed")) == {"a killed sender has lost nothing that it handed over": "skipped"}
    for path, content in before.items():
        assert path == "." or tree(loft)[path] == content
    bob.run("sync")
    assert bob.texts() == ["among others"]


def test_a_carrier_that_is_not_there_or_does_not_exist_is_told(make, tmp_path):
    alice = make("Alice")
    assert "stick not there" in alice.err("transport", "check", "--via", tmp_path / "nowhere", code=13)
    assert "has no [transport.pigeon]" in alice.err("transport", "check", "pigeon", code=2)
    assert "name one carrier" in alice.err("transport", "check", code=2)
    assert "no promise has the words" in alice.err("transport", "check", "--via", tmp_path, "--only", "gold", code=2)


def test_the_list_names_carriers_and_kinds_and_what_is_wrong_with_them(make, tmp_path):
    alice = make("Alice")
    assert "No carrier is configured" in alice.out("transport", "list")
    uses(alice, "loft", ["sh", FOLDER], path=tmp_path)
    with (alice.path / "config.toml").open("a") as file:
        file.write('[transport.owl]\nuses = "owl"\n')
    said = alice.out("transport", "list")
    assert "loft" in said
    assert "no transport is called 'owl'" in said
    found = json.loads(alice.out("transport", "list", "--json"))
    assert [each["name"] for each in found["carriers"]] == ["loft", "owl"]
    assert {"drop", "program"} <= {each["name"] for each in found["kinds"] if each["problem"] is None}
