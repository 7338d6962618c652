"""The Python face: what `import ofiml` loads, what its functions give for a user's own tables."""

import doctest
import json
import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import ofiml
from ofiml import api
from ofiml.bars.time import build_bar_table, cut_time_bars, select_states
from ofiml.conformance.books import read_cases
from ofiml.conformance.checking import check_case
from ofiml.data.schema import F_LAST
from ofiml.errors import ConfigError, DataError, StoreError
from ofiml.ofi.flow import compute_bar_flow
from tests.books import SECOND, TICK, busy_session, random_session
from tests.conftest import ROOT

HEAVY = {
    "hydra",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "numba",
    "numpy",
    "omegaconf",
    "optuna",
    "pandas",
    "polars",
    "scipy",
}


def test_import_loads_no_library():
    line = "import sys, ofiml; dir(ofiml); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("ofiml")} == {"ofiml"}


def test_every_name_is_documented_with_an_example():
    names = [name for name in ofiml.__all__ if name != "__version__"]
    assert set(ofiml.__all__) <= set(dir(ofiml))
    for name in names:
        function = getattr(ofiml, name)
        assert function is getattr(api, name)
        sections = re.findall(r"^    (\w+)\n    -+$", function.__doc__, re.MULTILINE)
        assert sections[:3] == ["Parameters", "Returns", "Raises"]
        assert sections[-1] == "Examples"
        assert doctest.DocTestParser().get_examples(function.__doc__)
        assert f"`{name}`" in ofiml.__doc__
    assert ofiml.__version__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ofiml.nothing  # noqa: B018


def test_the_page_shows_examples_that_are_run():
    parser = doctest.DocTestParser()
    run = {(e.source, e.want) for n in ofiml.__all__[1:] for e in parser.get_examples(getattr(ofiml, n).__doc__)}
    page = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown = [(e.source, e.want) for block in blocks for e in parser.get_examples(block)]
    assert len(shown) >= 8
    assert not [one for one in shown if one not in run]
    assert all(f"ofiml.{name}" in page for name in ofiml.__all__[1:])


def answers(given):
    """`compute_ofi` on a conformance case, as a table of a user's own."""
    columns = {}
    for m in range(given["levels"]):
        for side in ("bid", "ask"):
            quotes = [state[f"{side}s"][m] for state in given["states"]]
            columns[f"{side}_px_{m:02d}"] = [None if q is None else q[0] / 10_000 for q in quotes]
            columns[f"{side}_sz_{m:02d}"] = [None if q is None else q[1] for q in quotes]
    columns["flags"] = [F_LAST * state["ends_message"] for state in given["states"]]
    columns["reset"] = [state["boundary"] is not None for state in given["states"]]
    kinds = {c: pl.Float64 if "px" in c else pl.Int64 for c in columns if c[4:6] in ("px", "sz")}
    return {"flow": ofiml.compute_ofi(pl.DataFrame(columns, schema_overrides=kinds)).rows()}


def test_flow_of_a_users_table_is_that_of_the_books_with_known_answers():
    results = [check_case(answers, case) for case in read_cases()]
    assert not [one.differences for one in results if one.differences]
    assert {part for one in results for part in one.unsupported} == {"bar_flow", "bar_events"}


@pytest.mark.parametrize("seed", range(3))
def test_a_session_and_its_table_give_the_same(seed):
    session = busy_session(seed, 300)
    flow = ofiml.compute_ofi(session)
    assert flow.equals(ofiml.compute_ofi(session.events))
    assert flow.columns == ["ofi_00", "ofi_01", "ofi_02"]
    assert ofiml.compute_ofi(session, levels=1).equals(flow.select("ofi_00"))
    ends = ((session.events["flags"] & F_LAST) != 0).to_numpy()
    assert flow["ofi_00"].is_null().to_numpy().tolist() == (~ends).tolist()
    prices = session.events.with_columns(pl.col("^.*_px_.*$", "price") / 1e9)
    assert flow.equals(ofiml.compute_ofi(prices))
    plain = prices.select("^(bid|ask)_(px|sz)_.*$", "action", "flags").cast({"action": pl.String})
    assert flow.equals(ofiml.compute_ofi(plain.to_pandas())), "pandas has NaN where a level is missing"


def test_bars_and_features_are_those_of_a_study():
    session = random_session(1, 400)
    stamps = session.events["ts_recv"].to_physical()
    session = replace(session, open=int(stamps[0]), close=int(stamps[-1]))  # as those of a table are
    table = ofiml.compute_features(session, ["queue_imbalance", "spread_ticks", "log_events"], bars="5s")
    book = select_states(session, "message")
    cut = cut_time_bars(session, book, 5 * SECOND)
    assert table.select(build_bar_table(session, book, cut).columns).equals(build_bar_table(session, book, cut))
    flow = compute_bar_flow(session, "message", cut)
    assert table.select(flow.columns).equals(flow)
    assert table["log_events"].to_list() == pytest.approx(np.log1p(table["n_events"].to_numpy()))
    own = session.events.select("ts_recv", "action", "side", "size", "flags", "price", "^(bid|ask)_(px|sz)_.*$")
    own = own.with_columns(pl.col("^.*_px_.*$", "price") / 1e9)
    again = ofiml.compute_features(own, ["queue_imbalance", "spread_ticks", "log_events"], bars="5s", tick=TICK / 1e9)
    assert again.drop("symbol", "session").equals(table.drop("symbol", "session"))


WRONG_CELLS = [
    ("bid_px_00", "1.0", "bid_px_00 is String: give numbers"),
    ("bid_sz_00", "1", "bid_sz_00 is String: give numbers"),
    ("bid_sz_00", -3, "bid_sz_00, row 0: -3 is negative"),
    ("size", "1", "size is String: give numbers"),
    ("price", "1", "price is String: give numbers"),
    ("flags", "x", "flags must be whole numbers from 0 to 255"),
    ("flags", 300, "flags must be whole numbers from 0 to 255"),
    ("reset", "x", "reset must be true or false"),
    ("reset", 2, "reset must be true or false"),
    ("action", "trade", "action, row 0: 'trade' is none of A, C,"),
    ("side", 3, "side, row 0: '3' is none of A, B, N"),
]


def test_wrong_tables_end_in_one_sentence():
    book = pl.DataFrame({"bid_px_00": [1.0], "bid_sz_00": [1], "ask_px_00": [2.0]})
    one = book.with_columns(ask_sz_00=pl.lit(1))
    for table, sentence in (
        (book, "no column ask_sz_00"),
        (book.with_columns(ask_sz_00=pl.lit(1.5)), "fractions of a lot"),
        (book.with_columns(ask_sz_00=pl.lit(1)).clear(), "no row"),
        (pl.DataFrame({"price": [1.0]}), "no column bid_px_00"),
        (3, "of type int: give a session"),
        (book.lazy(), r"of type LazyFrame \(collect it first\)"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "cannot be converted"),
        (pd.DataFrame({"bid_px_00": [object()]}), "cannot be converted"),
        *((one.with_columns(pl.Series(name, [value])), sentence) for name, value, sentence in WRONG_CELLS),
    ):
        with pytest.raises(DataError, match=sentence):
            ofiml.compute_ofi(table)
    whole = one
    timed = pl.concat([whole, whole]).with_columns(ts_recv=pl.Series([1, 2_000_000_000]))
    for table, more, sentence in (
        (whole, {}, "has no tick of its own"),
        (whole, {"tick": 0.01}, "no column ts_recv"),
        (pl.concat([whole, whole]).with_columns(ts_recv=pl.Series([2, 1])), {"tick": 0.01}, "sort the table"),
        (whole.with_columns(ts_recv=pl.lit("10:00")), {"tick": 0.01}, "give a datetime"),
        (timed, {"tick": -1.0}, "tick=-1.0 is no price increment"),
        (timed, {"tick": 0.0}, "tick=0.0 is no price increment"),
        (timed, {"tick": math.nan}, "tick=nan is no price increment"),
        (timed, {"tick": 1e-12}, "tick=1e-12 is less than the smallest price"),
        (timed, {"tick": 0.03}, "row 0: .* is no multiple of the tick, 0.03"),
        (timed, {"tick": "0.01"}, "tick='0.01' is no number"),
        (timed, {"tick": True}, "tick=True is no number"),
        (timed.with_columns(ts_recv=pl.lit(2**63, pl.UInt64)), {"tick": 0.01}, "ends after 2260"),
    ):
        with pytest.raises(DataError, match=sentence):
            ofiml.compute_features(table, ["queue_imbalance"], **more)
    with pytest.raises(ConfigError, match="did you mean queue_imbalance"):
        ofiml.compute_features(whole, ["queue_imbalanc"])


def test_arguments_of_a_wrong_type_end_in_one_sentence():
    book = pl.DataFrame({"bid_px_00": [1.0, 1.0], "bid_sz_00": [1, 1], "ask_px_00": [2.0, 2.0], "ask_sz_00": [1, 1]})
    for levels in ("1", 1.0, True, 0, 2):
        with pytest.raises(DataError, match=f"levels={levels!r}: give a whole number from 1 to 1"):
            ofiml.compute_ofi(book, levels=levels)
    timed = book.with_columns(ts_recv=pl.Series([1, 2_000_000_000]))
    for arguments, sentence in (
        ({"bars": 1}, "bars=1 is not a duration"),
        ({"bars": None}, "bars=None is not a duration"),
        ({"columns": "queue_imbalance"}, "columns='queue_imbalance': give a list of names"),
        ({"columns": 3}, "columns=3: give a list"),
        ({"columns": [1]}, r"columns=\[1\]: give a list"),
        ({"trade_size": "a"}, "trade_size='a' must be a number above 0"),
        ({"trade_size": -1}, "trade_size=-1 must be"),
        ({"trade_size": math.nan}, "trade_size=nan must be"),
        ({"vpin_bucket": 0}, "vpin_bucket=0 must be"),
        ({"vpin_bucket": True}, "vpin_bucket=True must be"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            ofiml.compute_features(timed, **({"columns": ["queue_imbalance"], "bars": "1s", "tick": 1.0} | arguments))
    for wrong in (3, None, ["model=ridge"], {"model": "ridge"}):
        for call in (ofiml.run_study, ofiml.read_sessions):
            with pytest.raises(ConfigError, match="is not an override: give each as a text of its own"):
                call(wrong)
    for run in (3, None, b"x"):
        with pytest.raises(ConfigError, match="names no report"):
            ofiml.read_report(run)
    with pytest.raises(ConfigError, match="uri=3 is no address"):
        ofiml.read_report("0" * 32, uri=3)


def test_prices_in_decimals_are_prices_in_currency():
    # The bids differ in their decimals alone.
    book = pl.DataFrame({"bid_px_00": [100.01, 100.02], "bid_sz_00": [5, 2], "ask_px_00": [100.03] * 2,
                         "ask_sz_00": [4, 4]})  # fmt: skip
    decimals = book.with_columns(pl.col("^.*_px_.*$").cast(pl.Decimal(12, 2)))
    assert ofiml.compute_ofi(decimals).equals(ofiml.compute_ofi(book))
    assert ofiml.compute_ofi(book)["ofi_00"].to_list() == [0, 2]


def test_reading_a_report_makes_no_store(workdir):
    with pytest.raises(StoreError, match=r"There is no store at sqlite:///mlflow\.db"):
        ofiml.read_report("0" * 32)
    assert not (workdir / "mlflow.db").exists()


def test_overrides_are_checked_at_the_call():
    with pytest.raises(ConfigError, match="Did you mean dataset=synthetic"):
        ofiml.read_sessions("dataset=synthetik")
    with pytest.raises(ConfigError, match="model=ridge has no effect: read_sessions uses only dataset, instrument"):
        ofiml.read_sessions("model=ridge", "dataset.sessions=1")
    with pytest.raises(ConfigError, match="leave tracking off"):
        ofiml.run_study("tracking=mlflow")


def test_a_report_is_read_from_a_folder_and_refused_where_it_is_none(tmp_path):
    folder = ROOT / "experiments" / "001-planted-signal"
    report = ofiml.read_report(folder)
    stored = json.loads((folder / "report.json").read_text())
    assert report.predictions.sha256 == stored["predictions"]["sha256"]
    assert ofiml.read_report(folder / "report.json").to_json() == report.to_json()
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ConfigError, match="report"):
        ofiml.read_report(tmp_path)


def test_a_report_of_an_id_comes_from_the_store_of_the_environment(tmp_path, monkeypatch):
    """As the commands find it; the store named at the call goes first."""
    stored = ROOT / "experiments" / "001-planted-signal" / "report.json"
    stores = []

    def fetch(run_id, uri, folder):
        stores.append(uri)
        return tmp_path / "config.yaml", stored

    monkeypatch.setattr("ofiml.tracking.read.fetch_run", fetch)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    ofiml.read_report("0" * 32)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///theirs.db")
    assert ofiml.read_report("0" * 32).predictions.sha256 == json.loads(stored.read_text())["predictions"]["sha256"]
    ofiml.read_report("0" * 32, "sqlite:///mine.db")
    assert stores == ["sqlite:///mlflow.db", "sqlite:///theirs.db", "sqlite:///mine.db"]
