"""A private certificate authority and the servers' certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "mail.a.test")


def write(folder: Path, *, days: int = 30) -> None:
    """Write ca.pem, server.pem and server.key into *folder*, good from a day ago for *days*."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    begin = datetime.now(UTC) - timedelta(days=1)

    def certificate(name: str, public: ec.EllipticCurvePublicKey, extensions: list[x509.ExtensionType]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "laboratory")]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=days))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=not isinstance(extension, x509.SubjectAlternativeName))
        return builder.sign(authority, SHA256()).public_bytes(Encoding.PEM)

    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    (folder / "ca.pem").write_bytes(
        certificate("laboratory", authority.public_key(), [x509.BasicConstraints(ca=True, path_length=0), usage])
    )
    names = x509.SubjectAlternativeName(
        [*(x509.DNSName(name) for name in NAMES), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    (folder / "server.pem").write_bytes(
        certificate("localhost", key.public_key(), [x509.BasicConstraints(ca=False, path_length=None), names])
    )
    (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "server.key").chmod(0o600)
