"""How sure a share of few cases is: Wilson's score interval (Wilson 1927). Pure."""

from math import sqrt

import msgspec

Z = 1.96  # 95 %


class Share(msgspec.Struct, frozen=True):
    """``part`` of ``whole`` cases, and the interval in which the true share lies, 95 times of 100."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share itself, 0 to 1; None without cases."""
        return self.part / self.whole if self.whole else None

    @property
    def low(self) -> float:
        return self._end(-1)

    @property
    def high(self) -> float:
        return self._end(1)

    def _end(self, side: int) -> float:
        if not self.whole:
            return 0.0 if side < 0 else 1.0
        p, n = self.part / self.whole, self.whole
        half = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return min(1.0, max(0.0, (p + Z * Z / (2 * n) + side * half) / (1 + Z * Z / n)))
