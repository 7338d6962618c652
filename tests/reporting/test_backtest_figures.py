"""The figures of a backtest: which are drawn, and what stands in them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from ofiml.backtest.result import BacktestResult
from ofiml.evaluation.profit import measure_performance
from ofiml.reporting.figures.backtest import choose_backtest_figures
from tests.backtest.scripts import NO_LIMITS, at, book, decide
from tests.backtest.scripts import trade as print_trade
from tests.backtest.traded import (
    BOOTSTRAP,
    collect,
    make_config,
    make_predictions,
    make_targets,
    trade,
    trade_walk,
    walk,
)

CONFIG = make_config(latency_curve=["0ms", "1s"], sizes=[1.0, 2.0], markouts=["1s", "90s"])
TAKEN = {"equity", "latency_curve", "cost_grid", "capacity", "markouts", "profit_by_time", "trades"}


def make_study(result: BacktestResult) -> Any:
    """What figures read of a study."""
    predictions = make_predictions(result).with_columns(bid=pl.lit(10**9), ask=pl.lit(2 * 10**9))
    backtest = measure_performance(result, predictions, BOOTSTRAP, 30)
    return SimpleNamespace(
        report=SimpleNamespace(performance=backtest),
        trades=result,
        predictions=predictions,
        config=SimpleNamespace(backtest=SimpleNamespace(latency="0ms")),
    )


def draw(study: Any) -> dict[str, Figure]:
    figures = {}
    for name, each in choose_backtest_figures(study).items():
        figure = Figure()
        each(figure, study)
        figures[name.removesuffix(".png")] = figure
    return figures


def test_taken_trades_have_no_queue():
    study = make_study(collect([trade_walk(0, knows=0.95, bars=80, config=CONFIG)], config=CONFIG))
    figures = draw(study)
    assert set(figures) == TAKEN
    summary = study.report.performance
    gross, net = (line.get_ydata()[-1] for line in figures["equity"].axes[0].lines[:2])
    assert (gross, net) == pytest.approx((summary.gross_pnl, summary.net_pnl))
    lowest = min(path.vertices[:, 1].min() for path in figures["equity"].axes[1].collections[0].get_paths())
    assert lowest == pytest.approx(-summary.max_drawdown)
    curve = figures["latency_curve"].axes[0].lines[1].get_ydata()
    assert list(curve) == [v.net_pnl for v in summary.latency_curve]
    cells = {text.get_position(): text.get_text() for text in figures["cost_grid"].axes[0].texts}
    assert len(cells) == 25
    assert cells[2, 2] == f"{summary.net_pnl:,.2f}"  # both costs once
    assert cells[0, 0] == f"{summary.gross_pnl:,.2f}"
    bars = [bar.get_height() for bar in figures["profit_by_time"].axes[0].patches]
    assert sum(bars) == pytest.approx(summary.net_pnl)
    assert sum(axis.get_visible() for axis in figures["trades"].axes) == 4


def test_a_bar_that_closes_with_its_half_hour_belongs_to_it():
    """A gain is that of the time before its mark."""
    session = trade(walk([100] * 3), make_targets([1, 2], [1, 1]))
    result = collect([session])
    stamps = np.array([0, 1800, 1801]) * 10**9
    gains = result.gains.head(3).with_columns(bar_close=pl.Series(stamps), net=pl.Series([0.0, 5.0, -1.0]))
    study = make_study(result)
    study.trades = SimpleNamespace(gains=gains)
    figure = Figure()
    choose_backtest_figures(study)["profit_by_time.png"](figure, study)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert dict(zip(labels, heights, strict=True)) == {"00:00": 5.0, "00:30": -1.0, "23:30": 0.0}


@pytest.mark.parametrize(("bins", "step"), [(12, 1), (13, 2), (22, 2), (25, 3)])
def test_the_times_of_many_bins_do_not_overlap(bins, step):
    result = collect([trade(walk([100] * 40), make_targets(range(1, 31), [1] * 30))])
    stamps = (1 + np.arange(bins)) * 1800 * 10**9
    gains = result.gains.head(bins).with_columns(bar_close=pl.Series(stamps), net=pl.Series(np.ones(bins)))
    study = make_study(result)
    study.trades = SimpleNamespace(gains=gains)
    figure = Figure()
    choose_backtest_figures(study)["profit_by_time.png"](figure, study)
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert len(labels) == -(-bins // step) <= 12
    assert len(figure.axes[0].patches) == bins
    assert labels[1] == f"{step * 1800 // 3600:02d}:{step * 1800 // 60 % 60:02d}"


def test_resting_orders_have_a_queue():
    rows = [book(t, (100, 20, 102, 20)) for t in (1, 2)] + [print_trade(3, "A", 100, 24, (99, 20, 102, 20))]
    session = trade(rows, decide(at(2, "quote", 100, 10, 102, 6)), limits=NO_LIMITS, close=10, config=CONFIG)
    study = make_study(collect([session], config=CONFIG))
    figures = draw(study)
    assert set(figures) == TAKEN | {"queue_bracket"}
    figures["queue_bracket"].canvas.draw()
    lots = [bar.get_width() for bar in figures["queue_bracket"].axes[1].patches]
    backtest = study.report.performance
    touch, through = (next(v.traded for v in backtest.queues if v.name == n) for n in ("touch", "through"))
    assert lots == [through, backtest.traded, touch]


def test_without_a_fill_no_figure_is_drawn():
    idle = trade(walk([100] * 20), decide(at(1, "hold"), at(2, "hold")), config=CONFIG)
    assert draw(make_study(collect([idle], config=CONFIG))) == {}
    nothing = SimpleNamespace(report=SimpleNamespace(performance=None), trades=None)
    assert choose_backtest_figures(nothing) == {}  # type: ignore[arg-type]


def test_paths_are_drawn_apart():
    sessions = [trade_walk(k, knows=0.95, bars=60, path=k, config=CONFIG) for k in range(2)]
    study = make_study(collect(sessions, config=CONFIG))
    figures = draw(study)
    assert set(figures) == TAKEN
    ends = [line.get_ydata()[-1] for line in figures["equity"].axes[0].lines if len(line.get_ydata()) > 5]
    nets = [path.net_pnl for path in study.report.performance.paths]
    assert ends[1::2] == pytest.approx(nets)
    bars = [bar.get_height() for bar in figures["profit_by_time"].axes[0].patches]
    assert sum(bars) == pytest.approx(study.report.performance.net_pnl)
