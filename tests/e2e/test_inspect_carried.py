"""`inspect` says of a stick's files, and of an opened bundle, what anybody may know who finds them."""

import pytest
from tests.e2e.conftest import crates
from tests.unit.nodes import NOW, friends

from paquebot import registry
from paquebot.protocol import bundle as bundles


@pytest.fixture
def written(pair, stick):
    alice, bob = pair
    alice.say("do not tell anybody")
    alice.sync(stick)
    bob.sync(stick)
    bob.say("nor this")
    bob.sync(stick)
    return alice, stick


def inspected(home, path, code=0):
    (found,) = home.json("inspect", path, code=code)
    facts = {each["what"]: each["value"] for each in found["facts"]}
    return found["kind"], facts, {each["what"]: each["verdict"] for each in found["checks"]}


def test_a_crate_is_described_down_to_its_envelopes(written):
    home, stick = written

    kind, facts, checks = inspected(home, crates(stick)[-1])

    assert kind == "crate"
    assert facts["records"] == "1: 1 ordinary"
    assert "for 1 recipient, expires" in facts["record 1"]
    assert facts["parcel 1: recipients"] == "1: 1 hidden, 0 named"
    assert (checks["index"], checks["records"]) == (True, True)
    assert "anybody" not in home.out("inspect", crates(stick)[-1])


def test_a_torn_crate_says_so(written, tmp_path):
    home, stick = written
    torn = tmp_path / "torn"
    torn.write_bytes(crates(stick)[-1].read_bytes()[:-30])

    kind, _, checks = inspected(home, torn, code=1)

    assert (kind, checks["index"], checks["records"]) == ("crate", False, True)


def test_slips_and_names_are_described(written, tmp_path):
    home, stick = written
    (slip,) = stick.rglob("*.ACK")
    kind, facts, _ = inspected(home, slip)
    assert (kind, facts["tokens"][:1], facts["crate found damaged"]) == ("slip", "1", "no")
    kind, facts, _ = inspected(home, stick / "PAQUEBOT" / "FORMAT.TXT")
    assert (kind, len(facts["volume"])) == ("name of a medium", 16)
    (tmp_path / "torn").write_bytes(slip.read_bytes()[:-1])
    assert inspected(home, tmp_path / "torn", code=1)[0] == "slip"


def test_an_opened_bundle_is_described(make, tmp_path):
    alice, _ = friends("Alice", "Bob")
    alice.say("hello")
    ((_, bundle),) = alice.poll(now=NOW)
    (tmp_path / "bundle").write_bytes(bundles.encode(bundle))

    kind, facts, _ = inspected(make("Carol"), tmp_path / "bundle")

    assert kind == "bundle"
    assert "journal update" in facts["parts"]
    assert bundle.to[0].node.hex() in facts["to"]
    (tmp_path / "bundle").write_bytes(bundles.encode(bundle)[:-1])
    assert inspected(make("Dora"), tmp_path / "bundle", code=1)[0] == "CBOR"


def test_a_describer_that_fails_hides_no_other(monkeypatch):
    class Broken:
        name = "a broken one"

        def load(self):
            raise ImportError("no such module")

    points = registry.entry_points
    monkeypatch.setattr(registry, "entry_points", lambda **group: [Broken(), *points(**group)])

    assert registry.describe(b"PQA1").kind == "slip"
    assert registry.describe(b"\xc1 something else") is None
