"""The market and the workloads of `benchmarks/backtest.py`, for ofiml and hftbacktest alike."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray

from ofiml.backtest.latency import fix_latency
from ofiml.backtest.orders import Queue, Reason
from ofiml.backtest.simulate import ContractNumbers, Scenario, Trades, simulate
from ofiml.config import SyntheticDataset, load
from ofiml.data.schema import Session
from ofiml.data.synthetic import simulate as simulate_market
from ofiml.samples.tape import CLEAR, HIDE, SessionTape, Tape, record_session
from ofiml.strategy.decisions import LAST, QUOTE, TARGET, Decisions, Limits

MS, SECOND = 10**6, 10**9
POWER = 2.0  # of the queue model
UNLIMITED = 10**9  # lots

_CONF = Path(__file__).parents[1] / "conf"
_PEER = Path(__file__).with_name("backtest_peer.py")

# hftbacktest's array of events: https://hftbacktest.readthedocs.io/en/latest/data.html
_EVENT = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ]
)
_DEPTH_EVENT, _TRADE_EVENT, _CLEAR_EVENT = 1, 2, 3
_BOTH_CLOCKS = (1 << 31) | (1 << 30)
_BUY, _SELL = 1 << 29, 1 << 28

#: A fill: when its order was sent and when it was filled (ns), its price in ticks, and lots, negative for a sale.
FILL = np.dtype([(name, np.int64) for name in ("sent", "time", "price", "lots")])


def make_market(hours: float, seed: int = 42) -> SessionTape:
    """Make the default session of the embedded market, of so many hours, as a tape."""
    return record_session(make_session(hours, seed))


def make_session(hours: float, seed: int = 42) -> Session:
    """Make the default session of the embedded market, of so many hours."""
    choices = ["dataset=synthetic", f"dataset.session_length={round(hours * 3600)}s", f"dataset.seed={seed}"]
    with initialize_config_dir(str(_CONF), version_base=None):
        config = load(compose("config", overrides=choices)).dataset
    assert isinstance(config, SyntheticDataset)
    (session,) = simulate_market(config, 0)
    return session


def convert_tape(tape: Tape) -> NDArray[Any]:
    """Convert a tape to hftbacktest's events, prices in ticks.

    HIDE is left out: hftbacktest, too, then counts a hidden level as when it was last seen. A trade of unknown side is
    two events in a tape, one of each.
    """
    message = np.repeat(np.arange(len(tape.exchange)), np.diff(tape.first))
    kept = tape.kind != HIDE
    message, kind = message[kept], tape.kind[kept]
    side, price, size = tape.side[kept], tape.price[kept], tape.size[kept]
    codes = np.array([_DEPTH_EVENT, _TRADE_EVENT, 0, _CLEAR_EVENT])[kind]
    sides = np.where(kind == CLEAR, 0, np.where(side > 0, _BUY, _SELL))
    out = np.zeros(len(kind), _EVENT)
    out["ev"] = codes | sides | _BOTH_CLOCKS
    out["exch_ts"], out["local_ts"] = tape.exchange[message], tape.receipt[message]
    out["px"] = np.where(kind == CLEAR, 0, price + tape.base)
    out["qty"] = np.where(kind == CLEAR, 0, size)
    return out


# --- workloads -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Workload:
    """What a trader wants, with a stop in ticks or none."""

    name: str
    decisions: Decisions
    stop: int = 0

    @property
    def quotes(self) -> bool:
        """Return whether the trader quotes."""
        return bool((self.decisions.kind == QUOTE).any())


def _list_times(market: SessionTape, interval: int) -> NDArray[np.int64]:
    """List the times of decisions, from when the book is known until a minute before the last message."""
    tape = market.tape
    known = np.flatnonzero((tape.bid >= 0) & (tape.ask >= 0))[0]
    return np.arange(tape.receipt[known] + SECOND, tape.exchange[-1] - 60 * SECOND, interval)


def _make_decisions(time: NDArray[np.int64], kind: int, **columns: NDArray[np.int64]) -> Decisions:
    zeros = np.zeros(len(time), np.int64)
    given = {name: columns.get(name, zeros) for name in Decisions._fields[2:]}
    given["until"] = np.full(len(time), LAST)
    return Decisions(time, np.full(len(time), kind, np.uint8), **given)


def make_taker(market: SessionTape, interval: int, *, stop: int = 0, lots: int = 1, name: str = "") -> Workload:
    """Make a taker that decides at each interval: it follows the mid's change over 30 s, flat where that is small."""
    tape, time = market.tape, _list_times(market, interval)
    now, before = (np.searchsorted(tape.receipt, time - back, side="right") - 1 for back in (0, 30 * SECOND))
    mid2 = tape.bid + tape.ask
    move = np.where(before >= 0, mid2[now] - mid2[before], 0)
    target = lots * np.sign(move) * (np.abs(move) >= 16)
    target[-1] = 0
    return Workload(name, _make_decisions(time, TARGET, target=target), stop)


def make_quoter(market: SessionTape, interval: int, *, once: bool = False, name: str = "") -> Workload:
    """Make a trader that quotes a lot at the best bid and ask known at each interval, and replaces those that moved.

    With `once`, each order is cancelled half an interval later, filled or not: no order depends on another's fill.
    """
    tape, time = market.tape, _list_times(market, interval)
    now = np.searchsorted(tape.receipt, time, side="right") - 1
    bid, ask = ((side[now] + tape.base) * tape.tick for side in (tape.bid, tape.ask))
    lots = ((tape.bid[now] >= 0) & (tape.ask[now] >= 0)).astype(np.int64)
    if once:
        time = np.column_stack([time, time + interval // 2]).ravel()
        bid, ask = np.repeat(bid, 2), np.repeat(ask, 2)
        lots = np.column_stack([lots, np.zeros_like(lots)]).ravel()
    return Workload(name, _make_decisions(time, QUOTE, bid=bid, ask=ask, bid_size=lots, ask_size=lots))


def trade(
    market: SessionTape, workload: Workload, latencies: list[int], response: int, queue: Queue = Queue.POWER
) -> list[Trades]:
    """Trade a workload with ofiml, for all latencies (ns) in one pass."""
    cap = UNLIMITED if workload.quotes else int(np.abs(workload.decisions.target).max(initial=1))
    return simulate(
        market.tape,
        workload.decisions,
        Limits(cap=cap, stop=workload.stop, take=0, flat_from=LAST, loss=float("inf"), post=False),
        ContractNumbers(),
        [Scenario(fix_latency(ns, response), queue, POWER) for ns in latencies],
        close=market.meta.close,
    )


def list_fills(market: SessionTape, trades: Trades) -> NDArray[Any]:
    """List the fills of a trader, without those of the session's close, which hftbacktest does not have."""
    fills, orders = trades.fills, trades.orders
    fills = fills[orders["reason"][fills["order"]] != Reason.CLOSE]
    out = np.zeros(len(fills), FILL)
    out["sent"], out["time"] = orders["sent"][fills["order"]], fills["time"]
    out["price"], out["lots"] = fills["price"] + market.tape.base, fills["lots"]
    return out


# --- hftbacktest -----------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """CPU seconds of hftbacktest's loop, and its fills as FILL."""

    seconds: float
    fills: NDArray[Any]


class Peer:
    """hftbacktest in its own environment, whose interpreter is `python`; use it as a context.

    `imports` is the CPU time of importing it.
    """

    def __init__(self, python: Path, market: SessionTape) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._market = market
        events = Path(self._folder.name) / "events.npz"
        np.savez(events, data=convert_tape(market.tape))
        self._process = subprocess.Popen(
            [str(python), str(_PEER), str(events)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.imports = float(self._read()["imports"])

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("hftbacktest's process ended early: its error stands above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def run(self, workload: Workload, latency: int, response: int, depth: str = "range") -> Answer:
        """Run a workload with one latency (ns)."""
        tape, folder = self._market.tape, Path(self._folder.name)
        decisions = workload.decisions
        table = {"time": decisions.time}
        if workload.quotes:
            table["prices"] = np.column_stack([decisions.bid, decisions.ask]) // tape.tick
            table["lots"] = decisions.bid_size
        else:
            table["target"] = decisions.target
        np.savez(folder / "table.npz", allow_pickle=False, **table)
        if (tape.kind == CLEAR).any():
            depth = "hashmap"  # the depth of a range clears the wrong levels
        job = {
            "table": str(folder / "table.npz"),
            "fills": str(folder / "fills.npz"),
            "latency": latency,
            "response": response,
            "stop": workload.stop,
            "power": POWER,
            "depth": depth,
            "low": tape.base,
            "high": tape.base + tape.span - 1,
        }
        assert self._process.stdin is not None
        print(json.dumps(job), file=self._process.stdin, flush=True)
        seconds = float(self._read()["seconds"])
        with np.load(folder / "fills.npz", allow_pickle=False) as stored:
            rows = stored["fills"]
        fills = np.zeros(len(rows), FILL)
        for k, name in enumerate(FILL.names or ()):
            fills[name] = rows[:, k]
        return Answer(seconds, np.sort(fills, order=["time", "sent"]))
