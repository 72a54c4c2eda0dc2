"""When a process that died is started again, and when its deaths are a crash loop. Pure.

A crash loop is a state that is shown, not a busy loop: the waits double up to five minutes, and the process goes on
being tried, so that it recovers by itself once its cause is gone.
"""

from dataclasses import dataclass

BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_MOST_SECONDS = 300.0
# While the index cannot be used nothing is wrong with the process: it is looked for again soon.
INDEX_MOST_SECONDS = 15.0
# A process that lived this long has proven itself: the next death counts as the first.
PROVEN_SECONDS = 60.0
# So many deaths within the time are a crash loop. With the waits between them, five deaths at the start take 3 s plus
# the starts; a process that dies about every two minutes is in a loop too.
LOOP_DEATHS = 5
LOOP_SECONDS = 600.0
# A life that ends a crash loop: the longest that deaths which make one can have between them.
RECOVERED_SECONDS = LOOP_SECONDS / LOOP_DEATHS


@dataclass(frozen=True)
class Deaths:
    """What is remembered of a process's deaths.

    Parameters
    ----------
    moments
        Monotonic seconds of the last deaths, at most `LOOP_DEATHS`.
    in_a_row
        Deaths since it last proved itself.
    in_loop
        True from the death that made it a crash loop until the process has recovered.
    """

    moments: tuple[float, ...] = ()
    in_a_row: int = 0
    in_loop: bool = False

    def another(self, *, now: float, lived: float) -> "Deaths":
        """Count a death.

        Parameters
        ----------
        lived
            Seconds for which the process had run.
        """
        moments = (*self.moments, now)[-LOOP_DEATHS:]
        in_loop = self.in_loop or (len(moments) == LOOP_DEATHS and now - moments[0] <= LOOP_SECONDS)
        again = lived >= PROVEN_SECONDS and not in_loop
        return Deaths(moments, 1 if again else self.in_a_row + 1, in_loop)

    def after_life(self, lived: float) -> "Deaths":
        """Forget a crash loop once the process has lived long enough."""
        return Deaths() if self.in_loop and lived >= RECOVERED_SECONDS else self

    def wait_seconds(self, *, most: float = BACKOFF_MOST_SECONDS) -> float:
        """Give how long to wait before the next start."""
        doublings = min(self.in_a_row - 1, 30)
        return float(min(most, BACKOFF_FIRST_SECONDS * 2**doublings))
