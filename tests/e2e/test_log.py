"""`log` says what happened, once, with its cause."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from tests.e2e.conftest import crates


def kinds(home, *options):
    return [each["kind"] for each in home.json("log", *options) if each["kind"] != "acknowledged"]


def test_a_message_there_and_back(pair, stick):
    alice, bob = pair
    alice.say("hello", "--title", "Day \x1b[31m12")
    for home in (alice, bob, alice):
        home.sync(stick)
    assert kinds(alice) == ["peer-added", "published", "applied"]
    assert kinds(bob) == ["peer-added", "arrived"]
    lines = alice.out("log").splitlines()
    assert lines[0].endswith("UTC  peer-added    Bob was added")
    assert lines[-1].endswith("(Day \\x1b[31m12)")
    assert "\x1b" not in "".join(lines)
    (event,) = bob.json("log", "--kind", "arrived")
    assert event["title"] == "Day \x1b[31m12"
    assert event["peer_name"] == "Alice"
    assert event["resource"] == bob.json("list")[0]["uri"].rpartition("/")[2]


def test_the_log_is_read_by_number_peer_kind_and_time(pair, stick):
    alice, bob = pair
    for text in ("one", "two"):
        alice.say(text)
        bob.say(text)
    for home in (alice, bob, alice):
        home.sync(stick)
    events = bob.json("log")
    assert [each["number"] for each in events] == sorted({each["number"] for each in events})
    assert bob.json("log", "--after", str(events[-2]["number"])) == events[-1:]
    assert bob.json("log", "--after", str(events[-1]["number"])) == []
    assert kinds(bob, "--peer", "Alice", "--kind", "arrived", "--kind", "published") == ["arrived"] * 2
    assert kinds(bob, "--peer", "Alice", "--kind", "arrived", "-n", "1") == ["arrived"]
    assert kinds(bob, "--kind", "published", "-n", "1") == ["published"]
    assert bob.json("log", "--since", "1h") == bob.json("log", "--since", "2020-01-01") == events
    assert bob.json("log", "--since", "2099-01-01") == []


def test_mistakes_are_named(pair):
    alice, _ = pair
    assert "neither a date" in alice.err("log", "--since", "yesterday", code=2)
    assert "no peer is called 'Eve'" in alice.err("log", "--peer", "Eve", code=1)
    alice.run("log", "--kind", "nonsense", code=2)


def test_a_carrier_that_fails_is_told_once_until_it_works(pair, tmp_path):
    alice, _ = pair
    folder = tmp_path / os.fsdecode(b"gone\xe9\x1b")
    for _ in range(3):
        alice.run("sync", "--via", folder, code=None)
    folder.mkdir()
    alice.run("sync", "--via", folder, code=None)
    told = [each for each in alice.json("log") if each["kind"] in ("failure", "recovered")]
    assert [each["kind"] for each in told] == ["failure", "recovered"]
    assert "gone\\udce9\\x1b" in told[0]["detail"]


def test_what_is_damaged_is_in_the_log(pair, stick):
    alice, bob = pair
    alice.say("hello")
    alice.sync(stick)
    for path in crates(stick):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    bob.run("sync", "--via", stick, code=3)
    bob.run("sync", "--via", stick, code=None)
    assert kinds(bob).count("set-aside") == 1
    assert kinds(bob).count("arrived") == 0


def test_a_run_with_nothing_to_do_writes_nothing(pair, stick):
    alice, bob = pair
    alice.say("hello")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    before = (bob.path / "store.db").read_bytes()
    bob.sync(stick)
    assert (bob.path / "store.db").read_bytes() == before


@contextmanager
def following(home, *options):
    """Lend a running `log --follow` and a function that waits for its next line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "paquebot", "--home", str(home.path), "log", "--follow", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    limit = threading.Timer(30, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        process.stdout.close(), process.stderr.close()


def test_the_log_is_followed_while_others_write(pair, stick):
    alice, bob = pair
    with following(bob, "--json") as process:
        assert json.loads(process.stdout.readline())["kind"] == "peer-added"
        alice.say("hello", "--title", "Day \x1b[31m12")
        alice.sync(stick), bob.sync(stick)
        arrived = process.stdout.readline()
        assert "\x1b" not in arrived
        assert json.loads(arrived)["title"] == "Day \x1b[31m12"
        bob.say("and back")
        assert json.loads(process.stdout.readline())["kind"] == "published"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert [each["number"] for each in bob.json("log")] == sorted(each["number"] for each in bob.json("log"))


def test_following_tells_only_what_was_asked_for(pair, stick):
    alice, _ = pair
    alice.say("before")
    with (
        following(alice, "-n", "0", "--kind", "published", "--peer", "Bob") as none,
        following(alice, "-n", "1", "--kind", "published") as some,
    ):
        assert "published" in some.stdout.readline()
        alice.say("after", "--title", "after")
        assert "(after)" in some.stdout.readline()
        none.send_signal(signal.SIGTERM)
        assert none.wait() == 143
        assert (none.stdout.read(), none.stderr.read()) == ("", "")


def test_following_ends_with_its_reader(pair):
    alice, _ = pair
    with following(alice) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr.read() == ""


def test_no_events_but_new_ones(pair):
    alice, _ = pair
    assert alice.out("log", "-n", "0") == ""
    assert alice.json("log", "-n", "0") == []


@pytest.mark.parametrize("wrong", ["--peer=Eve", "--since=yesterday"])
def test_mistakes_end_it_before_it_follows(pair, wrong):
    alice, _ = pair
    alice.run("log", "--follow", wrong, code=1 if "peer" in wrong else 2)
