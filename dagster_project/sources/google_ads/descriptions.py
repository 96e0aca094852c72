"""What the columns of Google Ads hold: `column` of any stream, `stream.column` where one stream means something else."""

ABOUT = "Google Ads API, GAQL reports. Cost in micros of the account currency; days in the account time zone."
COLUMNS = {
    "date": "Report day in the account's time zone.",
    "customer_currency_code": "Currency of cost and value.",
    "customer_time_zone": "Time zone of the account.",
    "campaign_id": "Campaign id.",
    "campaign_name": "Campaign name on the day of extraction.",
    "campaign_status": "ENABLED, PAUSED, REMOVED.",
    "campaign_advertising_channel_type": "SEARCH, DISPLAY, SHOPPING, VIDEO, PERFORMANCE_MAX, DEMAND_GEN …",
    "impressions": "Impressions.",
    "clicks": "Clicks.",
    "cost_micros": "Cost in millionths of the currency.",
    "conversions": "Conversions by click date, as the platform claims.",
    "conversions_value": "Their value, in the account's currency.",
    "account_id": "Google Ads customer id.",
    "ad_group_id": "Ad group id.",
    "clicks.ad_group_id": "Ad group id; null for Performance Max.",
    "ad_group_name": "Ad group name.",
    "ad_id": "Ad id.",
    "clicks.ad_id": "The ad, as the resource name that Google gives.",
    "ad_name": "Ad name.",
    "gclid": "Click id.",
}
