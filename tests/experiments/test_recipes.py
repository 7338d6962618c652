"""Every experiment runs on little data and makes a whole page; the committed ones have today's numbers."""

import itertools
import json
import re
import sys

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from ofiml.backtest.summary import VariantResult
from ofiml.bars.time import select_states
from ofiml.cli.experiment import main
from ofiml.evaluation.impact import measure_impact
from ofiml.experiments.recipes.latency import find_break_even, list_kept
from ofiml.experiments.recipes.price_impact import compute_quiet_flow
from ofiml.experiments.recipes.signal_horizon import count_changes
from ofiml.experiments.registry import find_experiment, list_experiments
from ofiml.reporting.figures.impact import name_half_hours
from ofiml.units import SECOND
from tests.books import busy_session
from tests.conftest import ROOT, in_process, slow_except
from tests.numbers_in_text import is_rounded, list_numbers, list_tables, list_values

sys.path.append(str(ROOT / "scripts"))
import studies
from studies import EXPERIMENTS, STUDIES, Script, Study, find_markets, list_differences


@pytest.mark.parametrize("name", slow_except(["price_impact"], list_experiments()))
def test_an_experiment_makes_a_whole_page(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([name, "--tiny", "--out", "page"]) == 0
    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    parts = [
        "**Question.**",
        f"    ofiml experiment {name}",
        "**Result.**",
        "**Verdict.**",
        "**What it does not show.**",
    ]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    assert "nan" not in text.replace("finance", "")
    assert "dataset.path=/" not in text
    for picture in re.findall(r"\((figures/[a-z0-9_]+\.png)\)", text):
        assert (tmp_path / "page" / picture).stat().st_size > 5000
    record = json.loads((tmp_path / "page" / "results.json").read_text(encoding="utf-8"))
    assert set(record["numbers"]) == set(find_experiment(name).markets)
    assert not (tmp_path / "mlruns").exists(), "what an experiment logs is in a store of its own"


@pytest.mark.slow
def test_the_committed_numbers_are_todays(tmp_path):
    """Those of the quickest experiment, on the embedded market; `make studies ARGS=--check` compares all."""
    study = next(study for study in STUDIES if study.name == "price_impact")
    committed = json.loads((EXPERIMENTS / study.folder / "results.json").read_text(encoding="utf-8"))
    assert main([study.name, "synthetic=dataset=synthetic", "--out", str(tmp_path)]) == 0
    now = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    committed, now = find_markets(committed), find_markets(now)
    assert list_differences(committed, now) == []
    now["synthetic"]["r2"] += 0.01
    (line,) = list_differences(committed, now)
    assert line.startswith("synthetic/r2: committed 0.")


def test_differences_of_numbers_are_listed_by_their_place():
    old = {"a": {"x": [1.0, None], "only": 2.0}, "b": {"x": 5.0}}
    assert list_differences(old, {"a": {"x": [1.00001, None], "only": 2.0}}) == []
    assert list_differences(old, {"a": {"x": [1.1, 3.0], "new": 1.0}}) == [
        "a/new: committed None, today 1.0",
        "a/only: committed 2.0, today None",
        "a/x/0: committed 1.0, today 1.1",
        "a/x/1: committed nan, today 3.0",
    ]


def test_a_check_compares_the_markets_that_are_there(tmp_path, monkeypatch, capsys):
    study = Study("001-a", "a")

    def write(folder, **markets):
        folder.mkdir(exist_ok=True)
        (folder / "results.json").write_text(json.dumps({"numbers": markets, "command": list(markets)}))
        return True

    write(tmp_path / study.folder, synthetic={"x": 1.0}, AMZN={"x": 2.0})
    monkeypatch.setattr(studies, "EXPERIMENTS", tmp_path)
    monkeypatch.setattr(studies, "run_study", lambda study, data, out: write(out, synthetic={"x": 1.0}))
    assert studies.check_study(study, None)
    monkeypatch.setattr(studies, "run_study", lambda study, data, out: write(out, synthetic={"x": 1.1}))
    assert not studies.check_study(study, None)
    assert capsys.readouterr().out == "as committed\nsynthetic/x: committed 1.0, today 1.1\n"


def test_every_folder_of_an_experiment_has_its_page():
    assert {study.name for study in STUDIES if isinstance(study, Study)} == set(list_experiments())
    for study in STUDIES:
        record = json.loads((EXPERIMENTS / study.folder / study.results).read_text(encoding="utf-8"))
        expected = [*study.list_markets(), *study.days]
        assert not expected or sorted(find_markets(record)) == sorted(expected), (
            "make studies ARGS='--data FOLDER' writes it"
        )
        assert (EXPERIMENTS / study.folder / "README.md").exists()


@pytest.mark.parametrize("folder", sorted({study.folder for study in STUDIES if isinstance(study, Script)}))
def test_the_numbers_of_a_page_written_by_hand_are_in_its_results(folder):
    place = EXPERIMENTS / folder
    tables = [path.read_text(encoding="utf-8") for path in place.glob("*.md") if path.name != "README.md"]
    records = [json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*.json")]
    known = np.abs([*map(float, list_numbers("\n".join(tables))), *list_values(records)])
    known = np.concatenate([known, 100 * known, 1 - known, 100 * (1 - known)])
    page = (place / "README.md").read_text(encoding="utf-8")
    cells = [cell for line in page.splitlines() if line.startswith("|") for cell in line.strip("|").split("|")[1:]]
    shown = [number for cell in cells for number in list_numbers(cell)]
    assert len(shown) > 40
    assert [one for one in shown if not is_rounded(one, known)] == [], f"mend {folder}/README.md"
    assert not is_rounded("12.3456789", known)


@pytest.mark.parametrize("folder", sorted(study.folder for study in STUDIES if isinstance(study, Study)))
def test_every_number_in_the_tables_of_a_page_is_in_its_results(folder):
    """But those of a paper or notebook, and times, in columns of their own."""
    record = json.loads((EXPERIMENTS / folder / "results.json").read_text(encoding="utf-8"))
    known = np.abs(list_values([record["numbers"], record.get("times", {})]))
    known = np.concatenate([known, 100 * known])
    shown = []
    for header, *rows in list_tables((EXPERIMENTS / folder / "README.md").read_text(encoding="utf-8")):
        for row in rows:
            cells = zip(header[1:], row[1:], strict=True)
            shown += [
                (row[0], column, number)
                for column, cell in cells
                if column not in ("paper", "published", "from (UTC)")
                for number in list_numbers(cell)
            ]
    assert len(shown) > 30
    assert [one for one in shown if not is_rounded(one[-1], known)] == []


def test_no_p_value_is_zero():
    """A sample of draws cannot show less than one in their number: a small one is `< 0.001`."""
    shown = []
    for page in EXPERIMENTS.glob("*/*.md"):
        text = page.read_text(encoding="utf-8")
        shown += re.findall(r"p-value[^.|]*?: ([<\d. ]+) \(", text)
        for header, *rows in list_tables(text):
            columns = [k for k, name in enumerate(header) if re.search(r"\bp\b", name)]
            shown += [row[k] for row in rows for k in columns]
            shown += [cell for row in rows if re.match(r"p\b", row[0]) for cell in row[1:]]
    assert len(shown) > 100
    assert "< 0.001" in shown
    assert not [one for one in shown if re.fullmatch(r"[0.]+", one)]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["price_impakt"], "there is no experiment 'price_impakt'; the experiments are "),
        (["price_impact", "dataset=synthetic"], 'write NAME="dataset=… dataset.path=…", a name and its overrides'),
        (["price_impact", "a=dataset=synthetic", "a=dataset=synthetic"], "Two markets have the same name"),
        (["price_impact", "a='"], "a: cannot read"),
        (["price_impact", "a=dataset=lobstr"], "Did you mean dataset=lobster?"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(given, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = in_process(main, *given)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert not (tmp_path / "outputs").exists()


def test_changes_of_the_mid_are_those_between_two_sided_states():
    session = busy_session(4, 2000, 2)
    messages, changes, length = count_changes(session)
    rows = select_states(session, "message").events.select("bid_px_00", "ask_px_00").rows()
    mids = [bid + ask for bid, ask in rows if bid is not None and ask is not None]
    assert messages == len(rows)
    assert changes == sum(a != b for a, b in itertools.pairwise(mids)) > 100
    assert length == session.close - session.open


@pytest.mark.parametrize(
    ("profit", "latency"),
    [([4.0, 2.0, -2.0], 30.0), ([4.0, 2.0, 1.0], np.inf), ([-1.0, 2.0, 3.0], 0.0), ([2.0, 0.0, 5.0], 10.0)],
)
def test_the_latency_at_which_nothing_is_left(profit, latency):
    assert find_break_even([0.0, 10.0, 50.0], profit) == latency


def test_what_a_delay_leaves_of_the_gross_profit():
    curve = [
        VariantResult(name=name, gross_pnl=gross, net_pnl=net, costs=gross - net, fills=1, traded=1)
        for name, gross, net in (("0ms", 10.0, 4.0), ("100ms", 11.0, 1.0))
    ]
    assert list_kept(curve) == [10.0, 7.0]


def test_levels_cannot_be_compared_in_a_market_of_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    market = "best=dataset=synthetic dataset.levels=1 dataset.sessions=1 dataset.session_length=20m split.embargo=10s"
    ended = in_process(main, "mlofi_ridge", market)
    assert ended.returncode != 0
    assert "best: the data have one level; this experiment compares levels and needs two." in ended.stderr


def test_what_trades_add_is_a_difference_of_r2():
    folder = EXPERIMENTS / "008-price-impact"
    verdict = (folder / "README.md").read_text(encoding="utf-8").partition("**Verdict.**")[2]
    sentences = dict(re.findall(r"On ([^,]+), flow explains .*; trades add (\S+) to the R² of flow\.", verdict))
    numbers = json.loads((folder / "results.json").read_text(encoding="utf-8"))["numbers"]
    assert sentences == {name: f"{one['both_r2'] - one['r2']:.2f}" for name, one in numbers.items()}


def test_each_half_hour_has_its_time_slope_and_t():
    folder = EXPERIMENTS / "008-price-impact"
    tables = list_tables((folder / "README.md").read_text(encoding="utf-8"))
    (rows,) = [table[1:] for table in tables if table[0][:2] == ["market", "from (UTC)"]]
    numbers = json.loads((folder / "results.json").read_text(encoding="utf-8"))["numbers"]
    expected = [
        [name, w["from"].replace("T", " ")[:16], f"{w['slope']:.2f}", f"{w['t']:.1f}", f"{w['r2']:.3f}"]
        for name, market in numbers.items()
        for w in market["half_hours"]
    ]
    assert [[row[0], row[1], *row[4:7]] for row in rows] == expected
    for market in numbers.values():
        assert len(market["half_hours"]) == market["windows"]
        assert np.mean([w["t"] for w in market["half_hours"]]) == pytest.approx(market["t"], rel=1e-4)


def test_errors_by_the_number_of_levels_are_in_ticks():
    folder = EXPERIMENTS / "011-mlofi-ridge"
    tables = list_tables((folder / "README.md").read_text(encoding="utf-8"))
    (rows,) = [table[1:] for table in tables if table[0][1:2] == ["M = 1"]]
    numbers = json.loads((folder / "results.json").read_text(encoding="utf-8"))["numbers"]
    expected = [
        [f"{name}: {text}, {where}", *(f"{rmse:.3f}" for rmse in market[key][where.replace(" ", "_")])]
        for name, market in numbers.items()
        for text, key in (("least squares", "ols_rmse"), ("Ridge", "ridge_rmse"))
        for where in ("in sample", "out of sample")
    ]
    assert [[cell for cell in row if cell != "–"] for row in rows] == expected


def test_axes_of_half_hours_have_their_times():
    score = measure_impact(*make_half_hours(7))
    axis = Figure().subplots()
    name_half_hours(axis, score.windows)
    assert [text.get_text() for text in axis.get_xticklabels()] == [
        f"01-02\n{t}" for t in ("10:00", "11:00", "12:00", "13:00")
    ]
    assert axis.get_xticks().tolist() == [0, 2, 4, 6]


def make_half_hours(count):
    """Rows of so many half hours from 10:00 on, of bars of 30 s, and the open."""
    start, step = np.datetime64("2024-01-02T10:00", "ns").astype(np.int64), 30 * SECOND
    rng = np.random.default_rng(1)
    flow = rng.integers(-50, 50, 60 * count)
    at = start + step * np.arange(len(flow))
    rows = pl.DataFrame(
        {
            "symbol": "A", "session": "2024-01-02", "bar_open": at, "bar_close": at + step, "ofi_00": flow,
            "move_ticks": flow + rng.normal(0, 9, len(flow)), "buy_volume": flow + 50, "sell_volume": 50,
            "depth_best": 100.0,
        }
    )  # fmt: skip
    return rows, {("A", "2024-01-02"): int(start)}


def test_quiet_flow_is_that_of_states_that_leave_both_best_prices():
    book = select_states(busy_session(3, 2000, 2, resets=0.02), "message")
    got, before = compute_quiet_flow(book), None
    rows = book.events.select("bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00").rows()
    for k, (bid, bids, ask, asks) in enumerate(rows):
        quiet = before is not None and not book.reset[k] and (bid, ask) == (before[0], before[2])
        expected = 0
        if quiet and bid is not None:
            expected += bids - before[1]
        if quiet and ask is not None:
            expected -= asks - before[3]
        assert got[k] == expected, k
        before = (bid, bids, ask, asks)
    assert np.count_nonzero(got) > 20
