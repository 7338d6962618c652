"""The page of a comparison: money has its currency, and several currencies are not compared."""

import math
from typing import Any

from ofiml.comparison.page import write_header, write_rows, write_sentences
from ofiml.comparison.verdicts import ComparedGroup, ComparedRun


def make_group(*runs: dict[str, Any]) -> ComparedGroup:
    rows = [
        ComparedRun(
            run=f"{k}" * 12, name="", model="ridge", ofi="mlofi", features="", ic=0.1, ic_low=0.0, ic_high=0.2, r2=0.0,
            sharpe_annual=1.0, rows=100, repeated=0, choices={}, **run,
        )
        for k, run in enumerate(runs)
    ]  # fmt: skip
    return ComparedGroup("forecast", "", "", "ic", {}, rows, None, [])


def read_net(group: ComparedGroup) -> tuple[str, list[str]]:
    column = next(k for k, name in enumerate(write_header(group)) if name.startswith("net"))
    return write_header(group)[column], [row[column] for row in write_rows(group)]


def test_one_currency_is_in_the_header():
    group = make_group({"net": -1234.5, "currency": "USD"}, {"net": math.nan}, {"net": 2.0, "currency": "USD"})
    assert read_net(group) == ("net (USD)", ["-1,234.50", "–", "2.00"])
    assert not any("currenc" in sentence for sentence in write_sentences(group))
    assert read_net(make_group({"net": 1.0}, {"net": 2.0})) == ("net", ["1.00", "2.00"])


def test_several_currencies_are_in_the_cells_and_not_compared():
    group = make_group({"net": 3.0, "currency": "USD"}, {"net": 0.5, "currency": "BTC|[b]"}, {"net": 1.0})
    assert read_net(group) == ("net", ["3.00 USD", "0.50 BTC??b?", "1.00 ?"])
    assert any(
        "in several currencies (one not named, BTC??b?, USD) and cannot be compared" in sentence
        for sentence in write_sentences(group)
    )
