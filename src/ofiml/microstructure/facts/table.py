"""The facts of several markets as one Markdown table, beside published values."""

import math
from collections.abc import Collection, Mapping

from ofiml.microstructure.facts.session import Facts
from ofiml.ui.format import DASH, format_markdown_table, format_number

Row = tuple[str, str, str, str]  # text, topic, key, format


def _make_rows(text: str, topic: str, keys: tuple[int | str, ...], form: str) -> list[Row]:
    return [(text.format(key), topic, str(key), form) for key in keys]


SECTIONS: dict[str, list[Row]] = {
    "Book, weighted by time": [
        ("spread, mean (ticks)", "spread_ticks", "mean", ".2f"),
        ("spread, median (ticks)", "spread_ticks", "median", ".0f"),
        ("share of time at one tick", "spread_ticks", "one_tick", ".3f"),
        ("bid size at the best (lots)", "bid_size", "1", ".0f"),
        ("ask size at the best (lots)", "ask_size", "1", ".0f"),
        *_make_rows("size at level {} / best", "relative_size", (2, 3, 5, 10), ".2f"),
        *_make_rows("distance of level {} from the mid (ticks)", "distance_ticks", (1, 2, 3, 5, 10), ".2f"),
    ],
    "Messages": [
        *_make_rows("share: {}", "messages", ("add", "cancel", "modify", "trade", "other"), ".3f"),
        ("messages per second", "messages", "per_second", ".2f"),
        ("share that changes a best quote", "messages", "best_changed", ".3f"),
        ("share that changes a best price", "messages", "price_changed", ".3f"),
        ("market orders with a side, per second", "trades", "orders_per_second", ".3f"),
        *_make_rows("messages in tenth {} of the session / a tenth", "intraday", (1, 5, 10), ".2f"),
    ],
    "Autocorrelation of the number of messages": [
        *_make_rows("in 1 s, lag {} s", "rate_acf_1s", (1, 5, 10, 60, 300), ".3f"),
        *_make_rows("in 10 s, lag {} s", "rate_acf_10s", (10, 60, 300, 600), ".3f"),
    ],
    "Autocorrelation of trade signs, by lag in market orders": [
        ("market orders with a side, per session", "trades", "orders", ",.0f"),
        *_make_rows("lag {}", "sign_acf", (1, 2, 5, 10, 20, 50), ".3f"),
        ("exponent γ of its decay", "trades", "sign_decay", ".2f"),
    ],
    "Price": [
        ("standard deviation of a minute's move (ticks)", "volatility", "ticks", ".2f"),
        ("the same (basis points)", "volatility", "bps", ".2f"),
        *_make_rows("excess kurtosis of moves, {} s", "kurtosis", (1, 10, 60), ".1f"),
        *_make_rows("variance per second sampled at {} s / at 60 s", "signature", ("0.1", 1, 5, 10, 30, 300), ".2f"),
        ("variance per second sampled at 300 s / at 1 s", "variance_ratio", "300", ".2f"),
        *_make_rows("autocorrelation of moves, {} s", "move_acf", (1, 10), ".3f"),
        *_make_rows("autocorrelation of their ranks, {} s", "rank_acf", (1, 10), ".3f"),
    ],
    "R² of the same bar's move, mean over half hours": [
        *_make_rows("best level, {} s", "impact_best", (1, 5, 10, 30, 60), ".3f"),
        *(
            (f"levels 1-{m} together, {s} s, adjusted" if m > 1 else f"best level, {s} s, adjusted",
             f"impact_levels_{m}", str(s), ".3f")
            for s in (10, 60) for m in (1, 3, 5, 10)
        ),
    ],
    "First principal component's share of the variance of depth-normalised flow": [
        *_make_rows("levels 1-5, {} s", "first_component_5", (10, 60), ".3f"),
        *_make_rows("levels 1-10, {} s", "first_component_10", (10, 60), ".3f"),
    ],
    "Forecast": [("R² of the next minute, out of sample", "next_minute", "r2", ".4f")],
}  # fmt: skip

# Only values of the same or a similar measure; the text states a difference in the measure.
PUBLISHED: dict[tuple[str, str], str] = {
    ("relative_size", "5"): "a hump away from the best, by price (Bouchaud, Mézard & Potters 2002, Paris)",
    ("trades", "sign_decay"): "about 0.6, from 0.36 to 0.77 (Lillo & Farmer 2004, London)",
    ("kurtosis", "60"): "16 (S&P 500 futures) to 74 (USD/DEM), at 5 minutes (Cont 2001)",
    ("impact_best", "10"): "0.65, mean of 50 US stocks (Cont, Kukanov & Stoikov 2014)",
    ("impact_levels_1", "10"): "0.712, their bars (Cont, Cucuringu & Zhang 2023)",
    ("impact_levels_10", "10"): "0.871, integrated flow of 10 levels (Cont, Cucuringu & Zhang 2023)",
    ("first_component_10", "10"): "above 0.89 (Cont, Cucuringu & Zhang 2023)",
    ("next_minute", "r2"): "negative, all linear models (Cont, Cucuringu & Zhang 2023)",
}

# The published numbers that bound a range, together with those of real markets.
BOUNDS: dict[tuple[str, str], tuple[float, float]] = {
    ("trades", "sign_decay"): (0.36, 0.77),
    ("impact_best", "10"): (0.65, 0.65),
    ("impact_levels_1", "10"): (0.712, 0.712),
    ("impact_levels_10", "10"): (0.871, 0.871),
    ("first_component_10", "10"): (0.89, 1.0),
    ("next_minute", "r2"): (-math.inf, 0.0),
}

NOTE = (
    "The functions of `ofiml.microstructure.facts` measure each market in the same way; their docstrings define each "
    "number. Numbers of several sessions are averaged with equal weights. Levels are the feed's, which may list "
    "occupied prices only. – : not enough data."
)


OUTSIDE = (
    "A market is outside of a row's range if its number, as shown, is below or above all of those of the real markets "
    "and the published ones."
)


def write_facts(markets: Mapping[str, Facts], described: Mapping[str, str], real: Collection[str] = ()) -> str:
    """Write the table: one column per market, with its label and description, and one of published values.

    With labels of `real` markets, a last column names the other markets that are outside of a row's range.
    """
    header = ["", *markets, "published", *(["outside"] if real else [])]
    rows = [["data", *(described[label] for label in markets)]]
    for heading, lines in SECTIONS.items():
        rows.append([f"**{heading}**"])
        for text, topic, key, form in lines:
            values = [facts.get(topic, {}).get(key, float("nan")) for facts in markets.values()]
            numbers = dict(zip(markets, (format_number(value, form) for value in values), strict=True))
            outside = [_list_outside(numbers, real, BOUNDS.get((topic, key), ()))] if real else []
            rows.append([text, *numbers.values(), PUBLISHED.get((topic, key), ""), *outside])
    whole = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    note = f"{NOTE} {OUTSIDE}" if real else NOTE
    return "\n".join([format_markdown_table(header, whole), "", note, ""])


def _list_outside(numbers: Mapping[str, str], real: Collection[str], published: tuple[float, ...]) -> str:
    """List the markets, apart from the real ones, whose number is below or above the range of a row."""
    known = {label: float(text.replace(",", "")) for label, text in numbers.items() if text != DASH}
    ends = [*(known[label] for label in real if label in known), *published]
    if not ends:
        return ""
    below = [label for label, value in known.items() if label not in real and value < min(ends)]
    above = [label for label, value in known.items() if label not in real and value > max(ends)]
    return "; ".join(f"{side}: {', '.join(of)}" for side, of in (("below", below), ("above", above)) if of)
