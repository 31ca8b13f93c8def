"""Dovecot's private configuration, for 2.3 and for 2.4, whose language differs in nearly every name.

Virtual users in a passwd-file, Maildir, IMAP with STARTTLS and with implicit TLS, LMTP, SASL for Postfix, and access
tokens that are checked here (HS256) as a provider would check its own.
"""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

BINARY = Path("/usr/sbin/dovecot")
_TOKEN_KEY = b"the laboratory's own key, which is no secret"


@dataclass(frozen=True, slots=True)
class Plan:
    """Where things are, on which ports, and as whom Dovecot runs."""

    root: Path
    user: str
    group: str
    uid: int
    gid: int
    imap: int
    imaps: int
    lmtp: int
    sasl: int
    quota: bool
    """Loads the quota plugin, which makes delivery ten times as slow."""
    tempfail: bool
    """A full mailbox is answered by 4xx instead of 5xx."""


def version() -> tuple[int, int]:
    """Return what is installed, as in (2, 3)."""
    said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = said.split(".")[:2]
    return int(major), int(minor)


def token(user: str, *, seconds: int = 3600, key: bytes = _TOKEN_KEY) -> str:
    """Return an access token for *user* that is good for so long; negative if it is to be an expired one."""

    def text(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    now = int(time.time())
    head = text(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "default"}).encode())
    claims = text(json.dumps({"sub": user, "iat": min(now, now + seconds) - 5, "exp": now + seconds}).encode())
    signed = head + b"." + claims
    return (signed + b"." + text(hmac.digest(key, signed, "sha256"))).decode()


def write(plan: Plan) -> None:
    """Write everything Dovecot needs below the root. TLS files are there already."""
    for name in ("dovecot/run", "dovecot/state", "mail", "keys/default/HS256"):
        (plan.root / name).mkdir(parents=True, exist_ok=True)
    (plan.root / "keys/default/HS256/default").write_text(base64.b64encode(_TOKEN_KEY).decode())
    (plan.root / "passwd").touch()
    newer = version() >= (2, 4)
    (plan.root / "oauth2.conf").write_text(
        f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={plan.root}/keys/\n"
        "username_attribute = sub\n"
    )
    text = (_settings_24 if newer else _settings_23)(plan) + _services(plan, newer=newer)
    (plan.root / "dovecot.conf").write_text(text)


def account(address: str, password: str, storage: str = "") -> str:
    """Return the passwd-file's line of one account; *storage* as in "256K" is its quota."""
    extra = f"userdb_quota_rule=*:storage={storage} userdb_quota_storage_size={storage}" if storage else ""
    return f"{address}:{{PLAIN}}{password}::::::{extra}\n"


def _services(plan: Plan, *, newer: bool) -> str:
    once = "restart_request_count = unlimited" if newer else "service_count = 0"
    here = f"{'listen' if newer else 'address'} = 127.0.0.1"
    # One process serves every login. Else each failed login delays the next ones from the same address.
    return textwrap.dedent(f"""
        service anvil {{
          chroot =
          unix_listener anvil-auth-penalty {{
            mode = 0
          }}
        }}
        service imap-login {{
          chroot =
          {once}
          process_min_avail = 1
          inet_listener imap {{
            {here}
            port = {plan.imap}
          }}
          inet_listener imaps {{
            {here}
            port = {plan.imaps}
            ssl = yes
          }}
        }}
        service imap {{
          process_min_avail = 1
        }}
        service lmtp {{
          process_min_avail = 1
          inet_listener lmtp {{
            {here}
            port = {plan.lmtp}
          }}
        }}
        service auth {{
          inet_listener sasl {{
            {here}
            port = {plan.sasl}
          }}
        }}
        service stats {{
          chroot =
        }}
        """) + ("" if newer else "service old-stats {\n  chroot =\n}\n")


def _shared(plan: Plan) -> str:
    return textwrap.dedent(f"""
        base_dir = {plan.root}/dovecot/run
        state_dir = {plan.root}/dovecot/state
        instance_name = paquebot-laboratory
        log_path = {plan.root}/dovecot/log
        protocols = imap lmtp
        listen = 127.0.0.1
        default_internal_user = {plan.user}
        default_internal_group = {plan.group}
        default_login_user = {plan.user}
        default_process_limit = 200
        mail_uid = {plan.uid}
        mail_gid = {plan.gid}
        first_valid_uid = 1
        first_valid_gid = 1
        mail_fsync = never
        mail_max_userip_connections = 200
        auth_mechanisms = plain login xoauth2 oauthbearer
        auth_username_chars =
        auth_failure_delay = 0
        auth_cache_size = 0
        recipient_delimiter = +
        ssl = yes
        ssl_min_protocol = TLSv1.2
        lmtp_rcpt_check_quota = {"yes" if plan.quota else "no"}
        quota_full_tempfail = {"yes" if plan.tempfail else "no"}
        namespace inbox {{
          inbox = yes
          separator = /
          mailbox Trash {{
            special_use = \\Trash
          }}
          mailbox Spam {{
            auto = create
            special_use = \\Junk
          }}
        }}
        """)


def _settings_23(plan: Plan) -> str:
    return _shared(plan) + textwrap.dedent(f"""
        default_vsz_limit = 1G
        mail_home = {plan.root}/mail/%d/%n
        mail_location = maildir:~/Maildir
        mail_plugins = {"quota" if plan.quota else ""} zlib
        mailbox_list_index = yes
        disable_plaintext_auth = no
        ssl_cert = <{plan.root}/tls/server.pem
        ssl_key = <{plan.root}/tls/server.key
        passdb {{
          driver = oauth2
          mechanisms = xoauth2 oauthbearer
          args = {plan.root}/oauth2.conf
        }}
        passdb {{
          driver = passwd-file
          mechanisms = plain login
          args = scheme=PLAIN username_format=%u {plan.root}/passwd
        }}
        userdb {{
          driver = passwd-file
          args = username_format=%u {plan.root}/passwd
        }}
        protocol imap {{
          mail_plugins = $mail_plugins {"imap_quota" if plan.quota else ""} imap_zlib
        }}
        plugin {{
          quota = count:User quota
          quota_vsizes = yes
          quota_rule = *:storage=1G
          quota_grace = 0
        }}
        """)


def _settings_24(plan: Plan) -> str:
    quota = """
        mail_plugins {
          quota = yes
        }
        protocol imap {
          mail_plugins {
            imap_quota = yes
          }
        }
        quota "User quota" {
          driver = count
        }
        quota_storage_size = 1G
        quota_storage_grace = 0
        """
    # The versions of the configuration language stand first.
    return (
        "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
        + _shared(plan)
        + textwrap.dedent(f"""
        mail_home = {plan.root}/mail/%{{user | domain}}/%{{user | username}}
        mail_driver = maildir
        mail_path = ~/Maildir
        auth_allow_cleartext = yes
        ssl_server_cert_file = {plan.root}/tls/server.pem
        ssl_server_key_file = {plan.root}/tls/server.key
        oauth2 {{
          introspection_mode = local
          username_attribute = sub
          oauth2_local_validation {{
            dict fs {{
              fs posix {{
                prefix = {plan.root}/keys/
              }}
            }}
          }}
        }}
        passdb oauth2 {{
          mechanisms_filter = xoauth2 oauthbearer
        }}
        passdb passwd-file {{
          mechanisms_filter = plain login
          default_password_scheme = plain
          auth_username_format = %{{user}}
          passwd_file_path = {plan.root}/passwd
        }}
        userdb passwd-file {{
          auth_username_format = %{{user}}
          passwd_file_path = {plan.root}/passwd
        }}
        """)
        + (textwrap.dedent(quota) if plan.quota else "")
    )
