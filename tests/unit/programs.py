"""A program that keeps to the line protocol, in shell, but for what a test puts before."""

from __future__ import annotations

GOOD = """
hello) echo hello version=1 ;;
setting) ;;
open) echo ready bytes=10000 latency=1000 medium=m tokens=yes ;;
send) n=${rest#number=}; echo handed number=${n%% *} key=k ;;
collect) echo item key=a ours=yes; echo item key=b ours=yes; echo end ;;
fetch) echo "$rest" > exchange/f; echo parcel $rest file=exchange/f ;;
settle|forget) k=${rest#key=}; echo "done key=${k%% *}" ;;
close) echo "done"; exit ;;
*) echo unsupported ;;
"""


def script(bad: str = "", before: str = "") -> list[str]:
    """Return the command of a program that does what *bad* says where it says anything."""
    return ["sh", "-c", f"{before}\nwhile read -r verb rest; do case $verb in\n{bad}\n{GOOD}\nesac; done"]
