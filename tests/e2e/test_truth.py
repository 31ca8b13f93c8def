"""At every moment of a random life with sticks, what each status says is so."""

import shutil
from dataclasses import replace
from random import Random

import pytest
from tests.e2e.conftest import crates
from tests.e2e.ground import lies

from paquebot.node import Node
from paquebot.protocol.effects import SavePeer
from paquebot.protocol.ranges import Ranges

STEPS = 22


@pytest.mark.parametrize("seed", [1, 2])
def test_what_each_status_says_is_so_at_every_step(make, meet, tmp_path, seed):
    dice = Random(seed)
    homes = [make(name) for name in ("Alice", "Bob", "Carol")]
    meet(*homes)
    sticks = [tmp_path / name for name in ("red", "blue")]
    for stick in sticks:
        stick.mkdir()

    for step in range(STEPS):
        home, stick = dice.choice(homes), dice.choice(sticks)
        match dice.choice(["say", "whisper", "large", "sync", "sync", "sync", "sync", "lose", "damage"]):
            case "say":
                home.say(f"note {step}", "--title", f"note {step}")
            case "whisper":
                other = dice.choice([each for each in homes if each is not home])
                home.say(f"note {step}", "--title", f"note {step}", "--to", other.name)
            case "large":
                (tmp_path / f"file {step}").write_bytes(dice.randbytes(dice.choice([40_000, 1_200_000])))
                home.run("publish", tmp_path / f"file {step}", "--title", f"file {step}")
            case "sync":
                home.sync(stick, code=None)
            case "lose":
                shutil.rmtree(stick)
                stick.mkdir()
            case "damage":
                for path in crates(stick)[-1:]:
                    data = bytearray(path.read_bytes())
                    data[dice.randrange(len(data))] ^= 0x10
                    path.write_bytes(data)
        assert lies(*homes) == [], f"seed {seed}, step {step}"


def test_the_ground_would_show_a_lie(pair, stick):
    """Claims that nothing supports are found."""
    alice, bob = pair
    alice.say("hello")
    for home in (alice, bob):
        home.sync(stick)
    assert lies(alice, bob) == []
    alice.say("never sent", "--title", "secret")
    with Node(alice.path) as node:
        (peer,) = node.view.peers()
        tip, _ = node.view.tip()
        node._store.commit([SavePeer(replace(peer, applied=Ranges.of((1, tip)), acked=Ranges.of((1, tip))))])

    assert any("has applied secret, which it has not" in lie for lie in lies(alice, bob))
