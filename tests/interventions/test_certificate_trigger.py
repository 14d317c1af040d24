"""The trigger of a certificate that ends: its bounds, in every zone, and when it is over. Pure: no database."""

from datetime import UTC, datetime, time, timedelta, timezone

import msgspec
import pytest

from interventions import noticed, triggers
from interventions.decide import decide
from interventions.policy.document import Document
from interventions.snapshot import Certified, PastEpisode, Seen, restore, store
from tests.interventions.test_triggers import DAY, NOW, episode, held, policy, snapshot


def ends(days: float, *, earned: float = 300, offset: int = 0) -> Certified:
    """A certificate that ends at the end of the day that many days from now, where it is so many hours later."""
    zone = timezone(timedelta(hours=offset))
    last = datetime.combine((NOW + days * DAY).astimezone(zone).date(), time(23, 59, 59), zone)
    return Certified(last, NOW - earned * DAY, NOW - earned * DAY)


class TestCertificate:
    @pytest.mark.parametrize(("days", "holds"), [(31, False), (30, True), (1, True), (0, True), (-1, False)])
    def test_it_holds_in_the_last_thirty_days_and_not_once_it_is_over(self, days: float, holds: bool) -> None:
        seen = snapshot(certificates=(ends(days),))

        assert (held(seen, policy("certificate")) == ["certificate"]) is holds

    def test_it_is_off_unless_a_policy_switches_it_on(self) -> None:
        assert held(snapshot(certificates=(ends(3),)), Document()) == []

    def test_it_begins_with_the_learner_s_own_day(self) -> None:
        # It is the 9th, 10 o'clock in UTC, and already the 10th fifteen hours further east.
        here, there = snapshot(certificates=(ends(31),)), snapshot(certificates=(ends(30.9, offset=14),))

        assert held(here, policy("certificate")) == []
        assert triggers.next_review_at(here, policy("certificate")) == datetime(2026, 3, 10, tzinfo=UTC)
        assert held(there, policy("certificate")) == ["certificate"]

    def test_it_was_not_noticed_before_anybody_knew(self) -> None:
        late = msgspec.structs.replace(ends(10), known_at=NOW - 2 * DAY)

        (found,) = triggers.held(snapshot(certificates=(late,)), policy("certificate"))

        assert found.since == NOW - 2 * DAY

    def test_time_alone_brings_up_the_next_one_too(self) -> None:
        seen = snapshot(certificates=(ends(3), ends(40)))

        assert triggers.next_review_at(seen, policy("certificate")) == datetime(2026, 3, 19, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("now_held", "over"),
        [
            ((ends(10),), False),
            ((ends(360, earned=1),), True),  # renewed
            ((ends(31),), False),  # by more than it takes to come near again
            ((), True),  # taken back
            ((ends(-2),), False),  # it ended meanwhile, which is no recovery
            ((ends(-40),), True),  # it had ended before, and was not what this is about
        ],
    )
    def test_it_is_over_when_it_has_been_renewed(self, now_held: tuple[Certified, ...], over: bool) -> None:
        seen = snapshot(certificates=now_held, episode=episode("certificate", opened=10 * DAY))

        assert triggers.recovered(seen, policy("certificate")) is over

    def test_it_begins_anew_with_another_certificate(self) -> None:
        past = (PastEpisode("certificate", NOW - 5 * DAY, "expired"),)
        same = snapshot(certificates=(ends(20),), past=past)
        another = snapshot(certificates=(ends(20), ends(28)), past=past)

        assert decide(same, policy("certificate")).reasons == ("not_armed",)
        assert decide(another, policy("certificate")).action == "nudge"

    def test_only_earning_it_anew_counts_as_better_in_the_meantime(self) -> None:
        document = policy("certificate")
        before = snapshot(certificates=(ends(10),), episode=episode("certificate"))
        other = (ends(10), ends(300, earned=1))

        for after, better in (
            (before, False),
            (msgspec.structs.replace(before, seen=Seen(certificates=other)), True),
        ):
            assert (
                triggers.improved(
                    before=before,
                    after=after,
                    opened_by=["certificate"],
                    reached_at=NOW - 2 * DAY,
                    policy=document,
                )
                is better
            )

    def test_it_is_a_signal_of_its_own(self) -> None:
        document = policy("certificate", "inactivity", triggers__min_signals=2)

        assert decide(snapshot(certificates=(ends(3),)), document).reasons == ("too_few_signals",)
        assert decide(snapshot(days=9, certificates=(ends(3),)), document).action == "nudge"

    def test_it_can_be_otherwise_for_a_role(self) -> None:
        document = policy(
            triggers__overrides=[
                {"impact": "critical", "changes": {"certificate.enabled": True, "certificate.days": 60}}
            ]
        )
        seen = snapshot(certificates=(ends(50),))

        assert held(seen, document) == []
        assert held(msgspec.structs.replace(seen, impact="critical"), document) == ["certificate"]

    def test_it_says_the_day_where_the_learner_lives(self) -> None:
        seen = snapshot(certificates=(ends(3, offset=-8),))

        assert noticed.sentence("certificate", seen, "en") == "A certificate ends on 12 March."
        assert "12.03." in (noticed.sentence("certificate", seen, "de") or "")

    def test_it_is_decided_alike_from_what_was_kept(self) -> None:
        for days in (29, 30, 31, 200):
            seen = snapshot(certificates=(ends(days, offset=-7),))

            assert restore(store(seen)) == seen
            assert decide(restore(store(seen)), policy("certificate")) == decide(seen, policy("certificate"))
