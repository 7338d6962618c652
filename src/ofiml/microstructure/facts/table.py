"""The facts of several markets as one Markdown table, beside published values."""

from collections.abc import Mapping

from ofiml.microstructure.facts.session import Facts
from ofiml.ui.format import format_markdown_table, format_number

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

NOTE = (
    "The functions of `ofiml.microstructure.facts` measure each market in the same way; their docstrings define each "
    "number. Numbers of several sessions are averaged with equal weights. Levels are the feed's, which may list "
    "occupied prices only. – : not enough data."
)


def write_facts(markets: Mapping[str, Facts], described: Mapping[str, str]) -> str:
    """Write the table: one column per market, with its label and description, and one of published values."""
    rows = [["data", *(described[label] for label in markets), ""]]
    for heading, lines in SECTIONS.items():
        rows.append([f"**{heading}**", *[""] * (len(markets) + 1)])
        for text, topic, key, form in lines:
            values = [facts.get(topic, {}).get(key, float("nan")) for facts in markets.values()]
            numbers = [format_number(value, form) for value in values]
            rows.append([text, *numbers, PUBLISHED.get((topic, key), "")])
    return "\n".join([format_markdown_table(["", *markets, "published"], rows), "", NOTE, ""])
