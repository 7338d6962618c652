"""The two ways in which a run ends without a verdict: a wrong config, or wrong data."""


class ConfigError(ValueError):
    """The config cannot describe a study; raised before any work. One sentence that names the remedy."""


class DataError(ValueError):
    """The data cannot be used; names file, row, column and value where they exist, and the remedy."""
