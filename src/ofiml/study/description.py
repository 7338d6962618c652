"""Describe the data, folds, reduction, model and tuning of a study for its report."""

import hashlib

import numpy as np
import polars as pl

from ofiml.backtest.instruments import AssignedInstrument, describe_unfitting_patterns
from ofiml.config import FileDataset, SyntheticDataset
from ofiml.data.quality import add_counts
from ofiml.ofi.reduce import describe_reducers
from ofiml.samples.prepare import PreparedDataset
from ofiml.samples.session import SessionSamples
from ofiml.samples.table import list_feature_columns
from ofiml.splits.fold import Span
from ofiml.splits.rows import Rows
from ofiml.study.report import (
    DatasetReport,
    FoldReport,
    ModelReport,
    OfiReport,
    RowCounts,
    SessionReport,
    SpanReport,
    TuningReport,
)
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult
from ofiml.ui.format import format_time
from ofiml.units import PRICE_SCALE


def describe_dataset(
    prepared: PreparedDataset, dataset: SyntheticDataset | FileDataset, instruments: list[AssignedInstrument]
) -> DatasetReport:
    """Describe the sessions, and the inputs that were left out; rows dropped and kept are summed over the sessions.

    `instruments` are those of the backtest.
    """
    sessions = prepared.sessions
    dropped: dict[str, int] = {}
    kept: dict[str, int] = {}
    for s in sessions:
        dropped, kept = add_counts(dropped, s.quality.dropped), add_counts(kept, s.quality.kept)
    return DatasetReport(
        name=dataset.name,
        digest=hashlib.sha256("".join(s.digest for s in sessions).encode()).hexdigest(),
        events=sum(s.events for s in sessions),
        dropped=dropped,
        kept=kept,
        notes=sorted({f"{s.key[0]}: {note}" for s in sessions for note in s.quality.notes}) + _describe_zero(sessions),
        sessions=[_describe_session(s, dataset.tick) for s in sessions],
        sources=sorted({s.source for s in sessions}),
        levels=sessions[0].levels,
        warnings=_list_warnings(sessions) + describe_unfitting_patterns(dataset, (s.key[0] for s in sessions)),
        bad_files=prepared.bad_files,
        instruments=instruments,
    )


def _describe_session(samples: SessionSamples, tick: float) -> SessionReport:
    """Describe a session; its tick is that of its symbol, and `tick` for a session without bars."""
    own = samples.rows["tick"][0] / PRICE_SCALE if samples.rows.height else tick
    return SessionReport(*samples.key, samples.events, samples.digest, own, samples.size_unit, samples.quality)


def _list_warnings(sessions: list[SessionSamples]) -> list[str]:
    """List what is implausible: of each symbol and kind the first session's warning, and how many others have one."""
    warned: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for s in sessions:
        for kind, sentence in s.quality.warnings.items():
            warned.setdefault((s.key[0], kind), []).append((s.key[1], sentence))
    return [
        f"{symbol} {cases[0][0]}{f' and {len(cases) - 1} other sessions' if len(cases) > 1 else ''}: {cases[0][1]}"
        for (symbol, _), cases in warned.items()
    ]


def _describe_zero(sessions: list[SessionSamples]) -> list[str]:
    """Describe per symbol how many bars have a mid at or below zero, and what that means; nothing if none has."""
    notes = []
    for symbol in sorted({s.key[0] for s in sessions}):
        mids = pl.concat([s.rows["mid"] for s in sessions if s.key[0] == symbol]).drop_nulls()
        if count := int((mids <= 0).sum()):
            notes.append(
                f"{symbol}: the mid is at or below 0 at {count:,} of {len(mids):,} bars: bps, fees in bps and dollar "
                "bars are of |price|, logarithms are NaN, and bps grow without bound near 0 (docs/targets.md)"
            )
    return notes


def count_rows(fitted: FittedStudy, dropped: dict[str, int]) -> RowCounts:
    """Count the bars, and name the features without a value in any row, which this feed or market does not have."""
    labelled = fitted.labelled
    columns = labelled.select(pl.col(list_feature_columns(fitted.config.features)).cast(pl.Float64).fill_nan(None))
    return RowCounts(
        bars=sum(s.rows.height for s in fitted.sessions),
        used=labelled.height,
        dropped=dropped,
        never_known=[c.name for c in columns if c.null_count() == labelled.height],
    )


def describe_ofi(fitted: FittedStudy) -> OfiReport:
    """Describe the reduction over levels, and its weights in each fold if it learns any."""
    ofi, learned = fitted.config.ofi, describe_reducers([r.pipeline.reducer for r in fitted.results])
    return OfiReport(ofi.name, ofi.normalise, learned.weights, learned.explained)


def describe_model(fitted: FittedStudy) -> ModelReport:
    """Describe the model and its target."""
    config = fitted.config
    features = fitted.results[0].pipeline.feature_names
    return ModelReport(config.model.name, features, config.target.form, config.target.unit)


def describe_folds(fitted: FittedStudy) -> list[FoldReport]:
    """Describe each fold: numbers of rows, first and last times, tested spans."""
    return [_describe_fold(result, fitted.divided.rows) for result in fitted.results]


def _describe_fold(result: FoldResult, rows: Rows) -> FoldReport:
    fold, known_at = result.fold, rows.known_at
    first, last = (format_time(known_at[fold.train[i]]) for i in (0, -1))
    return FoldReport(
        fold=fold.index,
        train_rows=len(fold.train),
        purged=fold.purged,
        embargoed=fold.embargoed,
        test_rows=len(fold.test),
        train_from=first,
        train_to=last,
        test_from=format_time(known_at[fold.test[0]]),
        test_to=format_time(known_at[fold.test[-1]]),
        spans=[_describe_span(span, rows) for span in fold.spans],
        dead_band_ticks=result.dead_band,
    )


def _describe_span(span: Span, rows: Rows) -> SpanReport:
    labelled = int(np.diff(np.searchsorted(rows.known_at, [span.start, span.until]))[0])
    return SpanReport(format_time(span.start), format_time(span.until), span.path, labelled)


def count_tuning_trials(fitted: FittedStudy) -> int:
    """Count the tuning trials of all folds."""
    return sum(len(r.tuned.trials) for r in fitted.results if r.tuned is not None)


def describe_tuning(fitted: FittedStudy) -> list[TuningReport]:
    """Describe the search of each tuned fold; return an empty list without tuning."""
    return [
        TuningReport(
            fold=r.fold.index,
            best={name: getattr(r.tuned.model, name) for name in fitted.config.model.space},
            importance=r.tuned.importance,
            trials=r.tuned.trials,
        )
        for r in fitted.results
        if r.tuned is not None
    ]
