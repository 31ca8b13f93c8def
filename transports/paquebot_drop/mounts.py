"""The mount table: which medium is mounted where, and waiting for one to come. Nothing is ever mounted from here."""

from __future__ import annotations

import asyncio
import os
import re
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from paquebot.transport import Permanent, Transient
from paquebot_drop.folder import Folder, mount_id
from paquebot_drop.texts import read_volume

TABLE = "/proc/self/mountinfo"
PLACES = ("/media", "/run/media", "/mnt", "/Volumes")
"""Where desktops and people mount what comes and goes. No other place is searched."""
LINKS = ("/dev/disk/by-label", "/dev/disk/by-uuid")
MOUNTS_MAX = 256  # looked at: a machine with more has other troubles
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "davfs", "ceph", "glusterfs", "afs", "coda", "ncpfs"}
_NETWORK_FUSE = {"sshfs", "rclone", "davfs2", "davfs", "glusterfs", "s3fs", "gvfsd-fuse", "onedriver"}
_OTHER = {"autofs", "overlay", "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "squashfs", "nsfs"}
_ESCAPE = re.compile(rb"\\([0-7]{3})")
_LOOK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table."""

    id: int
    device: str
    """Numbers of the device, as ``8:17``."""
    path: str
    kind: str
    source: str

    @property
    def network(self) -> bool:
        """Whether other machines write there as well."""
        return self.kind in NETWORK or self.kind.removeprefix("fuse.") in _NETWORK_FUSE


def table() -> list[Mount]:
    """Return what is mounted, in order of mounting; nothing where nobody can tell."""
    try:
        with open(TABLE, "rb") as file:
            return [mount for mount in map(_parse, file.read().splitlines()) if mount is not None]
    except OSError:
        return []


def _parse(line: bytes) -> Mount | None:
    r"""Return what one line says.

    >>> _parse(rb"7 1 8:17 / /media/My\040stick rw,nosuid shared:9 - vfat /dev/sdb1 rw")
    Mount(id=7, device='8:17', path='/media/My stick', kind='vfat', source='/dev/sdb1')
    """
    before, _, after = line.partition(b" - ")
    words, rest = before.split(b" "), after.split(b" ")
    if len(words) < 6 or len(rest) < 2 or not words[0].isdigit():
        return None
    return Mount(int(words[0]), words[2].decode("ascii", "replace"), _plain(words[4]), _plain(rest[0]), _plain(rest[1]))


def _plain(word: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 255]), word))


def find(volume: str) -> Mount | None:
    """Return where the medium is mounted that is called *volume*: by its own id, or its file system's label or UUID.

    Only what is mounted at one of `PLACES`, is a file system of its own and holds a folder PAQUEBOT is looked at. Raise
    `Permanent` if there are two of them, as when a stick was copied whole.
    """
    devices = {os.path.realpath(f"{folder}/{_udev(volume)}") for folder in LINKS}
    found: dict[str, Mount] = {}
    for mount in _candidates():
        called = mount.source in devices or os.path.basename(mount.path) == volume
        with suppress(OSError, Transient, Permanent), _opened(mount) as folder:
            if folder.has_root and (called or read_volume(folder) == volume):
                found.setdefault(mount.device, mount)
    if len(found) > 1:
        where = " and ".join(sorted(mount.path for mount in found.values()))
        raise Permanent(f"two media are called {volume}: {where}; unplug one of them, or give its path")
    return next(iter(found.values()), None)


def _candidates() -> Iterator[Mount]:
    """Yield what is mounted where sticks are, the latest of each mount point."""
    latest = {mount.path: mount for mount in table()}
    below = [m for m in latest.values() if any(m.path == place or m.path.startswith(f"{place}/") for place in PLACES)]
    for mount in below[:MOUNTS_MAX]:
        # What hangs on a network may make us hang with it; it is given by its path.
        if mount.kind not in _OTHER and not mount.network:
            yield mount


@contextmanager
def _opened(mount: Mount) -> Iterator[Folder]:
    folder = Folder(mount.path)
    try:
        if folder.mount_id != mount.id:
            raise Transient("something else is mounted there by now")
        yield folder
    finally:
        folder.close()


def _udev(label: str) -> str:
    r"""Return *label* as udev writes it into names of links.

    >>> _udev("MY STICK"), _udev("a/b")
    ('MY\\x20STICK', 'a\\x2fb')
    """
    return "".join(c if c.isalnum() or c in "#+-.:=@_" or ord(c) > 127 else f"\\x{ord(c):02x}" for c in label)


def state(path: str | None) -> tuple[object, ...] | None:
    """Return what changes when another medium comes to *path*, first whether one is mounted there; None if it is no
    folder.
    """
    if path is None:
        return None
    with suppress(OSError), _open(path) as fd, _open("..", fd) as above:
        found = os.fstat(fd)
        return (mount_id(fd) != mount_id(above), mount_id(fd), found.st_dev, found.st_ino)
    return None


@contextmanager
def _open(path: str, above: int | None = None) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=above)
    try:
        yield fd
    finally:
        os.close(fd)


async def wait(look: Callable[[], bool], timeout_ms: int, *, every_s: float | None = None) -> bool:
    """Return True as soon as *look* does, asked now and after each change of the mount table; False after the time.

    *every_s*: ask as often as that besides; where there is no mount table, that is done anyway.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_ms / 1000
    changed = asyncio.Event()
    with _watched(changed) as watched:
        step = every_s if every_s is not None or watched else _LOOK_SECONDS
        while True:
            changed.clear()
            if look():
                return True
            left = end - loop.time()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(left, step) if step is not None else left)


@contextmanager
def _watched(changed: asyncio.Event) -> Iterator[bool]:
    """Have *changed* set when the mount table changes, if that can be known.

    The table is always readable; that it changed is said as urgent news. asyncio knows no such thing, but it knows
    when an epoll has news.
    """
    if not hasattr(select, "epoll"):
        yield False
        return
    try:
        fd = os.open(TABLE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    news = select.epoll()
    loop = asyncio.get_running_loop()
    try:
        news.register(fd, select.EPOLLPRI | select.EPOLLERR)

        def heard() -> None:
            news.poll(0)
            changed.set()

        loop.add_reader(news.fileno(), heard)
        yield True
    finally:
        loop.remove_reader(news.fileno())
        news.close()
        os.close(fd)


def syncer(folder: Folder) -> str:
    """Return what syncs *folder* or shares it over a network, by what it leaves there; empty if nothing seems to."""
    for names in folder.above():
        for name, who in _MARKERS.items():
            if name in names:
                return who
        if any(_DATABASE.fullmatch(name) for name in names):
            return "Nextcloud"
    number = folder.mount_id
    return next((mount.kind for mount in table() if mount.id == number and mount.network), "")


_MARKERS = {
    ".stfolder": "Syncthing",
    ".dropbox.cache": "Dropbox",
    ".nextcloudsync.log": "Nextcloud",
    ".owncloudsync.log": "ownCloud",
    ".tmp.drivedownload": "Google Drive",
    ".SyncID": "Resilio",
    ".SyncArchive": "Resilio",
    ".seafile-data": "Seafile",
}
_DATABASE = re.compile(r"\._?sync_[0-9a-f]{8,32}\.db")
