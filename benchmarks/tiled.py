"""Studies of any size for benchmarks: sessions of the embedded market, repeated for many symbols and dates."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice, product
from unittest.mock import patch

import numpy as np
import polars as pl

from ofiml.backtest import run as backtest
from ofiml.config import Config
from ofiml.data.sessions import list_sources
from ofiml.parallel import Workers
from ofiml.samples.prepare import PreparedDataset, prepare_dataset
from ofiml.samples.scratch import Scratch, choose_scratch_folder
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.tape import SessionTape, record_session
from ofiml.study import run as study
from ofiml.training.fitted import FittedStudy
from ofiml.ui.progress import Stages
from ofiml.units import SECOND
from ofiml.validation import past_check
from ofiml.validation.altered_future import Moment

_DAY = 86_400 * SECOND
_FIRST = dt.date(2024, 1, 1)
_TIMES = ("bar_open", "bar_close", "label_start", "label_end", "hold_until", "first_used")
_MAX_NOISE = 3  # lots added to each bar's flow, so that repeated sessions differ

Tile = tuple[int, str, str, int]  # template, symbol, date, and how much later (ns)


def list_tiles(templates: int, symbols: int, sessions: int) -> list[Tile]:
    """List the tiles, date by date; neighbours repeat different templates."""
    tiles = []
    for number, (day, symbol) in enumerate(islice(product(range(sessions), range(symbols)), sessions)):
        date = (_FIRST + dt.timedelta(days=day)).isoformat()
        tiles.append((number % templates, f"S{symbol:02d}", date, day * _DAY))
    return tiles


@contextmanager
def replace_market(config: Config, symbols: int, rows: int) -> Iterator[None]:
    """Let the study of `config` read about `rows` repeated bars instead of simulating as many sessions.

    Of a leak check, all that grows with the rows is done; sessions are not read and traded again with another future.
    """
    stages = Stages()
    templates = prepare_dataset(SampleSettings.of(config), Workers(1), stages).sessions
    tapes = [record_session(session) for source in list_sources(config.dataset) for session in source()]
    # Templates lie on successive dates; each tile starts from the first.
    early = [_shift_samples(s, -k * _DAY) for k, s in enumerate(templates)]
    early_tapes = [_shift_tape(tape, -k * _DAY) for k, tape in enumerate(tapes)]
    tiles = list_tiles(len(early), symbols, max(1, round(rows / early[0].rows.height)))

    def prepare(*_: object) -> PreparedDataset:
        scratch = Scratch(choose_scratch_folder(config.features.store))
        sessions, regions = [], []
        for origin, tile in enumerate(tiles):
            sessions.append(_make_samples(early, tile, origin))
            regions.append(scratch.write(sessions[-1].rows))
            sessions[-1].rows = early[0].rows.clear()
        for session, region in zip(sessions, regions, strict=True):
            session.rows = scratch.read(region)
        return PreparedDataset(sessions, [])

    def read(origin: int, _: object) -> Iterator[SessionTape]:
        template, symbol, date, later = tiles[origin]
        tape = _shift_tape(early_tapes[template], later)
        yield tape._replace(meta=tape.meta._replace(symbol=symbol, date=date))

    def remake(moments: Sequence[Moment], fitted: FittedStudy) -> dict[Moment, pl.DataFrame]:
        return {moment: past_check.select_past(fitted.rows, moment) for moment in moments}

    with ExitStack() as stack:
        stack.enter_context(patch.object(past_check, "remake_rows", remake))
        stack.enter_context(patch.object(study, "check_execution", lambda *_: None))
        stack.enter_context(patch.object(study, "prepare_dataset", prepare))
        stack.enter_context(patch.object(backtest, "list_sources", lambda _: range(len(tiles))))
        stack.enter_context(patch.object(backtest, "read_tapes", read))
        yield


def _make_samples(templates: list[SessionSamples], tile: Tile, origin: int) -> SessionSamples:
    template, symbol, date, later = tile
    samples, rng = _shift_samples(templates[template], later), np.random.default_rng(origin)
    flow = [c for c in samples.rows.columns if c.startswith("ofi_")]
    noise = rng.integers(-_MAX_NOISE, _MAX_NOISE, (samples.rows.height, len(flow)), endpoint=True)
    rows = samples.rows.with_columns(
        pl.lit(symbol).alias("symbol"),
        pl.lit(date).alias("session"),
        *(samples.rows[c] + pl.Series(noise[:, j]) for j, c in enumerate(flow)),
    )
    return replace(samples, key=(symbol, date), rows=rows, origin=origin, planted=None)


def _shift_samples(samples: SessionSamples, later: int) -> SessionSamples:
    rows = samples.rows.with_columns(pl.col(_TIMES) + later)
    return replace(samples, rows=rows, open=samples.open + later, close=samples.close + later)


def _shift_tape(recorded: SessionTape, later: int) -> SessionTape:
    tape, meta = recorded
    known = np.where(tape.order_time >= 0, tape.order_time + later, tape.order_time)
    moved = tape._replace(exchange=tape.exchange + later, receipt=tape.receipt + later, order_time=known)
    return SessionTape(moved, meta._replace(open=meta.open + later, close=meta.close + later))
