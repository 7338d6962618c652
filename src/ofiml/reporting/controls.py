"""How far the model is above its controls, and what the leak check looked at, in words."""

from typing import Any

NAMES = {
    "permuted": "permuted labels",
    "random_walk": "a random walk's labels",
    "shifted": "flow of long ago",
    "zero": "a forecast of zero",
    "last_return": "the last return",
    "ofi_sign": "the sign of OFI",
}


def sentences(controls: dict[str, Any] | None, *, distances: bool = True) -> list[str]:
    """By how much, with intervals, and which controls the model is not shown to be above, if these `distances` are of
    an expectation; and what to distrust.
    """
    if controls is None:
        return []
    by_ic = [f"{_distance(c['above']['ic'])} above {NAMES[k]}" for k, c in controls.items() if k != "zero"]
    lines = [f"Controls: IC {', '.join(by_ic)}; R² {_distance(controls['zero']['above']['r2'])} above zero."]
    # A forecast of zero has no IC, and the empty ones' R² says nothing.
    distance = {k: c["above"]["r2" if k == "zero" else "ic"] for k, c in controls.items()}
    below = [NAMES[k] for k, d in distance.items() if d["high"] < 0]
    beside = [NAMES[k] for k, d in distance.items() if not (d["low"] > 0 or d["high"] < 0)]
    if below:
        lines[0] += f" It is below {' and '.join(below)}."
    if beside:
        lines[0] += f" Not shown to be above {', '.join(beside)}."
    if not distances:
        lines = []
    for name, control in controls.items():
        if control["skill"]:
            lines.append(
                f"Warning: the pipeline finds skill in labels that have none ({NAMES[name]}: IC {control['ic']:.3f}, "
                f"{control['ic_low']:.3f} … {control['ic_high']:.3f}): distrust it."
            )
    return lines


def checked(leak_check: dict[str, Any] | None) -> list[str]:
    """What is the same with another future; who runs without the check is told so."""
    if leak_check is None:
        return ["Not checked for leaks (evaluation.leak_check=false)."]
    times, bars, values = len(leak_check["times"]), leak_check["bars"], leak_check["values"]
    again = leak_check["refitted"]
    return [
        f"Leak check: with another future after {times} times, {values:,} values of {bars:,} bars are the same; fold "
        f"{again['fold']}, fitted anew with other values in {again['rows']:,} rows that are not its own, says the same."
    ]


def metrics(controls: dict[str, Any] | None) -> list[tuple[str, float, int]]:
    """(name, value, step) for the tracking store."""
    out: list[tuple[str, float, int]] = []
    for name, control in (controls or {}).items():
        out += [(f"control/{name}/{k}", float(control[k]), 0) for k in ("r2", "ic", "rank_ic", "hit_rate", "rows")]
        for measure, d in control["above"].items():
            ends = {"": d["value"], "_low": d["low"], "_high": d["high"]}
            out += [(f"control/{name}/above_{measure}{end}", float(v), 0) for end, v in ends.items()]
    return out


def _distance(distance: dict[str, float]) -> str:
    value, low, high = (distance[k] for k in ("value", "low", "high"))
    return "–" if value != value else f"{value:.3f} ({low:.3f} … {high:.3f})"
