"""Both stores of the house, and the testing kit's, keep one contract."""

from __future__ import annotations

from contextlib import closing

from paquebot.protocol import publishing
from paquebot.protocol.burden import Lies, PutDown, Rank
from paquebot.protocol.stamp import Millis
from paquebot.store import Store
from paquebot.testing.examples import NOW, founding
from paquebot.testing.memory import MemoryStore
from paquebot.testing.pasts import PastContract
from paquebot.testing.private_stores import PrivatePromises
from paquebot.testing.store_burden import BurdenPromises, taken


class Sqlite(PastContract, PrivatePromises, BurdenPromises):
    def setup_method(self):
        self.opened = []

    def teardown_method(self):
        for store in self.opened:
            store.close()

    def remember(self, store):
        self.opened.append(store)
        return store


class TestStoreOnDisk(Sqlite):
    def open(self, folder):
        return self.remember(Store(folder))

    def reopen(self, store, folder):
        store.close()
        return self.remember(Store(folder))

    def test_commits_of_nothing_write_nothing(self, tmp_path):
        store = self.begin(tmp_path)
        store = self.reopen(store, tmp_path)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        store.commit([])
        store.commit(iter(()))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


class TestStoreInMemory(Sqlite):
    def open(self, folder):
        return self.remember(Store(None))


class TestMemoryStore(PastContract, PrivatePromises, BurdenPromises):
    def open(self, folder):
        return MemoryStore()


def test_nothing_of_a_store_is_left_open(tmp_path):
    with closing(Store(tmp_path)):
        pass


def test_what_is_to_be_put_on_a_medium_is_found_without_looking_at_every_other(tmp_path):
    """A plan of the database's own choice took a minute where this takes a hundredth of a second."""
    store, new = Store(None), founding()
    store.found(new.local, lambda: publishing.take_root(store.view, new, NOW))
    made = [taken(b"%d" % n) for n in range(1_000)]
    store.commit(made)
    store.commit(Lies(each.parcel.name, f"medium {m}") for each in made for m in range(10))
    steps = counted(store)
    assert len(store.view.to_put("another", 9, 64, 256)) == 256
    assert len(steps) < 1_000
    store.close()


def test_a_parcel_more_costs_the_same_however_many_are_carried():
    store, new = Store(None), founding()
    store.found(new.local, lambda: publishing.take_root(store.view, new, NOW))
    store.commit(taken(b"%d" % n, ends=Millis(NOW + n)) for n in range(3_000))
    steps = counted(store)
    for n in range(20):
        assert store.view.burden(Rank.STRANGERS)[0] == 3_000
        (least,) = store.view.least(Rank.STRANGERS, 1)
        store.commit([PutDown(least.name), taken(b"another %d" % n)])
    assert len(steps) < 20, "a thousand instructions for each"
    store.close()


def counted(store):
    """Return a list to which every thousandth instruction of the database adds."""
    steps = []
    store._db.set_progress_handler(lambda: steps.append(1), 1_000)
    return steps
