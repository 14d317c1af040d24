"""What one learner would have lived through under a policy: their recorded points walked with their own episodes. Pure.

What is known of the learner is taken as it was recorded; what follows from deciding (episodes, windows, places in the
cap ledger) is carried along by this walk. Between two recorded points only time passes, so the walk also looks when
the policy itself asks to look again, with the facts of the last point, at the next moment at which anybody was
evaluated: an installation that is fed and ticked once a day looks once a day. It assumes that

- people did what they did: nobody learns more, or less, because of a message that did not really go out;
- of the steps that ask for approval as many get it as really did, at once, drawn by hash; what goes out arrives;
- a manager has a place for one more request as often as managers here really had;
- holds are those that are known today: a week that was taken back since held nobody;
- a manager or coach who takes a case up has it for ``Customs.case_days``, then it is over.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from interventions import holds, strategies, timing, triggers
from interventions.backtest.points import Point
from interventions.decide import LEARNER_DIRECTED, Choice, decide, window_hours
from interventions.policy.document import Document
from interventions.snapshot import EpisodeView, HoldView, Snapshot

WINDOW = timedelta(hours=168)
MOST_LOOKS = (
    400  # of one enrolment between two recorded points; a safety net, daily looks over a year stay below it
)
NO_EPISODE = UUID(int=0)


class Kind(StrEnum):
    LEARNER = "learner"  # an alert to the learner
    MANAGER = "manager"  # an alert about the learner to a manager
    COACH = "coach"  # a case for a coach
    CAPPED = "capped"  # decided, and kept back by the cap, by something worth more, or by a manager's three requests
    DECLINED = "declined"  # decided, and a person did not say yes


class Act(NamedTuple):
    """Something that would have gone out, or was kept back by the cap or by a person."""

    kind: Kind
    learner_id: UUID
    enrolment_id: int
    impact: str
    at: datetime  # of the decision
    due_at: datetime  # when it would go out, after quiet hours
    is_flag: bool  # the first act of its episode


class Surroundings(NamedTuple):
    """What the walk needs of one learner beside the points."""

    zone: ZoneInfo
    own_hours: timing.OwnHours = None
    alerted_at: tuple[datetime, ...] = ()  # alerts shortly before the span, which still take places
    told_at: tuple[datetime, ...] = ()  # likewise word to a manager
    ended_at: Mapping[int, datetime] = {}  # enrolment → when it ended
    course: Mapping[int, str] = {}  # enrolment → IRI of its course
    closed: tuple[holds.Closed, ...] = ()  # when nobody is to disturb them


class Customs(NamedTuple):
    """How people here work, from the record."""

    case_days: float = 7
    approved: float = 1.0  # share of the steps shown to a person that got a yes
    manager_free: float = 1.0  # share of the requests to managers that found one of their three places


class _Place(NamedTuple):
    """A place in the cap ledger."""

    due_at: datetime
    expected: float = 0.0
    enrolment_id: int = 0
    act: int = -1  # which of the acts took it; none of ours before the span


class _State:
    """One enrolment on its way through the span."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.episode = snapshot.episode
        self.recovered_at = snapshot.recovered_at
        self.settled_at = snapshot.settled_at
        self.look_at: datetime | None = None
        self.looks = 0
        self.before: Snapshot | None = None
        self.reached_at: datetime | None = None
        self.person_until: datetime | None = None
        self.with_manager = False  # else with a coach


class Walk:
    """The points of one learner under one policy, in the order of time."""

    def __init__(
        self, policy: Document, around: Surroundings, customs: Customs, moments: Sequence[datetime]
    ) -> None:
        """``moments``: when evaluations ran at all, in order."""
        self._policy = policy
        self._moments = moments
        self._around = around
        self._customs = customs
        self._states: dict[int, _State] = {}
        self._places = [_Place(at) for at in around.alerted_at]
        self._told = list(around.told_at)
        self._learner_id = NO_EPISODE
        self.acts: list[Act] = []

    def through(self, points: Sequence[Point], *, end: datetime) -> list[Act]:
        """Everything that would have gone out until ``end``."""
        for point in points:
            if point.snapshot is None or point.by_a_person:
                continue
            self._learner_id = point.learner_id
            self._look_until(point.at)
            self._see(point.enrolment_id, point.snapshot)
        self._look_until(end)
        return self.acts

    def _see(self, enrolment_id: int, recorded: Snapshot) -> None:
        """A recorded point: new facts."""
        state = self._states.get(enrolment_id)
        if state is None:
            state = self._states[enrolment_id] = _State(recorded)
            self._take_over(state)
        state.snapshot = recorded
        state.looks = 0
        self._decide(enrolment_id, state, recorded.now, request=recorded.request)

    def _take_over(self, state: _State) -> None:
        """An episode that was open when the span began goes on from where it really stood."""
        episode, now = state.episode, state.snapshot.now
        if episode is None:
            return
        if episode.with_person:
            state.person_until = now + timedelta(days=self._customs.case_days)
        elif episode.under_way:
            hours = timedelta(hours=window_hours(episode.ladder, self._policy))
            ends = episode.window_ends_at or now + hours
            state.episode = replace(episode, window_ends_at=ends)
            state.before, state.reached_at = state.snapshot, ends - hours

    def _look_until(self, moment: datetime) -> None:
        """Looks at whoever comes due by time alone before ``moment``, earliest first."""
        while True:
            due = [
                (state.look_at, enrolment_id)
                for enrolment_id, state in self._states.items()
                if state.look_at is not None and state.look_at < moment
            ]
            if not due:
                return
            wanted, enrolment_id = min(due)
            place = bisect_left(self._moments, wanted)
            at = self._moments[place] if place < len(self._moments) else moment
            if at >= moment:
                # The next point of this learner comes first, or the span is over.
                for state in self._states.values():
                    if state.look_at is not None and state.look_at < moment:
                        state.look_at = moment
                return
            state = self._states[enrolment_id]
            state.look_at = None
            state.looks += 1
            ended_at = self._around.ended_at.get(enrolment_id)
            if state.looks <= MOST_LOOKS and (ended_at is None or at < ended_at):
                self._decide(enrolment_id, state, at, request=None)

    def _decide(self, enrolment_id: int, state: _State, now: datetime, *, request: str | None) -> None:
        courses = self._policy.pilot_courses
        in_pilot = not courses or self._around.course.get(enrolment_id) in courses
        # At a recorded point the hold is the one of then; between two the closed times tell it.
        hold = state.snapshot.hold if now == state.snapshot.now else self._hold(now)
        seen = replace(state.snapshot, now=now, in_pilot=in_pilot, request=request, hold=hold)
        self._catch_up(state, seen, now)
        seen = replace(
            seen, episode=state.episode, recovered_at=state.recovered_at, settled_at=state.settled_at
        )
        choice = decide(seen, self._policy)
        state.look_at = choice.review_at if choice.review_at and choice.review_at > now else None
        if choice.action != "monitor":
            self._act(enrolment_id, state, seen, choice)
        elif choice.end_episode:
            if choice.end_episode == "recovered":
                state.recovered_at = now
            state.episode = None
        elif state.person_until is not None and state.episode is not None:
            state.look_at = state.person_until

    def _catch_up(self, state: _State, seen: Snapshot, now: datetime) -> None:
        """What would have happened by now: a person finished, or a step's window closed and was judged."""
        episode = state.episode
        if episode is None:
            return
        if episode.with_person and state.person_until is not None and now >= state.person_until:
            state.person_until = None
            if triggers.recovered(replace(seen, episode=episode), self._policy):
                state.episode, state.recovered_at = None, now
            elif state.with_manager:
                state.episode = replace(episode, with_person=False, step=episode.step + 1)
            else:
                state.episode, state.settled_at = None, now
        elif episode.under_way and episode.window_ends_at is not None and now >= episode.window_ends_at:
            better = state.before is not None and triggers.improved(
                before=state.before,
                after=replace(seen, episode=episode),
                opened_by=episode.triggers,
                reached_at=state.reached_at or now,
                policy=self._policy,
            )
            state.episode = replace(
                episode,
                under_way=False,
                window_ends_at=None,
                step=episode.step + 1,
                improved_at=now if better else episode.improved_at,
                failed_attempts=episode.failed_attempts + (0 if better else 1),
            )

    def _act(self, enrolment_id: int, state: _State, seen: Snapshot, choice: Choice) -> None:
        now = seen.now
        is_flag = choice.open_episode
        episode = state.episode or EpisodeView(
            id=NO_EPISODE,
            ladder=choice.ladder,
            opened_at=now,
            triggers=choice.triggers,
            failed_attempts=0,
            step=0,
        )
        if choice.asks and not self._says_yes(enrolment_id, episode):
            state.episode = replace(episode, lapsed_reason="declined", lapsed_at=now)
            state.look_at = now
            self._note(Kind.DECLINED, enrolment_id, seen, now, is_flag)
            return
        if choice.action in LEARNER_DIRECTED:
            due_at = strategies.due_at(
                strategies.strategy_of(choice.action, self._policy),
                now=now,
                recipient=strategies.Recipient(
                    self._around.zone, self._around.own_hours, closed=self._around.closed
                ),
                policy=self._policy,
                deadline=None,
            )
            expected = choice.expected_value or 0.0
            lost = self._make_room(due_at, expected, now)
            if lost is not None:
                capped = episode.capped_in_a_row + 1 if lost == "cap" else episode.capped_in_a_row
                state.episode = replace(episode, lapsed_reason=lost, lapsed_at=now, capped_in_a_row=capped)
                state.look_at = now  # decided anew at once: it rests, or a person is asked
                self._note(Kind.CAPPED, enrolment_id, seen, due_at, is_flag)
                return
            self._places.append(_Place(due_at, expected, enrolment_id, len(self.acts)))
            ends_at = holds.lasting(due_at, window_hours(episode.ladder, self._policy), self._around.closed)
            state.episode = replace(
                episode, under_way=True, window_ends_at=ends_at, capped_in_a_row=0, lapsed_reason=None
            )
            state.before, state.reached_at, state.look_at = seen, due_at, ends_at
            self._note(Kind.LEARNER, enrolment_id, seen, due_at, is_flag)
            return
        if choice.action == "manager":
            if _near(self._told, now) >= 1:
                state.episode = replace(episode, lapsed_reason="about_cap", lapsed_at=now)
                state.look_at = now
                self._note(Kind.CAPPED, enrolment_id, seen, now, is_flag)
                return
            if not self._drawn("place", enrolment_id, episode, self._customs.manager_free):
                state.episode = replace(episode, lapsed_reason="manager_budget", lapsed_at=now)
                state.look_at = now
                self._note(Kind.CAPPED, enrolment_id, seen, now, is_flag)
                return
            self._told.append(now)
        state.person_until = now + timedelta(days=self._customs.case_days)
        state.with_manager = choice.action == "manager"
        state.episode = replace(
            episode,
            with_person=True,
            under_way=False,
            window_ends_at=None,
            manager_asked=episode.manager_asked or choice.action == "manager",
        )
        state.look_at = state.person_until
        kind = Kind.MANAGER if choice.action == "manager" else Kind.COACH
        self._note(kind, enrolment_id, seen, now, is_flag)

    def _says_yes(self, enrolment_id: int, episode: EpisodeView) -> bool:
        """The same for the same step under any policy: policies are compared, not luck."""
        return self._drawn("approval", enrolment_id, episode, self._customs.approved)

    @staticmethod
    def _drawn(what: str, enrolment_id: int, episode: EpisodeView, share: float) -> bool:
        digest = sha256(f"{what}:{enrolment_id}:{episode.step}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < share * 2**64

    def _hold(self, now: datetime) -> HoldView | None:
        closed = self._around.closed
        one = holds.current(closed, now)
        return None if one is None else HoldView(one.reason, one.name, holds.reopening(closed, now))

    def _make_room(self, due_at: datetime, expected: float, now: datetime) -> str | None:
        """Why there is no place for this; None where there is one, or one that waits and is worth less gives way."""
        near = [place for place in self._places if abs(due_at - place.due_at) < WINDOW]
        if len(near) < 2:
            return None
        waiting = [place for place in near if place.act >= 0 and place.due_at > now]
        if not waiting:
            return "cap"
        weakest = min(waiting, key=lambda place: place.expected)
        if weakest.expected >= expected or len(near) > 2:
            return "outbid"
        self._places.remove(weakest)
        self.acts[weakest.act] = self.acts[weakest.act]._replace(kind=Kind.CAPPED)
        loser = self._states[weakest.enrolment_id]
        if loser.episode is not None:
            loser.episode = replace(
                loser.episode,
                under_way=False,
                window_ends_at=None,
                lapsed_reason="outbid",
                lapsed_at=now,
            )
            loser.look_at = now
        return None

    def _note(self, kind: Kind, enrolment_id: int, seen: Snapshot, due_at: datetime, is_flag: bool) -> None:
        self.acts.append(Act(kind, self._learner_id, enrolment_id, seen.impact, seen.now, due_at, is_flag))


def _near(taken: Sequence[datetime], at: datetime) -> int:
    """How many of these share a rolling 168 hours with ``at``."""
    return sum(1 for other in taken if abs(at - other) < WINDOW)
