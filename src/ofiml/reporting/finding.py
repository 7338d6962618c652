"""The finding of a study: one word that can be a column and a filter, and the sentence that says the same."""

from dataclasses import dataclass
from typing import Literal

from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.reporting.controls import NAMES
from ofiml.study.report import Report
from ofiml.ui.format import format_estimate
from ofiml.validation.controls import WITHOUT_SIGNAL, Control, ControlName

Finding = Literal[
    "yes",  # IC, rank IC and R² lie above 0, and the gain over each naive forecast does
    "weak",  # the same, but not R²
    "given by a control",  # a naive forecast may be as good
    "no",
    "wrong sign",
    "no verdict",  # too few blocks of time, or constant predictions
    "fault",  # the pipeline finds skill where there is none
    "quantile",  # IC and R² do not measure a quantile forecast
]
Survival = Literal["yes", "no", "may be chance", "no verdict", "not traded"]

_NAIVE: tuple[ControlName, ...] = ("last_return", "ofi_sign", "shifted")  # forecasts that need no model of this kind


@dataclass(frozen=True, slots=True)
class JudgedStudy:
    """What a study found: its `finding` with the `sentence` that says it, and whether it `survives` the costs."""

    finding: Finding
    sentence: str
    survives: Survival


def judge_study(report: Report, quantile: float | None) -> JudgedStudy:
    """Judge the finding and the survival of costs of a report. `quantile` is that of the model, None for a mean."""
    finding: Finding
    if quantile is not None:
        finding, sentence = "quantile", _describe_quantile(report, quantile)
    else:
        finding, sentence = _judge_forecast(report)
    return JudgedStudy(finding, sentence, _judge_survival(report))


def _judge_forecast(report: Report) -> tuple[Finding, str]:
    """Judge the finding, which needs the intervals of both IC and rank IC above 0."""
    what = "forecast" if report.kind == "forecast" else "price impact"
    pooled, blocks = report.metrics.pooled, report.metrics.bootstrap.blocks
    ic, rank_ic, r2 = pooled["ic"], pooled["rank_ic"], pooled["r2"]
    if blocks < MIN_BLOCKS:
        return "no verdict", (
            f"No verdict on the {what}: {MIN_BLOCKS} blocks of time are needed, and the tested rows have {blocks}. "
            "Use more data."
        )
    if ic.low != ic.low:
        return "no verdict", (
            f"No verdict on the {what}: the IC has no interval. The predictions are constant, or nearly so."
        )
    if ic.high < 0 and rank_ic.high < 0:
        return "wrong sign", f"The {what} has the wrong sign: the intervals of IC and rank IC lie below 0."
    if not (ic.low > 0 and rank_ic.low > 0):
        return "no", f"No {what} found: a finding needs the intervals of both IC and rank IC above 0."
    controls = report.controls or {}
    rivals = [NAMES[name] for name in _NAIVE if name in controls and _may_give(controls[name])]
    finding: Finding = "yes" if r2.low > 0 else "weak"
    start = f"There is a {what}" if r2.low > 0 else f"There is weak evidence of a {what}"
    measured = "IC, rank IC and R²" if r2.low > 0 else "IC and rank IC"
    but = "" if r2.low > 0 else ", but that of R² does not"
    if any(controls[name].skill for name in WITHOUT_SIGNAL if name in controls):
        finding = "fault"  # the warning on the controls says so
    elif rivals:
        finding = "given by a control"
        start += f", but no evidence that the model beats {' or '.join(rivals)}"
        but += f", {'and' if but else 'but'} {_name_gains(rivals)}"
    return finding, f"{start}: the intervals of {measured} lie above 0{but}."


def _may_give(control: Control) -> bool:
    """Return whether a naive forecast may be as good as the model: the gain over it is known, and not above 0."""
    gain = control.above.ic
    return gain.low == gain.low and not gain.low > 0


def _name_gains(rivals: list[str]) -> str:
    if len(rivals) == 1:
        return f"that of the gain in IC over {rivals[0]} does not"
    return f"those of the gains in IC over {', '.join(rivals[:-1])} and {rivals[-1]} do not"


def _describe_quantile(report: Report, quantile: float) -> str:
    """Describe the coverage and pinball loss of a quantile forecast."""
    share, loss = report.metrics.pooled["coverage"], report.metrics.pooled["pinball"]
    shown_share = format_estimate(share.value, share.low, share.high, ".1%")
    shown_loss = format_estimate(loss.value, loss.low, loss.high, ".4f")
    return (
        f"Forecast of the {quantile:g}-quantile: {shown_share} of the labels lie at or below it. Its pinball loss is "
        f"{shown_loss}. IC and R² do not measure a quantile forecast."
    )


def _judge_survival(report: Report) -> Survival:
    """Judge whether the forecast survives its costs, as the sentence on the backtest does."""
    backtest, low = report.performance, report.metrics.pooled["ic"].low
    if backtest is None or "no_fills" in backtest.obstacles:
        return "not traded"
    if low != low or report.metrics.bootstrap.blocks < MIN_BLOCKS:
        return "no verdict"
    if "no_profit" in backtest.obstacles:
        return "no"
    return "may be chance" if backtest.obstacles else "yes"
