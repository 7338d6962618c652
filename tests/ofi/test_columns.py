"""Names of flow columns are written and read by one grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofiml.ofi.columns import PRICE_SIGN, FlowColumn, ReducedColumn, find_price_sign

PARTS = st.sampled_from(sorted(PRICE_SIGN))
WINDOWS = st.none() | st.sampled_from(["1s", "30s", "1.5m", "250ms", "2h"])


@given(part=PARTS, level=st.integers(0, 120), window=WINDOWS)
def test_a_flow_column_reads_what_it_writes(part, level, window):
    column = FlowColumn(part, level, window)
    assert FlowColumn.parse(column.name) == column
    assert ReducedColumn.parse(column.name) is None


@given(
    reduction=st.sampled_from(["mlofi_sum", "mlofi_weighted", "mlofi_decay", "mlofi_ridge", "mlofi_powell", "ofi_pca"]),
    part=PARTS,
    window=WINDOWS,
)
def test_a_reduced_column_reads_what_it_writes(reduction, part, window):
    column = ReducedColumn(reduction, part, window)
    assert ReducedColumn.parse(column.name) == column
    assert FlowColumn.parse(column.name) is None
    assert find_price_sign(column.name) == (1 if reduction == "mlofi_ridge" else PRICE_SIGN[part])


@pytest.mark.parametrize(
    "name", ["ofi_5s", "ofi_deep", "ofi_to_depth", "bid_px_00", "ask_sz_01", "depth_30s", "cross_SYN2", "ofi_0", ""]
)
def test_other_columns_are_not_flow(name):
    assert FlowColumn.parse(name) is None
    assert ReducedColumn.parse(name) is None
