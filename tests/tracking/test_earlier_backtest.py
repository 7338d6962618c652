"""A run from before orders met the recorded book: all but its profit is compared."""

import json

import pytest

from ofiml.errors import ConfigError
from ofiml.study.json_border import flatten_numbers
from ofiml.study.report import read_report
from ofiml.tracking.logged_report import LoggedReport, read_logged_report
from ofiml.tracking.metrics import list_metrics
from ofiml.tracking.reproduction import compare_reports
from tests.conftest import ROOT

COMMITTED = (ROOT / "tests" / "tracking" / "earlier_report.json").read_text()
TODAY = (ROOT / "experiments" / "001-planted-signal" / "report.json").read_text()


def change(**parts) -> LoggedReport:
    return read_logged_report(json.dumps(json.loads(COMMITTED) | parts))


def test_only_the_profit_is_left_out():
    before = read_logged_report(COMMITTED)
    assert before.earlier_backtest
    left_out = set(before.numbers) - set(before.without_backtest().numbers)
    assert left_out == {path for path in before.numbers if path.startswith("backtest.") or path.endswith("].net_pnl")}
    report = json.loads(COMMITTED)
    report["strata"][0]["net_pnl"] = 5.0
    backtest = {"currency": "USD", "net_pnl": 1.0, "orders": {"sent": 3}}
    after = change(backtest=backtest, strata=report["strata"])
    assert not after.earlier_backtest
    assert compare_reports(before, after)
    assert compare_reports(before.without_backtest(), after.without_backtest()) == []
    report["metrics"]["pooled"]["ic"]["value"] += 1e-9
    after = change(backtest=backtest, metrics=report["metrics"]).without_backtest()
    lines = compare_reports(before.without_backtest(), after)
    assert [line.partition(":")[0] for line in lines] == ["metrics.pooled.ic.value"]


def test_a_report_without_a_backtest_is_compared_whole():
    assert not change(backtest=None).earlier_backtest
    assert not read_logged_report('{"dataset": {}, "predictions": {}}').earlier_backtest


def test_a_part_that_only_a_later_version_reports_is_no_difference():
    before = read_logged_report(COMMITTED)
    of_backtest = ("backtest.earned", "backtest.turnover", "backtest.deflated")
    assert before.later_parts == ("dataset.instruments", *of_backtest, "leak_check.execution")
    dataset = json.loads(COMMITTED)["dataset"] | {"instruments": [{"tick": 0.01}]}
    assert compare_reports(before, change(dataset=dataset)) == []
    assert compare_reports(change(dataset=dataset), before) == ["dataset.instruments[0].tick: was 0.01, now None"]
    lines = compare_reports(before, change(dataset=dataset | {"digest": "x"}))
    assert lines == [f"dataset.digest: was {before.digest}, now x"]


def test_a_report_of_today_is_read_as_it_is():
    raw, report = json.loads(TODAY), read_logged_report(TODAY)
    assert report.numbers == flatten_numbers(raw)
    assert not report.earlier_backtest
    assert report.later_parts == ()
    assert (report.digest, report.predictions_sha256) == (raw["dataset"]["digest"], raw["predictions"]["sha256"])
    assert report.levels == raw["dataset"]["levels"]
    assert report.session_digests == {one["digest"] for one in raw["dataset"]["sessions"]}
    assert [(one.symbol, one.date, one.events) for one in report.sessions] == [
        (one["symbol"], one["session"], one["events"]) for one in raw["dataset"]["sessions"]
    ]


def test_what_a_stranger_writes_is_none_where_its_type_is_wrong():
    session = json.loads(TODAY)["dataset"]["sessions"][0]
    dataset = {"digest": 3, "levels": True, "sessions": [session, {"digest": "d"}], "bad_files": [{"digest": "b"}, 3]}
    report = change(dataset=dataset, predictions={"sha256": ["x"]}, provenance=4)
    assert (report.digest, report.predictions_sha256, report.levels, report.place) == (None, None, None, None)
    assert report.sessions is None
    assert report.session_digests == {session["digest"], "d"}
    assert report.bad_digests == {"b"}
    for other in ("[]", "{}", '{"dataset": [], "predictions": {}}', '{"dataset": {}}'):
        with pytest.raises(ConfigError, match=r"not written by a study\."):
            read_logged_report(other)
    for text in ("{", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, b"\xff\xfe\x00"):
        with pytest.raises(ConfigError, match=r"^The report of run r (cannot be read|was not written by a study)"):
            read_logged_report(text, "report of run r")


def test_slippage_turnover_and_deflation_are_metrics():
    raw = json.loads(TODAY)
    metrics = {m.name: m.value for m in list_metrics(read_report(TODAY)) if m.step == 0}
    for name in ("slippage_ticks", "turnover"):
        assert metrics[name] == raw["backtest"][name]
    assert metrics["net_sharpe_deflated"] == raw["backtest"]["deflated"]["probability"]
    del raw["backtest"]["deflated"]  # as in a report from before
    assert "net_sharpe_deflated" not in {m.name for m in list_metrics(read_report(json.dumps(raw)))}
