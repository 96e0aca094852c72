"""What the columns of X Ads hold: `column` of any stream."""

ABOUT = "X Ads: figures and web conversions by ad and day. Money in millionths; days are the account's."
COLUMNS = {
    "date": "Report day in the account's time zone.",
    "currency_code": "Currency that the campaign is paid in.",
    "campaign_id": "Campaign id.",
    "campaign_name": "Campaign name on the day of extraction.",
    "objective": "WEBSITE_CLICKS, VIDEO_VIEWS, ENGAGEMENTS and so on.",
    "line_item_id": "Ad group id.",
    "line_item_name": "Ad group name.",
    "promoted_tweet_id": "Ad id.",
    "tweet_name": "Name of the post; null where it has none.",
    "placement": "ALL_ON_TWITTER, SPOTLIGHT, TREND; PUBLISHER_NETWORK in old days.",
    "address": "Where the ad leads: the website of its card, else the first address in its text.",
    "impressions": "Impressions.",
    "clicks": "Clicks of any kind, on a name or a like, too.",
    "url_clicks": "Clicks on links.",
    "billed_charge_local_micro": "Cost in millionths of the currency.",
    "video_total_views": "Views of its video of two seconds, or a click to watch it.",
    "ad_performance.conversions": "Conversions of the types that sources.x_ads.conversions named when it was read.",
    "conversions_local_micro": "What X says they are worth, in millionths.",
    "conversion_type": "purchases, sign_ups, site_visits, downloads, custom and so on.",
    "ad_conversions.conversions": "Conversions of this type.",
    "sale_amount_local_micro": "What X says they are worth, in millionths; 0 where it does not say.",
    "account_id": "Ads account id.",
}
