"""How things hang together: replies, attachments, newer versions. Any of it may not be here yet."""

from __future__ import annotations

from paquebot.amounts import count
from paquebot.frozen import frozen
from paquebot.protocol.encoding import ResourceId
from paquebot.store.view import Listed, SqliteView

THREAD_MAX = 1_000
"""How much of a conversation is shown at once."""


@frozen
class Attachment:
    """A file that a message names."""

    id: ResourceId
    listed: Listed | None
    """None if it is not here at all."""

    @property
    def state(self) -> str:
        """How much of it is here."""
        if self.listed is None:
            return "on the way"
        if self.listed.lacking:
            total = self.listed.chunk_total
            return f"{total - self.listed.lacking} of {count(total, 'chunk')} here"
        return "here"


def one(view: SqliteView, resource: ResourceId, how: str) -> ResourceId | None:
    """Return the first resource of which *resource* says *how*: its ``parent``, what it ``supersedes``."""
    return next((name for said, name in view.related(resource) if said == how), None)


def attachments(view: SqliteView, resource: ResourceId) -> list[Attachment]:
    """Return the files that *resource* names, in its order."""
    return above(view, resource)[1]


def above(view: SqliteView, resource: ResourceId) -> tuple[ResourceId | None, list[Attachment]]:
    """Return to what *resource* replies, and the files that it names, in its order."""
    related = view.related(resource)
    found = [Attachment(name, view.listing(name)) for how, name in related if how == "after"]
    files = [each for each in found if each.listed is None or each.listed.kind == "file"]
    return next((name for how, name in related if how == "parent"), None), files


def newer(view: SqliteView, listed: Listed) -> Listed | None:
    """Return the latest thing of the same author that says it supersedes *listed*."""
    return max(
        (
            each
            for name in view.relating(listed.id, "supersedes")
            if (each := view.listing(name)) and each.user == listed.user and not each.revoked_by
        ),
        key=lambda each: (each.stamp, each.id),
        default=None,
    )


def replies(view: SqliteView, resource: ResourceId) -> list[Listed]:
    """Return what replies to *resource*, in order of stamps."""
    found = [each for name in view.relating(resource, "parent") if (each := view.listing(name))]
    return sorted(found, key=lambda each: (each.stamp, each.id))


def thread(view: SqliteView, listed: Listed) -> list[tuple[int, Listed]]:
    """Return the conversation to which *listed* belongs, as far as it is here, each after that to which it replies.

    With each comes its depth. At most `THREAD_MAX` of it.
    """
    seen = {listed.id}
    root = listed
    while (name := one(view, root.id, "parent")) and name not in seen and (above := view.listing(name)):
        seen.add(name)
        root = above
    found: list[tuple[int, Listed]] = []
    waiting, known = [(0, root)], {root.id}
    while waiting and len(found) < THREAD_MAX:
        depth, each = waiting.pop()
        found.append((depth, each))
        below = [reply for reply in replies(view, each.id) if reply.id not in known]
        known.update(reply.id for reply in below)
        waiting += [(depth + 1, reply) for reply in reversed(below)]
    return found
