"""Telephone numbers of people: set aside for fiction, typed in several ways, some of them a company's switchboard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dagster_project.sandbox.company.people import Person
from dagster_project.sandbox.company.visits import COUNTRIES

# Numbers set aside for fiction by the regulators of Germany, Great Britain and the US, as people type them: area, line.
PHONES = {
    "DE": ("+49 {} {:03d}", "0{}-{:03d}", "0049 {}{:03d}"),
    "GB": ("+44 {}{:03d}", "0{} {:03d}"),
    "US": ("+1 {}-555-0{:03d}", "({}) 555-0{:03d}"),
}
AREAS = {
    "DE": ("30 23125", "69 90009", "40 66969", "221 4710", "89 99998"),
    "GB": ("7700 900", "20 7946 0", "161 496 0", "131 496 0"),
    "US": ("202", "212", "303", "312", "404", "415", "503", "512", "617", "702", "713", "808", "917"),
}
FIRST_LINE = {"US": 100}  # 555-0100 to 555-0199
# One colleague in three gives the company's switchboard for a number, where another contact has given it before.
SWITCHBOARD_EVERY = 3


def numbers(people: Sequence[Person], have_one: Sequence[bool]) -> list[tuple[str, int] | None]:
    """Area and line of each person's telephone: their own, but for those who share a company's switchboard."""
    given: dict[str, int] = defaultdict(int)
    of_company: dict[int, tuple[str, int]] = {}
    colleagues = 0
    numbers: list[tuple[str, int] | None] = []
    for person, has_one in zip(people, have_one, strict=True):
        country = COUNTRIES[person.country]
        number = numbers[person.original.number] if person.original else None
        if number is None and has_one and country in PHONES:
            switchboard = of_company.get(person.company) if person.company >= 0 else None
            colleagues += switchboard is not None
            if switchboard and colleagues % SWITCHBOARD_EVERY == 0:
                number = switchboard
            else:
                number, given[country] = _line(country, given[country]), given[country] + 1
        if number and person.company >= 0:
            of_company.setdefault(person.company, number)
        numbers.append(number if has_one else None)
    return numbers


def _line(country: str, count: int) -> tuple[str, int]:
    areas, first = AREAS[country], FIRST_LINE.get(country, 0)
    lines = 100 if first else 1000
    return areas[
        count // lines % len(areas)
    ], first + count * 37 % lines  # 37: neighbours in the list are none on the phone


def as_typed(country: str, number: tuple[str, int] | None, u: float) -> str | None:
    shapes = PHONES.get(country)
    return shapes[int(u * 1000) % len(shapes)].format(*number) if shapes and number else None
