"""hftbacktest's side of `benchmarks/backtest.py`, in hftbacktest's own environment, without ofiml.

It reads jobs as lines of JSON from the standard input and answers each with a line: the CPU seconds of the loop alone,
or of all that was compiled, and how many fills are in the npz file that the job names. Prices are whole ticks.
"""

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Codes of hftbacktest: order types, times in force, states of an order.
LIMIT, MARKET = 0, 1
GTC, GTX = 0, 1
NO_REQUEST, NEW = 0, 1
# Best prices of a side without levels, in ticks.
NO_BID, NO_ASK = -(2**63), 2**63 - 1

#: The columns of a fill: when its order was sent and when it was filled (ns), price, lots (negative for a sale).
FILL_COLUMNS = 4
_LONG = 10**15  # ns, longer than any session


def take(bot: Any, time: Array, target: Array, stop: int, round_trip: int, fills: Array) -> int:
    """Order the target's difference to the position at each time, with a marketable order; return the fills' number.

    With a stop it wakes at every feed and closes the position once the closing side's best quote is so many ticks
    worse than the average entry price. What it ordered is known `round_trip` ns later.
    """
    bot.elapse(0)
    d = n = position = 0
    entry = 0.0
    order = sent = side = 0
    number = 1
    leaving = False
    while True:
        now = bot.current_timestamp
        wait = time[d] - now if d < len(time) else _LONG
        if stop > 0:
            if bot.wait_next_feed(True, wait) == 1:
                break
        else:
            if d == len(time):
                wait = 2 * round_trip + 1
            if bot.elapse(wait) == 1:
                break
        now = bot.current_timestamp
        if order != 0 and now >= sent + round_trip:
            done = bot.orders(0).get(order)
            if done is not None and done.exec_qty > 0:
                lots = round(done.exec_qty) * side
                if position * lots >= 0:
                    total = entry * abs(position) + done.exec_price_tick * abs(lots)
                    entry = total / abs(position + lots)
                elif position * (position + lots) <= 0:
                    entry = float(done.exec_price_tick)
                position += lots
                fills[n, 0], fills[n, 1], fills[n, 2], fills[n, 3] = (
                    sent,
                    done.exch_timestamp,
                    done.exec_price_tick,
                    lots,
                )
                n += 1
            order = 0
            bot.clear_inactive_orders(0)
        wanted = 0
        if stop > 0:
            if position != 0 and not leaving:
                depth = bot.depth(0)
                if position > 0:
                    leaving = depth.best_bid_tick != NO_BID and depth.best_bid_tick - entry <= 1e-9 - stop
                else:
                    leaving = depth.best_ask_tick != NO_ASK and entry - depth.best_ask_tick <= 1e-9 - stop
            if leaving and order == 0:
                wanted = -position
                leaving = position != 0
        if d < len(time) and now >= time[d]:
            if not leaving and order == 0:
                wanted = target[d] - position
            d += 1
        elif d == len(time) and stop == 0:
            break
        if wanted != 0:
            depth = bot.depth(0)
        if (wanted > 0 and depth.best_ask_tick != NO_ASK) or (wanted < 0 and depth.best_bid_tick != NO_BID):
            order, sent, side = number, now, 1 if wanted > 0 else -1
            number += 1
            if wanted > 0:
                bot.submit_buy_order(0, order, 0.0, float(wanted), GTC, MARKET, False)
            else:
                bot.submit_sell_order(0, order, 0.0, float(-wanted), GTC, MARKET, False)
    return n


def quote(bot: Any, time: Array, prices: Array, lots: Array, fills: Array) -> int:
    """Keep a post-only bid and ask at the prices (D, 2) of each time, none for 0 lots; return the number of fills.

    An order that rests at the wanted price is kept, and one whose answer is not known is left alone.
    """
    bot.elapse(0)
    n = 0
    number = 1
    orders, sent = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for d in range(len(time) + 1):
        wait = time[d] - bot.current_timestamp if d < len(time) else _LONG
        bot.elapse(wait)
        now = bot.current_timestamp
        book = bot.orders(0)
        for k in range(2):
            if orders[k] != 0:
                o = book.get(orders[k])
                if o is None:
                    orders[k] = 0
                elif o.status != NEW and o.req == NO_REQUEST:  # at its end
                    if o.exec_qty > 0:
                        fills[n, 0], fills[n, 1], fills[n, 2] = sent[k], o.exch_timestamp, o.exec_price_tick
                        fills[n, 3] = round(o.exec_qty) * (1 - 2 * k)
                        n += 1
                    orders[k] = 0
                elif o.req == NO_REQUEST and d < len(time):
                    if lots[d] == 0:
                        bot.cancel(0, orders[k], False)
                    elif o.price_tick != prices[d, k]:
                        bot.modify(0, orders[k], float(prices[d, k]), float(lots[d]), False)
                        sent[k] = now
            if orders[k] == 0 and d < len(time) and lots[d] > 0:
                orders[k], sent[k] = number, now
                number += 1
                if k == 0:
                    bot.submit_buy_order(0, orders[k], float(prices[d, k]), float(lots[d]), GTX, LIMIT, False)
                else:
                    bot.submit_sell_order(0, orders[k], float(prices[d, k]), float(lots[d]), GTX, LIMIT, False)
        bot.clear_inactive_orders(0)
    return n


class Engine:
    """The traders, compiled, and the events that they meet."""

    def __init__(self) -> None:
        import hftbacktest
        from numba import njit

        self.library: Any = hftbacktest
        self.take, self.quote = njit(take), njit(quote)
        self.events: Array = np.empty(0)

    def make_bot(self, job: dict[str, Any]) -> Any:
        """Make a bot of the fastest depth that is right: that of a range forgets which levels to clear."""
        asset = (
            self.library.BacktestAsset()
            .data(self.events)
            .linear_asset(1.0)
            .constant_order_latency(job["latency"], job["response"])
            .power_prob_queue_model(job["power"])
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(1.0)
            .lot_size(1.0)
            .last_trades_capacity(0)
        )
        if job["depth"] == "hashmap":
            return self.library.HashMapMarketDepthBacktest([asset])
        asset = asset.roi_lb(float(job["low"])).roi_ub(float(job["high"]))
        return self.library.ROIVectorMarketDepthBacktest([asset])

    def run(self, job: dict[str, Any]) -> tuple[float, Array]:
        """Run a job; return the CPU seconds of its loop and the fills."""
        with np.load(job["table"], allow_pickle=False) as table:
            columns = {name: table[name] for name in table.files}
        fills = np.zeros((2 * len(columns["time"]) + 4096, FILL_COLUMNS), np.int64)
        bot = self.make_bot(job)
        start = time.process_time()
        if "target" in columns:
            round_trip = job["latency"] + job["response"]
            n = self.take(bot, columns["time"], columns["target"], job["stop"], round_trip, fills)
        else:
            n = self.quote(bot, columns["time"], columns["prices"], columns["lots"], fills)
        seconds = time.process_time() - start
        bot.close()
        return seconds, fills[:n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", help="npz with the array `data` of hftbacktest's events")
    args = parser.parse_args()
    start = time.process_time()
    engine = Engine()
    imports = time.process_time() - start
    with np.load(args.events, allow_pickle=False) as stored:
        engine.events = stored["data"]
    print(json.dumps({"imports": imports}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        seconds, fills = engine.run(job)
        np.savez(job["fills"], fills=fills)
        print(json.dumps({"seconds": seconds, "fills": len(fills)}), flush=True)


if __name__ == "__main__":
    main()
