"""`forget`, `check` and `repair`: what lies on this home's disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from paquebot import amounts
from paquebot import home as homes
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.config import KeepRule
from paquebot.display import printable
from paquebot.errors import Misused
from paquebot.protocol.encoding import short
from paquebot.protocol.limits import DAY_MS

if TYPE_CHECKING:
    from paquebot.node import Node
    from paquebot.store import Store
    from paquebot.store.checking import Finding
    from paquebot.store.view import Listed


@click.command("forget", cls=output.NamesResources)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--older-than", metavar="AGE", help="What was received longer ago than 90d, 2w, 1y …")
@click.option("--from", "peer", metavar="NAME", help="Only what this peer published.")
@click.option("--tag", help="Only what has this tag.")
@click.option("--kind", help="Only messages, files or another kind: message, file …")
@click.option("--rules", is_flag=True, help="What [keep] in config.toml no longer wants, as every sync does.")
@click.option("--dry-run", is_flag=True, help="Only list it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def forget_command(
    setting: Setting,
    ids: tuple[str, ...],
    older_than: str | None,
    peer: str | None,
    tag: str | None,
    kind: str | None,
    rules: bool,
    dry_run: bool,
    yes: bool,
    wants_json: bool,
) -> None:
    """Delete the bytes of things from this home. They stay known as seen, so they never come back.

    Others keep what they have: this takes nothing back (see `paquebot revoke`). What we published and some peer
    still lacks is not forgotten. Without asking, every sync forgets what [keep] in config.toml no longer wants:

    \b
      [keep]
      days = 365               older things go, once somebody here has looked at them
      size = "10 GiB"          beyond it, the oldest go
      unread = true            also what nobody has looked at
      expired = true           what its author gave a date (--expires) that is past, by a peer's clock too
      [[keep.rule]]            the first rule that names a thing counts; without days: for ever
      tag = "weather"
      days = 14

    \b
    Examples:
      paquebot forget 3fa29c81b2
      paquebot forget --older-than 90d --tag weather --dry-run
      paquebot forget --older-than 90d --tag weather --yes     without a terminal, --yes is needed
    """
    if sum((bool(ids), any((older_than, peer, tag, kind)), rules)) != 1:
        raise Misused("say what to forget: IDs, or --older-than, --from, --tag, --kind, or --rules")
    age = amounts.duration(older_than) if older_than else 0
    rule = None if rules else KeepRule(peer, tag, kind, -(-age // DAY_MS))
    with setting.node() as node:
        found = [each for each in _meant(node, ids, rule) if not each.gone]
    total = sum(each.size for each in found)
    if not dry_run and found:
        output.confirm(f"Forget {output.count(len(found), 'thing')} ({output.size(total)}) for good?", yes=yes)
        with setting.node() as node:
            node.upkeep.forget([each.id for each in found])
    if wants_json:
        ids_ = [{"id": short(each.id), "uri": each.uri, "size": each.size} for each in found]
        output.as_json({"forgotten": not dry_run, "bytes": total, "resources": ids_})
        return
    if dry_run and found:
        output.table(("ID", "RECEIVED (UTC)", "KIND", "TITLE", "SIZE"), [_row(each) for each in found])
    verb = "would be forgotten" if dry_run else "forgotten"
    click.echo(f"{output.count(len(found), 'thing')} {verb} ({output.size(total)}).")


def _meant(node: Node, ids: tuple[str, ...], rule: KeepRule | None) -> list[Listed]:
    """What was named, or what *rule* names; without one, what the rules of config.toml let go."""
    if ids:
        return [node.find(each) for each in ids]
    if rule is None:
        return [due.listed for due in node.upkeep.due()]
    if rule.peer is not None:
        node.peer(rule.peer)
    return list(node.upkeep.matching(rule))


def _row(listed: Listed) -> tuple[str, ...]:
    title = listed.title or listed.filename
    return short(listed.id), output.moment(listed.received)[:16], listed.kind, title, output.size(listed.size)


@click.command("check")
@click.option(
    "--read-data",
    metavar="SHARE",
    is_flag=False,
    flag_value="100%",
    help="Also verify signatures and the bytes of large files: all of them, or a share such as 5%.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check_command(setting: Setting, read_data: str | None, wants_json: bool) -> int:
    """Check that this home is whole: its database, every hash and chain in it, its keys, every file it counts on.

    Changes nothing. Exits with 0 if all is well, 3 if something merely takes space, 15 if something is damaged.

    \b
    Examples:
      paquebot check
      paquebot check --read-data=5%      a different run of a shorter time does not read other chunks; 100% reads all
    """
    with homes.opened(setting.home) as store:
        findings = _check(setting, store, _share(read_data))
    return _say(findings, wants_json, "")


@click.command("repair")
@click.option("--yes", is_flag=True, help="Do it; without this, only say what would be done.")
@click.option("--read-data", metavar="SHARE", is_flag=False, flag_value="100%", help="As for `check`.", default=None)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def repair_command(setting: Setting, yes: bool, read_data: str | None, wants_json: bool) -> int:
    """Mend what `check` finds, as far as that is possible. Without --yes it only says what it would do.

    What is damaged is taken for lost, and asked of peers at the next sync; its bytes are kept in damaged/ in the home.

    \b
    Examples:
      paquebot repair --read-data
      paquebot repair --read-data --yes
    """
    with setting.node() as node:
        findings = _check(setting, node.upkeep.store, _share(read_data))
        if yes:
            mended = node.upkeep.mend(findings)
            findings = [each for each in findings if each not in mended]
            if not wants_json:
                click.echo(f"{output.count(len(mended), 'fault')} mended.")
    return _say(findings, wants_json, "left" if yes else "")


def _check(setting: Setting, store: Store, share: float) -> list[Finding]:
    from paquebot import repairing

    with output.progress("read") as progress:
        return list(repairing.check(setting.home, store, read_data=share, progress=progress))


def _share(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1
    if not text.endswith("%") or not 0 <= share <= 1:
        raise Misused(f"{printable(text)} is not a share such as 5%")
    return share


def _say(findings: list[Finding], wants_json: bool, left: str) -> int:
    from paquebot.repairing import mendable, remedy

    if wants_json:
        output.as_json(
            [
                {
                    "fault": each.fault.name.lower().replace("_", "-"),
                    "what": each.what,
                    "meaning": each.fault.value,
                    "remedy": remedy(each),
                    "mendable": mendable(each),
                    "harmless": each.harmless,
                }
                for each in findings
            ]
        )
    for each in findings if not wants_json else ():
        click.echo(f"{printable(each.what)}: {each.fault.value}")
        click.echo(f"  {'paquebot repair' if mendable(each) else 'by hand'}: {remedy(each)}")
    if not findings and not wants_json and not left:
        click.echo("All is well.")
    return 0 if not findings else 3 if all(each.harmless for each in findings) else 15
