"""`key`: which secrets lie in this home, and the passphrase that locks them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paquebot import envelope_keys
from paquebot import home as homes
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.envelope_keys import Ages
from paquebot.errors import Misused, PaquebotError
from paquebot.keychain import ENVELOPE_KEYS, USER_KEY, Secret
from paquebot.passphrase import Passphrases, read_line
from paquebot.protocol.stamp import Millis
from paquebot.vault import choosing, locking

if TYPE_CHECKING:
    from paquebot.node import Node

PROTECTION = {
    "passphrase": "the passphrase",
    "own passphrase": "a passphrase of its own",
    "nothing": "nothing but the disk",
    "absent": "not in this home",
}
"""How it is said what protects a secret."""


def new_passphrase(fd: int | None, prompt: str = "New passphrase: ", option: str = "--new-fd") -> bytes:
    """Return a new passphrase, from a file descriptor or typed twice. Raise `Misused`."""
    if fd is not None:
        given = locking.normal(read_line(fd))
    else:
        typed = output.ask_hidden(prompt)
        if typed is None:
            raise Misused(f"nobody is here to type a passphrase; give it by {option} N, e.g. {option} 9 9<FILE")
        given = locking.normal(typed.encode("utf-8", "surrogateescape"))
        locking.check_new(given)
        again = output.ask_hidden("The same again: ") or "\n"
        if locking.normal(again.encode("utf-8", "surrogateescape")) != given:
            raise Misused("the two are not the same; nothing was changed")
    locking.check_new(given)
    return given


def no_words(_: click.Context, _option: click.Parameter, words: tuple[str, ...]) -> None:
    """Refuse arguments where somebody may have typed a passphrase, without repeating them."""
    if words:
        raise Misused("no passphrase belongs onto the command line, where other programs can read it; it is asked for")


@click.group("key")
def key_command() -> None:
    """List and lock this node's secrets; export its certificate.

    What a passphrase locks is the keys. What was published and received lies in the home unlocked: use disk encryption
    against whoever takes the machine.

    \b
    Where the passphrase comes from, in this order:
      systemd       LoadCredential=paquebot:FILE in the service
      a command     [secrets] command = "pass show paquebot"      in config.toml
      a descriptor  paquebot --passphrase-fd 9 sync 9<FILE
      a key file    [secrets] key_file = "/etc/paquebot/pass"     mode 0600, in a directory of mode 0700
      the keyring   [secrets] keyring = true                      pip install 'paquebot[keyring]'
      you           asked on the terminal, once at most
    Never from the command line or the environment, which other programs can read.
    """


@key_command.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_keys(setting: Setting, wants_json: bool) -> None:
    """List which secrets lie where, what protects each, and since when. Shows none of them, and asks for nothing.

    Then what peers seal to. There are three classes of envelope keys, so that whoever gets hold of this home cannot
    read all that ever came to it: a fast key lives ten days, and its secret four more; a dated one a month, and its
    secret one more; a recovery key lasts, and seals keys and requests only. New ones are made and announced by `sync`.
    An old secret is destroyed when two clocks agree that its time is over: those of two other users, or of one and
    this machine; and 30 days later, while a peer who was ever heard and may read has not acknowledged the newest keys.

    \b
    Examples:
      paquebot key list
      paquebot key list --json
    """
    homes.check(setting.home)
    found, ages, due = homes.keys(setting.home).secrets(), list[Ages](), None
    with suppress(PaquebotError), setting.look() as node:  # a damaged store hides no key files
        ages, due = envelope_keys.ages(node.view, node.now()), envelope_keys.next_destruction(node.view)
    if wants_json:
        output.as_json(
            [_secret_json(each) | (_ages_json(ages, due) if each.path.name == ENVELOPE_KEYS else {}) for each in found]
        )
        return
    rows = [
        (
            each.what,
            PROTECTION.get(each.locked, each.locked),
            output.moment(each.changed)[:10] if each.changed else "",
            str(each.path),
        )
        for each in found
    ]
    output.table(("SECRET", "PROTECTED BY", "SINCE", "FILE"), rows)
    for each in ages:
        click.echo(f"{each.kind}: {output.count(each.count, 'key')}, until {output.moment(each.expires)[:10]}")
    if due:
        click.echo(f"the next is destroyed after {output.moment(due)[:10]}")
    click.echo(f"sealed by {choosing.name()}")


def _secret_json(each: Secret) -> dict[str, Any]:
    return {"secret": each.what, "path": str(each.path), "protected": each.locked, "changed": output.iso(each.changed)}


def _ages_json(ages: list[Ages], due: Millis | None) -> dict[str, Any]:
    classes = [{"class": each.kind.value, "live": each.count, "expires": output.iso(each.expires)} for each in ages]
    return {"classes": classes, "next_destruction": output.iso(due) if due else None, "sealer": choosing.name()}


@key_command.command("export")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Write it to a file.")
@click.option("--contact", is_flag=True, help="As a contact (vCard), which Delta Chat takes.")
@click.option("--force", is_flag=True, help="Replace what is there already.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def export_key(setting: Setting, target: Path | None, contact: bool, force: bool, wants_json: bool) -> None:
    """Write this node's OpenPGP certificate: with it people can write to this node from a mail program, encrypted.

    It holds no secret, and is good for some days or weeks, until the key in it is replaced: the date is said. What
    people write with it is for you to read (`paquebot receive --help`, `paquebot inspect FILE`); no peer is made by
    it, and nothing is taken from such a letter.

    \b
    Examples:
      paquebot key export -o alice.asc             for Thunderbird, or gpg --import
      paquebot key export --contact -o alice.vcf   for Delta Chat
    """
    from paquebot import letters
    from paquebot.folders import write_to

    with setting.look() as node:
        found = letters.certificate(node.view, node.envelope_keys.secrets(), node.now())
    text = found.card() if contact else found.armoured
    if target is not None:
        write_to(target, lambda: [text.encode()], force=force)
    if wants_json:
        value = {"name": found.name, "address": found.address or None, "until": output.iso(found.until)}
        output.as_json({**value, "certificate": text})
        return
    if target is None:
        click.echo(text, nl=False)
    click.echo(f"Good until {output.moment(found.until)[:10]}; whoever writes later needs a new one.", err=True)


@key_command.command("destroy")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def destroy_keys(setting: Setting, yes: bool, wants_json: bool) -> None:
    """Destroy the envelope keys whose time is over, on your word that this machine's clock is right.

    `sync` does it by itself as soon as a peer's clock confirms the date. If the clock is wrong, what is on its way to
    these keys cannot be opened when it comes; it is sent again once your peers have heard of new ones.

    The key file is overwritten and replaced. A disk that writes elsewhere instead (flash, btrfs, ZFS), snapshots and
    copies may keep what was in it: encrypt the disk.

    \b
    Examples:
      paquebot key destroy
      paquebot key destroy --yes     without a terminal, --yes is needed
    """
    with setting.look() as node:
        asked = _trusted_now(node)
    output.confirm(f"Destroy what is past its time? Is it {output.moment(asked)[:10]}?", yes=yes)
    with setting.node() as node:
        count = node.envelope_keys.destroy(min(asked, _trusted_now(node)))  # whoever answered knows of no later date
    if wants_json:
        output.as_json({"destroyed": count})
    else:
        click.echo(
            f"{output.count(count, 'envelope key')} destroyed." if count else "No envelope key is past its time."
        )


def _trusted_now(node: Node) -> Millis:
    """Return what this machine's clock shows. Raise `Misused` if the node does not go by it."""
    if node.clock_doubtful():
        raise Misused("this machine's clock is wrong: set it first")
    return node.now()


@key_command.command("passphrase")
@click.option("--remove", is_flag=True, help="Leave the keys unlocked.")
@click.option(
    "--user", is_flag=True, help="Give the user key a passphrase of its own; with --remove: the home's again."
)
@click.option("--new-fd", type=click.IntRange(min=0), metavar="N", help="Read the new passphrase from this descriptor.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.argument("words", nargs=-1, metavar=" ", callback=no_words, expose_value=False)
@click.pass_obj
def passphrase_command(setting: Setting, remove: bool, user: bool, new_fd: int | None, wants_json: bool) -> None:
    """Set, change or remove the passphrase that locks this node's keys.

    May be cut off at any moment: run it again. Whoever has an old copy of the keys folder can still open that copy
    with the old passphrase, so a passphrase that others know calls for new keys.

    \b
    Examples:
      paquebot key passphrase                         asks for the old one and, twice, for the new one
      paquebot key passphrase --user                  a second one for the user key, which is seldom needed
      paquebot key passphrase --new-fd 9 9</etc/pass
      paquebot key passphrase --remove
    """
    if remove and new_fd is not None:
        raise Misused("either --remove or a new passphrase")
    homes.check(setting.home)
    with homes.locked(setting.home):
        chain = homes.keys(setting.home, setting.passphrases())
        if user:
            chain.read(USER_KEY)
            chain.set_user_passphrase(None if remove else new_passphrase(new_fd), os.urandom)
        elif remove:
            chain.remove_passphrase()
        else:
            chain.unlock()
            chain.set_passphrase(new_passphrase(new_fd), os.urandom)
        found = chain.secrets()
    if wants_json:
        output.as_json({each.what: each.locked for each in found})
        return
    for each in found:
        how = PROTECTION.get(each.locked, each.locked)
        click.echo(f"{each.what}: {how if each.locked == 'absent' else f'protected by {how}'}")


def warnings(setting: Setting) -> list[str]:
    """Return what a person should know of the secrets in a home, for `status`; usually nothing."""
    found = homes.keys(setting.home, Passphrases(setting.home)).secrets()
    said = [f"{each.what}: {printable(each.locked)}" for each in found if each.locked.startswith("unreadable")]
    locked = [each for each in found if each.locked == "passphrase"]
    bare = [each.what for each in found if each.locked == "nothing"]
    if locked and bare:
        said.append(f"not locked by the passphrase: {', '.join(bare)}; run: paquebot key passphrase")
    return said
