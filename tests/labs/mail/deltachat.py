"""Delta Chat's core as a mail program that we did not write: it fetches, decrypts, verifies, shows, and answers.

It is driven as its own desktop program drives it, by JSON-RPC over a pipe, and reaches nothing but the servers given.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

from tests.labs.mail.servers import Mailbox


def missing() -> str:
    """Return why it cannot be had here; empty if it can."""
    return "" if importlib.util.find_spec("deltachat_rpc_server") else "deltachat-rpc-server is not installed"


class DeltaChat:
    """One running core with one account in *mailbox*, whose secret key is *key* (OpenPGP, armoured), or its own."""

    def __init__(self, folder: Path, mailbox: Mailbox, key: bytes = b"") -> None:
        spec = importlib.util.find_spec("deltachat_rpc_server")
        assert spec is not None
        assert spec.origin is not None
        program = Path(spec.origin).parent / "deltachat-rpc-server"
        self._folder, self._mailbox = folder, mailbox
        (folder / "keys").mkdir(parents=True)
        if key:
            (folder / "keys" / "own.asc").write_bytes(key)
        self._process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"DC_ACCOUNTS_PATH": str(folder / "accounts"), "PATH": os.environ["PATH"]},
            process_group=0,
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._serial = 0
        self._account = 0

    def __enter__(self) -> Self:
        """Set the account up and go online."""
        self._account = self.ask("add_account")
        for name, value in (("displayname", "Bob"), ("bcc_self", "0"), ("mdns_enabled", "0")):
            self.call("set_config", name, value)
        if any((self._folder / "keys").iterdir()):
            self.call("import_self_keys", str(self._folder / "keys"), "")
        servers = self._mailbox.servers
        self.call(
            "add_or_update_transport",
            {
                "addr": self._mailbox.address,
                "password": self._mailbox.password,
                "imapServer": "localhost",
                "imapPort": servers.imaps,
                "imapSecurity": "ssl",
                "smtpServer": "localhost",
                "smtpPort": servers.smtps,
                "smtpSecurity": "ssl",
                "certificateChecks": "acceptInvalidCertificates",
            },
        )
        self.call("start_io")
        self.call("wait_for_all_work_done")  # whatever lies in a mailbox before is not looked at
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        self._process.stdout.close()

    def knows(self, address: str, certificate: bytes) -> int:
        """Add a contact with its key; return its number."""
        card = (
            f"BEGIN:VCARD\r\nVERSION:4.0\r\nEMAIL:{address}\r\nFN:Alice\r\n"
            f"KEY:data:application/pgp-keys;base64\\,{base64.b64encode(certificate).decode()}\r\nEND:VCARD\r\n"
        )
        return self.takes(card)

    def takes(self, card: str) -> int:
        """Add a contact by its *card* (vCard); return its number."""
        contact: int = self.call("import_vcard_contents", card)[0]
        return contact

    def messages(self, contact: int) -> list[dict[str, Any]]:
        """Return what came from *contact*, oldest first, without Delta Chat's own remarks."""
        chat = self.call("create_chat_by_contact_id", contact)
        numbers = self.call("get_message_ids", chat, False, False)
        found = (self.call("get_message", number) for number in numbers)
        return [each for each in found if not each["isInfo"] and each["fromId"] == contact]

    def await_messages(self, contact: int, count: int, seconds: float = 20) -> list[dict[str, Any]]:
        """Return what came from *contact* as soon as that are *count*, or when *seconds* are over."""
        end = time.monotonic() + seconds
        while len(found := self.messages(contact)) < count and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def write(self, contact: int, text: str) -> None:
        """Write to *contact*."""
        chat = self.call("create_chat_by_contact_id", contact)
        self.call("misc_send_text_message", chat, text)

    def call(self, method: str, *params: object) -> Any:
        """Ask for something of the account."""
        return self.ask(method, self._account, *params)

    def ask(self, method: str, *params: object) -> Any:
        """Ask for something; return the answer."""
        self._serial += 1
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": self._serial}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            answer = self._answers.get(timeout=60)
            if answer.get("id") == self._serial:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(json.loads(line))
