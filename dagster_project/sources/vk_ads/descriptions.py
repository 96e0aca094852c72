"""What the columns of VK Ads hold: `column` of any stream."""

ABOUT = "VK Ads: figures and goals by ad and day. Money in the account's currency."
COLUMNS = {
    "date": "Report day.",
    "currency_code": "Currency of the account.",
    "ad_plan_id": "Campaign id.",
    "ad_plan_name": "Campaign name on the day of extraction.",
    "objective": "What the campaign is for: site_conversions, leadads and so on.",
    "ad_group_id": "Ad group id.",
    "ad_group_name": "Ad group name.",
    "banner_id": "Ad id.",
    "banner_name": "Ad name.",
    "address": "Where the ad leads, with the tags of its group; macros of the click still in it.",
    "shows": "Impressions.",
    "clicks": "Clicks.",
    "spent": "Cost in the account's currency.",
    "video_started": "How often its video began to play.",
    "goals": "Goals that were reached, as VK counts them.",
    "ad_performance.value": "What the account says they are worth.",
    "conversion_type": "postclick or postview.",
    "source": "topmail for goals of the counter, mobile for those of apps.",
    "goal": "Name of the goal.",
    "counter_id": "Number of the counter; 0 for an app's.",
    "conversions": "How often the goal was reached.",
    "ad_conversions.value": "What the account says they are worth; 0 where it does not say.",
    "attribution": "impression or conversion: whose day a conversion counts on.",
    "account_id": "Number of the account; of an agency's client its name.",
}
