"""Small things for tests about permission and proof."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.db import connection

from config.env import DEVELOPMENT_FIELD_KEYS
from consent.actors import Party

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SUBJECT = UUID("11111111-1111-4111-8111-111111111111")
OTHER = UUID("22222222-2222-4222-8222-222222222222")
PERSON = Party("learner", SUBJECT)
ADMIN = Party("user", UUID("33333333-3333-4333-8333-333333333333"))

INDEX_ENTRY, OLD_ENTRY = DEVELOPMENT_FIELD_KEYS.split(",")
NEW_ENTRY = "new:bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleS0="
OLD_RING = DEVELOPMENT_FIELD_KEYS
BOTH_RING = f"{INDEX_ENTRY},{OLD_ENTRY},{NEW_ENTRY}"
NEW_RING = f"{INDEX_ENTRY},{NEW_ENTRY}"


def privacy_module(
    log: list[tuple[Any, ...]] | None = None, *, erased: dict[str, int] | None = None, **functions: Any
) -> SimpleNamespace:
    """A stand-in for an app's privacy.py that notes how it was called."""
    notes = log if log is not None else []

    def export(subject: UUID) -> dict[str, Any]:
        return {"rows": [str(subject)]}

    def erase(subject: UUID, *, now: datetime) -> dict[str, int]:
        notes.append(("erase", subject))
        return dict(erased or {})

    def withdraw(subject: UUID, scope: str, *, now: datetime) -> dict[str, int]:
        notes.append(("withdraw", subject, str(scope)))
        return {"deliveries": 1}

    return SimpleNamespace(**{"export": export, "erase": erase, "withdraw": withdraw, **functions})


class Elsewhere:
    """Runs a function on a second database connection, in a thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.fault: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as fault:
            self.fault = fault
        finally:
            connection.close()

    def still_waits(self, seconds: float = 0.3) -> bool:
        """Whether it is held up by somebody's lock."""
        self._thread.join(seconds)
        return self._thread.is_alive()

    def answer(self) -> Any:
        """What the function returned, once it could."""
        self._thread.join(10)
        assert not self._thread.is_alive(), "the other connection still waits"
        if self.fault is not None:
            raise self.fault
        return self.result
