"""What everybody who clones gets: no addresses of package registries, no modules without a subject."""

from config.env import BASE_DIR
from tests.guards.project import APPS, source_files, tracked_files

# Written in two halves, so that this file does not find itself.
REGISTRY_TRACES = ("pypi" + ".org", "python" + "hosted.org", "index" + "-url", "find" + "-links")
PROSE = {".md", ".csv", ".gz", ".zst", ".parquet", ".png", ".jpg", ".svg", ".woff2"}
NAMES_WITHOUT_SUBJECT = {"utils.py", "helpers.py", "services.py", "common.py", "misc.py"}
LONGEST_MODULE = 600


def test_it_names_no_package_registry() -> None:
    """A lock that names a registry works only where that registry is reachable; pip's own settings decide."""
    found = []
    for path in tracked_files():
        if path.suffix in PROSE or path.name == "LICENSE":
            continue
        text = (BASE_DIR / path).read_text(errors="replace")
        found += [f"{path}: {trace}" for trace in REGISTRY_TRACES if trace in text]

    assert not found


def test_it_locks_every_package_with_a_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        entries = (BASE_DIR / name).read_text().replace("\\\n", " ").splitlines()
        loose = [
            entry
            for entry in entries
            if entry.strip() and ("==" not in entry or "--hash=sha256:" not in entry)
        ]

        assert not loose, f"{name}: {loose}"


def test_it_installs_the_same_versions_for_development() -> None:
    def pins(name: str) -> set[str]:
        lines = (BASE_DIR / name).read_text().splitlines()
        return {
            line.split(";")[0].rstrip(" \\") for line in lines if "==" in line and not line.startswith(" ")
        }

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_it_gives_every_module_a_subject() -> None:
    assert not [path for path in source_files(*APPS, "config") if path.name in NAMES_WITHOUT_SUBJECT]


def test_it_keeps_modules_short_enough_to_read() -> None:
    lengths = {
        str(path): len((BASE_DIR / path).read_text().splitlines())
        for path in source_files(*APPS, "config")
        if "migrations" not in path.parts
    }

    assert not {path: length for path, length in lengths.items() if length > LONGEST_MODULE}
