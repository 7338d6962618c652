"""The feed: how much later than its receipt stamp each message is known to the trader.

The stamps of receipt are those of the recorder, or of the exchange where nobody recorded a receipt. Whoever trades
far from there knows each message later. A bar is complete when its messages are known, so its decision is later, too.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ofiml._typing import Int64
from ofiml.config import Backtest
from ofiml.samples.tape import Tape
from ofiml.strategy.decisions import LAST, Decisions


@dataclass(frozen=True, slots=True)
class Feed:
    """The delay of messages after their receipt: `median` (ns), and the deviation of its logarithm, `jitter`. With 0
    jitter all delays are the median, else they are drawn with the `seed`, one for each message of a session.
    """

    median: int = 0
    jitter: float = 0.0
    seed: int = 0

    @classmethod
    def of(cls, config: Backtest, seed: int) -> Self:
        """Take the feed of a config."""
        return cls(config.feed_latency_ns, config.feed_jitter, seed)

    def delay(self, tape: Tape, decisions: Decisions) -> tuple[Tape, Decisions]:
        """Delay what is known of a tape, and the decisions that were made of it.

        Messages keep their order: one is known no earlier than those received before it. A decision is made the median
        delay after its bar's close, and no earlier than the bar's last message is known; holding times end likewise.
        """
        if self.median == 0:
            return tape, decisions
        known = np.maximum.accumulate(tape.receipt + self.draw(len(tape.receipt)))
        until = np.where(decisions.until == LAST, LAST, self._find_times(decisions.until, tape, known))
        delayed = decisions._replace(time=self._find_times(decisions.time, tape, known), until=until)
        return tape._replace(receipt=known), delayed

    def draw(self, count: int) -> Int64:
        """Draw the delays (count,) of the messages of a session, ns."""
        if self.jitter == 0:
            return np.full(count, self.median)
        draws = np.random.default_rng([self.seed, 5]).standard_normal(count)
        return np.rint(self.median * np.exp(self.jitter * draws)).astype(np.int64)

    def _find_times(self, times: Int64, tape: Tape, known: Int64) -> Int64:
        """Find when what was received up to each time (n,) is known."""
        count = np.searchsorted(tape.receipt, times, side="right")
        last = np.concatenate([[np.iinfo(np.int64).min], known])[count]
        return np.maximum(np.minimum(times, LAST - self.median) + self.median, last)
