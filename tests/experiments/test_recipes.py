"""Every experiment runs on little data and makes a whole page; the committed ones have today's numbers."""

import json
import re

import numpy as np
import pytest

from ofiml.bars.time import select_states
from ofiml.cli.experiment import main
from ofiml.experiments.recipes.price_impact import compute_quiet_flow
from ofiml.experiments.registry import find_experiment, list_experiments
from scripts.studies import EXPERIMENTS, STUDIES
from tests.books import busy_session
from tests.conftest import in_process, slow_except


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


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=[study.name for study in STUDIES])
def test_the_committed_numbers_are_todays(study, tmp_path):
    """Of the embedded market, which everybody has. `make studies` writes them again."""
    committed = json.loads((EXPERIMENTS / study.folder / "results.json").read_text(encoding="utf-8"))
    assert main([study.name, "synthetic=dataset=synthetic", "--out", str(tmp_path)]) == 0
    now = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert flatten(now["numbers"]["synthetic"]) == pytest.approx(
        flatten(committed["numbers"]["synthetic"]), rel=1e-4, abs=1e-9, nan_ok=True
    )


def flatten(value, at=""):
    """The numbers of a JSON value by their place in it; null is NaN, and text counts as its place."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {place: one for key, part in items for place, one in flatten(part, f"{at}/{key}").items()}
    if isinstance(value, str):
        return {f"{at}={value}": 0.0}
    return {at: float("nan") if value is None else float(value)}


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


def test_levels_cannot_be_compared_in_a_market_of_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    market = "best=dataset=synthetic dataset.levels=1 dataset.sessions=1 dataset.session_length=20m split.embargo=10s"
    ended = in_process(main, "mlofi_ridge", market)
    assert ended.returncode != 0
    assert "best: the data have one level; this experiment compares levels and needs two." in ended.stderr


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
