"""The public Python interface: the functions of `import ofiml`."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from ofiml.bars.time import build_bar_table, cut_time_bars
from ofiml.bars.time import select_states as book_states
from ofiml.cli.overrides import compose_config
from ofiml.data.bad_files import read_readable_sessions, skips_bad_files
from ofiml.data.quality import Quality
from ofiml.data.schema import F_LAST, F_SNAPSHOT, TIME, Session, extract_level, extract_times, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from ofiml.study.report import Report
from ofiml.study.report import read_report as parse_report
from ofiml.units import PRICE_SCALE, parse_duration

if TYPE_CHECKING:
    import pandas as pd

    from ofiml.study.run import Study

    Table: TypeAlias = pl.DataFrame | pd.DataFrame

_LEVEL = re.compile(r"(?:bid|ask)_(?:px|sz)_([0-9]{2})")
_EXAMPLE = "dataset=lobster dataset.path=FILE"


def read_sessions(*overrides: str, config_dir: str | None = None) -> Iterator[Session]:
    """Read the sessions of any source, with the checks of a study, one at a time.

    Parameters
    ----------
    *overrides
        Overrides as for `ofiml run`; only those of `dataset` have an effect: `"dataset=lobster"`,
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
        At the call, if the overrides do not describe a dataset.
    DataError
        During iteration, for data that `dataset.policy` refuses.

    Examples
    --------
    >>> import ofiml
    >>> for session in ofiml.read_sessions("dataset=synthetic", "dataset.sessions=1", "dataset.max_events=1000"):
    ...     print(session.symbol, session.date, session.events.height, session.levels)
    SYN 2024-01-01 1000 10
    """
    config = compose_config(list(overrides), _EXAMPLE, config_dir)
    sources = list_sources(config.dataset)
    if skips_bad_files(config.dataset):
        sessions = read_readable_sessions(sources)
    else:
        sessions = (session for source in sources for session in source())
    return islice(sessions, config.dataset.max_sessions)


def compute_ofi(states: "Session | Table", levels: int | None = None) -> pl.DataFrame:
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
        For a table that lacks columns, sizes that are not whole, or `levels` that the table does not have.

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

    session = _convert_to_session(states)
    width = session.levels if levels is None else levels
    if not 1 <= width <= session.levels:
        raise DataError(f"levels={levels}: the table has {session.levels}.")
    book = book_states(session, "message")
    ends = pl.Series((session.events["flags"] & F_LAST) != 0)
    place = pl.Series(np.flatnonzero(ends.to_numpy()), dtype=pl.Int64)
    columns = []
    for m in range(width):
        flow = np.empty(book.events.height, np.int64)
        flow_events(*extract_level(book.events, m), book.reset, flow)
        full = np.zeros(session.events.height, np.int64)
        full[place.to_numpy()] = flow
        columns.append(pl.select(pl.when(ends).then(pl.Series(f"ofi_{m:02d}", full)).alias(f"ofi_{m:02d}")).to_series())
    return pl.DataFrame(columns)


def compute_features(
    states: "Session | Table",
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
        For a name that is not in the catalogue, or an invalid length.
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

    names = list(CATALOGUE if columns is None else columns)
    look_back = max((feature.window for feature in select_features(names)), default=0)
    session = _convert_to_session(states, tick=tick, timed=True)
    book = book_states(session, "message")
    cut = cut_time_bars(session, book, parse_duration(bars, "bars"))
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


def read_report(run: str | Path, uri: str = "sqlite:///mlflow.db") -> Report:
    """Read the typed report of a study.

    Parameters
    ----------
    run
        A folder that `ofiml run` wrote, its report.json, or the id of an MLflow run.
    uri
        The tracking store of the id.

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

    if isinstance(run, str) and is_run_id(run):
        from ofiml.tracking.read import fetch_run

        with tempfile.TemporaryDirectory() as folder:
            return parse_report(fetch_run(run, uri, Path(folder))[1].read_text(encoding="utf-8"))
    path = Path(run) / "report.json" if Path(run).suffix != ".json" else Path(run)
    if not path.is_file():
        raise ConfigError(
            f"{path.parent} contains no {path.name}: give a folder that ofiml run wrote, or the id of an MLflow run."
        )
    return parse_report(path.read_text(encoding="utf-8"))


def _convert_to_session(states: "Session | Table", *, tick: float | None = None, timed: bool = False) -> Session:
    """Convert a table to a session of one symbol, open from its first row to its last; return a session unchanged."""
    if isinstance(states, Session):
        return states
    table = states if isinstance(states, pl.DataFrame) else pl.from_pandas(states)
    levels = 1 + max((int(match[1]) for c in table.columns if (match := _LEVEL.fullmatch(c))), default=-1)
    level_columns = ("bid_px", "bid_sz", "ask_px", "ask_sz")
    book_columns = [f"{name}_{m:02d}" for m in range(max(levels, 1)) for name in level_columns]
    missing = [c for c in book_columns if c not in table.columns]
    if missing:
        raise DataError(
            f"The table has no column {missing[0]}: each level has {', '.join(book_columns[:4])}, and so on."
        )
    if table.height == 0:
        raise DataError("The table has no rows.")
    if timed and tick is None:
        raise DataError("A table has no tick of its own: give tick=0.01, in the units of its prices.")
    stamps = _read_stamps(table, timed)
    prices = [c for c in (*book_columns, "price") if c[4:6] == "px" or (c == "price" and c in table.columns)]
    unit = PRICE_SCALE if any(table[c].dtype.is_float() for c in prices) else 1
    columns = {
        c: _convert_prices(table[c], unit) if c in prices else _convert_lots(table[c]) for c in (*book_columns, *prices)
    }
    flags = table["flags"] if "flags" in table.columns else pl.Series([F_LAST] * table.height)
    if "reset" in table.columns:
        flags = flags.cast(pl.Int64) | table["reset"].cast(pl.Int64) * F_SNAPSHOT
    rest: dict[str, pl.Expr | pl.Series] = {
        "action": table["action"].cast(pl.String) if "action" in table.columns else pl.lit("M"),
        "side": table["side"].cast(pl.String) if "side" in table.columns else pl.lit("N"),
        "size": _convert_lots(table["size"]) if "size" in table.columns else pl.lit(0),
        "price": pl.lit(None, pl.Int64),
        "flags": flags.cast(pl.UInt8),
        "sequence": pl.int_range(pl.len()),
        "symbol": pl.lit("TABLE"),
    } | {f"{side}_ct_{m:02d}": pl.lit(None, pl.UInt32) for m in range(levels) for side in ("bid", "ask")}
    events = pl.DataFrame({"ts_recv": stamps, "ts_event": stamps}).with_columns(**(rest | columns))
    for m in range(levels):  # a level without a price has no size
        for side in ("bid", "ask"):
            size = pl.when(pl.col(f"{side}_px_{m:02d}").is_not_null()).then(pl.col(f"{side}_sz_{m:02d}").fill_null(0))
            events = events.with_columns(size.alias(f"{side}_sz_{m:02d}"))
    events = events.select(pl.col(c).cast(kind) for c, kind in make_schema(levels).items())
    known = extract_times(events)
    return Session(
        symbol="TABLE",
        date=str(np.datetime64(int(known[0]), "ns").astype("datetime64[D]")),
        events=events,
        open=int(known[0]),
        close=int(known[-1]),
        tick=1 if tick is None else round(tick * unit),
        levels=levels,
        size_unit=1.0,
        source="the table",
        digest="",
        quality=Quality(),
    )


def _read_stamps(table: pl.DataFrame, timed: bool) -> pl.Series:
    """Read the times of the rows, or row numbers if there are none and `timed` is false. Raises DataError for times
    that decrease.
    """
    name = next((c for c in ("ts_recv", "ts_event") if c in table.columns), None)
    if name is None:
        if timed:
            raise DataError("The table has no column ts_recv: the time of each row, a datetime or integer ns UTC.")
        return pl.Series("ts", np.arange(table.height)).cast(pl.Int64).cast(TIME)
    stamps = table[name]
    if isinstance(stamps.dtype, pl.Datetime):
        stamps = stamps.dt.cast_time_unit("ns").to_physical()
    elif not stamps.dtype.is_integer():
        raise DataError(f"{name} is {stamps.dtype}: give a datetime, or integer ns UTC.")
    if stamps.null_count() or not stamps.is_sorted():
        raise DataError(f"{name} has nulls or decreases: sort the table by it, in the order of the feed.")
    return stamps.cast(pl.Int64).cast(TIME)


def _convert_prices(series: pl.Series, unit: int) -> pl.Series:
    """Convert prices times `unit` to integers; NaN becomes null. Raises DataError for floats beyond 9.2e9."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if unit == 1:
        return series.cast(pl.Int64)
    units = (series.cast(pl.Float64) * unit).round()
    if (units.abs() >= 2.0**63).any():
        raise DataError(
            f"{series.name} has prices beyond 9.2e9: floats are prices in currency, integers are in any one unit."
        )
    return units.cast(pl.Int64)


def _convert_lots(series: pl.Series) -> pl.Series:
    """Convert sizes to integers; NaN becomes null. Raises DataError for fractions of a lot."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
        if ((series % 1) != 0).any():
            raise DataError(f"{series.name} has fractions of a lot: divide the sizes by the smallest possible size.")
    return series.cast(pl.Int64)
