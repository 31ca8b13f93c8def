"""A month in the life of a ship, an office and a clinic, by command line alone; every status is held against what is.

The office and the clinic never touch one stick: the ship carries for both. What the office publishes is for the ship;
the clinic writes to the office in private. A month passes, the clinic's disk dies and an old backup is put back; then
the ship's machine is stolen and a new one takes its place.
"""

import shutil
import time
from unittest.mock import patch

import pytest
from tests.e2e.conftest import Home
from tests.e2e.ground import lies
from tests.e2e.test_export import export, take

from paquebot.protocol.limits import DAY_MS, HOUR_MS, RELEASED_MS
from paquebot.vault import locking
from paquebot.vault.locking import Cost

SECRET = "patient 7 needs plasma"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    monkeypatch.setattr(locking, "COST", Cost(16, 8, 1))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


class World:
    """Three homes, two sticks and one clock. Whatever a home says of another after a visit must be so."""

    def __init__(self, make, meet, tmp_path):
        self.now = RELEASED_MS + 10 * DAY_MS
        self.office, self.ship, self.clinic = (make(name, clock=self.now) for name in ("Office", "Ship", "Clinic"))
        self.north, self.south = tmp_path / "north", tmp_path / "south"
        for stick in (self.north, self.south):
            stick.mkdir()
        self.unheard: set[str] = set()
        """Homes that others may have outdated notions of: they were put back or replaced."""
        meet(self.office, self.ship, self.clinic)

    @property
    def homes(self):
        return self.office, self.ship, self.clinic

    def voyage(self, count=1):
        """The ship calls at the office, then at the clinic, and comes back."""
        for _ in range(count):
            for home, stick in (
                (self.office, self.north),
                (self.ship, self.north),
                (self.ship, self.south),
                (self.clinic, self.south),
                (self.ship, self.south),
            ):
                self.now += 3 * HOUR_MS
                home.clock = self.now
                home.run("sync", "--via", stick, code=None)
                self.check()

    def check(self):
        """Nobody claims what is not so, of anybody who was not put back meanwhile."""
        real = time.time_ns
        shift = (self.now + HOUR_MS) * 1_000_000 - real()  # a command takes a while
        with patch.object(time, "time_ns", lambda: real() + shift):
            assert lies(*(home for home in self.homes if home.name not in self.unheard)) == []

    def tick(self):
        for home in self.homes:
            home.clock = self.now


@pytest.fixture
def world(make, meet, tmp_path):
    return World(make, meet, tmp_path)


def holds(home, text):
    """Whether *text* lies anywhere on the disk of *home*, in clear."""
    files = [path for path in home.path.rglob("*") if path.is_file()]
    return any(text.encode() in path.read_bytes() for path in files)


def node_of(home):
    return home.json("status")["node"]


def ordinary_days(world):
    """What each may read is what its author said, also by way of others; a private note passes a courier unread."""
    office, ship, clinic = world.homes
    office.run("trust", "take", "Clinic", "--may", "read")
    office.say("tide tables", "--tag", "tides")
    ship.say("we sail on Monday")
    clinic.say("all beds taken")
    private = clinic.say(SECRET, "--to", "Office")
    world.voyage(4)

    assert sorted(ship.texts()) == ["all beds taken", "tide tables", "we sail on Monday"]
    assert sorted(clinic.texts()) == ["all beds taken", SECRET, "we sail on Monday"]
    assert sorted(office.texts()) == ["all beds taken", SECRET, "tide tables", "we sail on Monday"]
    assert not holds(ship, SECRET)
    assert not holds(clinic, "tide tables")
    # The ship carries it, and says so. It carries sealed what the two write to each other, too: the office has said.
    (said,) = clinic.json("status", private)
    assert {each["peer"]: each["reach"] for each in said["peers"]} == {"Ship": "carried", "Office": "applied"}


def a_backup_comes_back(world, tmp_path):
    """A month after it was copied, the clinic's home is put back: nothing that anybody said is lost."""
    _, ship, clinic = world.homes
    shutil.copytree(clinic.path, tmp_path / "backup")
    for week in range(4):
        world.now += 7 * DAY_MS
        world.tick()
        clinic.say(f"report of week {week}")
        ship.say(f"log of week {week}")
        world.voyage(2)
    node = node_of(clinic)
    shutil.rmtree(clinic.path)
    shutil.copytree(tmp_path / "backup", clinic.path)
    assert "report of week 3" not in clinic.texts()
    world.unheard.add("Clinic")
    ship.say("heard your disk died")
    world.voyage(1)
    assert clinic.json("status")["restored"] or "report of week 3" in clinic.texts()
    world.voyage(4)

    assert {f"report of week {week}" for week in range(4)} < set(clinic.texts())
    assert {f"log of week {week}" for week in range(4)} < set(clinic.texts())
    assert "heard your disk died" in clinic.texts()
    assert clinic.json("status")["restored"] == []
    assert node_of(clinic) == node, "it had said nothing else meanwhile: it is who it was"
    world.unheard.clear()
    world.check()


def a_machine_is_stolen(world, tmp_path):
    """A new machine with the recovery sheet and an export takes the ship's place; what the thief says is refused."""
    office, ship, clinic = world.homes
    words = " ".join(ship.json("recovery")["words"])
    export(ship, tmp_path / "ship.export")
    old = node_of(ship)
    thief = Home(ship.path.rename(tmp_path / "thief"), "thief", world.now)
    new = world.ship = Home(ship.path, "Ship", world.now)
    world.unheard.add("Ship")
    new.run("init", "--recover", "--name", "Ship", "--words-file", "-", stdin=words.encode())
    take(new, tmp_path / "ship.export")
    assert "takes the place" in new.out("node", "replace", old, "--yes")
    new.say("on a new machine")
    world.voyage(3)
    for home, stick in ((thief, world.north), (office, world.north), (thief, world.south), (clinic, world.south)):
        home.clock = world.now
        if home is thief:
            home.run("publish", "--message", "send money to this account")
        home.run("sync", "--via", stick, code=None)
    world.voyage(3)

    for home in (office, clinic):
        assert "on a new machine" in home.texts()
        assert "send money to this account" not in home.texts()
        standing = {each["node"]: each["state"] for each in home.json("node", "list")}
        assert standing[old] == "revoked"
        assert standing[node_of(new)] == "trusted"
        assert {each["name"]: each["node"] for each in home.json("peer", "list")}["Ship"] == node_of(new)
    clinic.say("welcome back")
    world.voyage(4)
    assert "welcome back" in new.texts()
    assert "welcome back" in office.texts()
    assert "welcome back" not in thief.texts()


def test_a_month_at_sea(world, tmp_path):
    ordinary_days(world)
    a_backup_comes_back(world, tmp_path)
    a_machine_is_stolen(world, tmp_path)

    for home in world.homes:
        assert home.run("check").returncode == 0
        peers = home.json("status")["peers"]
        states = {each["name"]: each["state"] for each in peers if each["state"] not in ("ended", "revoked")}
        beyond = {"Office": "Clinic", "Clinic": "Office"}.get(home.name)
        # They never touched one stick: the ship carries, sealed, what they write to each other, and what they answer.
        assert states.pop(beyond, "in sync") in ("in sync", "behind", "withheld")
        # An answer that was put on the other stick too, which its recipient never touches, is still on its way.
        assert set(states.values()) <= {"in sync", "behind"}
        assert [each["lacking_lines"] for each in peers if each["name"] in states] == [0] * len(states)
    assert not holds(world.ship, SECRET)
