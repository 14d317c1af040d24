"""When trouble is over, and whether a step made it better. Pure: no database."""

import pytest

from interventions import triggers
from interventions.policy.document import Document
from tests.interventions.test_triggers import DAY, NOW, episode, policy, snapshot


class TestMastery:
    @pytest.mark.parametrize(("pairing", "over"), [(7, True), (0, False)])
    def test_coming_back_ends_it_only_where_silence_was_part_of_it(self, pairing: int, over: bool) -> None:
        document = policy("mastery", triggers__mastery__with_days_inactive=pairing)
        seen = snapshot(days=0.1, mastery=0.3, episode=episode("mastery"))

        assert triggers.recovered(seen, document) is over

    @pytest.mark.parametrize(("mastery", "over"), [(0.6, False), (0.64, False), (0.65, True)])
    def test_it_is_over_above_the_bound_by_a_margin(self, mastery: float, over: bool) -> None:
        seen = snapshot(days=9, mastery=mastery, episode=episode("mastery"))

        assert triggers.recovered(seen, policy("mastery")) is over


def test_a_step_is_judged_by_what_opened_its_own_episode() -> None:
    """The plan went on; that the risk that opened the next episode has not fallen says nothing of this one."""
    before = snapshot(steps=10, steps_done=2, risk=0.6)
    after = snapshot(steps=10, steps_done=5, risk=0.6, episode=episode("composite", opened=DAY))

    for opened_by, better in ((["pace"], True), (["composite"], False)):
        found = triggers.improved(
            before=before, after=after, opened_by=opened_by, reached_at=NOW - 3 * DAY, policy=Document()
        )
        assert found is better
