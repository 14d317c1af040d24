"""Counts how often a backup of the database in use names any of its learners: must be 0.

    bin/manage shell -c "import runpy; runpy.run_path('tests/bench/backup_names.py', run_name='__main__')"

Looks for every learner's name, e-mail address, employee number and identifiers, and every sign-in name, as text and as
the hexadecimal in which a dump writes bytes.
"""

import tempfile
from pathlib import Path

from config.dumps import backup
from learners.models import Identifier, Learner, User

SHORTEST = 6  # shorter strings occur in any dump by chance


def main() -> None:
    wanted: set[str] = set()
    for learner in Learner.objects.all():
        wanted |= {learner.name, learner.email, learner.employee_number}
    for identifier in Identifier.objects.all():
        wanted |= {
            identifier.value,
            identifier.value.rpartition("|")[2],
            identifier.value.removeprefix("mailto:"),
        }
    for user in User.objects.all():
        wanted |= {user.login, user.name if user.learner_id else ""}
    wanted = {text for text in wanted if len(text) >= SHORTEST}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "backup.sql"
        size = backup(path)
        dump = path.read_bytes().lower()
    hits = [text for text in wanted if text.lower().encode() in dump or text.encode().hex().encode() in dump]
    print(
        f"{len(wanted)} names, addresses and identifiers looked for in {size / 1e6:.0f} MB: {len(hits)} hits"
    )
    raise SystemExit(1 if hits else 0)


if __name__ == "__main__":
    main()
