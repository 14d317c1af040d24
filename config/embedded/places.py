"""Where the embedded servers keep their data and sockets, and as whom they run."""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from config.env import BASE_DIR

MARKER = "REKINDLE"  # lies in every directory we made, so that we never remove somebody else's
# Not tempfile.gettempdir(): a socket's path may have about 100 characters, and macOS's temporary directory
# uses up most of them.
SOCKETS_BELOW = Path("/tmp")
FALLBACK_BELOW = Path("/var/tmp")
MAIN = "main"
TEST = "test"


class PlaceRefused(Exception):
    """A directory we need belongs to somebody else."""


@dataclass(frozen=True)
class Account:
    """The unprivileged user that the servers run as when we are root (``initdb`` refuses root)."""

    uid: int
    gid: int


def account_for(checkout: Path) -> Account | None:
    """The user to drop to, or None where we are not root and need no other.

    The owner of the checkout where that is a person, so that they can go on without root; else ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    owner = checkout.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(65534, 65534)
    return Account(nobody.pw_uid, nobody.pw_gid)


def can_reach(path: Path, account: Account | None) -> bool:
    """Whether the account may pass through every directory down to and including this one."""
    if account is None:
        return True
    for directory in (path, *path.parents):
        status = directory.stat()
        if status.st_uid == account.uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == account.gid:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def make_own(path: Path, mode: int, owner: Account | None) -> Path:
    """The directory, made if missing, after checking that nobody else prepared it for us."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    status = path.lstat()
    allowed = {os.geteuid()} | ({owner.uid} if owner else set())
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in allowed:
        raise PlaceRefused(f"{path} belongs to another user; remove it, or run the command as that user.")
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
    path.chmod(mode)
    return path


@dataclass(frozen=True)
class Places:
    """One set of servers: ``main`` for the demo and commands, ``test`` for tests (not crash-safe, faster)."""

    kind: str = MAIN
    checkout: Path = BASE_DIR

    @property
    def is_durable(self) -> bool:
        return not self.kind.startswith(TEST)

    @cached_property
    def account(self) -> Account | None:
        return account_for(self.checkout)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(str(self.checkout.resolve()).encode()).hexdigest()[:10]

    @cached_property
    def outside(self) -> Path:
        """Where things go that the servers' user cannot reach inside the checkout (/root/x, say)."""
        return FALLBACK_BELOW / f"rekindle-{self.digest}"

    @cached_property
    def root(self) -> Path:
        """The directory of data, logs and locks: below ``var/`` unless the servers' user cannot get there."""
        if can_reach(self.checkout.resolve(), self.account):
            inside = self.checkout / "var"
            inside.mkdir(exist_ok=True)
            if can_reach(inside, self.account):
                (inside / "embedded").mkdir(exist_ok=True)
                return inside / "embedded" / self.kind
        return self.outside / self.kind

    @cached_property
    def sockets(self) -> Path:
        return SOCKETS_BELOW / f"rekindle-{self.digest}-{self.kind}"

    def prepare(self) -> None:
        """Makes the directories. Only their owner may enter the sockets': that is what guards the servers."""
        if self.root.parent == self.outside:
            make_own(self.outside, 0o711, None)
        elif self.account is None and not os.access(self.root.parent, os.W_OK):
            raise PlaceRefused(f"{self.root.parent} belongs to another user (was this run as root before?).")
        make_own(self.root, 0o711, self.account)
        make_own(self.sockets, 0o700, self.account)
        marker = self.root / MARKER
        if not marker.exists():
            marker.write_text(f"Made by the Rekindle checkout at {self.checkout}\n")
            self.own(marker)

    def own(self, path: Path) -> None:
        """Gives a file we made as root to the servers' user."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def remove(self) -> bool:
        """Removes all data of this set of servers; False when there was none. Nobody may be using it."""
        if not self.root.exists():
            return False
        if not (self.root / MARKER).is_file():
            raise PlaceRefused(f"{self.root} does not look like ours (no file {MARKER} in it): not removed.")
        shutil.rmtree(self.root)
        shutil.rmtree(self.sockets, ignore_errors=True)
        return True

    @property
    def leases_file(self) -> Path:
        return self.root / "leases.lock"

    @property
    def keeper_file(self) -> Path:
        return self.root / "keeper.lock"

    @property
    def starting_file(self) -> Path:
        return self.root / "starting.lock"

    @property
    def status_file(self) -> Path:
        return self.root / "status.json"

    @property
    def database_url(self) -> str:
        directory = str(self.sockets).replace("/", "%2F")
        return f"postgres://rekindle@{directory}/rekindle"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.sockets}/valkey.sock?db=0"
