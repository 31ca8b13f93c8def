"""What is remembered for a program, so that it need not remember anything, and what it may keep for itself."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from tests.unit.programs import script

from paquebot.testing.contract import EXPIRES_MS, arrivals, collect, contexts, outgoing, send, settle, token_of
from paquebot.testing.ends import FAR_KEY
from paquebot.testing.post import MemoryContext, tag_with
from paquebot.transport import Handover, Stage, TokenShown, TransportError, Verdict, parcel_name, token_hash
from paquebot_program import ProgramSettings, ProgramTransport
from paquebot_program import ledger as ledgers


@pytest.fixture
def context(tmp_path):
    return contexts(tmp_path)[1]


@pytest.fixture
def told(tmp_path):
    """What the program was told to do, without what it was asked for."""
    return lambda: (tmp_path / "told").read_text().splitlines() if (tmp_path / "told").exists() else []


@pytest.fixture
def visit(tmp_path, context):
    """Open a program that differs as *bad* says, do something with it, and return what comes of that."""

    def visit(bad="", act=collect, context=context, **settings):
        log = f"case $verb in settle|forget|show) echo $verb $rest >> {tmp_path}/told ;; esac"
        command = script(bad)
        command[2] = command[2].replace("do case", f"do {log}; case", 1)

        async def run():
            async with ProgramTransport(ProgramSettings(command, **settings), context) as transport:
                return await act(transport)

        return asyncio.run(run())

    return visit


async def take_all(transport):
    found = await arrivals(transport)
    await settle(transport, found, token=token_of("a"))
    return [each.key for each in found]


TOKEN = token_of("a").hex()


def test_what_is_settled_is_told_once_and_never_asked_for_again(visit, told):
    assert visit(act=take_all) == ["a", "b"]
    assert told() == [f"settle key={key} verdict=taken token={TOKEN}" for key in "ab"]
    assert visit(act=take_all) == []
    assert len(told()) == 2


def test_what_it_did_not_hear_it_hears_the_next_time_and_no_parcel_comes_again(visit, told):
    with pytest.raises(TransportError):
        visit("settle) exit 1 ;;", take_all)
    assert visit() == []
    assert told()[1:] == [f"settle key={key} verdict=taken token={TOKEN}" for key in "ab"]
    visit()
    assert len(told()) == 3


def test_what_was_refused_shows_nothing_and_what_is_not_ours_is_not_spoken_of(visit, told, context):
    async def refuse(transport):
        first, second = await arrivals(transport)
        await settle(transport, [first], Verdict.REFUSED)
        await settle(transport, [second], Verdict.NOT_OURS)

    visit(act=refuse)
    assert told() == ["settle key=a verdict=refused"]
    assert visit() == []
    context.epoch = "later"
    assert [each.key for each in visit()] == ["b"]


def test_carriers_of_different_names_or_media_have_nothing_in_common(visit, context):
    assert visit(act=take_all) == ["a", "b"]
    assert visit("open) echo ready bytes=9 latency=1 medium=other ;;", take_all) == ["a", "b"]
    context.name = "another"
    assert visit(act=take_all) == ["a", "b"]
    assert visit(act=take_all) == []


def sending(transport):
    return send(transport, outgoing("a", b"a"))


SHOWN = f"collect) echo item key=k; echo token value={TOKEN}; echo end ;;"


def test_what_all_have_is_to_be_forgotten_and_nobody_says_so_before(visit, told):
    visit(act=sending)
    assert visit("collect) echo item key=k; echo end ;;") == [], "what is ours does not come back"
    assert told() == []
    assert visit(SHOWN) == [TokenShown(token_of("a"))]
    assert told() == ["forget key=k"]


def test_one_that_cannot_forget_is_told_once(visit, told):
    visit(act=sending)
    for _ in range(2):
        assert visit(f"forget) echo unsupported ;;\n{SHOWN}") == [TokenShown(token_of("a"))]
    assert told() == ["forget key=k"]


def test_what_has_expired_is_to_be_forgotten(visit, told, context):
    visit(act=sending)
    context.now = EXPIRES_MS + 1
    visit("collect) echo end ;;")
    assert told() == ["forget key=k"]


def test_news_of_what_was_sent_is_given_by_its_id(visit):
    visit(act=sending)
    mine = outgoing("a", b"a").id
    assert visit("collect) echo handed key=k :at the relay; echo end ;;") == [
        Handover(mine, Stage.ACCEPTED, "at the relay")
    ]
    assert visit("collect) echo lost key=k; echo end ;;") == [Handover(mine, Stage.LOST, "here")]
    assert visit("collect) echo lost key=k; echo end ;;") == [], "it is known by now"


def test_what_is_missing_where_things_are_kept_is_lost(visit):
    keeps = "open) echo ready bytes=9 latency=1 medium=m keeps=yes ;;\n"
    visit(keeps, sending)
    assert visit(keeps + "collect) echo item key=k; echo end ;;") == []
    assert visit(keeps + "collect) echo end more=yes ;;") == [], "that was not all there is"
    assert visit("collect) echo end ;;") == [], "nothing is kept there"
    assert visit(keeps + "collect) echo end ;;") == [Handover(outgoing("a", b"a").id, Stage.LOST, "here")]
    assert visit(keeps + "collect) echo end ;;") == []


def test_what_is_not_there_any_more_is_forgotten_in_the_end(visit, context, monkeypatch):
    visit(act=take_all)
    visit("collect) echo end ;;")
    assert len(context.state) == 2
    monkeypatch.setattr(ledgers, "STALE_MAX", 1)
    visit("collect) echo end more=yes ;;")
    assert len(context.state) == 2
    visit("collect) echo end ;;")
    assert context.state == {}


def test_nothing_is_said_to_one_that_cannot_write(visit, told):
    read_only = "open) echo ready bytes=9 latency=1 medium=m writable=no ;;"
    assert visit(read_only, take_all) == ["a", "b"]
    assert visit(read_only, take_all) == []
    with pytest.raises(TransportError, match="cannot be written to"):
        visit(read_only, sending)
    assert told() == []


def test_a_program_may_keep_texts_and_ask_for_what_the_house_has(visit, context):
    salt, tag = bytes(16).hex(), tag_with(FAR_KEY)(bytes(16)).hex()
    requests = (
        "get key=x", "put key=x :one two", "get key=x", "put key=y :", "keys prefix=", "delete key=x", "get key=x",
        "now",
        f"recognise salt={salt} to={tag}/{bytes(16).hex()}",
        f"recognise salt={salt} to={'0' * 16}/{bytes(16).hex()}/address", "epoch", "random count=4",
    )  # fmt: skip
    asks = " ".join(
        f"echo '{each}'; read -r answer; echo \"note :$answer\";"
        + (' while [ "$answer" != end ]; do read -r answer; echo "note :$answer"; done;' if "keys" in each else "")
        for each in requests
    )
    visit(f"collect) {asks} echo debug :done; echo end ;;")
    *notes, random = context.notes
    assert notes == [
        *("none", "ok", "value :one two", "ok", "key name=x :one two", "key name=y :", "end", "ok", "none"),
        *(f"now ms={context.now}", "yes", "no", "epoch value=0"),
    ]
    assert random.startswith("random bytes=")
    assert len(bytes.fromhex(random.partition("=")[2])) == 4
    assert list(context.state.values()) == [b""]
    context.name = "another"
    visit("collect) echo keys; read -r answer; echo note :$answer; echo end ;;")
    assert context.notes[-1] == "end"


def test_what_is_carried_on_is_not_put_where_it_lies_already(visit, told):
    relay = "open) echo ready bytes=9 latency=1 medium=m relays=yes tokens=yes ;;\n"
    outside = f"salt={parcel_name(b'').hex()} to={'0' * 16}/{token_hash(bytes(16)).hex()} expires=9"
    lies = f"collect) echo item key=z {outside} priority=2 hops=3; echo end ;;\nsend) exit 1 ;;"

    async def carry_on(transport):
        return await send(transport, dataclasses.replace(outgoing("a", b""), hops=4))

    (news,) = visit(relay + lies, carry_on)
    assert news.stage is Stage.ON_MEDIUM

    async def show(transport):
        await transport.show([bytes(16), b"x" * 16])

    visit(f"{relay}show) echo done key=z ;;\n{lies}", show)
    assert told() == [f"show key=z token={bytes(16).hex()}"], "and no token of what does not lie there"
    (arrival,) = visit(relay + lies)
    assert (arrival.onward.priority, arrival.onward.hops, arrival.onward.expires_ms) == (2, 3, 9)


def test_a_third_state_does_not_disturb(tmp_path, visit):
    other = MemoryContext(tmp_path / "other")
    assert visit(act=take_all, context=other) == ["a", "b"]
    assert visit(act=take_all) == ["a", "b"]
