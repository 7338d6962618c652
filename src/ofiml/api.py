"""The public Python interface: the functions of `import ofiml`."""

import numbers
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ofiml.bars.time import build_bar_table, cut_time_bars
from ofiml.bars.time import select_states as book_states
from ofiml.data.bad_files import read_readable_sessions, skips_bad_files
from ofiml.data.own_table import Table, convert_to_session
from ofiml.data.schema import F_LAST, Session, extract_level
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from ofiml.ofi.columns import NET_PART, FlowColumn
from ofiml.overrides.arguments import compose_config, compose_dataset
from ofiml.overrides.environment import read_default_uri
from ofiml.study.report import Report
from ofiml.study.report import read_report as parse_report
from ofiml.units import parse_duration

if TYPE_CHECKING:
    from ofiml.study.run import Study


def read_sessions(*overrides: str, config_dir: str | None = None) -> Iterator[Session]:
    """Read the sessions of any source, with the checks of a study, one at a time.

    Parameters
    ----------
    *overrides
        Overrides as for `ofiml run`, of `dataset` and `instrument` alone: `"dataset=lobster"`,
        `"dataset.path=AMZN_5.zip"`.
    config_dir
        A folder with your own config groups and choices.

    Returns
    -------
    iterator of Session
        Each is one symbol's trading session. `events` is a polars table with the columns of Databento MBP-10: prices in
        int64 units of 1e-9, null for a missing level, sizes in lots, times in UTC ns. `quality` counts the rows dropped
        and kept.

    Raises
    ------
    ConfigError
        At the call, if the overrides do not describe a dataset, or if one of them does not change it.
    DataError
        During iteration, for data that `dataset.policy` refuses.

    Examples
    --------
    >>> import ofiml
    >>> for session in ofiml.read_sessions("dataset=synthetic", "dataset.sessions=1", "dataset.max_events=1000"):
    ...     print(session.symbol, session.date, session.events.height, session.levels)
    SYN 2024-01-01 1000 10
    """
    config = compose_dataset(list(overrides), "read_sessions", config_dir)
    sources = list_sources(config.dataset)
    if skips_bad_files(config.dataset):
        sessions = read_readable_sessions(sources)
    else:
        sessions = (session for source in sources for session in source())
    return islice(sessions, config.dataset.max_sessions)


def compute_ofi(states: Session | Table, levels: int | None = None) -> pl.DataFrame:
    """Compute the order flow imbalance e_n of each book state and level (Cont, Kukanov & Stoikov 2014, eq. 2-4).

    Parameters
    ----------
    states
        One book state per row, in order: a session, or a polars or pandas table with `bid_px_00`, `bid_sz_00`,
        `ask_px_00`, `ask_sz_00` and so on for deeper levels. Prices are floats, or integers in any one unit; sizes are
        whole numbers. A level without a price (null or NaN) is missing. Optional columns: `reset` (True if the state is
        not compared with the previous one, as after a halt), and `action` and `flags` as in Databento, which mark the
        last row of a message; only that row is a state.
    levels
        Number of levels, best first. None: all levels of the table.

    Returns
    -------
    polars.DataFrame
        One row per input row, columns `ofi_00`, `ofi_01`, …, int64 lots: the flow at the bid less the flow at the ask.
        0 for a state without a previous one (the first, a reset), null inside a message.

    Raises
    ------
    DataError
        For what is no table, a table that lacks columns, sizes that are not whole, or `levels` that the table does not
        have.

    References
    ----------
    Cont, Kukanov & Stoikov (2014), The Price Impact of Order Book Events, Journal of Financial Econometrics 12(1).

    Examples
    --------
    The bid grows from 5 to 7 lots, then 2 lots arrive at a better price:

    >>> import ofiml, polars as pl
    >>> book = pl.DataFrame({
    ...     "bid_px_00": [99.99, 99.99, 100.00], "bid_sz_00": [5, 7, 2],
    ...     "ask_px_00": [100.01, 100.01, 100.01], "ask_sz_00": [4, 4, 4],
    ... })
    >>> ofiml.compute_ofi(book)["ofi_00"].to_list()
    [0, 2, 2]
    """
    from ofiml.features.kernel import flow_events

    session = convert_to_session(states)
    width = session.levels if levels is None else levels
    if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= session.levels:
        raise DataError(f"levels={levels!r}: give a whole number from 1 to {session.levels}, the levels of the table.")
    book = book_states(session, "message")
    ends = pl.Series((session.events["flags"] & F_LAST) != 0)
    place = pl.Series(np.flatnonzero(ends.to_numpy()), dtype=pl.Int64)
    columns = []
    for m in range(width):
        flow = np.empty(book.events.height, np.int64)
        flow_events(*extract_level(book.events, m), book.reset, flow)
        full = np.zeros(session.events.height, np.int64)
        full[place.to_numpy()] = flow
        name = FlowColumn(NET_PART, m).name
        columns.append(pl.select(pl.when(ends).then(pl.Series(name, full)).alias(name)).to_series())
    return pl.DataFrame(columns)


def compute_features(
    states: Session | Table,
    columns: Sequence[str] | None = None,
    bars: str = "10s",
    *,
    tick: float | None = None,
    trade_size: float = 100,
    vpin_bucket: float = 5000,
) -> pl.DataFrame:
    """Compute flow and features on time bars: the inputs of models at each bar's close.

    Parameters
    ----------
    states
        A session, or a table as for `compute_ofi` with a time in `ts_recv` (or `ts_event`): a datetime, or integer ns
        UTC. Features of trades need `action`, `side`, `price` and `size` too.
    columns
        Names of the catalogue (docs/features.md). None: the whole catalogue.
    bars
        Length of a bar: `"250ms"`, `"10s"`, `"1m"`.
    tick
        Price increment, in the units of the table's prices. A table needs it; a session has its own.
    trade_size, vpin_bucket
        The size that `cost_buy` and `cost_sell` trade, and the bucket of VPIN, in shares, contracts or coins.

    Returns
    -------
    polars.DataFrame
        One row per bar: `bar_open`, `bar_close` (UTC ns), `mid` (ticks), `spread_ticks`, `n_events`, the bar's flow
        `ofi_00`, … (lots), then the features, NaN where undefined. All values are known at `bar_close`.

    Raises
    ------
    ConfigError
        For a name that is not in the catalogue, an invalid length, or a size that is not above 0.
    DataError
        For a table that lacks columns, is not in time order, or is shorter than a bar.

    Examples
    --------
    >>> import ofiml, polars as pl
    >>> book = pl.DataFrame({
    ...     "ts_recv": [0, 400_000_000, 900_000_000, 2_000_000_000],
    ...     "bid_px_00": [99.99, 99.99, 100.00, 100.00], "bid_sz_00": [5, 7, 2, 3],
    ...     "ask_px_00": [100.01, 100.01, 100.01, 100.02], "ask_sz_00": [4, 4, 4, 9],
    ... })
    >>> table = ofiml.compute_features(book, ["queue_imbalance"], bars="1s", tick=0.01)
    >>> table.select("mid", "n_events", "ofi_00", "queue_imbalance").rows()
    [(10000.5, 2, 4, -0.3333333333333333), (10001.0, 1, 5, -0.5)]
    """
    from ofiml.features.batch import compute_bars
    from ofiml.features.catalogue import CATALOGUE, select_features
    from ofiml.features.machine import Plan, describe_market
    from ofiml.ofi.flow import NET, build_flow_table

    names = list(CATALOGUE if columns is None else _require_names(columns))
    length = parse_duration(bars, "bars")
    for key, value in (("trade_size", trade_size), ("vpin_bucket", vpin_bucket)):
        _require_size(key, value)
    look_back = max((feature.window for feature in select_features(names)), default=0)
    session = convert_to_session(states, tick=tick, timed=True)
    book = book_states(session, "message")
    cut = cut_time_bars(session, book, length)
    table = build_bar_table(session, book, cut)
    machine_names = [name for name in names if name not in table.columns]
    plan = Plan(None, (), look_back, trade_size, vpin_bucket)
    computed = compute_bars(session, describe_market(session, "message"), plan, cut.edges, machine_names)
    flow = build_flow_table(computed, [NET], ())
    features = {name: computed.features[:, j] for j, name in enumerate(machine_names)}
    return pl.concat([table, flow, pl.DataFrame(features)], how="horizontal")


def run_study(*overrides: str, config_dir: str | None = None) -> "Study":
    """Run a study in memory, without logging or writing a report (`ofiml run` does both).

    Parameters
    ----------
    *overrides
        Overrides as for `ofiml run`: `"model=ridge"`, `"horizon=30s"`, `"debug=tiny"`.
    config_dir
        A folder with your own config groups and choices.

    Returns
    -------
    Study
        It has the `report`, the out-of-sample `predictions` and the `fills` as polars tables, and one of `pipelines`
        per fold.

    Raises
    ------
    ConfigError
        Before any work, for an invalid config or one with tracking on.
    DataError
        For data that cannot be used.

    Examples
    --------
    >>> import ofiml
    >>> study = ofiml.run_study("debug=tiny", "model=zero", "features.store=null",
    ...                         "evaluation.controls=false", "evaluation.leak_check=false")
    >>> study.report.kind, study.predictions["symbol"].unique().to_list()
    ('forecast', ['SYN'])
    """
    from ofiml.study import run as experiment
    from ofiml.ui.progress import Stages

    config = compose_config(list(overrides), "model=ridge", config_dir)
    if config.tracking.enabled:
        raise ConfigError("run_study keeps its result in memory: leave tracking off, or use ofiml run.")
    with Stages() as stages:
        return experiment.run(config, stages)


def read_report(run: str | Path, uri: str | None = None) -> Report:
    """Read the typed report of a study.

    Parameters
    ----------
    run
        A folder that `ofiml run` wrote, its report.json, or the id of an MLflow run.
    uri
        The tracking store of the id. None: that of the environment's MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db`.

    Returns
    -------
    Report
        The report as typed records; an undefined number is NaN.

    Raises
    ------
    ConfigError
        If there is no such report, or if no study wrote the file.

    Examples
    --------
    >>> import ofiml, pathlib, tempfile
    >>> ofiml.read_report(pathlib.Path(tempfile.gettempdir()) / "no-such-study")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ofiml.errors.ConfigError: ...no-such-study contains no report.json: ...
    """
    from ofiml.tracking.store import is_run_id

    if not isinstance(run, str | Path):
        raise ConfigError(f"{run!r} names no report: give a folder that ofiml run wrote, or the id of an MLflow run.")
    if not isinstance(uri, str | None):
        raise ConfigError(f"uri={uri!r} is no address of a store: write it as in 'sqlite:///mlflow.db'.")
    if isinstance(run, str) and is_run_id(run):
        from ofiml.tracking.read import fetch_run

        with tempfile.TemporaryDirectory() as folder:
            return parse_report(fetch_run(run, uri or read_default_uri(), Path(folder))[1].read_text(encoding="utf-8"))
    path = Path(run) / "report.json" if Path(run).suffix != ".json" else Path(run)
    if not path.is_file():
        raise ConfigError(
            f"{path.parent} contains no {path.name}: give a folder that ofiml run wrote, or the id of an MLflow run."
        )
    return parse_report(path.read_text(encoding="utf-8"))


def _require_names(columns: Sequence[str]) -> Sequence[str]:
    """Raise ConfigError for what is no list of names; a text alone would be taken for a list of its letters."""
    listed = isinstance(columns, Sequence) and not isinstance(columns, str)
    if not listed or not all(isinstance(name, str) for name in columns):
        raise ConfigError(f"columns={columns!r}: give a list of names, as in ['queue_imbalance'], or None for all.")
    return columns


def _require_size(key: str, value: float) -> None:
    """Raise ConfigError for a size that is not a number above 0, and at most 1e12."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0 < value <= 1e12:
        raise ConfigError(f"{key}={value!r} must be a number above 0, in shares, contracts or coins, at most 1e12.")
