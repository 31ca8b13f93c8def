"""Why there is no line to a server, in words that say what to look at: for receiving, sending and the doctor alike.

Each sentence is to stand behind the server's name. Whoever reads it has the settings before them, and not the wire.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl

from paquebot_mail.server import Language, Server, Tls
from paquebot_mail.settings import count

__all__ = ["NO_STARTTLS", "foreign", "no_answer", "why"]

NO_STARTTLS = "it does not offer STARTTLS, and nothing is said in clear"
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_CUT = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
_OTHER_NAME = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_OTHER_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "RECORD_LAYER_FAILURE",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
)
_OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")
_GREETINGS = {"* OK": "IMAP", "* PREAUTH": "IMAP", "220": "SMTP", "+OK": "POP3", "SSH-": "SSH"}
_SHOWN_MAX = 100
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def why(error: BaseException, server: Server, language: Language, seconds: float, *, greeted: bool = False) -> str:
    """Return why *error*, which came within *seconds*, ended the line to *server*, or kept us from it.

    >>> why(ConnectionRefusedError(errno.ECONNREFUSED, ""), Server("a.example", 25), Language.SMTP, 60)
    'nothing listens at port 25: either host and port of smtp are wrong, or it is down'
    """
    match error:
        case ssl.SSLCertVerificationError():
            return _certificate(error, language)
        case ssl.SSLEOFError() | EOFError():
            return "the line broke"
        case ssl.SSLError():
            return _tls(error.reason or "", server, language)
        case TimeoutError():
            return no_answer(server, seconds, greeted=greeted)
        case socket.gaierror(errno=socket.EAI_NONAME):
            return f"no such name is known: look at host of {language.table}, and whether this machine is online"
        case socket.gaierror():
            return "the name cannot be looked up now: look whether this machine is online"
        case OSError():
            return _number(error, server, language, seconds)
    return str(error) or type(error).__name__


def no_answer(server: Server, seconds: float, *, greeted: bool = False) -> str:
    """Return that *server* was silent for so many *seconds*: perhaps since it waits for us to begin with TLS.

    >>> no_answer(Server("a.example", 465, Tls.STARTTLS), 60)
    'no answer in 60 seconds; if TLS begins at once at port 465, write tls = "implicit"'
    """
    said = f"no answer in {count(round(seconds), 'second')}"
    waits = server.tls is Tls.STARTTLS and not greeted
    return f'{said}; if TLS begins at once at port {server.port}, write tls = "implicit"' if waits else said


def foreign(greeting: str, language: Language) -> str:
    """Return what is wrong with a *greeting* in another language.

    >>> foreign("220 mail.a.example ESMTP", Language.IMAP)
    'it speaks SMTP, not IMAP: look at host and port of imap'
    >>> foreign("yes?", Language.SMTP)
    "it does not speak SMTP: its greeting is 'yes?'"
    """
    spoken = next((name for begins, name in _GREETINGS.items() if greeting.startswith(begins)), language.name)
    if spoken != language.name:
        return f"it speaks {spoken}, not {language.name}: look at host and port of {language.table}"
    return f"it does not speak {language.name}: its greeting is {greeting[:_SHOWN_MAX]!r}"


def _certificate(error: ssl.SSLCertVerificationError, language: Language) -> str:
    said = f"its certificate is not good: {error.verify_message.rstrip('.')}"
    if error.verify_code in _OTHER_NAME:
        return f"{said}; look at host of {language.table}"
    if error.verify_code in _OTHER_TIME:
        return f"{said}; look at this machine's clock, too"
    return f"{said}; for a CA of your own, set ca_file"


def _tls(reason: str, server: Server, language: Language) -> str:
    if reason in _OLD_TLS:
        return "it speaks no TLS newer than 1.1, which is not safe"
    if reason in _NOT_TLS and server.tls is Tls.IMPLICIT:
        usual, _ = language.value
        elsewhere = "" if server.port == usual else f", or the port where TLS begins at once, mostly {usual}"
        return f'TLS does not begin at once at port {server.port}: write tls = "starttls"{elsewhere}'
    return f"TLS fails: {reason.lower().replace('_', ' ') or 'no reason is told'}"


def _number(error: OSError, server: Server, language: Language, seconds: float) -> str:
    """Return what an error of the system means: of several addresses each failed, and Python tells that in one text.

    >>> server = Server("localhost", 25)
    >>> both = OSError(f"Multiple exceptions: [Errno {errno.ENETUNREACH}] no, [Errno {errno.ECONNREFUSED}] no")
    >>> _number(both, server, Language.SMTP, 9).partition(":")[0]
    'nothing listens at port 25'
    """
    found = {error.errno} if error.errno else {int(each) for each in _ERRNO.findall(str(error))}
    if errno.ECONNREFUSED in found:
        return (
            f"nothing listens at port {server.port}: either host and port of {language.table} are wrong, or it is down"
        )
    if errno.ETIMEDOUT in found:
        return no_answer(server, seconds)
    if found.intersection(_CUT) or (isinstance(error, ConnectionError) and not found):
        return "the line broke"
    if found.intersection(_UNREACHABLE):
        return "no way leads there: look whether this machine is online"
    return error.strerror or str(error) or type(error).__name__
