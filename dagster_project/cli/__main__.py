"""`python -m dagster_project.cli`: the command line where its script is not on the path."""

from dagster_project.cli import main

main()
