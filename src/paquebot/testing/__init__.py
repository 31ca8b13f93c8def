"""The testing kit: the transport contract as tests, and fakes that keep it. For plugins' authors and for our own tests.

Nothing in production imports it.
"""

from paquebot.testing.contract import Link, TransportContract, promise
from paquebot.testing.kinds import KindContract
from paquebot.testing.post import MemoryContext, PostBox, PostOffice, PostSettings, Weather, tag_with

__all__ = [
    "KindContract", "Link", "MemoryContext", "PostBox", "PostOffice", "PostSettings", "TransportContract", "Weather",
    "promise", "tag_with",
]  # fmt: skip
