"""Write and tabulate a price impact: its slope, its fit and its law of depth, by half hour."""

from collections.abc import Iterable

from ofiml.evaluation.impact import DepthLaw, EarlierImpact, ImpactScore, ImpactWindow
from ofiml.ui.format import format_number

#: The columns of `list_impact_rows`. Slopes are in ticks per 1,000 lots.
WINDOWS = (
    *("symbol", "from (UTC)", "bars", "depth", "β", "t", "R²", "R² of trades", "R² of both"),
    *("t of OFI in both", "t of trades in both", "t of OFI·|OFI|"),
)
SIGNIFICANT = 1.96
LOTS = 1000


def describe_impact(impact: ImpactScore | EarlierImpact) -> list[str]:
    """Describe what flow explains by half hour, beside trades, and how its slope falls with depth."""
    n, mean = len(impact.r2_windows), format_number(impact.r2_window_mean, ".4f")
    lines = [f"Mean in-sample R² of best-level flow over {n} half-hour windows: {mean}."]
    if isinstance(impact, EarlierImpact) or not impact.windows:
        return lines
    windows = impact.windows
    lines.append(
        f"The slope of the move on it is above 0 in {sum(w.flow.value > 0 for w in windows)} of {n} windows, with |t| "
        f"above {SIGNIFICANT} in {_count(w.flow.t for w in windows)}. Trade imbalance alone has a mean R² of "
        f"{_mean(w.trades_r2 for w in windows)}, both together {_mean(w.both_r2 for w in windows)}; beside each other, "
        f"flow has |t| above {SIGNIFICANT} in {_count(w.flow_beside_trades.t for w in windows)} windows and trades in "
        f"{_count(w.trades_beside_flow.t for w in windows)}. With OFI·|OFI| added, R² is "
        f"{_mean(w.square_r2 for w in windows)}."
    )
    return [*lines, *(_describe_law(law, several=len(impact.depth_laws) > 1) for law in impact.depth_laws)]


def _count(t_statistics: Iterable[float]) -> int:
    return sum(abs(t) > SIGNIFICANT for t in t_statistics)


def _mean(values: Iterable[float]) -> str:
    defined = [value for value in values if value == value]
    return format_number(sum(defined) / len(defined) if defined else float("nan"))


def _describe_law(law: DepthLaw, *, several: bool) -> str:
    of = f" of {law.symbol}" if several else ""
    fit = f"λ = {law.exponent:.2f} ± {law.error:.2f} in β = c/depth^λ, over {law.windows} windows (R² {law.r2:.2f})"
    depends = law.exponent > SIGNIFICANT * law.error
    words = "falls with depth" if depends else "does not clearly fall with depth"
    return f"The slope{of} {words}: {fit}. Slope times depth is {law.scale:.2f} ticks on average."


def list_impact_rows(windows: list[ImpactWindow]) -> list[list[str]]:
    """List one row of cells per half hour."""
    return [
        [
            w.symbol,
            w.start.replace("T", " ")[:16],
            f"{w.bars:,}",
            format_number(w.depth, ",.0f"),
            format_number(w.flow.value * LOTS, ".2f"),
            format_number(w.flow.t, ".1f"),
            format_number(w.r2),
            format_number(w.trades_r2),
            format_number(w.both_r2),
            format_number(w.flow_beside_trades.t, ".1f"),
            format_number(w.trades_beside_flow.t, ".1f"),
            format_number(w.square.t, ".1f"),
        ]
        for w in windows
    ]
