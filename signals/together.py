"""Small posts that arrive at the same time are stored together: one transaction and one flush to disk for all.

The first to come goes ahead at once; those that come meanwhile wait for it and then go together, led by the first of
them. Nothing is waited for that is not already there, so a lone post is as quick as ever. A group that meets any
trouble is given up as a whole, and each of its posts is then stored by itself: none can spoil another.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

MOST_POSTS = 64

T = TypeVar("T")  # what is to be stored
R = TypeVar("R")  # what became of it


class Post(Generic[T, R]):
    """What one request wants stored."""

    __slots__ = ("_arrived", "content", "is_over", "now", "outcome", "turn")

    def __init__(self, content: T, now: datetime) -> None:
        self.content = content
        self.now = now
        self._arrived = time.monotonic()
        self.outcome: R | None = None
        self.is_over = False
        self.turn = threading.Event()

    def moment(self) -> datetime:
        """``now``, moved on by as long as this post has waited."""
        return self.now + timedelta(seconds=time.monotonic() - self._arrived)


class Line(Generic[T, R]):
    """Where posts wait for each other; one a process for each kind that may be stored together."""

    def __init__(self, store: Callable[[Hashable, Sequence[T], datetime], Sequence[R]]) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, list[Post[T, R]]] = {}  # a key is here while somebody leads

    def join(self, kind: Hashable, content: T, *, now: datetime) -> R | None:
        """What became of it, or None where the group was given up and it must be stored by itself.

        Raises whatever storing it alone raises, if it was alone.
        """
        post: Post[T, R] = Post(content, now)
        with self._lock:
            waiting = self._waiting.get(kind)
            if waiting is None:
                waiting = self._waiting[kind] = []
                leads = True
            else:
                leads = False
            waiting.append(post)
        if not leads:
            post.turn.wait()
            if post.is_over:
                return post.outcome
        with self._lock:
            group, waiting[:] = waiting[:MOST_POSTS], waiting[MOST_POSTS:]
        try:
            if len(group) == 1:
                return self._store(kind, [content], post.moment())[0]
            self._store_group(kind, group)
        finally:
            self._hand_on(kind, group)
        return post.outcome

    def _store_group(self, kind: Hashable, group: Sequence[Post[T, R]]) -> None:
        try:
            outcomes = self._store(kind, [post.content for post in group], group[0].moment())
        except Exception:  # whichever of them it was: each now meets its own trouble alone
            return
        for post, outcome in zip(group, outcomes, strict=True):
            post.outcome = outcome

    def _hand_on(self, kind: Hashable, group: Sequence[Post[T, R]]) -> None:
        with self._lock:
            waiting = self._waiting[kind]
            following = waiting[0] if waiting else None
            if following is None:
                del self._waiting[kind]
        for post in group[1:]:
            post.is_over = True
            post.turn.set()
        if following is not None:
            following.turn.set()
