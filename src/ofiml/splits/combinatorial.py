"""Combinatorial purged cross-validation and its paths (López de Prado 2018, chapter 12)."""

from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb

import numpy as np

from ofiml.errors import DataError
from ofiml.splits.blocks import build_ruler, place_block_borders, select_test_rows
from ofiml.splits.fold import Fold, Span, build_purged_fold
from ofiml.splits.rows import Rows


@dataclass(frozen=True, slots=True)
class Combinatorial:
    """A splitter into N = `groups` contiguous blocks of time; every choice of k = `tested` of them is the test set of a
    fold, C(N, k) folds in all.

    Each group is tested in φ = C(N, k) k / N folds, so the folds make up φ paths: whole histories with one prediction
    of every group. The j-th fold of a group belongs to path j. `by` sets the unit of the blocks: rows, whole dates, or
    trading time. All other rows train, purged by label time and with an embargo of `embargo` ns on both sides.
    """

    by: str
    groups: int
    tested: int
    embargo: int

    @property
    def paths(self) -> int:
        return comb(self.groups, self.tested) * self.tested // self.groups

    def split(self, rows: Rows) -> list[Fold]:
        """Divide the rows into folds. Raises DataError for too few rows or dates, a group without rows, or a fold
        without train rows.
        """
        marks = build_ruler(rows, self.by)
        if marks.total < self.groups:
            raise DataError(
                f"{marks.total} {marks.word} are too few for split.n_groups={self.groups}: give more data, fewer "
                "groups, or split.by=rows."
            )
        spans = list(pairwise(marks.find_instant(mark) for mark in place_block_borders(0, marks.total, self.groups)))
        remedy = "use fewer groups, or split.by=rows"
        blocks = [select_test_rows(rows, *span, group, "group", remedy) for group, span in enumerate(spans)]
        everything = np.arange(len(rows), dtype=np.int64)
        used = [0] * self.groups
        folds = []
        for index, chosen in enumerate(combinations(range(self.groups), self.tested)):
            test = np.concatenate([blocks[group] for group in chosen])
            candidates = np.setdiff1d(everything, test, assume_unique=True)
            own = [Span(*spans[group], used[group]) for group in chosen]
            for group in chosen:
                used[group] += 1
            folds.append(build_purged_fold(index, rows, candidates, test, self.embargo, own))
        return folds

    def __str__(self) -> str:
        return (
            f"combinatorial, {self.tested} of {self.groups} groups tested at once, by {self.by}: "
            f"{comb(self.groups, self.tested)} folds, {self.paths} paths"
        )
