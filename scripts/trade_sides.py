"""Compare rules for the side of a trade with the feed's own sides, VPIN by each rule, and PIN with its true value.

    python scripts/trade_sides.py --out FOLDER AMZN="dataset=lobster dataset.path=FILE" synthetic="dataset=synthetic"

Each LABEL="…" has overrides as for `python -m ofiml.run`; only dataset and bars.per matter. A bucket is the session's
volume over --buckets, so it is known only after the session: VPIN here describes, it does not forecast. Writes
results.json and results.md into FOLDER and prints the same: counts and averages only, no trade of the data.
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
from ofiml.data.sessions import list_sources
from ofiml.data.trades import list_trades
from ofiml.errors import ConfigError, DataError
from ofiml.microstructure.toxicity.pin import count_orders, fit_pin
from ofiml.microstructure.toxicity.sides import (
    Agreement,
    NetAgreement,
    classify_bulk,
    cut_trades_by_time,
    cut_trades_by_volume,
    find_quotes_before,
    measure_agreement,
    measure_net_agreement,
    sign_by_lee_ready,
    sign_by_tick_rule,
)
from ofiml.microstructure.toxicity.vpin import Vpin
from ofiml.ui.format import DASH, format_markdown_table
from ofiml.units import parse_duration

BARS_PER_BUCKET = 10
RULES: dict[str, dict[str, Any]] = {"normal": {}, "t 0.25": {"freedom": 0.25}, "normal, hindsight": {"hindsight": True}}


@dataclass
class MarketMeasures:
    """The measures of a market, summed or listed over its sessions."""

    sessions: list[dict[str, str]] = field(default_factory=list)
    agreements: dict[str, Agreement] = field(default_factory=dict)
    bars: dict[str, NetAgreement] = field(default_factory=dict)
    vpin: dict[str, list[pl.Series]] = field(default_factory=dict)
    pin: list[dict[str, Any]] = field(default_factory=list)


def measure(config: Config, args: argparse.Namespace) -> MarketMeasures:
    """Measure all sessions of a dataset, one in memory at a time. Raises DataError if there are none."""
    out = MarketMeasures()
    for session in read_sessions(config):
        out.sessions.append({"symbol": session.symbol, "date": session.date, "sha256": session.digest})
        add_session(out, session, config.bars.per, args)
    if not out.sessions:
        raise DataError(f"{config.dataset.label}: no session to measure.")
    return out


def read_sessions(config: Config) -> Iterator[Session]:
    """Yield the sessions of a dataset, at most `max_sessions`."""
    count = 0
    for source in list_sources(config.dataset):
        for session in source():
            yield session
            count += 1
            if config.dataset.max_sessions is not None and count >= config.dataset.max_sessions:
                return


def add_session(out: MarketMeasures, session: Session, per: str, args: argparse.Namespace) -> None:
    """Add the measures of one session to `out`. Raises DataError if its volume is too low for the buckets."""
    table = list_trades(session)
    size, stamps = table["size"].to_numpy(), table["ts_recv"].to_numpy()
    volume = int(size.sum())
    bucket = volume // args.buckets
    if bucket < BARS_PER_BUCKET:
        raise DataError(f"{session.source}, {session.date}: {volume} lots are too few for {args.buckets} buckets.")
    signs = {
        f"Lee-Ready, lag {lag}": sign_by_lee_ready(session, table, per, parse_duration(lag, "--lags"))
        for lag in args.lags
    }
    signs["tick rule"] = sign_by_tick_rule(table)
    first = f"Lee-Ready, lag {args.lags[0]}"
    agreements = {name: measure_agreement(table, sign) for name, sign in signs.items()}
    for place, mask in split_by_place(session, table, per, parse_duration(args.lags[0])).items():
        agreements[f"{first}, {place}"] = measure_agreement(table.filter(mask), signs[first][mask.to_numpy()])
    for name, agreement in agreements.items():
        out.agreements[name] = out.agreements[name] + agreement if name in out.agreements else agreement

    feed = table["sign"].to_numpy()
    shuffled = np.random.default_rng(0).permutation(feed)
    vpin = {
        name: (stamps, size, size * sign) for name, sign in {"feed": feed, "feed, shuffled": shuffled, **signs}.items()
    }
    cuts = {
        f"{args.step} bars": cut_trades_by_time(table, session, parse_duration(args.step, "--step")),
        "volume bars": cut_trades_by_volume(table, bucket // BARS_PER_BUCKET),
    }
    for kind, cut in cuts.items():
        signed_by_rule = {name: cut.sum_lots(signs[name]) for name in (first, "tick rule")}
        for rule, settings in RULES.items():
            bulk = classify_bulk(table, cut, **settings)
            signed_by_rule[f"bulk, {rule}"] = bulk["signed"].to_numpy()
            vpin[f"bulk, {rule}, {kind}"] = bulk["known_at"].to_numpy(), cut.sum_lots(1), bulk["signed"].to_numpy()
        for name, signed in signed_by_rule.items():
            bars, key = measure_net_agreement(table, cut, signed), f"{name}, {kind}"
            out.bars[key] = out.bars[key] + bars if key in out.bars else bars
    for name, entries in vpin.items():
        out.vpin.setdefault(name, []).append(Vpin(bucket, args.window).feed(*entries)["vpin"].fill_nan(None))
    if session.planted is not None:
        out.pin.append(recover_pin(session))


def split_by_place(session: Session, table: pl.DataFrame, per: str, lag: int) -> dict[str, pl.Series]:
    """Split the trades by place: at a quote or beyond it, and between the quotes, where the rule is less certain."""
    best = find_quotes_before(session, table, per, lag)
    outside = ((table["price"] >= best["ask"]) | (table["price"] <= best["bid"])).fill_null(False)
    inside = ((table["price"] < best["ask"]) & (table["price"] > best["bid"])).fill_null(False)
    return {"at a quote": outside, "inside": inside}


def recover_pin(session: Session) -> dict[str, Any]:
    """Estimate PIN from the orders of a simulated session; return the planted values beside the estimates."""
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
    fit = fit_pin(*count_orders(session, truth.period))
    return {
        "session": session.date,
        "symbol": session.symbol,
        "periods": fit.days,
        "planted": planted,
        "estimated": {**asdict(fit.parameters), "pin": fit.pin},
        "errors": {name: error if math.isfinite(error) else None for name, error in fit.errors.items()},
        "log_likelihood": fit.log_likelihood,
        "starts": [fit.starts, fit.converged, fit.agreeing],
        "notes": fit.notes,
    }


def measures_to_json(measures: MarketMeasures) -> dict[str, Any]:
    """Convert the measures to JSON-compatible data; NaN becomes null."""
    feed = measures.vpin["feed"]
    return {
        "sessions": measures.sessions,
        "sides": {
            name: asdict(a) | {"share": replace_nan(a.share), "share_of_lots": replace_nan(a.share_of_lots)}
            for name, a in measures.agreements.items()
        },
        "bars": {
            name: asdict(n) | {"share": replace_nan(n.share), "share_of_half": replace_nan(n.share_of_half)}
            for name, n in measures.bars.items()
        },
        "vpin": {name: compare_with_feed(feed, series) for name, series in measures.vpin.items()},
        "pin": measures.pin,
    }


def compare_with_feed(feed: list[pl.Series], series: list[pl.Series]) -> dict[str, Any]:
    """Summarise VPIN over the sessions' buckets, and correlate it with VPIN by the feed's sides.

    Bucket k ends at the same lot for every rule, so values are paired by k.
    """
    pairs = pl.concat([pl.DataFrame({"feed": f.head(len(s)), "one": s}) for f, s in zip(feed, series, strict=True)])
    values = pairs.drop_nulls()
    varied = values.height > 2 and all(values[c].std() for c in values.columns)
    r = np.corrcoef(values["feed"], values["one"])[0, 1] if varied else math.nan
    mean, low, high = values["one"].mean(), values["one"].quantile(0.05), values["one"].quantile(0.95)
    return {"values": values.height, "mean": mean, "q05": low, "q95": high, "correlation": replace_nan(float(r))}


def replace_nan(value: float) -> float | None:
    return value if math.isfinite(value) else None


Rows = list[list[str]]


def make_tables(record: dict[str, Any]) -> Iterator[tuple[list[str], Rows]]:
    """Yield the column names and rows of each table."""
    yield (
        ["as in the feed", "trades", "correct", "lots correct"],
        [
            [n, format_count(a["trades"]), format_share(a["share"]), format_share(a["share_of_lots"])]
            for n, a in record["sides"].items()
        ],
    )
    yield (
        ["netted within bars", "bars", "lots correct", "half and half"],
        [
            [n, format_count(b["bars"]), format_share(b["share"]), format_share(b["share_of_half"])]
            for n, b in record["bars"].items()
        ],
    )
    shown = ("mean", "q05", "q95", "correlation")
    yield (
        ["VPIN", "buckets", "mean", "5 %", "95 %", "correlation"],
        [[n, format_count(v["values"]), *(format_share(v[key]) for key in shown)] for n, v in record["vpin"].items()],
    )
    if record["pin"]:
        names = list(record["pin"][0]["planted"])
        rows = [[one["session"], *(format_recovered(one, name) for name in names)] for one in record["pin"]]
        yield ["planted, estimated", *names], rows


def format_recovered(one: dict[str, Any], name: str) -> str:
    """Format a planted value beside its estimate and standard error."""
    error = one["errors"][name]
    return f"{one['planted'][name]:.3g}, {one['estimated'][name]:.3g} ± {DASH if error is None else f'{error:.2g}'}"


def describe_counts(record: dict[str, Any]) -> str:
    """Describe the number of trades and lots, with and without a side in the feed."""
    first = next(iter(record["sides"].values()))
    trades, lots = first["trades"] + first["unsigned"], first["lots"] + first["unsigned_lots"]
    return (
        f"{trades:,} trades of {lots:,} lots; without a side in the feed: {first['unsigned']:,} trades of "
        f"{first['unsigned_lots']:,} lots"
    )


def print_market(heading: str, record: dict[str, Any], console: Console) -> None:
    """Print the tables of one market."""
    console.print(heading, style="bold", highlight=False, markup=False)
    console.print(describe_counts(record), highlight=False)
    for columns, rows in make_tables(record):
        table = Table(box=None, pad_edge=False)
        for i, name in enumerate(columns):
            table.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print()


def format_markdown(heading: str, record: dict[str, Any]) -> str:
    """Format the tables of one market as Markdown."""
    lines = [f"## {heading}", "", describe_counts(record), ""]
    for columns, rows in make_tables(record):
        lines += [format_markdown_table(columns, rows), ""]
    return "\n".join(lines)


def format_count(value: int) -> str:
    return f"{value:,}"


def format_share(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}"


def write_results(args: argparse.Namespace) -> int:
    """Measure all markets and write the results; return the exit code. Raises ConfigError for invalid options."""
    for name in (*args.lags, args.step):
        parse_duration(name, "--lags and --step")
    if args.buckets < 1 or args.window < 1:
        raise ConfigError("--buckets and --window must be 1 or more.")
    configs = read_markets(args.markets)
    args.out.mkdir(parents=True, exist_ok=True)
    records, pages = {}, []
    console = Console(width=160)
    for label, config in configs.items():
        measures = measure(config, args)
        records[label] = measures_to_json(measures)
        heading = f"{label}: {describe_sessions(measures.sessions)}"
        print_market(heading, records[label], console)
        pages.append(format_markdown(heading, records[label]))
    settings = {"lags": args.lags, "step": args.step, "buckets": args.buckets, "window": args.window}
    text = json.dumps({"settings": settings, "markets": records}, indent=1, ensure_ascii=False, allow_nan=False)
    (args.out / "results.json").write_text(text + "\n", encoding="utf-8")
    (args.out / "results.md").write_text("\n".join(pages), encoding="utf-8")
    console.print(f"{args.out}: results.json, results.md", highlight=False, markup=False, soft_wrap=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument(
        "--lags", nargs="+", default=["0ms", "1ms", "10ms", "100ms"], metavar="LAG", help="lags of Lee-Ready"
    )
    parser.add_argument("--step", default="10s", help="length of the time bars of bulk classification (10s)")
    parser.add_argument("--buckets", type=int, default=200, help="buckets of VPIN per session (200)")
    parser.add_argument("--window", type=int, default=50, help="buckets in the average of VPIN (50)")
    parser.add_argument("markets", nargs="+", metavar='LABEL="overrides"')
    args = parser.parse_args()
    return run_command(lambda: write_results(args))


if __name__ == "__main__":
    sys.exit(main())
