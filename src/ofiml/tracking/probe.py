"""Ask a store whether it can be read and written, once and within seconds. MLflow itself asks for minutes."""

from ofiml.database import CONNECT_SECONDS, find_file, probe_file
from ofiml.tracking.faults import translate_faults


def is_database(uri: str) -> bool:
    """Return whether a store is a database, of a file or a server, which MLflow opens by SQLAlchemy."""
    return "://" in uri and not uri.startswith(("http:", "https:", "file:"))


def probe_store(uri: str) -> None:
    """Raise StoreError for a database that cannot be opened or written. A server is asked by MLflow itself."""
    path = find_file(uri)
    if path is not None:
        with translate_faults(uri):
            probe_file(path)
    elif is_database(uri):
        with translate_faults(uri):
            _probe_database(uri)


def _probe_database(uri: str) -> None:
    import sqlalchemy

    waits = uri.startswith(("postgresql", "mysql"))
    arguments = {"connect_timeout": CONNECT_SECONDS} if waits else {}
    engine = sqlalchemy.create_engine(uri, connect_args=arguments)
    try:
        engine.connect().close()
    finally:
        engine.dispose()
