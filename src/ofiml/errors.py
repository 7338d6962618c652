"""The ways in which a run ends without a verdict: a wrong config, wrong data, or a study that knows the future."""


class ConfigError(ValueError):
    """The config cannot describe a study; raised before any work. One sentence that names the remedy."""


class DataError(ValueError):
    """The data cannot be used; names file, row, column and value where they exist, and the remedy."""


class LeakError(DataError):
    """The study knows the future, or trains on what it tests: its numbers are no result. Says where."""
