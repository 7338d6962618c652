"""The name of a sweep's run: what varies among its members."""

import pytest

from ofiml.sweeps.manifest import Member
from ofiml.sweeps.names import name_sweep


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (["model=ols seed=1", "model=ridge seed=1"], "model=ols,ridge"),
        (
            ["model=ols seed=1", "model=ols seed=2", "model=ridge seed=1", "model=ridge seed=2"],
            "model=ols,ridge·seed=1,2",
        ),
        (["dataset.seed=1 seed=3", "dataset.seed=2 seed=4"], "dataset.seed=1,2·seed=3,4"),
        ([f"model.params.learning_rate={k}" for k in range(50)], "learning_rate=50 values"),
        (["+model.a=1", "+model.a=2"], "a=1,2"),
        (["seed=1"], "sweep of 1"),
    ],
)
def test_a_sweep_is_named_by_what_varies(members: list[str], name: str) -> None:
    assert name_sweep([Member(k, line.split(), "") for k, line in enumerate(members)]) == name
