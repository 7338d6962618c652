"""The figures of `toxicity`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ofiml.experiments.recipes._pin_studies import Recovery
from ofiml.experiments.recipes._toxic_flow import AROUND, PARTS
from ofiml.experiments.recipes._toxicity_words import Toxicity
from ofiml.reporting.impact import LOTS
from ofiml.ui.figure import BLUE, DARK, GREY, RED

_REACH = 1.96


def draw_recovery(figure: Figure, recoveries: Mapping[str, Recovery]) -> None:
    """Draw the interval of PIN of each sample, in order of its estimate; those that miss the truth stand out."""
    panels = figure.subplots(1, len(recoveries), squeeze=False, sharey=True)[0]
    for axis, (name, one) in zip(panels, recoveries.items(), strict=True):
        order = np.argsort(one.estimates[:, -1], kind="stable")
        pin, error = one.estimates[order, -1], np.nan_to_num(one.errors[order, -1])
        place = np.arange(len(pin))
        misses = (np.abs(pin - one.true.pin) > _REACH * error) & (error > 0)
        for group, colour, marker, label in (
            (~misses & (error > 0), BLUE, "o", "95% interval contains the truth"),
            (misses, RED, "s", "95% interval misses it"),
        ):
            axis.errorbar(
                *(place[group], pin[group]),
                yerr=_REACH * error[group],
                fmt=marker,
                color=colour,
                markersize=2.5,
                linewidth=0.9,
                label=label,
            )
        bare = error == 0
        axis.plot(place[bare], pin[bare], "x", color=GREY, markersize=4, label="no interval: news not identified")
        axis.plot(place, one.notebook, "-", color=GREY, linewidth=1.5, label="one parameter read four times")
        axis.axhline(one.true.pin, color=DARK, linewidth=1, linestyle="--", label="truth")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("sample, in order of its PIN")
    panels[0].set_ylabel("PIN")
    panels[0].set_ylim(0, 0.5)


def draw_pin_days(figure: Figure, found: Mapping[str, Toxicity]) -> None:
    """Draw PIN of each day with its interval, the planted PIN and the notebook's."""
    panels = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axis, (name, one) in zip(panels, found.items(), strict=True):
        place = np.arange(1, len(one.pins) + 1)
        pin = [day.fit.pin for day in one.pins]
        error = _REACH * np.nan_to_num([day.fit.errors["pin"] for day in one.pins])
        axis.errorbar(place, pin, yerr=error, fmt="o", color=BLUE, markersize=4, label="PIN with its 95% interval")
        axis.plot(place, [day.planted for day in one.pins], "_", color=RED, markersize=14, label="planted")
        axis.plot(place, [day.notebook for day in one.pins], "x", color=GREY, label="one parameter read four times")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("day")
        axis.set_xticks(place)
        axis.set_xlim(0.5, len(place) + 0.5)
    panels[0].set_ylabel("PIN")
    panels[0].set_ylim(bottom=-0.02)


def draw_through_day(figure: Figure, found: Mapping[str, Toxicity]) -> None:
    """Draw VPIN above and Kyle's λ below, by part of the session."""
    panels = figure.subplots(2, len(found), squeeze=False, sharex=True)
    place = (np.arange(PARTS) + 0.5) / PARTS * 100
    for (above, below), (name, one) in zip(panels.T, found.items(), strict=True):
        above.plot(place, one.vpin_parts, color=BLUE, marker="o", markersize=3, linewidth=1, label="VPIN")
        above.axhline(one.shuffled, color=GREY, linewidth=1, linestyle="--", label="signs in random order, mean")
        above.set_ylim(0, 1)
        above.set_title(name, fontsize=10)
        slope, error = (np.array([getattr(k, key) for k in one.kyle_parts]) * LOTS for key in ("slope", "error"))
        below.errorbar(
            *(place, slope),
            yerr=_REACH * np.nan_to_num(error),
            color=RED,
            marker="s",
            markersize=3,
            linewidth=1,
            label="λ with its 95% interval",
        )
        below.set_ylim(bottom=min(0.0, float(np.nanmin(slope - _REACH * np.nan_to_num(error)))))
        below.set_xlabel("session (%)")
    panels[0, 0].set_ylabel("VPIN")
    panels[1, 0].set_ylabel("λ (ticks per 1,000 lots)")


def draw_jumps(figure: Figure, found: Mapping[str, Toxicity]) -> None:
    """Draw volume and size of moves around jumps above, VPIN below, relative to their sessions' means."""
    panels = figure.subplots(2, len(found), squeeze=False, sharex=True, sharey="row")
    place = np.arange(-AROUND, AROUND + 1)
    for (above, below), (name, one) in zip(panels.T, found.items(), strict=True):
        for values, colour, dash, label in (
            (one.around.volume, GREY, "-", "net volume of a bar"),
            (one.around.size, RED, "--", "size of its move"),
        ):
            above.plot(place, values, dash, color=colour, linewidth=1, label=label)
        below.plot(place, one.around.vpin, color=BLUE, linewidth=1.5, label="VPIN at its close")
        below.axhline(1, color=DARK, linewidth=0.6)
        for axis in (above, below):
            axis.axvline(0, color=GREY, linewidth=0.6, linestyle=":")
        above.set_title(f"{name}\n{one.around.jumps} jumps", fontsize=10)
        below.set_xlabel("bars after")
    for axis in panels[:, 0]:
        axis.set_ylabel("session's mean = 1")
