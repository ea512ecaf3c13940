"""What a month costs, by the prices of prices.toml."""

import tomllib
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

from sparkify_aws.settings import Settings

PRICED_REGION = "US East, N. Virginia"
_DAYS = 365 / 12
_HOURS = _DAYS * 24


@dataclass(frozen=True)
class Price:
    """US dollars for a unit, where and of when the figure is, and whether it was read there."""

    price: float
    unit: str
    as_of: str
    source: str
    is_read: bool

    @property
    def origin(self) -> str:
        reading = "read in" if self.is_read else "not read at its source,"
        return f"list price of {self.as_of}, {reading} {self.source}"


@dataclass(frozen=True)
class Item:
    """`units` in a month, as `why` says, at a price."""

    why: str
    units: float
    price: Price

    @property
    def dollars(self) -> float:
        return self.units * self.price.price


def _file() -> dict[str, Any]:
    return tomllib.loads(files("sparkify_aws").joinpath("prices.toml").read_text(encoding="utf-8"))


def written() -> date:
    """The day on which the prices were written down."""
    day: date = _file()["written"]
    return day


def prices() -> dict[str, Price]:
    return {name: Price(**each) for name, each in _file().items() if isinstance(each, dict)}


def estimate(settings: Settings) -> list[Item]:
    """What a month costs; what the EKS cluster, its nodes and Airflow's database cost is not in it."""
    known = prices()
    if settings.warehouse == "serverless":
        hours = settings.base_rpus * settings.busy_minutes / 60 * _DAYS
        most = settings.daily_rpu_hours * _DAYS
        why = f"{settings.base_rpus} RPUs for {settings.busy_minutes:g} minutes a day"
        # The limit stops it there, whatever is asked of it.
        compute = Item(why, min(hours, most), known["rpu_hour"])
    else:
        price = known[f"{settings.node_type.replace('.', '_')}_hour"]
        compute = Item(f"{settings.nodes} {settings.node_type}, all day", settings.nodes * _HOURS, price)
    return [
        compute,
        Item(f"{settings.stored_gb:g} GB in the warehouse", settings.stored_gb, known["warehouse_gb_month"]),
        Item(f"{settings.stored_gb:g} GB in S3", settings.stored_gb, known["s3_gb_month"]),
        Item("the owner's password", 1, known["secret_month"]),
    ]


def most(settings: Settings) -> float | None:
    """What computing can cost at most in a month; None: no limit is needed, a node costs what it costs."""
    if settings.warehouse != "serverless":
        return None
    return settings.daily_rpu_hours * _DAYS * prices()["rpu_hour"].price
