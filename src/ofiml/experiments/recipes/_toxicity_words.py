"""What is measured of a market, its numbers and its verdict, as `toxicity` shows them."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.config import TimeBars
from ofiml.errors import DataError
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.recipes._pin_studies import PinDay, Recovery, fit_day
from ofiml.experiments.recipes._toxic_flow import (
    AroundJumps,
    Kyle,
    average_parts,
    average_paths,
    choose_bucket,
    compute_vpin,
    fit_days,
    fit_parts,
    measure_around_jumps,
    read_day,
    shuffle_signs,
)
from ofiml.reporting.impact import LOTS
from ofiml.study.json_border import Json
from ofiml.ui.format import format_number, format_p

STUDY = "experiment=toxicity"
PERIOD = 6  # bars of a period of PIN, where none is planted


@dataclass(frozen=True, slots=True)
class Toxicity:
    """What is measured of a market.

    `pins` is by session. `vpin` is the mean over buckets of `bucket` lots, which `per_bucket` orders fill on average;
    `shuffled` is it with signs in random order, and `vpin_parts` (PARTS,) by part of the session. `kyle` is λ of all
    bars, `kyle_parts` by part, `impact` the planted Λ. `unsigned` is the share of the volume without a side.
    """

    pins: list[PinDay]
    bucket: int
    per_bucket: float
    vpin: float
    shuffled: float
    vpin_parts: Float
    kyle: Kyle
    kyle_parts: list[Kyle]
    impact: float
    unsigned: float
    around: AroundJumps


def measure_toxicity(bench: Bench, market: Market) -> Toxicity:
    """Measure a market. Raises DataError for bars of activity, and as `fit_pin` does."""
    config = bench.configure(market, STUDY)
    if not isinstance(config.bars, TimeBars):
        raise DataError(f"{market.name}: the periods of PIN are lengths of time: use bars=time.")
    pins, days = [], []
    for session in bench.read_sessions(market, STUDY):
        pins.append(fit_day(session, PERIOD * config.bars.step_ns))
        days.append(read_day(session, config.bars))
    bucket = choose_bucket(days)
    paths = compute_vpin(days, bucket)
    volume, unsigned = sum(int(day.size.sum()) for day in days), sum(day.unsigned for day in days)
    return Toxicity(
        pins=pins,
        bucket=bucket,
        per_bucket=sum(len(day.size) for day in days) * bucket / max(1, volume),
        vpin=average_paths(paths),
        shuffled=shuffle_signs(days, bucket, config.seed),
        vpin_parts=average_parts(days, paths),
        kyle=fit_days(days),
        kyle_parts=fit_parts(days),
        impact=days[0].impact,
        unsigned=unsigned / max(1, volume + unsigned),
        around=measure_around_jumps(days, paths, config.seed),
    )


def list_known(recoveries: dict[str, Recovery]) -> dict[str, Json]:
    """List the numbers of the recoveries."""
    return {
        "recovery": {
            name: {
                "true": one.truth.tolist(),
                "estimates": one.estimates.mean(axis=0).tolist(),
                "deviation": one.estimates.std(axis=0, ddof=1).tolist(),
                "errors": one.mean_errors.tolist(),
                "covered": one.covered.tolist(),
                "defined": np.isfinite(one.errors).sum(axis=0).tolist(),
                "undefined": (~np.isfinite(one.errors)).sum(axis=0).tolist(),
                "notebook": float(one.notebook.mean()),
                "notebook_deviation": float(one.notebook.std(ddof=1)),
            }
            for name, one in recoveries.items()
        }
    }


def list_numbers(one: Toxicity) -> dict[str, Json]:
    """List the numbers of a market."""
    around = one.around
    return {
        "pin": {day.date: _list_day_numbers(day) for day in one.pins},
        "planted_impact": one.impact * LOTS,
        "unsigned": one.unsigned,
        "bucket": one.bucket,
        "per_bucket": one.per_bucket,
        "vpin": one.vpin,
        "vpin_shuffled": one.shuffled,
        "vpin_parts": one.vpin_parts.tolist(),
        "kyle": [one.kyle.slope * LOTS, one.kyle.error * LOTS, one.kyle.r2],
        "kyle_parts": [[kyle.slope * LOTS, kyle.error * LOTS] for kyle in one.kyle_parts],
        "kyle_without_jumps": [around.without.slope * LOTS, around.without.error * LOTS],
        "jumps": [around.jumps, around.count],
        "rank_before": [around.before, around.p],
        "rank_after": around.after,
        "around_vpin": around.vpin.tolist(),
    }


def _list_day_numbers(day: PinDay) -> dict[str, Json]:
    p = day.fit.parameters
    return {
        "periods": len(day.buys),
        "buys": float(day.buys.mean()),
        "sells": float(day.sells.mean()),
        "alpha": p.alpha,
        "mu": p.mu,
        "epsilon": p.epsilon_buy,
        "pin": day.fit.pin,
        "pin_error": day.fit.errors["pin"],
        "planted": day.planted,
        "notebook": day.notebook,
        "correlation": day.correlation,
        "model_correlation": day.model_correlation,
    }


def judge_recovery(recoveries: dict[str, Recovery]) -> str:
    """Say how often the intervals of PIN contain the truth."""
    words = []
    for name, one in recoveries.items():
        known = np.isfinite(one.errors[:, -1]).sum()
        words.append(
            f"In {len(one.estimates)} samples of {name}, {one.covered[-1]} of {known} intervals of 95% contain the "
            f"true PIN of {one.true.pin:.2f}; one parameter read four times gives "
            f"{one.notebook.mean():.2f}."
        )
    return " ".join(words)


def judge(name: str, one: Toxicity) -> str:
    """Say in sentences what the numbers of a market mean."""
    pins = [day for day in one.pins if np.isfinite(day.planted)]
    mean = float(np.mean([day.fit.pin for day in one.pins]))
    words = [f"On {name}, PIN is {mean:.2f}" + (", the mean of its days." if len(one.pins) > 1 else " on its one day.")]
    if pins:
        covered = sum(abs(day.fit.pin - day.planted) <= 1.96 * day.fit.errors["pin"] for day in pins)
        planted = float(np.mean([day.planted for day in pins]))
        words.append(f"Planted is {planted:.2f}, and {covered} of {len(pins)} intervals of 95% contain their day's.")
    against = [day for day in one.pins if day.correlation > 0]
    if against:
        words.append(
            f"Buys and sells are correlated above 0 on {len(against)} of {len(one.pins)} days, which no "
            "parameters of the model allow."
        )
    around = one.around
    words.append(
        f"VPIN is {format_number(one.vpin, '.2f')}, with signs in random order {format_number(one.shuffled, '.2f')}."
    )
    if around.count:
        when = "not clearly different from other times" if around.p >= 0.05 else f"p {format_p(around.p)}"
        words.append(
            f"Before the jumps its mean rank is {around.before:.2f} ({when}), and {around.after:.2f} after them."
        )
    return " ".join(words)
