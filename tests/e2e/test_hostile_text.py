"""Nothing that others wrote reaches a terminal as anything but text: every command, every way out (B8).

`WAYS` names each command there is; a command that is not there fails `test_every_command_is_tried`.
"""

import json
import shutil
import sqlite3
import unicodedata
from contextlib import closing

import click
import pytest
from tests.e2e.conftest import Home

from paquebot.cli.main import group
from paquebot.display import MARKS_MAX, printable
from paquebot.node import Node
from paquebot.protocol.effects import Handed, Note, Quarantine, SaveOutcomes
from paquebot.protocol.events import Kind
from paquebot.protocol.stamp import Millis

ESC, CSI, OSC, ST = "\x1b", "\x1b[", "\x1b]", "\x1b\\"
HOSTILE = [
    # what terminals obey
    f"{CSI}31mred{CSI}0m", f"{CSI}2J{CSI}H", f"{CSI}1A{CSI}2K", f"{CSI}?1049h", f"{CSI}6n", f"{CSI}21t", f"{ESC}c",
    f"{OSC}0;title\x07", f"{OSC}52;c;cm0gLXJmIH4=\x07", f"{OSC}8;;http://evil.example{ST}ok{OSC}8;;{ST}",
    f"{ESC}P$q{ST}", f"{ESC}_Gf=100;AAAA{ST}", f"{ESC}^x{ST}", f"{ESC}(0qqq{ESC}(B", "\x9b31m8-bit", "\x9d0;t\x9c",
    "\x90$q\x9c", "\x07bell", "back\x08\x08space", "over\rwritten", "a\x0bb\x0cc",
    "\x0e\x0f", "\x7fdel", "\x85next", "\x1a",
    # what turns or hides what is read
    "\u202egnp.exe", "\u202dleft\u202c", "\u2066iso\u2069\u2067\u2068", "\u200fright\u200e",
    "\u061cmark", "zero\u200bwidth",
    "join\u200c\u200der", "\ufeffbom",
    "word\u2060join", "soft\u00adhyphen", "line\u2028end\u2029", "\ufff9a\ufffab\ufffb",
    "\U000e0041\U000e0042tags", "\u3164\u115f\uffa0fill", "\u180emongol",
    "\u2800braille", "Z" + "\u0300\u0489" * 6 + "a", "\ue000own",
    # what other programs obey, and must stay as it is
    "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "@SUM(1)",
    "$(reboot)`id`", "%s%n%x{0}", "'; DROP TABLE line;--",
]  # fmt: skip


def batches(most=280):
    """HOSTILE in few texts, none of which is cut when it is shown."""
    found = [""]
    for each in HOSTILE:
        if len(printable(found[-1] + each, 10_000)) > most:
            found.append("")
        found[-1] += each
    return found


BATCHES = batches()
FREE = {
    "local": ("name",),
    "peer": ("name",),
    "resource": ("title", "filename"),
    "letter": ("place",),
    "quarantine": ("reason", "place"),
    "outcome": ("code", "detail"),
    "event": ("detail",),
    "reached": ("place",),
    "errand": ("task", "detail", "problem"),
}
"""Columns that hold what people, peers and carriers wrote."""

WAYS = {
    "init": [["--name", "{s}"], ["--name", "x"]],
    "card": [[], ["-o", "{s}/x"]],
    "peer add": [["{s}", "{file}"], ["ok", "{file}"], ["ok", "{s}"]],
    "peer list": [[]],
    "peer remove": [["nobody{s}"], ["{s}"]],
    "peer show": [["{s}"], ["nobody{s}"]],
    "publish": [["{file}"], ["-m", "{s}", "--title", "{s}", "--tag", "{s}"], ["{s}"], ["-m", "x", "--to", "{s}"]],
    "list": [[], ["--new"], ["--all"]],
    "help": [[], ["{s}"], ["peer", "{s}"]],
    "completion": [["bash"], ["{s}"]],
    "show": [["{message}"], ["{large}"], ["{s}"]],
    "save": [["--all-to", "{tmp}/{name}"], ["{message}", "-o", "{tmp}/{name}"], ["{s}", "-o", "x"]],
    "sync": [[], ["{s}"], ["--via", "{s}"], ["--via", "{stick}", "-v"]],
    "status": [[], ["{message}"], ["{ours}"], ["{s}"], ["--check", "no-quarantine"],
               ["--check", "{s}"], ["--peer", "{s}"]],
    "run": [["--every", "{s}"]],
    "receive": [["{s}"], ["--maildir", "{s}"]],
    "install-timer": [["--show", "--cron"], ["{s}", "--show"], ["--every", "{s}"]],
    "doctor": [["--no-mail"], ["{s}", "--no-mail"], ["nobody{s}"]],
    "drop status": [["{s}"], ["--via", "{stick}"], ["--via", "{s}"]],
    "drop gc": [["{s}", "--dry-run"], ["--via", "{stick}"]],
    "drop verify": [["{s}"], ["--via", "{stick}"]],
    "transport list": [[]],
    "transport check": [["{s}"], ["--via", "{s}"], ["--via", "{stick}", "--only", "{s}"]],
    "transport new": [["{s}", "--into", "{tmp}"], ["x", "--into", "{tmp}/{name}"]],
    "carried": [[]],
    "outbox": [[], ["--peer", "{s}"], ["--peer", "nobody{s}"]],
    "plan": [["--via", "{stick}"], ["{s}"], []],
    "quarantine list": [[]],
    "quarantine purge": [["1", "--yes"], ["--older-than", "{s}", "--yes"], ["--all"], ["{s}"]],
    "quarantine release": [["1"], ["2"], ["{s}"]],
    "quarantine show": [["1"], ["2"], ["1", "--save", "{s}/x"]],
    "key list": [[]],
    "key destroy": [["--yes"]],
    "key export": [[], ["--contact"], ["-o", "{s}/x"]],
    "key passphrase": [["--new-fd", "{s}"]],
    "log": [[], ["--peer", "{s}"], ["--kind", "{s}"], ["--since", "{s}"]],
    "hook list": [[]],
    "hook retry": [["{s}"], ["1"]],
    "hook drop": [["{s}"], ["--all"]],
    "export": [["{tmp}/{name}.out", "--no-secrets"], ["{s}/x"]],
    "import": [["{file}"], ["nowhere{s}"]],
    "node list": [[]],
    "node renew": [["--yes", "--{s}"], ["{s}"]],
    "node replace": [["{s}", "--yes"]],
    "node revoke": [["{s}"], ["Bob{s}", "--now", "--yes"]],
    "trust list": [[], ["--all"]],
    "trust give": [["{s}", "--may", "read"], ["{s}", "--may", "{s}"], ["{s}", "--until", "{s}"]],
    "trust take": [["{s}", "--may", "publish"], ["nobody{s}"]],
    "revoke": [["{message}", "--yes"], ["{ours}", "--yes"], ["{s}"]],
    "recovery": [[], ["--html", "{tmp}/{name}.html"], ["--svg", "{s}/x"]],
    "schema list": [[]],
    "schema show": [["{s}"], ["{message}"]],
    "schema publish": [["{file}"], ["{s}"]],
    "peer retry": [["{s}"], ["nobody{s}"]],
    "peer pending": [[]],
    "peer accept": [["{s}", "x"], ["1", "{s}"]],
    "peer decline": [["{s}"], ["1"]],
    "peer verify": [["{s}", "--words", "{s}"], ["nobody{s}"]],
    "peer route": [["{s}"], ["{s}", "mail", "{s}"], ["{s}", "{s}", "a@b.example"], ["nobody{s}"]],
    "invite": [["--for", "{s}"], ["-o", "{s}/x"]],
    "invite new": [["--for", "{s}"], ["-o", "{s}/x"]],
    "invite list": [[]],
    "invite revoke": [["{s}"]],
    "join": [["{s}"], ["{file}", "{s}"]],
    "forget": [["{s}"], ["{message}", "--dry-run"], ["--from", "{s}", "--dry-run"], ["--tag", "{s}", "--dry-run"]],
    "clock": [[], ["--right", "--yes"]],
    "check": [[], ["--read-data", "{s}"]],
    "repair": [[], ["--yes"]],
    "inspect": [["{file}"], ["{card}", "--key", "{file}"], ["{file}", "--at", "{s}"], ["nowhere{s}"]],
    "demo": [["--keep", "{tmp}"]],
}  # fmt: skip
"""What is tried of each command; {s} is hostile text."""


def commands(command=group, path=()):
    """Every command there is, with its path."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*path, name))
    else:
        yield " ".join(path), command


ALL = dict(commands())


def test_every_command_is_tried():
    assert len(HOSTILE) >= 40
    assert ALL.keys() <= WAYS.keys(), "add what a new command prints to WAYS"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Alice's home, where something of every sort lies."""
    folder = tmp_path_factory.mktemp("hostile")
    alice, bob = (Home(folder / name, name) for name in ("Alice", "Bob"))
    stick = folder / "stick"
    stick.mkdir()
    for home in (alice, bob):
        home.run("init", "--name", home.name)
        home.run("card", "-o", folder / f"{home.name}.card")
    alice.run("peer", "add", "Bob", folder / "Bob.card")
    bob.run("peer", "add", "Alice", folder / "Alice.card")
    (folder / "large").write_bytes(bytes(100_000))
    bob.run("publish", folder / "large")
    for text in BATCHES:
        bob.say(text.replace("\x00", ""))
    ours = alice.say("hello")
    for home in (bob, alice, bob):
        home.sync(stick)
    alice.say("and more")
    alice.sync(stick)
    with Node(alice.path) as node:
        (peer,) = node.view.peers()
        mine = [each.id for each in node.view.listed(["message"]) if each.sender is None]
        refused = [Quarantine(b"junk", "malformed", "bad", peer.node, "x", Millis(1))]
        refused += [Quarantine(b"\xc1" + bytes(50), "stranger", "bad", None, "x", Millis(2))]
        more = [SaveOutcomes(peer.node, tuple((each, "held", "x") for each in mine))]
        more += [Note(Kind.FAILURE, Millis(3), mine[0], peer.node, "x")]
        node._store.commit([*refused, *more, *(Handed(each.id, Millis(1), "x") for each in node.view.letters())])
    return folder, alice.path, ours


@pytest.fixture
def hostile(told, tmp_path, request):
    """A copy of that home in which every free text is one of the hostile ones, and what the commands are given."""
    folder, path, ours = told
    text = request.param
    home = Home(tmp_path / "home", "Alice")
    shutil.copytree(path, home.path)
    with closing(sqlite3.connect(home.path / "store.db", isolation_level=None)) as db:
        db.execute(
            "INSERT INTO errand (user, node, task, event, at, kind, resource, peer, detail, tries, retry_at, problem)"
            " SELECT user, node, '', number, at, kind, resource, peer, '', 3, at, '' FROM event WHERE kind = 'failure'"
        )
        for table, columns in FREE.items():
            for column in columns:
                db.execute(f"UPDATE {table} SET {column} = ?", (text,))
        db.execute("UPDATE resource SET tags = ?", (json.dumps([text]),))
        messages = [row[0] for row in db.execute("SELECT hex(id) FROM resource WHERE kind = 'message' AND sender > 0")]
        (large,) = (row[0] for row in db.execute("SELECT hex(id) FROM resource WHERE kind = 'file'"))
    name = text.replace("/", "_")[:60]
    (tmp_path / name).write_text(f'{{"sdmp": {json.dumps(text)}}}\n{text}')
    toml = "".join(f"\\U{ord(char):08x}" for char in text)
    config = f'[transport."{toml}"]\nuses = "drop"\npath = "{toml}"\n'
    (home.path / "config.toml").write_text(config)
    given = {"s": text, "tmp": tmp_path, "name": name, "file": tmp_path / name, "card": folder / "Bob.card"}
    given |= {"stick": folder / "stick", "large": large, "ours": ours}
    index = BATCHES.index(text) % len(messages)
    return home, given | {"message": messages[index]}


def harm(text):
    """The first place where something else than plain text and line ends came out; None if there is none."""
    heap = 0
    for place, char in enumerate(text):
        heap = heap + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if char != "\n" and (printable(char) != char or heap > MARKS_MAX):
            return text[max(0, place - 40) : place + 40]
    return None


@pytest.mark.parametrize("hostile", BATCHES, indirect=True, ids=range(len(BATCHES)))
@pytest.mark.parametrize("path", [path for path in WAYS if path in ALL])
def test_no_command_prints_what_a_terminal_would_obey(hostile, path):
    home, given = hostile
    has_json = any("--json" in option.opts for option in ALL[path].params)
    for way in WAYS[path]:
        for extra in ([], ["--json"]) if has_json else ([],):
            done = home.run(*path.split(), *extra, *(each.format_map(given) for each in way), code=None)
            assert harm(done.stdout.decode()) is None, f"{way} {extra}, standard output"
            assert harm(done.stderr.decode()) is None, f"{way} {extra}, standard error"
            if extra and done.stdout:
                json.loads(done.stdout)


def test_hostile_text_is_shown_all_the_same(told):
    """What is escaped is still there to be read, and JSON gives it back as it was."""
    _, path, _ = told
    home = Home(path, "Alice")
    texts = {each for each in home.texts() if each not in ("hello", "and more")}

    assert texts == {text.replace("\x00", "") for text in BATCHES}
    listed = next(each for each in home.json("list") if each["schema"] == "message" and each["author_name"] == "Bob")
    shown = home.out("show", listed["id"])
    assert any(printable(line, 10_000) in shown for text in texts for line in text.split("\n") if line)


def test_a_long_line_is_shown_whole(make):
    alice = make("Alice")
    note = alice.say("word " * 500 + "end")

    assert alice.out("show", note).rstrip().endswith("word end")


def test_an_unknown_command_is_quoted_safely(make):
    done = make("Alice").run(f"{CSI}31m\u202e", code=2)

    assert harm(done.stderr.decode()) is None
    assert "\\x1b" in done.stderr.decode()
