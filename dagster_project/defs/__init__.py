"""Dagster wiring: assets, checks, jobs, schedules. No business logic; each step calls one function of the layer below."""
