"""Runs of Dagster's jobs from outside Dagster: the instance, its history, what a failed run says, verifying a home."""
