"""The door: the one interface through which every transport enters, ours and a stranger's alike.

A transport moves whole opaque parcels of bytes. It knows nothing of journals,
keys or peers. Delivery is *at least once*: what was collected but not yet
acknowledged is collected again, also after the power was cut in between.
Only a recipient's own token lets anybody forget a parcel; what a carrier says
("fsync returned", "250 OK") is a tick for the user and no more.

A transport has no retries, timers or threads inside and uses bounded memory.
Every promise is a test in `paquebot.testing.TransportContract`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Enum
from hashlib import blake2b, sha256
from pathlib import Path
from typing import ClassVar, NewType, Protocol, Self, TypeVar, runtime_checkable

from paquebot.errors import ConfigError, Denied, ParcelTooLarge, Permanent, PluginError, Transient, TransportError
from paquebot.frozen import frozen
from paquebot.price import Price, Rationed

__all__ = [
    "API_VERSION", "BROKEN", "OK", "WARNING", "Acknowledgement", "Arrival", "Capability", "Check", "ConfigError",
    "Context", "Denied", "Described", "Examined", "Finding", "Freed", "Handover", "Inventory", "Onward", "Outgoing",
    "ParcelTooLarge", "PathText", "Permanent", "PluginError", "Price", "Rationed", "Recipient", "Relay", "Scratch",
    "Scratches", "Stage", "Stands", "Stock", "Takes", "Tended", "TokenShown", "Transient", "Transport",
    "TransportError", "Verdict", "Waits", "Whose", "closed_after", "parcel_name", "token_hash",
]  # fmt: skip

API_VERSION = 0
"""0 until mail, stick and radio have all lived behind this door; then 1, and changed only to break."""
T = TypeVar("T")
PathText = NewType("PathText", str)
"""A path in the settings: ``~`` is the person's home, and what is relative begins in the folder of config.toml."""


def token_hash(token: bytes) -> bytes:
    """Return what may be shown in clear of an acknowledgement *token*: 16 bytes that reveal nothing of it.

    >>> token_hash(bytes(16)).hex()[:8]
    '22045c68'
    """
    return blake2b(token, digest_size=16, person=b"paquebot token").digest()


def parcel_name(parcel: bytes) -> bytes:
    """Return the 16 bytes by which every carrier knows *parcel*, the salt of its recipients' tags: half SHA-256.

    >>> parcel_name(b"").hex()[:8]
    'e3b0c442'
    """
    return sha256(parcel).digest()[:16]


@asynccontextmanager
async def closed_after(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Lend what `Transport.send` or `collect` returned; if it is left before its end, let it clean up at once."""
    try:
        yield items
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()


@frozen(kw_only=True)
class Capability:
    """What one open transport can do; may change while it runs. A field exists only with code that reads it."""

    bytes_max: int
    """The largest parcel `send` takes."""
    latency_ms: int
    """How long a parcel may be on its way before silence means anything: minutes for mail, weeks for a stick."""
    medium: str
    """Names what is behind it right now (a stick's volume id, an account). What was written to one medium is
    not written to it again, and is written to another one as long as it is unacknowledged."""
    bytes_cheap: bool = False
    """Bytes cost next to nothing and hops are dear: push bodies and chunks without being asked."""
    shows_tokens: bool = False
    """Recipients' tokens come back by this carrier, so that no envelope need be sent just to acknowledge."""
    writable: bool = True
    """False for read-only media: collect only."""
    address: str = ""
    """Where we can be reached by this carrier. If it is set, parcels go to addresses: nothing is planned for a peer
    whose address is not known. Carriers of one kind share what they call an address; the house tells it to peers if
    the settings have it in a field of that name."""
    parcels_left: int | None = None
    """How many parcels may still be sent now, where that is rationed: no more are planned."""
    bytes_left: int | None = None
    """The same of their bytes."""
    mime: bool = False
    """What is sealed should be a MIME entity, so that programs for mail can show it to a person."""
    relays: bool = False
    """It serves those who carry for others: arrivals say what is `onward`, and it is a `Relay`."""
    room: int | None = None
    """How many bytes are free on the medium; None if nobody can say."""
    price: Price | None = None
    """What sending costs, if it was said."""


@frozen
class Recipient:
    """One of those for whom a parcel is meant, as far as a carrier may know."""

    tag: Callable[[bytes], bytes]
    """Maps the `parcel_name` to 8 bytes which only this recipient can recognise."""
    token_hash: bytes
    """16 bytes: `token_hash` of the token that this recipient will show when it has the parcel safe."""
    address: str = ""
    """Where this kind of carrier finds it, if it needs an address: safe to be put into headers and commands."""


@frozen
class Outgoing:
    """A parcel to be carried. Its bytes are made when asked for, so a batch may be larger than memory."""

    id: bytes
    """16 bytes to speak of it in a `Handover`. Private: a transport must not put it on the medium."""
    size_max: int
    """An upper bound of its size in bytes."""
    body: Callable[[], Awaitable[bytes]]
    """Makes the bytes. May be awaited again after a failure, and may then give other bytes of the same meaning."""
    recipients: tuple[Recipient, ...]
    expires_ms: int
    """Unix milliseconds after which no carrier need keep it."""
    priority: int = 1
    """0 for keys, revocations and trusts; 1 for the ordinary; 2 for bulk."""
    hops: int = 0
    """How many nodes have carried it on; 0 for what we made. A parcel that is carried on and lies on the medium
    already is not put there again, and counts as handed over."""


class Stage(Enum):
    """How far a parcel is known to have got. None of these lets us forget it."""

    ACCEPTED = "accepted"
    """A relay has taken it."""
    ON_MEDIUM = "on medium"
    """It lies on a medium and was read back from it."""
    LOST = "lost"
    """It was on its way and is known to be lost, without its token having been seen: send it again."""
    FAILED = "failed"
    """It was not carried; `error` says why."""


@frozen
class Handover:
    """News of something given to `send`, now or in an earlier session."""

    id: bytes
    stage: Stage
    where: str = ""
    """For people: the stick's label, the relay's answer."""
    error: TransportError | None = None


@frozen
class Onward:
    """What stands on the outside of a parcel, so that also those can carry it on who cannot open it."""

    recipients: tuple[tuple[bytes, bytes], ...]
    """Each one's tag and token hash."""
    expires_ms: int
    priority: int = 1
    hops: int = 0
    """How many nodes have carried it on."""
    lot: str = ""
    """What was put there at once by one hand belongs to one lot; empty if nobody can tell."""


@frozen
class Arrival:
    """One collected parcel. It comes back until it is acknowledged."""

    parcel: bytes
    key: str
    """By which the transport knows it again."""
    where: str
    """For people: where it lay."""
    recognised: bool = True
    """False if nothing on the outside says that it is for this node: worth one try at opening."""
    onward: Onward | None = None
    """How to carry it on if it is not for this node; None where the transport does not relay."""
    letter: bool = False
    """The parcel is a whole mail that a person may have written to this node, and none of ours."""


@frozen
class TokenShown:
    """Somebody has shown this 16-byte token: a recipient holds what we sent, or carry for others.

    The house checks it, by its hash. A transport that relays yields, within bounds, every token that it finds.
    """

    token: bytes


@frozen
class Finding:
    """Something on the medium that a person should hear of. Nothing was deleted."""

    where: str
    reason: str
    """One plain sentence."""
    data: bytes = b""
    """The damaged bytes, at most 8 MiB, to be set aside; empty if there is nothing to keep."""
    damage: bool = True
    """True if something that may have been for us was harmed; False for mere curiosities (foreign files)."""


class Verdict(Enum):
    """What became of an arrival, for the transport to act on."""

    TAKEN = "taken"
    """It is stored here for good (or was before). Show its token, if there is one."""
    REFUSED = "refused"
    """It was set aside with its bytes. Do not yield it again; show nothing."""
    NOT_OURS = "not ours"
    """None of our keys opens it. Do not yield it again while `Context.epoch` stays the same."""


@frozen
class Acknowledgement:
    """The house's answer to one arrival, given only after what it taught us is safely stored."""

    key: str
    verdict: Verdict
    token: bytes | None = None


@frozen
class Described:
    """What a file of a carrier's own form holds, as far as anybody may know who finds it."""

    kind: str
    """What the file is, in a word or two."""
    facts: tuple[tuple[str, str], ...]
    checks: tuple[tuple[str, bool, str], ...] = ()
    """What must be true of it, whether it is, and a detail."""
    parcels: tuple[bytes, ...] = ()
    """The first few whole parcels in it, to be described in their turn."""
    text: str = ""
    """What it says to people, lines and all."""


class Context(Protocol):
    """What the house lends to one transport. Carriers of one kind share the state and the folder."""

    @property
    def name(self) -> str:
        """What people call this carrier: its name in the configuration, or the path that they gave instead."""

    @property
    def folder(self) -> Path:
        """A private folder, created on first use, for what is too large for the state."""

    @property
    def epoch(self) -> str:
        """Changes whenever this node may be able to open more than before."""

    def get(self, key: str) -> bytes | None:
        """Return a value of the durable state."""

    def items(self, prefix: str) -> Iterable[tuple[str, bytes]]:
        """Return the part of the durable state below *prefix*, in order of keys."""

    def put(self, key: str, value: bytes | None) -> None:
        """Set (or with None remove) a value of the durable state.

        Durable before anything yielded or returned afterwards is acted on. Writing what is there already is free.
        """

    def update(self, changes: Mapping[str, bytes | None]) -> None:
        """Set and remove several values at once: after a power cut either all of it is true or none."""

    def recognise(self, salt: bytes, tag: bytes) -> bool:
        """Return whether *tag*, made with *salt*, was made for this node by one of its peers."""

    def knows(self, address: str) -> bool:
        """Return whether one of our peers is at *address* by this kind of carrier, or says so. Anybody may claim it."""

    def now_ms(self) -> int:
        """Return the time as this node reckons it, in Unix milliseconds."""

    def entropy(self, count: int) -> bytes:
        """Return random bytes."""

    def note(self, text: str) -> None:
        """Tell whoever watches, in one line. It need not be harmless to a terminal yet."""


class Transport(Protocol):
    """What a transport promises; see the module's docstring.

    Constructed as ``kind(settings, context)``, where *settings* is an instance of `settings_type`, a frozen
    dataclass that the house builds from the TOML table; it, or the constructor, may raise `ConfigError`. Nothing is
    opened before ``async with``.
    """

    api: ClassVar[int]
    settings_type: ClassVar[type]

    @property
    def capability(self) -> Capability:
        """What this transport can do now that it is open."""

    async def __aenter__(self) -> Self:
        """Acquire what it takes to send and collect. Raise `Transient` if it is not there now."""

    async def __aexit__(self, *exc_info: object) -> None:
        """Release it, also after a failure. After a complete `collect`, tidy up what may be deleted."""

    def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Carry *batch*, yielding a `Handover` for each parcel only once it would survive our power cut.

        A parcel that cannot go yields `Stage.FAILED` with its error and does not stop the others; a carrier that
        is gone raises `Transient`. What was not handed over is simply offered again another time.
        """

    def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover | Finding]:
        """Yield every arrived, unacknowledged parcel byte for byte, and all news, then stop.

        Half-written parcels are never yielded; foreign items are never yielded and never deleted.
        """

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Settle arrivals for good. Twice is the same as once; one leaves the others."""


@runtime_checkable
class Relay(Protocol):
    """What a transport is able to do besides if it relays: bring back tokens of parcels that others sent."""

    async def show(self, tokens: Sequence[bytes]) -> None:
        """Show *tokens* wherever they belong to a parcel that lies here. Showing again what is shown is free.

        Done at the latest when the transport is closed; what cannot be done now is asked for again another time.
        """


@runtime_checkable
class Waits(Protocol):
    """What a transport may be able to do besides: notice by itself that something may have come."""

    async def wait(self, timeout_ms: int) -> bool:
        """Return True as soon as a visit may be worth while, and False when *timeout_ms* have passed without that.

        Awaited whether the transport is open or not: a stick that is not there is waited for. What has come since it
        was last opened, or could not be opened, counts. False proves nothing: a visit now and then is still due. May
        be cancelled. Raise `TransportError` if waiting is not possible now.
        """


@frozen
class Scratch:
    """A place of its own on a medium, where a transport is tried without anything else being touched."""

    settings: object
    """With these, everything happens there."""
    folder: Path | None = None
    """Where all that is sent lies as files, if it does: there it is cut short and damaged."""
    apart: bool = True
    """Whether nothing else lies there. If not, it is used only when the user says so, and parcels are marked."""


@runtime_checkable
class Scratches(Protocol):
    """What a transport may be able to do besides: be tried on the user's own medium (`paquebot transport check`)."""

    def scratch(self, name: str) -> AbstractAsyncContextManager[Scratch | None]:
        """Lend a place called *name*, while this transport is not open; None if there can be none after all.

        The name is in small letters, digits and dashes, and new. Afterwards nothing of the place is left.
        """


class Whose(Enum):
    """To whom a parcel on a medium matters."""

    FOR_US = "for us"
    FROM_US = "from us"
    """We put it there, be it ours or carried for others."""
    OTHERS = "others'"


@frozen
class Stock:
    """The parcels of one sort on a medium, each counted once."""

    whose: Whose
    parcels: int = 0
    bytes: int = 0
    urgent: int = 0
    """So many of them are keys, revocations or trusts."""
    acknowledged: int = 0
    """So many have been taken by all their recipients, as far as can be seen there."""
    expired: int = 0


@frozen
class Inventory:
    """What lies on a medium, as far as can be known without reading it all."""

    medium: str
    """By which the carrier knows it again; empty if it has no name yet."""
    where: str
    """For people: its path."""
    stocks: tuple[Stock, ...]
    damaged: tuple[str, ...]
    """Where damaged files lie."""
    bytes: int
    """What all of it takes."""
    room: int | None
    """How many bytes are free."""
    writable: bool
    shared_by: str = ""
    """What syncs it or shares it over a network, if anything seems to."""
    complete: bool = True
    """Whether that is all there is."""


@frozen
class Freed:
    """What was, or would be, deleted for one reason."""

    what: str
    files: int
    bytes: int


@runtime_checkable
class Tended(Protocol):
    """What a transport may be able to do besides: have its medium looked over, tidied and verified, while it is open.

    None of this gives anything to the house or takes anything from it: no arrival, no token and no loss is used up.
    """

    async def inventory(self) -> Inventory:
        """Return what lies there. Changes nothing."""

    async def tidy(self, *, rehearsed: bool = False) -> Sequence[Freed]:
        """Delete what may be deleted, as a visit does at its end; if *rehearsed*, only say what that would be."""

    def verify(self, progress: Callable[[int], None]) -> AsyncIterator[Finding]:
        """Read everything, telling *progress* how many bytes at a time, and yield what is wrong. Changes nothing."""


@runtime_checkable
class Takes(Protocol):
    """What a transport may be able to do besides: take what another program hands in, such as a mail filter."""

    def take(self, message: bytes) -> bool:
        """Keep *message* durably, to be collected at the next visit; return False if it is none of ours.

        It is called on a transport that is not open, maybe beside whoever has the home open: it writes to nothing but
        its private folder. Twice is the same as once. Raise `Transient` if it cannot be kept now, `Permanent` if it is
        one of ours and damaged.
        """


@runtime_checkable
class Stands(Protocol):
    """What a transport may be able to do besides: say how it stands, for one who asks when it is not open."""

    def standing(self) -> Sequence[Check]:
        """Return what is worth knowing until the next visit, such as rations, with moments written out.

        What a person should look at is not ``ok``, and monitoring counts it; what passes by itself is. It is asked when
        a visit ends, however it ends; it asks nobody and changes nothing.
        """


OK, WARNING, BROKEN = "ok", "warning", "broken"


@frozen
class Check:
    """One thing that was looked at, and how it is."""

    what: str
    state: str
    """``ok``, ``warning`` or ``broken``."""
    detail: str = ""


@runtime_checkable
class Examined(Protocol):
    """What a transport may be able to do besides: try all that it depends on, for one who wonders what is wrong."""

    def examine(self, *, send: bool) -> AsyncIterator[Check]:
        """Yield what is well and what is not, while it is open; with *send*, try the whole way by sending something."""
