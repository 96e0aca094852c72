from tests.dbt.conftest import dbt_project  # noqa: F401  the parsed dbt project of the session
