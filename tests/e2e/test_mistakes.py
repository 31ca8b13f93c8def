"""What a person gets wrong about carriers and names, and how it is said: once, and what to do, to programs too."""

from __future__ import annotations

import json
import re

import pytest

from paquebot import errors
from paquebot.cli.main import Setting
from paquebot.errors import PaquebotError, remedy
from paquebot.report import Report


@pytest.fixture
def alice(make):
    return make("Alice")


@pytest.fixture
def stick_called_blue(alice, stick):
    (alice.path / "config.toml").write_text(f'[transport.blue]\nuses = "drop"\npath = "{stick}"\n')
    return stick


# -- carriers ----------------------------------------------------------------------------

ASKS = [("sync",), ("plan",), ("drop", "gc"), ("drop", "status"), ("drop", "verify"), ("transport", "check")]


@pytest.mark.parametrize("command", ASKS, ids=" ".join)
def test_a_mistyped_carrier_is_no_mistake_in_the_configuration(alice, command):
    for name, hint in (("blu", "it has none"), ("media/blu", "a stick or folder: --via media/blu")):
        said = alice.err(*command, name, code=2)
        assert f"no carrier is called '{name}' in {alice.path}/config.toml; {hint}" in said
        assert "has a mistake" not in said


@pytest.mark.parametrize("command", ASKS, ids=" ".join)
def test_a_carrier_that_is_nearly_right_is_recognised(alice, stick_called_blue, command, tmp_path, monkeypatch):
    assert "; did you mean 'blue'?" in alice.err(*command, "blu", code=2)
    assert "; it has blue" in alice.err(*command, "zzz", code=2)
    monkeypatch.chdir(tmp_path)
    assert f"; a stick or folder: --via {stick_called_blue.name}" in alice.err(*command, stick_called_blue.name, code=2)


@pytest.mark.parametrize("command", ASKS[:-1], ids=" ".join)
def test_who_has_no_carrier_is_told_how_to_name_one_to_this_command(alice, command):
    said = alice.err(*command, code=2)
    assert "no carrier is configured: say --via DIR for a stick or folder, or put into" in said
    assert "paquebot sync" not in said
    assert "has a mistake" not in said


@pytest.mark.parametrize("command", [*ASKS[:-1], ("transport", "check")], ids=" ".join)
def test_a_stick_that_is_not_there_and_a_file_are_told_apart_and_said_once(alice, tmp_path, command):
    away, file = tmp_path / "away", tmp_path / "file"
    file.write_text("")
    said = alice.err(*command, "--via", away, code=13)
    assert said.count(str(away)) == 1
    assert "no stick or folder is there; is it plugged in, and mounted?" in said
    assert "next sync" not in said
    said = alice.err(*command, "--via", file, code=13)
    assert said.count(str(file)) == 1
    assert "it is a file; name the folder" in said


def test_a_named_carrier_is_said_with_its_place(alice, stick_called_blue):
    stick_called_blue.rmdir()
    assert f"blue: {stick_called_blue}: no stick or folder is there" in alice.err("sync", "blue", code=13)


def test_a_doctor_takes_a_stick_that_is_away_for_no_illness(alice, stick_called_blue):
    assert {each["state"] for each in alice.json("doctor")} == {"ok"}
    stick_called_blue.rmdir()
    (found,) = [each for each in alice.json("doctor", code=3) if each["state"] != "ok"]
    assert (found["carrier"], found["state"]) == ("blue", "warning")
    assert "no stick or folder is there" in found["detail"]


def test_where_nothing_is_of_ours_nothing_is_called_whole(alice, stick):
    said = alice.out("drop", "verify", "--via", stick)
    assert "nothing of paquebot's is there" in said
    assert "whole" not in said
    assert alice.json("drop", "verify", "--via", stick) == [{"carrier": str(stick), "findings": [], "bytes": 0}]


def test_what_is_whole_is_said_with_how_much_was_read(pair, stick):
    alice, _ = pair
    alice.say("hello")
    alice.sync(stick)
    (found,) = alice.json("drop", "verify", "--via", stick)
    assert found["bytes"] > 0
    assert f"all is whole ({found['bytes'] / 1024:.1f} KiB read)" in alice.out("drop", "verify", "--via", stick)


def test_mail_that_is_handed_to_a_carrier_that_there_is_not_waits_and_the_reason_is_said(alice, stick_called_blue):
    said = alice.err("receive", "blu", code=75)
    assert f"no carrier is called 'blu' in {alice.path}/config.toml; did you mean 'blue'?" in said
    assert "takes mails" in alice.err("receive", "blue", code=75)


# -- routes ------------------------------------------------------------------------------


def test_a_route_is_by_a_kind_that_there_is(make, meet, stick_called_blue, alice):
    meet(alice, make("Bob"))
    said = alice.err("peer", "route", "Bob", "blue", "b@b.example", code=2)
    assert "there is no kind 'blue'" in said
    assert "'blue' is a carrier of kind drop" in said
    said = alice.err("peer", "route", "Bob", "mial", "b@b.example", code=2)
    assert "did you mean 'mail'?" in said
    assert "kinds are: drop, mail, program" in alice.err("peer", "route", "Bob", "zzz", "--never", code=2)
    assert alice.json("peer", "route", "Bob") == []
    alice.run("peer", "route", "Bob", "mail", "b@b.example")
    alice.run("peer", "route", "Bob", "mail", "--unset")


# -- words -------------------------------------------------------------------------------


def kinds(of: type[PaquebotError]) -> list[type[PaquebotError]]:
    return [of, *(each for below in of.__subclasses__() for each in kinds(below))]


@pytest.mark.parametrize("kind", kinds(PaquebotError), ids=lambda kind: kind.__name__)
def test_a_remedy_is_what_the_message_cannot_know(kind):
    said = remedy(kind.__new__(kind))
    assert said == " ".join(said.split())
    assert not said or (said[0].isupper() and said[-1] in ".?`")


def test_the_remedy_is_what_follows_the_first_sentence():
    assert remedy(errors.Busy()) == "Nothing was changed; run again when it has finished."
    assert remedy(errors.NotFound()) == ""
    assert remedy(errors.DiskFull()) == (
        "Free some space and run again. Nothing was lost, and nothing was acknowledged that is not stored."
    )


def test_nothing_is_said_twice(alice):
    (alice.path / "config.toml").write_text('[transport.sh]\nuses = "program"\ncommand = ["nope.sh"]\n')
    said = alice.out("doctor", code=16)
    assert "broken   sh: carrier: there is no program called nope.sh on the PATH: write its whole path\n" in said
    assert alice.err("sync", code=2) == "sh: there is no program called nope.sh on the PATH: write its whole path\n"
    assert re.search(
        r"^sh does not work since [^:]*:[^:]*:[^:]*: there is no program", alice.out("status"), re.MULTILINE
    )
    assert re.search(r"failure +sh: there is no program", alice.out("log"))
    (alice.path / "config.toml").write_text('[transport.sh]\nuses = "program"\ncommand = "nope.sh -x"\n')
    assert "broken   sh: carrier: command = 'nope.sh -x' is not a list" in alice.out("doctor", code=16)
    assert alice.err("show", "zzzz", code=1) == "error: nothing here has the id 'zzzz'\n"
    said = alice.err("peer", "add", "Bob", "/etc/hostname", code=1)
    assert said == "error: not a paquebot card\n  Nothing was changed; ask for it again.\n"


@pytest.mark.parametrize(("many", "said"), [(1, "sent 1 envelope ("), (2, "sent 2 envelopes (")])
def test_one_thing_is_no_many(many, said):
    assert Report(sent=many, sent_bytes=9).summary().startswith(said)


# -- programs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code", "error", "hint"),
    [
        (("show", "zzzz"), 1, "nothing here has the id 'zzzz'", ""),
        (("peer", "add", "Bob", "/etc/hostname"), 1, "not a paquebot card", "Nothing was changed; ask for it again."),
        (("list", "--nonsense"), 2, "No such option '--nonsense'.", "Try 'paquebot list --help' for help."),
        (("pubish",), 2, "there is no command 'pubish'; did you mean 'publish'?", "Try 'paquebot --help' for help."),
        (("inspect", "/nowhere/at/all"), 1, "/nowhere/at/all: No such file or directory", ""),
        (("revoke", "zz\x1b[2Jzz", "--yes"), 1, "nothing here has the id 'zz\\x1b[2Jzz'", ""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_program_gets_an_error_as_one_json_object(alice, command, code, error, hint):
    done = alice.run(*command, "--json", code=code)
    assert done.stdout == b""
    assert json.loads(done.stderr) == {"error": error, "hint": hint, "exit_code": code}
    assert b"\x1b" not in done.stderr


def test_a_program_that_is_interrupted_hears_of_it_as_json(alice, monkeypatch):
    def interrupted(_setting):
        raise KeyboardInterrupt

    monkeypatch.setattr(Setting, "look", interrupted)
    assert json.loads(alice.err("list", "--json", code=130))["exit_code"] == 130
    assert alice.err("list", code=130).lstrip() == "stopped; nothing is lost, run it again to go on\n"


def test_what_stands_behind_two_dashes_is_no_wish_for_json(alice):
    assert alice.err("show", "--", "--json", code=1).startswith("error: ")


def test_trouble_with_one_medium_of_several_stands_in_the_answer(alice, stick, tmp_path):
    away = tmp_path / "away"
    for command in (("drop", "status"), ("drop", "gc"), ("drop", "verify")):
        done = alice.run(*command, "--via", away, "--via", stick, "--json", code=13)
        assert done.stderr == b""
        first, second = json.loads(done.stdout)
        assert (first["carrier"], first["exit_code"]) == (str(away), 13)
        assert "no stick or folder is there" in first["error"]
        assert second["carrier"] == str(stick)
    done = alice.run("plan", "--via", away, "--json", code=13)
    assert done.stderr == b""
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["where"], problem["exit_code"]) == (str(away), 13)


def test_the_help_says_how_a_program_hears_of_errors(alice):
    assert "With --json an error is one JSON object on standard error" in " ".join(alice.out("--help").split())
