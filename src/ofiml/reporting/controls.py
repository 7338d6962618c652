"""How far the model is above its controls, and what the leak check looked at, in words."""

from ofiml.metrics.estimates import Estimate
from ofiml.ui.format import format_estimate
from ofiml.validation.controls import Control, ControlName
from ofiml.validation.leak_check import LeakCheck

NAMES: dict[ControlName, str] = {
    "permuted": "permuted labels",
    "random_walk": "a random walk's labels",
    "shifted": "flow of long ago",
    "zero": "a forecast of zero",
    "last_return": "the last return",
    "ofi_sign": "the sign of OFI",
}


def describe_controls(controls: dict[ControlName, Control] | None, *, distances: bool = True) -> list[str]:
    """Say by how much the model is above its controls, with intervals, and which it is not shown to be above, if these
    `distances` are of an expectation; and what to distrust.
    """
    if controls is None:
        return []
    by_ic = [f"{_distance(c.above.ic)} above {NAMES[k]}" for k, c in controls.items() if k != "zero"]
    lines = [f"Controls: IC {', '.join(by_ic)}; R² {_distance(controls['zero'].above.r2)} above zero."]
    # A forecast of zero has no IC, and the empty ones' R² says nothing.
    distance = {k: c.above.r2 if k == "zero" else c.above.ic for k, c in controls.items()}
    below = [NAMES[k] for k, d in distance.items() if d.high < 0]
    beside = [NAMES[k] for k, d in distance.items() if not (d.low > 0 or d.high < 0)]
    if below:
        lines[0] += f" It is below {' and '.join(below)}."
    if beside:
        lines[0] += f" Not shown to be above {', '.join(beside)}."
    if not distances:
        lines = []
    for name, control in controls.items():
        if control.skill:
            lines.append(
                f"Warning: the pipeline finds skill in labels that have none ({NAMES[name]}: IC {control.ic:.3f}, "
                f"{control.ic_low:.3f} … {control.ic_high:.3f}): distrust it."
            )
    return lines


def describe_leak_check(leak_check: LeakCheck | None) -> list[str]:
    """Say what is the same with another future, or that nothing was checked."""
    if leak_check is None:
        return ["Not checked for leaks (evaluation.leak_check=false)."]
    refitted = leak_check.refitted
    return [
        f"Leak check: with another future after {len(leak_check.times)} times, {leak_check.values:,} values of "
        f"{leak_check.bars:,} bars are the same; fold {refitted.fold}, fitted anew with other values in "
        f"{refitted.rows:,} rows that are not its own, says the same."
    ]


def _distance(distance: Estimate) -> str:
    return format_estimate(distance.value, distance.low, distance.high)
