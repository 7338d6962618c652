"""Market data made for benchmarks, in the forms of vendors. All draws have fixed seeds."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from ofiml.data.book import MESSAGE_COLUMNS, kernel
from ofiml.data.schema import F_LAST

START = 1_705_415_400_000_000_000  # 2024-01-16, 9:30 in New York


def make_orders(count: int, seed: int = 0) -> pl.DataFrame:
    """Make messages of orders that come near the mid and are deleted at random, some thousands resting."""
    rng = np.random.default_rng(seed)
    picks = rng.random((count, 3))
    distances = rng.exponential(8.0, count).astype(np.int64)
    op, side, price, order = (np.empty(count, np.int64) for _ in range(4))
    live: list[int] = []
    mid = 10_000
    for i in range(count):
        if len(live) < 400 or (picks[i, 0] < 0.5 and len(live) < 4000):
            op[i], side[i], order[i] = kernel.ADD, picks[i, 1] < 0.5, 10**9 + i
            price[i] = mid - 1 - distances[i] if side[i] == kernel.BID else mid + distances[i]
            live.append(i)
        else:
            at = int(picks[i, 2] * len(live))
            born, live[at] = live[at], live[-1]
            live.pop()
            op[i], side[i], price[i], order[i] = kernel.DELETE, side[born], price[born], order[born]
    columns = {
        "line": np.arange(count),
        "ts_event": 1_700_000_000_000_000_000 + np.arange(count) * 1_000_000,
        "ts_recv": 1_700_000_000_000_100_000 + np.arange(count) * 1_000_000,
        "price": price * 10_000_000,
        "size": np.full(count, 100),
        "flags": np.full(count, F_LAST),
        "sequence": np.arange(count),
        "op": op,
        "op_side": side,
        "order": order,
        "show": np.full(count, kernel.ALWAYS),
    }
    frame = pl.DataFrame(columns).with_columns(action=pl.lit("A"), side=pl.lit("B"))
    return frame.select(pl.col(c).cast(t) for c, t in MESSAGE_COLUMNS.items())


def make_databento_csv(events: pl.DataFrame) -> bytes:
    """Write a CSV as Databento does: ISO times, decimal prices."""
    prices = [c for c in events.columns if "px" in c or c == "price"]
    written = events.drop("line").with_columns(
        pl.col("ts_event", "ts_recv").dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ"),
        *((pl.col(c) / 1e9).round(9) for c in prices),
        *(pl.col(c).fill_null(0) for c in events.columns if c[4:6] in ("sz", "ct")),
        symbol=pl.lit("AAA"),
    )
    return written.write_csv(float_precision=9).encode()


def make_binance_stream(count: int) -> bytes:
    """Make a stream as of Binance's perpetuals: 7 % depth updates of 60 levels, 23 % trades, 70 % best quotes."""
    rng = np.random.default_rng(0)
    kinds = rng.random(count)
    mid, last, lines = 600_000, 10**12, []
    sides = [[[f"{(mid - sign * k) / 10:.1f}0", f"{k}.000"] for k in range(1, 1001)] for sign in (1, -1)]
    for i, kind in enumerate(kinds):
        t = 1_723_161_255_000 + 4 * i
        if i == 0:
            message: dict[str, Any] = {"lastUpdateId": last, "bids": sides[0], "asks": sides[1], "E": t, "T": t}
            lines.append(b"%d000000 %b" % (t, orjson.dumps(message)))
            continue
        if kind < 0.07:
            distance = np.ceil(rng.exponential(200.0, (2, 30))).astype(np.int64)
            sizes = rng.integers(0, 9_000, (2, 30)) * (rng.random((2, 30)) < 0.7)
            bids, asks = (
                [
                    [f"{(mid - sign * d) / 10:.1f}0", f"{q / 1000:.3f}"]
                    for d, q in zip(distance[s], sizes[s], strict=True)
                ]
                for s, sign in ((0, 1), (1, -1))
            )
            data = {"e": "depthUpdate", "E": t, "T": t, "s": "BTCUSDT", "U": last + 1, "u": last + 60, "pu": last}
            data |= {"b": bids, "a": asks}
            last += 60
        elif kind < 0.3:
            data = {"e": "trade", "E": t, "T": t, "s": "BTCUSDT", "t": i, "p": f"{mid / 10:.1f}0", "q": "0.006"}
            data |= {"X": "MARKET", "m": bool(i % 2)}
        else:
            data = {"e": "bookTicker", "u": last, "s": "BTCUSDT", "b": "59999.90", "B": "2.507", "a": "60000.10"}
            data |= {"A": "2.510", "T": t, "E": t}
        name = {"depthUpdate": "depth@0ms"}.get(str(data["e"]), str(data["e"]))
        lines.append(b"%d000000 %b" % (t, orjson.dumps({"stream": f"btcusdt@{name}", "data": data})))
    return b"\n".join(lines) + b"\n"


def make_lobster_zip(rows: int) -> bytes:
    """Make an archive of one day as of LOBSTER, with 5 levels."""
    rng = np.random.default_rng(3)
    mid = 2_236_300 + 100 * rng.integers(-1, 2, rows).cumsum()
    seconds = 34_200 + np.sort(rng.random(rows)) * 23_400
    messages = {"time": seconds.round(9), "type": rng.integers(1, 6, rows), "order": 11_885_113 + np.arange(rows),
                "size": rng.integers(1, 500, rows), "price": mid - 100, "side": np.ones(rows, np.int64)}  # fmt: skip
    books = {f"{side}_{m}_{q}": (mid + sign * (100 + 100 * m) if q == "px" else rng.integers(1, 500, rows))
             for m in range(5) for side, sign in (("ask", 1), ("bid", -1)) for q in ("px", "sz")}  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, table in (("message", messages), ("orderbook", books)):
            name = f"ABC_2012-06-21_34200000_57600000_{kind}_5.csv"
            archive.writestr(name, pl.DataFrame(table).write_csv(include_header=False, float_precision=9))
    return packed.getvalue()


def write_itch(path: Path, count: int) -> None:
    """Write `count` messages of Nasdaq TotalView-ITCH 5.0, all new orders; 1 % are of AAA, the others of BBB."""
    layout = np.dtype([("length", ">u2"), ("type", "S1"), ("locate", ">u2"), ("tracking", ">u2"), ("high", ">u2"),
                       ("time", ">u4"), ("order", ">u8"), ("side", "S1"), ("shares", ">u4"), ("stock", "S8"),
                       ("price", ">u4")])  # fmt: skip
    rows = np.zeros(count, layout)
    rows["length"], rows["type"], rows["shares"], rows["high"] = 36, b"A", 100, 7_962  # 34,200 s in units of 2^32 ns
    rows["order"], rows["time"], rows["side"] = np.arange(count), np.arange(count), b"B"
    rows["locate"] = 1 + (np.arange(count) % 100 > 0)
    rows["stock"] = np.where(rows["locate"] == 1, b"AAA     ", b"BBB     ")
    rows["price"] = 100_000 - 100 * (np.arange(count) % 50)
    path.write_bytes(rows.tobytes())


def make_quotes_csv(rows: int, form: str) -> bytes:
    """Make quotes of one day whose times have the `form` local (of New York), ms (since 1970) or utc."""
    rng = np.random.default_rng(1)
    stamps = START + np.sort(rng.integers(0, 23_400 * 10**9, rows))
    utc = pl.Series(stamps).cast(pl.Datetime("ns", "UTC"))
    times = {
        "local": lambda: utc.dt.convert_time_zone("America/New_York").dt.strftime("%Y-%m-%d %H:%M:%S%.6f"),
        "ms": lambda: pl.Series(stamps // 1_000_000),
        "utc": lambda: utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ"),
    }
    bid = 10_000 + rng.integers(-1, 2, rows).cumsum()
    table = {"time": times[form](), "bid": bid / 100, "bid_size": rng.integers(1, 900, rows),
             "ask": (bid + 1) / 100, "ask_size": rng.integers(1, 900, rows)}  # fmt: skip
    return pl.DataFrame(table).write_csv(float_precision=2).encode()
