"""`trust`, `revoke` and `node`: who may do what, and how that ends."""

from __future__ import annotations

from collections.abc import Sequence

import click

from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.cli.renewing import renew_command
from paquebot.cli.replacing import replace_command
from paquebot.display import printable
from paquebot.errors import Malformed, Misused
from paquebot.protocol.encoding import short
from paquebot.protocol.stamp import Millis, parse_time
from paquebot.trusting import Given, NodeStanding

FOLLOWS = """Every peer that hears of it hides it, gives the revocation to whoever asks, and sends it on no more.
What a person has read or saved already, nobody can take back."""
THIEF = """Peers that have not heard of this go on trusting it: sync with all of them soon.
What it holds already, whoever has it can read. If your user key lay on it (it does where you ran `paquebot init`,
unless you took it away or a passphrase locks it), they can speak as you: then begin anew, with a new user."""


@click.group("trust")
def trust_command() -> None:
    """See, give or take trust: signed statements of a user on who may do what on the user's behalf.

    \b
    read      have what the user publishes            delegate  give trust in the user's name
    private   be among the readers of private things  revoke    take back what was published or given
    publish   publish in the user's name

    Reading is given to a person with all their nodes, the rest to one node.
    """


@trust_command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what has expired or was revoked.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_trusts(setting: Setting, everything: bool, wants_json: bool) -> None:
    """List who may do what on whose behalf, until when, and who gave it.

    \b
    Examples:
      paquebot trust list
      paquebot trust list --all --json
    """
    from paquebot import trusting

    with setting.look() as node:
        found, called = trusting.all_given(node, everything=everything), trusting.names(node)
    if wants_json:
        output.as_json([_given(each, called) for each in found])
        return
    rows = [
        (
            short(each.trust.id),
            called.get(each.trust.user, short(each.trust.user)),
            called.get(each.trust.trustee, short(each.trust.trustee)),
            ", ".join(each.may) or "nothing",
            output.moment(each.until)[:16]
            if each.until is not None
            else "taken back"
            if each.state == "revoked"
            else "no end",
            "the user"
            if each.trust.signer == each.trust.user
            else called.get(each.trust.signer, short(each.trust.signer)),
            each.state,
        )
        for each in found
    ]
    head = ("ID", "FOR", "WHO", "MAY", "UNTIL (UTC)", "GIVEN BY", "STATE")
    output.table(head, rows)


def _given(each: Given, called: dict[str, str]) -> dict[str, object]:
    trust = each.trust
    return {
        "id": trust.id,
        "user": trust.user,
        "user_name": called.get(trust.user),
        "trustee": trust.trustee,
        "trustee_name": called.get(trust.trustee),
        "may": list(each.may),
        "until": output.iso(each.until) if each.until is not None else None,
        "given_by": trust.signer,
        "state": each.state,
    }


def _rights(may: Sequence[str]) -> list[str]:
    from paquebot import trusting

    named = [word.strip() for each in may for word in each.split(",") if word.strip()]
    return [trusting.right(word) for word in dict.fromkeys(named)]


def _date(text: str) -> Millis:
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00.000Z")
    except Malformed:
        raise Misused(f"{text!r} is not a date such as 2027-01-31 or 2027-01-31T12:00:00.000Z") from None


@trust_command.command("give")
@click.argument("name")
@click.option(
    "--may", multiple=True, required=True, help="read, private, publish, delegate, revoke; several by commas."
)
@click.option("--until", metavar="DATE", help="The trust ends then (UTC). Default: when you take it back.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def give(setting: Setting, name: str, may: tuple[str, ...], until: str | None, wants_json: bool) -> None:
    """Let the peer NAME do something on your behalf. The next sync tells everybody who may read what you publish.

    \b
    Examples:
      paquebot trust give Bob --may read
      paquebot trust give Clinic --may read --until 2027-06-30
    """
    from paquebot import trusting

    rights, end = _rights(may), _date(until) if until else None
    with setting.node() as node:
        ids = trusting.give(node, name, rights, end)
        doubtful = node.clock_doubtful()
    if wants_json:
        output.as_json(
            {"name": name, "may": list(trusting.words(rights)), "until": output.iso(end) if end else None, "ids": ids}
        )
        return
    ends = f" until {output.moment(end)}" if end else ""
    click.echo(f"{printable(name)} may {_and(trusting.words(rights))} on your behalf{ends}.")
    if doubtful and end:
        click.echo(
            "This machine's clock is wrong; a trust with an end begins to count here when it is right.", err=True
        )


@trust_command.command("take")
@click.argument("name")
@click.option("--may", multiple=True, help="What to take; several by commas. Default: everything.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def take(setting: Setting, name: str, may: tuple[str, ...], wants_json: bool) -> None:
    """Take back what the peer NAME, its user and its node, may do on your behalf.

    \b
    Examples:
      paquebot trust take Bob
      paquebot trust take Bob --may publish,revoke
    """
    from paquebot import trusting

    rights = _rights(may) or list(trusting.WORDS.values())
    with setting.node() as node:
        ids = trusting.take(node, name, rights)
    if wants_json:
        output.as_json({"name": name, "taken": list(trusting.words(rights)), "ids": ids})
        return
    what = f"not {_and(trusting.words(rights), 'or')}" if may else "do nothing"
    click.echo(f"{printable(name)} may {what} on your behalf any more.")
    click.echo("Nothing new goes there from here; other peers stop too when they hear of it. What it has, it has.")


def _and(said: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(filter(None, (", ".join(said[:-1]), said[-1])))


@click.command("revoke", cls=output.NamesResources)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def revoke_command(setting: Setting, ids: tuple[str, ...], yes: bool, wants_json: bool) -> None:
    """Take back what you published. ID is a URI, an id, or the beginning of one.

    Peers hide it when they hear of it, and give the revocation to whoever asks for it. Whoever has read or saved it
    keeps that: nobody can take it back. A revocation is final; publish the thing again if it was a mistake.

    \b
    Examples:
      paquebot revoke 3fa29c81b2
      paquebot revoke --yes sdmp://1Zy3…/5w4I…     without a terminal, --yes is needed
    """
    from paquebot import trusting

    with setting.look() as node:
        found = [node.find(each) for each in ids]
    things = "".join(f"{short(each.id)}  {printable(each.title or each.filename or each.kind)}\n" for each in found)
    output.confirm(f"{things}{FOLLOWS}\nRevoke?", yes=yes)
    with setting.node() as node:
        gone = trusting.revoke(node, [each.id for each in found])
    if wants_json:
        output.as_json([{"id": name, "short": short(name)} for name in gone])
        return
    for name in gone:
        click.echo(f"{short(name)} is revoked.")
    click.echo(FOLLOWS)


@click.group("node")
def node_command() -> None:
    """See your own nodes and those of peers; renew the keys of this one, revoke or replace one that was lost."""


node_command.add_command(renew_command)
node_command.add_command(replace_command)


@node_command.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_nodes(setting: Setting, wants_json: bool) -> None:
    """List your own nodes and your peers', and how each stands.

    \b
    trusted                                  by its user, and by you in something
    trust taken, trust expired, not trusted  its user's node; on your behalf it may do nothing (see `trust list`)
    revoked                                  its own user trusts it no more
    ended                                    it has been renewed or replaced, or was restored as another node
    set apart                                it may be in other hands, until you decide

    \b
    Examples:
      paquebot node list
      paquebot node list --json
    """
    from paquebot import trusting

    with setting.look() as node:
        found, now = trusting.nodes(node), node.now()
        called = trusting.names(node)
    if wants_json:
        output.as_json([_node(each) for each in found])
        return
    rows = [
        (
            short(each.node),
            each.name,
            "you" if each.mine else called.get(each.user, short(each.user)),
            _state(each, called),
            str(each.lines),
            "" if each.state == "this node" else output.ago(each.heard, now) if each.heard else "never",
        )
        for each in found
    ]
    output.table(("NODE", "NAME", "OF", "STATE", "LINES KNOWN", "LAST HEARD"), rows)


def _state(each: NodeStanding, called: dict[str, str]) -> str:
    since = f" since {output.moment(each.since)[:16]}" if each.since else ""
    heir = f"; {called.get(each.heir, f'node {short(each.heir)}')} goes on for it" if each.heir else ""
    return f"{each.state}{since}{heir}"


def _node(each: NodeStanding) -> dict[str, object]:
    return {
        "node": each.node,
        "user": each.user,
        "name": each.name,
        "mine": each.mine,
        "state": each.state,
        "since": output.iso(each.since),
        "heir": each.heir,
        "lines": each.lines,
        "heard": output.iso(each.heard),
        "may": list(each.may),
    }


@node_command.command("revoke", context_settings=output.DASHES)
@click.argument("which", metavar="NODE")
@click.option("--after", type=click.IntRange(min=0), metavar="LINE", help="Its journal counts up to this line.")
@click.option("--now", "as_known", is_flag=True, help="All of its journal that is known here counts (the default).")
@click.option("--since", metavar="DATE", help="What it published from this date on does not count (UTC).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def revoke_node(
    setting: Setting,
    which: str,
    after: int | None,
    as_known: bool,
    since: str | None,
    yes: bool,
    wants_json: bool,
) -> None:
    """Revoke one of your own nodes, such as one that was stolen. NODE is its name here, or its fingerprint's beginning.

    What stands in its journal up to the line you choose still counts; whatever it says beyond that, peers refuse, and
    hide if they had it. They seal nothing to it any more. It is signed with your user key if that lies here.

    \b
    Examples:
      paquebot node revoke laptop
      paquebot node revoke 06e81517e5 --since 2026-11-12
      paquebot node revoke 06e81517e5 --after 214 --yes     without a terminal, --yes is needed
    """
    from paquebot import trusting

    if (after is not None) + as_known + (since is not None) > 1:
        raise Misused("give one of --after, --now and --since")
    moment = _date(since) if since else None
    with setting.look() as node:
        found = trusting.find_node(node, which)
    output.confirm(f"{THIEF}\nRevoke node {short(found.node)} {printable(found.name)}?", yes=yes)
    with setting.node() as node:
        ending = trusting.revoke_node(node, found.node, after=after, since=moment)
    if wants_json:
        output.as_json(
            {"node": found.node, "line": ending.line if ending else None, "number": ending.number if ending else None}
        )
        return
    click.echo(f"Node {short(found.node)} is revoked. The next sync tells your peers.")
    if ending:
        click.echo(f"Its journal counts up to line {ending.number}; what it says beyond that is refused by everybody.")
    else:
        click.echo("Its journal is not known here: what is stamped before this moment counts, the rest does not.")
    click.echo(THIEF)
