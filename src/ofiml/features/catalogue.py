"""The catalogue of features: what each is, without the code that computes it (`compute.py`).

All are known at the bar's close. A feature is NaN where its rule says so, and nowhere else.
"""

from dataclasses import dataclass

from ofiml.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Feature:
    """`bars` is how many bars, this one included, the value looks back over; 0 for the state at the close."""

    name: str
    formula: str
    unit: str
    nan: str
    bars: int
    source: str


_ENTRIES = (
    Feature(
        "spread_ticks",
        "P^a - P^b at the close",
        "ticks",
        "a side is missing",
        0,
        "",
    ),
    Feature(
        "queue_imbalance",
        "(q^b - q^a)/(q^b + q^a) at the best level, at the close",
        "1",
        "both sides are missing",
        0,
        "Gould & Bonart 2016, arXiv 1512.03492",
    ),
    Feature(
        "depth_imbalance",
        "(Σ q^b - Σ q^a)/(Σ q^b + Σ q^a) over all levels, at the close",
        "1",
        "both sides are missing",
        0,
        "Cartea, Donnelly & Jaimungal 2018",
    ),
    Feature(
        "microprice_offset",
        "(P^a q^b + P^b q^a)/(q^a + q^b) - mid at the close",
        "ticks",
        "a side is missing",
        0,
        "Stoikov 2018 (weighted mid)",
    ),
    Feature(
        "return_1",
        "mid at the close - mid one bar before",
        "ticks",
        "a mid is missing, or the session began later",
        1,
        "",
    ),
    Feature(
        "return_6",
        "mid at the close - mid six bars before",
        "ticks",
        "a mid is missing, or the session began later",
        6,
        "",
    ),
    Feature(
        "volatility_30",
        "standard deviation (ddof 1) of the last 30 one-bar mid changes, of at least 10",
        "ticks",
        "fewer than 10 changes",
        30,
        "",
    ),
    Feature(
        "trade_imbalance",
        "(buys - sells)/(buys + sells), traded size in the bar by the aggressor's side",
        "1",
        "no signed trade in the bar",
        1,
        "",
    ),
    Feature(
        "log_events",
        "log(1 + number of book events in the bar)",
        "1",
        "never",
        1,
        "",
    ),
    Feature(
        "minutes_since_open",
        "(close of the bar - open of the session)",
        "minutes",
        "never",
        0,
        "",
    ),
)

CATALOGUE: dict[str, Feature] = {f.name: f for f in _ENTRIES}


def chosen(columns: list[str]) -> list[Feature]:
    """The catalogue's entries of these names. Raises ConfigError for an unknown name, or one given twice."""
    for name in columns:
        if name not in CATALOGUE:
            raise ConfigError(f"features.columns: {name} is not in the catalogue; it has {', '.join(CATALOGUE)}.")
    if len(set(columns)) < len(columns):
        raise ConfigError(f"features.columns names a feature twice: {', '.join(columns)}.")
    return [CATALOGUE[name] for name in columns]


def look_back_bars(columns: list[str]) -> int:
    """How many bars, the last included, flow and the chosen features look back over."""
    return max([1, *(f.bars for f in chosen(columns))])
