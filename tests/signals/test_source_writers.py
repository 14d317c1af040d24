"""Two imports of one file at once: every row is taken in once."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from signals.models import Lineage, Statement
from signals.sources import SOURCES
from signals.sources.files import bring_file
from tests.support.sources import known


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_take_every_row_in_once() -> None:
    known()
    rows = "".join(f"anna@example.com,Course {number},2025-05-01\n" for number in range(1200))
    content = f"person,credential,issued\n{rows}".encode()
    begin = threading.Barrier(2)
    found: list[int] = []

    def run() -> None:
        try:
            begin.wait()
            report = bring_file(SOURCES["certificates"], content, file_name="x.csv", clock=timezone.now)
            found.append(report.new)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(found) == 1200
    assert (Statement.objects.count(), Lineage.objects.count()) == (1200, 1200)
