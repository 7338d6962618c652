"""The command: what it writes, and how it refuses."""

import json
import runpy
import subprocess
import sys

import pytest

from tests.conftest import ROOT, in_process

SHORT = "dataset.session_length=45m dataset.sessions=2"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "scripts/trade_sides.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_command_writes_what_it_found(tmp_path):
    done = command("--out", str(tmp_path), "--lags", "0ms", "1s", "--buckets", "100", "--window", "20",
                   "--", f"one=dataset=synthetic_trending {SHORT}", f"none=dataset=synthetic_null {SHORT}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert record["settings"]["lags"] == ["0ms", "1s"]
    one, none = (record["markets"][label] for label in ("one", "none"))
    assert [s["date"] for s in one["sessions"]] == ["2024-01-01", "2024-01-02"]
    # In the synthetic market every trade is at a quote that stood before it.
    assert one["sides"]["Lee-Ready, lag 0ms"]["share"] == 1.0
    assert one["sides"]["Lee-Ready, lag 1s"]["share"] < 1.0
    assert one["bars"]["Lee-Ready, lag 0ms, 10s bars"]["share"] > one["bars"]["bulk, normal, 10s bars"]["share"]
    assert one["vpin"]["feed"]["mean"] == one["vpin"]["Lee-Ready, lag 0ms"]["mean"]
    assert one["vpin"]["feed"]["mean"] > one["vpin"]["feed, shuffled"]["mean"]
    assert one["vpin"]["feed"]["values"] >= 2 * (100 - 20 + 1)
    assert [p["periods"] for p in one["pin"]] == [30, 30]
    assert all(p["planted"]["pin"] > 0.4 for p in one["pin"])
    assert all(p["planted"]["pin"] == 0 for p in none["pin"])
    assert "Lee-Ready, lag 1s" in done.stdout


@pytest.mark.parametrize(
    ("given", "code", "sentence"),
    [
        (["dataset=synthetic"], 2, "write LABEL="),
        (["--step", "ten", "a=dataset=synthetic"], 2, "not a duration"),
        (["--window", "0", "a=dataset=synthetic"], 2, "must be 1 or more"),
        (["--buckets", "99999999", "a=dataset=synthetic dataset.session_length=2m"], 1, "too few"),
    ],
)
def test_command_refuses_in_a_sentence(tmp_path, monkeypatch, given, code, sentence):
    monkeypatch.syspath_prepend(ROOT / "scripts")  # as python does with the folder of the script that it runs
    main = runpy.run_path(str(ROOT / "scripts" / "trade_sides.py"))["main"]
    done = in_process(main, "--out", str(tmp_path / "out"), *given)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "results.json").exists()


EXPERIMENT = ROOT / "experiments" / "004-trade-sides"
SHOWN = {  # a row of the experiment's README, and where its numbers come from
    "Lee-Ready, lag 0 ms, trades": ("sides", "Lee-Ready, lag 0ms", "share"),
    "of those at a quote": ("sides", "Lee-Ready, lag 0ms, at a quote", "share"),
    "of those inside the spread": ("sides", "Lee-Ready, lag 0ms, inside", "share"),
    "Lee-Ready, lag 100 ms, trades": ("sides", "Lee-Ready, lag 100ms", "share"),
    "tick rule, trades": ("sides", "tick rule", "share"),
    "bulk, normal, 10 s bars, lots": ("bars", "bulk, normal, 10s bars", "share"),
    "the same bars: half buys, half sells": ("bars", "bulk, normal, 10s bars", "share_of_half"),
    "the same bars: tick rule": ("bars", "tick rule, 10s bars", "share"),
    "bulk, Student's t 0.25, 10 s bars, lots": ("bars", "bulk, t 0.25, 10s bars", "share"),
    "the feed's sides": ("vpin", "feed", "mean"),
    "the same sides, shuffled": ("vpin", "feed, shuffled", "mean"),
    "Lee-Ready, lag 0 ms": ("vpin", "Lee-Ready, lag 0ms", "mean"),
    "tick rule": ("vpin", "tick rule", "mean"),
    "bulk, normal, 10 s bars": ("vpin", "bulk, normal, 10s bars", "mean"),
    "bulk, Student's t 0.25, 10 s bars": ("vpin", "bulk, t 0.25, 10s bars", "mean"),
}


@pytest.mark.parametrize("row", SHOWN)
def test_the_experiment_shows_its_results(row):
    markets = json.loads((EXPERIMENT / "results.json").read_text())["markets"]
    table, name, number = SHOWN[row]
    values = [markets[m][table][name][number] for m in ("AMZN", "AAPL pre-market", "BTCUSDT", "synthetic")]
    shown = " | ".join("–" if v is None else f"{v:.3f}" for v in values)
    assert f"| {row} | {shown} |" in (EXPERIMENT / "README.md").read_text()
