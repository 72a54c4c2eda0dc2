"""Many sequences against real receivers at once, and what became of both."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.fuzz.peer import END_SECONDS, Echoes, Outcome, play
from tests.fuzz.protocol import Sequence
from tests.fuzz.receivers import Receivers, settled
from tests.fuzz.watch import Figures, Sampler, faults

# The bad peers come from an address of their own, so that the caps for each address tell them from the good one.
BAD_SOURCE = "127.0.0.3"
MOST_ECHO_SECONDS = 1.0
MOST_MEMORY_BYTES = 32 * 1024 * 1024  # growth of one process that counts as none
MOST_MORE = 4  # descriptors that may come and go: the index's connections, the log
WORST = 10


@dataclass
class Verdict:
    """What is held against the receivers; empty lists and zeros are what they should be."""

    sequences: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unfinished: list[str] = field(default_factory=list)
    slowest: list[tuple[float, int]] = field(default_factory=list)
    echoes: int = 0
    echo_longest_seconds: float = 0.0
    echoes_failed: list[str] = field(default_factory=list)
    died: int = 0
    log_faults: list[str] = field(default_factory=list)
    memory_growth_bytes: int = 0
    memory_peak_growth_bytes: int = 0
    threads: list[tuple[int, int]] = field(default_factory=list)
    descriptors: list[tuple[int, int]] = field(default_factory=list)

    @property
    def objections(self) -> list[str]:
        """Say what was missed, in words."""
        said = {
            f"{len(self.unfinished)} connections not taken, or not ended in {END_SECONDS:g} s": self.unfinished,
            f"{len(self.echoes_failed)} good echoes were not answered": self.echoes_failed,
            f"a good echo took {self.echo_longest_seconds:.2f} s": self.echo_longest_seconds > MOST_ECHO_SECONDS,
            "no good echo was asked for": not self.echoes,
            f"{self.died} receivers died": self.died,
            f"{len(self.log_faults)} lines of the log should not be there": self.log_faults,
            f"memory grew by {self.memory_growth_bytes} bytes": self.memory_growth_bytes > MOST_MEMORY_BYTES,
            f"threads are left: {self.threads}": any(after > before for before, after in self.threads),
            f"descriptors are left: {self.descriptors}": any(
                after > before + MOST_MORE for before, after in self.descriptors
            ),
        }
        return [text for text, missed in said.items() if missed]


def campaign(
    receivers: Receivers,
    sequences: Iterable[Sequence],
    *,
    at_once: int,
    warm: int = 0,
    tell: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Play the sequences, ask for an echo every second meanwhile, and judge.

    Parameters
    ----------
    at_once
        Connections at a time.
    warm
        So many sequences go before the memory is noted first: what a process needs once is no growth.
    tell
        Told how many are done, now and then.
    """
    verdict = Verdict()
    given = iter(sequences)
    with Echoes(receivers.port) as echoes, ThreadPoolExecutor(at_once) as pool:
        _judge_sessions(verdict, receivers, itertools.islice(given, warm), pool, tell)
        before = settled(receivers)
        with Sampler(receivers.figures) as sampler:
            _judge_sessions(verdict, receivers, given, pool, tell)
    after = settled(receivers)
    verdict.echoes = len(echoes.seconds) + len(echoes.failed)
    verdict.echo_longest_seconds = round(max(echoes.seconds, default=0.0), 3)
    verdict.echoes_failed = echoes.failed
    verdict.memory_peak_growth_bytes = sampler.peak_growth_bytes()
    _judge_processes(verdict, receivers, before, after)
    return verdict


def _judge_sessions(
    verdict: Verdict,
    receivers: Receivers,
    sequences: Iterable[Sequence],
    pool: ThreadPoolExecutor,
    tell: Callable[[int], None],
) -> None:
    # In lots: `map` takes all of an iterable at once.
    while lot := list(itertools.islice(sequences, 2000)):
        for outcome in pool.map(lambda one: play(receivers.port, one, source=BAD_SOURCE), lot):
            _judge_outcome(verdict, outcome)
        tell(verdict.sequences)


def _judge_outcome(verdict: Verdict, outcome: Outcome) -> None:
    verdict.sequences += 1
    verdict.outcomes[f"{outcome.ended}: {'+'.join(outcome.answers) or 'no answer'}"] += 1
    if outcome.ended in ("stuck", "unreached") or outcome.seconds > END_SECONDS:
        verdict.unfinished.append(f"sequence {outcome.number}: {outcome.ended} after {outcome.seconds:.1f} s")
    verdict.slowest = sorted([*verdict.slowest, (round(outcome.seconds, 2), outcome.number)])[-WORST:]


def _judge_processes(
    verdict: Verdict, receivers: Receivers, before: tuple[Figures, ...], after: tuple[Figures, ...]
) -> None:
    pairs = list(zip(before, after, strict=True))
    verdict.died = receivers.died()
    verdict.log_faults = faults(receivers.log())
    verdict.memory_growth_bytes = max(now.memory_bytes - then.memory_bytes for then, now in pairs)
    verdict.threads = [(then.threads, now.threads) for then, now in pairs]
    verdict.descriptors = [(then.descriptors, now.descriptors) for then, now in pairs]
