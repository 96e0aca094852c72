{# Shapes of ads, costs and rates. #}
{% macro money_shapes() -%}
    {{ return({
        'ad_days': shape(
            "Grain: date_day, platform, account_id, ad; and one row a campaign where the platform gives totals. What ads did and cost.",
            ['day', 'date_day', 'account_id', 'currency_code', 'vendor_source', 'vendor_medium'] + [
                ['platform', 'string', "Ad platform."],
                ['has_campaign_totals', 'boolean', "The platform gives campaign totals beside its ads."],
                ['is_campaign_total', 'boolean', "The campaign's total: what its ads do not explain of it is kept as (unallocated)."],
                ['campaign_id', 'string', "The platform's id of the campaign."],
                ['campaign_name', 'string', "Its name on that day."],
                ['campaign_type', 'string', "Kind of campaign, in the platform's words."],
                ['ad_group_id', 'string', "The platform's id of the ad group."],
                ['ad_group_name', 'string', "Name of the ad group."],
                ['ad_id', 'string', "The platform's id of the ad."],
                ['ad_name', 'string', "Name of the ad."],
                ['final_url', 'string', "Where a click leads, with its tags as the platform serves them; null where that is unknown."],
                ['channel', 'string', "Channel that the company gives to the ad itself; null where our rules decide."],
                ['impressions', 'bigint', "How often it was shown."],
                ['clicks', 'bigint', "How often it was clicked."],
                ['video_views', 'bigint', "How often its video was viewed, by the platform's own rule; null where that is unknown."],
                ['cost_native', 'decimal(24, 6)', "What it cost, in currency_code."],
                ['platform_conversions', 'decimal(24, 6)', "Conversions that the platform claims."],
                ['platform_conversions_value_native', 'decimal(24, 6)', "What it says they are worth, in currency_code."],
            ],
        ),
        'ad_conversions': shape(
            "Grain: date_day, platform, account_id, ad, conversion_type. Conversions that the platform claims, by its own types, which overlap.",
            ['day', 'date_day', 'account_id', 'currency_code'] + [
                ['platform', 'string', "Ad platform."],
                ['campaign_id', 'string', "The platform's id of the campaign."],
                ['ad_group_id', 'string', "The platform's id of the ad group; null where it does not say."],
                ['ad_id', 'string', "The platform's id of the ad; null where it does not say."],
                ['conversion_type', 'string', "Type of conversion, in the platform's words."],
                ['conversions', 'decimal(24, 6)', "Conversions of this type that the platform claims."],
                ['value_native', 'decimal(24, 6)', "What it says they are worth, in currency_code; null where it does not say."],
            ],
        ),
        'ad_clicks': shape(
            "Grain: date_day, click. Single clicks with the campaign that was clicked.",
            ['day', 'date_day', 'account_id'] + [
                ['click_id_name', 'string', "Which click id it is, as in seed click_ids."],
                ['click_id', 'string', "Its value."],
                ['campaign_id', 'string', "The campaign that was clicked."],
                ['ad_group_id', 'string', "The ad group that was clicked."],
                ['ad_id', 'string', "The ad that was clicked."],
            ],
        ),
        'cost_lines': shape(
            "Grain: account_id, line_id, copy_number. Costs that no ad platform reports, for a span of days each.",
            ['account_id', 'currency_code'] + [
                ['line_id', 'string', "Id of the line."],
                ['copy_number', 'bigint', "Number among rows of one key."],
                ['start_date', 'date', "First day of the span."],
                ['end_date', 'date', "Last day of the span."],
                ['cost_type', 'string', "What was paid for: media, labour, technology and so on."],
                ['motion', 'string', "Whether it serves inbound or outbound work; null where the line does not say."],
                ['channel', 'string', "Channel that the cost serves; null if not one."],
                ['campaign', 'string', "Campaign that the cost serves, as it is called; null where it is not one."],
                ['amount_native', 'decimal(24, 6)', "Amount of the whole span, in currency_code."],
                ['acquisition_share', 'double', "Share of it that wins new customers, from 0 to 1."],
            ],
        ),
        'rates': shape(
            "Grain: provider, base_currency, currency_code, date_day. Exchange rates as quoted.",
            ['date_day'] + [
                ['provider', 'string', "Who quotes it, as funnelhouse.yml names them."],
                ['base_currency', 'string', "What one unit of is quoted."],
                ['currency_code', 'string', "What it is quoted in."],
                ['rate', 'double', "Units of currency_code for one of base_currency."],
            ],
        ),
        'targets': shape(
            "Grain: kpi_id, grain, period_start, dimension, member. Targets of KPIs beside those of funnelhouse.yml.",
            [
                ['kpi_id', 'string', "The KPI."],
                ['grain', 'string', "Length of the target's period."],
                ['period_start', 'date', "First day of the target's period."],
                ['dimension', 'string', "Cut of the target; total for the whole."],
                ['member', 'string', "Member of the cut; all for the whole."],
                ['target', 'double', "What shall be reached, rates as fractions."],
            ],
        ),
    }) }}
{%- endmacro %}
