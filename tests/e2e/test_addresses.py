"""Where peers can be reached, by the command line."""

import pytest

MAIL = '[transport.home]\nuses = "mail"\naddress = "{}"\n'


def configure(home, address, more=""):
    (home.path / "config.toml").write_text(MAIL.format(address) + more)


def routes(home, name):
    return [(each["kind"], each["address"], each["by"], each["used"]) for each in home.json("peer", "route", name)]


def test_a_card_and_an_invitation_say_where_their_node_is(make, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    configure(alice, "node@a.example")
    bob.run("join", alice.out("invite").strip())
    assert routes(bob, "Alice") == [("mail", "node@a.example", "peer", True)]
    configure(alice, "ship@a.example")
    alice.run("card", "-o", tmp_path / "alice.card")
    bob.run("peer", "add", "Alice", tmp_path / "alice.card")
    assert "mail ship@a.example (as it says)" in bob.out("peer", "show", "Alice")
    alice.run("check")


def test_an_invitation_that_holds_no_address_says_so(make):
    alice = make("Alice")
    said = alice.err("invite")
    assert "It holds no address: by a stick or folder it needs none." in said
    assert "put a mailbox into config.toml first" in said
    assert alice.json("invite")["routes"] == []
    configure(alice, "node@a.example")
    assert "address: by a stick" not in alice.err("invite")
    assert alice.json("invite")["routes"] == ["mailto:node@a.example"]


def test_an_invitation_that_was_given_before_an_address_was_told_is_named(make, stick):
    alice = make("Alice")
    old, gone = alice.json("invite", "--for", "Bob"), alice.json("invite", "--for", "Carol")
    alice.run("invite", "revoke", gone["id"][:8])
    assert "invitation" not in alice.out("sync", "--via", stick, "-v")
    configure(alice, "node@a.example")
    said = alice.out("sync", "--via", stick, "-v")
    assert (
        f"invitation {old['id'][:8]} for Bob holds another address, or none: to be used by mail, give it anew" in said
    )
    assert said.count("anew") == 1
    assert "anew" not in alice.out("sync", "--via", stick, "-v"), "once is enough"
    configure(alice, "ship@a.example")
    said = alice.err("invite", "--for", "Dan")
    assert f"invitation {old['id'][:8]} for Bob holds another address" in said
    assert said.count("anew") == 1


def test_an_address_is_kept_back_if_the_configuration_says_so(make):
    alice, bob = make("Alice"), make("Bob")
    configure(alice, "node@a.example", "announce = false\n")
    bob.run("join", alice.out("invite").strip())
    assert routes(bob, "Alice") == []


def test_a_person_sets_where_a_peer_is(pair):
    alice, _ = pair
    assert "has told no address" in alice.err("peer", "route", "Bob")
    alice.run("peer", "route", "Bob", "mail", "node@b.example")
    assert routes(alice, "Bob") == [("mail", "node@b.example", "you", True)]
    alice.run("peer", "route", "Bob", "mail", "--never")
    assert "mail never (set here, not used)" in alice.out("peer", "route", "Bob")
    alice.run("peer", "route", "Bob", "mail", "--unset")
    assert routes(alice, "Bob") == []


@pytest.mark.parametrize(
    "words",
    [
        ("mail", "a@b\r\nBcc: c@d"), ("mail", ""), ("mail", "a b@c"), ("mail", "-x@y"), ("ma il", "a@b"), ("mail",),
        ("--unset",), ("mail", "a@b", "--unset"), ("Mail", "--never"),
    ],
)  # fmt: skip
def test_what_can_be_no_address_is_refused(pair, words):
    alice, _ = pair
    assert alice.err("peer", "route", "Bob", *words, code=2)
    assert routes(alice, "Bob") == []


def test_an_address_that_can_be_none_is_a_mistake_in_the_configuration(make):
    alice = make("Alice")
    configure(alice, "node at a.example")
    said = alice.err("invite", code=2)
    assert "[transport.home]" in said
    assert "no address for mail, such as node@b.example" in said
