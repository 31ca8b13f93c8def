"""Two homes on two mailboxes of real servers, driven as their persons would: by the command line."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from tests.labs.mail.forks import Forks
from tests.labs.mail.mta import ScriptedMta
from tests.labs.mail.proxy import Plan, Proxy

from paquebot import examining

CONFIG = """
[transport.home]
uses = "mail"
address = "{address}"
imap = {{ host = "{host}", port = {imap} }}
smtp = {{ host = "{host}", port = {smtp} }}
ca_file = "{ca}"
password_file = "{secret}"
retire = "{retire}"
limits = {{ per_minute = 100000, per_day = 100000{limits} }}
"""
DINNER = b"From: friend@c.test\r\nSubject: dinner %d\r\nMessage-ID: <dinner-%d@c.test>\r\n\r\nsecret words\r\n"


class Correspondents:
    """Alice and Bob, each with a mailbox in which they get other mail, too."""

    def __init__(self, make, servers, place, retire="expunge", limits=""):
        self.servers, self.place = servers, place
        self.homes = [make("Alice"), make("Bob")]
        self.boxes = [servers.account(), servers.account()]
        self.retire, self.limits = retire, limits
        for home, box in zip(self.homes, self.boxes, strict=True):
            self.configure(home, box)
            box.receive(DINNER % (1, 1), DINNER % (2, 2))
        self.personal = [box.look() for box in self.boxes]

    def configure(self, home, box, imap=None, smtp=None):
        secret = self.place / f"{home.name}.secret"
        secret.write_text(box.password)
        secret.chmod(0o600)
        (home.path / "config.toml").write_text(
            CONFIG.format(
                address=box.address, host=self.servers.host, imap=imap or self.servers.imaps,
                smtp=smtp or self.servers.smtps, ca=self.servers.ca, secret=secret, retire=self.retire,
                limits=self.limits,
            )
        )  # fmt: skip

    def until(self, done, what, patience=60.0, code=0):
        """Let both sync in turn, as cron would, until *done*."""
        deadline = time.monotonic() + patience
        while not done():
            assert time.monotonic() < deadline, (what, [home.json("status") for home in self.homes])
            for home in self.homes:
                home.run("sync", "home", code=code)

    def wait_for(self, box, count, patience=20.0):
        """Wait until so many mails lie in one INBOX."""
        deadline = time.monotonic() + patience
        while len(self.boxes[box].look()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def only_personal(self):
        """Return whether in both INBOXes lies the person's own mail, as it was, and nothing else."""
        return [box.look() for box in self.boxes] == self.personal


@pytest.fixture
def correspondents(make, mail_servers, tmp_path):
    return Correspondents(make, mail_servers, tmp_path)


def introduced(correspondents):
    """Let Bob join Alice's invitation, and introduce himself by mail."""
    alice, bob = correspondents.homes
    bob.run("join", alice.out("invite", "--for", "Bob").strip())
    correspondents.until(lambda: alice.json("peer", "list") and alice.peer("Bob")["state"] == "in sync", "they meet")
    return alice, bob


def settled(one, other):
    """Whether all that *one* published is known to be applied by *other*, and *one* lacks nothing of *other*'s.

    What became of an envelope that was lost, and whose content came in another one, is told when there is news.
    """
    peer = one.peer(other.name)
    whole = peer["state"] == "in sync" or (peer["missing_envelopes"] and not peer["lacking_lines"])
    return peer["published"] == peer["applied"] and whole


def test_two_homes_meet_by_mail_and_exchange_notes_and_a_large_file(correspondents, tmp_path):
    alice, bob = introduced(correspondents)
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(500):
        (notes / f"{number}.txt").write_text(f"note {number}")
    large = tmp_path / "chart.bin"
    large.write_bytes(random.Random(1).randbytes(60_000_000))
    alice.run("publish", *sorted(notes.iterdir()))
    alice.run("publish", large)
    bob.say("thank you")
    correspondents.until(lambda: settled(alice, bob) and settled(bob, alice), "all arrives", patience=200)
    bob.run("save", "--all-to", tmp_path / "got")
    assert (tmp_path / "got" / "chart.bin").read_bytes() == large.read_bytes()
    assert len(list((tmp_path / "got").glob("*.txt"))) >= 500
    assert alice.texts() == ["thank you"]
    correspondents.until(correspondents.only_personal, "what is done with goes", patience=30)


# -- everything goes wrong ---------------------------------------------------------------------

SEEDS = range(30 if os.environ.get("SOAK") else 10)


GENTLE = {"delay", "slice", "rate"}


def mishap(dice):
    """Return what befalls one connection: two in three break, some of them before anything was said in earnest."""
    after = int(2 ** dice.uniform(8, 15))
    return dice.choice(
        [
            Plan(), Plan(delay=0.01), Plan(slice=dice.randint(1, 700)), Plan(rate=100_000.0), Plan(refuse=True),
            Plan(cut_down=after), Plan(cut_down=after), Plan(cut_up=after), Plan(end_down=after), Plan(end_down=after),
            Plan(stall_down=after), Plan(stall_up=after),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_comes_twice_whatever_lines_and_processes_do(make, mail_servers, tmp_path, seed):
    """Lines are cut, stalled, slowed and refused, and processes killed at any moment; then the weather is fair."""
    dice = random.Random(seed)
    correspondents = Correspondents(make, mail_servers, tmp_path, retire=dice.choice(["expunge", "move:Done"]))
    alice, bob = correspondents.homes
    bob.run("join", alice.out("invite", "--for", "Bob").strip())
    said = {home.name: [f"{home.name} {number} {dice.random()}" for number in range(6)] for home in (alice, bob)}
    large = tmp_path / "large.bin"
    large.write_bytes(dice.randbytes(200_000))
    with Forks(tmp_path / "log") as forks, Proxy(mail_servers.imaps) as imap, Proxy(mail_servers.smtps) as smtp:
        for home, box in zip(correspondents.homes, correspondents.boxes, strict=True):
            correspondents.configure(home, box, imap.port, smtp.port)
        # How long they have is found out: who outran death meets it earlier next time, who did not later.
        killed, reach = 0, 0.9
        for turn in range(7):
            for proxy in (imap, smtp):
                proxy.plans = [mishap(dice) for _ in range(proxy.connections + 8)]
            for home in (alice, bob):
                if turn < 6:
                    forks.run(home.path, "publish", "--message", said[home.name][turn])
                if turn == 2 and home is alice:
                    forks.run(home.path, "publish", str(large))
                code = forks.run(home.path, "sync", "home", kill_after=dice.uniform(0.05, reach))
                killed += code == -signal.SIGKILL
                reach = min(10, reach * 1.3) if code == -signal.SIGKILL else max(0.15, reach * 0.7)
                assert code in (0, 13, -signal.SIGKILL), forks.said()
        broken = sum(times for proxy in (imap, smtp) for name, times in proxy.mishaps.items() if name not in GENTLE)
        imap.plans = smtp.plans = [Plan()]
        for each in correspondents.homes:  # what they wait for has to come now
            for peer in each.json("peer", "list"):
                each.run("peer", "retry", peer["name"])
        correspondents.until(
            lambda: alice.json("peer", "list") and settled(alice, bob) and settled(bob, alice), "all arrives", code=None
        )
        for home, other in ((alice, bob), (bob, alice)):
            assert sorted(home.texts()) == sorted([*said[home.name], *said[other.name]])
            assert home.json("quarantine", "list")["pieces"] == []
        bob.run("save", "--all-to", tmp_path / "got")
        assert (tmp_path / "got" / "large.bin").read_bytes() == large.read_bytes()
        correspondents.until(correspondents.only_personal, "what is done with goes", patience=30, code=None)
    assert killed > 2, "this seed tries something"
    assert broken, "and lines did break"


@pytest.mark.parametrize("retire", ["expunge", "move:Done"])
def test_two_nodes_share_one_mailbox_and_each_takes_and_puts_away_its_own(make, mail_servers, tmp_path, retire):
    correspondents = Correspondents(make, mail_servers, tmp_path, retire=retire)
    (alice, bob), ann = correspondents.homes, make("Ann")
    correspondents.configure(ann, correspondents.boxes[0])
    correspondents.homes.append(ann)
    for one, other in ((alice, bob), (ann, bob), (alice, ann)):
        other.run("join", one.out("invite", "--for", other.name).strip())
    pairs = [(one, other) for one in correspondents.homes for other in correspondents.homes if one is not other]

    def all_is_settled():
        known = all({each["name"] for each in one.json("peer", "list")} >= {other.name} for one, other in pairs)
        return known and all(settled(one, other) for one, other in pairs)

    correspondents.until(all_is_settled, "they meet")
    said = {home.name: f"{home.name} says this" for home in correspondents.homes}
    for home in correspondents.homes:
        home.say(said[home.name])
    large = tmp_path / "large.bin"
    large.write_bytes(random.Random(4).randbytes(300_000))
    bob.run("publish", large)
    bob.run("sync", "home")
    correspondents.wait_for(0, 4)
    for _ in range(3):  # as long as Ann is away, what is for her stays
        alice.run("sync", "home")
    assert sorted(alice.texts()) == [said["Alice"], said["Bob"]]
    correspondents.until(all_is_settled, "all arrives")
    for home in correspondents.homes:
        assert sorted(home.texts()) == sorted(said.values())
        assert home.json("quarantine", "list")["pieces"] == []
    for home in (alice, ann):
        home.run("save", "--all-to", tmp_path / f"got {home.name}")
        assert (tmp_path / f"got {home.name}" / "large.bin").read_bytes() == large.read_bytes()
    correspondents.until(correspondents.only_personal, "what is done with goes", patience=30)


# -- beside a stick, and large things ----------------------------------------------------------


def on_the_way(home):
    """The titles of what *home* has handed over and is not known to have arrived."""
    return [title for batch in home.json("outbox") for title in batch["contents"]["titles"]]


def test_what_goes_by_mail_and_by_stick_at_once_is_applied_once_and_acknowledged_by_either(correspondents, stick):
    alice, bob = introduced(correspondents)
    alice.say("by both ways")
    alice.run("sync", "home")
    assert alice.sync(stick)["sent"] == 1  # what is on its way by mail waits for nothing
    came = bob.sync(stick)
    assert came["new"] == 1
    bob.run("sync", "home")
    assert bob.texts() == ["by both ways"]
    assert on_the_way(alice) == ["message", "message"]
    alice.run("sync", "home")  # the answer comes by mail, and settles both letters
    assert on_the_way(alice) == []
    assert alice.peer("Bob")["applied"] == 1


def test_a_token_on_the_stick_settles_what_went_by_mail(correspondents, stick):
    alice, bob = introduced(correspondents)
    alice.say("by both ways")
    alice.sync(stick)
    alice.run("sync", "home")
    bob.sync(stick)
    assert on_the_way(alice) == ["message", "message"]
    alice.sync(stick)  # Bob's envelope lies there, and his token
    assert on_the_way(alice) == []
    bob.run("sync", "home")
    assert bob.texts() == ["by both ways"]


def test_a_large_file_goes_on_where_it_was_cut_and_takes_little_memory(correspondents, mail_servers, tmp_path):
    """2.5 MB through lines that break every few hundred kilobytes; each pass has a process of its own."""
    alice, bob = introduced(correspondents)
    large = tmp_path / "chart.bin"
    large.write_bytes(random.Random(2).randbytes(2_500_000))
    alice.run("publish", large)
    with Forks(tmp_path / "log") as forks, Proxy(mail_servers.imaps) as imap, Proxy(mail_servers.smtps) as smtp:
        for home, box in zip(correspondents.homes, correspondents.boxes, strict=True):
            correspondents.configure(home, box, imap.port, smtp.port)
            forks.run(home.path, "status")
        imported = forks.memory_mib
        for turn in range(30):
            imap.plans, smtp.plans = [Plan(cut_down=700_000 + 1_000 * turn)], [Plan(cut_up=6_000_000)]
            before = imap.down
            for home in (alice, bob):
                assert forks.run(home.path, "sync", "home") in (0, 13)
            if bob.json("status")["incomplete"] == 0 and bob.json("list"):
                break
            assert turn < 5 or imap.down > before, "it goes on"
        assert forks.memory_mib - imported < 40
        assert imap.down < 3 * len(large.read_bytes()), "what has come is not fetched again"
    bob.run("save", "--all-to", tmp_path / "got")
    assert (tmp_path / "got" / "chart.bin").read_bytes() == large.read_bytes()


def test_a_thin_mailbox_leaves_files_to_the_stick_and_says_so(make, mail_servers, tmp_path, stick):
    thin = ', message = "30 kB", bytes_per_day = "200 kB"'
    correspondents = Correspondents(make, mail_servers, tmp_path, limits=thin)
    alice, bob = introduced(correspondents)
    large = tmp_path / "chart.bin"
    large.write_bytes(random.Random(3).randbytes(2_500_000))
    alice.say("short")
    alice.run("publish", large)
    assert "they need a stick" in alice.out("plan", "home")
    correspondents.until(lambda: bob.texts() == ["short"], "what is short goes by mail")
    alice.sync(stick)
    assert f"left for {stick}" in alice.out("plan", "home")
    bob.sync(stick)
    bob.run("save", "--all-to", tmp_path / "got")
    assert (tmp_path / "got" / "chart.bin").read_bytes() == large.read_bytes()


def test_a_stranger_waits_gets_no_answer_and_is_then_accepted_by_mail(correspondents):
    alice, bob = correspondents.homes
    card = correspondents.place / "alice.card"
    alice.run("card", "-o", card)
    bob.run("peer", "add", "Alice", card)
    bob.say("you do not know me yet")
    bob.run("sync", "home")
    correspondents.until(lambda: alice.json("peer", "pending"), "the introduction comes")
    assert [each["name"] for each in alice.json("peer", "pending")] == ["Bob"]
    assert alice.json("sync", "home")["sent"] == 0
    alice.run("peer", "accept", "1", "Bob")
    correspondents.until(lambda: alice.texts() == ["you do not know me yet"] and settled(bob, alice), "they talk")


def goes_out(correspondents, code):
    """Alice, who has trouble with her mailbox, writes to Bob, and he reads it."""
    alice, bob = correspondents.homes
    alice.say("outward")
    done = alice.json("sync", "home", code=code)
    assert (done["sent"], len(done["problems"])) == (1, 1)
    correspondents.wait_for(1, 3)
    bob.run("sync", "home")
    assert bob.texts() == ["outward"]


def test_what_is_to_be_sent_goes_though_the_mailbox_cannot_be_read(correspondents):
    alice, _ = introduced(correspondents)
    correspondents.configure(alice, correspondents.boxes[0], imap=1)
    goes_out(correspondents, code=13)


def test_what_is_to_be_sent_goes_though_the_mailbox_lets_nobody_in_and_each_trouble_is_told(correspondents):
    alice, _ = introduced(correspondents)
    with correspondents.servers.scripted(rules=lambda verb, *_: "235 come in" if verb == "AUTH" else None) as mta:
        correspondents.configure(alice, correspondents.boxes[0], smtp=mta.port)
        (correspondents.place / "Alice.secret").write_text("wrong")
        goes_out(correspondents, code=14)

    correspondents.configure(alice, correspondents.boxes[0], smtp=1)
    (correspondents.place / "Alice.secret").write_text("wrong")
    alice.say("nowhere to go")
    done = alice.json("sync", "home", code=14)
    assert [(each["where"], each["exit_code"]) for each in done["problems"]] == [("home", 14), ("home", 13)]
    (failing,) = alice.json("status")["failing"]
    assert all(each["what"] in failing["why"] for each in done["problems"])
    assert "port 1" in failing["why"]


def test_who_stays_awake_hears_of_mail_at_once(correspondents, tmp_path):
    alice, bob = introduced(correspondents)
    log = tmp_path / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "paquebot", "--home", str(bob.path), "run", "-v"]
        awake = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while b"found" not in log.read_bytes():  # the first pass is done
            assert time.monotonic() < deadline
            time.sleep(0.1)
        alice.say("are you there?")
        alice.run("sync", "home")
        while not bob.json("list"):
            assert time.monotonic() < deadline, log.read_text()  # long before its next visit
            time.sleep(0.1)
        awake.send_signal(signal.SIGTERM)
        assert awake.wait(30) == 0
    finally:
        awake.kill()
        awake.wait()
    assert bob.texts() == ["are you there?"]


@pytest.mark.parametrize("what", ["the line breaks", "the ration is used up"])
def test_who_stays_awake_leaves_a_mailbox_alone_that_has_news_and_cannot_be_read(make, mail_servers, tmp_path, what):
    breaks = what == "the line breaks"
    limits = "" if breaks else ', message = "30 kB", bytes_per_day = "60 kB"'
    correspondents = Correspondents(make, mail_servers, tmp_path, limits=limits)
    alice, box = correspondents.homes[0], correspondents.boxes[0]
    box.receive(*(DINNER % (number, number) for number in range(10, 400)))
    with Proxy(mail_servers.imaps, Plan(cut_down=15_000 if breaks else 0)) as imap:
        correspondents.configure(alice, box, imap.port)
        with subprocess.Popen([sys.executable, "-m", "paquebot", "--home", str(alice.path), "run"]) as awake:
            try:
                deadline = time.monotonic() + 30
                while imap.connections < 2:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                time.sleep(6)
                awake.send_signal(signal.SIGTERM)
                assert awake.wait(30) == 0
            finally:
                awake.kill()
        assert 1 < imap.connections < 10


# -- what is wrong ------------------------------------------------------------------------------


def states(found):
    return {each["what"]: each["state"] for each in found}


def test_the_doctor_tries_the_whole_way_and_leaves_nothing_behind(correspondents):
    alice, _ = correspondents.homes
    found = alice.json("doctor")  # before anything was done
    assert states(found) == {
        "clock": "ok", "address": "ok", "ration": "ok", "secret": "ok", "certificate, receiving": "ok",
        "receiving": "ok", "folder": "ok", "spam": "ok", "certificate, sending": "ok", "sending": "ok",
        "loop mail": "ok",
    }  # fmt: skip
    assert "ok       home: clock: it agrees with the server's" in alice.out("doctor", "home")
    assert correspondents.only_personal()
    alice.run("sync", "home")
    assert "came back after" in alice.out("doctor", "home")
    assert "loop mail" not in alice.out("doctor", "home", "--no-mail")


def test_the_doctor_names_a_wrong_password_a_wrong_certificate_and_a_server_that_is_not_there(correspondents):
    alice, _ = correspondents.homes
    secret, box = correspondents.place / "Alice.secret", correspondents.boxes[0]
    secret.write_text("wrong")
    said = alice.out("doctor", "home", code=16)
    assert "broken   home: receiving: " in said
    assert "broken   home: sending: " in said
    assert "wrong" not in said
    alice.run("sync", "home", code=14)
    assert "home does not work since" in alice.out("status")
    secret.unlink()
    assert states(alice.json("doctor", "home", code=16))["secret"] == "broken"
    correspondents.configure(alice, box, imap=1)
    found = alice.json("doctor", "home", code=16)
    assert states(found)["receiving"] == "broken"
    (said,) = [each["detail"] for each in found if each["state"] == "broken"]
    assert "nothing listens at port 1" in said
    config = alice.path / "config.toml"
    correspondents.configure(alice, box)
    config.write_text(config.read_text().replace(f'ca_file = "{correspondents.servers.ca}"', ""))
    assert alice.out("doctor", "home", code=16).count("set ca_file") == 2, "once for each direction"


def test_the_doctor_says_how_full_the_mailbox_is_and_what_lies_among_spam(make, small_mail_servers, tmp_path):
    correspondents = Correspondents(make, small_mail_servers, tmp_path)
    alice, bob = correspondents.homes
    for home, filled, state, code in ((alice, 41_000, "warning", 3), (bob, 48_000, "broken", 16)):
        box = small_mail_servers.account(storage="50K")
        correspondents.configure(home, box)
        home.run("sync", "home")
        box.receive(b"Subject: a holiday\r\n\r\n" + (b"x" * 62 + b"\r\n") * (filled // 64))
        with box.person() as person:
            person.append("Spam", "", None, b"X-Paquebot-Part: 1 abcdef\r\n\r\nwords\r\n")
        found = home.json("doctor", "home", "--no-mail", code=code)
        assert (states(found)["quota"], states(found)["spam"]) == (state, "warning")
        assert " % of 50 (storage) is used" in home.out("doctor", "home", "--no-mail", code=code)
        home.run("sync", "home")
        said = home.out("status", "--check", code={3: 1, 16: 2}[code])
        assert re.match(r"(WARNING|CRITICAL): home: quota: \d\d % of 50 \(storage\) is used", said)


def test_a_mailbox_that_takes_no_more_is_told_to_who_watches_though_its_server_knows_no_quotas(correspondents):
    alice, _ = correspondents.homes
    answers = {"RCPT": "452 4.2.2 mailbox full"}
    with correspondents.servers.scripted(rules=lambda verb, *_: answers.get(verb)) as mta:
        correspondents.configure(alice, correspondents.boxes[0], smtp=mta.port)
        alice.run("sync", "home")
        assert alice.out("status", "--check").startswith("OK")
        assert "refused: 452" in alice.out("doctor", "home", code=16)
        alice.run("sync", "home")
        said = alice.out("status", "--check", code=2)
        assert said.startswith("CRITICAL: home: quota: the mailbox takes no more: localhost: 452 4.2.2 mailbox full")
        assert states(alice.json("doctor", "home", "--no-mail", code=16))["quota"] == "broken"
        answers.clear()
        alice.run("doctor", "home")
        alice.run("sync", "home")
        assert alice.out("status", "--check").startswith("OK")


def test_a_loop_mail_that_comes_too_late_is_removed_the_next_time_and_no_other(correspondents, monkeypatch):
    alice, box = correspondents.homes[0], correspondents.boxes[0]
    box.receive(b"X-Paquebot-Loop: 00112233445566778899aabbccddeeff\r\nMessage-ID: <dinner-3@c.test>\r\n\r\nwords\r\n")
    correspondents.personal[0] = box.look()
    servers = correspondents.servers
    tls = (servers.root / "tls/server.pem", servers.root / "tls/server.key")
    monkeypatch.setattr("paquebot_mail.loop.LOOP_S", 1.0)
    with ScriptedMta(certificate=tls, login=lambda *_: True) as slow:
        correspondents.configure(alice, box, smtp=slow.port)
        assert "did not come back within 1 seconds" in alice.out("doctor", "home", code=16)
    (taken,) = slow.mails
    correspondents.configure(alice, box)
    assert "late" not in alice.out("doctor", "home", "--no-mail")
    servers.deliver(taken.sender, taken.recipients, taken.data)
    assert not correspondents.only_personal()
    assert "late loop mail: 1 of an earlier time" in alice.out("doctor", "home", "--no-mail")
    assert correspondents.only_personal()
    assert "late" not in alice.out("doctor", "home")
    assert correspondents.only_personal()


@pytest.mark.parametrize(("ahead", "state", "code"), [(0, "ok", 0), (-1_000, "warning", 3)])
def test_the_doctor_says_how_clocks_differ_or_that_it_is_not_known(correspondents, ahead, state, code):
    alice, box = correspondents.homes[0], correspondents.boxes[0]
    said = [each for each in alice.json("doctor", "home", "--no-mail") if each["carrier"]]
    (clock,) = [each["detail"] for each in said if each["what"] == "clock"]
    assert clock.startswith("not known")
    greeting = f"220 mx.example ESMTP {format_datetime(datetime.fromtimestamp(time.time() + ahead, UTC))}"
    with correspondents.servers.scripted(rules=lambda verb, *_: greeting if verb == "CONNECT" else None) as mta:
        correspondents.configure(alice, box, smtp=mta.port)
        said = [each for each in alice.json("doctor", "home", "--no-mail", code=code) if each["carrier"]]
    assert [each["state"] for each in said if each["what"] == "clock"] == [state]


def test_the_doctor_says_how_long_somebody_has_been_at_work_here(correspondents, monkeypatch):
    alice, _ = correspondents.homes
    command = "import sys, time, pathlib; from paquebot import home\n"
    command += "with home.locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", command, str(alice.path)], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        said = alice.out("doctor", "home", code=3)
        assert f"warning  lock: process {other.pid} has worked in this home for" in said
        monkeypatch.setattr(examining, "HUNG_MS", 0)
        said = alice.out("doctor", "home", code=16)
        assert f"broken   lock: process {other.pid} has worked in this home for" in said
        assert "home: " not in said
        assert f"process {other.pid}, for" in alice.err("sync", "home", code=11)
        other.kill()
    assert (alice.path / "lock").read_bytes() == b"", "a sync with nothing to do writes nothing"
    assert "lock" not in states(alice.json("doctor", "home", "--no-mail"))


def test_the_doctor_names_peers_without_an_address(correspondents, tmp_path):
    alice, bob = correspondents.homes
    (bob.path / "config.toml").unlink()
    bob.run("card", "-o", tmp_path / "bob.card")
    alice.run("peer", "add", "Bob", tmp_path / "bob.card")
    assert "paquebot peer route NAME mail" in alice.out("doctor", "home", "--no-mail", code=3)
    alice.say("for whom?")
    assert alice.json("sync", "home")["sent"] == 0
    assert alice.json("status")["without_address"] == [{"peer": "Bob", "kind": "mail"}]
    assert "Bob has told no address for mail" in alice.out("status")


def test_a_check_tries_the_mailbox_among_other_mail_and_leaves_nothing_behind(make, mail_servers, tmp_path):
    correspondents = Correspondents(make, mail_servers, tmp_path, retire="keep")
    alice = correspondents.homes[0]
    assert "--among-others" in alice.err("transport", "check", "home", code=2)
    for only in ("as they were sent", "was refused", "be given up"):
        found = alice.json("transport", "check", "home", "--among-others", "--yes", "--only", only)
        assert {each["result"] for each in found["promises"]} == {"ok"}, found["promises"]
    assert found["capability"]["address"] == correspondents.boxes[0].address
    said = alice.out("transport", "check", "home", "--among-others", "--yes", "--only", "current api")
    assert re.search(r"parcels it takes now     999\d\d", said), "what was sent counts"
    assert correspondents.only_personal()


def test_a_check_keeps_to_the_days_ration_counts_in_it_and_says_what_it_costs(make, mail_servers, tmp_path):
    ration = ', message = "40 kB", bytes_per_day = "200 kB" }\nprice = { mail = 1, megabyte = 1, currency = "EUR"'
    correspondents = Correspondents(make, mail_servers, tmp_path, limits=ration)
    alice, box = correspondents.homes[0], correspondents.boxes[0]
    with Proxy(mail_servers.imaps) as imap, Proxy(mail_servers.smtps) as smtp:
        correspondents.configure(alice, box, imap.port, smtp.port)
        found = alice.json("transport", "check", "home", "--among-others", "--yes")
        visits = 3_500 * (imap.connections + smtp.connections)
        assert imap.down + smtp.up < 1.02 * 200_000 + visits
        said = alice.err("transport", "check", "home", "--among-others", "--yes", "--only", "as they were sent")
        assert re.search(r"Up to \d+ parcels .*, about \d+\.\d\d EUR", said)
    results = {each["result"] for each in found["promises"]}
    assert results == {"ok", "skipped"}, found["promises"]
    assert [each for each in found["promises"] if "may go and come today" in each["why"]]
    assert 0 < found["sent"] < 60
    assert correspondents.only_personal()
    (left, came) = re.search(r", ([\d.]+) kB are left, ([\d.]+) kB came", alice.out("plan", "home")).groups()
    assert float(left) < 150
    assert float(came) > 50


def test_status_says_what_is_left_of_the_ration_how_full_it_is_and_who_waits_until_when(
    make, small_mail_servers, tmp_path
):
    ration = ', message = "100 kB", bytes_per_day = "200 kB" }\nprice = { mail = 1, megabyte = 20, currency = "EUR"'
    correspondents = Correspondents(make, small_mail_servers, tmp_path, limits=ration)
    alice, box = correspondents.homes[0], small_mail_servers.account(storage="50K")
    correspondents.configure(alice, box)
    box.receive(b"Subject: a holiday\r\n\r\n" + (b"x" * 62 + b"\r\n") * 650)
    assert "when last visited" not in alice.out("status")
    alice.run("sync", "home")
    said = alice.out("status")
    ration = "ration: 100000 of 100000 mails may go today; of 200 kB both ways, "
    ration += r"(?:19\d|200) kB are left, [1-9]\d* B came"
    assert re.search(f"home, when last visited: {ration}", said)
    assert re.search(f"^  {ration}$", alice.out("plan", "home"), re.MULTILINE)
    assert " % of 50 (storage) is used" in said
    before = alice.json("status")["carriers"]
    assert [(each["carrier"], each["what"], each["state"]) for each in before] == [
        ("home", "ration", "ok"), ("home", "cost", "ok"), ("home", "quota", "warning"),
    ]  # fmt: skip

    alice.run("join", correspondents.homes[1].out("invite", "--for", "Alice").strip())
    assert re.search(r"home: 1 envelope, at most .*, about 1\.\d\d EUR$", alice.out("plan", "home"), re.MULTILINE)
    (plan,) = alice.json("plan", "home")["carriers"]
    assert 1 < plan["cost"]["amount"] < 2
    assert [each["what"] for each in plan["standing"]] == ["ration", "cost", "quota"]
    alice.run("sync", "home")
    cost = r"cost: about 1\.\d\d EUR in the last 24 hours, for 1 mail of [\d.]+ kB, and [1-9]\d* B that came"
    assert re.search(cost, alice.out("status"))

    alice.say("one more")
    correspondents.configure(alice, box, smtp=1)
    alice.run("sync", "home", code=13)
    assert re.search(
        r"home, when last visited: sending: waits until 20\d\d-\d\d-\d\d \d\d:\d\d UTC: ", alice.out("status")
    )


# -- what other programs hand in ------------------------------------------------------------------


def bodies(box):
    """All mails of an INBOX, whole."""
    with box.person() as person:
        person.select("INBOX", readonly=True)
        found = person.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
    return [each[1] for each in found if isinstance(each, tuple)]


def test_mails_come_by_a_pipe_or_a_maildir_as_well_as_by_a_server(correspondents, tmp_path):
    alice, bob = introduced(correspondents)
    alice.say("through a pipe")
    alice.run("sync", "home")
    box, config = correspondents.boxes[1], bob.path / "config.toml"
    correspondents.wait_for(1, 3)
    mail = next(each for each in bodies(box) if b"X-Paquebot-Part" in each)
    config.write_text(config.read_text() + "fetch = false\n")
    assert bob.run("receive", stdin=mail).stderr == b""
    assert bob.run("receive", stdin=mail.replace(b"\r\n", b"\n"))  # once more, and as some filters have it
    bob.run("receive", stdin=DINNER % (1, 1), code=77)
    bob.run("receive", stdin=mail[: len(mail) * 2 // 3], code=65)
    bob.run("receive", stdin=b"", code=77)
    assert bob.json("sync", "home")["new"] == 1
    assert bob.texts() == ["through a pipe"]
    assert bob.json("sync", "home")["found"] == 0

    alice.say("through a maildir")
    alice.run("sync", "home")
    correspondents.wait_for(1, 4)
    (tmp_path / "md/new").mkdir(parents=True)
    for number, each in enumerate(bodies(box)):
        (tmp_path / f"md/new/{number}.host").write_bytes(each)
    before = sorted(each.name for each in (tmp_path / "md/new").iterdir())
    assert "2 mails taken in" in bob.err("receive", "--maildir", tmp_path / "md")
    assert "0 mails taken in" in bob.err("receive", "--maildir", tmp_path / "md")
    assert sorted(each.name for each in (tmp_path / "md/new").iterdir()) == before
    bob.run("sync", "home")
    assert sorted(bob.texts()) == ["through a maildir", "through a pipe"]


def test_a_pipe_is_told_to_try_again_while_nothing_can_be_kept(make):
    alice = make("Alice")
    assert "no carrier in" in alice.err("receive", stdin=DINNER % (1, 1), code=75)
