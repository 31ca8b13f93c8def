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
