"""A run from before orders met the recorded book: all but its profit is compared."""

import json

from ofiml.study.json_border import flatten_numbers
from ofiml.tracking.reproduction import compare_reports, has_earlier_backtest, leave_out_backtest
from tests.conftest import ROOT

COMMITTED = ROOT / "tests" / "tracking" / "earlier_report.json"


def compare(before, after):
    numbers, repeated = (leave_out_backtest(flatten_numbers(report)) for report in (before, after))
    return compare_reports(before, after, numbers, repeated)


def test_only_the_profit_is_left_out():
    before = json.loads(COMMITTED.read_text())
    assert has_earlier_backtest(before)
    left_out = set(flatten_numbers(before)) - set(leave_out_backtest(flatten_numbers(before)))
    assert left_out == {
        path for path in flatten_numbers(before) if path.startswith("backtest.") or path.endswith("].net_pnl")
    }
    after = json.loads(COMMITTED.read_text())
    after["backtest"] = {"currency": "USD", "net_pnl": 1.0, "orders": {"sent": 3}}
    after["strata"][0]["net_pnl"] = 5.0
    assert not has_earlier_backtest(after)
    assert compare(before, after) == []
    after["metrics"]["pooled"]["ic"]["value"] += 1e-9
    assert [line.partition(":")[0] for line in compare(before, after)] == ["metrics.pooled.ic.value"]


def test_a_report_without_a_backtest_is_compared_whole():
    assert not has_earlier_backtest({"backtest": None})
    assert not has_earlier_backtest({})
