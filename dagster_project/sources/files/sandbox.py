"""The newsletter tool: drops the clicks in its mails into a folder, a CSV file a month, as of the sandbox's clock."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dagster_project.sandbox.company import TIME_ZONE, Company
from dagster_project.sandbox.endpoints import Served

COLUMNS = ("Mailing", "Recipient", "Clicked at", "Link", "Status")
FAULTY_MONTH = "2025-09"  # its file has its second line twice, and a test click without a recipient at its end


def variables(served: Served) -> dict[str, str]:
    return {"KONTORRA_NEWSLETTER": served.at}  # the mapping in the demo's rules reads this folder


def drop(company: Company, folder: Path, now: datetime) -> None:
    """Make `folder` hold what the tool has exported by `now`: clicks_2025-07.csv and so on, in Berlin's time."""
    zone = ZoneInfo(TIME_ZONE)
    months: dict[str, list[list[str]]] = {f"{now.astimezone(zone):%Y-%m}": []}  # the running month's is always there
    for click in company.mail_clicks_as_of(now).to_pylist():
        at = click["clicked_at_utc"].astimezone(zone)
        line = [click["mailing"], click["recipient"], f"{at:%d.%m.%Y %H:%M:%S}", click["link"], click["status"]]
        months.setdefault(f"{at:%Y-%m}", []).append(line)
    if faulty := months.get(FAULTY_MONTH):
        faulty.insert(1, faulty[0])
        faulty.append([faulty[-1][0], "", faulty[-1][2], faulty[-1][3], "test"])
    for old in folder.glob("clicks_*.csv"):
        if old.stem.removeprefix("clicks_") not in months:
            old.unlink()
    for month, lines in months.items():
        with (folder / f"clicks_{month}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(COLUMNS)
            writer.writerows(lines)
