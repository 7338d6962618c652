"""The whole study on a day of AMZN, from the raw CSV to the profit, held against a second one written by hand.

The command line runs as a user would run it. Everything that it writes is computed again here from the two files in the
LOBSTER zip, with loops over events, bars, rows and orders, and with nothing of the package: the flow of each level,
the labels, the purged folds, least squares, the scores, the digest of the predictions, every fill and the profit.

Times here are nanoseconds after midnight in New York, prices are LOBSTER's integers (dollars x 10,000).
"""

import bisect
import csv
import hashlib
import io
import json
import math
import struct
import zipfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tests.conftest import command_line, slow_except

ZIP = "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
SECOND = 1_000_000_000
TICK = 100  # one cent
DOLLAR = 10_000
OPEN, CLOSE = 34_200 * SECOND, 57_600 * SECOND  # 09:30 and 16:00
MIDNIGHT = int(datetime(2012, 6, 21, tzinfo=ZoneInfo("America/New_York")).timestamp()) * SECOND
LEVELS = 5

# What conf/ says where a case below does not override it.
STEP = 10 * SECOND
DELAY = SECOND // 20
FOLDS, FIRST_TRAIN, EMBARGO = 5, 0.4, 60 * SECOND
MAX_POSITION = 100
# conf/instrument/us_equities.yaml, which a US share has unless another is stated. A position is sold once, so each
# of its two orders has to earn half of what sales pay more.
FEE_PER_UNIT, FEE_BPS = 0.005 + 0.000195 / 2, 0.206 / 2


@dataclass(frozen=True)
class Case:
    """One run of the command line, and what its overrides mean in numbers."""

    name: str
    overrides: tuple[str, ...]
    levels: int  # of flow that the model is given
    horizon: int = 10 * SECOND
    latency: int = DELAY
    edge_multiple: float = 1.0
    impact: bool = False
    clock: int = 1  # grain to which the times of the file are rounded up before the run


CASES = [
    Case("mlofi", ("ofi=mlofi", "horizon=10s", "target=forecast"), levels=LEVELS),
    Case(
        "many_fills",
        ("ofi=best_level", "horizon=10s", "target=forecast", "strategy.edge_multiple=0.1"),
        levels=1,
        edge_multiple=0.1,
    ),
    # Labels that overlap, that end between two bars, and that the execution leg (latency) carries over one more bar.
    Case(
        "overlap",
        ("ofi=mlofi", "horizon.length=25s", "target=forecast", "backtest.latency=6s", "strategy.edge_multiple=0.1"),
        levels=LEVELS,
        horizon=25 * SECOND,
        latency=6 * SECOND,
        edge_multiple=0.1,
    ),
    # No event of the day falls on a bar's edge. On a clock of 50 ms many do, and on the moment of a fill.
    Case(
        "edges",
        ("ofi=mlofi", "horizon=10s", "target=forecast", "strategy.edge_multiple=0.1"),
        levels=LEVELS,
        edge_multiple=0.1,
        clock=DELAY,
    ),
    Case("impact", ("ofi=best_level", "target=impact"), levels=1, impact=True),
]
FORECASTS = [case.name for case in CASES if not case.impact]
# One forecast, with all that its labels and orders can be, and the impact; the others, every test of theirs, are slow.
QUICK = {"overlap"}


@dataclass
class Book:
    """All states of the day in file order; a state is ask price, ask size, bid price, bid size, level after level."""

    times: list[int]
    states: list[list[int]]

    def at(self, time: int) -> list[int] | None:
        """The last state at or before a time."""
        after = bisect.bisect_right(self.times, time)
        return self.states[after - 1] if after else None

    def mid(self, time: int) -> float | None:
        """The mid in ticks."""
        state = self.at(time)
        return None if state is None else (state[0] + state[2]) / 2 / TICK


@dataclass
class Row:
    """A bar that has a label."""

    opened: int
    closed: int
    flow: list[int]
    y: float
    used_from: int
    label_from: int
    label_to: int


@dataclass
class Fold:
    train: list[Row]
    test: list[Row]
    purged: int
    embargoed: int
    mean: float = 0.0
    y_hat: list[float] = field(default_factory=list)
    later: list[tuple[int, float]] = field(default_factory=list)  # (close, forecast) of the bars without a label


@dataclass
class Fill:
    decided: int
    filled: int
    side: int
    size: int
    price: int
    touch: int  # the best price when the order arrived
    mid_decided: float  # in LOBSTER's units
    mid_arrived: float
    position: int


# The raw files


def nanoseconds(seconds: str) -> int:
    """LOBSTER's decimal seconds, which a float would not hold exactly; one row of the day has twelve decimals."""
    whole, _, fraction = seconds.partition(".")
    return int(whole) * SECOND + int(fraction[:9].ljust(9, "0"))


def read_csv(archive: zipfile.ZipFile, part: str) -> list[list[str]]:
    (name,) = [name for name in archive.namelist() if part in name]
    with archive.open(name) as raw:
        return list(csv.reader(io.TextIOWrapper(raw, "ascii")))


def round_up(time: int, grain: int) -> int:
    return -(-time // grain) * grain


def on_clock(path: Path, grain: int, folder: Path) -> Path:
    """The same zip on a coarse clock."""
    copy = folder / path.name
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as coarse:
        for name in archive.namelist():
            text = archive.read(name)
            if "message" in name:
                rows = [line.split(",", 1) for line in text.decode("ascii").splitlines()]
                times = [round_up(nanoseconds(time), grain) for time, _ in rows]
                lines = [f"{t // SECOND}.{t % SECOND:09d},{rest}" for t, (_, rest) in zip(times, rows, strict=True)]
                text = "\n".join([*lines, ""]).encode("ascii")
            coarse.writestr(name, text)
    return copy


@pytest.fixture(scope="module")
def book(data):
    with zipfile.ZipFile(data(ZIP)) as archive:
        times = [nanoseconds(row[0]) for row in read_csv(archive, "message")]
        states = [[int(value) for value in row] for row in read_csv(archive, "orderbook")]
    assert len(times) == len(states) == 155_935
    assert times == sorted(times)
    # No level is ever absent on this day and no quote crossed, so neither needs a rule here.
    assert all(0 < state[4 * m + 2] < state[4 * m] < 10**9 for state in states for m in range(LEVELS))
    return Book(times, states)


# Flow, labels, folds


def level_flow(before: list[int], now: list[int], level: int) -> int:
    """Cont, Kukanov & Stoikov (2014), eq. 2-4."""
    ask_was, ask_size_was, bid_was, bid_size_was = before[4 * level : 4 * level + 4]
    ask, ask_size, bid, bid_size = now[4 * level : 4 * level + 4]
    flow = 0
    if bid >= bid_was:
        flow += bid_size
    if bid <= bid_was:
        flow -= bid_size_was
    if ask <= ask_was:
        flow -= ask_size
    if ask >= ask_was:
        flow += ask_size_was
    return flow


def bar_flows(book: Book) -> dict[int, list[int]]:
    """Flow of every level by bar close; a bar is (open, close], the day's first state emits nothing."""
    flows = {close: [0] * LEVELS for close in range(OPEN + STEP, CLOSE + 1, STEP)}
    for before, now, time in zip(book.states, book.states[1:], book.times[1:], strict=False):
        bar = flows[OPEN + round_up(time - OPEN, STEP)]
        for level in range(LEVELS):
            bar[level] += level_flow(before, now, level)
    return flows


def labelled_rows(book: Book, flows: dict[int, list[int]], case: Case) -> list[Row]:
    rows = []
    for closed, flow in flows.items():
        opened = closed - STEP
        if case.impact:
            start, end, used_to, shown_from = opened, closed, closed, opened
        else:
            start, end = closed + DELAY, closed + DELAY + case.horizon
            used_to, shown_from = closed + case.horizon + max(DELAY, case.latency), closed
        before, after = book.mid(start), book.mid(end)
        if end > CLOSE or before is None or after is None or book.mid(closed) is None:
            continue
        rows.append(Row(opened, closed, flow[: case.levels], after - before, opened, shown_from, used_to))
    return rows


def meets(train: Row, test: Row, gap: int) -> bool:
    return train.used_from <= test.label_to + gap and test.label_from <= train.label_to + gap


def walk_forward(rows: list[Row]) -> list[Fold]:
    """Expanding windows: each block is tested by what came before it, less the rows whose label reaches too near."""
    folds = []
    for block in np.array_split(np.arange(int(FIRST_TRAIN * len(rows)), len(rows)), FOLDS):
        test = [rows[i] for i in block]
        train, purged, embargoed = [], 0, 0
        for row in rows[: block[0]]:
            if any(meets(row, other, 0) for other in test):
                purged += 1
            elif any(meets(row, other, EMBARGO) for other in test):
                embargoed += 1
            else:
                train.append(row)
        folds.append(Fold(train, test, purged, embargoed))
    return folds


def fit_predict(fold: Fold, unlabelled: list[tuple[int, list[int]]]) -> None:
    """Least squares with an intercept on the train rows."""
    design = np.array([[1.0, *row.flow] for row in fold.train])
    target = np.array([row.y for row in fold.train])
    beta = np.linalg.lstsq(design, target, rcond=None)[0]
    fold.mean = sum(row.y for row in fold.train) / len(fold.train)

    def forecast(flow: list[int]) -> float:
        return float(beta[0] + sum(b * x for b, x in zip(beta[1:], flow, strict=True)))

    fold.y_hat = [forecast(row.flow) for row in fold.test]
    fold.later = [(closed, forecast(flow)) for closed, flow in unlabelled]


# Scores


def pearson(x: list[float], y: list[float]) -> float:
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    dx, dy = [value - mean_x for value in x], [value - mean_y for value in y]
    both = math.fsum(a * b for a, b in zip(dx, dy, strict=True))
    return both / math.sqrt(math.fsum(a * a for a in dx) * math.fsum(b * b for b in dy))


def ranks(values: list[float]) -> list[float]:
    """Ranks from 1, ties sharing their mean rank."""
    order = sorted(values)
    return [(bisect.bisect_left(order, v) + 1 + bisect.bisect_right(order, v)) / 2 for v in values]


def scores(folds: list[Fold]) -> dict[str, float]:
    y = [row.y for fold in folds for row in fold.test]
    y_hat = [value for fold in folds for value in fold.y_hat]
    mean = [fold.mean for fold in folds for _ in fold.test]
    error = math.fsum((a - b) ** 2 for a, b in zip(y, y_hat, strict=True))
    total = math.fsum((a - b) ** 2 for a, b in zip(y, mean, strict=True))
    told = [(a, b) for a, b in zip(y, y_hat, strict=True) if a != 0 and b != 0]
    return {
        "r2": 1 - error / total,
        "ic": pearson(y, y_hat),
        "rank_ic": pearson(ranks(y), ranks(y_hat)),
        "hit_rate": sum((a > 0) == (b > 0) for a, b in told) / len(told),
    }


# Trading


def find_mid(book: Book, time: int) -> float:
    ask, _, bid, _ = book.at(time)[:4]
    return (ask + bid) / 2


@dataclass
class Taken:
    """What own orders took of levels by (side taken, price), until the best price of that side passes the level."""

    lots: dict[tuple[int, int], int] = field(default_factory=dict)
    since: int = 0

    def forget(self, book: Book, until: int) -> None:
        """Looks at all states after the last look, up to a time."""
        first, last = bisect.bisect_right(book.times, self.since), bisect.bisect_right(book.times, until)
        for state in book.states[first:last]:
            for side, price in list(self.lots):
                if state[0] > price if side > 0 else state[2] < price:
                    del self.lots[side, price]
        self.since = until


def execute(
    book: Book, taken: Taken, decided: int, arrived: int, order: int, position: int, *, all_of_it: bool = False
) -> list[Fill]:
    """Takes what is displayed and was not taken before, level after level, when the order arrives; the rest of the
    order is dropped, or with `all_of_it` filled at the last level.
    """
    if arrived > CLOSE:
        return []
    taken.forget(book, arrived)
    side, left, fills = (1 if order > 0 else -1), abs(order), []
    state = book.at(arrived)
    levels = [
        (state[4 * i], state[4 * i + 1]) if side > 0 else (state[4 * i + 2], state[4 * i + 3]) for i in range(LEVELS)
    ]
    for level, (price, shown) in enumerate(levels):
        before = min(taken.lots.get((side, price), 0), shown)
        if (side, price) in taken.lots:
            taken.lots[side, price] = before  # at most what is there
        size = left if all_of_it and level == LEVELS - 1 else min(left, shown - before)
        if not size:
            continue
        taken.lots[side, price] = before + size
        left, position = left - size, position + side * size
        mids = find_mid(book, decided), find_mid(book, arrived)
        fills.append(Fill(decided, arrived, side, size, price, levels[0][0], *mids, position))
    return fills


def trade(book: Book, folds: list[Fold], case: Case) -> tuple[list[Fill], int]:
    """The fills of the day, and how much of the orders found no size.

    While the last signal is younger than the horizon nothing is ordered: what an order could not get stays undone until
    a new signal, or, once the signal has expired, until flat. Bars without a label, at the end of the day, are traded
    as any other: who trades does not know which bars will have one.
    """
    fills, position, wanted, unfilled, last_signal, taken = [], 0, 0, 0, None, Taken()
    for fold in folds:
        decisions = [(row.closed, edge) for row, edge in zip(fold.test, fold.y_hat, strict=True)] + fold.later
        for closed, edge in decisions:
            ask, _, bid, _ = book.at(closed)[:4]
            fee = FEE_PER_UNIT * DOLLAR + FEE_BPS * 1e-4 * (ask + bid) / 2
            hurdle = case.edge_multiple * ((ask - bid) / 2 / TICK + fee / TICK)
            if abs(edge) > hurdle:
                wanted, last_signal = (MAX_POSITION if edge > 0 else -MAX_POSITION), closed
            elif last_signal is not None and closed - last_signal >= case.horizon:
                wanted = 0
            else:
                wanted = position
            if wanted == position:
                continue
            done = execute(book, taken, closed, closed + case.latency, wanted - position, position)
            if closed + case.latency <= CLOSE:
                unfilled += abs(wanted - position) - sum(fill.size for fill in done)
            fills += done
            position = fills[-1].position if fills else 0
    if position:
        fills += execute(book, taken, CLOSE, CLOSE, -position, position, all_of_it=True)
    return fills, unfilled


# The runs, and the same by hand


@dataclass
class Study:
    case: Case
    book: Book
    rows: list[Row]
    folds: list[Fold]
    report: dict
    predictions: pd.DataFrame
    fills: pd.DataFrame | None  # of a forecast
    folder: Path


def run_case(case: Case, path: Path, folder: Path) -> Path:
    """Runs the study in a folder of its own from the command line; where it wrote."""
    out = folder / case.name
    fixed = ["tracking=off", f"hydra.run.dir={out}", "dataset=lobster", f"dataset.path={path}", "bars.step=10s"]
    fixed += ["model=ols", "tuning=off", "features=ofi_only", "evaluation.bootstrap_samples=50"]
    fixed += ["evaluation.controls=false", "evaluation.leak_check=false"]  # which nothing here computes again
    done = command_line(folder, *fixed, *case.overrides)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def studies(book, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("by_hand")
    flows: dict[int, dict[int, list[int]]] = {}  # they depend on the clock alone
    done: dict[str, Study] = {}

    def study(name: str) -> Study:
        if name not in done:
            (case,) = [case for case in CASES if case.name == name]
            path, own = data(ZIP).resolve(), book
            if case.clock > 1:
                path = on_clock(path, case.clock, folder)
                own = Book([round_up(time, case.clock) for time in book.times], book.states)
            if case.clock not in flows:
                flows[case.clock] = bar_flows(own)
            out = run_case(case, path, folder)
            rows = labelled_rows(own, flows[case.clock], case)
            folds = walk_forward(rows)
            labelled = {row.closed for row in rows}
            last = [(c, f[: case.levels]) for c, f in flows[case.clock].items() if c > max(labelled)]
            for fold in folds:
                fit_predict(fold, last if fold is folds[-1] else [])
            report = json.loads((out / "report.json").read_text())
            fills = pd.read_parquet(out / "fills.parquet") if not case.impact else None
            predictions = pd.read_parquet(out / "predictions.parquet")
            done[name] = Study(case, own, rows, folds, report, predictions, fills, out)
        return done[name]

    return study


@pytest.fixture(params=slow_except(QUICK, [case.name for case in CASES]))
def study(request, studies):
    return studies(request.param)


@pytest.fixture(params=slow_except(QUICK, FORECASTS))
def forecast(request, studies):
    return studies(request.param)


def utc(times: list[int]) -> list[int]:
    return [MIDNIGHT + time for time in times]


def nanos(column: pd.Series) -> list[int]:
    return column.astype("datetime64[ns, UTC]").astype("int64").tolist()


def stamp(time: int) -> pd.Timestamp:
    return pd.Timestamp(MIDNIGHT + time, tz="UTC")


# The tests


def test_rows(study):
    bars = (CLOSE - OPEN) // STEP
    rows = study.report["rows"]
    assert (rows["bars"], rows["used"]) == (bars, len(study.rows))
    assert rows["dropped"] == {"no_mid": 0, "no_label": bars - len(study.rows)}


def test_predicted_rows_and_labels(study):
    got = study.predictions
    test = [row for fold in study.folds for row in fold.test]
    assert nanos(got["bar_close"]) == utc([row.closed for row in test])
    assert set(got["symbol"]) == {"AMZN"}
    assert set(got["session"]) == {"2012-06-21"}
    assert got["fold"].tolist() == [k for k, fold in enumerate(study.folds) for _ in fold.test]
    np.testing.assert_allclose(got["y"], [row.y for row in test], rtol=0, atol=1e-9)


def test_predictions(study):
    got = study.predictions
    y_hat = [value for fold in study.folds for value in fold.y_hat]
    np.testing.assert_allclose(got["y_hat"], y_hat, rtol=1e-8, atol=0)
    np.testing.assert_allclose(got["edge_ticks"], y_hat, rtol=1e-8, atol=0)
    np.testing.assert_allclose(
        got["train_mean"], [fold.mean for fold in study.folds for _ in fold.test], rtol=1e-9, atol=0
    )


def test_book_at_the_close_of_the_bar(study):
    states = [study.book.at(row.closed) for fold in study.folds for row in fold.test]
    got = study.predictions
    np.testing.assert_allclose(got["mid"], [(s[0] + s[2]) / 2 / TICK for s in states], rtol=0, atol=1e-9)
    np.testing.assert_allclose(got["spread_ticks"], [(s[0] - s[2]) / TICK for s in states], rtol=0, atol=1e-9)


def test_folds(study):
    got = study.report["folds"]
    counts = [(f["fold"], f["train_rows"], f["purged"], f["embargoed"], f["test_rows"]) for f in got]
    assert counts == [(k, len(f.train), f.purged, f.embargoed, len(f.test)) for k, f in enumerate(study.folds)]
    ends = [tuple(pd.Timestamp(f[k]) for k in ("train_from", "train_to", "test_from", "test_to")) for f in got]
    rows = [(f.train[0], f.train[-1], f.test[0], f.test[-1]) for f in study.folds]
    assert ends == [tuple(stamp(row.closed) for row in four) for four in rows]


def test_scores(study):
    metrics = study.report["metrics"]
    pooled = {name: value["value"] for name, value in metrics["pooled"].items()}
    assert pooled == pytest.approx(scores(study.folds), rel=0, abs=1e-9)
    for k, (got, fold) in enumerate(zip(metrics["folds"], study.folds, strict=True)):
        expected = {"fold": k, "rows": len(fold.test), **scores([fold])}
        assert got == pytest.approx(expected, rel=0, abs=1e-9)


def test_digest_of_the_predictions(study):
    """Over the run's own numbers, bit for bit; that they are the right ones, the tests above say."""
    got = study.predictions
    digest = hashlib.sha256()
    digest.update(b"".join(symbol.encode() + b"\0" for symbol in got["symbol"]))
    digest.update(b"".join(struct.pack("<q", time) for time in nanos(got["bar_close"])))
    digest.update(b"".join(struct.pack("<i", fold) for fold in got["fold"]))
    for column in ("y", "y_hat"):
        digest.update(b"".join(struct.pack("<d", value) for value in got[column]))
    assert study.report["predictions"] == {"sha256": digest.hexdigest(), "rows": len(got)}


def test_fills(forecast):
    expected, _ = trade(forecast.book, forecast.folds, forecast.case)
    got = forecast.fills
    assert nanos(got["decided"]) == utc([fill.decided for fill in expected])
    assert nanos(got["arrived"]) == nanos(got["filled"]) == utc([fill.filled for fill in expected])
    assert got["lots"].tolist() == [fill.side * fill.size for fill in expected]
    assert got["position"].tolist() == [fill.position for fill in expected]
    prices = {"price": "price", "touch": "touch", "mid_decided": "mid_decided", "mid_arrived": "mid_arrived"}
    prices["mid_filled"] = "mid_arrived"  # a marketable order is filled as it arrives
    for column, name in prices.items():
        dollars = [getattr(fill, name) / DOLLAR for fill in expected]
        np.testing.assert_allclose(got[column], dollars, rtol=0, atol=1e-9)


def test_profit(forecast):
    fills, unfilled = trade(forecast.book, forecast.folds, forecast.case)

    def cost(price: str, before: str) -> float:
        """What the fills paid from one price to another."""
        moves = (f.side * f.size * (getattr(f, price) - getattr(f, before)) for f in fills)
        return sum(moves) / DOLLAR

    costs = {
        "latency": cost("mid_arrived", "mid_decided"),
        "waiting": 0.0,
        "spread": cost("touch", "mid_arrived"),
        "depth": cost("price", "touch"),
        "commission": sum(f.size * (0.005 + (f.side < 0) * (0.000195 + 0.206e-4 * f.price / DOLLAR)) for f in fills),
        "financing": 0.0,
    }
    gross = -sum(fill.side * fill.size * fill.mid_decided for fill in fills) / DOLLAR
    cash = -sum(fill.side * fill.size * fill.price for fill in fills) / DOLLAR
    got = forecast.report["backtest"]
    expected = {
        "gross_pnl": gross,
        "costs": sum(costs.values()),
        "net_pnl": cash - costs["commission"],
        "fills": len(fills),
        "traded": sum(fill.size for fill in fills),
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected, rel=0, abs=1e-6)
    assert got["costs_by_kind"] == pytest.approx(costs, rel=0, abs=1e-6)
    assert got["orders"]["unfilled"] == unfilled


@pytest.mark.slow
def test_the_cases_hold_what_they_are_there_for(studies):
    """Many fills, orders that found too little size, labels over several bars, events on the edges."""
    many, overlap, edges = studies("many_fills"), studies("overlap"), studies("edges")
    fills, unfilled = trade(many.book, many.folds, many.case)
    assert len(fills) > 200
    assert unfilled > 0
    assert all(fold.purged > 1 for fold in overlap.folds)
    phases = {phase: sum(time % STEP == phase for time in edges.book.times) for phase in (0, DELAY)}
    assert min(phases.values()) > 100


@pytest.mark.slow
def test_impact_by_half_hours(studies):
    """Squared correlation of best-level flow and the same bar's mid change, in windows (open, open + 30 min]."""
    study = studies("impact")
    windows: dict[int, list[Row]] = {}
    for row in study.rows:
        windows.setdefault((row.closed - OPEN - 1) // (1800 * SECOND), []).append(row)
    r2 = [pearson([float(r.flow[0]) for r in rows], [r.y for r in rows]) ** 2 for rows in windows.values()]
    assert len(r2) == 13
    got = study.report["impact"]
    assert [window["r2"] for window in got["windows"]] == pytest.approx(r2, rel=0, abs=1e-9)
    assert got["r2_window_mean"] == pytest.approx(sum(r2) / len(r2), rel=0, abs=1e-9)
    assert study.report["kind"] == "impact"
    assert study.report["backtest"] is None
    assert study.fills is None
    assert not (study.folder / "fills.parquet").exists()
