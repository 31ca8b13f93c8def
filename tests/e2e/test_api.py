"""A node inside another program, by the names that it is given there."""

import asyncio
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import paquebot
from paquebot import api, errors

EXAMPLE = Path(__file__).parents[2] / "examples" / "weather.py"


def run(work):
    return asyncio.run(work)


def test_the_example_runs_and_fits_on_a_card(pair, stick, tmp_path):
    assert len(EXAMPLE.read_text().splitlines()) <= 27
    _, bob = pair
    station = tmp_path / "station"

    def example(*words, code: int = 0) -> tuple[str, str]:
        done = subprocess.run([sys.executable, EXAMPLE, *words], capture_output=True, text=True, check=False)
        assert done.returncode == code, done
        return done.stdout, done.stderr

    assert example(station, stick) == ("", "")

    async def meet():
        async with paquebot.open(station) as node:
            (tmp_path / "station.card").write_text(await node.card())
            await node.add_peer("Bob", bob.out("card"))

    run(meet())
    bob.run("peer", "add", "Station", tmp_path / "station.card")
    bob.say("thank you", "--title", "Hello")
    said = ""
    for _ in range(3):
        said += example(station, stick)[0]
        bob.sync(stick)
    assert said == "Bob: Hello: b'thank you'\n"
    assert "wind 7, falling" in bob.texts()
    assert example(station, stick)[0] == "", "it was new once"
    assert "weather.py HOME STICK" in example(station, code=1)[1]
    assert str(tmp_path / "gone") in example(station, tmp_path / "gone")[1]
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "store.db").write_text("not a store")
    assert "Misused" in example(tmp_path / "broken", stick, code=1)[1]


def test_everything_a_program_does(pair, stick, tmp_path):
    alice, bob = pair
    alice.say("question", "--title", "Q")
    alice.sync(stick)
    (tmp_path / "map.bin").write_bytes(bytes(range(256)) * 400)

    async def program():
        async with paquebot.open(str(bob.path)) as node:
            report = await node.sync(via=stick)
            assert (report.new, report.problems) == (1, [])
            (item,) = await node.list(new=True)
            assert (item.author, item.title, item.kind, item.new, item.complete) == (
                "Alice",
                "Q",
                "message",
                True,
                True,
            )
            assert await node.read(item.id[:12]) == b"question"
            assert not (await node.get(item.uri)).new
            uri = await node.publish(
                "answer", reply_to=item.id, attach=[tmp_path / "map.bin"], tags=["x"], to=["Alice"]
            )
            answer = await node.get(uri)
            assert (answer.parent, answer.private, len(answer.attachments)) == (item.id, True, 1)
            assert (await node.save(item.id, tmp_path / "out")).read_text() == "question"
            await node.publish(tmp_path / "map.bin")
            await node.sync(via=stick)
            (peer,) = await node.peers()
            assert (peer.name, peer.reads, peer.publishes, peer.heard is not None) == ("Alice", True, True, True)
            assert (await node.status()).published == 3
            kinds = [event.kind async for event in node.events(follow=False)]
            assert kinds == ["peer-added", "arrived", "published", "published", "published"]
            with pytest.raises(errors.NotFound):
                await node.get("ffffffff")
            with pytest.raises(errors.Misused):
                await node.publish(tmp_path / "map.bin", attach=[tmp_path / "map.bin"])
            with pytest.raises(errors.ConfigError):
                await node.sync("nowhere")
        with pytest.raises(errors.Misused, match="closed"):
            await node.list()

    run(program())
    alice.sync(stick)
    assert "answer" in alice.texts()


def test_events_are_followed_until_the_node_is_closed(pair):
    alice, _ = pair

    async def program():
        seen = []
        async with paquebot.open(alice.path) as node:

            async def follow():
                async for event in node.events():
                    seen.append(event.kind)

            task = asyncio.create_task(follow())
            for text in ("one", "two"):
                await node.publish(text)
                await asyncio.sleep(0.05)
        await asyncio.wait_for(task, 5)
        return seen

    assert run(program()) == ["peer-added", "published", "published"]


def test_an_open_home_is_busy_for_others_who_write_and_is_free_afterwards(pair):
    alice, _ = pair

    async def program():
        async with paquebot.open(alice.path):
            alice.run("publish", "-m", "x", code=11)
            assert alice.json("list") == []
            with pytest.raises(errors.Busy):
                async with paquebot.open(alice.path):
                    pass
        alice.say("free again")
        with pytest.raises(KeyError):
            async with paquebot.open(alice.path):
                raise KeyError

    run(program())
    alice.say("and again")


def test_no_node_is_made_unless_asked(tmp_path):
    async def program(**options):
        async with paquebot.open(tmp_path / "new", **options) as node:
            return (await node.status()).name

    with pytest.raises(errors.NotInitialised):
        run(program())
    assert run(program(create="Ada")) == "Ada"
    assert run(program(create="Bob")) == "Ada"


def test_hooks_are_served_by_a_program_too(pair, stick, tmp_path):
    alice, bob = pair
    hook = [sys.executable, "-c", f"import sys; open({str(tmp_path / 'ran')!r}, 'a').write(sys.stdin.read())"]
    (bob.path / "config.toml").write_text(f"[hooks]\non-arrival = {json.dumps(hook)}\non-peer-added = ['false']\n")
    alice.say("hello")
    alice.sync(stick)

    async def program():
        async with paquebot.open(bob.path) as node:
            report = await node.sync(via=stick)
            assert [each.where for each in report.problems] == ["on-peer-added"]
            await node.sync(via=stick)

    run(program())
    assert (tmp_path / "ran").read_text() == "hello"
    assert [each["task"] for each in bob.json("hook", "list")] == ["on-peer-added"]


def test_the_names_are_few_typed_and_explained_and_cost_nothing_until_used():
    assert set(paquebot.__all__) - {"__version__"} == set(api.__all__)
    for name in api.__all__:
        assert inspect.getdoc(getattr(paquebot, name))
    for name, function in inspect.getmembers(api.Node, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(function), name
            assert "return" in function.__annotations__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = paquebot.nothing
    code = "import sys, paquebot; print(sorted(name for name in sys.modules if name.startswith('paquebot')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['paquebot', 'paquebot.version']"
