"""The names of the columns that a fit adds to the predictions."""

PROBABILITIES = ("p_down", "p_flat", "p_up")  # of a direction


def name_seed_column(seed: int) -> str:
    """Name the column of `y_hat` from a fit with another seed."""
    return f"y_hat_seed_{seed}"


def name_seed_up_column(seed: int) -> str:
    """Name the column of P(up | the mid moves) from a fit with another seed."""
    return f"up_seed_{seed}"
