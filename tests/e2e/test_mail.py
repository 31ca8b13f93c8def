"""Two homes on two mailboxes of real servers, driven as their persons would: by the command line."""

import random
import time

import pytest

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
    """Whether all that *one* published is known to be applied by *other*."""
    peer = one.peer(other.name)
    return peer["published"] == peer["applied"] and peer["state"] == "in sync"


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
