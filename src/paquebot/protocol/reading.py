"""Who may have what: whether a peer's user is trusted with a resource, and what is given when one is asked for."""

from __future__ import annotations

from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.limits import SHARED_MAX
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import PROOFS
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View
from paquebot.protocol.trust import READ

CLOSURE = (*PROOFS, "schema", "ending", "envelope_keys", "user", "node")
"""What is needed to judge the rest; given to everybody who may read ours, whoever published it."""


def may_read(view: View, peer: Peer, user: Fingerprint, at: Millis) -> bool:
    """Return whether *peer* may have what *user* published: by a trust of that user alone, also where we hold it.

    A user's own nodes are no exception: there may be some that only publish.
    """
    if peer.suspect or peer.revoked:
        return False
    if user == view.local().user:
        return peer.reads
    return view.authority(user).grants(READ, (peer.user, peer.node), at)


def serves(view: View, peer: Peer, name: ResourceId, at: Millis) -> bool:
    """Return whether the resource called *name*, and its chunks, may be given to *peer*."""
    origin = view.origin(name)
    if origin is None or view.hidden(name) is not None:
        return False
    user, kind = origin
    return (kind in CLOSURE and peer.reads) or may_read(view, peer, user, at)


def servable(view: View, peer: Peer, file: ResourceId, chunks: Ranges, at: Millis) -> Ranges:
    """Return which of *chunks*, by our numbers, *peer* may be given of a *file* that it may read.

    What others' files name as well is weighed chunk by chunk; of many such some are, beginning elsewhere each time.
    """
    author, _ = view.origin(file) or ("", "")
    if author == view.local().user:
        return chunks
    shared = [*(chunks & view.shared(file))]
    begin = at % len(shared) if shared else 0
    weighed = ((number, view.chunk(number)) for number in [*shared[begin:], *shared[:begin]][:SHARED_MAX])
    given = (number for number, name in weighed if name and serves_chunk(view, peer, name, at))
    return chunks - Ranges.numbers(shared) | Ranges.numbers(sorted(given))


def serves_chunk(view: View, peer: Peer, chunk: bytes, at: Millis) -> bool:
    """Return whether the bytes of *chunk*, which *peer* wants for a file that it may read, may be given to it.

    Whoever names a hash need not know what it is the hash of: two who conspire, one who names it and one who reads
    that, would get from us what neither has. So only the file of somebody who has the bytes gives a right to them:
    ours; or that of a user whose node brought them; or, if they came by the hands of others alone, the first one here
    that named them. What is left to conspirators beyond what one of them could give the other: bytes that come here
    by a courier, if they know the hashes, and name them here, before the manifest arrives that they were taken from.
    """
    files = [(file, origin[0]) for file in view.files_with(chunk, held=True) if (origin := view.origin(file))]
    authors = [author for _, author in files]
    served = {author for file, author in files if serves(view, peer, file, at)}
    having = {view.local().user, *view.givers(chunk)}.intersection(authors) or set(authors[:1])
    return not served.isdisjoint(having) or served.issuperset(authors)


def given(view: View, peer: Peer, name: ResourceId, author: Fingerprint, at: Millis) -> ResourceId | None:
    """Return what *peer* gets when it asks for *author*'s resource *name*: that, its revocation, or nothing."""
    by = view.hidden(name)
    if by is None and not view.has(name):
        found = view.authority(author).buries(name)
        by = found.id if found else None
    if by is not None:
        return by if serves(view, peer, by, at) else None
    return name if serves(view, peer, name, at) else None
