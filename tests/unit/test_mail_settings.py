"""What the configuration says of a mailbox, what a provider's preset adds, and where the secret comes from."""

import os
import re
import sys
from dataclasses import replace

import pytest

from paquebot import config
from paquebot.errors import ConfigError, Denied
from paquebot_mail.account import Account
from paquebot_mail.presets import PRESETS
from paquebot_mail.secret import Secrets
from paquebot_mail.settings import LimitsTable, MailSettings, Retire, ServerTable

OURS = {"address": "node@a.example"}
WHERE = "c.toml: [transport.home]"


def read(**table):
    found = config.settings(WHERE, MailSettings, {**OURS, **table})
    assert isinstance(found, MailSettings)
    return found


def test_a_table_with_tables_in_it_becomes_an_account():
    account = Account.of(
        read(
            imap={"host": "imap.a.example", "tls": "starttls"},
            smtp={"host": "smtp.a.example", "port": 2465},
            limits={"per_day": 12, "message": "30 kB", "bytes_per_day": 200_000},
            password_command=["pass", "show", "node-mail"],
            retire="move:Node/Done:7d",
        )
    )
    assert account.imap == ServerTable("imap.a.example", 143, "starttls")
    assert account.smtp == ServerTable("smtp.a.example", 2465, "implicit")
    assert (account.limits.per_day, account.limits.per_minute) == (12, PRESETS["selfhosted"].limits.per_minute)
    assert (account.limits.message_bytes, account.limits.day_bytes) == (30_000, 200_000)
    assert account.thin
    assert account.user == "node@a.example"
    assert account.retire == Retire("move", "Node/Done", 7 * 86_400_000)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"address": "Bob <b@x>"}, "no bare mail address such as node@a.example"),
        ({"adress": "b@x"}, "'adress' is unknown; did you mean 'address'?"),
        ({"imap": "imap.a.example"}, "imap = 'imap.a.example' is not a table of host, port, tls"),
        ({"imap": {"port": 993}}, "[transport.home.imap]: host is missing"),
        ({"imap": {"host": "a b"}}, "[transport.home.imap]: host = 'a b' is no name of a server"),
        ({"imap": {"host": "mail..a"}}, "[transport.home.imap]: host = 'mail..a' is no name of a server"),
        ({"imap": {"host": "m" * 64 + ".a"}}, "is no name of a server"),
        ({"imap": {"host": "a", "tls": "none"}}, "[transport.home.imap]: tls is"),
        ({"imap": {"host": "a", "prot": 1}}, "[transport.home.imap]: 'prot' is unknown; did you mean 'port'?"),
        ({"limits": {"message": "big"}}, "[transport.home.limits]: 'big' is no size"),
        ({"limits": {"message": 900}}, "[transport.home.limits]: message: no mail of less than"),
        ({"price": {"mail": -1}}, "[transport.home.price]: a price is a number, and not less than nothing"),
        ({"price": {"megabyte": float("nan")}}, "[transport.home.price]: a price is a number"),
        ({"price": {"currency": "\n"}}, "[transport.home.price]: currency is a short word"),
        ({"limits": {"per_day": -1}}, "[transport.home.limits]: a limit is less than nothing"),
        ({"password_command": "pass show"}, "password_command = 'pass show' is not a list of texts in quotes"),
        ({"password_command": ["a"], "password_file": "b"}, "one source of the secret is enough"),
        ({"password": "1234"}, "'password' is unknown"),
        ({"retire": "delete"}, "retire = 'delete': write \"keep\""),
        ({"retire": "keep:7d"}, 'write "keep"'),
        ({"retire": "move"}, 'write "keep"'),
        ({"subject": "a\r\nBcc: b@c"}, "subject is one line of ASCII"),
        ({"folder": "a\nb"}, "is no name of a folder"),
        ({"latency_minutes": 0}, "latency_minutes is between"),
        ({"limits": {"message": True}}, "[transport.home.limits]: message = True is not a text in quotes"),
    ],
)
def test_every_mistake_is_named_with_its_table(table, complaint):
    with pytest.raises(ConfigError) as caught:
        read(**table)
    assert str(caught.value).startswith("c.toml: [transport.home")
    assert complaint in str(caught.value)


def test_an_unknown_preset_is_named_with_those_that_are_known():
    with pytest.raises(ConfigError, match="known are: gmail, microsoft365"):
        Account.of(read(preset="gmial"))


def test_a_provider_is_known_by_its_addresses():
    account = Account.of(MailSettings("x@icloud.com"))
    assert (account.preset, account.user) == ("icloud", "x")
    assert account.smtp == ServerTable("smtp.mail.me.com", 587, "starttls")
    assert Account.of(MailSettings("node@a.example")).imap is None
    assert not Account.of(MailSettings("x@gmail.com")).thin


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_whole(name):
    account = Account.of(MailSettings("node@a.example", preset=name))
    limits = account.limits
    assert min(limits.per_minute, limits.per_day, limits.message_bytes) > 0
    assert len(PRESETS) >= 12
    assert account.thin == (name == "satellite")


def test_what_is_set_counts_for_more_than_the_preset():
    settings = replace(MailSettings("x@gmail.com"), limits=LimitsTable(per_day=7), retire="keep")
    account = Account.of(settings)
    assert (account.limits.per_day, account.limits.per_minute) == (7, 20)
    assert account.retire == Retire("keep")


# -- secrets ----------------------------------------------------------------------------


def secret(**more):
    return Secrets(MailSettings("node@a.example", **more)).get()


def test_a_secret_comes_from_a_command_a_file_a_credential_or_a_descriptor(tmp_path, monkeypatch):
    file = tmp_path / "mail"
    file.write_text("s3cret\nmore\n")
    file.chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret(password_command=(sys.executable, "-c", "print('s3cret'); print('more')")) == "s3cret"
    assert secret(oauth_command=(sys.executable, "-c", "print('ya29.x')")) == "ya29.x"
    assert secret(password_file=str(file)) == secret(credential="mail") == "s3cret"
    read_end, write_end = os.pipe()
    os.write(write_end, b"s3cret\nrest")
    assert secret(password_fd=read_end) == "s3cret"
    assert os.read(read_end, 9) == b"rest"
    os.close(read_end), os.close(write_end)


def test_a_program_that_gives_a_secret_may_lie_in_ones_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tell").write_text("#!/bin/sh\necho s3cret\n")
    (tmp_path / "tell").chmod(0o700)
    assert secret(password_command=("~/tell",)) == "s3cret"


def test_a_secret_is_never_shown():
    found = Secrets(MailSettings("node@a.example", password_command=("printf", "s%scret", "3")))
    assert found.get() == "s3cret"
    assert "s3cret" not in repr(found)


def test_what_was_meant_for_a_server_is_told_how_to_be_written():
    with pytest.raises(ConfigError, match=re.escape("""write imap = { host = "mail.a.example" }""")):
        read(imap="mail.a.example")
    with pytest.raises(ConfigError, match="no name of a server; the port stands by itself: port = …"):
        read(imap={"host": "mail.a.example:993"})


@pytest.mark.parametrize(
    ("more", "error", "complaint"),
    [
        ({}, ConfigError, "does not say where the password comes from"),
        ({"password_command": ("false",)}, Denied, "'false' failed with 1"),
        ({"password_command": ("true",)}, Denied, "gives no password"),
        ({"password_command": ("/nonexistent",)}, ConfigError, "cannot be run"),
        ({"password_command": ("printf", "\\377")}, Denied, "gives no password"),
        ({"password_file": "/nonexistent"}, ConfigError, "cannot be read"),
        ({"password_file": "/etc/passwd"}, ConfigError, "readable by you alone; chmod 600"),
        ({"credential": "mail"}, ConfigError, "CREDENTIALS_DIRECTORY"),
        ({"credential": "../mail"}, ConfigError, "CREDENTIALS_DIRECTORY"),
        ({"password_fd": 987}, ConfigError, "password_fd = 987 cannot be read"),
    ],
)
def test_a_secret_that_cannot_be_had_is_explained(more, error, complaint, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(error, match=complaint):
        secret(**more)


def test_a_token_is_asked_for_anew_at_each_sign_in_and_a_descriptor_only_once(tmp_path):
    count = tmp_path / "count"
    script = f"from pathlib import Path; p = Path({str(count)!r}); p.open('a').write('x'); print(p.read_text())"
    tokens = Secrets(MailSettings("node@a.example", oauth_command=(sys.executable, "-c", script)))
    assert tokens.token
    assert [tokens.get(), tokens.get()] == ["x", "xx"]
    read_end, write_end = os.pipe()
    os.write(write_end, b"s3cret\n")
    os.close(write_end)
    passwords = Secrets(MailSettings("node@a.example", password_fd=read_end))
    assert [passwords.get(), passwords.get()] == ["s3cret", "s3cret"]
    assert "s3cret" not in repr(passwords)
    os.close(read_end)
