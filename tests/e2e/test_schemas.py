"""Schemas and records by command line: published, carried, checked at both ends, shown and saved; and every failure."""

from __future__ import annotations

import json

import pytest

SCHEMA = {
    "title": "Water level",
    "type": "object",
    "required": ["level"],
    "properties": {"level": {"type": "number", "minimum": 0}, "where": {"type": "string"}},
}


def written(folder, value, name="x.json"):
    path = folder / name
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return path


def test_a_record_is_published_under_a_schema_carried_shown_and_saved(pair, stick, tmp_path):
    alice, bob = pair
    uri = alice.out("schema", "publish", written(tmp_path, SCHEMA)).strip()
    reading = {"level": 3.5, "where": "piér"}
    name = alice.out("publish", "--schema", uri, written(tmp_path, reading), "--title", "Day 1").strip()
    alice.run("publish", "--schema", uri, "-", stdin=b'{"level": 4}')
    private = alice.out("publish", "--schema", uri, "-", "--to", "Bob", stdin=b'{"level": 5}').strip()
    alice.sync(stick)
    assert bob.sync(stick)["new"] == 3
    assert [each["schema"] for each in bob.json("list")] == ["record"] * 3
    shown = bob.json("show", name)
    assert (json.loads(shown["text"]), shown["schema"], shown["title"]) == (reading, uri, "Day 1")
    assert json.loads(bob.json("show", private)["text"]) == {"level": 5}
    bob.run("save", name, "-o", tmp_path / "got.json")
    assert json.loads((tmp_path / "got.json").read_text()) == reading
    bob.run("publish", "--schema", uri, "-", stdin=b'{"level": 6}')
    for home in (bob, alice):
        home.sync(stick)
    assert len(alice.json("list")) == 4


def test_schemas_are_listed_and_shown(pair, stick, tmp_path):
    alice, bob = pair
    assert alice.out("schema", "list") == ""
    uri = json.loads(alice.out("schema", "publish", "--json", written(tmp_path, SCHEMA)))["uri"]
    alice.sync(stick), bob.sync(stick)
    for home in pair:
        (found,) = json.loads(home.out("schema", "list", "--json"))
        assert found == {"uri": uri, "title": "Water level", "author_name": "Alice"}
        assert json.loads(home.out("schema", "show", uri)) == SCHEMA
        assert "Water level" in home.out("schema", "list")
    everything = json.loads(alice.out("schema", "list", "--all", "--json"))
    ours = next(each["uri"] for each in everything if each["title"] == "about")
    assert "stamp" in json.loads(alice.out("schema", "show", ours))["properties"]["about"]["properties"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not json", "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b'{"a":1,"a":2}', "the same key twice"),
        (b'{"type":"strnig"}', "not valid JSON Schema"),
        (b'{"$ref":"https://example.org/x"}', "outside itself"),
        (b'{"$ref":"#"}', "refers to itself"),
        (b'{"description":"' + b"x" * 300_000 + b'"}', "larger than 256 KiB"),
    ],
)
def test_a_schema_that_peers_would_refuse_is_not_published(make, tmp_path, content, why):
    alice = make("Alice")
    path = written(tmp_path, content, "s.json")
    assert why in alice.err("schema", "publish", path, code=2)
    assert json.loads(alice.out("schema", "list", "--json")) == []
    alice.run("schema", "publish", tmp_path / "missing", code=1)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (b'{"level": -1}', "at 'level': -1 is less than the minimum of 0"),
        (b"{}", '"level" is a required property'),
        (b'{"level": 1, "about": {}}', "about cannot be a field of a record"),
        (b'{"level": 1e400}', "beyond all bounds"),
        (b'{"level": ' + b"9" * 200 + b"}", "64 bits"),
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_record_that_does_not_keep_its_schema_is_not_published(make, tmp_path, fields, why):
    alice = make("Alice")
    uri = alice.out("schema", "publish", written(tmp_path, SCHEMA)).strip()
    assert why in alice.err("publish", "--schema", uri, "-", stdin=fields, code=2)
    assert alice.json("list") == []


def test_a_record_needs_a_schema_that_is_here_and_one_file(make, tmp_path):
    alice = make("Alice")
    uri = alice.out("schema", "publish", written(tmp_path, SCHEMA)).strip()
    note = alice.say("no schema")
    path = written(tmp_path, {"level": 1})
    missing = f"{uri[:-86]}{'A' * 86}"
    assert "is not here" in alice.err("publish", "--schema", missing, path, code=1)
    assert "is no schema" in alice.err("publish", "--schema", note, path, code=2)
    assert "not the URI of a schema" in alice.err("publish", "--schema", "sdmp://x", path, code=2)
    assert "one file" in alice.err("publish", "--schema", uri, path, path, code=2)
    assert "is no schema" in alice.err("schema", "show", note, code=2)
    assert "no schema here has the ID or title" in alice.err("schema", "show", "abcdef", code=1)
    assert len(alice.json("list")) == 1


def test_a_schema_is_meant_by_its_title_or_the_beginning_of_its_id(pair, stick, tmp_path):
    alice, bob = pair
    made = alice.json("schema", "publish", written(tmp_path, SCHEMA))
    other = alice.out("schema", "publish", written(tmp_path, {**SCHEMA, "title": "Snow"})).strip()
    message = alice.say("no schema")
    alice.sync(stick), bob.sync(stick)
    for name in ("Water level", "water LEVEL", made["id"], made["id"][:4], made["uri"].rpartition("/")[2]):
        uri = bob.out("publish", "--schema", name, "-", stdin=b'{"level": 1}').strip()
        assert bob.json("show", uri)["schema"] == made["uri"]
        assert json.loads(bob.out("schema", "show", name)) == SCHEMA
    assert "no schema here has the ID or title 'Ice'" in bob.err("publish", "--schema", "Ice", "-", code=1)
    short = bob.json("list")[0]["id"]
    assert bob.json("list")[0]["uri"] == message
    assert "no schema here" in bob.err("schema", "show", short, code=1)
    assert "is no schema" in bob.err("publish", "--schema", message, "-", stdin=b"{}", code=2)
    assert "the house's own" in bob.err("publish", "--schema", "file", "-", stdin=b"{}", code=2)
    assert json.loads(bob.out("schema", "show", "file"))
    namesake = bob.out("schema", "publish", written(tmp_path, {"title": "snow", "type": "object"})).strip()
    said = bob.err("publish", "--schema", "Snow", "-", stdin=b'{"level": 1}', code=2)
    assert "may mean 2 schemas" in said
    for uri in (other, namesake):
        listed = next(each for each in bob.json("list", "--all") if each["uri"] == uri)
        assert listed["id"] in said
        assert bob.run("publish", "--schema", listed["id"], "-", stdin=b'{"level": 1}')
