"""The report as JSON: it is read as it was written, an old one too, and a stranger's is refused with its place."""

import copy
import json
import math
from dataclasses import dataclass, field, is_dataclass, replace
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from ofiml.errors import ConfigError
from ofiml.metrics.estimates import Estimate
from ofiml.study.json_border import encode, flatten_numbers, read_json, write_json
from ofiml.study.report import Report, read_report
from tests.conftest import ROOT, slow_but_each

COMMITTED = ROOT / "experiments" / "001-planted-signal" / "report.json"
QUICK = ["debug=tiny", "tuning.trials=1"]


@pytest.fixture(scope="module")
def logged():
    return json.loads(COMMITTED.read_text())


def test_a_committed_report_is_read_with_every_number(logged):
    report = read_report(COMMITTED.read_text())
    assert report.predictions.sha256 == logged["predictions"]["sha256"]
    assert report.metrics.pooled["ic"] == Estimate(**logged["metrics"]["pooled"]["ic"])
    assert report.folds[0].spans[0].start == logged["folds"][0]["spans"][0]["from"]
    assert report.metrics.oracle is not None
    assert report.metrics.oracle.shares["ic"] == logged["metrics"]["oracle"]["share_ic"]
    assert report.metrics.paths is None
    assert report.backtest.net_pnl == logged["backtest"]["net_pnl"]
    assert report.performance is report.backtest
    assert flatten_numbers(json.loads(report.to_json())) == flatten_numbers(logged)


@pytest.mark.parametrize(
    "overrides",
    slow_but_each(
        4,
        [
            ["model=ols", "ofi=pca", "seeds=[7,8]", "evaluation.controls=true", "evaluation.leak_check=true"],
            ["model=ridge", "split=cpcv", "tuning.trials=2", "ofi=mlofi_ridge", "ofi.parts=sides"],
            [
                "model=logistic",
                "target=dead_band",
                "tuning=off",
                "evaluation.permutation_repeats=0",
                "evaluation.interactions=0",
            ],
            ["model=ols", "target=impact"],
        ],
        first=2,
    ),
    ids=" ".join,
)
def test_what_is_written_is_read_back(run, overrides):
    report = run(*QUICK, *overrides).report
    text = report.to_json()
    again = read_report(text)
    assert again.to_json() == text
    assert repr(replace(again, runtime=report.runtime)) == repr(report)


def test_it_is_records_to_the_last_key():
    """A mapping is of one kind of value; nothing is untyped."""
    seen = set()

    def walk(kind):
        assert kind is not Any
        assert kind is not dict
        for argument in get_args(kind) if get_origin(kind) in (Union, UnionType, list, dict) else []:
            walk(argument)
        if is_dataclass(kind) and kind not in seen:
            seen.add(kind)
            for hint in get_type_hints(kind).values():
                walk(hint)

    walk(Report)
    assert len(seen) > 30


def change(report, path, value):
    """The report with another value at a path like ("folds", 0, "fold")."""
    changed = copy.deepcopy(report)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(changed)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("kind",), "guess", "report.kind must be one of forecast, impact"),
        (("kind",), ["forecast"], "report.kind must be one of"),
        (("rows",), [], "report.rows must be an object"),
        (("rows", "bars"), 1.5, "report.rows.bars must be a whole number"),
        (("rows", "bars"), True, "report.rows.bars must be a whole number"),
        (("rows", "bars"), None, "report.rows.bars must be a whole number"),
        (("folds",), {}, "report.folds must be a list"),
        (("folds", 1, "fold"), "1", r"report.folds\[1\].fold must be a whole number"),
        (("folds", 0, "spans", 0, "from"), 3, r"report.folds\[0\].spans\[0\].from must be text"),
        (("metrics", "pooled", "ic", "low"), "0", "report.metrics.pooled.ic.low must be a number"),
        (("metrics", "pooled", "luck"), {}, "report.metrics.pooled must be one of r2, ic"),
        (("metrics", "folds", 0, "luck"), 1.0, r"report.metrics.folds\[0\] must be one of r2, ic"),
        (("metrics", "oracle", "share_luck"), 1.0, "report.metrics.oracle must be one of r2, ic"),
        (("metrics", "oracle", "planted"), 1, "report.metrics.oracle.planted must be true or false"),
        (("importance_stability",), [], "report.importance_stability must be a number"),
        (("surprise",), 1, "report.surprise is not written by a study of this version"),
        (("tuning", 0, "best", "num_leaves"), "many", r"report.tuning\[0\].best.num_leaves must be"),
        (("ofi", "weights"), [["a"]], r"report.ofi.weights\[0\]\[0\] must be a number"),
    ],
)
def test_what_no_study_writes_is_refused_with_its_place(logged, path, value, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        read_report(change(logged, path, value))


def test_what_is_missing_is_refused_unless_it_may_be_none(logged):
    changed = copy.deepcopy(logged)
    del changed["impact"]
    assert read_report(json.dumps(changed)).impact is None
    del changed["metrics"]["hac"]["lag"]
    with pytest.raises(ConfigError, match=r"^report.metrics.hac.lag is missing\.$"):
        read_report(json.dumps(changed))


@pytest.mark.parametrize("text", ["", "nothing", "[]", "null", "[" * 100_000, '{"kind": NaN}'])
def test_what_is_no_report_at_all_is_refused(text):
    with pytest.raises(ConfigError, match=r"^(The report is not JSON|report must be an object|report\.kind)"):
        read_report(text)


def test_null_is_nan_where_a_number_belongs_and_infinity_is_refused(logged):
    read = read_report(change(logged, ("metrics", "pooled", "ic", "low"), None))
    assert math.isnan(read.metrics.pooled["ic"].low)
    with pytest.raises(ConfigError, match="must be a number"):
        read_report(change(logged, ("metrics", "pooled", "ic", "low"), math.inf))


@dataclass
class Inner:
    low: float


@dataclass
class Outer:
    start: str = field(metadata={"key": "from"})
    inner: Inner
    values: dict[str, float] = field(metadata={"prefix": ""})
    shares: dict[str, float] = field(metadata={"prefix": "share_"})


def test_records_have_keys_of_their_own_and_mappings_among_them():
    record = Outer("a", Inner(math.nan), {"ic": 1.0}, {"ic": 0.5, "r2": math.inf})
    written = {"from": "a", "inner": {"low": None}, "ic": 1.0, "share_ic": 0.5, "share_r2": None}
    assert json.loads(write_json(record)) == written
    read = read_json(Outer, json.dumps(written), "record")
    assert (read.start, read.values, list(read.shares)) == ("a", {"ic": 1.0}, ["ic", "r2"])
    assert math.isnan(read.shares["r2"])
    assert json.loads(write_json({"all": [Inner(1.0), (2, math.inf)]})) == {"all": [{"low": 1.0}, [2, None]]}


def test_what_json_does_not_have_is_never_written():
    with pytest.raises(AssertionError, match="no JSON for float32"):
        encode({"value": np.float32(1.0)})
