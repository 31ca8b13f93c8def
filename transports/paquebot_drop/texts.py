"""What people find on the medium."""

from __future__ import annotations

import re

from paquebot.transport import Permanent
from paquebot_drop.folder import ROOT, Folder

README = """\
You found somebody's post. The folder PAQUEBOT carries letters between people whose network is a stick in a
pocket. Everything in it is sealed: nobody but its recipients can read it, and nothing in it is a program or can
harm your computer. Please give this medium back, or plug it into any machine with paquebot, which will carry the
letters on. You may keep your own files beside the folder; please do not change, rename or delete what is in it.
"""

FORMAT = """\
paquebot drop 1
{volume}

C/x/NAME.PQB  a crate, never changed. Records, each: "PQR1", u32 length, id16 (half SHA-256 of the body), u8
              priority + 16 * how many nodes have carried it on, u32 expires (hours since 1970), u8 recipients,
              for each: tag8, token hash16; CRC-32 of all that; body. Then the index, for each record: id16, u8
              as above, u32 expires, u8 recipients, u32 offset, u32 length, for each recipient: tag8, token
              hash16; then half SHA-256 of the index, u32 its length, u32 records, "PQX1".
A/NAME.ACK    a slip: "PQA1", 26 letters of a crate's name, u32 expires, u32 tokens, for each: id16, token16;
              u8 1 if the crate was found damaged; half SHA-256 of all that.
All numbers are little-endian. A record is needed until each of its token hashes has been matched by a token
(BLAKE2b-128, personalised "paquebot token") or it has been expired for four weeks. A crate may be deleted when no
record in it is needed, or all that are lie in other crates, whole and under the same header: in smaller ones, or in
ones of the same size that come before it by name; and not before.
"""

_FORMAT_MAX = 4096
_VERSION = re.compile(r"paquebot drop (\d{1,9})\r?\n", re.ASCII)
_VOLUME = re.compile(r"[^\n]*\n([A-Z2-7]{16})\r?\n", re.ASCII)
_FORMAT_PARTS = (ROOT, "FORMAT.TXT")


def read_names(text: str) -> tuple[str, str] | None:
    """Return version and volume that a file such as `FORMAT` names, if it is one."""
    version, volume = _VERSION.match(text), _VOLUME.match(text)
    return (version[1], volume[1]) if version and volume else None


def is_inside(folder: Folder) -> bool:
    """Return whether *folder* is no medium, but what lies on one: somebody named the folder `ROOT` itself."""
    with folder.reading((_FORMAT_PARTS[-1],)) as read:
        return read_names(read(0, _FORMAT_MAX).decode("utf-8", "replace")) is not None


def read_volume(folder: Folder) -> str | None:
    """Return the volume id that stands on the medium, if any. Raise `Permanent` if its format is too new."""
    with folder.reading(_FORMAT_PARTS) as read:
        text = read(0, _FORMAT_MAX).decode("utf-8", "replace")
    version, volume = _VERSION.match(text), _VOLUME.match(text)
    if version and version[1] != "1":
        raise Permanent("this stick was written by a newer paquebot: upgrade this one; nothing was touched")
    return volume[1] if version and volume else None


def write_volume(folder: Folder, volume: str) -> str:
    """Name the medium *volume* unless it has a name; return its name."""
    there = read_volume(folder)
    if there:
        return there
    if folder.look_at((ROOT, "README.TXT")) is None:
        folder.write((ROOT, "README.TXT"), README.encode())
    torn = folder.look_at(_FORMAT_PARTS)
    if torn is not None and torn.size <= _FORMAT_MAX:  # or it would have named the medium
        folder.delete(_FORMAT_PARTS, torn.size)
    folder.write(_FORMAT_PARTS, FORMAT.format(volume=volume).encode())
    return volume
