"""FI-2010 as published: 149 rows of normalised numbers, with labels of its own. It is no market data for a study.

A column is a sample, one for ten events. Rows 1 to 40 are the prices and sizes of ten levels, rows 41 to 144 features
of them, rows 145 to 149 the labels (1 up, 2 stationary, 3 down) over the next 10, 20, 30, 50 and 100 events. The train
file of fold k has days 1 to k, the test file of fold k has day k + 1.

References: Ntakaris, Magris, Kanniainen, Gabbouj, Iosifidis (2018), "Benchmark dataset for mid-price forecasting of
limit order book data with machine learning methods", Journal of Forecasting 37(8), arXiv 1705.03233.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.data.file_head import HEAD_BYTES
from ofiml.data.formats.foreign import describe_foreign, find_normalisation, is_fi2010
from ofiml.errors import DataError

#: Events over which each row of labels looks ahead.
HORIZONS = (10, 20, 30, 50, 100)
#: Events between two samples.
EVENTS_PER_SAMPLE = 10
BOOK_ROWS, INPUT_ROWS, ROWS = 40, 144, 149

_UP, _DOWN = 1, 3
_FETCH = "fetch the file as published"
_NAME = re.compile(r"(train|test)_dst_(noauction|auction)_(zscore|minmax|decpre)_cf_(\d+)\.txt", re.IGNORECASE)
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True, slots=True)
class Split:
    """What a published name says: `role` train or test, with or without the auctions, the normalisation, the fold."""

    role: str
    auction: str
    normalisation: str
    fold: int

    @classmethod
    def parse(cls, name: str) -> "Split | None":
        """Parse a file name; None if it is not of the published form."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        role, auction, normalisation = (match[i].lower() for i in (1, 2, 3))
        return cls(role, auction, normalisation, int(match[4]))


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The samples of a file in its order: inputs `x` (n, 144), finite; `labels` (n, 5) of `HORIZONS`, 1, 2 or 3."""

    name: str
    sha256: str
    x: Float
    labels: Int64

    def __len__(self) -> int:
        return len(self.x)

    @property
    def split(self) -> Split | None:
        return Split.parse(self.name)

    @property
    def normalisation(self) -> str:
        """How the publishers normalised the inputs, as in `by z-score`."""
        return find_normalisation(self.name) or "how, the file's name does not tell"

    def directions(self, horizon: int) -> Float:
        """Return the labels of a horizon as directions (n,): 1 up, 0 stationary, -1 down."""
        return label_to_direction(self.labels[:, HORIZONS.index(horizon)])

    def last_known_directions(self, horizon: int, first: float) -> Float:
        """Return the last direction (n,) whose horizon has passed at each sample, and `first` where there is none.

        A label over h events is known h / 10 samples later.
        """
        lag = horizon // EVENTS_PER_SAMPLE
        out = np.full(len(self), first)
        out[lag:] = self.directions(horizon)[:-lag]
        return out


def label_to_direction(labels: Int64) -> Float:
    """Convert labels 1, 2, 3 to directions 1, 0, -1."""
    return np.subtract(2.0, labels, dtype=np.float64)


def read_samples(path: Path) -> Samples:
    """Read a published text file.

    Raises DataError, with file, row, column, value and remedy, for any other content: a packed file or another format,
    values that are not finite numbers, rows of unequal length, another number of rows than 149, and labels other than
    1, 2 and 3.
    """
    _check_format(path)
    digest = hashlib.sha256()
    rows: list[Float] = []
    with path.open("rb") as lines:
        for line in lines:
            digest.update(line)
            if not line.strip():
                continue
            if len(rows) == ROWS:
                raise DataError(f"{path.name} has more than {ROWS} rows{_suspect_transposition(rows)}: {_FETCH}.")
            row = _parse_row(line, f"{path.name}, row {len(rows) + 1}")
            if rows and len(row) != len(rows[0]):
                raise DataError(
                    f"{path.name}, row {len(rows) + 1}: {len(row):,} values, but row 1 has {len(rows[0]):,}; the file "
                    f"is cut or damaged: {_FETCH}."
                )
            rows.append(row)
    if len(rows) != ROWS:
        raise DataError(
            f"{path.name} has {len(rows)} rows instead of {ROWS}{_suspect_transposition(rows)}; it is cut, or a copy "
            f"with fewer rows: {_FETCH}."
        )
    labels = np.array(rows[INPUT_ROWS:])
    _check_labels(labels, path.name)
    x = np.stack(rows[:INPUT_ROWS], axis=1)
    return Samples(path.name, digest.hexdigest(), x, np.ascontiguousarray(labels.T.astype(np.int64)))


def _check_format(path: Path) -> None:
    """Raise DataError for a file that is plainly not the published text."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(_PACKED):
        raise DataError(f"{path.name} is packed: unpack it first, and name a text file of it.")
    if b"," in head.split(b"\n", 1)[0] and is_fi2010(head):
        raise DataError(f"{path.name} is a CSV copy of FI-2010 with its samples as rows: {_FETCH}, in rows of text.")
    if not is_fi2010(head) and (what := describe_foreign(path.name, head)) is not None:
        raise DataError(f"{path.name} is not FI-2010 as published, but {what}.")


def _parse_row(line: bytes, where: str) -> Float:
    """Parse a line of finite numbers. Raises DataError with the column of the first other value."""
    cells = line.split()
    try:
        row = np.array(cells).astype(np.float64)
        valid = np.isfinite(row).all() and b"_" not in line
    except ValueError:
        valid = False
    if valid:
        return row
    column, cell = next((i, cell) for i, cell in enumerate(cells, 1) if not _is_finite(cell))
    text = cell[:40].decode("latin-1")
    raise DataError(
        f"{where}, column {column}: {text!r} is not a finite number; the published files have none such: {_FETCH}."
    )


def _is_finite(cell: bytes) -> bool:
    try:
        return bool(np.isfinite(float(cell))) and b"_" not in cell
    except ValueError:
        return False


def _suspect_transposition(rows: list[Float]) -> str:
    return f" and {ROWS} columns, so its samples may stand as rows" if rows and len(rows[0]) == ROWS else ""


def _check_labels(labels: Float, name: str) -> None:
    """Raise DataError for the first value of the labels (5, n) that is not 1, 2 or 3."""
    wrong = np.argwhere(~np.isin(labels, (1.0, 2.0, 3.0)))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{name}, row {INPUT_ROWS + 1 + row}, column {column + 1}: {labels[row, column]:g} is not a label (1 up, "
            f"2 stationary, 3 down); rows {INPUT_ROWS + 1} to {ROWS} must be the labels: {_FETCH}."
        )


def check_train_and_tests(train: Samples, tests: Sequence[Samples]) -> None:
    """Check that test files may judge what learned on the train file.

    Raises DataError for a file that occurs twice and, by the published names, for a train file used as test or the
    reverse, another normalisation, another choice of auctions, and a test day that lies inside the train days. Files
    with other names are only compared by content.
    """
    seen = {train.sha256: train.name}
    for test in tests:
        if test.sha256 in seen:
            raise DataError(f"{test.name} has the same content as {seen[test.sha256]}: give each file once.")
        seen[test.sha256] = test.name
    own = train.split
    if own is not None and own.role != "train":
        raise DataError(f"{train.name} is a test file by its name: train on a file named Train_….")
    for test in tests:
        _check_split(train.name, own, test.name, test.split)


def _check_split(train: str, own: Split | None, test: str, other: Split | None) -> None:
    """Raise DataError if the names of a train and a test file do not go together."""
    if other is not None and other.role != "test":
        raise DataError(f"{test} is a train file by its name, and its days overlap: test on a file named Test_….")
    if own is None or other is None:
        return
    if own.normalisation != other.normalisation:
        raise DataError(f"{test} is normalised otherwise than {train}: take two files of one normalisation.")
    if own.auction != other.auction:
        raise DataError(f"Only one of {train} and {test} has the auctions: take both with them, or both without.")
    if other.fold < own.fold:
        raise DataError(
            f"{test} is day {other.fold + 1}, which is one of the days 1 to {own.fold} of {train}: test on fold "
            f"{own.fold} or a later one."
        )


def check_both_directions(train: Samples, horizon: int) -> None:
    """Raise DataError unless the train labels of a horizon contain both up and down."""
    labels = train.labels[:, HORIZONS.index(horizon)]
    if not ((labels == _UP).any() and (labels == _DOWN).any()):
        row = INPUT_ROWS + 1 + HORIZONS.index(horizon)
        raise DataError(
            f"{train.name}, row {row}: the labels over {horizon} events do not contain both 1 (up) and 3 (down), so no "
            "direction can be learned: choose another horizon or file."
        )
