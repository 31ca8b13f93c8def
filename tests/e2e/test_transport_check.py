"""`transport list` and `transport check`: what a person learns of a carrier, on its real medium."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from tests.conformance.test_drop import tree
from tests.e2e.conftest import on_terminal
from tests.e2e.test_program import FOLDER, uses


def promises(found):
    return {each["promise"]: each["result"] for each in found["promises"]}


def without_time(found):
    """What *tree* found, but for the time of the folder itself."""
    return {path: content for path, content in found.items() if path != "."}


def test_a_stick_keeps_every_promise_and_nothing_on_it_is_touched(pair, stick):
    alice, bob = pair
    (stick / "holiday.jpg").write_bytes(b"sun")
    alice.say("on its way")
    alice.sync(stick)
    before = without_time(tree(stick))

    found = alice.json("transport", "check", "--via", stick)

    assert set(promises(found).values()) == {"ok"}
    assert len(found["promises"]) > 35
    assert found["broken"] == 0
    assert found["capability"]["bytes_max"] == 16 << 20
    assert without_time(tree(stick)) == before
    bob.sync(stick)
    assert bob.texts() == ["on its way"]


def test_on_a_terminal_it_is_seen_that_it_goes_on_and_said_how_long_it_took(make, stick):
    said = on_terminal(make("Alice"), "transport", "check", "--via", stick, "--only", "as they were sent")
    assert re.search(r"\r1 of (\d): .*as they were sent", said)
    assert re.search(r"\r *\rok  ", said)
    assert re.search(r"0 skipped. That took \d+ seconds?\.", said)


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
    if "sleep" in sabotage[1]:
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
    assert without_time(tree(loft)) == without_time(before)
    bob.run("sync")
    assert bob.texts() == ["among others"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_stopped_leaves_nothing(tmp_path, stick, number):
    command = [sys.executable, "-m", "paquebot", "--home", tmp_path / "none", "transport", "check", "--via", stick]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        for _ in range(4):
            assert process.stdout.readline().startswith(b"ok ")
        os.killpg(process.pid, number)  # as a terminal does
        process.communicate()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert list(stick.iterdir()) == []


def test_what_takes_its_time_is_waited_for(make, tmp_path):
    alice, loft = make("Alice"), tmp_path / "loft"
    loft.mkdir()
    source = FOLDER.read_text().replace("scratch)", "aside)")
    young = '[ $(($(date +%s) - $(stat -c %Y "$path/$each"))) -ge 2 ] || continue'
    assert "esac # not ours" in source
    (tmp_path / "slow.sh").write_text(source.replace("esac # not ours", f"esac; {young}").replace("keeps=yes", ""))
    uses(alice, "loft", ["sh", tmp_path / "slow.sh"], path=loft)
    asked = ("transport", "check", "loft", "--among-others", "--yes", "--only")
    assert alice.out(*asked, "as they were sent").startswith("ok ")


def test_a_carrier_that_is_not_there_or_does_not_exist_is_told(make, tmp_path):
    alice = make("Alice")
    assert "no stick or folder is there" in alice.err("transport", "check", "--via", tmp_path / "nowhere", code=13)
    assert "no carrier is called 'pigeon'" in alice.err("transport", "check", "pigeon", code=2)
    uses(alice, "gone", ["/nowhere/pigeon"])
    assert "gone: /nowhere/pigeon cannot be run: No such" in alice.err("transport", "check", "gone", code=2)
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
