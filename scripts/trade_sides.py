"""Compare trade-side rules with the feed's sides, VPIN by each rule, and estimated PIN with its true value.

    python scripts/trade_sides.py --out FOLDER AMZN="dataset=lobster dataset.path=FILE" synthetic="dataset=synthetic"

Each LABEL="…" contains overrides as for `ofiml run`; only dataset and bars.per matter. The size of a bucket is the
volume of the session divided by --buckets. That volume is known only after the session: the results describe, they do
not forecast. The script prints the results and writes results.json and results.md into FOLDER. They contain counts and
averages, no trades of the data.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from market_facts import describe_sessions, read_markets
from rich.console import Console
from rich.table import Table

from ofiml.cli.exits import run_command
from ofiml.config import Config
from ofiml.data.schema import Session
from ofiml.data.sessions import sources
from ofiml.data.trades import trades
from ofiml.errors import ConfigError, DataError
from ofiml.microstructure.toxicity.pin import count_orders, fit_pin
from ofiml.microstructure.toxicity.sides import (
    Agreement,
    NetAgreement,
    classify_bulk,
    cut_time_bars,
    cut_volume_bars,
    lee_ready,
    measure_agreement,
    measure_net_agreement,
    quotes_before,
    tick_rule,
)
from ofiml.microstructure.toxicity.vpin import Vpin
from ofiml.ui.format import DASH, markdown_table
from ofiml.units import duration

BARS_A_BUCKET = 10
RULES: dict[str, dict[str, Any]] = {"normal": {}, "t 0.25": {"freedom": 0.25}, "normal, hindsight": {"hindsight": True}}


@dataclass
class MarketMeasures:
    """What is known of a market, summed or listed over its sessions."""

    sessions: list[dict[str, str]] = field(default_factory=list)
    agreed: dict[str, Agreement] = field(default_factory=dict)
    bars: dict[str, NetAgreement] = field(default_factory=dict)
    vpin: dict[str, list[pl.Series]] = field(default_factory=dict)
    pin: list[dict[str, Any]] = field(default_factory=list)


def measure(config: Config, options: argparse.Namespace) -> MarketMeasures:
    """Of all sessions of a dataset, one in memory at a time."""
    out = MarketMeasures()
    for session in sessions(config):
        out.sessions.append({"symbol": session.symbol, "date": session.date, "sha256": session.digest})
        add_session(out, session, config.bars.per, options)
    if not out.sessions:
        raise DataError(f"{config.dataset.label}: no session to measure.")
    return out


def sessions(config: Config) -> Iterator[Session]:
    count = 0
    for source in sources(config.dataset):
        for session in source():
            yield session
            count += 1
            if config.dataset.max_sessions is not None and count >= config.dataset.max_sessions:
                return


def add_session(out: MarketMeasures, session: Session, per: str, options: argparse.Namespace) -> None:
    table = trades(session)
    size, stamps = table["size"].to_numpy(), table["ts_recv"].to_numpy()
    volume = int(size.sum())
    bucket = volume // options.buckets
    if bucket < BARS_A_BUCKET:
        raise DataError(f"{session.source}, {session.date}: {volume} lots are too few for {options.buckets} buckets.")
    signs = {f"Lee-Ready, lag {lag}": lee_ready(session, table, per, duration(lag, "--lags")) for lag in options.lags}
    signs["tick rule"] = tick_rule(table)
    first = f"Lee-Ready, lag {options.lags[0]}"
    agreed = {name: measure_agreement(table, sign) for name, sign in signs.items()}
    for place, there in split_by_place(session, table, per, duration(options.lags[0])).items():
        agreed[f"{first}, {place}"] = measure_agreement(table.filter(there), signs[first][there.to_numpy()])
    for name, one in agreed.items():
        out.agreed[name] = out.agreed[name] + one if name in out.agreed else one

    feed = table["sign"].to_numpy()
    shuffled = np.random.default_rng(0).permutation(feed)
    vpin = {
        name: (stamps, size, size * sign) for name, sign in {"feed": feed, "feed, shuffled": shuffled, **signs}.items()
    }
    cuts = {
        f"{options.step} bars": cut_time_bars(table, session, duration(options.step, "--step")),
        "volume bars": cut_volume_bars(table, bucket // BARS_A_BUCKET),
    }
    for kind, cut in cuts.items():
        of_bars = {name: cut.total(signs[name]) for name in (first, "tick rule")}
        for rule, settings in RULES.items():
            found = classify_bulk(table, cut, **settings)
            of_bars[f"bulk, {rule}"] = found["signed"].to_numpy()
            vpin[f"bulk, {rule}, {kind}"] = found["known_at"].to_numpy(), cut.total(1), found["signed"].to_numpy()
        for name, signed in of_bars.items():
            bars, key = measure_net_agreement(table, cut, signed), f"{name}, {kind}"
            out.bars[key] = out.bars[key] + bars if key in out.bars else bars
    for name, entries in vpin.items():
        out.vpin.setdefault(name, []).append(Vpin(bucket, options.window).feed(*entries)["vpin"].fill_nan(None))
    if session.planted is not None:
        out.pin.append(pin(session))


def split_by_place(session: Session, table: pl.DataFrame, per: str, lag: int) -> dict[str, pl.Series]:
    """Which trades were at a quote or beyond it, and which between the two, where the rule is less sure."""
    best = quotes_before(session, table, per, lag)
    outside = ((table["price"] >= best["ask"]) | (table["price"] <= best["bid"])).fill_null(False)
    inside = ((table["price"] < best["ask"]) & (table["price"] > best["bid"])).fill_null(False)
    return {"at a quote": outside, "inside": inside}


def pin(session: Session) -> dict[str, Any]:
    """Return the planted parameters of a simulated session and their estimates from its orders."""
    truth = session.planted
    assert truth is not None
    k = truth.symbol
    planted = {
        "alpha": truth.alpha[k],
        "delta": 0.5,  # news is good or bad with the same probability
        "mu": truth.mu[k],
        "epsilon_buy": truth.epsilon[k],
        "epsilon_sell": truth.epsilon[k],
        "pin": truth.pin()[k],
    }
    got = fit_pin(*count_orders(session, truth.period))
    return {
        "session": session.date,
        "symbol": session.symbol,
        "periods": got.days,
        "planted": planted,
        "found": {**asdict(got.parameters), "pin": got.pin},
        "errors": {name: error if math.isfinite(error) else None for name, error in got.errors.items()},
        "log_likelihood": got.log_likelihood,
        "starts": [got.starts, got.converged, got.agreeing],
        "notes": got.notes,
    }


def measures_to_json(found: MarketMeasures) -> dict[str, Any]:
    """As JSON, which has no NaN."""
    feed = found.vpin["feed"]
    return {
        "sessions": found.sessions,
        "sides": {
            name: asdict(a) | {"share": finite_or_none(a.share), "share_of_lots": finite_or_none(a.share_of_lots)}
            for name, a in found.agreed.items()
        },
        "bars": {
            name: asdict(n) | {"share": finite_or_none(n.share), "share_of_half": finite_or_none(n.share_of_half)}
            for name, n in found.bars.items()
        },
        "vpin": {name: compare_with_feed(feed, series) for name, series in found.vpin.items()},
        "pin": found.pin,
    }


def compare_with_feed(feed: list[pl.Series], series: list[pl.Series]) -> dict[str, Any]:
    """Values, their mean and quantiles over the sessions' buckets, and their correlation with VPIN by the feed's sides.

    Bucket k ends at the same lot for every rule, so the two are paired by k.
    """
    pairs = pl.concat([pl.DataFrame({"feed": f.head(len(s)), "one": s}) for f, s in zip(feed, series, strict=True)])
    values = pairs.drop_nulls()
    varied = values.height > 2 and all(values[c].std() for c in values.columns)
    r = np.corrcoef(values["feed"], values["one"])[0, 1] if varied else math.nan
    mean, low, high = values["one"].mean(), values["one"].quantile(0.05), values["one"].quantile(0.95)
    return {"values": values.height, "mean": mean, "q05": low, "q95": high, "correlation": finite_or_none(float(r))}


def finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


Rows = list[list[str]]


def tables(found: dict[str, Any]) -> Iterator[tuple[list[str], Rows]]:
    """(names of the columns, rows) of each table."""
    yield (
        ["agreement with the feed", "trades", "right", "lots right"],
        [[n, count(a["trades"]), share(a["share"]), share(a["share_of_lots"])] for n, a in found["sides"].items()],
    )
    yield (
        ["netted within bars", "bars", "lots right", "half and half"],
        [[n, count(b["bars"]), share(b["share"]), share(b["share_of_half"])] for n, b in found["bars"].items()],
    )
    shown = ("mean", "q05", "q95", "correlation")
    yield (
        ["VPIN", "buckets", "mean", "5 %", "95 %", "correlation"],
        [[n, count(v["values"]), *(share(v[key]) for key in shown)] for n, v in found["vpin"].items()],
    )
    if found["pin"]:
        names = list(found["pin"][0]["planted"])
        rows = [[one["session"], *(format_recovered(one, name) for name in names)] for one in found["pin"]]
        yield ["planted, found", *names], rows


def format_recovered(one: dict[str, Any], name: str) -> str:
    error = one["errors"][name]
    return f"{one['planted'][name]:.3g}, {one['found'][name]:.3g} ± {DASH if error is None else f'{error:.2g}'}"


def describe_counts(found: dict[str, Any]) -> str:
    first = next(iter(found["sides"].values()))
    trades, lots = first["trades"] + first["unsigned"], first["lots"] + first["unsigned_lots"]
    unsigned = f"{first['unsigned']:,} trades of {first['unsigned_lots']:,} lots"
    return f"{trades:,} trades of {lots:,} lots; the feed has no side for {unsigned}"


def print_market(heading: str, found: dict[str, Any], console: Console) -> None:
    console.print(heading, style="bold", highlight=False, markup=False)
    console.print(describe_counts(found), highlight=False)
    for columns, rows in tables(found):
        table = Table(box=None, pad_edge=False)
        for i, name in enumerate(columns):
            table.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print()


def format_markdown(heading: str, found: dict[str, Any]) -> str:
    lines = [f"## {heading}", "", describe_counts(found), ""]
    for columns, rows in tables(found):
        lines += [markdown_table(columns, rows), ""]
    return "\n".join(lines)


def count(value: int) -> str:
    return f"{value:,}"


def share(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}"


def write(options: argparse.Namespace) -> int:
    for name in (*options.lags, options.step):
        duration(name, "--lags and --step")
    if options.buckets < 1 or options.window < 1:
        raise ConfigError("--buckets and --window must be at least 1.")
    configs = read_markets(options.markets)
    options.out.mkdir(parents=True, exist_ok=True)
    record, pages = {}, []
    console = Console(width=160)
    for label, config in configs.items():
        found = measure(config, options)
        record[label] = measures_to_json(found)
        heading = f"{label}: {describe_sessions(found.sessions)}"
        print_market(heading, record[label], console)
        pages.append(format_markdown(heading, record[label]))
    settings = {"lags": options.lags, "step": options.step, "buckets": options.buckets, "window": options.window}
    text = json.dumps({"settings": settings, "markets": record}, indent=1, ensure_ascii=False, allow_nan=False)
    (options.out / "results.json").write_text(text + "\n", encoding="utf-8")
    (options.out / "results.md").write_text("\n".join(pages), encoding="utf-8")
    console.print(f"{options.out}: results.json, results.md", highlight=False, markup=False, soft_wrap=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    parser.add_argument(
        "--lags",
        nargs="+",
        default=["0ms", "1ms", "10ms", "100ms"],
        metavar="LAG",
        help="lags of the Lee-Ready rule (default: 0ms 1ms 10ms 100ms)",
    )
    parser.add_argument("--step", default="10s", help="length of the time bars of bulk classification (default: 10s)")
    parser.add_argument("--buckets", type=int, default=200, help="number of VPIN buckets per session (default: 200)")
    parser.add_argument(
        "--window", type=int, default=50, help="number of buckets over which VPIN is averaged (default: 50)"
    )
    parser.add_argument(
        "markets", nargs="+", metavar='LABEL="overrides"', help="a market: its name in the results, and its dataset"
    )
    options = parser.parse_args()
    return run_command(lambda: write(options))


if __name__ == "__main__":
    sys.exit(main())
