"""Whatever a program does (silence, babble, lies, death, forks) ends in a clear error for its carrier alone.

No process is left, and nothing waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress

import pytest
from tests.unit.programs import script

from paquebot import config
from paquebot.testing.contract import arrivals, collect, contexts, outgoing, send, settle
from paquebot.transport import ConfigError, Finding, PluginError, Stage, Transient, TransportError
from paquebot_program import ProgramSettings, ProgramTransport, child, talk
from paquebot_program.exchange import Exchange


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program that does everything right but for what is put before; its processes must all be gone in the end."""
    monkeypatch.setattr(child, "GRACE_S", 0.2)
    monkeypatch.setattr(talk, "GRACE_S", 0.2)
    context, _ = contexts(tmp_path)

    def make(bad: str = "", before: str = "", **settings) -> ProgramTransport:
        prelude = f"echo $$ >> {tmp_path}/pids; note() {{ echo $! >> {tmp_path}/pids; }}"
        command = script(bad, f"{prelude}\n{before}")
        return ProgramTransport(ProgramSettings(command, **{"timeout": 30, **settings}), context)

    make.context = context
    yield make
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()] if (tmp_path / "pids").exists() else []
    until = time.monotonic() + 5  # the group was killed; the kernel may need a moment to lay it to rest
    while alive := [pid for pid in pids if _alive(pid)]:
        assert time.monotonic() < until, f"{alive} are left behind"
        time.sleep(0.01)
    assert not list(context.folder.glob("*/exchange"))


def _alive(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


async def visit(transport):
    """Do everything there is to be done."""
    async with transport:
        sent = await send(transport, outgoing("a", b"a"), outgoing("b", b"b"))
        assert {each.stage for each in sent} == {Stage.ACCEPTED}
        arrived = await arrivals(transport)
        assert [each.parcel for each in arrived] == [b"key=a\n", b"key=b\n"]
        await settle(transport, arrived, token=bytes(16))
        assert await arrivals(transport) == []


def test_a_program_that_keeps_to_it_is_fine(program):
    asyncio.run(visit(program()))


BAD = {
    "silence at the beginning": ("hello) ;;", "does not answer"),
    "silence in the middle": ("fetch) ;;", "does not answer"),
    "silence at the end": ("close) sleep 1000 ;;", "does not answer"),
    "another version": ("hello) echo hello version=2 ;;", "version 2"),
    "no version": ("hello) echo hello ;;", "lacks version="),
    "no capability": ("open) echo ready ;;", "lacks medium="),
    "nonsense for a number": ("open) echo ready bytes=many latency=1 medium=m ;;", "whole number"),
    "nothing may be carried": ("open) echo ready bytes=0 latency=1 medium=m ;;", "whole number"),
    "a word twice": ("open) echo ready bytes=9 bytes=8 latency=1 medium=m ;;", "twice"),
    "wrong order": ("hello) echo ready bytes=9 latency=1 medium=m ;;", "'ready', which is not to be said now"),
    "garbage": ("collect) head -c 100 /dev/zero; echo ;;", "control character"),
    "not UTF-8": (r"collect) printf '\377\n' ;;", "not UTF-8"),
    "accident": ("collect) echo Hello, world ;;", "'Hello, world'; what is not meant for us"),
    "a line without end": ("collect) head -c 1000000 /dev/zero | tr '\\0' x ;;", "longer than 8192"),
    "a flood": ("collect) yes item key=a ours=yes ;;", "lists more than"),
    "babble": ("collect) yes debug :and another thing ;;", "never comes to an end"),
    "endless questions": ("collect) while :; do echo now; read -r _; done ;;", "never comes to an end"),
    "too much to remember": (
        "collect) i=0; while i=$((i+1)); do echo put key=$i :x; read -r _; done ;;", "wants to remember too much"
    ),
    "speaks unasked": (
        "send) n=${rest#number=}; echo handed number=${n%% *}; echo done key=a ;;", "without being asked|not to be said"
    ),
    "death": ("fetch) echo its loft burns >&2; exit 3 ;;", "exit code 3: its loft burns"),
    "a signal": ("fetch) kill -9 $$ ;;", "signal 9"),
    "half a line and death": ("fetch) printf 'parcel key=a fi'; exit 0 ;;", "exit code 0"),
    "closes its output": ("fetch) exec >&-; sleep 1000 ;;", "closed its output"),
    "closes its input": (
        "open) exec <&-; echo ready bytes=9 latency=1 medium=m; sleep 1000 ;;", "does not answer|ended|closed"
    ),
    "dies, and another holds the pipe": ("fetch) sleep 1000 & note; exit 4 ;;", "exit code 4"),
    "no number": ("send) echo handed key=k ;;", "lacks number="),
    "another number": ("send) echo handed number=77 ;;", "another parcel"),
    "handed twice": ("send) echo handed number=1; echo handed number=1 ;;", "without being asked|another parcel"),
    "another key": ("fetch) touch exchange/f; echo parcel key=z file=exchange/f ;;", "another parcel"),
    "settles another": ("settle) echo done key=z ;;", "another parcel"),
    "a key twice": ("collect) echo item key=a; echo item key=a; echo end ;;", "twice"),
    "a key that is none": ("collect) echo item key=; echo end ;;", "1 to 200"),
    "no file": ("fetch) echo parcel $rest ;;", "lacks file="),
    "a file that is not there": ("fetch) echo parcel $rest file=exchange/nope ;;", "cannot be read"),
    "a link": ("fetch) ln -sf /etc/passwd exchange/l; echo parcel $rest file=exchange/l ;;", "cannot be read"),
    "a pipe": ("fetch) mkfifo exchange/p; echo parcel $rest file=exchange/p ;;", "no plain file"),
    "a folder": ("fetch) mkdir exchange/d; echo parcel $rest file=exchange/d ;;", "cannot be read|no plain file"),
    "a file elsewhere": ("fetch) echo parcel $rest file=/etc/passwd ;;", "not in the folder"),
    "a way out": ("fetch) echo parcel $rest file=exchange/../trace ;;", "cannot be in the folder"),
    "a swapped folder": (
        "fetch) rm -r exchange; ln -s /etc exchange; echo parcel $rest file=exchange/passwd ;;", "cannot be read"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_a_program_does_wrong_is_a_clear_error(program, monkeypatch, case):
    monkeypatch.setattr(talk, "REQUESTS_MAX", 2_000)
    monkeypatch.setattr(talk, "LISTED_MAX", 1_000)
    monkeypatch.setattr("paquebot_program.ledger.OWN_MAX", 100)
    bad, said = BAD[case]
    with pytest.raises((TransportError, PluginError), match=said):
        asyncio.run(visit(program(bad, timeout=1 if "does not answer" in said else 30)))


def test_a_giant_is_a_finding_and_the_others_come(program):
    bad = """fetch) case $rest in
      key=a*) truncate -s 99999999999 exchange/g; echo parcel $rest file=exchange/g ;;
      *) echo "$rest" > exchange/f; echo parcel $rest file=exchange/f ;;
    esac ;;"""

    async def run():
        async with program(bad) as transport:
            return await collect(transport), await collect(transport)

    first, second = asyncio.run(run())
    assert first[0] == Finding("here a", "it is larger than 16777216 bytes")
    assert [each.key for each in first[1:]] == ["b"]
    assert [each.key for each in second] == ["b"], "it is said once"


@pytest.mark.parametrize("outside", ["salt=00 to=00/00", "salt=$(printf %032d 0) to=00", "salt=$(printf %032d 0)"])
def test_an_outside_that_is_not_clear_is_told_once_and_the_others_come(program, outside):
    listed = f"collect) echo item key=a {outside}; echo token value=xyz; echo item key=b ours=yes; echo end ;;"

    async def run():
        async with program(listed) as transport:
            return await collect(transport), await collect(transport)

    (arrival, finding), again = asyncio.run(run())
    assert arrival.key == "b"
    assert (finding.where, finding.reason[:42]) == ("here a", "what stands on its outside is not clear: '")
    assert again == [arrival]


def test_a_flood_of_news_is_bounded(program, monkeypatch):
    flood = "yes 'note :look' | head -1000; yes lost key=z | head -1000; yes finding :odd | head -1000"

    async def run():
        async with program(f"collect) {flood}; echo end ;;") as transport:
            return await collect(transport)

    found = asyncio.run(run())
    assert found == [Finding("here", "odd")] * 100
    assert len(program.context.notes) == child.REMARKS_MAX + 2
    assert "news of what was never sent, or is settled: 1000" in program.context.notes[-2]


def test_a_file_that_changes_while_it_is_read_is_no_parcel(tmp_path):
    exchange = Exchange(tmp_path, "pigeon")
    (tmp_path / "exchange" / "f").write_bytes(b"one")

    def meddle():
        with open(tmp_path / "exchange" / "f", "ab") as file:
            file.write(b" and more")

    with pytest.raises(PluginError, match="changes a file"):
        exchange.take("f", 100, meddle)
    exchange.close()


def test_a_program_that_will_not_end_is_made_to(program):
    stubborn = program("close) echo done ;;", before="trap '' TERM; (sleep 1000) & note", timeout=5)
    asyncio.run(visit(stubborn))


def test_what_it_leaves_running_is_ended_with_it(program):
    asyncio.run(visit(program("open) sleep 1000 >/dev/null 2>&1 & note; echo ready bytes=9 latency=1 medium=m ;;")))


def test_its_standard_error_is_passed_on_within_bounds(program):
    flood = "yes warning 2>&1 | head -100000 >&2"
    asyncio.run(visit(program(f"collect) {flood}; echo item key=a ours=yes; echo item key=b ours=yes; echo end ;;")))
    notes = program.context.notes
    assert notes[0] == "warning"
    assert notes[-1] == "it says more than is shown"
    assert len(notes) == child.REMARKS_MAX + 1


def test_an_answer_that_nobody_waits_for_any_more_is_not_taken_for_another(program):
    slow = """fetch) sleep 0.4; echo "$rest" > exchange/f; echo parcel $rest file=exchange/f ;;"""

    async def run():
        async with program(slow) as transport:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await collect(transport)
            assert [each.parcel for each in await arrivals(transport)] == [b"key=a\n", b"key=b\n"]

    asyncio.run(run())


def test_one_that_never_answers_is_not_waited_for_again(program):
    async def run():
        async with program("fetch) sleep 1000 ;;", timeout=1) as transport:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await collect(transport)
            for _ in range(2):
                with pytest.raises(Transient, match=r"does not answer|not listened to"):
                    await collect(transport)

    asyncio.run(run())


def test_a_program_may_wait_and_one_that_cannot_says_so(program):
    assert asyncio.run(program("wait) echo due ;;").wait(10)) is True
    assert asyncio.run(program("wait) sleep 1.5; echo quiet ;;").wait(1_500)) is False
    with pytest.raises(Transient, match="cannot do 'wait'"):
        asyncio.run(program().wait(10))


def test_an_honest_no_is_no_breach(program):
    bad = """collect) echo transient retry=5000 :the pigeon sleeps ;;
    send) n=${rest#number=}; echo failed number=${n%% *} why=permanent :no ;;"""

    async def run():
        async with program(bad) as transport:
            with pytest.raises(Transient, match="the pigeon sleeps") as caught:
                await collect(transport)
            assert caught.value.retry_after_ms == 5000
            [news] = await send(transport, outgoing("a", b"a"))
            assert (news.stage, type(news.error).__name__) == (Stage.FAILED, "Permanent")

    asyncio.run(run())


def test_it_is_given_little_of_our_environment(program, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/sock")
    asyncio.run(
        visit(
            program(
                before=f"env > {tmp_path}/env; pwd > {tmp_path}/pwd; umask > {tmp_path}/umask", env=["SSH_AUTH_SOCK"]
            )
        )
    )
    found = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert "AWS_SECRET_ACCESS_KEY" not in found
    assert found["SSH_AUTH_SOCK"] == "/sock"
    assert found["PATH"] == os.environ["PATH"]
    assert (tmp_path / "pwd").read_text().startswith(str(program.context.folder))
    assert (tmp_path / "umask").read_text() == "0077\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-program"], "no program called"),
        (["./pigeon"], "whole path"),
        (["/nowhere/pigeon"], "cannot be run: No such file"),
        (["/etc/passwd"], "cannot be run: Permission"),
    ],
)
def test_one_that_cannot_be_run_says_why(tmp_path, command, said):
    context, _ = contexts(tmp_path)
    with pytest.raises(PluginError, match=said):
        asyncio.run(visit(ProgramTransport(ProgramSettings(command), context)))
    assert not list(context.folder.glob("*/exchange"))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"command": []}, r"\[x\]: command is a list of words"),
        ({"command": "pigeon -x"}, "command = 'pigeon -x' is not"),
        ({"command": ["x"], "timeout": 0}, "1 to 86400"),
        ({"command": ["x"], "env": "PATH"}, "env = 'PATH' is not"),
        ({"command": ["x"], "settings": {"a": {"b": 1}}}, r"\[x.settings\]: a = {'b': 1} is not"),
        ({"command": ["x"], "settings": {"a": "two\nlines"}}, "one line of text"),
        ({"command": ["x"], "settings": {"A b": "c"}}, "small letters"),
    ],
)
def test_settings_that_cannot_be_told_are_refused(table, said):
    with pytest.raises(ConfigError, match=said):
        config.settings("[x]", ProgramSettings, table)


def test_what_is_said_can_be_traced_but_not_the_settings(program):
    asyncio.run(visit(program(trace=True, settings={"password": "hush", "port": 25, "tls": True, "to": ["a", "b"]})))
    [trace] = program.context.folder.glob("*/trace")
    said = trace.read_text()
    assert "> setting …\n" * 5 in said
    assert "hush" not in said
    assert said.startswith("> hello version=1\n< hello version=1\n")
    assert said.endswith("> close\n< done\n")
