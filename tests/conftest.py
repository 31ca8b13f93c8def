"""Mail servers for whoever needs them; and what the laboratories did and how long it took, at the end of every run."""

from __future__ import annotations

from collections import defaultdict

import pytest
from tests.labs.mail.fixtures import mail_servers, mailbox, postfix, small_mail_servers

__all__ = ["mail_servers", "mailbox", "postfix", "small_mail_servers"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    done: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0])
    for report in (each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)):
        said = dict(report.user_properties)
        if report.when == "call" and "laboratory" in said:
            figures = done[str(said["laboratory"])]
            figures[0] += int(said["count"])
            figures[1] += float(said["seconds"])
            figures[2] = float(said["budget"])
    for name, (count, seconds, budget) in sorted(done.items()):
        terminalreporter.write_line(f"{name}: {count:,.0f}, {seconds:.0f} s of processor time of {budget:.0f}")
