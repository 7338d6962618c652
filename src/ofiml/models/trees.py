"""Boosted trees from LightGBM's text, read strictly and walked here, to the bit as LightGBM does.

LightGBM trusts its files: it jumps to the offsets, allocates the sizes and follows the children that they name, so that
a stranger's file can crash or hang it. What `Lgbm.save` wrote is therefore never given back to it, but read here: a
regression or a classification of numbers, line by line in the order in which it is written, and nothing else.
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

# A node; a child below 0 is ~leaf. `kind` is LightGBM's decision_type: bit 1 says that what is missing goes left, the
# bits above it what counts as missing.
NODE = np.dtype([("threshold", "f8"), ("feature", "i4"), ("kind", "i4"), ("left", "i4"), ("right", "i4")])
DEFAULT_LEFT, MISSING_IS_ZERO, MISSING_IS_NAN = 2, 1, 2
ZERO = 1.0000000180025095e-35  # LightGBM's 1e-35f: what is no larger is 0
LARGEST_EXP = 709.782712893384  # exp of more overflows
SUM, SIGMOID, SOFTMAX = 0, 1, 2  # what is said of the sum of the leaves

# Of each objective: how LightGBM writes it, how many scores a row has, and what becomes of them.
OBJECTIVES = {
    "regression": ("regression", 1, SUM),
    "quantile": ("quantile", 1, SUM),
    "binary": ("binary sigmoid:1", 1, SIGMOID),
    "multiclass": ("multiclass num_class:3", 3, SOFTMAX),
}

MAX_BYTES, MAX_LEAVES = 2**26, 131_072  # a thousand trees of 255 leaves are half of that
_KINDS = (0, 2, 4, 6, 8, 10)
_NO_NODES = np.empty(0, NODE)
_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"-?(inf|[0-9]{1,40}(\.[0-9]{1,40})?(e[+-]?[0-9]{1,3})?)", re.ASCII)


def predict_py(
    nodes: NDArray[np.void], roots: NDArray[np.int32], leaves: Float, transform: int, x: Float, out: Float
) -> None:
    """Write the predictions of rows x (n, k) to `out` (n, scores): sums of their leaves, tree after tree, which belong
    to the scores in turn; their sigmoid, or softmax, as `transform` says.
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
            out[i, 0] = 1.0 / (1.0 + math.exp(-out[i, 0])) if -out[i, 0] <= LARGEST_EXP else 0.0
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
    """Trees over `width` features: `roots` (trees,) and children count through all `nodes` and `leaves`."""

    width: int
    objective: str
    nodes: NDArray[np.void]
    roots: NDArray[np.int32]
    leaves: Float

    def predict(self, x: Float) -> Float:
        """Of rows x (n, width), NaN allowed: the expected label or its quantile, or the probability of the second
        class, (n,); of three classes the probability of each, (n, 3). Finite, the same bits as
        `lightgbm.Booster.predict`, for one row as for many.
        """
        if x.ndim != 2 or x.shape[1] != self.width:
            raise DataError(f"The trees need rows of {self.width} features, not of shape {x.shape}.")
        _, scores, transform = OBJECTIVES[self.objective]
        out = np.empty((len(x), scores))
        predict(self.nodes, self.roots, self.leaves, transform, np.ascontiguousarray(x, np.float64), out)
        return out if scores > 1 else out[:, 0]


def read_trees(path: Path, width: int, objective: str, monotone: Sequence[int] = ()) -> Trees:
    """Read the trees of a file that `Lgbm.save` wrote, over `width` features, of one of `OBJECTIVES` and with these
    constraints. Raises DataError, with the line, for any other; what follows the trees (importances, parameters) is not
    read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path.name} is larger than {MAX_BYTES} bytes: restore the logged file.")
    lines = _Lines(path.name, path.read_bytes().decode("latin-1"))
    sizes = _header(lines, width, objective, monotone)
    nodes: list[NDArray[np.void]] = []
    leaves: list[Float] = []
    roots: list[int] = []
    node_count = leaf_count = 0
    largest = 0.0
    lengths = []
    start, line = lines.at, lines.next()
    while line != "end of trees":
        lines.require(line == f"Tree={len(roots)}", f"Tree={len(roots)}, or the end of trees")
        tree, values = _tree(lines, width)
        for side in ("left", "right") if len(tree) else ():
            tree[side] += np.where(tree[side] >= 0, node_count, -leaf_count)
        nodes.append(tree)
        leaves.append(values)
        roots.append(node_count if len(tree) else ~leaf_count)
        node_count, leaf_count = node_count + len(tree), leaf_count + len(values)
        largest += float(np.abs(values).max())
        lengths.append(str(lines.at - start))
        start, line = lines.at, lines.next()
    scores = OBJECTIVES[objective][1]
    lines.require(len(roots) % scores == 0, f"a number of trees that {scores} divides")
    lines.require(bool(roots) and sizes == " ".join(lengths), "as many trees, and as long, as tree_sizes says")
    lines.require(math.isfinite(largest), "trees whose sum is finite")
    return Trees(width, objective, np.concatenate(nodes), np.array(roots, np.int32), np.concatenate(leaves))


class _Lines:
    """The lines of a text one after another, ended by "\\n" alone, and the sentence for one that cannot be."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.at, self.number = name, text, 0, 0

    def next(self) -> str:
        """The next line, which must have an end."""
        self.number += 1
        end = self.text.find("\n", self.at)
        self.require(end >= 0, "a line with an end")
        line, self.at = self.text[self.at : end], end + 1
        return line

    def require(self, holds: bool, expected: str) -> None:
        """Raise DataError unless `holds`; the message says what was expected."""
        if not holds:
            raise DataError(
                f"{self.name}, line {self.number}: not a LightGBM model written by a study (expected: {expected}); "
                "restore the logged file."
            )

    def expect(self, *lines: str) -> None:
        """Require the next lines to be these."""
        for line in lines:
            self.require(self.next() == line, repr(line))

    def value(self, key: str) -> str:
        """What follows `key=` on the next line."""
        line = self.next()
        self.require(line.startswith(f"{key}="), f"{key}=…")
        return line[len(key) + 1 :]

    def values(self, key: str, count: int, form: re.Pattern[str]) -> list[str]:
        """`count` values of a form, at least one, with one space between them."""
        text = self.value(key)
        # Counted before they are split: a line of spaces shall not become a list of millions.
        self.require(text.count(" ") == count - 1, f"{count} values of {key}")
        cells = text.split(" ")
        self.require(all(form.fullmatch(cell) for cell in cells), f"numbers as LightGBM writes them in {key}")
        return cells

    def integers(self, key: str, count: int) -> NDArray[np.int64]:
        return np.array([int(cell) for cell in self.values(key, count, _INTEGER)], np.int64)

    def numbers(self, key: str, count: int) -> Float:
        return np.array([float(cell) for cell in self.values(key, count, _NUMBER)], np.float64)


def _header(lines: _Lines, width: int, objective: str, monotone: Sequence[int]) -> str:
    """Check all that precedes the trees; return their sizes as written."""
    written, scores, _ = OBJECTIVES[objective]
    lines.expect("tree", "version=v4", f"num_class={scores}", f"num_tree_per_iteration={scores}", "label_index=0")
    lines.expect(f"max_feature_idx={width - 1}")
    lines.expect(f"objective={written}")
    lines.expect(f"feature_names={' '.join(f'Column_{i}' for i in range(width))}")
    if monotone:
        lines.expect(f"monotone_constraints={' '.join(map(str, monotone))}")
    lines.require(lines.value("feature_infos").count(" ") == width - 1, f"{width} values of feature_infos")
    sizes = lines.value("tree_sizes")
    lines.expect("")
    return sizes


def _tree(lines: _Lines, width: int) -> tuple[NDArray[np.void], Float]:
    """One tree after its first line: its nodes, parents before their children, and the values of its leaves."""
    leaves = int(lines.integers("num_leaves", 1)[0])
    lines.require(1 <= leaves <= MAX_LEAVES, f"1 to {MAX_LEAVES} leaves")
    lines.expect("num_cat=0")
    if leaves > 1:
        nodes = _nodes(lines, width, leaves)
    else:
        nodes = _NO_NODES
        lines.expect("split_feature=", "split_gain=", "threshold=", "decision_type=", "left_child=", "right_child=")
    values = lines.numbers("leaf_value", leaves)
    lines.require(bool(np.isfinite(values).all()), "finite leaves")
    for key in ("leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count"):
        lines.value(key)
    lines.expect("is_linear=0")
    lines.value("shrinkage")
    lines.expect("", "")
    return nodes, values


def _nodes(lines: _Lines, width: int, leaves: int) -> NDArray[np.void]:
    count = leaves - 1
    nodes = np.empty(count, NODE)
    feature = lines.integers("split_feature", count)
    lines.require(bool(((feature >= 0) & (feature < width)).all()), f"features from 0 to {width - 1}")
    lines.value("split_gain")
    nodes["feature"], nodes["threshold"] = feature, lines.numbers("threshold", count)
    kind = lines.integers("decision_type", count)
    lines.require(bool(np.isin(kind, _KINDS).all()), f"decision_type one of {_KINDS}")
    nodes["kind"] = kind
    for side in ("left", "right"):
        child = lines.integers(f"{side}_child", count)
        inside = (child >= -leaves) & (child < count) & ((child < 0) | (child > np.arange(count)))
        lines.require(bool(inside.all()), "children that come after their parent")
        nodes[side] = child
    # With the root, which is nobody's child, each node and leaf once: so it is one tree, and each walk ends.
    children = np.sort(np.concatenate([nodes["left"], nodes["right"]]))
    once = np.concatenate([np.arange(-leaves, 0), np.arange(1, count)])
    lines.require(np.array_equal(children, once), "each node the child of one parent")
    return nodes
