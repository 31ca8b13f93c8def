"""Hooks run at least once for what happened, whatever they do, and hold up nobody else."""

import fcntl
import json
import os
import sys
import time
from unittest.mock import patch

import pytest

from paquebot import hooks
from paquebot.errors import DiskFull, PaquebotError

DAY = 86_400_000


def configure(home, text: str) -> None:
    (home.path / "config.toml").write_text(text)


def program(code: str) -> str:
    """A hook in Python, as config.toml writes it."""
    return json.dumps([sys.executable, "-c", code])


def note(tmp_path, more: str = "") -> str:
    """A hook that notes its facts and its input."""
    return program(
        "import json, os, sys\n"
        "facts = {name: value for name, value in os.environ.items() if name.startswith('PAQUEBOT_')}\n"
        f"file = open({str(tmp_path / 'ran')!r}, 'a')\n"
        "file.write(json.dumps([facts, sys.stdin.buffer.read().hex()]) + '\\n')\n"
        "file.close()\n" + more
    )


def ran(tmp_path) -> list:
    path = tmp_path / "ran"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_arrival_runs_its_hook_once_with_the_content_and_the_facts(pair, stick, tmp_path):
    alice, bob = pair
    configure(bob, f"[hooks]\non-arrival = {note(tmp_path)}\n")
    title = "$(touch pwned) `id`;\n\x1b[31m\x00é\u202e"[:-3] + "é"
    alice.say("hello\n", "--title", title, "--tag", "a,b", "--tag", "c")
    (tmp_path / "-rf ; x.bin").write_bytes(bytes(range(256)))
    alice.run("publish", "--", tmp_path / "-rf ; x.bin")
    alice.sync(stick)
    bob.sync(stick)
    bob.sync(stick)
    (first, text), (second, data) = ran(tmp_path)
    assert bytes.fromhex(text) == b"hello\n"
    assert bytes.fromhex(data) == bytes(range(256))
    assert first["PAQUEBOT_TITLE"].startswith("$(touch pwned) `id`;\\n\\x1b[31m")
    assert first["PAQUEBOT_TAGS"] == "a\\x2cb,c"
    assert (first["PAQUEBOT_FROM"], first["PAQUEBOT_KIND"], first["PAQUEBOT_EVENT"]) == ("Alice", "message", "arrived")
    assert first["PAQUEBOT_URI"].endswith(first["PAQUEBOT_ID"])
    assert second["PAQUEBOT_FILENAME"] == "-rf ; x.bin"
    assert not any("\n" in value or "\x1b" in value for value in first.values())
    assert bob.json("hook", "list") == []


def test_a_hook_that_fails_is_tried_again_ever_later_and_keeps_no_other_waiting(pair, stick, tmp_path):
    alice, bob = pair
    fails = "import sys; sys.stdin.read() != 'bad' or (print('no\\x1b paper'), sys.exit(7))"
    configure(bob, f"[hooks]\non-arrival = {program(fails)}\n")
    alice.say("bad")
    alice.say("good")
    alice.sync(stick)
    bob.clock = time.time_ns() // 1_000_000
    said = bob.err("sync", "--via", stick, code=1)
    assert "on-arrival: exit code 7: no\\x1b paper (it is tried again later; see `paquebot hook list`)" in said
    (left,) = bob.json("hook", "list")
    assert (left["task"], left["tries"], left["problem"]) == ("on-arrival", 1, "exit code 7: no\\x1b paper")
    assert "came by way of Alice" in left["about"]
    assert "exit code 7" in bob.out("hook", "list")
    assert "1 task of hooks or folders failed" in bob.out("status")
    assert bob.json("status")["hooks_failed"] == 1
    bob.sync(stick)
    assert bob.json("hook", "list")[0]["tries"] == 1
    bob.clock += 5 * 60_000
    bob.sync(stick, code=1)
    assert bob.json("hook", "list")[0]["tries"] == 2
    assert [each["kind"] for each in bob.json("log")].count("hook-failed") == 1
    configure(bob, '[hooks]\non-arrival = ["true"]\n')
    assert bob.run("hook", "retry", str(left["id"])).returncode == 0
    assert bob.json("hook", "list") == []


def test_what_hooks_did_not_do_can_be_dropped(pair, stick):
    alice, bob = pair
    configure(bob, '[hooks]\non-arrival = ["/nowhere/to be found"]\n')
    for text in ("one", "two", "three"):
        alice.say(text)
    alice.sync(stick)
    assert "cannot be run: No such file" in bob.err("sync", "--via", stick, code=1)
    first, *_ = bob.json("hook", "list")
    bob.run("hook", "retry", code=1)
    bob.run("hook", "drop", str(first["id"]))
    assert len(bob.json("hook", "list")) == 2
    bob.run("hook", "drop", code=2)
    assert "waits to be done" in bob.err("hook", "drop", "9999", code=1)
    assert "waits to be done" in bob.err("hook", "retry", "9999", code=1)
    configure(bob, "")
    assert "config.toml has no such hook" in bob.err("hook", "retry", code=1)
    bob.run("hook", "drop", "--all")
    assert bob.json("hook", "list") == []


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
        "import os\nwhile True: os.write(1, bytes(65536))",
    ],
    ids=["hangs", "ignores SIGTERM", "forks", "prints for ever"],
)
def test_a_hook_that_does_not_end_is_stopped_with_its_group(pair, stick, code):
    alice, bob = pair
    configure(bob, f"[hooks]\ntimeout = 1\non-arrival = {program(code)}\n")
    alice.say("hello")
    alice.sync(stick)
    began = time.monotonic()
    with patch("paquebot.program.GRACE_S", 0.2):
        assert "did not end within 1 seconds" in bob.err("sync", "--via", stick, code=1)
    assert time.monotonic() - began < 10


def test_a_hook_may_print_binary_and_leave_something_running(pair, stick):
    alice, bob = pair
    leaves = "import os, sys, time\nos.write(1, bytes(range(256)) * 4096)\nif os.fork() == 0: time.sleep(3)"
    configure(bob, f"[hooks]\non-arrival = {program(leaves)}\n")
    alice.say("hello")
    alice.sync(stick)
    began = time.monotonic()
    bob.sync(stick)
    assert time.monotonic() - began < 2.5
    configure(bob, f"[hooks]\non-arrival = {program('import os; os.write(1, bytes(range(256))); os.abort()')}\n")
    alice.say("again")
    alice.sync(stick)
    problem = bob.run("sync", "--via", stick, code=1).stderr.decode()
    assert "signal 6" in problem
    assert not any(ord(char) < 32 and char != "\n" for char in problem)


def test_a_hook_may_call_paquebot_itself(pair, stick, tmp_path):
    alice, bob = pair
    call = [sys.executable, "-m", "paquebot"]
    more = f"import subprocess\nfor words in (['show', facts['PAQUEBOT_ID']], ['publish', '-m', 'got it']): subprocess.run({call!r} + words, check=True)\n"  # noqa: E501
    configure(bob, f"[hooks]\non-arrival = {note(tmp_path, more)}\n")
    alice.say("hello")
    for home in (alice, bob, bob, alice):
        home.sync(stick)
    assert alice.texts() == ["hello", "got it"]
    assert len(ran(tmp_path)) == 1


def test_a_power_cut_between_a_hook_and_its_record_runs_it_again(pair, stick, tmp_path):
    alice, bob = pair
    configure(bob, f"[hooks]\non-arrival = {note(tmp_path)}\n")
    alice.say("hello")
    alice.sync(stick)
    with patch.object(hooks, "_record", side_effect=PaquebotError("power cut")):
        assert "could not be recorded" in bob.err("sync", "--via", stick, code=1)
    bob.sync(stick)
    numbers = [facts["PAQUEBOT_NUMBER"] for facts, _ in ran(tmp_path)]
    assert len(numbers) == 2
    assert len(set(numbers)) == 1
    assert bob.json("hook", "list") == []


def test_only_one_run_is_at_the_hooks(pair, stick, tmp_path):
    alice, bob = pair
    configure(bob, f"[hooks]\non-arrival = {note(tmp_path)}\n")
    alice.say("hello")
    alice.sync(stick)
    with open(bob.path / "hooks.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bob.sync(stick)
        assert ran(tmp_path) == []
    bob.sync(stick)
    assert len(ran(tmp_path)) == 1


def test_failure_and_silence_are_said_once(pair, stick, tmp_path):
    alice, bob = pair
    hook = note(tmp_path)
    configure(bob, f"[hooks]\nsilence_days = 7\non-failure = {hook}\non-silence = {hook}\non-heard-again = {hook}\n")
    alice.say("hello")
    alice.sync(stick)
    bob.sync(stick)
    bob.sync(tmp_path / "gone", code=13)
    bob.sync(tmp_path / "gone", code=13)
    assert [facts["PAQUEBOT_EVENT"] for facts, _ in ran(tmp_path)] == ["failure"]
    bob.clock = time.time_ns() // 1_000_000 + 8 * DAY
    assert "Alice: no news for 8 days" in bob.err("sync", "--via", stick)
    assert "Alice" not in bob.err("sync", "--via", stick)
    alice.clock = bob.clock
    alice.say("still here")
    alice.sync(stick)
    bob.sync(stick)
    facts = [facts for facts, _ in ran(tmp_path)]
    assert [each["PAQUEBOT_EVENT"] for each in facts] == ["failure", "silence", "heard-again"]
    assert facts[1]["PAQUEBOT_PEER"] == "Alice"
    configure(bob, "[hooks.silence]\nAlice = 30\n")
    bob.clock += 29 * DAY
    assert "Alice" not in bob.err("sync", "--via", stick)
    bob.clock += 2 * DAY
    assert "Alice: no news for 3" in bob.err("sync", "--via", stick)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[hooks]\non-arrval = ["x"]', "did you mean 'on-arrival'?"),
        ('[hooks]\non-arrival = "rm -rf"', "on-arrival must be a list of words"),
        ("[hooks]\non-arrival = []", "on-arrival must be a list of words"),
        ("[hooks]\ntimeout = 0", "timeout is in whole seconds"),
        ("[hooks]\nsilence_days = -1", "silence_days in whole days"),
        ("[hooks]\nsilence = 7", "write [hooks.silence]"),
        ("hooks = 1", "write [hooks], not hooks"),
        ('[hooks]\non-hook-failed = ["x"]', "is unknown"),
        ("[output]\npath = 'x'", "write [[output]]"),
        ("[[output]]\npeer = 'x'", "path is missing"),
        ("[[output]]\npath = 7", "is not a text in quotes"),
    ],
)
def test_mistakes_in_the_configuration_are_named_before_anything_is_done(pair, stick, text, said):
    _, bob = pair
    configure(bob, text)
    assert said in bob.err("sync", "--via", stick, code=2)


# -- output folders ----------------------------------------------------------------------------


def names(folder) -> list[str]:
    return sorted(os.listdir(folder))


def test_what_matches_is_written_into_its_folder_once(pair, stick, tmp_path):
    alice, bob = pair
    out = tmp_path / "out"
    tables = {"all": "", "weather": 'tag = "weather"', "alice": 'peer = "Alice"', "eve": 'peer = "Eve"'}
    configure(bob, "".join(f'[[output]]\npath = "{out}/{name}"\n{more}\n' for name, more in tables.items()))
    out.mkdir()
    (tmp_path / "map.bin").write_bytes(os.urandom(200_000))
    alice.run("publish", tmp_path / "map.bin")
    alice.say("rain", "--title", "../Day 12", "--tag", "weather")
    for home in (alice, bob, alice, bob):
        home.sync(stick)
    assert names(out / "all") == names(out / "alice") == ["_Day 12.txt", "map.bin"]
    assert names(out / "weather") == ["_Day 12.txt"]
    assert not (out / "eve").exists()
    assert (out / "all" / "map.bin").read_bytes() == (tmp_path / "map.bin").read_bytes()
    (out / "all" / "map.bin").unlink()
    bob.sync(stick)
    assert names(out / "all") == ["_Day 12.txt"]


def test_names_of_peers_do_no_harm_in_a_folder(pair, stick, tmp_path):
    alice, bob = pair
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.write_text("mine")
    (out / "link.txt").symlink_to(outside)
    (out / "same.txt").write_text("other")
    configure(bob, f'[[output]]\npath = "{out}"\n')
    for number, title in enumerate(("link", "same", "same", "CON", "../../x", ".hidden", "a" * 290, "x\x00\n")):
        alice.say(f"text {number}", "--title", title)
    alice.sync(stick)
    bob.sync(stick)
    assert outside.read_text() == "mine"
    assert (out / "same.txt").read_text() == "other"
    written = {path.name: path.read_text() for path in out.iterdir() if not path.is_symlink()}
    assert sorted(written.values()) == ["other", *(f"text {number}" for number in range(8))]
    assert not any(name.startswith(".") or "/" in name or not name.isprintable() for name in written)
    assert {path.parent for path in tmp_path.rglob("*.txt")} == {out}


def test_a_folder_that_is_full_or_away_gets_it_later(pair, stick, tmp_path, small_disk):
    alice, bob = pair
    disk = small_disk("disk", "64k")
    configure(bob, f'[[output]]\npath = "{disk}"\n[[output]]\npath = "{tmp_path}/away/in"\n')
    (tmp_path / "map.bin").write_bytes(os.urandom(20_000) * 10)
    alice.run("publish", tmp_path / "map.bin")
    alice.say("hello", "--title", "note")
    for home in (alice, bob, alice):
        home.sync(stick) if home is alice else home.run("sync", "--via", stick, code=1)
    bob.run("sync", "--via", stick, code=None)
    assert names(disk) == ["note.txt"]
    problems = [each["problem"] for each in bob.json("hook", "list")]
    assert any("No space left" in each for each in problems)
    assert f"there is no folder {tmp_path}/away: make it, or mount it" in problems
    (tmp_path / "away").mkdir()
    from tests.e2e.conftest import remount

    remount(disk, "size=2m")
    bob.run("hook", "retry")
    assert names(disk) == names(tmp_path / "away" / "in") == ["map.bin", "note.txt"]
    assert bob.json("hook", "list") == []


def test_a_power_cut_after_writing_writes_nothing_twice(pair, stick, tmp_path):
    alice, bob = pair
    configure(bob, f'[[output]]\npath = "{tmp_path}/out"\n')
    alice.say("hello", "--title", "note")
    alice.sync(stick)
    with patch.object(hooks, "_record", side_effect=PaquebotError("power cut")):
        bob.run("sync", "--via", stick, code=1)
    bob.sync(stick)
    assert names(tmp_path / "out") == ["note.txt"]


def test_a_full_disk_delays_errands_and_loses_none(pair, stick, tmp_path):
    alice, bob = pair
    configure(bob, f"[hooks]\non-arrival = {note(tmp_path)}\n")
    alice.say("hello")
    alice.sync(stick)
    with patch("paquebot.errands.enlist", side_effect=DiskFull("no space is left for the store")):
        assert "no space is left" in bob.err("sync", "--via", stick, code=1)
    assert ran(tmp_path) == []
    bob.sync(stick)
    assert len(ran(tmp_path)) == 1


def test_a_hook_for_something_that_was_forgotten_is_given_up(pair, stick):
    alice, bob = pair
    configure(bob, '[hooks]\non-arrival = ["false"]\n')
    alice.say("hello")
    alice.sync(stick)
    bob.run("sync", "--via", stick, code=1)
    uri = bob.json("list")[0]["uri"]
    bob.run("forget", uri, "--yes")
    assert "was forgotten or taken back meanwhile" in bob.err("hook", "retry", code=1)
    assert bob.json("hook", "list") == []


def test_a_hook_for_something_that_was_taken_back_is_given_up_and_that_it_was_has_a_hook_too(pair, stick, tmp_path):
    alice, bob = pair
    configure(bob, f'[hooks]\non-arrival = ["false"]\non-revoked = {note(tmp_path)}\n')
    hello = alice.say("hello")
    alice.sync(stick)
    bob.sync(stick, code=1)
    alice.run("revoke", "--yes", hello)
    alice.sync(stick)
    bob.sync(stick)
    assert "was forgotten or taken back meanwhile" in bob.err("hook", "retry", code=1)
    assert bob.json("hook", "list") == []
    ((facts, content),) = ran(tmp_path)
    assert (facts["PAQUEBOT_EVENT"], facts["PAQUEBOT_KIND"], content) == ("revoked", "message", "")
