"""`install-timer`: let systemd or cron run `sync`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import click

from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused, PaquebotError

MARK = "# paquebot"
_MINUTES_MAX = 24 * 60
_NO_CRONTAB = re.compile(rb"(?i)no (?:\w+ )?crontab|no such file")  # all else may hide one


@dataclass(frozen=True, slots=True)
class Timer:
    """What is to be run how often."""

    home: Path
    words: tuple[str, ...]
    every: int
    """Minutes."""
    service: bool
    """``run`` all the time, rather than ``sync`` now and then."""

    @property
    def name(self) -> str:
        """What the units are called: one set for each home."""
        return f"paquebot-{sha256(os.fsencode(self.home)).hexdigest()[:8]}"

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command."""
        verb = ("run",) if self.service else ("sync", *self.words)
        return (sys.executable, "-m", "paquebot", "--home", str(self.home), *verb)

    def units(self) -> dict[str, str]:
        """Return the systemd units by file name.

        >>> timer = Timer(Path("/h/100%"), ("home",), 10, False)
        >>> timer.units()[timer.unit].splitlines()[4]
        'OnUnitActiveSec=10min'
        """
        start = " ".join(map(_unit_word, self.command))
        what = "Sync by paquebot" if self.service else "One sync by paquebot"
        kind = "Restart=on-failure\nRestartSec=60\n" if self.service else "Type=oneshot\n"
        install = "\n[Install]\nWantedBy=default.target\n" if self.service else ""
        # 13: a carrier is not there now. That is daily life, and no failure of the unit.
        service = f"[Unit]\nDescription={what}\n\n[Service]\n{kind}SuccessExitStatus=13\nExecStart={start}\n{install}"
        if self.service:
            return {f"{self.name}.service": service}
        timer = (
            f"[Unit]\nDescription=paquebot syncs now and then\n\n[Timer]\nOnUnitActiveSec={self.every}min\n"
            "OnBootSec=2min\nRandomizedDelaySec=30\n\n[Install]\nWantedBy=timers.target\n"
        )
        return {f"{self.name}.service": service, f"{self.name}.timer": timer}

    @property
    def unit(self) -> str:
        """The unit that is enabled."""
        return f"{self.name}.{'service' if self.service else 'timer'}"

    def cron_line(self) -> str:
        """Return the crontab line.

        >>> Timer(Path("/h/100%"), ("home",), 120, False).cron_line().split()[:5]
        ['7', '*/2', '*', '*', '*']
        """
        if self.every < 60:
            when = f"*/{self.every} * * * *"
        else:
            when = f"7 */{max(1, self.every // 60)} * * *" if self.every < _MINUTES_MAX else "7 3 * * *"
        return f"{when} {shlex.join(self.command).replace('%', chr(92) + '%')}  {MARK} {self.name}"


def _unit_word(word: str) -> str:
    r"""Return *word* as it stands in ExecStart=.

    >>> _unit_word('a "b" 100%')
    '"a \\"b\\" 100%%"'
    """
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[^A-Za-z0-9_@%+=:,./-]", word) else escaped


@click.command("install-timer")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--every", type=click.IntRange(1, _MINUTES_MAX), default=10, show_default=True, metavar="MINUTES")
@click.option("--cron", "by_cron", is_flag=True, help="A line in your crontab, where there is no systemd.")
@click.option("--service", is_flag=True, help="Let systemd keep `paquebot run` going instead.")
@click.option("--remove", is_flag=True, help="Take away what was installed for this home.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--show", is_flag=True, help="Show what would be written, and write nothing.")
@click.pass_obj
def install_timer_command(
    setting: Setting,
    names: tuple[str, ...],
    every: int,
    by_cron: bool,
    service: bool,
    remove: bool,
    yes: bool,
    show: bool,
) -> None:
    """Let this home sync by itself: show a systemd timer of yours (or a crontab line), ask, and then write it.

    NAMEs are carriers, as for sync. Nothing needs root. So that it runs while you are not logged in, say once:
    loginctl enable-linger

    \b
    Examples:
      paquebot install-timer
      paquebot install-timer home --every 30
      paquebot install-timer --cron --show
      paquebot install-timer --remove
    """
    if by_cron and service:
        raise Misused("cron starts nothing that stays; use systemd, or start `paquebot run` by another way")
    home = setting.home.absolute()
    if not str(home).isprintable():
        raise Misused("the home's path holds characters that neither systemd nor cron takes")
    with setting.look() as node:
        if not remove:
            node.carriers(names, ())  # or the timer would fail each time
    timer = Timer(home, names, every, service)
    if by_cron:
        _cron(timer, remove=remove, yes=yes, show=show)
    else:
        _systemd(timer, remove=remove, yes=yes, show=show)


def _systemd(timer: Timer, *, remove: bool, yes: bool, show: bool) -> None:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    if remove:
        found = [folder / f"{timer.name}.{kind}" for kind in ("timer", "service")]
        found = [each for each in found if each.exists()]
        if not found:
            raise Misused(f"nothing is installed for {timer.home}")
        output.confirm(f"Remove {', '.join(each.name for each in found)}?", yes=yes)
        for each in found:
            _ask_systemd("disable", "--now", each.name)
            each.unlink()
        _ask_systemd("daemon-reload")
        return
    for name, text in timer.units().items():
        click.echo(f"{printable(str(folder / name), 4_096)}:\n")
        click.echo("\n".join(printable(line, 4_096) for line in text.splitlines()) + "\n")
    if show:
        return
    output.confirm("Write this, and start it?", yes=yes)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in timer.units().items():
        (folder / name).write_text(text, encoding="utf-8")
    if _ask_systemd("daemon-reload") and _ask_systemd("enable", "--now", timer.unit):
        click.echo(f"{timer.unit} runs. See: systemctl --user status {timer.unit}")
    else:
        click.echo(
            f"It is written, but systemd does not answer; later: systemctl --user enable --now {timer.unit}, or use"
            " --cron",
            err=True,
        )


def _ask_systemd(*words: str) -> bool:
    if shutil.which("systemctl") is None:
        return False
    done = subprocess.run(["systemctl", "--user", *words], capture_output=True, check=False)  # noqa: S603, S607
    return done.returncode == 0


def _cron(timer: Timer, *, remove: bool, yes: bool, show: bool) -> None:
    line = timer.cron_line()
    if not remove:
        click.echo(printable(line, 4_096))
    if show:
        return
    if remove and _others(before := _crontab(), timer) == before:
        raise Misused(f"nothing is in your crontab for {timer.home}")
    output.confirm("Take this home's line out of your crontab?" if remove else "Put this into your crontab?", yes=yes)
    others = _others(_crontab(), timer)  # as it is now: somebody may have thought for long
    _ask_crontab("-", said=others if remove else others + os.fsencode(line) + b"\n")


def _others(table: bytes, timer: Timer) -> bytes:
    """Return all lines of a crontab but *timer*'s, byte for byte; the last one is ended if it was not."""
    mark = f"{MARK} {timer.name}".encode()
    kept = b"".join(each for each in table.splitlines(keepends=True) if not each.rstrip(b"\r\n").endswith(mark))
    return kept if kept.endswith(b"\n") or not kept else kept + b"\n"


def _crontab() -> bytes:
    """Return the person's crontab. Raise `PaquebotError` if it cannot be read: what is written would replace it."""
    done = _ask_crontab("-l", fails=True)
    if done.returncode and not _NO_CRONTAB.search(done.stderr):
        raise _refused(done)
    return b"" if done.returncode else done.stdout


def _ask_crontab(word: str, *, said: bytes = b"", fails: bool = False) -> subprocess.CompletedProcess[bytes]:
    plain = {**os.environ, "LC_ALL": "C"}  # what it says is read
    try:
        done = subprocess.run(["crontab", word], input=said, capture_output=True, check=False, env=plain)  # noqa: S603, S607
    except OSError:
        raise PaquebotError("there is no crontab here; put the line that --show prints where it belongs") from None
    if done.returncode and not fails:
        raise _refused(done)
    return done


def _refused(done: subprocess.CompletedProcess[bytes]) -> PaquebotError:
    why = printable(done.stderr.decode("utf-8", "replace").strip())
    return PaquebotError(f"crontab refused: {why or f'exit code {done.returncode}'}; nothing was changed")
