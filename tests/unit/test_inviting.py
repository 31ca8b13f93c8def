"""An invitation's proof: good for the guest who made it, at the host who gave it, once, and for nobody else."""

from dataclasses import replace

import pytest
from tests.unit.nodes import NOW, MemoryNode, make
from tests.unit.test_meeting import arrives, hello, waiting

from paquebot.protocol import introducing, inviting
from paquebot.protocol.bundle import Introduction
from paquebot.protocol.effects import SaveInvite
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis
from paquebot.protocol.strangers import Join


@pytest.fixture
def host():
    host = make("host")
    host.store.commit(host.engine.invite(NOW, days=7, label="Guest"))
    return host


def proof(host: MemoryNode, guest: MemoryNode, *, secret: bytes | None = None) -> bytes:
    (invite,) = host.store.view.invites()
    return inviting.proof(Join(host.node, secret or invite.secret, NOW), guest.node)


def shows(guest: MemoryNode, host: MemoryNode, evidence: bytes, now: Millis = NOW) -> None:
    card = Introduction(introducing.own_card(guest.store.view), evidence)
    arrives(host, hello(guest, host, card), now=now)


def test_who_knows_the_secret_is_let_in_and_verified(host):
    guest = make("guest")
    shows(guest, host, proof(host, guest))
    assert host.peer(guest).name == "Guest"
    assert host.store.view.verified(guest.node).how == "invitation"
    assert host.store.view.invites()[0].guest == guest.node


def test_a_proof_that_another_made_lets_nobody_in(host):
    guest, thief = make("guest"), make("thief")
    shows(thief, host, proof(host, guest))
    assert waiting(host) == ["thief"]
    assert "does not know the secret" in host.store.view.pending()[0].reason
    shows(guest, host, proof(host, guest))
    assert host.peer(guest)


def test_a_wrong_secret_under_the_right_name_lets_nobody_in(host):
    guest = make("guest")
    good, bad = proof(host, guest), proof(host, guest, secret=b"x" * 16)
    shows(guest, host, good[:16] + bad[16:])
    assert host.store.view.peer(guest.node) is None
    assert host.store.view.invites()[0].used == 0


def test_a_proof_for_another_host_lets_nobody_in(host):
    guest, other = make("guest"), make("other")
    (invite,) = host.store.view.invites()
    shows(guest, host, inviting.proof(Join(other.node, invite.secret, NOW), guest.node))
    assert waiting(host) == ["guest"]


@pytest.mark.parametrize(("change", "state"), [({"revoked": NOW}, "revoked"), ({"expires": NOW - 1}, "expired")])
def test_an_invitation_that_is_over_lets_nobody_in(host, change, state):
    guest = make("guest")
    evidence = proof(host, guest)
    host.store.commit([SaveInvite(replace(host.store.view.invites()[0], **change))])
    shows(guest, host, evidence)
    assert host.store.view.pending()[0].reason.endswith(state)


def test_its_guest_may_show_it_again_until_it_is_heard(host):
    guest = make("guest")
    evidence = proof(host, guest)
    shows(guest, host, evidence)
    shows(guest, host, evidence, Millis(NOW + 30 * DAY_MS))
    assert host.peer(guest).name == "Guest"
    assert len(host.store.view.peers()) == 1
