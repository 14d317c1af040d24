"""Breaking a promise of the database: which one it was, and that it was kept."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction


class Broken:
    """Expects that what happens inside breaks the promise of this name; deferred promises are asked at its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.atomic = transaction.atomic()

    def __enter__(self) -> None:
        self.atomic.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if error is None:
            try:
                connection.check_constraints()
            except DatabaseError as late:
                error = late
        if error is None:
            self.atomic.__exit__(None, None, None)
            pytest.fail(f"nothing kept {self.name}")
        self.atomic.__exit__(type(error), error, None)
        assert isinstance(error, IntegrityError), repr(error)
        assert error.__cause__ is not None
        named = error.__cause__.diag.constraint_name  # type: ignore[attr-defined]
        assert named == self.name, str(error)
        return True
