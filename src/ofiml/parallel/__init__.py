"""Independent pieces of a study, such as its sessions and folds, run side by side by joblib: in threads, in processes,
or on a cluster of Dask or Ray. Results, errors and warnings do not depend on where.
"""

from ofiml.parallel.limits import limit_blas_threads, load_blas
from ofiml.parallel.pieces import run_pieces
from ofiml.parallel.sharing import SharedRecord, SharedTable, share_record, share_table
from ofiml.parallel.shield import shield_processes
from ofiml.parallel.workers import Workers, count_cores, open_workers

__all__ = [
    "SharedRecord",
    "SharedTable",
    "Workers",
    "count_cores",
    "limit_blas_threads",
    "load_blas",
    "open_workers",
    "run_pieces",
    "share_record",
    "share_table",
    "shield_processes",
]
