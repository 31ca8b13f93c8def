"""`help` and `completion`: what there is to read, and what the shell can know."""

from __future__ import annotations

from pathlib import Path

import click

from paquebot.cli import manual
from paquebot.cli.main import TOPICS, topic_text
from paquebot.errors import Misused, NotFound


@click.command("help")
@click.argument("words", nargs=-1, metavar="[TOPIC or COMMAND]")
@click.option(
    "--man", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write man pages into DIR."
)
@click.pass_context
def help_command(ctx: click.Context, words: tuple[str, ...], man: Path | None) -> None:
    """Explain a topic, or a command. Without any: list the topics. Needs no network.

    \b
    Examples:
      paquebot help security
      paquebot help peer verify
      paquebot help --man ~/.local/share/man/man1
    """
    root = ctx.find_root()
    if man is not None:
        if words:
            raise Misused("--man writes all pages; give no topic")
        for name, page in manual.pages(root.command):
            man.mkdir(parents=True, exist_ok=True)
            (man / name).write_text(page, encoding="utf-8")
    elif not words:
        for name, about in TOPICS.items():
            click.echo(f"  paquebot help {name:<10}  {about}")
        click.echo("  paquebot help COMMAND     what its --help says")
    elif words[0] in TOPICS and len(words) == 1:
        click.echo(topic_text(words[0]), nl=False)
    else:
        click.echo(_of_command(root, words))


def _of_command(root: click.Context, words: tuple[str, ...]) -> str:
    """Return the help of the command that *words* name. Raise `NotFound`."""
    ctx = root
    for word in words:
        found = ctx.command.get_command(ctx, word) if isinstance(ctx.command, click.Group) else None
        if found is None:
            raise NotFound(f"no topic and no command is called {' '.join(words)!r}; topics: {', '.join(TOPICS)}")
        ctx = click.Context(found, info_name=word, parent=ctx)
    return ctx.get_help()


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print what makes the shell complete commands and options, to be read when it starts.

    \b
    Examples:
      paquebot completion bash >> ~/.bashrc
      paquebot completion zsh >> ~/.zshrc
      paquebot completion fish > ~/.config/fish/completions/paquebot.fish
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    made = kind(ctx.find_root().command, {}, "paquebot", "_PAQUEBOT_COMPLETE")
    click.echo(made.source_template % made.source_vars())
