"""The commands that the laboratories look at: stories of one home, each with what comes before it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.conftest import Home
from tests.e2e.test_disk import downgraded
from tests.e2e.test_secrets import WORDS, fd_of

from paquebot.node import Node
from paquebot.protocol.publishing import Draft

LARGE = 70_000  # a text that lies beside the database
FILE = 150_000


class Voyage:
    """Alice, to whom it happens, Bob, to whom it does not, and a stick."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.stick, self.out = self.root / "stick", self.root / "out"
        self.alice, self.bob = Home(self.root / "alice", "Alice"), Home(folder / "bob", "Bob")
        self.file, self.export = folder / "file.bin", folder / "export"
        self.left: Callable[[], None] = lambda: None
        """Called when something was said to whoever runs us."""

    def begin(self) -> None:
        """Make Bob, an empty stick and a file."""
        self.stick.mkdir(parents=True)
        self.out.mkdir()
        self.bob.run("init", "--name", "Bob")
        self.file.write_bytes(os.urandom(FILE))

    def meet(self) -> None:
        """Make Alice, and let the two know each other."""
        self.begin()
        self.alice.run("init", "--name", "Alice")
        for one, other in ((self.alice, self.bob), (self.bob, self.alice)):
            other.run("card", "-o", self.folder / "card")
            one.run("peer", "add", other.name, self.folder / "card")
            (self.folder / "card").unlink()

    def tell(self) -> None:
        """Let both publish, and Bob's lie on the stick."""
        self.meet()
        self.publish(self.alice)
        self.publish(self.bob)
        self.rounds(1)

    def share(self) -> None:
        """Let both publish, and both have it."""
        self.tell()
        self.rounds(2)

    def rounds(self, count: int) -> None:
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


@dataclass(frozen=True, slots=True)
class Story:
    """Some commands of Alice's, and what was before."""

    prepare: Callable[[Voyage], None]
    run: Callable[[Voyage], None]


def init(voyage: Voyage) -> None:
    voyage.alice.run("init", "--name", "Alice")


def publish(voyage: Voyage) -> None:
    voyage.publish(voyage.alice)


def one_run(voyage: Voyage) -> None:
    """Publish in one process that stays: the database's log is there already when the first large thing comes."""
    with Node(voyage.alice.path) as node:
        for name in ("first", "second"):
            for text in (name, name * LARGE):
                node.publish([Draft.message(text)])
                voyage.left()
            node.publish_stream(io.BytesIO(os.urandom(FILE)), name)
            voyage.left()


def sync(voyage: Voyage) -> None:
    """Take in and hand out: envelopes, tokens, chunks."""
    voyage.alice.run("sync", "--via", voyage.stick)


def litter(voyage: Voyage) -> None:
    """Let something lie there that nothing names."""
    voyage.share()
    folder = voyage.alice.path / "blobs" / "ab"
    folder.mkdir(exist_ok=True)
    (folder / ("c" * 62)).write_bytes(b"nobody's")


def let_go(voyage: Voyage) -> None:
    """Revoke, forget, repair."""
    mine = [each["id"] for each in voyage.alice.json("list") if each["author_name"] == "Alice"]
    voyage.alice.run("revoke", "--yes", *mine[:1])
    voyage.alice.run("forget", "--from", "Bob", "--yes")
    voyage.alice.run("repair", "--yes", "--read-data", code=None)


def people(voyage: Voyage) -> None:
    """Invitations, trust, and what is written beside the home."""
    voyage.alice.run("invite", "--for", "Carol", "-o", voyage.out / "invitation")
    voyage.alice.run("trust", "give", "Bob", "--may", "publish")
    voyage.alice.run("peer", "remove", "Bob")
    voyage.alice.run("export", voyage.out / "export", "--export-passphrase-fd", fd_of(WORDS))


def keys(voyage: Voyage) -> None:
    """Go on with new keys, then lock them."""
    voyage.alice.run("node", "renew", "--yes")
    voyage.alice.run("key", "passphrase", "--new-fd", fd_of(WORDS))


def lost(voyage: Voyage) -> None:
    """Let only an export of Alice be left."""
    voyage.meet()
    voyage.publish(voyage.alice)
    voyage.alice.run("export", voyage.export, "--export-passphrase-fd", fd_of(WORDS))
    voyage.alice.path.rename(voyage.folder / "lost")


def bring_back(voyage: Voyage) -> None:
    """Take in an export in an empty home."""
    voyage.alice.run("import", voyage.export, "--export-passphrase-fd", fd_of(WORDS))


def old(voyage: Voyage) -> None:
    """Let Alice's store be one of the first version."""
    voyage.meet()
    downgraded(voyage.alice.path)


def migrate(voyage: Voyage) -> None:
    """Bring it up to date."""
    voyage.alice.say("with the new version")


STORIES = {
    "init": Story(Voyage.begin, init),
    "publish": Story(Voyage.meet, publish),
    "one run": Story(Voyage.meet, one_run),
    "sync": Story(Voyage.tell, sync),
    "let go": Story(litter, let_go),
    "people": Story(Voyage.meet, people),
    "keys": Story(Voyage.share, keys),
    "bring back": Story(lost, bring_back),
    "migrate": Story(old, migrate),
}
