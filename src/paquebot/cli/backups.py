"""`export` and `import`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from paquebot import backup, importing
from paquebot import home as homes
from paquebot.backup import Manifest
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.cli.secrets import new_passphrase, no_words
from paquebot.display import printable
from paquebot.errors import Misused
from paquebot.importing import Taken
from paquebot.node import wall_clock
from paquebot.passphrase import Which
from paquebot.protocol.encoding import short

EXPORT_FD = click.option(
    "--export-passphrase-fd",
    "fd",
    type=click.IntRange(min=0),
    metavar="N",
    help="Read the export's passphrase from this file descriptor.",
)


@click.command("export")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--no-secrets", is_flag=True, help="No keys; the file is encrypted only if a passphrase is given.")
@click.option("--secrets-only", is_flag=True, help="Only the keys.")
@EXPORT_FD
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def export_command(
    setting: Setting, target: Path, no_secrets: bool, secrets_only: bool, fd: int | None, wants_json: bool
) -> None:
    """Write everything of this node into one new file, encrypted by a passphrase of its own.

    Says exactly which secrets the file holds. Those that open today's envelopes, the fast and dated ones, are never
    in it: they are destroyed on their day, and a copy would undo that. So a node that is brought back gets new ones,
    and what peers had on their way to it comes again once they have heard of that.

    Bringing back an old export forgets nothing: peers return what came after it. But do not run the old node and the
    one that was brought back at the same time: they would be one node that contradicts itself.

    \b
    Examples:
      paquebot export /media/stick/alice.export
      paquebot export backup-$(date +%F) --export-passphrase-fd 9 9</etc/export-pass    (for cron)
      paquebot export letters --no-secrets
    """
    if no_secrets and secrets_only:
        raise Misused("either --no-secrets or --secrets-only")
    if os.path.lexists(target):
        raise Misused(f"{target} is there already, and an export never overwrites; choose another name")
    encrypted = not no_secrets or fd is not None
    chain = homes.keys(setting.home, setting.passphrases())
    with homes.opened(setting.home) as store:
        if not no_secrets:
            chain.unlock()
        now = max(store.view.clock().now(wall_clock()), store.view.founded())
        manifest = backup.manifest(
            store.view, chain, now, data=not secrets_only, secrets=not no_secrets, encrypted=encrypted
        )
        if not wants_json:
            click.echo(f"This export will hold {_holds(manifest)}.")
        passphrase = None
        if encrypted:
            passphrase = new_passphrase(fd, "New passphrase for the export: ", "--export-passphrase-fd")
        with output.progress("writing") as progress:
            size = backup.write(
                target,
                setting.home,
                store,
                chain,
                manifest,
                passphrase=passphrase,
                entropy=os.urandom,
                progress=progress,
            )
    if wants_json:
        output.as_json({"path": str(target), "bytes": size, **_as_json(manifest)})
        return
    click.echo(f"{printable(str(target), 4_096)} ({output.size(size)}) holds {_holds(manifest)}.")
    if manifest.secrets:
        click.echo("Whoever has the file and its passphrase can act as this node. Without the passphrase it is lost.")
    elif not encrypted:
        click.echo("It is not encrypted: whoever has the file can read what it holds.")


def _holds(manifest: Manifest) -> str:
    data = "the journal with all its resources, peers and files" if manifest.data else ""
    secrets = f"these secrets: {', '.join(manifest.secrets)}" if manifest.secrets else "no secret"
    return f"{data}, and {secrets}" if data else secrets


def _as_json(manifest: Manifest) -> dict[str, object]:
    return {
        "name": manifest.name,
        "user": manifest.user,
        "node": manifest.node,
        "created": output.iso(manifest.created),
        "data": manifest.data,
        "secrets": list(manifest.secrets),
        "encrypted": manifest.encrypted,
    }


@click.command("import")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--passphrase", is_flag=True, help="For an empty home: lock the keys by a passphrase.")
@click.option("--new-fd", type=click.IntRange(min=0), metavar="N", help="Read that passphrase from this descriptor.")
@EXPORT_FD
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.argument("words", nargs=-1, metavar=" ", callback=no_words, expose_value=False)
@click.pass_obj
def import_command(
    setting: Setting, source: Path, passphrase: bool, new_fd: int | None, fd: int | None, wants_json: bool
) -> None:
    """Take in an export.

    In an empty home its node lives again. In a home of the same user, what is lacking is added: resources, files,
    peers, keys; doing it twice changes nothing. An export of another user is refused, a damaged one too, and the home
    is then as it was.

    \b
    Examples:
      paquebot import /media/stick/alice.export
      paquebot --home /srv/alice import alice.export --export-passphrase-fd 9 9</etc/export-pass
    """
    passphrases = setting.passphrases(export_fd=fd)
    fresh = not homes.holds_node(setting.home)
    if not fresh and (passphrase or new_fd is not None):
        raise Misused(f"{setting.home} holds a node already; to lock its keys: paquebot key passphrase")
    with source.open("rb") as file, output.progress("reading") as progress:
        export = backup.open_(file, lambda: passphrases.get(Which.EXPORT))
        if fresh:
            lock = new_passphrase(new_fd) if passphrase or new_fd is not None else None
            taken = importing.restore(setting.home, export, wall_clock(), os.urandom, lock, progress)
        else:
            taken = importing.merge(setting.home, export, passphrases, wall_clock(), os.urandom, progress)
    if wants_json:
        output.as_json({"restored": fresh, **_as_json(export.manifest), "taken": _counts(taken)})
    elif fresh:
        _say_restored(setting, export.manifest)
    else:
        _say_merged(export.manifest, taken)


def _counts(taken: Taken) -> dict[str, object]:
    return {
        "resources": taken.resources,
        "refused": taken.refused,
        "chunks": taken.chunks,
        "peers": taken.peers,
        "secrets": taken.secrets,
    }


def _say_restored(setting: Setting, manifest: Manifest) -> None:
    click.echo(
        f"{printable(manifest.name)}, node {short(manifest.node)}, lives in {printable(str(setting.home), 4_096)} as it"
        f" was on {output.moment(manifest.created)}: {output.count(manifest.resources, 'resource')}."
    )
    click.echo(f"It holds {_holds(manifest)}.")
    click.echo("It has new envelope keys; what peers had on their way to it comes again once they have heard of them.")
    click.echo("The same node must not run anywhere else. If another machine may have it, a new node is safer:")
    click.echo("  paquebot --home NEW init --recover, import there, and paquebot --home NEW node replace OLDNODE")


def _say_merged(manifest: Manifest, taken: Taken) -> None:
    if not (taken.resources or taken.chunks or taken.peers or taken.secrets):
        click.echo("Nothing in it was lacking here.")
    if taken.resources:
        click.echo(f"{output.count(taken.resources, 'resource')} added.")
    if taken.chunks:
        click.echo(f"{output.count(taken.chunks, 'piece')} of files added.")
    if taken.peers:
        click.echo(f"Peers added: {', '.join(printable(name) for name in taken.peers)}.")
    if taken.secrets:
        click.echo(f"Secrets added: {', '.join(taken.secrets)}.")
    if taken.refused:
        click.echo(f"{output.count(taken.refused, 'resource')} left out: their signers had no right to publish them.")
    if not manifest.encrypted:
        click.echo("The file is not encrypted, so nothing proves who wrote it: only what is signed was taken.")
