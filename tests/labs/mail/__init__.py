"""The mail laboratory: real Dovecot and Postfix on loopback, a proxy that breaks lines, an MTA that does as it is told.

Fixtures for every test of mail are in `tests.labs.mail.fixtures`.
"""
