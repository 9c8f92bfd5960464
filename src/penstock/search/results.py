"""Results of trainings, in a table beside Optuna's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Column, Engine, Float, Integer, MetaData, String, Table, text

from penstock.tracking.training_result import TrainingResult

TABLES = MetaData()
Table(
    "penstock_results",
    TABLES,
    Column("training", String(64), primary_key=True),
    Column("score", Float),
    Column("loss", Float),
    Column("epoch", Integer),
    Column("epochs", Integer),
    Column("seconds", Float),
    Column("reason", String(1000)),
)


@dataclass(frozen=True)
class Results:
    """Results of all trainings of one database, whichever study they were for, by the key of their provenance."""

    engine: Engine

    def put(self, key: str, result: TrainingResult) -> None:
        """Store the result of a training. The first one stays."""
        statement = (
            "INSERT INTO penstock_results (training, score, loss, epoch, epochs, seconds, reason) "
            "VALUES (:training, :score, :loss, :epoch, :epochs, :seconds, :reason) ON CONFLICT (training) DO NOTHING"
        )
        values: dict[str, Any] = {"training": key, **asdict(result)}
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def get(self, key: str) -> TrainingResult | None:
        """Return the result of a training; None if it has none yet."""
        statement = (
            "SELECT score, loss, epoch, epochs, seconds, reason FROM penstock_results WHERE training = :training"
        )
        with self.engine.begin() as connection:
            row = connection.execute(text(statement), {"training": key}).one_or_none()
        return TrainingResult(*row) if row is not None else None
