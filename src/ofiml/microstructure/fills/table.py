"""The tables of the study in Markdown."""

from collections.abc import Mapping

from ofiml.microstructure.fills.estimates import MARKOUT_NAMES, Estimate
from ofiml.microstructure.fills.exponent import Exponent
from ofiml.microstructure.fills.study import MODELS, MarketResult, Outcome, Settings, SizeResult
from ofiml.ui.format import DASH, format_markdown_table, format_number
from ofiml.units import SECOND

_HEADER = ("", "orders with a fill", "share of lots", "seconds to fill",
           *(f"markout {name.removeprefix('markout_').replace('s', ' s')}" for name in MARKOUT_NAMES))  # fmt: skip
_FORMS = dict(zip(("fill_probability", "filled_share", "seconds_to_fill", *MARKOUT_NAMES),
                  (".3f", ".3f", ".2f", ".2f", ".2f", ".2f"), strict=True))  # fmt: skip


def write_tables(markets: Mapping[str, MarketResult], settings: Settings) -> str:
    """Write the tables of all markets and sizes."""
    waited, every = settings.patience / SECOND, settings.every / SECOND
    parts = [
        f"One order at the touch each {every:g} s, bid and ask in turn, cancelled after {waited:g} s. Exponents are "
        f"fitted on {settings.fit_days} days; everything else is measured on {settings.test_days} other days. The "
        f"truth has {settings.replicas} futures of each order. 95 % intervals count days (±). Markouts are in ticks, "
        "in the order's favour. A difference in bold has an interval without 0."
    ]
    for label, market in markets.items():
        for size in market.sizes:
            plural = "s" * (size.lots > 1)
            parts += [f"## {label}, {size.lots} lot{plural}", f"{size.orders:,} orders."]
            parts.append(write_outcomes(size.truth, {name: size.models[name] for name in MODELS}))
            if size.states:
                parts += ["Orders with a fill by the book at the posting, models less truth:", _write_states(size)]
            parts.append(_write_exponents(size))
    return "\n\n".join(parts) + "\n"


def _write_estimate(estimate: Estimate, form: str, *, sign: bool = False) -> str:
    """Write a value with half of its interval; with `sign`, bold if the interval is without 0."""
    text = format_number(estimate.value, f"+{form}" if sign else form)
    if estimate.low != estimate.low:
        return text
    text += f" ± {format_number(estimate.high - estimate.value, form)}"
    return f"**{text}**" if sign and (estimate.low > 0 or estimate.high < 0) else text


def _write_row(name: str, outcome: Outcome) -> list[str]:
    cells = [_write_estimate(outcome.measures[measure], form) for measure, form in _FORMS.items()]
    quoted = DASH if outcome.by_quotes is None else format_number(outcome.by_quotes.value, ".1%")
    return [name, *cells, quoted]


def write_outcomes(truth: Outcome, models: Mapping[str, Outcome]) -> str:
    """Write the measures of truth and models, and the models' differences from the truth."""
    rows = [_write_row("truth", truth), *(_write_row(name, of) for name, of in models.items())]
    differences = [
        [name, *(_write_estimate(of.differences[m], form, sign=True) for m, form in _FORMS.items())]
        for name, of in models.items()
    ]
    measures = format_markdown_table([*_HEADER, "filled by quotes"], rows)
    return f"{measures}\n\nModels less truth:\n\n{format_markdown_table(_HEADER, differences)}"


def _write_states(size: SizeResult) -> str:
    rows = [
        [
            of.state,
            f"{of.orders:,}",
            _write_estimate(of.truth, ".3f"),
            *(_write_estimate(of.differences[name], ".3f", sign=True) for name in MODELS),
        ]
        for of in size.states
    ]
    return format_markdown_table(["", "orders", "truth", *MODELS], rows)


def _write_exponents(size: SizeResult) -> str:
    errors = size.to_exact.by_power
    return (
        f"Exponent by the truth's share of lots: {_write_exponent(size.to_truth)}.\n\n"
        f"Exponent by the exact queue's times to fill: {_write_exponent(size.to_exact)}. Times differ from the exact "
        f"ones by {min(errors):.3f} s on average, and by {max(errors):.3f} s with the worst exponent."
    )


def _write_exponent(fit: Exponent) -> str:
    interval = f"{fit.value:.2g} ({fit.low:.2g} … {fit.high:.2g})"
    if fit.identified:
        return interval
    shares = f"{min(fit.by_power):.4f} to {max(fit.by_power):.4f}"
    return (
        f"not identified: every exponent fills {shares}, the truth {fit.target:.4f}; "
        f"{fit.share_reached:.0%} of the bootstrap draws have an exponent that fits, the nearest is {interval}"
    )
