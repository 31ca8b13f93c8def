"""Postfix's private configuration: own queue, own data, nothing of /etc. Its master needs root.

It takes mail from whoever logs in (Dovecot checks that), delivers to Dovecot, and cannot send off the machine.
"""

from __future__ import annotations

import grp
import os
import pwd
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

MASTER = Path("/usr/lib/postfix/sbin/master")


@dataclass(frozen=True, slots=True)
class Plan:
    """Where things are and on which ports."""

    root: Path
    domains: tuple[str, ...]
    smtp: int
    """STARTTLS and AUTH."""
    smtps: int
    """Implicit TLS and AUTH."""
    mx: int
    """Neither: what another provider's MTA would talk to."""
    lmtp: int
    sasl: int
    size_max: int
    per_10_seconds: int
    """How many mails a client may send in 10 seconds; 0 for any number."""


def write(plan: Plan) -> Path:
    """Write the configuration and the queue's tree; return where the configuration is."""
    place = plan.root / "postfix"
    etc = place / "etc"
    etc.mkdir(parents=True)
    _queue(place)
    (etc / "dynamicmaps.cf").touch()
    # Whoever is not called nobody… is taken; Dovecot knows better, and its refusal makes a bounce.
    (etc / "recipients").write_text("!/^nobody/ OK\n")
    (etc / "main.cf").write_text(_main(plan, place))
    (etc / "master.cf").write_text(_master(plan))
    for name in etc.iterdir():  # Postfix waits two seconds for a main.cf that might still be being edited
        os.utime(name, (time.time() - 60, time.time() - 60))
    return etc


def _queue(place: Path) -> None:
    postfix, drop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
    private = "active bounce corrupt defer deferred flush hold incoming private saved trace"
    tree = [(name, 0o700, postfix, 0) for name in private.split(" ")]
    tree += [
        ("", 0o755, 0, 0),
        ("pid", 0o755, 0, 0),
        ("public", 0o710, postfix, drop),
        ("maildrop", 0o730, postfix, drop),
    ]
    for name, mode, uid, gid in tree:
        folder = place / "spool" / name
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, uid, gid)
        folder.chmod(mode)
    (place / "data").mkdir(mode=0o700)
    os.chown(place / "data", postfix, 0)


def _main(plan: Plan, place: Path) -> str:
    return textwrap.dedent(f"""\
        compatibility_level = 3.6
        multi_instance_name =
        queue_directory = {place}/spool
        data_directory = {place}/data
        command_directory = /usr/sbin
        daemon_directory = {MASTER.parent}
        mail_owner = postfix
        setgid_group = postdrop
        maillog_file = {place}/log
        maillog_file_prefixes = {plan.root}
        myhostname = mail.{plan.domains[0]}
        mydestination =
        local_transport = error:no local delivery
        local_recipient_maps =
        alias_maps =
        alias_database =
        inet_interfaces = 127.0.0.1
        inet_protocols = ipv4
        mynetworks =
        relayhost =
        default_transport = error:the laboratory never sends off this machine
        relay_transport = error:the laboratory never sends off this machine
        virtual_mailbox_domains = {", ".join(plan.domains)}
        virtual_mailbox_maps = regexp:{place}/etc/recipients
        virtual_transport = lmtp:inet:127.0.0.1:{plan.lmtp}
        recipient_delimiter = +
        message_size_limit = {plan.size_max}
        mailbox_size_limit = 0
        virtual_mailbox_limit = 0
        smtputf8_enable = yes
        smtpd_sasl_auth_enable = yes
        smtpd_sasl_security_options = noanonymous
        smtpd_sasl_type = dovecot
        smtpd_sasl_path = inet:127.0.0.1:{plan.sasl}
        smtpd_tls_cert_file = {plan.root}/tls/server.pem
        smtpd_tls_key_file = {plan.root}/tls/server.key
        smtpd_tls_security_level = may
        smtp_tls_security_level = none
        smtpd_client_connection_count_limit = 0
        smtpd_client_message_rate_limit = {plan.per_10_seconds}
        smtpd_client_event_limit_exceptions =
        anvil_rate_time_unit = 10s
        smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
        smtpd_recipient_restrictions = permit_sasl_authenticated, reject
        lmtp_destination_concurrency_limit = 2
        lmtp_destination_recipient_limit = 1
        minimal_backoff_time = 2s
        maximal_backoff_time = 5s
        queue_run_delay = 2s
        maximal_queue_lifetime = 20s
        bounce_queue_lifetime = 20s
        in_flow_delay = 0
        """)


def _master(plan: Plan) -> str:
    def row(name: str, command: str, *, kind: str = "unix", wake: str = "-", most: str = "-") -> str:
        # The third column says who may talk to it: a wrong one shows as "no entropy for TLS key generation".
        public = kind == "inet" or name in {"pickup", "cleanup", "qmgr", "flush", "showq", "postlog"}
        return f"{name} {kind} {'n' if public else '-'} - n {wake} {most} {command}\n"

    return "".join(
        [
            row(f"127.0.0.1:{plan.smtp}", "smtpd", kind="inet"),
            row(f"127.0.0.1:{plan.smtps}", "smtpd", kind="inet") + "    -o smtpd_tls_wrappermode=yes\n",
            row(f"127.0.0.1:{plan.mx}", "smtpd", kind="inet")
            + "    -o smtpd_sasl_auth_enable=no\n    -o smtpd_relay_restrictions=reject_unauth_destination\n"
            + "    -o smtpd_recipient_restrictions=reject_unauth_destination\n",
            row("pickup", "pickup", wake="60", most="1"),
            row("cleanup", "cleanup", most="0"),
            row("qmgr", "qmgr", wake="300", most="1"),
            row("tlsmgr", "tlsmgr", wake="1000?", most="1"),
            row("rewrite", "trivial-rewrite"),
            row("bounce", "bounce", most="0"),
            row("defer", "bounce", most="0"),
            row("trace", "bounce", most="0"),
            row("verify", "verify", most="1"),
            row("flush", "flush", wake="1000?", most="0"),
            row("proxymap", "proxymap"),
            row("smtp", "smtp"),
            row("relay", "smtp"),
            row("showq", "showq"),
            row("error", "error"),
            row("retry", "error"),
            row("discard", "discard"),
            row("lmtp", "lmtp"),
            row("anvil", "anvil", most="1"),
            row("scache", "scache", most="1"),
            row("postlog", "postlogd", kind="unix-dgram", most="1"),
        ]
    )
