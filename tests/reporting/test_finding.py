"""The finding of a study: its word and its sentence say what the controls say."""

from types import SimpleNamespace

import pytest

from ofiml.metrics.estimates import Estimate
from ofiml.reporting.finding import judge_study

NAN = float("nan")
ABOVE, AROUND, BELOW = Estimate(0.2, 0.1, 0.3), Estimate(0.1, -0.1, 0.3), Estimate(-0.2, -0.3, -0.1)
UNKNOWN = Estimate(0.2, NAN, NAN)


def judge(ic=ABOVE, rank_ic=ABOVE, r2=ABOVE, blocks=20, performance=None, kind="forecast", **gains):
    controls = {
        name: SimpleNamespace(above=SimpleNamespace(ic=gain), skill=name == "permuted" and gain == BELOW)
        for name, gain in gains.items()
    }
    pooled = {"ic": ic, "rank_ic": rank_ic, "r2": r2}
    scores = SimpleNamespace(pooled=pooled, bootstrap=SimpleNamespace(blocks=blocks))
    report = SimpleNamespace(kind=kind, metrics=scores, controls=controls or None, performance=performance)
    return judge_study(report, None)


@pytest.mark.parametrize(
    ("given", "finding", "sentence"),
    [
        ({}, "yes", "There is a forecast: the intervals of IC, rank IC and R² lie above 0."),
        ({"kind": "impact"}, "yes", "There is a price impact: the intervals of IC, rank IC and R² lie above 0."),
        (
            {"r2": AROUND},
            "weak",
            "There is weak evidence of a forecast: the intervals of IC and rank IC lie above 0, but that of R² does "
            "not.",
        ),
        (
            {"last_return": AROUND, "ofi_sign": ABOVE},
            "given by a control",
            "There is a forecast, but no evidence that the model beats the last return: the intervals of IC, rank IC "
            "and R² lie above 0, but that of the gain in IC over the last return does not.",
        ),
        (
            {"r2": AROUND, "last_return": BELOW, "shifted": AROUND},
            "given by a control",
            "There is weak evidence of a forecast, but no evidence that the model beats the last return or lagged "
            "flow: the intervals of IC and rank IC lie above 0, but that of R² does not, and those of the gains in IC "
            "over the last return and lagged flow do not.",
        ),
        ({"last_return": UNKNOWN}, "yes", "There is a forecast: "),
        ({"permuted": BELOW}, "fault", "There is a forecast: "),
        ({"ic": AROUND, "last_return": BELOW}, "no", "No forecast found: "),
        ({"rank_ic": AROUND}, "no", "No forecast found: "),
        ({"ic": BELOW, "rank_ic": BELOW}, "wrong sign", "The forecast has the wrong sign: "),
        ({"blocks": 5}, "no verdict", "No verdict on the forecast: 8 blocks of time are needed, and the tested rows "),
        ({"ic": UNKNOWN}, "no verdict", "No verdict on the forecast: the IC has no interval."),
    ],
)
def test_the_finding_says_what_the_controls_say(given, finding, sentence):
    judged = judge(**given)
    assert judged.finding == finding
    assert judged.sentence.startswith(sentence)
    assert judged.survives == "not traded"


@pytest.mark.parametrize(
    ("obstacles", "blocks", "survives"),
    [
        ([], 20, "yes"),
        (["interval", "hac"], 20, "may be chance"),
        (["no_profit"], 20, "no"),
        (["no_fills"], 20, "not traded"),
        ([], 5, "no verdict"),
    ],
)
def test_survival_is_a_word(obstacles, blocks, survives):
    assert judge(blocks=blocks, performance=SimpleNamespace(obstacles=obstacles)).survives == survives
