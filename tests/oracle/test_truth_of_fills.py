"""Queue models on the recorded tape of the embedded market beside what truly becomes of the same orders in it."""

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.orders import Queue
from ofiml.data.schema import extract_level
from ofiml.data.synthetic import simulate as simulate_market
from ofiml.data.synthetic.own_orders import MARKOUTS, Postings, follow_postings
from ofiml.microstructure.fills.postings import QueueModel, add_spread, plan_postings, post_on_tape
from ofiml.samples.tape import build_tape
from ofiml.units import SECOND
from tests.fill_summary import summarise_fills
from tests.oracle.execution import Decision, Limits, Scenario, simulate
from tests.oracle.messages import list_messages

QUEUES = ("through", "pessimistic", "proportional", "exact", "touch")


def send_to_oracle(session, messages, truth, queue):
    """The truth's orders, sent to the tape under a queue model, as a table with its columns."""
    decisions = []
    for row in truth.iter_rows(named=True):
        name = "bid" if row["side"] > 0 else "ask"
        decisions.append(Decision(row["posted"], "QUOTE", **{name: row["price"], f"{name}_size": row["lots"]}))
        decisions.append(Decision(row["cancelled"], "QUOTE"))
    outcome = simulate(session, decisions, Limits(cap=10**6), Scenario(queue=queue), messages=messages)
    times = session.events["ts_event"].to_physical().to_numpy()
    bid, _, ask, _ = extract_level(session.events, 0)
    orders = [order for order in outcome.orders if order.reason == "QUOTE"]
    assert [order.price * session.tick for order in orders] == truth["price"].to_list()
    assert [order.ahead_at_join for order in orders] == truth["ahead"].to_list()
    rows = []
    for order, posting in zip(orders, truth["posting"], strict=True):
        fills = [fill.time for fill in outcome.fills if fill.order == order.id]
        row = {"posting": posting, "price": order.price, "lots": order.lots, "filled": order.filled}
        row |= {"posted": order.arrived, "first_fill": fills[0] if fills else None}
        for after in MARKOUTS:
            last = np.searchsorted(times, fills[0] + after, side="right") - 1 if fills else 0
            move = order.side * ((bid[last] + ask[last]) / 2 / session.tick - order.price)
            row[f"markout_{after / SECOND:g}s"] = move if fills else np.nan
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def compare(config, day, *, every, patience, lots=1, replicas=4):
    """Summaries of the truth and of each queue model, for orders posted each `every` seconds."""
    (session,) = simulate_market(config, day)
    length = (session.close - session.open) // SECOND
    time = np.arange(10, length - patience - 70, every) * SECOND
    side = np.where(np.arange(len(time)) % 2, 1, -1)
    truth = follow_postings(
        config, day, Postings(time, side, np.full(len(time), lots), patience * SECOND), replicas=replicas
    )
    physical = truth.with_columns(pl.col("posted", "cancelled", "first_fill").to_physical())
    once = physical.filter(pl.col("replica") == 0)
    messages = list_messages(session)
    return {"truth": summarise_fills(physical)} | {
        queue: summarise_fills(send_to_oracle(session, messages, once, queue)) for queue in QUEUES
    }


@pytest.mark.slow
def test_orders_on_the_tape_are_the_ones_of_the_truth(configure):
    """They have the price and the queue of the truth, which `send_to_oracle` asserts; the bounds of the fills hold."""
    config = configure("dataset.session_length=3m", "dataset.levels=3").dataset
    summaries = compare(config, 0, every=8, patience=8, replicas=1)
    filled = {name: summary["filled_share"][0] for name, summary in summaries.items()}
    assert 0 < filled["through"] <= filled["pessimistic"] <= filled["exact"] <= filled["touch"]


@pytest.mark.slow
def test_an_exact_queue_is_near_the_truth_and_the_bounds_hold(configure):
    """A lot hardly moves the market, so the exact queue differs from the truth by chance alone."""
    config = configure("dataset.session_length=40m", "dataset.levels=10").dataset
    summaries = compare(config, 0, every=25, patience=15)
    probability = {name: summary["fill_probability"] for name, summary in summaries.items()}
    error = np.hypot(probability["truth"][1], probability["exact"][1])
    assert abs(probability["truth"][0] - probability["exact"][0]) < 4 * error
    assert probability["through"][0] <= probability["pessimistic"][0] <= probability["exact"][0]
    assert probability["exact"][0] <= probability["touch"][0]
    assert probability["through"][0] < probability["truth"][0] < probability["touch"][0]


def test_the_study_of_fills_says_the_same_of_these_orders(configure):
    """The event loop, and what the study makes of its orders, against the slow execution: fills, times, markouts."""
    config = configure("dataset=synthetic_large_tick", "dataset.session_length=4m", "dataset.levels=3").dataset
    (session,) = simulate_market(config, 1)
    truth = follow_postings(config, 1, plan_postings(config, lots=40, every=8 * SECOND, patience=6 * SECOND))
    physical = truth.with_columns(pl.col("posted", "cancelled", "first_fill").to_physical())
    tape, messages = build_tape(session), list_messages(session)
    models = [QueueModel(Queue[queue.upper()]) for queue in QUEUES]
    tables = post_on_tape(add_spread(truth, tape.tick), tape, session.close, models)
    for queue, table in zip(QUEUES, tables, strict=True):
        slow = send_to_oracle(session, messages, physical, queue)
        assert slow["filled"].sum() > 0
        for name in ("posting", "filled", "posted", "first_fill", "markout_1s", "markout_10s", "markout_60s"):
            np.testing.assert_array_equal(table[name].to_numpy(), slow[name].to_numpy(), err_msg=f"{queue}: {name}")
