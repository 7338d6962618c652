"""Implementations against the file: ours, the equation written plainly, and wrong ones, which fail as they should."""

import math
from fractions import Fraction

import numpy as np
import pytest

from ofiml.conformance import ours
from ofiml.conformance.books import read_cases
from ofiml.conformance.checking import check_case
from ofiml.errors import DataError

CASES = {case["id"]: case for case in read_cases()}
NONE = {"bids": (-math.inf, 0), "asks": (math.inf, 0)}


def plain(given, *, fault=None):
    """The equation and the file's conventions, written anew and without our schema; `fault` names one mistake."""
    out, last, pending = [], None, False
    for state in given["states"]:
        pending = pending or (state["boundary"] is not None and fault != "boundaries")
        if not state["ends_message"] and fault != "every row":
            out.append([None] * given["levels"])
            continue
        out.append([None if last is None or pending else level(last, state, m, fault) for m in range(given["levels"])])
        last, pending = state, False
    if given["edges"] is None:
        return {"flow": out}
    bars = list(zip(given["edges"], given["edges"][1:], strict=False))
    inside = [[i for i, s in enumerate(given["states"]) if s["ends_message"] and within(s, *b, fault)] for b in bars]
    sums = [[sum(out[i][m] or 0 for i in bar) for m in range(given["levels"])] for bar in inside]
    return {"flow": out, "bar_flow": sums, "bar_events": [len(bar) for bar in inside]}


def level(last, state, m, fault):
    (p0, q0), (p, q) = (s["bids"][m] or ((0, 0) if fault == "missing is 0" else NONE["bids"]) for s in (last, state))
    (a0, r0), (a, r) = (s["asks"][m] or ((0, 0) if fault == "missing is 0" else NONE["asks"]) for s in (last, state))
    if fault == "size 0 is missing":
        p0, p = (x if y else -math.inf for x, y in ((p0, q0), (p, q)))
    if fault == "prices":
        return q - q0 - r + r0
    if fault == "sign":
        return -level(last, state, m, None)
    if fault == "ticks":
        p0, p, a0, a = (x if math.isinf(x) else round(x / 100) for x in (p0, p, a0, a))
    if fault == "floats":
        q0, q, r0, r = map(float, (q0, q, r0, r))
    return q * (p >= p0) - q0 * (p <= p0) - r * (a <= a0) + r0 * (a >= a0)


def within(state, low, high, fault):
    return low <= state["time"] < high if fault == "left-closed" else low < state["time"] <= high


def verdicts(implementation):
    held = {name: check_case(implementation, case).verdict for name, case in CASES.items()}
    return {verdict: {name for name in held if held[name] == verdict} for verdict in set(held.values())}


@pytest.mark.parametrize("implementation", [ours.answers, plain])
def test_the_right_ones_pass_all(implementation):
    assert verdicts(implementation) == {"passes": set(CASES)}


HUGE = {"sizes-above-2-to-the-53", "sizes-above-2-to-the-53-mirrored", "sizes-above-2-to-the-53-in-a-bar"}
MESSAGES = {
    "rows-of-one-message-count-once",
    "rows-of-one-message-count-once-mirrored",
    "a-message-that-changes-nothing-in-the-end",
    "two-messages-at-one-time",
    "rows-before-the-first-and-after-the-last-end",
    "boundary-inside-a-message",
    "bars-a-message-over-an-edge",
}
BOUNDARIES = {name for name in CASES if name.startswith("boundar")} | {"bars-a-halt-inside-a-bar"}


@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        ("every row", MESSAGES),
        ("boundaries", BOUNDARIES),
        ("floats", HUGE),
        ("ticks", {"prices-off-the-tick"}),
        ("size 0 is missing", {"a-size-of-zero-is-still-a-level"}),
        ("left-closed", {"bars-an-event-at-the-close", "bars-an-event-at-the-open"}),
    ],
)
def test_a_mistake_fails_the_cases_that_are_about_it_and_no_others(fault, fails):
    assert verdicts(lambda given: plain(given, fault=fault))["differs"] == fails


@pytest.mark.parametrize(
    ("fault", "fails", "passes"),
    [
        (
            "prices",
            {f"nine-{a}-{b}" for a in ("up", "same", "down") for b in ("up", "same", "down")} - {"nine-same-same"},
            {"nine-same-same", "sizes-change-at-the-bid", "sizes-change-at-the-ask", "nothing-changes"},
        ),
        (
            "missing is 0",  # which is right by chance for bids above 0
            {"ask-vanishes-and-appears", "a-missing-bid-is-below-negative-prices", "both-sides-vanish-and-appear"},
            {"bid-vanishes-and-appears", "prices-at-and-below-zero", "nine-at-level-2"},
        ),
        ("sign", {"nine-up-up", "nine-at-level-3", "bars-empty"}, {"nothing-changes", "both-sides-at-once-cancel"}),
    ],
)
def test_a_mistake_in_the_equation_fails_much(fault, fails, passes):
    held = verdicts(lambda given: plain(given, fault=fault))
    assert held["differs"] >= fails
    assert held["passes"] >= passes


def test_a_difference_says_where_and_what():
    held = check_case(lambda given: {"flow": [[None], [21]]}, CASES["nine-up-up"])
    (difference,) = held.differences
    assert (difference.where, difference.expected, difference.got) == ("state 2, level 1", "22", "21")
    bars = check_case(lambda given: plain(given, fault="left-closed"), CASES["bars-an-event-at-the-open"])
    assert [(d.where, d.expected, d.got) for d in bars.differences] == [
        ("bar 1, level 1", "6", "9"),
        ("bar 1, events", "1", "2"),
    ]


def test_what_is_left_out_is_not_supported_and_never_passes():
    assert verdicts(lambda given: None) == {"not supported": set(CASES)}
    flow_alone = verdicts(lambda given: {"flow": plain(given)["flow"]})
    with_bars = {name for name, case in CASES.items() if case["given"]["edges"]}
    assert flow_alone == {"not supported": with_bars, "passes": set(CASES) - with_bars}
    half = check_case(lambda given: {"flow": [[7]] * len(given["states"])}, CASES["bars-empty"])
    assert (half.verdict, half.unsupported) == ("differs", ["bar_flow", "bar_events"])


@pytest.mark.parametrize(
    ("flow", "verdict"),
    [
        ([[None], [22]], "passes"),
        ([[0], [22]], "passes"),
        ([[math.nan], [22.0]], "passes"),
        (((None,), (Fraction(22),)), "passes"),
        (np.array([[np.nan], [22.0]]), "passes"),
        ([np.array([0]), [np.int64(22)]], "passes"),
        ([[1], [22]], "differs"),
        ([[None], [None]], "differs"),
        ([[None], [math.nan]], "differs"),
        ([[None], [22.000001]], "differs"),
    ],
)
def test_numbers_are_compared_exactly_and_nothing_measured_may_be_said_in_three_ways(flow, verdict):
    assert check_case(lambda given: {"flow": flow}, CASES["nine-up-up"]).verdict == verdict


def test_a_float_of_numpy_is_not_rounded_to_the_answer():
    case = CASES["sizes-above-2-to-the-53"]
    answer = {"flow": [[None], [-1], [np.float64(9007199254740995)], [-1]]}
    assert check_case(lambda given: answer, case).differences[0].got == "9007199254740996.0"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([[None], [22]], "nine-up-up: got a list; return a dict with flow, bar_flow, bar_events, or None."),
        ({"flows": []}, "nine-up-up: got the keys flows; return a dict with flow, bar_flow, bar_events, or None."),
        ({"flow": [[22]]}, "nine-up-up, flow: got a list of 1, expected 2, one entry per state."),
        ({"flow": [None, 22]}, "nine-up-up, flow, state 1: got None, expected a list of 1, one number per level."),
        ({"flow": [[None], [1, 2]]}, "nine-up-up, flow, state 2: got a list of 2, expected 1, one number per level."),
        ({"flow": [[None], ["22"]]}, "nine-up-up, flow, state 2: got '22', expected a number, or None"),
        ({"flow": [[None], [True]]}, "nine-up-up, flow, state 2: got True, expected a number, or None"),
        ({"flow": 22}, "nine-up-up, flow: got 22, expected a list of 2, one entry per state."),
    ],
)
def test_another_shape_is_said_in_a_sentence(found, sentence):
    with pytest.raises(DataError) as error:
        check_case(lambda given: found, CASES["nine-up-up"])
    assert str(error.value).startswith(sentence)


def test_an_exception_is_the_answer_to_a_case():
    held = check_case(lambda given: 1 / 0, CASES["nine-up-up"])
    assert held.verdict == "differs"
    assert held.differences[0].got == "ZeroDivisionError: division by zero"


def test_an_implementation_sees_no_answer_and_may_spoil_what_it_is_given():
    case = CASES["bars-empty"]

    def spoils(given):
        assert set(given) == {"levels", "states", "edges"}
        found = plain(given)
        given["states"].clear()
        return found

    assert [check_case(spoils, case).verdict for _ in range(2)] == ["passes", "passes"]
