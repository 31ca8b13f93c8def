"""Real mail servers on loopback, with a configuration of their own: Dovecot, and Postfix where we are root.

They start in half a second and leave nothing behind. As root, Dovecot runs as nobody. Without root the scripted MTA
stands where Postfix would. Only processes that were started here are ended.
"""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.labs.mail import certificates, dovecot, postfix
from tests.labs.mail.mta import EXTENSIONS, Rules, ScriptedMta

DOMAINS = ("a.test", "b.test", "c.test")
ACCOUNTS = 2000
PACKAGES = "dovecot-imapd dovecot-lmtpd postfix"
_START_SECONDS = 30
_LOGS = ("dovecot.out", "dovecot/log", "postfix.out", "postfix/log")


def missing() -> str:
    """Return why there can be no mail servers here; empty if there can."""
    return "" if dovecot.BINARY.exists() else f"dovecot is missing; Debian: apt install {PACKAGES}"


def missing_mta() -> str:
    """Return why there can be no Postfix here; empty if there can."""
    if os.geteuid() != 0:
        return "Postfix must be started by root"
    return "" if postfix.MASTER.exists() else "postfix is missing; Debian: apt install postfix"


def free_ports(count: int) -> list[int]:
    """Return so many ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass(frozen=True, slots=True)
class Mail:
    """What a person would see of one mail in a mailbox."""

    uid: int
    flags: frozenset[str]
    """Without \\Recent."""
    head: bytes
    """All header lines."""

    @property
    def id(self) -> str:
        """The Message-ID; empty if there is none."""
        for line in self.head.replace(b"\r\n ", b" ").split(b"\r\n"):
            if line.lower().startswith(b"message-id:"):
                return line.partition(b":")[2].strip().decode("ascii", "replace")
        return ""


class MailServers:
    """One mail house: accounts, and ports on 127.0.0.1 whose certificate is for `localhost`."""

    def __init__(
        self,
        *,
        mta: bool = True,
        quota: bool = False,
        tempfail: bool = False,
        size_max: int = 30_000_000,
        per_10_seconds: int = 0,
    ) -> None:
        self.has_postfix = mta and not missing_mta()
        """Whether a real Postfix takes submissions, and not the scripted MTA."""
        memory = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(prefix="paquebot-mail-", dir=memory if os.access(memory, os.W_OK) else None))
        self.host = "localhost"
        (self.imap, self.imaps, self.lmtp, self.smtp, self.smtps, self.mx, self._sasl) = free_ports(7)
        self.start_seconds = 0.0
        self._quota, self._tempfail, self._size_max, self._rate = quota, tempfail, size_max, per_10_seconds
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._user = user
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._scripted: list[ScriptedMta] = []
        self._accounts: dict[str, str] = {}
        self._serial = 0

    @property
    def ca(self) -> Path:
        """The certificate authority to be trusted, as a file."""
        return self.root / "tls/ca.pem"

    def context(self) -> ssl.SSLContext:
        """Return what a client verifies the servers by."""
        return ssl.create_default_context(cafile=self.ca)

    # -- accounts -----------------------------------------------------------------------------

    def account(self, domain: str = DOMAINS[0], *, storage: str = "", name: str = "") -> Mailbox:
        """Return a mailbox that nobody has used yet.

        *storage*, as in "256K", is its quota; *name* is how its address begins. Either costs a second.
        """
        self._serial += 1
        mailbox = Mailbox(self, f"n{self._serial}@{domain}", _password(self._serial))
        if storage or name:
            mailbox = Mailbox(self, f"{name}q{self._serial}@{domain}", _password(self._serial))
            with (self.root / "passwd").open("a") as file:
                file.write(dovecot.account(mailbox.address, mailbox.password, storage))
            time.sleep(1.1)  # Dovecot looks once a second whether the file has changed
        self._accounts[mailbox.address] = mailbox.password
        return mailbox

    # -- processes ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start, and wait until all ports answer."""
        begun = time.monotonic()
        try:
            self._write()
            self._spawn()
            deadline = begun + _START_SECONDS
            self._await(self.imap, b"* OK", deadline)
            self._await(self.imaps, b"* OK", deadline, tls=True)
            self._await(self.lmtp, b"220", deadline)
            if self.has_postfix:
                self._await(self.smtp, b"220", deadline)
                self._await(self.smtps, b"220", deadline, tls=True)
        except BaseException as error:
            for name in _LOGS:
                if (self.root / name).exists():
                    error.add_note(f"--- {name}\n{(self.root / name).read_text()[-1500:]}")
            self.__exit__()
            raise
        self.start_seconds = time.monotonic() - begun
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End what was started here, and remove its files."""
        for mta in self._scripted:
            mta.stop()
        for process in self._processes.values():  # what is to be deleted needs no orderly end
            _kill(process)
        self._processes.clear()
        shutil.rmtree(self.root, ignore_errors=True)

    def crash(self) -> None:
        """Kill Dovecot with everything it has started; `start_again` brings it back."""
        _kill(self._processes.pop("dovecot"))

    def start_again(self) -> None:
        """Start Dovecot after a `crash`, with the same mailboxes."""
        self._spawn_dovecot()
        self._await(self.imap, b"* OK", time.monotonic() + _START_SECONDS)

    def doveadm(self, *words: str) -> str:
        """Have Dovecot's administrator do something; return what it says."""
        command = ["/usr/bin/doveadm", "-c", str(self.root / "dovecot.conf"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def _write(self) -> None:
        self.root.chmod(0o755)
        certificates.write(self.root / "tls")
        user = self._user
        dovecot.write(
            dovecot.Plan(
                root=self.root,
                user=user.pw_name,
                group=grp.getgrgid(user.pw_gid).gr_name,
                uid=user.pw_uid,
                gid=user.pw_gid,
                imap=self.imap,
                imaps=self.imaps,
                lmtp=self.lmtp,
                sasl=self._sasl,
                quota=self._quota,
                tempfail=self._tempfail,
            )
        )
        accounts = [(f"n{number}@{domain}", number) for number in range(1, ACCOUNTS + 1) for domain in DOMAINS]
        (self.root / "passwd").write_text(
            "".join(dovecot.account(address, _password(number)) for address, number in accounts)
        )
        if self.has_postfix:
            self._postfix = postfix.write(
                postfix.Plan(
                    root=self.root,
                    domains=DOMAINS,
                    smtp=self.smtp,
                    smtps=self.smtps,
                    mx=self.mx,
                    lmtp=self.lmtp,
                    sasl=self._sasl,
                    size_max=self._size_max,
                    per_10_seconds=self._rate,
                )
            )
        if os.geteuid() == 0:
            for name in ("dovecot", "mail", "keys", "passwd", "oauth2.conf", "tls/server.key", ""):
                top = self.root / name
                for path in [top, *(top.rglob("*") if name and top.is_dir() else ())]:
                    os.chown(path, user.pw_uid, user.pw_gid)

    def _spawn(self) -> None:
        self._spawn_dovecot()
        if self.has_postfix:
            with (self.root / "postfix.out").open("wb") as out:
                self._processes["postfix"] = subprocess.Popen(
                    [postfix.MASTER, "-c", self._postfix, "-s"],
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": str(self._postfix), "LANG": "C"},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    cwd="/",
                )
        else:
            for port, implicit in ((self.smtp, False), (self.smtps, True)):
                self._scripted.append(self.scripted(port=port, implicit=implicit))

    def _spawn_dovecot(self) -> None:
        user = self._user
        drop = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        with (self.root / "dovecot.out").open("ab") as out:
            self._processes["dovecot"] = subprocess.Popen(  # type: ignore[call-overload]
                [dovecot.BINARY, "-F", "-c", self.root / "dovecot.conf"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd="/",
                **drop,
            )

    def _await(self, port: int, greeting: bytes, deadline: float, *, tls: bool = False) -> None:
        while True:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode} before port {port} answered")
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
                    if not tls and line.recv(256).startswith(greeting):
                        return
                    if tls:
                        with self.context().wrap_socket(line, server_hostname=self.host) as wrapped:
                            if wrapped.recv(256).startswith(greeting):
                                return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {greeting!r} on port {port}")
            time.sleep(0.02)

    # -- other ways in ------------------------------------------------------------------------

    def scripted(
        self, rules: Rules = lambda verb, argument, session: None, *, port: int = 0, implicit: bool = True
    ) -> ScriptedMta:
        """Return a scripted MTA that delivers to these mailboxes; the caller stops it."""
        return ScriptedMta(
            rules=rules,
            extensions=[f"SIZE {self._size_max}" if each.startswith("SIZE") else each for each in EXTENSIONS],
            login=lambda user, password: self._accounts.get(user) == password,
            deliver=lambda taken: self.deliver(taken.sender, taken.recipients, taken.data),
            certificate=(self.root / "tls/server.pem", self.root / "tls/server.key"),
            implicit=implicit,
            port=port,
        )

    def deliver(self, sender: str, recipients: Iterable[str], *mails: bytes) -> None:
        """Put mails straight into mailboxes, as the last MTA does. Raise what smtplib raises if that fails."""
        with smtplib.LMTP("127.0.0.1", self.lmtp) as line:
            for mail in mails:
                line.sendmail(sender, list(recipients), mail)


class Mailbox:
    """One account. What a person and the provider do with it is done here."""

    def __init__(self, servers: MailServers, address: str, password: str) -> None:
        self.servers = servers
        self.address = address
        self.password = password

    @property
    def folder(self) -> Path:
        """The Maildir."""
        name, domain = self.address.split("@")
        return self.servers.root / "mail" / domain / name / "Maildir"

    def token(self, seconds: int = 3600) -> str:
        """Return an access token for this account that is good for so long; an expired one if negative."""
        return dovecot.token(self.address, seconds=seconds)

    def receive(self, *mails: bytes, sender: str = "friend@c.test") -> None:
        """Let mails arrive."""
        self.servers.deliver(sender, [self.address], *mails)

    def person(self) -> imaplib.IMAP4:
        """Return the person's own mail program, logged in; use it in a ``with``."""
        program = imaplib.IMAP4("127.0.0.1", self.servers.imap)
        program.authenticate("PLAIN", lambda _: f"\0{self.address}\0{self.password}".encode())
        return program

    def look(self, folder: str = "INBOX") -> list[Mail]:
        """Return what lies in *folder*, in order of UIDs, without changing anything."""
        with self.person() as program:
            kind, _ = program.select(f'"{folder}"', readonly=True)
            if kind != "OK":
                return []
            _, lines = program.uid("fetch", "1:*", "(FLAGS BODY.PEEK[HEADER])")
        mails = []
        for line in lines:
            if isinstance(line, tuple):
                words = line[0].decode()
                flags = {flag.decode() for flag in imaplib.ParseFlags(line[0])} - {"\\Recent"}
                uid = int(words.split("UID ")[1].split()[0])
                mails.append(Mail(uid, frozenset(flags), line[1]))
        return sorted(mails, key=lambda mail: mail.uid)

    def folders(self) -> list[str]:
        """Return the names of all folders."""
        with self.person() as program:
            _, lines = program.list()
        return sorted(line.decode().rsplit(' "/" ', 1)[1].strip('"') for line in lines if isinstance(line, bytes))

    def kick(self) -> None:
        """Have the server end this account's connections."""
        self.servers.doveadm("kick", self.address)

    def renumber(self, folder: str = "INBOX", *, legally: bool = True) -> None:
        """Do what a migration of providers does: the same mails and flags, another UIDVALIDITY, other UIDs.

        Illegally, the counter of UIDVALIDITY is lost too: the next one is the time in seconds, so it may be the same
        as before, with other UIDs. Such servers exist.
        """
        self.kick()
        place = self.folder if folder == "INBOX" else self.folder / f".{folder.replace('/', '.')}"
        for file in place.glob("dovecot*"):
            if file.is_file() and not (legally and "uidvalidity" in file.name):
                file.unlink()


def _password(number: int) -> str:
    return f'pass "word" \\{number}'


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the session that we made, so children too
    process.wait(10)
