"""The command group, and how errors become text and exit codes."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from paquebot.errors import PaquebotError
from paquebot.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from paquebot.node import Node
    from paquebot.passphrase import Passphrases

EXIT_CODES = """
\b
Exit codes:
  0   all is well                     12  a key file is missing, unsafe or wrong
  1   something went wrong            13  a carrier is not there now; try again
  2   the command is wrong            14  a carrier refused our credentials
  3   done, but something was set     15  the store is damaged
      aside: see `paquebot status`    16  a person must act, e.g. get a new card
  10  no node here yet                130, 143  stopped by a signal
  11  another paquebot is running

With --json an error is one JSON object on standard error, of error, hint and exit_code.
"""

GARBAGE = 50_000
"""So many new objects before garbage is looked for; a start alone makes far more than the 700 of Python."""

COMMANDS = {
    "init": "people",
    "card": "people",
    "peer": "people",
    "invite": "meeting",
    "join": "meeting",
    "publish": "writing",
    "schema": "schemas",
    "list": "resources",
    "show": "resources",
    "save": "resources",
    "sync": "moving",
    "run": "running",
    "install-timer": "timing",
    "receive": "receiving",
    "doctor": "examining",
    "drop": "tending",
    "revoke": "trusting",
    "trust": "trusting",
    "node": "trusting",
    "status": "standing",
    "outbox": "outgoing",
    "carried": "carried",
    "plan": "outgoing",
    "transport": "carriers",
    "quarantine": "quarantine",
    "key": "secrets",
    "log": "history",
    "hook": "errands",
    "recovery": "recovering",
    "export": "backups",
    "import": "backups",
    "forget": "keeping",
    "clock": "clock",
    "check": "keeping",
    "repair": "keeping",
    "inspect": "looking",
    "demo": "looking",
    "help": "helping",
    "completion": "helping",
}
"""In which module each command lives; imported when it is used, so that --help stays quick."""

SUMMARIES = {
    "init": "Make a new node here.",
    "card": "Write this node's card, to be given to others.",
    "peer": "Add, meet, verify, list, show, retry or remove peers.",
    "invite": "Invite somebody: a link, file or QR code that is good once.",
    "join": "Accept an invitation.",
    "publish": "Publish files, a message, or records under a schema.",
    "schema": "Publish, list or show schemas: the forms that records keep.",
    "list": "List what was published, by us and by others.",
    "show": "Show one message, or what is known of a file.",
    "save": "Save files and messages to the disk.",
    "sync": "Take in and hand out over sticks, folders and mailboxes.",
    "run": "Stay and sync whenever there is something to sync.",
    "install-timer": "Let systemd or cron sync by itself.",
    "doctor": "Try everything that this home depends on.",
    "receive": "Take in one mail from a filter or a pipe.",
    "drop": "Look over, tidy or verify sticks and folders.",
    "status": "Say how far everything has got, or single things.",
    "revoke": "Take back what you published.",
    "trust": "See, give or take who may read, publish or revoke for whom.",
    "node": "See your own nodes and those of peers; revoke one of yours.",
    "outbox": "List what is on its way.",
    "carried": "List what is carried for others.",
    "plan": "Say what a sync would do now, without doing it.",
    "transport": "List carriers, check whether one keeps its promises, begin a new kind.",
    "quarantine": "See, release or purge what was set aside.",
    "recovery": "Put the user key on paper: words and a QR code.",
    "export": "Write everything, or only the secrets, into one file.",
    "import": "Take in an export: a whole node, or what this one lacks.",
    "key": "List and lock this node's secrets; export its certificate.",
    "log": "Say what happened, and when.",
    "hook": "List, retry or drop what hooks and folders have not done yet.",
    "forget": "Delete things from this home for good.",
    "clock": "Say what this node takes for the time, or that the clock is right.",
    "check": "Check that this home is whole.",
    "repair": "Mend what `check` finds.",
    "inspect": "Say what a file is, and check it.",
    "demo": "Show two nodes syncing by a stick, in ten seconds.",
    "help": "Explain a topic: security, formats, recovery, carriers, couriers, plugin.",
    "completion": "Let bash, zsh or fish complete commands and options.",
}

TOPICS = {
    "security": "what is hidden from whom, and what is not",
    "formats": "what the bytes are",
    "recovery": "before something is lost, and after",
    "carriers": "sticks, folders, mailboxes, and what passes by",
    "couriers": "carrying for others what you cannot read",
    "plugin": "a transport of your own",
}
"""What `help` explains; each is a text in the folder topics of the package."""


def topic_text(name: str) -> str:
    """Return what there is to read on one of the `TOPICS`."""
    return (Path(__file__).parent.parent / "topics" / f"{name}.txt").read_text(encoding="utf-8")


@dataclass(slots=True)
class Setting:
    """What the options before the command say."""

    home: Path
    verbose: bool
    plain: bool
    passphrase_fd: int | None = None

    @property
    def coloured(self) -> bool:
        """Whether colours are welcome: on a terminal that knows any, unless NO_COLOR is set (no-color.org)."""
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        return sys.stdout.isatty() and not (self.plain or dumb or os.environ.get("NO_COLOR"))

    def node(self) -> Node:
        """Return the home's node, to be opened with ``with``."""
        from paquebot.node import Node

        return Node(self.home, passphrases=self.passphrases())

    def passphrases(self, *, export_fd: int | None = None) -> Passphrases:
        """Return where this home's passphrases come from; at last, whoever sits at the terminal."""
        from paquebot.cli.output import ask_hidden
        from paquebot.passphrase import Passphrases

        return Passphrases(self.home, self.passphrase_fd, export_fd, ask_hidden)

    def look(self) -> Node:
        """Return the home's node, to be opened with ``with`` and only looked at, also while another command runs."""
        from paquebot.node import Node

        return Node(self.home, looking=True, passphrases=self.passphrases())


class Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"paquebot.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; if there is none, say which may be."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from paquebot.display import suggested

            near = suggested(args[0], COMMANDS)
            ctx.fail(f"there is no command {args[0]!r}{f'; {near}' if near else ''}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what may be meant, without importing any command."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=SUMMARIES[name]) for name in COMMANDS if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


def default_home() -> Path:
    """Return where a node lives unless told otherwise: the XDG data directory."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "paquebot"


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    envvar="PAQUEBOT_HOME",
    help="Where this node lives. Default: $PAQUEBOT_HOME, else ~/.local/share/paquebot.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say in one line what was done.")
@click.option("--plain", is_flag=True, help="No colours, no symbols: words only. NO_COLOR leaves out the colours.")
@click.option(
    "--passphrase-fd",
    type=click.IntRange(min=0),
    metavar="N",
    help="Read the keys' passphrase from this file descriptor: one line.",
)
@click.version_option(__version__, prog_name="paquebot")
@click.pass_context
def group(ctx: click.Context, home: Path | None, verbose: bool, plain: bool, passphrase_fd: int | None) -> None:
    """Sync signed journals by mailbox, USB stick or radio.

    \b
    Start:    paquebot init --name Alice
              paquebot invite --for Bob -o invite.txt     for Bob alone; he runs: paquebot join invite.txt
              paquebot publish report.pdf
              paquebot sync --via /media/stick            and again when Bob's sync has used the stick
    See it:   paquebot demo
    """
    ctx.obj = Setting(home or default_home(), verbose, plain, passphrase_fd)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code that says what happened."""
    gc.set_threshold(GARBAGE)
    atexit.unregister(gc.freeze)  # once in a process that runs many commands
    atexit.register(gc.freeze)  # what is left at the end goes with the process, and is not searched for garbage
    signal.signal(signal.SIGTERM, _terminate)
    if sys.stdout is None:  # closed by the shell: >&-
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 for as long as we run
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Not standalone: click would turn our own exit codes and interruptions into its own.
        result: Any = group.main(given, prog_name="paquebot", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        code = 2
    except BrokenPipeError:
        _stop_printing()
        code = 0
    except (PaquebotError, click.ClickException, click.Abort, KeyboardInterrupt, OSError) as error:
        from paquebot.cli import failures

        code = failures.tell(error, group, as_json="--json" in given[: (*given, "--").index("--")])
        if isinstance(error, OSError):
            _stop_printing()
    sys.exit(code)


def _stop_printing() -> None:
    """Let what is still buffered go nowhere: printing it again at exit would fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(143)
