"""How a database is connected to, and where in it the tables lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ofiml.database import CONNECT_SECONDS, PATIENCE_SECONDS
from ofiml.errors import ConfigError
from ofiml.storage import strip_credentials

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

#: The schema of the tables in PostgreSQL. MLflow and Optuna both note the version of their tables in a table
#: `alembic_version`, and neither opens a schema where the other has done so.
SCHEMA = "ofiml_tuning"

#: After how many seconds either side of a connection takes the other for dead. The server then releases the locks of a
#: machine that lost its power.
_KEEPALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}


def read_url(address: str) -> "URL":
    """Read an address. Without a driver, that of PostgreSQL is psycopg. Raises ConfigError for a text that is none."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            f"tuning.storage={strip_credentials(address)} is not the address of a database: write "
            "postgresql://HOST:PORT/DATABASE, with the signs / : @ # % of a password as %2F %3A %40 %23 %25."
        ) from error
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def build_engine_arguments(url: "URL") -> dict[str, Any]:
    """Build SQLAlchemy's arguments of a connection to `url`."""
    kind = url.get_backend_name()
    if kind == "sqlite":
        return {"connect_args": {"timeout": PATIENCE_SECONDS}}
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
    if kind == "postgresql":
        settings = {"search_path": SCHEMA} | {f"tcp_{name}": value for name, value in _KEEPALIVE.items()}
        own = url.query.get("options", "")
        options = [own if isinstance(own, str) else " ".join(own)]
        options += [f"-c {name}={value}" for name, value in settings.items()]
        arguments |= _KEEPALIVE | {"application_name": "ofiml", "options": " ".join(options).strip()}
    # A connection that a server or a firewall has closed is opened again.
    return {"connect_args": arguments, "pool_pre_ping": True}


@contextmanager
def open_engine(url: "URL") -> "Iterator[Engine]":
    """Open an engine of SQLAlchemy, and close its connections."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, **build_engine_arguments(url))
    try:
        yield engine
    finally:
        engine.dispose()


def create_schema(url: "URL") -> None:
    """Create the schema of the tables in PostgreSQL, unless it is there: only then a right to create it is needed."""
    if url.get_backend_name() != "postgresql":
        return
    import sqlalchemy

    find = sqlalchemy.text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")
    with open_engine(url) as engine, engine.begin() as connection:
        if connection.scalar(find, {"name": SCHEMA}):
            return
        connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": SCHEMA})
        if not connection.scalar(find, {"name": SCHEMA}):
            connection.execute(sqlalchemy.text(f"CREATE SCHEMA {SCHEMA}"))
