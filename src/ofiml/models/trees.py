"""A strict reader of LightGBM's text format, and a predictor with the bits of LightGBM.

LightGBM trusts its files: it uses the offsets, sizes and children that they name, so an untrusted file can crash or
hang it. This module therefore reads the files of `Lgbm.save` itself. It accepts a regression or a classification on
numeric features, line by line in the order of writing, and nothing else.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ofiml._numba import compiled
from ofiml._typing import Float
from ofiml.errors import DataError

# A node; a child below 0 is ~leaf. `kind` is LightGBM's decision_type: bit 1 sends missing values left, and the bits
# above it define which values are missing.
NODE = np.dtype([("threshold", "f8"), ("feature", "i4"), ("kind", "i4"), ("left", "i4"), ("right", "i4")])
DEFAULT_LEFT, MISSING_IS_ZERO, MISSING_IS_NAN = 2, 1, 2
ZERO = 1.0000000180025095e-35  # LightGBM's 1e-35f: a value of at most this size counts as 0
MAX_EXPONENT = 709.782712893384  # exp of a larger number overflows
SUM, SIGMOID, SOFTMAX = 0, 1, 2  # transforms of the sum of the leaves

# Each objective: its text in the file, the number of scores per row, and their transform.
OBJECTIVES = {
    "regression": ("regression", 1, SUM),
    "quantile": ("quantile", 1, SUM),
    "binary": ("binary sigmoid:1", 1, SIGMOID),
    "multiclass": ("multiclass num_class:3", 3, SOFTMAX),
}

MAX_BYTES, MAX_LEAVES = 2**26, 131_072  # a thousand trees of 255 leaves take half of the bytes
_KINDS = (0, 2, 4, 6, 8, 10)
_NO_NODES = np.empty(0, NODE)
_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"-?(inf|[0-9]{1,40}(\.[0-9]{1,40})?(e[+-]?[0-9]{1,3})?)", re.ASCII)


def predict_py(
    nodes: NDArray[np.void], roots: NDArray[np.int32], leaves: Float, transform: int, x: Float, out: Float
) -> None:
    """Predict rows x (n, k) and write to `out` (n, scores). A score is the sum of the leaves of its trees, which follow
    each other score by score; `transform` is the sum itself, its sigmoid, or the softmax over scores.
    """
    scores = out.shape[1]
    for i in range(len(x)):
        for k in range(scores):
            out[i, k] = 0.0
        for t in range(len(roots)):
            at = roots[t]
            while at >= 0:
                node = nodes[at]
                value, kind = x[i, node["feature"]], node["kind"]
                missing = kind >> 2
                if abs(value) <= ZERO or (math.isnan(value) and missing != MISSING_IS_NAN):
                    value = 0.0
                if math.isnan(value) or (missing == MISSING_IS_ZERO and value == 0.0):
                    left = kind & DEFAULT_LEFT != 0
                else:
                    left = value <= node["threshold"]
                at = node["left"] if left else node["right"]
            out[i, t % scores] += leaves[~at]
        if transform == SIGMOID:
            out[i, 0] = 1.0 / (1.0 + math.exp(-out[i, 0])) if -out[i, 0] <= MAX_EXPONENT else 0.0
        elif transform == SOFTMAX:
            largest = out[i, 0]
            for k in range(1, scores):
                largest = max(largest, out[i, k])
            total = 0.0
            for k in range(scores):
                out[i, k] = math.exp(out[i, k] - largest)
                total += out[i, k]
            for k in range(scores):
                out[i, k] /= total


predict = compiled(predict_py)


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees over `width` features. `roots` (trees,) and children index all `nodes` and `leaves`."""

    width: int
    objective: str
    nodes: NDArray[np.void]
    roots: NDArray[np.int32]
    leaves: Float

    def predict(self, x: Float) -> Float:
        """Predict rows x (n, width), NaN allowed: the expected label or its quantile, or the probability of the second
        class, (n,); for three classes their probabilities (n, 3).

        Predictions are finite, and have the bits of `lightgbm.Booster.predict` for one row as for many. Raises
        DataError for another shape.
        """
        if x.ndim != 2 or x.shape[1] != self.width:
            raise DataError(f"The trees need rows of {self.width} features, not of shape {x.shape}.")
        _, scores, transform = OBJECTIVES[self.objective]
        out = np.empty((len(x), scores))
        predict(self.nodes, self.roots, self.leaves, transform, np.ascontiguousarray(x, np.float64), out)
        return out if scores > 1 else out[:, 0]


def read_trees(path: Path, width: int, objective: str, monotone: Sequence[int] = ()) -> Trees:
    """Read the trees of a file of `Lgbm.save`, over `width` features, with one of `OBJECTIVES` and the constraints
    `monotone`. Lines after the trees (importances, parameters) are not read. Raises DataError, with the line, for any
    other content.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path.name} is larger than {MAX_BYTES} bytes: restore the logged file.")
    lines = _Lines(path.name, path.read_bytes().decode("latin-1"))
    sizes = _read_header(lines, width, objective, monotone)
    nodes: list[NDArray[np.void]] = []
    leaves: list[Float] = []
    roots: list[int] = []
    node_count = leaf_count = 0
    largest = 0.0
    lengths = []
    start, line = lines.at, lines.read_line()
    while line != "end of trees":
        lines.require(line == f"Tree={len(roots)}", f"Tree={len(roots)}, or the end of trees")
        tree, values = _read_tree(lines, width)
        for side in ("left", "right") if len(tree) else ():
            tree[side] += np.where(tree[side] >= 0, node_count, -leaf_count)
        nodes.append(tree)
        leaves.append(values)
        roots.append(node_count if len(tree) else ~leaf_count)
        node_count, leaf_count = node_count + len(tree), leaf_count + len(values)
        largest += float(np.abs(values).max())
        lengths.append(str(lines.at - start))
        start, line = lines.at, lines.read_line()
    scores = OBJECTIVES[objective][1]
    lines.require(len(roots) % scores == 0, f"a number of trees that {scores} divides")
    lines.require(bool(roots) and sizes == " ".join(lengths), "trees of the number and lengths in tree_sizes")
    lines.require(math.isfinite(largest), "trees whose sum is finite")
    return Trees(width, objective, np.concatenate(nodes), np.array(roots, np.int32), np.concatenate(leaves))


class _Lines:
    """A reader of lines that end in "\\n" alone, with an error message for a line that is not allowed."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.at, self.number = name, text, 0, 0

    def read_line(self) -> str:
        """Read the next line, which must have an end."""
        self.number += 1
        end = self.text.find("\n", self.at)
        self.require(end >= 0, "a line with an end")
        line, self.at = self.text[self.at : end], end + 1
        return line

    def require(self, holds: bool, expected: str) -> None:
        """Raise DataError, which names what was `expected`, unless `holds`."""
        if not holds:
            raise DataError(
                f"{self.name}, line {self.number}: not a LightGBM model written by a study (expected: {expected}); "
                "restore the logged file."
            )

    def expect(self, *lines: str) -> None:
        """Read the next lines and require that they equal these."""
        for line in lines:
            self.require(self.read_line() == line, repr(line))

    def read_value(self, key: str) -> str:
        """Read the text after `key=` on the next line."""
        line = self.read_line()
        self.require(line.startswith(f"{key}="), f"{key}=…")
        return line[len(key) + 1 :]

    def read_values(self, key: str, count: int, form: re.Pattern[str]) -> list[str]:
        """Read `count` values of a form, at least one, separated by one space."""
        text = self.read_value(key)
        # Count before the split: a line of spaces must not become a list of millions.
        self.require(text.count(" ") == count - 1, f"{count} values of {key}")
        cells = text.split(" ")
        self.require(all(form.fullmatch(cell) for cell in cells), f"numbers as LightGBM writes them in {key}")
        return cells

    def read_integers(self, key: str, count: int) -> NDArray[np.int64]:
        return np.array([int(cell) for cell in self.read_values(key, count, _INTEGER)], np.int64)

    def read_numbers(self, key: str, count: int) -> Float:
        return np.array([float(cell) for cell in self.read_values(key, count, _NUMBER)], np.float64)


def _read_header(lines: _Lines, width: int, objective: str, monotone: Sequence[int]) -> str:
    """Check all lines before the trees; return the text of tree_sizes."""
    objective_text, scores, _ = OBJECTIVES[objective]
    lines.expect("tree", "version=v4", f"num_class={scores}", f"num_tree_per_iteration={scores}", "label_index=0")
    lines.expect(f"max_feature_idx={width - 1}")
    lines.expect(f"objective={objective_text}")
    lines.expect(f"feature_names={' '.join(f'Column_{i}' for i in range(width))}")
    if monotone:
        lines.expect(f"monotone_constraints={' '.join(map(str, monotone))}")
    lines.require(lines.read_value("feature_infos").count(" ") == width - 1, f"{width} values of feature_infos")
    sizes = lines.read_value("tree_sizes")
    lines.expect("")
    return sizes


def _read_tree(lines: _Lines, width: int) -> tuple[NDArray[np.void], Float]:
    """Read a tree after its first line: its nodes, parents before their children, and the values of its leaves."""
    leaves = int(lines.read_integers("num_leaves", 1)[0])
    lines.require(1 <= leaves <= MAX_LEAVES, f"1 to {MAX_LEAVES} leaves")
    lines.expect("num_cat=0")
    if leaves > 1:
        nodes = _read_nodes(lines, width, leaves)
    else:
        nodes = _NO_NODES
        lines.expect("split_feature=", "split_gain=", "threshold=", "decision_type=", "left_child=", "right_child=")
    values = lines.read_numbers("leaf_value", leaves)
    lines.require(bool(np.isfinite(values).all()), "finite leaves")
    for key in ("leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count"):
        lines.read_value(key)
    lines.expect("is_linear=0")
    lines.read_value("shrinkage")
    lines.expect("", "")
    return nodes, values


def _read_nodes(lines: _Lines, width: int, leaves: int) -> NDArray[np.void]:
    count = leaves - 1
    nodes = np.empty(count, NODE)
    feature = lines.read_integers("split_feature", count)
    lines.require(bool(((feature >= 0) & (feature < width)).all()), f"features from 0 to {width - 1}")
    lines.read_value("split_gain")
    nodes["feature"], nodes["threshold"] = feature, lines.read_numbers("threshold", count)
    kind = lines.read_integers("decision_type", count)
    lines.require(bool(np.isin(kind, _KINDS).all()), f"decision_type one of {_KINDS}")
    nodes["kind"] = kind
    for side in ("left", "right"):
        child = lines.read_integers(f"{side}_child", count)
        inside = (child >= -leaves) & (child < count) & ((child < 0) | (child > np.arange(count)))
        lines.require(bool(inside.all()), "children that come after their parent")
        nodes[side] = child
    # Every node but the root, and every leaf, is the child of exactly one node. So this is one tree, and every walk
    # through it ends.
    children = np.sort(np.concatenate([nodes["left"], nodes["right"]]))
    expected = np.concatenate([np.arange(-leaves, 0), np.arange(1, count)])
    lines.require(np.array_equal(children, expected), "each node the child of one parent")
    return nodes
