"""Toxicity of order flow: PIN (Easley et al. 1996), VPIN (Easley, López de Prado & O'Hara 2012) and Kyle's λ."""

from collections.abc import Callable

import numpy as np

from ofiml.experiments.bench import Bench
from ofiml.experiments.page import Page, Picture, Table
from ofiml.experiments.recipes._pin_studies import SHOWN, PinDay, Recovery, recover
from ofiml.experiments.recipes._toxic_flow import AROUND, BUCKETS, PARTS, WINDOW, Kyle
from ofiml.experiments.recipes._toxicity_figures import draw_jumps, draw_pin_days, draw_recovery, draw_through_day
from ofiml.experiments.recipes._toxicity_words import (
    PERIOD,
    Toxicity,
    judge,
    judge_recovery,
    list_known,
    list_numbers,
    measure_toxicity,
)
from ofiml.experiments.registry import Experiment
from ofiml.microstructure.toxicity.likelihood import Parameters
from ofiml.reporting.impact import LOTS
from ofiml.ui.figure import style_figure
from ofiml.ui.format import format_number, format_p

SAMPLES = 100
#: Samples of known truth: a month's days of many orders, and periods of as few as the embedded market has.
TRUTHS = {
    "60 days of many orders": (Parameters(0.4, 0.3, 50.0, 40.0, 40.0), 60),
    "200 periods of few orders": (Parameters(0.8, 0.5, 2.0, 2.4, 2.4), 200),
}
_SYMBOLS = {"alpha": "α", "delta": "δ", "mu": "μ", "epsilon_buy": "ε", "pin": "PIN"}


def run(bench: Bench) -> Page:
    """Recover PIN on known truth, and measure PIN, VPIN, λ and jumps of each market."""
    recoveries = {
        name: recover(true, days=days, samples=4 if bench.tiny else SAMPLES, seed=1)
        for name, (true, days) in TRUTHS.items()
    }
    found = {market.name: measure_toxicity(bench, market) for market in bench.markets}
    return Page(
        blocks=[
            Table(
                f"PIN on known truth: {len(next(iter(recoveries.values())).estimates)} simulated samples each. Error "
                "is the mean standard error, covered the number of 95% intervals that contain the true value. A sample "
                "in which days without news fit about as well has no interval.",
                ["", "true", "mean estimate", "its deviation", "error", "covered", "without interval"],
                [row for name, one in recoveries.items() for row in _list_recovery(name, one)],
            ),
            Picture(
                "recovery",
                style_figure(lambda figure: draw_recovery(figure, recoveries), legend_columns=3),
                "PIN of each sample. A notebook that reads its four parameters from one place has a likelihood of one "
                "parameter; its PIN is about 1/3 for any counts.",
            ),
            Table(
                "PIN by day, of the planted periods or of periods of "
                f"{PERIOD} bars, ± its standard error. Planted is before orders excite others. Correlation is of buys "
                "and sells over the periods; the model's is never above 0.",
                ["", "periods", "buys", "sells", "α", "μ", "ε", "PIN", "planted", "notebook", "correlation", "model's"],
                [[f"{name} {day.date}", *_list_day(day)] for name, one in found.items() for day in one.pins],
            ),
            Picture(
                "pin_days",
                style_figure(lambda figure: draw_pin_days(figure, found), legend_columns=3),
                "PIN by day.",
            ),
            Table(
                f"VPIN of {WINDOW} buckets, each 1/{BUCKETS} of the first session's volume; λ is the slope of a bar's "
                "move on what is bought less sold in it, ± its standard error. Ranks of VPIN are among the bars of the "
                "session, from 0 to 1; p is of the rank before jumps, against jumps at other times.",
                ["", *found],
                _list_flow(found),
            ),
            Picture(
                "through_day",
                style_figure(lambda figure: draw_through_day(figure, found), legend_columns=3),
                f"VPIN and λ in each {_name_part()} of the session, all sessions together.",
            ),
            Picture(
                "jumps",
                style_figure(lambda figure: draw_jumps(figure, found), legend_columns=3),
                f"The mean of {AROUND} bars before and after jumps.",
            ),
        ],
        verdict=[judge_recovery(recoveries), *(judge(name, one) for name, one in found.items())],
        limits=[
            "Real markets have no known PIN; a model that does not fit the counts has an error of its own that "
            "standard errors do not contain.",
            "The bucket of VPIN is known at the end of the first session; its level depends on it. Of one real day it "
            "describes and does not forecast.",
            "A jump is found by its size after the fact. A move of several ticks on a quiet market is one, too.",
            "λ is of the same bar and does not tell information from the mechanical price of taking a queue.",
        ],
        numbers={name: list_numbers(one) | list_known(recoveries) for name, one in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Toxicity: PIN, VPIN and λ",
    question="Do estimates of informed trading find it where it is known, what do they say of days, and does VPIN rise "
    "before jumps? (Easley et al. 1996; Easley, López de Prado & O'Hara 2012; Kyle 1985)",
    run=run,
    markets={
        "synthetic": "dataset=synthetic",
        "null": "dataset=synthetic_null",
        "orders of the model": "dataset=synthetic dataset.excitation=0 dataset.state_dependence=0 dataset.u_shape=0 "
        "dataset.period=2m dataset.informed_decay=2m dataset.informed_probability=0.4 dataset.informed_orders=20 "
        "dataset.uninformed_orders=20",
    },
)


# --- tables --------------------------------------------------------------------------------------------------------


def _name_part() -> str:
    return {12: "twelfth"}[PARTS]


def _list_recovery(name: str, one: Recovery) -> list[list[str]]:
    known = np.isfinite(one.errors)
    rows = [
        [
            f"{name}: {_SYMBOLS[key]}",
            format_number(one.truth[k], ".3g"),
            format_number(float(one.estimates[:, k].mean()), ".3f"),
            format_number(float(one.estimates[:, k].std(ddof=1)), ".3f"),
            format_number(float(one.mean_errors[k]), ".3f"),
            f"{one.covered[k]} of {known[:, k].sum()}",
            str(int((~known[:, k]).sum())),
        ]
        for k, key in enumerate(SHOWN)
    ]
    notebook = [format_number(float(x), ".3f") for x in (one.true.pin, one.notebook.mean(), one.notebook.std(ddof=1))]
    return [*rows, [f"{name}: PIN, one parameter read four times", *notebook, "", "", ""]]


def _list_day(day: PinDay) -> list[str]:
    p = day.fit.parameters
    error = format_number(day.fit.errors["pin"], ".3f")
    return [
        str(len(day.buys)),
        *(format_number(float(x), ".2f") for x in (day.buys.mean(), day.sells.mean(), p.alpha, p.mu, p.epsilon_buy)),
        f"{format_number(p.pin, '.3f')} ± {error}",
        *(format_number(x, ".3f") for x in (day.planted, day.notebook)),
        *(format_number(x, ".2f") for x in (day.correlation, day.model_correlation)),
    ]


def _list_flow(found: dict[str, Toxicity]) -> list[list[str]]:
    def row(text: str, read: Callable[[Toxicity], str]) -> list[str]:
        return [text, *(read(one) for one in found.values())]

    return [
        row("volume without a side", lambda one: format_number(one.unsigned, ".1%")),
        row("orders in a bucket", lambda one: format_number(one.per_bucket, ".0f")),
        row("VPIN, mean", lambda one: format_number(one.vpin)),
        row("VPIN with signs in random order", lambda one: format_number(one.shuffled)),
        row("λ, ticks per 1,000 lots", lambda one: _format_kyle(one.kyle)),
        row("R² of it", lambda one: format_number(one.kyle.r2, ".2f")),
        row("planted Λ", lambda one: format_number(one.impact * LOTS, ".1f")),
        row("λ without jumps", lambda one: _format_kyle(one.around.without)),
        row("jumps", lambda one: str(one.around.jumps)),
        row("of them with VPIN before", lambda one: str(one.around.count)),
        row("rank of VPIN known before a jump", lambda one: format_number(one.around.before, ".2f")),
        row("p of it", lambda one: format_p(one.around.p)),
        row(f"rank {AROUND} bars after", lambda one: format_number(one.around.after, ".2f")),
    ]


def _format_kyle(kyle: Kyle) -> str:
    return f"{format_number(kyle.slope * LOTS, '.2f')} ± {format_number(kyle.error * LOTS, '.2f')}"
