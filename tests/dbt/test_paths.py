"""What people read of the paths: nothing is lost or doubled on the way from the credit and the costs. World: crm_world.py."""

from __future__ import annotations

from itertools import groupby

import pytest

from tests.support import crm_world
from tests.support.house import House

MARTS = ("fct_conversion_paths", "fct_assisted_conversions", "fct_model_comparison")


@pytest.fixture(scope="module")
def paths(dbt_project, tmp_path_factory) -> House:
    """The portal with an ad platform whose campaigns nobody came from."""
    house = House(tmp_path_factory.mktemp("paths") / "home", dbt_project)
    house.rules(crm_world.RULES)
    for stream_id, rows in crm_world.world().items():
        house.put(stream_id, rows)
    house.put(
        "files/ad_cost",
        [
            {"date": "2026-03-05", "platform": "LinkedIn", "campaign_name": "Nobody came", "clicks": 10, "cost": 120, "currency_code": "EUR"},
            {"date": "2026-03-06", "platform": "LinkedIn", "campaign_name": "No rate", "clicks": 10, "cost": 10, "currency_code": "GBP"},
        ],
    )  # fmt: skip
    house.build(*(f"+{mart}" for mart in MARTS), "+dim_campaign", "+dim_channel")
    house.build(*MARTS, command="test")
    return house


def test_every_conversion_has_one_path(paths) -> None:
    counted = "select conversion_type, count(*) from {} group by 1 order by 1"
    conversions = "(select * from intermediate.int_conversions where entry = 'conversion')"
    assert paths.rows(counted.format("marts.fct_conversion_paths")) == paths.rows(counted.format(conversions))


def test_the_path_is_the_channels_of_its_touches(paths) -> None:
    touches: dict[str, list[str]] = {}
    for key, channel in paths.rows(
        "select conversion_key, channel from intermediate.int_conversion_touches order by conversion_key, touch_order"
    ):
        touches.setdefault(key, []).append(channel)
    assert any(len(path) > 1 for path in touches.values())
    for kind, conversion, path, full, count, distinct, first, last in paths.rows(
        "select conversion_type, conversion_id, path, full_path, touches, distinct_channels, first_channel, last_channel "
        "from marts.fct_conversion_paths"
    ):
        channels = touches.get(f"{kind}:{conversion}", ["(unattributed)"])
        assert full == " > ".join(channels)
        assert path == " > ".join(channel for channel, _ in groupby(channels))
        assert (first, last) == (channels[0], channels[-1])
        known = [channel for channel in channels if channel != "(unattributed)"]
        assert (count, distinct) == (len(known), len(set(known)))


def test_last_and_first_conversions_are_the_credit_of_these_models(paths) -> None:
    for role in ("last", "first"):
        assert paths.rows(
            f"select conversion_type, month_start, channel, {role}_conversions from marts.fct_assisted_conversions "
            f"where {role}_conversions > 0 order by all"
        ) == paths.rows(
            "select conversion_type, cast(date_trunc('month', conversion_date) as date), channel, cast(sum(credit) as bigint) "
            f"from marts.fct_attribution where model = '{role}' and entry = 'conversion' group by all having sum(credit) > 0 order by all"
        )


def test_the_comparison_hands_on_all_credit_and_all_spend(paths) -> None:
    models = [model for (model,) in paths.rows("select distinct model from marts.fct_attribution order by 1")]
    assert len(models) > 5
    for model in models:
        assert paths.rows(
            f"select conversion_type, sum(credit_{model}) from marts.fct_model_comparison group by 1 having sum(credit_{model}) > 0 order by 1"
        ) == paths.rows(
            f"select conversion_type, sum(credit) from marts.fct_attribution where model = '{model}' group by 1 order by 1"
        )
    # every conversion type alone shows all the spend, with nobody's campaign among it
    assert paths.rows(
        "select distinct spend from (select sum(spend) as spend from marts.fct_model_comparison group by conversion_type)"
    ) == [(120,)]


def test_spend_without_credit_stays_and_spend_without_a_rate_is_unknown(paths) -> None:
    rows = paths.rows(
        "select campaign_key, channel, credit_last, revenue_last, spend, is_rate_missing from marts.fct_model_comparison "
        "where conversion_type = 'order' and campaign_key like 'linkedin%' order by 1"
    )
    assert rows == [
        ("linkedin_ads:no rate", "Paid Social", 0, 0, None, True),
        ("linkedin_ads:nobody came", "Paid Social", 0, 0, 120, False),
    ]
