"""`run` stays awake beside other commands, and `install-timer` lets systemd or cron do it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from paquebot import home as homes
from paquebot.cli.running import _Told
from paquebot.report import Problem, Report

PATIENCE_S = 30


class Running:
    """A `paquebot run` in a process of its own."""

    def __init__(self, home, stick, log):
        self.log = log
        command = [sys.executable, "-m", "paquebot", "--home", str(home.path), "run", "--via", str(stick), "-v"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def until(self, done, what):
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, f"{what}: {self.log.read_text()}"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def end(self, by=signal.SIGTERM):
        self.process.send_signal(by)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def running(tmp_path):
    started = []

    def start(home, stick):
        started.append(Running(home, stick, tmp_path / f"{home.name}{len(started)}.log"))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_what_other_commands_publish_is_sent_and_it_ends_when_told_to(pair, stick, running):
    alice, bob = pair
    awake = running(alice, stick)
    awake.until(lambda: any(stick.rglob("*.PQB")), "the first pass writes")
    alice.say("published while the other runs")
    assert alice.json("status")["name"] == "Alice"
    awake.until(lambda: bob.sync(stick)["new"] or bob.texts(), "what was published goes out")
    assert bob.texts() == ["published while the other runs"]
    assert "`paquebot run` is at work" in alice.err("run", code=11)
    assert awake.end() == 0
    alice.run("sync", "--via", stick)


def test_trouble_is_told_when_it_begins_and_when_it_is_over(pair, stick, running):
    alice, _ = pair
    gone = stick.with_name("gone")
    stick.rename(gone)
    awake = running(alice, stick)
    awake.until(lambda: "stick" in awake.log.read_text(), "trouble is told")
    gone.rename(stick)
    alice.say("now")  # a reason to look again, before its time
    awake.until(lambda: "all is well again" in awake.log.read_text(), "and its end")
    assert awake.end(signal.SIGINT) == 0


def test_a_killed_one_leaves_nothing_that_keeps_others_out(pair, stick, running):
    alice, _ = pair
    awake = running(alice, stick)
    awake.until(lambda: any(stick.rglob("*.PQB")), "the first pass writes")
    assert awake.end(signal.SIGKILL) == -signal.SIGKILL
    assert (alice.path / homes.AWAKE).exists()
    alice.say("at once")
    assert "no carrier is configured" in alice.err("run", code=2)


# -- timers --------------------------------------------------------------------------------


@pytest.fixture
def timers(make, tmp_path, monkeypatch):
    """A home with a carrier, a place for units, and a crontab that is a file."""
    alice = make("Alice", path=tmp_path / "home 100%")
    (alice.path / "config.toml").write_text(f'[transport.stick]\nuses = "drop"\npath = "{tmp_path}"\n')
    tools = tmp_path / "bin"
    tools.mkdir()
    table = tmp_path / "table"
    (tools / "crontab").write_text(f'#!/bin/sh\ncase "$1" in -l) cat {table};; -) cat > {table};; *) exit 1;; esac\n')
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    for each in tools.iterdir():
        each.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return alice, tmp_path


def test_a_timer_is_shown_before_it_is_written_and_taken_away_again(timers):
    alice, place = timers
    units = place / "config/systemd/user"
    shown = alice.out("install-timer", "stick", "--every", "5", "--show")
    assert "OnUnitActiveSec=5min" in shown
    assert not units.exists()
    alice.run("install-timer", "stick", "--every", "5", "--yes")
    service = next(units.glob("*.service")).read_text()
    assert f'"{place}/home 100%%"' in service
    assert "sync stick" in service
    assert "enable --now paquebot-" in (place / "asked").read_text()
    alice.run("install-timer", "--remove", "--yes")
    assert list(units.iterdir()) == []
    assert "nothing is installed" in alice.err("install-timer", "--remove", "--yes", code=2)


def test_a_line_is_added_to_a_crontab_and_nothing_else_is_changed(timers):
    alice, place = timers
    (place / "table").write_text("0 4 * * * backup\n")
    for _ in range(2):
        alice.run("install-timer", "--cron", "--every", "10", "--yes")
    backup, line = (place / "table").read_text().splitlines()
    assert backup == "0 4 * * * backup"
    assert line.startswith("*/10 * * * * ")
    assert "100\\%" in line
    alice.run("install-timer", "--cron", "--remove", "--yes")
    assert (place / "table").read_text() == "0 4 * * * backup\n"


def test_a_crontab_that_cannot_be_read_is_not_replaced(timers):
    alice, place = timers
    (place / "table").write_text("0 4 * * * backup\n")
    tool = place / "bin" / "crontab"
    tool.write_text(
        f'#!/bin/sh\ncase "$1" in -l) echo "You are not allowed to use this program now" >&2; exit 1;;'
        f" -) cat > {place}/table;; esac\n"
    )
    assert "not allowed" in alice.err("install-timer", "--cron", "--yes", code=1)
    assert "not allowed" in alice.err("install-timer", "--cron", "--remove", "--yes", code=1)
    assert (place / "table").read_text() == "0 4 * * * backup\n"


def test_the_other_lines_of_a_crontab_stay_byte_for_byte(timers):
    alice, place = timers
    others = b"# caf\xe9 \x0c and \xe2\x80\xa8 signs\n\n0 4 * * * backup \t\n* * * * * the last has no end"
    (place / "table").write_bytes(others)
    alice.run("install-timer", "--cron", "--yes")
    assert (place / "table").read_bytes().startswith(others + b"\n*/10 ")
    alice.run("install-timer", "--cron", "--remove", "--yes")
    assert (place / "table").read_bytes() == others + b"\n"


def test_nothing_is_written_without_being_asked_for(timers):
    alice, place = timers
    alice.run("install-timer", code=2)
    assert not (place / "config").exists()
    assert "no carrier is called 'home'" in alice.err("install-timer", "home", "--yes", code=2)


def test_trouble_that_names_its_place_is_not_told_under_it(capsys):
    _Told(verbose=False).hear(Report(problems=[Problem("/media/x", "/media/x: it is a file")]), {"/media/x"})
    assert capsys.readouterr().err == "/media/x: it is a file\n"


def test_each_of_two_troubles_of_one_carrier_is_told_once(capsys):
    told = _Told(verbose=False)
    both = Report(problems=[Problem("home", "receiving: no"), Problem("home", "sending: no")])
    told.hear(both, {"home"})
    assert capsys.readouterr().err == "home: receiving: no; sending: no\n"
    told.hear(both, {"home"})
    assert capsys.readouterr().err == ""
    told.hear(Report(problems=both.problems[:1]), {"home"})
    assert capsys.readouterr().err == "home: receiving: no\n"
    told.hear(Report(), {"home"})
    assert capsys.readouterr().err == "home: all is well again\n"
