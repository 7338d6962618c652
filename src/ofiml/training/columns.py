"""Names of the columns that a fit with another seed adds to the predictions."""


def column(seed: int) -> str:
    """The column of `y_hat` as fitted with another seed."""
    return f"y_hat_seed_{seed}"


def up_column(seed: int) -> str:
    """The column of P(up | the mid moves) of a direction as fitted with another seed."""
    return f"up_seed_{seed}"
