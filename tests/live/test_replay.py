"""Replaying a logged run: the same predictions to the bit, on the same market and another; and who is refused."""

import gc
import json
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ofiml.cli.replay import main as replay
from ofiml.cli.reproduce import main as reproduce
from ofiml.data import cache as store
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError
from ofiml.features.catalogue import INDEX
from ofiml.live import replay as replay_room
from ofiml.live.decision import Decider
from ofiml.live.stream import Bar
from ofiml.strategy.build import TradedSession
from ofiml.strategy.decisions import HOLD, QUOTE, TARGET
from ofiml.tracking.logged_report import read_logged_report
from ofiml.tracking.logged_run import _find_end_of_equality
from ofiml.tracking.record import record_study
from ofiml.tracking.reproduction import check_path
from tests.conftest import light, slow_but_each, slow_except

SMALL = [
    "dataset.session_length=20m",
    "dataset.sessions=2",
    "split.n_folds=2",
    "evaluation.bootstrap_samples=50",
    "tuning=off",
]
RUNS = {
    "trees": ["model=lgbm", "model.n_estimators=20", "features=full", "ofi.normalise=depth", "ofi.parts=sides"],
    "windows": [
        "dataset.session_length=10m",
        "model=ols",
        "ofi=mlofi_ridge",
        "ofi.windows=[bar,1s,30s]",
        "ofi.levels=4",
        "features=core",
    ],
    "direction": ["model=logistic", "target=direction", "ofi=pca", "bars=volume", "bars.size=500"],
    "cross": ["model=ridge", "dataset=synthetic_basket", "dataset.sessions=1", "features.cross=[SYN1,SYN3]"],
    "cut": ["model=ols", "dataset=synthetic_basket", "dataset.max_sessions=6", "features.cross=[SYN2]"],
    "head": ["model=ols", "features=core", "dataset.max_events=15000"],
    "three ways": [
        "model=lgbm",
        "target=direction",
        "model.objective=three_class",
        "model.n_estimators=20",
    ],
    "stack": [
        "model=blend",
        "model.how=stack",
        "model.members.lgbm.n_estimators=20",
        "model.members.lgbm.monotone=ofi",
        "+model@model.members.lasso=lasso",
    ],
    "medians": [
        "model=blend",
        "~model.members.ridge",
        "model.members.lgbm.n_estimators=20",
        "model.members.lgbm.objective=quantile",
        "+model@model.members.slow=lgbm",
        "model.members.slow.objective=quantile",
        "model.members.slow.n_estimators=10",
    ],
    "calibrated": ["model=logistic", "target=dead_band", "model.calibration=sigmoid", "features=core"],
    "mixed": [
        "model=blend_direction",
        "target=triple_barrier",
        "model.members.lgbm.objective=three_class",
        "model.members.lgbm.n_estimators=20",
    ],
    "powell": ["model=ridge", "ofi=mlofi_powell", "ofi.parts=types", "bars=events", "bars.size=300", "horizon=5s"],
}


@pytest.fixture(scope="module")
def logged(configure, tmp_path_factory, new_store):
    """Runs a study once, tracked; gives (uri, run id, its MLflow artifacts' folder). That of "files" is of recordings,
    in a folder beside the store.
    """
    folder = tmp_path_factory.mktemp("replay")
    uri, made = new_store(folder), {}

    def run(name):
        if name not in made:
            if name == "files":
                (folder / "recorded").mkdir()
                for source in list_sources(configure(*SMALL).dataset):
                    for session in source():
                        store.write_events(session, folder / "recorded" / f"{session.date}.parquet")
            fees = "+dataset.instruments={SYN*: {taker: {per_unit: 0.001}}}"
            recorded = ["dataset=parquet", f"dataset.path={folder / 'recorded'}", "dataset.calendar=24/7", fees]
            synthetic = [*SMALL, *RUNS.get(name, [])]
            config = configure(
                *(recorded + SMALL[2:] + ["model=ols", "features=core"] if name == "files" else synthetic)
            )
            tracking = replace(config.tracking, enabled=True, uri=uri)
            with pytest.MonkeyPatch.context() as patch, light():
                patch.chdir(folder)
                made[name] = record_study(replace(config, tracking=tracking), folder / name).run_id
        (artifacts,) = (p.parent for p in folder.glob(f"mlruns/**/{made[name]}/artifacts/report.json"))
        return uri, made[name], artifacts

    return run


QUICK = ["windows"]  # of the other models in `make test-slow`


@pytest.mark.parametrize("name", slow_except(QUICK, RUNS))
def test_a_replay_gives_the_same_predictions_to_the_bit(logged, capsys, tmp_path, name):
    uri, run_id, artifacts = logged(name)
    assert replay([run_id, "--uri", uri, "--out", str(tmp_path / "live.parquet")]) == 0
    printed = capsys.readouterr().out
    assert "all are bit-identical" in printed
    for line in ("update, per row", "features, per bar", "prediction", "decision", "p99.9"):
        assert line in printed
    before, live = pl.read_parquet(artifacts / "predictions.parquet"), pl.read_parquet(tmp_path / "live.parquet")
    assert before.height > 30
    assert before["y_hat"].n_unique() > 5
    keys = ["symbol", "session", "bar_close"]
    both = before.join(live.cast({"fold": pl.Int32}), on=[*keys, "fold"], suffix="_live")
    assert both.height == before.height
    assert both["y_hat"].equals(both["y_hat_live"], check_names=False)
    if name in ("calibrated", "mixed"):  # of two ways, and rows that do not move
        shares = [json.loads(path.read_text())["flat"] for path in artifacts.glob("models/*_flat.json")]
        assert len(shares) == 2
        assert all(0.01 < share < 0.9 for share in shares)
        assert before["p_flat"].min() > 0.01


@pytest.mark.parametrize(
    ("strategy", "y_hat", "expected"),
    [
        (["strategy=threshold"], 3.0, (TARGET, 1, 0, 0)),
        (["strategy=threshold"], -3.0, (TARGET, -1, 0, 0)),
        (["strategy=threshold"], 0.1, (HOLD, 0, 0, 0)),
        (["strategy=quoting"], 0.6, (QUOTE, 0, 101, 103)),  # of 100 and 102, both a tick up
        (["strategy=reversion"], 3.0, (HOLD, 0, 0, 0)),  # what it learned is not known here
    ],
)
def test_a_decision_is_that_of_the_rule_at_the_bar(configure, strategy, y_hat, expected):
    config = configure(*strategy, "target.unit=ticks", "features=core")
    features = np.zeros(len(INDEX))
    features[INDEX["spread_ticks"]] = 2.0
    bar = Bar(0, 10, features, np.zeros((1, 7), np.int64), 1, 101.0)
    decide = Decider(config.strategy, config.target, config.features.columns, 10, TradedSession("A", "2024-01-02"))
    decided = decide(bar, y_hat)
    sign = int(np.sign(decided.target[0]))
    assert (decided.kind[0], sign, decided.bid[0] // 10, decided.ask[0] // 10) == expected


@pytest.mark.slow
def test_another_market_is_predicted_by_the_last_fold_and_compared_with_nothing(logged, capsys, tmp_path):
    uri, run_id, _ = logged("trees")
    out = tmp_path / "live.parquet"
    small = ["dataset=synthetic_small_tick", "dataset.sessions=1", "dataset.session_length=10m"]
    for other in (["dataset.seed=9"], small):  # the same symbol on the same days
        assert replay([run_id, *other, "--uri", uri, "--out", str(out)]) == 0
        assert "nothing to compare" in capsys.readouterr().out
        assert pl.read_parquet(out)["fold"].unique().to_list() == [1]


@pytest.mark.slow
def test_a_part_of_the_run_is_compared_with_that_part(logged, capsys):
    uri, run_id, _ = logged("windows")
    assert replay([run_id, "dataset.max_sessions=1", "--uri", uri]) == 0
    part = capsys.readouterr().out
    assert replay([run_id, "--uri", uri]) == 0
    assert "all are bit-identical" in part
    assert part.splitlines()[-1] != capsys.readouterr().out.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "part"),
    [
        ("windows", "dataset.max_events=8000"),
        pytest.param("direction", "dataset.max_events=12000", marks=pytest.mark.slow),
        pytest.param("cross", "dataset.max_events=17000", marks=pytest.mark.slow),
        ("head", "dataset.max_events=null"),
        pytest.param("head", "dataset.max_events=9000", marks=pytest.mark.slow),
    ],
)
def test_sessions_are_compared_as_far_as_they_are_the_same(logged, capsys, run, part):
    uri, run_id, artifacts = logged(run)
    assert replay([run_id, part, "--uri", uri]) == 0
    printed = capsys.readouterr().out
    assert "all are bit-identical" in printed
    compared = int(printed.split(" made ")[1].split()[0].replace(",", ""))
    everything = pl.read_parquet(artifacts / "predictions.parquet").height
    assert 0 < compared < everything or part.endswith("null")


def test_a_shorter_session_is_the_same_before_its_last_instant(configure):
    """The instant itself may have had more events."""
    (session,) = (s for source in list_sources(configure(*SMALL, "dataset.sessions=1").dataset) for s in source())
    stamps = session.events["ts_recv"].to_physical()
    short = replace(session, events=session.events.head(500), close=int(stamps[499]))
    assert _find_end_of_equality(session, session.events.height) == session.close + 1
    assert _find_end_of_equality(session, 500) == _find_end_of_equality(short, session.events.height) == stamps[499]


@pytest.mark.slow
def test_sessions_whose_other_symbols_are_not_all_there_are_not_compared(logged, capsys):
    uri, run_id, _ = logged("cut")
    assert replay([run_id, "dataset.max_sessions=null", "--uri", uri]) == 0
    # The run's second day ended with SYN1, so that its features knew nothing of SYN2.
    printed = capsys.readouterr().out
    assert "all are bit-identical" in printed
    uri, run_id, _ = logged("cross")
    assert replay([run_id, "dataset.max_sessions=2", "--uri", uri]) == 1
    assert "features.cross: no session of SYN3" in capsys.readouterr().err


@pytest.mark.slow
def test_a_date_is_streamed_together_however_its_sessions_come(configure):
    """As files that are named by symbol give them; memory holds no more than a date's."""
    given = [s for source in list_sources(configure(*SMALL, "dataset=synthetic_basket").dataset) for s in source()]
    given = sorted(given, key=lambda s: s.symbol)
    dates, symbols = sorted({s.date for s in given}), [s.symbol for s in given[::2]]
    heights = {(s.symbol, s.date): s.events.height for s in given}
    alive = [weakref.ref(s.events) for s in given]

    def coming():
        while given:
            yield given.pop(0)

    together = []
    for group in replay_room._group_sessions(coming(), ["SYN2"]):
        gc.collect()
        assert not [ref for ref in alive if ref() is not None]
        assert {(s.symbol, s.date): s.events.height for s in group}.items() <= heights.items()
        together.append([(s.date, s.symbol) for s in group])
    assert together == [[(date, symbol) for symbol in symbols] for date in dates]


@pytest.mark.slow
def test_copies_of_a_session_count_once(logged, capsys, tmp_path):
    uri, run_id, _ = logged("files")
    (first, *_) = sorted((artifacts_folder(uri) / "recorded").iterdir())
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).write_bytes(first.read_bytes())
    assert replay([run_id, f"dataset.path={tmp_path}", "--uri", uri]) == 0
    assert "1 of 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "change", "sentence"),
    slow_but_each(
        3,
        [
            ("windows", "dataset.tick=0.02", "set dataset.tick=0.01"),
            ("files", "dataset.tick=0.005", "set dataset.tick=0.01"),
            ("files", "dataset.size_unit=2", "set dataset.size_unit=1"),
        ],
    ),
)
def test_another_unit_than_the_runs_own_is_refused(logged, capsys, run, change, sentence):
    uri, run_id, _ = logged(run)
    assert replay([run_id, change, "--uri", uri]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_files_that_are_read_another_way_are_not_compared(logged, capsys):
    uri, run_id, _ = logged("files")
    assert replay([run_id, "--uri", uri]) == 0
    assert "all are bit-identical" in capsys.readouterr().out
    assert replay([run_id, "dataset.hours=['14:00','14:45']", "--uri", uri]) == 0
    assert "was made with another dataset.hours, so there is nothing to compare" in capsys.readouterr().out


def artifacts_folder(uri):
    return Path(uri.removeprefix("sqlite:///")).parent


@pytest.mark.slow
def test_only_the_runs_own_files_are_read_at_its_path(logged, capsys, tmp_path):
    """Somebody else's file at the logged path is not quoted; the same files elsewhere are taken when they are named."""
    uri, run_id, artifacts = logged("files")
    recorded = artifacts_folder(uri) / "recorded"
    other = tmp_path / "secret.csv"
    other.write_text("my-secret-token,1,2,3\n" * 3)
    config = artifacts / "config.yaml"
    content = config.read_text()
    for name in ("parquet", "lobster", "databento", "quotes"):
        changed = content.replace(str(recorded), str(other)).replace("name: parquet", f"name: {name}")
        if name == "quotes":
            columns = "{time: my-secret-token, bid: b, ask: a, bid_size: c, ask_size: d}"
            changed = changed.replace(
                "dataset:\n", f"dataset:\n  columns: {columns}\n  time_zone: UTC\n  sizes: lots\n"
            )
        try:
            config.write_text(changed)
            assert replay([run_id, "--uri", uri]) == 2
            printed = capsys.readouterr()
            assert (
                "give dataset.path=FILE" in printed.err
                or "give the location of the data, dataset.path=FILE" in printed.err
            )
            assert "my-secret" not in printed.err + printed.out
            assert reproduce([run_id, "--uri", uri]) == 2
            printed = capsys.readouterr()
            assert "give the location of the data, --path FILE" in printed.err
            assert "my-secret" not in printed.err + printed.out
        finally:
            config.write_text(content)
    moved = recorded.rename(tmp_path / "moved")
    try:
        assert replay([run_id, "--uri", uri]) == 2
        assert "Give the location of the data: dataset.path=FILE" in capsys.readouterr().err
        assert replay([run_id, f"dataset.path={moved}", "--uri", uri]) == 0
        assert "all are bit-identical" in capsys.readouterr().out
    finally:
        moved.rename(recorded)


@pytest.mark.slow
def test_other_files_at_the_runs_path_are_taken_only_when_they_are_named(logged, capsys, configure):
    uri, run_id, _ = logged("files")
    recorded = artifacts_folder(uri) / "recorded"
    (source,) = list_sources(configure("dataset.session_length=5m", "dataset.sessions=1", "dataset.seed=7").dataset)
    (session,) = source()
    more = recorded / "more.parquet"
    store.write_events(session, more)
    try:
        assert replay([run_id, "--uri", uri]) == 2
        assert "are files that the run used" in capsys.readouterr().err
        assert replay([run_id, f"dataset.path={more}", "--uri", uri]) == 0
        assert "nothing to compare" in capsys.readouterr().out
    finally:
        more.unlink()


@pytest.mark.slow
def test_files_whose_sessions_have_digests_of_their_own_are_known_by_what_they_hold(configure, data):
    zipped = data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip")
    dataset = configure("dataset=lobster", f"dataset.path={zipped}", "dataset.max_events=100").dataset
    (digest,) = (s.digest for source in list_sources(dataset) for s in source())

    def report(sessions):
        return read_logged_report(json.dumps({"dataset": {"sessions": sessions}, "predictions": {}}))

    check_path(dataset, report([{"digest": digest}]), "--path FILE")
    for sessions in ([{"digest": "0" * 64}], [{"digest": 3}], [], [{}], {}, None):
        with pytest.raises(ConfigError, match="give the location of the data, --path FILE"):
            check_path(dataset, report(sessions), "--path FILE")


@pytest.mark.slow
def test_each_row_is_timed_once(logged, monkeypatch):
    """As `push_row`, by whether it closes a bar; what `finish` and other symbols' rows close is in neither."""
    uri, run_id, artifacts = logged("windows")
    kept = []
    monkeypatch.setattr(replay_room, "Timings", lambda made=replay_room.Timings: kept.append(made()) or kept[-1])
    assert replay([run_id, "--uri", uri]) == 0
    (timings,) = kept
    rows = json.loads((artifacts / "report.json").read_text())["dataset"]["events"]
    assert rows - 20 < len(timings.update) + len(timings.vector) <= rows
    assert 100 < len(timings.vector) <= 120


def test_a_changed_model_is_noticed(logged, capsys):
    uri, run_id, artifacts = logged("windows")
    path = artifacts / "models" / "fold_01.json"
    content = path.read_text()
    parts = json.loads(content)
    parts["intercept"] += 1e-12
    try:
        path.write_text(json.dumps(parts))
        assert replay([run_id, "--uri", uri]) == 1
        assert "all are the same" not in capsys.readouterr().out
    finally:
        path.write_text(content)


@pytest.mark.parametrize(
    ("run", "file", "change", "sentence"),
    slow_but_each(
        2,
        [
            ("trees", "fold_01.txt", ("left_child=", "left_child=99 "), "not a LightGBM model written by a study"),
            (
                "trees",
                "fold_01.txt",
                ("split_feature=", "split_feature=-1 "),
                "not a LightGBM model written by a study",
            ),
            ("trees", "fold_00_features.json", ('"ofi_1s"', '"ofi_2s"'), "does not match the features"),
            ("windows", "fold_00_features.json", ('"weights"', '"wights"'), "is not a feature list written by a study"),
            ("windows", "fold_00.json", ('"coef"', '"kopf"'), "is not a linear model written by a study"),
            ("windows", "fold_00.json", ('"coef": [', '"coef": [1,'), "does not match the model"),
        ],
        first=3,
    ),
)
def test_a_strangers_model_is_checked_before_it_is_used(logged, capsys, run, file, change, sentence):
    uri, run_id, artifacts = logged(run)
    path = artifacts / "models" / file
    content = path.read_text()
    assert change[0] in content
    try:
        path.write_text(content.replace(*change))
        assert replay([run_id, "--uri", uri]) == 1
    finally:
        path.write_text(content)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    slow_but_each(
        3,
        [
            (lambda table: table.drop("fold"), "column fold is missing"),
            (lambda table: table.with_columns(pl.col("y_hat").cast(pl.String)), "column y_hat has type String"),
            (
                lambda table: table.with_columns(pl.col("bar_close").dt.cast_time_unit("us")),
                "column bar_close has type",
            ),
            (
                lambda table: table.with_columns(pl.lit(None, pl.String).alias("symbol")),
                "column symbol has missing values",
            ),
            (lambda table: pl.concat([table, table[:1]]), "a bar is listed twice"),
            (lambda table: table.with_columns(pl.col("fold") + 1), "folds must be numbered from 0"),
        ],
    ),
)
def test_a_strangers_predictions_are_checked_before_anything_runs(logged, capsys, change, sentence):
    uri, run_id, artifacts = logged("windows")
    path = artifacts / "predictions.parquet"
    content = path.read_bytes()
    try:
        change(pl.read_parquet(path)).write_parquet(path)
        assert replay([run_id, "--uri", uri]) == 2
        assert sentence in capsys.readouterr().err
        path.write_bytes(content[:-100])
        assert replay([run_id, "--uri", uri]) == 2
        assert "are not valid" in capsys.readouterr().err
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "sentence"),
    slow_but_each(
        3,
        [
            (lambda dataset: dataset.update(levels=0), "dataset.levels must be an integer from 1 to 100"),
            (lambda dataset: dataset.update(levels=10**9), "dataset.levels must be an integer from 1 to 100"),
            (lambda dataset: dataset.update(levels=True), "dataset.levels must be an integer from 1 to 100"),
            (lambda dataset: dataset.update(sessions={}), "a session lacks one of symbol, session, digest"),
            (lambda dataset: dataset["sessions"][0].pop("tick"), "a session lacks one of symbol, session, digest"),
            (
                lambda dataset: dataset["sessions"][0].update(events="x"),
                "a session lacks one of symbol, session, digest",
            ),
            (lambda dataset: dataset["sessions"][0].update(events=0), "must lie in (0, 2^62)"),
            (lambda dataset: dataset["sessions"][0].update(size_unit=1e400), "must lie in (0, 2^62)"),
            (lambda dataset: dataset["sessions"].append(dataset["sessions"][0]), "is listed twice"),
        ],
    ),
)
def test_a_strangers_report_is_checked_before_anything_runs(logged, capsys, change, sentence):
    uri, run_id, artifacts = logged("windows")
    path = artifacts / "report.json"
    content = path.read_text()
    report = json.loads(content)
    change(report["dataset"])
    try:
        path.write_text(json.dumps(report))
        assert replay([run_id, "--uri", uri]) == 2
        assert sentence in capsys.readouterr().err
    finally:
        path.write_text(content)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    slow_but_each(
        2,
        [
            (["model=ols"], "replay can change only the dataset"),
            (["dataset.sesions=3"], "Unknown key dataset.sesions"),
            (["dataset=lobstr"], "Did you mean dataset=lobster"),
            (["dataset.levels=5"], "the run used 10"),
        ],
    ),
)
def test_who_is_refused(logged, capsys, arguments, sentence):
    uri, run_id, _ = logged("windows")
    assert replay([run_id, *arguments, "--uri", uri]) in (1, 2)
    assert sentence in capsys.readouterr().err


def test_a_run_that_is_not_there(logged, capsys):
    uri, _, _ = logged("windows")
    assert replay(["0" * 32, "--uri", uri]) == 2
    assert capsys.readouterr().err.startswith("ofiml: ")
