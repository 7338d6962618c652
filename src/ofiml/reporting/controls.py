"""Sentences on the controls of a study and on its leak check."""

from ofiml.metrics.estimates import Estimate
from ofiml.ui.format import format_estimate, format_number
from ofiml.validation.controls import Control, ControlName
from ofiml.validation.leak_check import LeakCheck

NAMES: dict[ControlName, str] = {
    "permuted": "permuted labels",
    "random_walk": "random-walk labels",
    "shifted": "lagged flow",
    "zero": "a zero forecast",
    "last_return": "the last return",
    "ofi_sign": "the sign of OFI",
}


def describe_controls(controls: dict[ControlName, Control] | None, *, distances: bool = True) -> list[str]:
    """Write the gain of the model over each control, with intervals, and warnings about controls that show skill.

    The gain is in IC, or in R² for the zero forecast. With `distances=False` (quantile forecasts, for which IC and R²
    are no measures) only warnings are written.
    """
    if controls is None:
        return []
    by_ic = [f"{_format_gain(c.above.ic)} against {NAMES[k]}" for k, c in controls.items() if k != "zero"]
    zero = f"{_format_gain(controls['zero'].above.r2)} against {NAMES['zero']}"
    lines = [f"Controls, gain of the model in IC: {', '.join(by_ic)}; in R²: {zero}."]
    # A zero forecast has no IC; the R² of permuted and random-walk labels is meaningless.
    gains = {k: c.above.r2 if k == "zero" else c.above.ic for k, c in controls.items()}
    worse_than = [NAMES[k] for k, d in gains.items() if d.high < 0]
    undecided = [NAMES[k] for k, d in gains.items() if not (d.low > 0 or d.high < 0)]  # also if the interval is NaN
    if all(d.low != d.low for d in gains.values()):
        undecided = []
        lines[0] += " There are too few blocks of time for intervals."
    if worse_than:
        lines[0] += f" The model is worse than {_join_names(worse_than)}."
    if undecided:
        lines[0] += f" The model does not significantly beat {_join_names(undecided)}."
    if not distances:
        lines = []
    for name, control in controls.items():
        if control.skill:
            lines.append(
                f"Warning: the pipeline finds skill with {NAMES[name]}, where there is none (IC {control.ic:.3f}, "
                f"{control.ic_low:.3f} … {control.ic_high:.3f}). Do not trust its results."
            )
    return lines


def describe_leak_check(leak_check: LeakCheck | None) -> list[str]:
    """Write the result of the leak check, or that it was switched off."""
    if leak_check is None:
        return ["Leak check switched off (evaluation.leak_check=false)."]
    refitted, count = leak_check.refitted, len(leak_check.times)
    earlier = sum(time.earlier for time in leak_check.times)
    when = f" (rows of {earlier} checked in an earlier run of the same code)" if earlier else ""
    return [
        f"Leak check passed: replacing everything after {count} cut times{when} left all "
        f"{leak_check.values:,} values ({leak_check.bars:,} bars) unchanged; refitting fold {refitted.fold} with "
        f"{refitted.rows:,} out-of-fold rows altered gave identical predictions{_describe_decisions(leak_check)}."
    ]


def _describe_decisions(leak_check: LeakCheck) -> str:
    """Write that decisions and execution were compared; nothing without a backtest."""
    if leak_check.decisions is None:
        return ""
    decisions = (
        f"; leaving out later bars left all {leak_check.decisions:,} compared decisions of the strategy unchanged"
    )
    execution = leak_check.execution
    count = 0 if execution is None else execution.orders + execution.fills
    if not count:
        return decisions
    return (
        f"{decisions}; replacing everything after a cut time left {count:,} orders and fills of the execution unchanged"
    )


def _join_names(names: list[str]) -> str:
    """Join names as `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _format_gain(gain: Estimate) -> str:
    """Format the gain with its interval, or alone if there are too few blocks for an interval."""
    if gain.low != gain.low:
        return format_number(gain.value)
    return format_estimate(gain.value, gain.low, gain.high)
