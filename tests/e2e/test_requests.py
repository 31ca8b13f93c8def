"""Whoever does not answer, as the person at the command line sees it."""

from paquebot.protocol.limits import DAY_MS, HOUR_MS, RELEASED_MS

TODAY = RELEASED_MS + HOUR_MS


def test_who_never_answers_is_given_up_visibly_and_tried_again_when_a_person_says_so(make, meet, stick):
    alice, bob = make("Alice", clock=TODAY), make("Bob", clock=TODAY)
    meet(alice, bob)
    alice.say("are you there?")
    for day in range(0, 500, 50):
        alice.clock = TODAY + day * DAY_MS
        alice.sync(stick)
    (given_up,) = alice.peer("Bob")["given_up"]
    assert given_up["tries"] >= 2
    text = alice.out("status")
    assert f"given up on {given_up['at'][:10]} by" in text
    assert "paquebot peer retry NAME" in text
    assert "given-up" in alice.out("log")

    assert "Bob is tried again at the next sync." in alice.out("peer", "retry", "Bob")
    assert alice.peer("Bob")["given_up"] == []
    assert alice.json("peer", "retry", "Bob")["name"] == "Bob"
    assert "no peer is called 'Nobody'" in alice.err("peer", "retry", "Nobody", code=1)


def test_who_sends_more_than_it_is_granted_is_shown_and_loses_nothing(make, meet, stick):
    alice, bob = make("Alice", clock=TODAY), make("Bob", clock=TODAY)
    meet(alice, bob)
    (bob.path / "config.toml").write_text("[limits]\nitems = 12\n")
    for n in range(20):
        alice.say(f"note {n}")
    alice.sync(stick)
    assert bob.sync(stick)["outcomes"]["deferred"] > 0
    assert "sent more than [limits] in config.toml grants" in bob.out("status")
    alice.sync(stick)
    assert "takes no more from us until" in alice.out("status")
    assert alice.peer("Bob")["applied"] < 20
    for hour in range(1, 8):
        alice.clock = bob.clock = TODAY + hour * HOUR_MS
        bob.sync(stick)
        alice.sync(stick)
    assert len(bob.texts()) == 20
    assert alice.peer("Bob")["applied"] == 20


def test_limits_with_a_mistake_stop_a_sync_and_say_why(make, meet, stick):
    alice = make("Alice", clock=TODAY)
    (alice.path / "config.toml").write_text("[limits]\nitmes = 12\n")
    assert "did you mean 'items'" in alice.err("sync", "--via", stick, code=2)
