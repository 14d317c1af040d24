"""An administrator decides about a pair in a real browser, by keyboard, and undoes the merge."""

from datetime import date

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser

from learners.linking.comparing import link
from learners.models import Learner, LinkCandidate, Merge, Role
from tests.e2e.test_main_acts import CHROMIUM, Visit, browser, visit  # noqa: F401  (fixtures)
from tests.support.learners import make_user

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


def test_it_merges_a_pair_and_undoes_it(visit: Visit, browser: Browser) -> None:  # noqa: F811
    started = date(2021, 5, 17)
    for name, address in (
        ("Margaret Fielding", "margaret.fielding@works.test"),
        ("Fielding, Margret", "m.fielding@group.test"),
    ):
        Learner.objects.create(name=name, email=address, started_on=started)
    link(now=timezone.now())
    pair = LinkCandidate.objects.get()

    page = visit(make_user(Role.ADMIN), reverse("admin:learners_linkcandidate_change", args=[pair.pk]))
    assert page.get_by_text("Margaret Fielding").is_visible()
    page.get_by_label("Keep").last.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="The same person").press("Enter")
    page.get_by_text("Noted: one person").wait_for()
    merge = Merge.objects.get()
    assert merge.kept == pair.right.learner

    page.goto(page.url.split("/admin/")[0] + reverse("admin:learners_merge_change", args=[merge.pk]))
    page.get_by_role("button", name="Undo this merge").press("Enter")
    page.get_by_text("apart again").wait_for()
    merge.refresh_from_db()
    assert merge.undone_at is not None
