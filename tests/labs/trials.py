"""A story that is disturbed, again and again from the same beginning; and what must hold of its home afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.conftest import Done, Home
from tests.e2e.ground import lies
from tests.e2e.test_secrets import WORDS, fd_of
from tests.labs.legs import STORIES, Voyage
from tests.labs.power import whole

from paquebot import home as homes
from paquebot.keychain import NODE_KEY
from paquebot.node import Node


class Stopped(Exception):
    """A command did not succeed, so the story ends."""


@dataclass
class Tried(Home):
    """A home whose commands may fail; the first that does ends the story."""

    done: list[Done] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    """The URIs of what is said to be published."""

    def run(self, *arguments: str | Path, code: int | None = 0, stdin: bytes = b"") -> Done:
        """Run a command; raise `Stopped` if it failed."""
        done = super().run(*arguments, code=None, stdin=stdin)
        self.done.append(done)
        if arguments[0] == "publish":
            self.published += done.stdout.decode().split()
        if done.returncode and code is not None:
            raise Stopped
        return done


class Trials:
    """One story, prepared once, and begun anew as often as one likes."""

    def __init__(self, name: str, folder: Path) -> None:
        self._before, self._folder = folder / "before", folder / "now"
        self.name, self.story = name, STORIES[name]
        self._before.mkdir()
        voyage = Voyage(self._before)
        self.story.prepare(voyage)
        copy = self.fresh().alice  # to look at a home may bring its store up to date
        self._had = things(copy) if homes.holds_node(copy.path) else {}

    def fresh(self) -> Voyage:
        """Return the story's beginning; what was made of it the last time is gone."""
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._before, self._folder)
        return Voyage(self._folder)

    def complaints(self, voyage: Voyage, published: Iterable[str] = ()) -> list[str]:
        """Return what is wrong with the home now: what it had is lost, or was *published*, or it is not whole."""
        home = Home(voyage.alice.path, "Alice")
        if not homes.holds_node(home.path) or not (home.path / homes.KEYS).exists():
            return ["the node is gone"] if self._had else []
        with Node(home.path) as node:
            if not node.keys.locked(NODE_KEY):
                assert node._node_key
            found = [f"check: {each}" for each in whole(home.path, node._store)]
        there = things(home)
        found += [f"{uri} is lost" for uri in self._had if uri not in there]
        found += [f"{uri} is said to be published" for uri in published if uri not in there]
        return found

    def goes_on(self, voyage: Voyage) -> list[str]:
        """Let the home go on as if nothing had been, and its peer with it; return what is wrong then."""
        alice = Home(voyage.alice.path, "Alice")
        voyage.alice = alice
        alice.run("status", code=None)  # which completes what was all but done
        if not (alice.path / homes.KEYS).exists():
            self.story.run(voyage)
        if any(b"locked secret" in path.read_bytes() for path in (alice.path / homes.KEYS).iterdir()):
            opened = fd_of(WORDS)
            return [] if alice.run("--passphrase-fd", opened, "publish", "--message", "x").stdout else ["locked"]
        alice.say("as if nothing had been")
        if not alice.json("peer", "list"):
            return []
        for _ in range(3):
            for each in (alice, voyage.bob):
                each.run("sync", "--via", voyage.stick, code=None)
        return disagreements(alice, voyage.bob)


def things(home: Home) -> dict[str, dict[str, object]]:
    """Return all that a home knows of, by URI."""
    return {each["uri"]: each for each in home.json("list", "--all") if each["gone"] not in ("lost", "damaged")}


def disagreements(one: Home, other: Home) -> list[str]:
    """Return what either of two homes in sync lacks of the other, or claims that is not so."""
    found = lies(one, other)
    for here, there in ((one, other), (other, one)):
        known = things(there)
        for each in here.json("list"):
            if each["uri"] not in known:
                found.append(f"{there.name} lacks {each['uri']}")
            if not each["complete"]:
                found.append(f"{here.name} lacks part of {each['uri']}")
    return found
