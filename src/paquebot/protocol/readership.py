"""What is known of private resources: what lies open here, for whom each is, and which node has a key to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.ranges import Ranges


class ReadershipView(Protocol):
    """What can be looked up of it. Nothing of it writes."""

    def announcers(self, user: Fingerprint) -> Sequence[Fingerprint]:
        """Return the nodes that announced envelope keys on behalf of *user*."""

    def unopened(self) -> Sequence[ResourceId]:
        """Return the private resources, and keys to some, that are held and were not tried yet, oldest first."""

    def opened(self, resource: ResourceId) -> tuple[Fingerprint, ...] | None:
        """Return the users for whom an opened private resource is, as far as known; None if it is none."""

    def keys_to(self, resource: ResourceId) -> Sequence[ResourceId]:
        """Return the first ``wrap`` resources for *resource* that were noted and are by its own user, in order."""

    def audiences(self) -> Sequence[Fingerprint]:
        """Return the users for whom something private of ours is."""

    def unreadable(self, user: Fingerprint, node: Fingerprint, limit: int) -> Sequence[ResourceId]:
        """Return opened private resources of ours for *user* to which *node* has no key, oldest first."""

    def closed_to(self, node: Fingerprint, applied: Ranges) -> Ranges:
        """Return our lines that name private things of our user's which *node* cannot read, as far as known here.

        It reads what it got a key to: with the thing itself, or later, by a ``wrap`` that is among the lines of ours
        that it has *applied*. Of what our user sealed elsewhere and cannot be opened here, it is not known.
        """
