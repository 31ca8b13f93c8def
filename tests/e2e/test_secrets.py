"""Keys under a passphrase, where it may come from, and what attackers try with key files and configuration."""

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import Home, tree

import paquebot
from paquebot import passphrase as sources
from paquebot.errors import KeysLocked, WrongPassphrase
from paquebot.vault import locking
from paquebot.vault.locking import Cost

WORDS = "four random words here"
OTHER = "and now something else"
YEAR_2015 = 1_420_070_400


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    monkeypatch.setattr(locking, "COST", Cost(16, 8, 1))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def fd_of(*lines: str) -> str:
    """A descriptor to read *lines* from."""
    reading, writing = os.pipe()
    os.write(writing, "".join(f"{line}\n" for line in lines).encode())
    os.close(writing)
    return str(reading)


def opened(home: Home, *arguments: str, words: str = WORDS, code: int = 0):
    return home.run("--passphrase-fd", fd_of(words), *arguments, code=code)


@pytest.fixture
def alice(tmp_path):
    home = Home(tmp_path / "Alice", "Alice")
    home.run("init", "--name", "Alice", "--passphrase", "--new-fd", fd_of(WORDS))
    return home


@pytest.fixture
def befriended(alice, make, tmp_path):
    """Alice with a peer: only then a sync needs every key."""
    make("Bob").run("card", "-o", tmp_path / "bob.card")
    opened(alice, "peer", "add", "Bob", tmp_path / "bob.card")
    return alice


def publish(home: Home, code: int = 0):
    return home.run("publish", "--message", "hello", code=code)


def listed(home: Home) -> list[dict]:
    return json.loads(home.out("key", "list", "--json"))


def configure(home: Home, text: str) -> Path:
    path = home.path / "config.toml"
    path.write_text(text)
    return path


def private(folder: Path, name: str, content: str, mode: int = 0o600) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    path.write_text(content)
    path.chmod(mode)
    return path


# The passphrase, and its command.


def test_locked_keys_show_nothing_and_open_by_the_passphrase(alice):
    for path in (alice.path / "keys").iterdir():
        assert b"PRIVATE KEY" not in path.read_bytes()
        assert b'"storage"' not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0

    opened(alice, "publish", "--message", "hello")

    assert alice.texts() == ["hello"]  # and looking needs no key


def test_a_passphrase_can_be_set_changed_and_removed_later(make):
    alice = make("Alice")
    before = tree(alice.path / "keys")

    assert "protected by the passphrase" in alice.out("key", "passphrase", "--new-fd", fd_of(WORDS))
    publish(alice, code=12)
    opened(alice, "key", "passphrase", "--new-fd", fd_of(OTHER))
    assert "wrong" in opened(alice, "publish", "--message", "hello", code=12).stderr.decode()
    opened(alice, "publish", "--message", "hello", words=OTHER)
    opened(alice, "key", "passphrase", "--remove", words=OTHER)

    publish(alice)
    assert tree(alice.path / "keys") == before


def test_a_wrong_passphrase_changes_nothing(alice):
    before = tree(alice.path)

    for arguments in (
        ["publish", "--message", "x"],
        ["sync", "--via", str(alice.path.parent)],
        ["key", "passphrase", "--remove"],
        ["key", "passphrase", "--new-fd", fd_of(OTHER)],
        ["key", "passphrase", "--user", "--new-fd", fd_of(OTHER)],
    ):
        done = opened(alice, *arguments, words="not the right words", code=12)
        assert "the passphrase is wrong" in done.stderr.decode()
        assert "not the right words" not in done.stderr.decode()

    assert tree(alice.path) == before


def test_removing_what_is_not_there_is_said(make):
    assert "no passphrase" in make("Alice").err("key", "passphrase", "--remove", code=2)


def test_a_short_new_passphrase_is_refused(make, tmp_path):
    alice = make("Alice")
    before = tree(alice.path)

    assert "at least 8" in alice.err("key", "passphrase", "--new-fd", fd_of("short"), code=2)
    bob = Home(tmp_path / "Bob", "Bob")
    assert "at least 8" in bob.err("init", "--name", "Bob", "--new-fd", fd_of("short"), code=2)

    assert tree(alice.path) == before
    assert not (bob.path / "keys").exists()


def test_the_user_key_may_have_a_passphrase_of_its_own(alice):
    opened(alice, "key", "passphrase", "--user", "--new-fd", fd_of(OTHER))

    assert {each["secret"]: each["protected"] for each in listed(alice)} == {
        "user key": "own passphrase",
        "node key": "passphrase",
        "envelope keys": "passphrase",
    }
    opened(alice, "publish", "--message", "hello")
    opened(alice, "key", "passphrase", "--user", "--remove", code=12)  # the second passphrase is not given
    alice.run("--passphrase-fd", fd_of(WORDS, OTHER), "key", "passphrase", "--user", "--remove")
    assert {each["protected"] for each in listed(alice)} == {"passphrase"}


def test_changing_a_passphrase_may_be_cut_off_at_any_moment(alice, monkeypatch):
    """Between any two writes the keys still open, by the passphrase or without, and a second run completes it."""
    from paquebot.vault import files

    real, left = files.write_secret, 0

    def writing(path, content):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        real(path, content)

    opened(alice, "key", "passphrase", "--remove")
    for steps in range(4):
        monkeypatch.setattr(files, "write_secret", writing)
        left = steps
        alice.run("key", "passphrase", "--new-fd", fd_of(WORDS), code=130)
        monkeypatch.setattr(files, "write_secret", real)
        opened(alice, "publish", "--message", f"set {steps}")
        opened(alice, "key", "passphrase", "--new-fd", fd_of(OTHER))
        assert {each["protected"] for each in listed(alice)} == {"passphrase"}
        monkeypatch.setattr(files, "write_secret", writing)
        left = min(steps, 2)
        opened(alice, "key", "passphrase", "--remove", words=OTHER, code=130)
        monkeypatch.setattr(files, "write_secret", real)
        opened(alice, "publish", "--message", f"removed {steps}", words=OTHER)
        opened(alice, "key", "passphrase", "--remove", words=OTHER)


def test_status_warns_of_a_key_that_the_passphrase_does_not_lock(alice, make):
    assert "Keys:" not in alice.out("status")
    opened(alice, "key", "passphrase", "--remove")
    plain = (alice.path / "keys" / "node.json").read_bytes()
    alice.run("key", "passphrase", "--new-fd", fd_of(WORDS))
    (alice.path / "keys" / "node.json").write_bytes(plain)

    assert "not locked by the passphrase: node key" in alice.out("status")
    assert "Keys:" not in make("Bob").out("status")


def test_key_list_says_what_is_where(make):
    alice = make("Alice")
    (alice.path / "keys" / "user.json").unlink()

    said = alice.out("key", "list")

    assert "not in this home" in said
    assert said.count("nothing but the disk") == 2
    assert "PRIVATE" not in said


def test_key_list_needs_a_node(tmp_path):
    assert "paquebot init" in Home(tmp_path / "nobody", "nobody").err("key", "list", code=10)
    assert "paquebot init" in Home(tmp_path / "nobody", "nobody").err("key", "passphrase", code=10)


# Where the passphrase comes from.


def test_cron_without_a_source_is_told_what_to_configure(alice, tmp_path):
    command = [sys.executable, "-m", "paquebot", "--home", str(alice.path), "sync", "--via", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, start_new_session=True, check=False)

    assert done.returncode == 12
    said = done.stderr.decode()
    assert "[secrets]" in said
    assert "key_file" in said
    assert "LoadCredential" in said
    assert "Traceback" not in said


def test_systemds_credentials_come_first(alice, tmp_path, monkeypatch):
    private(tmp_path / "credentials", "paquebot", f"{WORDS}\n", 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    configure(alice, '[secrets]\ncommand = "echo not the right words"\n')

    publish(alice)


def test_a_credential_may_have_another_name(alice, tmp_path, monkeypatch):
    private(tmp_path / "credentials", "ship", WORDS, 0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    publish(alice, code=12)
    configure(alice, '[secrets]\ncredential = "ship"\n')

    publish(alice)


def test_a_command_may_print_the_passphrase(alice):
    configure(alice, f"[secrets]\ncommand = \"printf '{WORDS}\\\\nsecond line'\"\n")

    publish(alice)


def test_a_command_comes_before_a_descriptor(alice):
    configure(alice, f'[secrets]\ncommand = "echo {WORDS}"\n')

    opened(alice, "publish", "--message", "hello", words="not the right words")


def test_a_command_is_run_once_and_without_a_shell(alice, tmp_path):
    script = tmp_path / "say"
    script.write_text(f"#!/bin/sh\necho run >>{tmp_path}/runs\necho {WORDS}\n")
    script.chmod(0o700)
    configure(alice, f'[secrets]\ncommand = "{script} ; touch {tmp_path}/evil $(touch {tmp_path}/evil)"\n')

    alice.run("sync", "--via", tmp_path, "--json")
    publish(alice)

    assert (tmp_path / "runs").read_text() == "run\nrun\n"
    assert not (tmp_path / "evil").exists()


def test_a_key_file_may_hold_the_passphrase(alice, tmp_path):
    path = private(tmp_path / "safe", "pass", f"{WORDS}\n")
    configure(alice, f'[secrets]\nkey_file = "{path}"\n')

    publish(alice)


def test_a_keyring_is_asked_only_on_request(alice, monkeypatch):
    asked = []

    class Keyring:
        @staticmethod
        def get_password(service, name):
            asked.append((service, name))
            return WORDS

    class Errors:
        KeyringError = RuntimeError

    monkeypatch.setitem(sys.modules, "keyring", Keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", Errors)
    publish(alice, code=12)
    assert not asked
    configure(alice, "[secrets]\nkeyring = true\n")

    publish(alice)

    assert asked == [("paquebot", str(alice.path))]


def test_a_keyring_that_is_not_installed_is_said(alice, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    configure(alice, "[secrets]\nkeyring = true\n")

    assert "paquebot[keyring]" in publish(alice, code=2).stderr.decode()


class Terminal:
    """A command run on a terminal of its own, and what it shows there."""

    def __init__(self, *arguments: str) -> None:
        self.child, self.fd = pty.fork()
        if not self.child:
            os.execv(sys.executable, [sys.executable, "-m", "paquebot", *arguments])
        self.shown = ""

    def expect(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.fd], [], [], 0.1)[0]:
                self.shown += os.read(self.fd, 4096).decode()

    def type(self, line: str) -> None:
        time.sleep(0.2)  # until the terminal no longer echoes
        os.write(self.fd, f"{line}\n".encode())

    def end(self) -> int:
        while True:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                break
            if not data:
                break
            self.shown += data.decode()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def test_a_person_is_asked_once_and_what_is_typed_is_not_shown(alice, tmp_path):
    terminal = Terminal("--home", str(alice.path), "sync", "--via", str(tmp_path))
    terminal.expect("Passphrase of")
    terminal.type(WORDS)

    assert terminal.end() == 0
    assert terminal.shown.count("Passphrase of") == 1
    assert WORDS not in terminal.shown


def test_a_person_chooses_a_passphrase_by_typing_it_twice(tmp_path):
    home = Home(tmp_path / "Bob", "Bob")
    for again, code in ((OTHER, 2), (WORDS, 0)):
        terminal = Terminal("--home", str(home.path), "init", "--name", "Bob", "--passphrase")
        terminal.expect("New passphrase")
        terminal.type(WORDS)
        terminal.expect("same again")
        terminal.type(again)
        assert terminal.end() == code, terminal.shown
        assert WORDS not in terminal.shown

    opened(home, "publish", "--message", "hello")


# Attacks (research/eco.md 2.6, row B9).


@pytest.mark.parametrize("name", ["user.json", "node.json", "envelope.json", "lock.json"])
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_key_file_that_others_may_open_is_refused(befriended, name, mode):
    alice = befriended
    path = alice.path / "keys" / name
    path.chmod(mode)

    if name == "user.json":
        done = alice.run(
            "--passphrase-fd", fd_of(WORDS), "key", "passphrase", "--user", "--new-fd", fd_of(OTHER), code=12
        )
    else:
        done = opened(alice, "sync", "--via", str(alice.path.parent), code=12)

    assert f"chmod 600 {path}" in done.stderr.decode()


def test_a_keys_folder_that_others_may_open_is_refused(alice):
    (alice.path / "keys").chmod(0o755)

    assert "chmod 700" in opened(alice, "publish", "--message", "x", code=12).stderr.decode()


@pytest.mark.parametrize("name", ["node.json", "envelope.json", "lock.json"])
@pytest.mark.parametrize("what", ["symbolic link", "FIFO", "folder", "huge"])
def test_a_key_file_that_is_none_is_refused(befriended, name, what):
    alice = befriended
    path = alice.path / "keys" / name
    moved = path.rename(alice.path / "keys" / f"{name}.moved")
    match what:
        case "symbolic link":
            path.symlink_to(moved)
        case "FIFO":
            os.mkfifo(path, 0o600)
        case "folder":
            path.mkdir(mode=0o700)
        case "huge":
            with path.open("wb") as file:
                os.truncate(file.fileno(), 1 << 40)
            path.chmod(0o600)

    opened(alice, "sync", "--via", str(alice.path.parent), code=12)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("what", ["keys", "keys/node.json", "keys/lock.json", "config.toml", "key file", "credential"])
def test_a_file_of_another_user_is_refused(alice, tmp_path, monkeypatch, what):
    path = alice.path / what
    match what:
        case "config.toml":
            configure(alice, f'[secrets]\ncommand = "touch {tmp_path}/evil"\n')
        case "key file":
            path = private(tmp_path / "safe", "pass", WORDS)
            configure(alice, f'[secrets]\nkey_file = "{path}"\n')
        case "credential":
            path = private(tmp_path / "credentials", "paquebot", WORDS, 0o400)
            monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    os.chown(path, 12345, -1)

    source = [] if what == "key file" else ["--passphrase-fd", fd_of(WORDS)]
    done = alice.run(*source, "publish", "--message", "x", code=None)

    assert done.returncode == (2 if what == "config.toml" else 12)
    assert not (tmp_path / "evil").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_a_configuration_linked_by_another_user_is_refused(alice, tmp_path):
    (tmp_path / "theirs.toml").write_text(f'[secrets]\ncommand = "touch {tmp_path}/evil"\n')
    (alice.path / "config.toml").symlink_to(tmp_path / "theirs.toml")
    os.lchown(alice.path / "config.toml", 12345, -1)

    assert "symbolic link" in opened(alice, "publish", "--message", "x", code=2).stderr.decode()
    assert not (tmp_path / "evil").exists()


def test_a_configuration_linked_by_its_owner_is_followed(alice, tmp_path):
    (tmp_path / "dotfiles.toml").write_text(f'[secrets]\ncommand = "echo {WORDS}"\n')
    (alice.path / "config.toml").symlink_to(tmp_path / "dotfiles.toml")

    publish(alice)


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_a_configuration_that_others_may_write_is_refused(alice, tmp_path, mode):
    configure(alice, f'[secrets]\ncommand = "touch {tmp_path}/evil"\n').chmod(mode)

    assert "chmod go-w" in publish(alice, code=2).stderr.decode()
    assert not (tmp_path / "evil").exists()


def test_a_home_that_others_may_write_is_refused(alice, tmp_path):
    configure(alice, f'[secrets]\ncommand = "touch {tmp_path}/evil"\n')
    alice.path.chmod(0o777)

    assert f"chmod go-w {alice.path}" in publish(alice, code=2).stderr.decode()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("what", ["FIFO", "folder", "endless", "huge"])
def test_a_configuration_that_is_no_file_is_refused(alice, what):
    path = alice.path / "config.toml"
    match what:
        case "FIFO":
            os.mkfifo(path, 0o600)
        case "folder":
            path.mkdir()
        case "endless":
            path.symlink_to("/dev/zero")
        case "huge":
            path.write_bytes(b"#" * (1 << 20))

    done = publish(alice, code=2)

    assert str(path) in done.stderr.decode()


BOMBS = {
    "nested arrays": "x = " + "[" * 60_000,
    "nested tables": "x = " + "{a=" * 40_000,
    "a long dotted key": ".".join(["a"] * 60_000) + " = 1",
    "lines of dotted keys": "".join(f"a{n}{'.a' * 500} = 1\n" for n in range(240)),
    "many tables": "".join(f"[a{n}]\n" for n in range(20_000)),
    "dotted tables": "[" + ".".join(["a"] * 60_000) + "]",
    "a huge number": "x = " + "9" * 200_000,
    "an open string": 'x = """' + "a" * 200_000,
    "many transports": "".join(f"[transport.t{n}]\nuses='drop'\npath='/x'\n" for n in range(5_000)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_toml_bomb_costs_little(alice, name):
    configure(alice, BOMBS[name])
    began = time.monotonic()

    done = publish(alice, code=None)

    assert done.returncode in (2, 12)
    assert time.monotonic() - began < 5
    assert b"Traceback" not in done.stderr
    assert len(done.stderr) < 10_000


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f'[secrets]\npassphrase = "{WORDS}"\n', "no passphrase belongs into this file"),
        (f'[secrets]\npassword = "{WORDS}"\n', "no passphrase belongs into this file"),
        ('[secrets]\ncomand = "x"\n', "did you mean 'command'"),
        ("[secrets]\nkeyring = 'yes'\n", "is not true or false"),
        ("secrets = 3\n", "is not a table"),
        ('[secrets]\ncommand = "echo \'x"\n', "not a command"),
        ("[secrets]\ncredential = '../../etc/shadow'\n", ""),
    ],
)
def test_a_mistake_in_the_secrets_table_is_named_without_its_secret(alice, text, hint):
    configure(alice, text)

    said = publish(alice, code=None).stderr.decode()

    assert hint in said
    assert WORDS not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--passphrase", WORDS, "publish", "--message", "x"],
        [f"--passphrase={WORDS}", "publish", "--message", "x"],
        ["key", "passphrase", WORDS],
        ["key", "passphrase", "--new-fd", WORDS],
        ["--passphrase-fd", WORDS, "sync"],
        ["init", "--name", "Bob", "--passphrase", WORDS],
    ],
)
def test_a_passphrase_on_the_command_line_is_refused(alice, arguments):
    before = tree(alice.path)

    alice.run(*arguments, code=2)

    assert tree(alice.path) == before


def test_a_passphrase_on_the_command_line_is_not_repeated(alice):
    for arguments in (["key", "passphrase", WORDS], ["init", "--name", "Bob", "--passphrase", WORDS]):
        assert WORDS not in alice.err(*arguments, code=2)


@pytest.mark.parametrize("name", ["PAQUEBOT_PASSPHRASE", "PAQUEBOT_PASSPHRASE_FD", "PAQUEBOT_PASSWORD", "PASSPHRASE"])
def test_the_environment_gives_no_passphrase(alice, monkeypatch, name):
    monkeypatch.setenv(name, WORDS)

    publish(alice, code=12)


@pytest.mark.parametrize("folder", ["relative", "", "/nonexistent"])
def test_a_credentials_directory_that_is_none_gives_nothing(alice, tmp_path, monkeypatch, folder):
    private(tmp_path / "relative", "paquebot", WORDS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)

    assert publish(alice, code=None).returncode in (2, 12)


@pytest.mark.parametrize("what", ["world-readable", "symbolic link", "FIFO", "folder", "empty"])
def test_an_unsafe_credential_is_refused(alice, tmp_path, monkeypatch, what):
    path = private(tmp_path / "credentials", "paquebot", "" if what == "empty" else WORDS)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    match what:
        case "world-readable":
            path.chmod(0o444)
        case "symbolic link":
            path.symlink_to(path.rename(tmp_path / "moved"))
        case "FIFO":
            path.unlink()
            os.mkfifo(path, 0o600)
        case "folder":
            path.unlink()
            path.mkdir()

    publish(alice, code=12)


@pytest.mark.parametrize(
    "what", ["world-readable", "loose folder", "symbolic link", "FIFO", "missing", "empty", "huge"]
)
def test_an_unsafe_key_file_is_refused(alice, tmp_path, what):
    path = private(tmp_path / "safe", "pass", {"empty": "", "huge": "x" * 5_000}.get(what, WORDS))
    configure(alice, f'[secrets]\nkey_file = "{path}"\n')
    match what:
        case "world-readable":
            path.chmod(0o644)
        case "loose folder":
            path.parent.chmod(0o755)
        case "symbolic link":
            path.symlink_to(path.rename(tmp_path / "safe" / "moved"))
        case "FIFO":
            path.unlink()
            os.mkfifo(path, 0o600)
        case "missing":
            path.unlink()

    said = publish(alice, code=12).stderr.decode()

    assert "Traceback" not in said
    if what in ("world-readable", "loose folder"):
        assert "chmod" in said


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("false", "failed with 1"),
        ("/nonexistent/pass", "cannot be run"),
        ("true", "empty"),
        ("sleep 30", "longer than"),
    ],
)
def test_a_passphrase_command_that_fails_is_said(alice, monkeypatch, command, hint):
    monkeypatch.setattr(sources, "COMMAND_SECONDS", 0.3)
    configure(alice, f'[secrets]\ncommand = "{command}"\n')

    assert hint in publish(alice, code=12).stderr.decode()


@pytest.mark.parametrize("fd", ["9876", "-1", "two"])
def test_a_descriptor_that_is_not_open_is_said(alice, fd):
    alice.run("--passphrase-fd", fd, "publish", "--message", "x", code=2)


def test_a_descriptor_that_gives_nothing_is_said(alice):
    assert "gives no passphrase" in alice.err("--passphrase-fd", fd_of(), "publish", "--message", "x", code=12)


def test_a_hostile_lock_file_costs_neither_memory_nor_time(alice):
    path = alice.path / "keys" / "lock.json"
    value = json.loads(path.read_text())
    value["scrypt"]["n"] = 1 << 34
    path.write_text(json.dumps(value))
    began = time.monotonic()

    said = opened(alice, "publish", "--message", "x", code=12).stderr.decode()

    assert "more memory or time" in said
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("name", ["node.json", "envelope.json", "lock.json"])
@pytest.mark.parametrize("fault", ["cut", "empty", "swapped", "another home's"])
def test_a_damaged_locked_file_is_refused(befriended, tmp_path, name, fault):
    alice = befriended
    keys = alice.path / "keys"
    match fault:
        case "cut":
            os.truncate(keys / name, 100)
        case "empty":
            os.truncate(keys / name, 0)
        case "swapped":
            (keys / name).write_bytes((keys / "user.json").read_bytes())
        case "another home's":
            bob = Home(tmp_path / "Eve", "Eve")
            bob.run("init", "--name", "Eve", "--new-fd", fd_of(WORDS))
            (keys / name).write_bytes((bob.path / "keys" / name).read_bytes())

    said = opened(alice, "sync", "--via", str(tmp_path), code=12).stderr.decode()

    assert "Traceback" not in said


def test_no_secret_is_ever_in_an_error(make, tmp_path):
    alice = make("Alice")
    secrets = [json.loads((alice.path / "keys" / "envelope.json").read_text())[name] for name in ("signing", "storage")]
    secrets += json.loads((alice.path / "keys" / "node.json").read_text())["private_key"]["key"].split("\n")[1:2]
    said = ""
    for name in ("node.json", "envelope.json"):
        path = alice.path / "keys" / name
        whole = path.read_bytes()
        for damaged in (whole[:-40], whole.replace(b'"', b"'"), b"[" + whole, whole.replace(b"private_key", b"key")):
            path.write_bytes(damaged)
            said += alice.run("sync", "--via", tmp_path, code=None).stderr.decode()
        path.write_bytes(whole)

    assert said
    assert not [secret for secret in secrets if secret in said]


def test_a_program_gives_the_passphrase_too(alice, tmp_path):
    async def use(home: Path, passphrase: str | None, **options) -> None:
        async with paquebot.open(home, passphrase=passphrase, **options) as node:
            await node.publish("from a program")

    asyncio.run(use(alice.path, WORDS))
    for passphrase, error in ((None, KeysLocked), ("not the right words", WrongPassphrase)):
        with pytest.raises(error):
            asyncio.run(use(alice.path, passphrase))
    asyncio.run(use(tmp_path / "made", OTHER, create="Made"))

    assert alice.texts() == ["from a program"]
    assert {each["protected"] for each in listed(Home(tmp_path / "made", "Made"))} == {"passphrase"}
