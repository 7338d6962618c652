"""The distance of the model from its controls, and the result of the leak check, in sentences."""

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
    """Write the model's IC and R² less those of each control, with intervals, and any warning.

    With `distances=False` (quantile forecasts, which IC and R² do not judge) only warnings are written.
    """
    if controls is None:
        return []
    by_ic = [f"{_distance(c.above.ic)} against {NAMES[k]}" for k, c in controls.items() if k != "zero"]
    zero = f"{_distance(controls['zero'].above.r2)} against {NAMES['zero']}"
    lines = [f"Controls, gain of the model in IC: {', '.join(by_ic)}; in R²: {zero}."]
    # A zero forecast has no IC; the R² of permuted and random-walk labels says nothing.
    distance = {k: c.above.r2 if k == "zero" else c.above.ic for k, c in controls.items()}
    below = [NAMES[k] for k, d in distance.items() if d.high < 0]
    beside = [NAMES[k] for k, d in distance.items() if not (d.low > 0 or d.high < 0)]  # NaN shows nothing either
    if all(d.low != d.low for d in distance.values()):
        beside = []
        lines[0] += " There are too few blocks of time for intervals."
    if below:
        lines[0] += f" The model is worse than {' and '.join(below)}."
    if beside:
        lines[0] += f" It is not shown to beat {', '.join(beside)}."
    if not distances:
        lines = []
    for name, control in controls.items():
        if control.skill:
            lines.append(
                f"Warning: the pipeline finds skill in {NAMES[name]}, which have none (IC {control.ic:.3f}, "
                f"{control.ic_low:.3f} … {control.ic_high:.3f}). Do not trust its results."
            )
    return lines


def describe_leak_check(leak_check: LeakCheck | None) -> list[str]:
    """Write what the leak check compared, or that it was switched off."""
    if leak_check is None:
        return ["Leak check switched off (evaluation.leak_check=false)."]
    refitted = leak_check.refitted
    return [
        f"Leak check passed: replacing everything after {len(leak_check.times)} cut times left all "
        f"{leak_check.values:,} values ({leak_check.bars:,} bars) unchanged; refitting fold {refitted.fold} with "
        f"{refitted.rows:,} out-of-fold rows altered gave identical predictions."
    ]


def _distance(distance: Estimate) -> str:
    """The distance with its interval, or alone where there are too few blocks for one."""
    if distance.low != distance.low:
        return format_number(distance.value)
    return format_estimate(distance.value, distance.low, distance.high)
