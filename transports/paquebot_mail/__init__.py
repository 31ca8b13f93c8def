"""Mail: parcels in an ordinary mailbox, which may be a person's own.

An at-least-once pipe: what lies in the mailbox is sealed and signed by others. This package finds what is meant for
us, keeps it until it was applied, and touches no other mail.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from paquebot.transport import (
    API_VERSION,
    Acknowledgement,
    Arrival,
    Capability,
    Check,
    ConfigError,
    Context,
    Denied,
    Finding,
    Handover,
    Outgoing,
    ParcelTooLarge,
    Price,
    Scratch,
    Stage,
    TokenShown,
    Transient,
    closed_after,
)
from paquebot_mail.account import Account
from paquebot_mail.form import compose, mail_bytes, parcel_bytes
from paquebot_mail.handed import HandedIn
from paquebot_mail.reading import MAIL_BYTES_MAX, REPORT_BYTES, Heading
from paquebot_mail.secret import Secrets
from paquebot_mail.server import Login
from paquebot_mail.settings import MailSettings, count

if TYPE_CHECKING:
    from paquebot_mail.mailbox import Brought, Mailbox, Reported, Written
    from paquebot_mail.meter import Meter
    from paquebot_mail.sending import Sender
    from paquebot_mail.talk import Quota

__all__ = ["MailSettings", "MailTransport"]

PARCEL_BYTES_MAX = 8 << 20  # no envelope is larger
STRANGER_BYTES_MAX = 64 << 10  # of a mail without a peer's tag: an introduction has a third of that
STRANGERS_A_VISIT = 64
LETTERS_A_VISIT, LETTERS_BYTES_A_VISIT = 16, 12 << 20  # which anybody may write; the next ones come another day
REPORTS_A_VISIT = 256  # of 16 kB at most; what one would have said is found out without it, later
MINUTE_MS = 60_000


class MailTransport:
    """One account. Nothing is connected before there is something to send, or somebody asks what came."""

    api: ClassVar[int] = API_VERSION
    settings_type: ClassVar[type] = MailSettings

    def __init__(self, settings: MailSettings, context: Context) -> None:
        self._account = Account.of(settings)
        self._settings = settings
        self._context = context
        self._secrets = Secrets(settings)
        self._handed = HandedIn(context, settings.address)
        self._untagged, self._reports, self._letters = Counter[bool](), 0, (0, 0)
        """How many mails without a peer's tag were let in at this visit: from addresses of peers, and from others."""
        self._box: Mailbox | None = None
        self._boxed = False
        self._whole = False
        self._post: Sender | None = None

    @property
    def capability(self) -> Capability:
        """What the account can do, and how much of its ration is left."""
        mails, size = self._sender().pace.left()
        return Capability(
            bytes_max=min(PARCEL_BYTES_MAX, self._sender().parcel_bytes_max),
            latency_ms=self._settings.latency_minutes * MINUTE_MS,
            medium=self._settings.address,
            bytes_cheap=not self._account.thin,
            address=self._settings.address,
            parcels_left=mails,
            bytes_left=None if size is None else parcel_bytes(size),
            mime=not self._account.thin,  # it costs a third more
            price=self._price,
        )

    @property
    def _price(self) -> Price | None:
        """What parcels cost: they are sent in mails, which are larger."""
        said = self._settings.price
        if said is None:
            return None
        around = mail_bytes(0)
        larger = (mail_bytes(10**6) - around) / 10**6
        return Price(said.mail + said.megabyte * around / 1e6, said.megabyte * larger, said.currency)

    async def __aenter__(self) -> Self:
        """Find out where the servers are, if the settings do not say so. Raise `ConfigError` if nobody does."""
        await self._complete()
        if self._lacking:
            raise ConfigError(
                f"where are the servers of {self._settings.address}?"
                " Its domain does not say so, or cannot be asked now. Name a preset, or say"
                ' imap = { host = "…" } and smtp = { host = "…" }'
            )
        return self

    async def _complete(self) -> None:
        if self._lacking:
            from paquebot_mail.finding import find

            found = await find(self._context, self._settings.address)
            self._account = self._account.found(found) if found else self._account

    @property
    def _lacking(self) -> bool:
        return self._account.smtp is None or (self._account.imap is None and self._settings.fetch)

    async def __aexit__(self, *exc_info: object) -> None:
        """Put mails away that were applied, if all went well, and say goodbye."""
        post, self._post = self._post, None
        try:
            if self._box is not None and self._boxed and self._whole and exc_info[0] is None:
                with suppress(Transient):  # another time
                    for finding in await self._box.put_away():
                        self._context.note(f"{finding.where}: {finding.reason}")
            await self._hang_up()
        finally:
            self._box = None
            if post is not None:
                await post.close()

    async def _hang_up(self) -> None:
        boxed, self._boxed, self._whole = self._boxed, False, False
        if self._box is not None and boxed:
            with suppress(Transient):
                await self._box.__aexit__(None, None, None)

    # -- sending ------------------------------------------------------------------------------

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Send a mail for each parcel of *batch*, until the provider has had enough."""
        sender, most = self._sender(), self.capability.bytes_max
        for large in (each for each in batch if each.size_max > most):
            error = ParcelTooLarge(f"a parcel may have {most} bytes, and no more")
            yield Handover(large.id, Stage.FAILED, self._settings.address, error)
        batch = [each for each in batch if each.size_max <= most]
        try:
            async with closed_after(sender.send(batch)) as news:
                async for handover in news:
                    yield handover
        except Transient as error:
            wait = sender.pace.waiting()
            if wait is not None and wait.kind == "login":
                raise Denied(f"{error}: {self._account.advice}") from None
            raise

    def _sender(self) -> Sender:
        if self._post is None:
            from paquebot_mail.pace import Limits
            from paquebot_mail.sending import Sender

            limits, server = self._account.limits, self._account.smtp
            assert server is not None, "looked at when it was opened"
            self._post = Sender(
                self._settings.address,
                server.server(self._settings.ca_file),
                self._login,
                self._context,
                limits=Limits(
                    per_minute=limits.per_minute or None,
                    per_day=limits.per_day or None,
                    bytes_per_day=limits.day_bytes or None,
                    mail_bytes_max=limits.message_bytes,
                ),
                about=self._settings.subject,
            )
        return self._post

    @property
    def _login(self) -> Login:
        return Login(self._account.user, self._secrets.secret, self._secrets.token)

    # -- receiving ----------------------------------------------------------------------------

    async def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover | Finding]:
        """Yield what was handed in, and what lies in the mailbox and concerns us."""
        try:
            for arrival in self._handed.arrivals():
                yield arrival
            if not self._settings.fetch:
                return
            async with closed_after(self._looked()) as found:
                async for news in found:
                    yield news
        except OSError as error:  # of our own disk: another carrier may not need it
            raise Transient(f"what came cannot be kept here: {error.strerror or error}") from error

    async def _looked(self) -> AsyncIterator[Arrival | Handover | Finding]:
        box = await self._opened()
        self._whole = False
        try:
            async with closed_after(box.look()) as found:
                async for news in found:
                    for each in self._told(news):
                        yield each
            await self._measured(box)
            self._whole = True
        finally:
            if not self._whole:  # nobody knows what the line would say next
                await self._hang_up()

    async def _measured(self, box: Mailbox) -> None:
        """Ask now and then how full the mailbox is."""
        from paquebot_mail.imap import Said
        from paquebot_mail.standing import QuotaMemory

        memory = QuotaMemory(self._context, self._settings.address)
        seen: list[Quota] = []
        if memory.due:
            with suppress(Said):  # nobody depends on that
                seen = await box.quota()
            memory.saw(seen)

    def _told(self, news: Brought | Reported | Written | Finding) -> list[Arrival | Handover | Finding]:
        from paquebot_mail.bounces import read_report, settle
        from paquebot_mail.mailbox import Brought, Reported, Written

        match news:
            case Brought(parcel, part, sender, folder, sure):
                if sure:
                    self._sender().pace.heard(sender)
                return [Arrival(parcel, part, f"{folder}, from {sender}", recognised=sure)]
            case Written(mail, part, sender, folder):
                return [Arrival(mail, part, f"{folder}, from {sender}", recognised=False, letter=True)]
            case Reported(data):
                report = read_report(data)
                return [*settle(report, self._sender().pace)] if report else []
            case Finding():
                return [news]

    async def _opened(self) -> Mailbox:
        """Return the mailbox, connected. Raise `Transient` or `Denied`."""
        if self._box is not None and self._boxed:
            return self._box
        self._box = await self._connected()
        self._boxed, self._untagged, self._reports, self._letters = True, Counter(), 0, (0, 0)
        self._box.within(self._meter())
        return self._box

    def _meter(self) -> Meter:
        """Return what counts the bytes that come, where they are rationed or cost something."""
        from paquebot_mail.meter import Meter

        day, pace = self._account.limits.day_bytes, self._sender().pace
        return Meter(pace.to_come(), day=day, note=pace.came) if day or self._settings.price else Meter()

    async def _connected(self) -> Mailbox:
        from paquebot_mail.refusals import Refusals
        from paquebot_mail.talk import LoginRefused

        refusals = Refusals(self._context, self._settings.address)
        if refusals.any and (wait := refusals.wait_ms(await self._tried())):
            raise Denied(
                f"{self._account.user} was refused; the same is tried again in"
                f" {count(wait // MINUTE_MS + 1, 'minute')}: {self._account.advice}"
            )
        refused: LoginRefused | None = None
        for _ in range(2 if self._secrets.token else 1):  # a token may just have expired; the next one has not
            box = self._mailbox()
            try:
                await box.__aenter__()
            except LoginRefused as error:
                refused = error
            else:
                refusals.welcomed()
                return box
        refusals.refused(await self._tried())
        raise Denied(f"{refused}; {self._account.advice}")

    async def _tried(self) -> str:
        """Return what must change before a refused login is tried before its time: tokens are new ones each time."""
        return f"{self._account.user}\0{'' if self._secrets.token else await self._secrets.secret()}"

    def _mailbox(self) -> Mailbox:
        from paquebot_mail.mailbox import Mailbox

        settings, server = self._settings, self._account.imap
        assert server is not None, "looked at when it was opened"
        return Mailbox(
            settings.address,
            server.server(settings.ca_file),
            self._login,
            self._context,
            wants=self._wants,
            folder=settings.folder,
            retire=self._account.retire,
            rescue_junk=settings.rescue_junk,
        )

    def _wants(self, head: Heading, size: int) -> int:
        """Return how much of a mail is worth downloading: of a peer's, a report, an introduction, or a letter.

        Anybody can write a header, also in a peer's name: only what bears a peer's tag may be large and many.
        """
        if head.report and not head.part:
            self._reports += 1
            return REPORT_BYTES if self._sender().pace.sent_lately and self._reports <= REPORTS_A_VISIT else 0
        if head.sealed:
            count, total = self._letters[0] + 1, self._letters[1] + size
            if not self._settings.letters or count > LETTERS_A_VISIT or total > LETTERS_BYTES_A_VISIT:
                return 0
            self._letters = count, total
            return min(2 * size + STRANGER_BYTES_MAX, MAIL_BYTES_MAX - 1)  # servers do not say the size exactly
        if head.tag and self._context.recognise(head.part.encode(), head.tag):
            return MAIL_BYTES_MAX if size <= MAIL_BYTES_MAX else 0
        if size > STRANGER_BYTES_MAX:
            return 0
        known = self._context.knows(head.sender)  # strangers must not crowd out who may have new keys
        self._untagged[known] += 1
        return STRANGER_BYTES_MAX if self._untagged[known] <= STRANGERS_A_VISIT else 0

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Settle arrivals; their mails are put away when the visit ends."""
        others = self._handed.acknowledge(list(acknowledgements))
        if others:
            if self._box is None:
                self._box = self._mailbox()
            self._box.settle(others)

    # -- besides ------------------------------------------------------------------------------

    async def wait(self, timeout_ms: int) -> bool:
        """Wait for mail (IMAP's IDLE) on a line of its own. See `Waits`."""
        await self._complete()
        if not self._settings.fetch or self._account.imap is None:
            await asyncio.sleep(timeout_ms / 1000)
            return False
        box = await self._connected()
        try:
            return await box.wait(timeout_ms / 1000)
        finally:
            with suppress(Transient):
                await box.__aexit__(None, None, None)

    @asynccontextmanager
    async def scratch(self, name: str) -> AsyncIterator[Scratch]:
        """Lend the mailbox itself, from which the mails of a check go when they are done with. See `Scratches`."""
        yield Scratch(replace(self._settings, retire="expunge"), apart=False)

    def ration_keys(self) -> tuple[str, ...]:
        """How keys begin under which it is counted what went and came. See `Rationed`."""
        return self._sender().pace.keys

    def enough(self, parcels: int, size: int, readers: int) -> bool:
        """Return whether so much may go today, and come. See `Rationed`."""
        from paquebot_mail.scan import HEAD_COST

        us, now = self._settings.address, self._context.now_ms()
        around = (
            len(compose(b"", sender=us, recipient=us, date_ms=now)) + 3 * HEAD_COST
        )  # each looks, takes, and deletes
        return self._sender().pace.enough(parcels, parcels * around + mail_bytes(size) - mail_bytes(0), readers)

    def standing(self) -> list[Check]:
        """Say how the account stands. See `Stands`."""
        from paquebot_mail.standing import standing

        return standing(self._context, self._settings, self._sender().pace)

    async def examine(self, *, send: bool) -> AsyncIterator[Check]:
        """Try everything that the account depends on. See `Examined`."""
        from paquebot_mail.doctor import Doctor

        doctor = Doctor(self._account, self._context, self._secrets, self._sender().pace)
        async with closed_after(doctor.look(send=send)) as checks:
            async for check in checks:
                yield check

    def take(self, message: bytes) -> bool:
        """Keep the parcel in a mail that somebody hands in. See `Takes`."""
        return self._handed.take(message)
