"""Sending parcels from one account: what each answer leads to, and when to stop.

A mail whose last answer was lost is handed in again, byte for byte; what could not go in this pass is planned anew in
another. A handover means that the provider took the mail, and no more.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from paquebot.transport import (
    Context,
    Handover,
    Outgoing,
    ParcelTooLarge,
    Permanent,
    Stage,
    Transient,
    TransportError,
)
from paquebot_mail.answers import ACCOUNT, Kind, Verb, judge
from paquebot_mail.form import compose, is_address, parcel_bytes, part_id
from paquebot_mail.pace import Accepted, Limits, Pace, Wait
from paquebot_mail.server import Login, Server, Tls, tls_context
from paquebot_mail.session import Answer, Lost, Patience, Session

if TYPE_CHECKING:
    import ssl

__all__ = ["Budget", "Sender"]

_CARRIED_MAX = 20  # some servers get slow or refuse after that many on one connection
_IDLE_S = 60
_LOST_MAX = 3  # connections in a row that carried nothing; then the pass is over


class Budget(Transient):
    """The account has sent what it may for now; the rest goes later."""


@dataclass(frozen=True, slots=True)
class _Mail:
    id: bytes
    to: str
    part: str
    data: bytes


class Sender:
    """Sends from *account*, a bare address, through *server*. It may be kept and used for one batch after another.

    Without *login*, the server is one that asks nobody who they are.
    """

    def __init__(
        self,
        account: str,
        server: Server,
        login: Login | None,
        context: Context,
        *,
        limits: Limits,
        about: str = "",
        patience: Patience | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._account = account
        self._server = server
        self._login = login
        self._context = context
        self._tls: ssl.SSLContext | None = None
        self._about = about
        self._patience = patience or Patience()
        self._session: Session | None = None
        self._used = 0.0
        self._lost = 0
        """How many connections in a row carried nothing."""
        self.pace = Pace(context, account, limits, jitter)

    @property
    def parcel_bytes_max(self) -> int:
        """The largest parcel that is worth trying; learnt from the server's answers."""
        return parcel_bytes(self.pace.mail_bytes_max)

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Send *batch*, yielding what became of each parcel. See `Transport.send`.

        Raise `Transient` when nothing more can go from this account now, `Budget` if that is as it should be.
        """
        if batch:
            await self._check()
        self._lost = 0
        for outgoing in batch:
            try:
                mail = await self._mail(outgoing)
            except Budget:
                raise
            except TransportError as error:
                address = outgoing.recipients[0].address if outgoing.recipients else ""
                yield Handover(outgoing.id, Stage.FAILED, address, error)
                continue
            try:
                yield self._settled(mail, await self._submitted(mail))
            except ParcelTooLarge as error:
                yield Handover(mail.id, Stage.FAILED, mail.to, error)
            del mail

    async def close(self) -> None:
        """Close the connection, if one is kept."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # -- before ---------------------------------------------------------------------------------

    async def _check(self) -> None:
        """Raise `Transient` if the account is waiting for something."""
        wait = self.pace.waiting()
        if wait is None:
            return
        login = self._login if wait.kind == Kind.LOGIN.value else None
        if login and not self.pace.knows(_mark(login, await login.secret())):
            return  # somebody has changed it
        raise self._stopped(wait)

    async def _mail(self, outgoing: Outgoing) -> _Mail:
        """Return the mail that brings *outgoing*. Raise `TransportError` if it cannot go, `Budget` if nothing can."""
        to = outgoing.recipients[0].address if outgoing.recipients else ""
        if not is_address(to):
            raise Permanent("no mail address is known")
        if wait := self.pace.waiting(to):
            raise Transient(wait.why, retry_after_ms=wait.until - self._context.now_ms())
        self._check_room(0)
        _go_on()
        parcel = await outgoing.body()
        mail = _Mail(
            outgoing.id,
            to,
            part_id(parcel),
            compose(
                parcel,
                sender=self._account,
                recipient=to,
                date_ms=self._context.now_ms(),
                about=self._about,
                tag=outgoing.recipients[0].tag(part_id(parcel).encode()),
            ),
        )
        if len(mail.data) > self.pace.mail_bytes_max:
            raise ParcelTooLarge(f"the mail would be {len(mail.data)} bytes; {self.pace.mail_bytes_max} can go")
        self._check_room(len(mail.data))
        return mail

    def _check_room(self, size: int) -> None:
        if wait := self.pace.room_ms(size):
            raise Budget(f"{self._account} has sent what it may for now", retry_after_ms=wait)

    # -- handing in -----------------------------------------------------------------------------

    async def _submitted(self, mail: _Mail) -> Answer:
        """Return the last word on *mail*: the same bytes are handed in again as long as there is none.

        Raise `ParcelTooLarge` if the line broke too often, and may bear smaller mails.
        """
        while True:
            session = await self._ready()
            try:
                answer = await session.submit(self._account, mail.to, mail.part, mail.data)
                if judge(*answer) is not Kind.LINE:
                    self._used, self._lost = time.monotonic(), 0
                    return answer
                why = f"{answer.code} {answer.text}"
            except Lost as loss:
                why = str(loss)
            if session.uploaded:
                self.pace.spent(session.uploaded)
            self._session = None
            session.cut()
            # A server may end a connection that has carried mails; one that never carries any is broken.
            self._lost += session.carried == 0
            if self._lost >= _LOST_MAX:
                self._give_up(mail, session, f"{self._server.host}: {why}")
            self._check_room(len(mail.data))

    def _give_up(self, mail: _Mail, session: Session, why: str) -> NoReturn:
        """Raise `Transient`: the line is broken. Or `ParcelTooLarge`, if the mail is large: others get a try."""
        size = len(mail.data)
        if session.uploaded and self.pace.too_large(size, most=size // 2, doubtful=True):
            self._lost -= 1
            raise ParcelTooLarge(f"{why}, {_LOST_MAX} times within a mail of {size} bytes; smaller ones are tried")
        raise self._stopped(self.pace.trouble(Kind.LINE, why))

    async def _ready(self) -> Session:
        """Return a connection that is logged in. Raise `Transient`."""
        session = self._session
        if session is not None:
            if session.alive and session.carried < _CARRIED_MAX and time.monotonic() - self._used < _IDLE_S:
                return session
            await self.close()
        secret = await self._login.secret() if self._login else ""
        session, answer = await self._opened(secret)
        if judge(*answer) is Kind.LOGIN and self._login and self._login.token:
            # It may just have expired.
            session.cut()
            secret = await self._login.secret()
            session, answer = await self._opened(secret)
        kind = judge(*answer)
        if kind is not Kind.TAKEN:
            session.cut()
            said = f"{self._server.host}: {answer.code} {answer.text}"
            if kind is Kind.LOGIN and self._login:
                raise self._stopped(self.pace.refused(_mark(self._login, secret), said))
            raise self._stopped(self.pace.trouble(kind if kind in ACCOUNT else Kind.HELD, said))
        self.pace.welcomed()
        if session.size_max is not None:
            self.pace.too_large(0, most=session.size_max)
        self._session, self._used = session, time.monotonic()
        return session

    async def _opened(self, secret: str) -> tuple[Session, Answer]:
        if self._tls is None and self._server.tls is not Tls.NONE:
            self._tls = tls_context(self._server)
        session = Session(self._server, self._tls, self._patience)
        try:
            answer = await session.open()
            if self._login and judge(*answer) is Kind.TAKEN:
                answer = await session.login(self._login.user, secret, token=self._login.token)
        except Lost as loss:
            raise self._stopped(self.pace.trouble(Kind.LINE, f"{self._server.host}: {loss}")) from None
        return session, answer

    def _stopped(self, wait: Wait) -> Transient:
        return Transient(wait.why, retry_after_ms=max(0, wait.until - self._context.now_ms()))

    # -- after ----------------------------------------------------------------------------------

    def _settled(self, mail: _Mail, answer: Answer) -> Handover:
        """Note what *answer* means for *mail*; return it as news. Raise `Transient` if it concerns the account."""
        kind, said = judge(*answer), f"{self._server.host}: {answer.code} {answer.text}"
        if kind is Kind.TAKEN:
            now = self._context.now_ms()
            self.pace.accepted(mail.part, Accepted(mail.id.hex(), mail.to, now, len(mail.data)))
            return Handover(mail.id, Stage.ACCEPTED, said)
        if answer.verb is Verb.DATA and self._session is not None and self._session.uploaded:
            self.pace.spent(len(mail.data))
        if kind in ACCOUNT:
            raise self._stopped(self.pace.trouble(kind, said))
        error: TransportError
        if kind is Kind.LARGE:
            self.pace.too_large(len(mail.data), most=self._session.size_max if self._session else None)
            error = ParcelTooLarge(said)
        else:
            wait = self.pace.trouble(kind, said, mail.to)
            error = Transient(said, retry_after_ms=wait.until - self._context.now_ms())
        return Handover(mail.id, Stage.FAILED, mail.to, error)


def _mark(login: Login, secret: str) -> str:
    """Return what must change before a refused login is tried before its time. Tokens are new ones each time."""
    return f"{login.user}\0{'' if login.token else secret}"


def _go_on() -> None:
    """Raise `CancelledError` if we were cancelled: aiosmtplib waits by `wait_for`, which may swallow that (3.11)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
