"""Compiles the package's kernels into the cache that the environment names: `market`, `flow` and `trades` at a time.

conftest.py starts all three before there are workers. Whatever is left out here compiles where it is first used, in
each worker that comes to it before another has ended: leave out only what one file needs. Each part imports what it
needs itself, as imports are seconds.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any


def configured(*overrides: str) -> Any:
    from hydra import compose, initialize_config_dir

    from ofiml.config import load

    with initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base=None):
        return load(compose("config", overrides=["tracking=off", *overrides]))


def compile_market() -> None:
    """What makes sessions: the simulated market and the readers."""
    from ofiml.data.sessions import list_sources
    from tests.fuzzing.samples import samples
    from tests.fuzzing.verdict import POLICIES

    for source in list_sources(configured("dataset.sessions=1", "dataset.session_length=1m").dataset):
        list(source())
    with tempfile.TemporaryDirectory() as folder:
        for name in ("databento_mbo_csv", "lobster_messages", "itch", "tardis_incremental", "binance_stream"):
            sample = samples()[name]
            for file, content in sample.files().items():
                (Path(folder) / file).write_bytes(content)
            for source in list_sources(sample.config(Path(folder) / sample.given, POLICIES["keep"])):
                list(source())


def compile_flow() -> None:
    """What is made of sessions: features, bars, labels, and trees as a stream walks them."""
    import numpy as np

    from ofiml.bars import cut_bars
    from ofiml.bars.time import select_states
    from ofiml.features.batch import compute_bars, pack_rows
    from ofiml.features.machine import describe_market, plan_features
    from ofiml.labels.table import build_label_table
    from ofiml.live.stream import Stream
    from ofiml.models.registry import build_model
    from tests.books import busy_session
    from tests.intervals import apart

    session = busy_session(0, 200, 2)
    for overrides in (["bars.step=2s"], ["bars=volume", "bars.size=30", "target=triple_barrier", "model=logistic"]):
        config = configured("features=full", "features.vpin_bucket=20", "ofi.levels=2", *overrides)
        book, asked = select_states(session, "message"), plan_features(config.features, config.ofi)
        bars = cut_bars(session, book, config.bars)
        compute_bars(session, describe_market(session, "message"), asked, bars.edges)
        build_label_table(session, book, bars, config.target, config.horizon, 0)
        stream = Stream(describe_market(session, "message"), config.bars, asked)
        for rows in pack_rows(session):
            for row in rows:
                stream.push_row(row)
        stream.finish(session.close)
    x = np.random.default_rng(0).standard_normal((60, 2))
    model = configured("model=lgbm", "model.n_estimators=2").model
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "fold_00"
        build_model(model, task="regression", seed=0).fit(x, x[:, 0], apart(60)).save(stem)
        build_model(model, task="regression", seed=0).load(stem, 2).predict(x)


def compile_trades() -> None:
    """What trades on sessions: the tape and the event loop."""
    from tests.backtest.scripts import act, at, book, decide, trade

    act([book(0, (100, 5, 101, 5)), trade(1, "B", 101, 2, (100, 5, 101, 3))], decide(at(0, "target", 1, until=2)))


PARTS = {"market": compile_market, "flow": compile_flow, "trades": compile_trades}

if __name__ == "__main__":
    PARTS[sys.argv[1]]()
