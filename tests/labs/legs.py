"""The commands whose every call is looked at: one story of one home, cut into legs."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import Home
from tests.e2e.test_disk import downgraded
from tests.e2e.test_secrets import WORDS, fd_of
from tests.labs.power import HOME, OUT, STICK, Leg, recorded

from paquebot.node import Node
from paquebot.protocol.publishing import Draft

LARGE = 70_000  # a text that lies beside the database
FILE = 150_000


class Voyage:
    """Alice, whose power fails, Bob, whose does not, and a stick."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        for name in (STICK, OUT):
            (self.root / name).mkdir(parents=True)
        self.alice = Home(self.root / HOME, "Alice")
        self.bob = Home(folder / "bob", "Bob")
        self.stick, self.out, self.folder = self.root / STICK, self.root / OUT, folder
        self.bob.run("init", "--name", "Bob")
        self.file = folder / "file.bin"
        self.file.write_bytes(os.urandom(FILE))

    def meet(self) -> None:
        """Let them know each other."""
        self.alice.run("init", "--name", "Alice")
        for one, other in ((self.alice, self.bob), (self.bob, self.alice)):
            other.run("card", "-o", self.folder / "card")
            one.run("peer", "add", other.name, self.folder / "card", "--trust", "read")
            (self.folder / "card").unlink()

    def rounds(self, count: int = 2) -> None:
        """Carry the stick to and fro."""
        for _ in range(count):
            self.alice.run("sync", "--via", self.stick)
            self.bob.run("sync", "--via", self.stick)

    def publish(self, home: Home) -> None:
        """Publish one of each: small, large, a file, and something private."""
        home.say("small")
        home.run("publish", "--message", "x" * LARGE)
        home.run("publish", self.file)
        home.say("for one alone", "--to", "Bob" if home is self.alice else "Alice")


def init(voyage: Voyage) -> Leg:
    with recorded("init", voyage.root, voyage.bob) as leg:
        voyage.alice.run("init", "--name", "Alice")
    return leg


def publish(voyage: Voyage) -> Leg:
    voyage.meet()
    with recorded("publish", voyage.root, voyage.bob) as leg:
        voyage.publish(voyage.alice)
    return leg


def one_run(voyage: Voyage) -> Leg:
    """Publish in one process that stays: the database's log is there already when the first large thing comes."""
    voyage.meet()
    with recorded("one run", voyage.root, voyage.bob) as leg, Node(voyage.alice.path) as node:
        for name in ("first", "second"):
            for text in (name, name * LARGE):
                node.publish([Draft.message(text)])
                leg.left()
            node.publish_stream(io.BytesIO(os.urandom(FILE)), name)
            leg.left()
    return leg


def sync(voyage: Voyage) -> Leg:
    """Take in and hand out, twice: envelopes, tokens, acknowledgements, chunks."""
    voyage.meet()
    voyage.publish(voyage.alice), voyage.publish(voyage.bob)
    voyage.rounds(1)
    with recorded("sync", voyage.root, voyage.bob) as leg:
        voyage.alice.run("sync", "--via", voyage.stick)
    return leg


def letting_go(voyage: Voyage) -> Leg:
    """Revoke, forget, repair."""
    voyage.meet()
    voyage.publish(voyage.bob), voyage.publish(voyage.alice)
    voyage.rounds(3)
    (voyage.alice.path / "blobs" / "ab").mkdir(exist_ok=True)
    (voyage.alice.path / "blobs" / "ab" / ("c" * 62)).write_bytes(b"nobody's")
    with recorded("letting go", voyage.root, voyage.bob) as leg:
        mine = [each["id"] for each in voyage.alice.json("list") if each["author_name"] == "Alice"]
        voyage.alice.run("revoke", "--yes", mine[0])
        voyage.alice.run("forget", "--from", "Bob", "--yes")
        voyage.alice.run("repair", "--yes", "--read-data")
    return leg


def people(voyage: Voyage) -> Leg:
    """Cards, invitations, trust, and what is written beside the home."""
    voyage.meet()
    with recorded("people", voyage.root, voyage.bob) as leg:
        voyage.alice.run("invite", "--for", "Carol", "-o", voyage.out / "invitation")
        voyage.alice.run("trust", "give", "Bob", "--may", "publish")
        voyage.alice.run("peer", "remove", "Bob")
        voyage.alice.run("export", voyage.out / "export", "--export-passphrase-fd", fd_of(WORDS))
    return leg


def keys(voyage: Voyage) -> Leg:
    """Lock the keys, then go on with new ones."""
    voyage.meet()
    voyage.alice.say("before")
    voyage.rounds(2)
    with recorded("keys", voyage.root, voyage.bob) as leg:
        voyage.alice.run("node", "renew", "--yes")
        voyage.alice.run("key", "passphrase", "--new-fd", fd_of(WORDS))
    return leg


def bring_back(voyage: Voyage) -> Leg:
    """Take in an export in an empty home."""
    voyage.meet()
    voyage.publish(voyage.alice)
    voyage.alice.run("export", voyage.folder / "export", "--export-passphrase-fd", fd_of(WORDS))
    voyage.alice.path.rename(voyage.folder / "lost")
    with recorded("import", voyage.root, voyage.bob) as leg:
        voyage.alice.run("import", voyage.folder / "export", "--export-passphrase-fd", fd_of(WORDS))
    return leg


def migration(voyage: Voyage) -> Leg:
    """Bring a store of the first version up to date."""
    voyage.meet()
    downgraded(voyage.alice.path)
    with recorded("migration", voyage.root, voyage.bob) as leg:
        voyage.alice.say("with the new version")
    return leg


LEGS: dict[str, Callable[[Voyage], Leg]] = {
    each.__name__: each for each in (init, publish, one_run, sync, letting_go, people, keys, bring_back, migration)
}
