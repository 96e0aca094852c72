{# Shapes of visits: what counters report, and single sessions. #}
{% macro web_shapes() -%}
    {% set origin = ['vendor_source', 'vendor_medium', 'vendor_campaign', 'vendor_campaign_id'] -%}
    {{ return({
        'web_days': shape(
            "Grain: as reported. Additive measures of visits by day and cut, from a counter that reports sums.",
            ['day', 'date_day', 'account_id'] + origin + ['term', 'content', 'landing_page', 'device', 'country'] + [
                ['sessions', 'bigint', "Visits."],
                ['engaged_sessions', 'bigint', "Visits that the counter calls engaged."],
                ['new_visitors', 'bigint', "Visits of somebody who was not seen before."],
                ['key_events', 'bigint', "Events that the company counts as goals."],
                ['page_views', 'bigint', "Pages seen."],
                ['engagement_seconds', 'decimal(18, 3)', "Seconds in which somebody looked."],
                ['sessions_with_key_event', 'bigint', "Visits with a goal."],
            ],
        ),
        'key_events': shape(
            "Grain: as reported, or session and goal. Events that the company counts as goals.",
            ['day', 'account_id'] + origin + ['landing_page', 'device', 'country'] + [
                ['raw_day', 'date', "Day under which the source files the event."],
                ['session_id', 'string', "Visit of the event; null in a report of sums."],
                ['has_own_origin', 'boolean', "The row says itself where the visit came from; else its visit does."],
                ['is_dated', 'boolean', "raw_day is the day of the event; else the day of its visit is."],
                ['is_goal_named', 'boolean', "The source says which goal it was."],
                ['goal', 'string', "Which goal; '(not set)' where the source only counts."],
                ['key_events', 'bigint', "How often."],
                ['sessions', 'bigint', "Visits with the event, of a report of sums."],
                ['visitors', 'bigint', "Visitors with the event, of a report of sums; not to be added."],
            ],
        ),
        'visitors': shape(
            "Grain: account_id, grain, period_start, dimension, vendor_member. Unique visitors, asked for each period and cut.",
            ['day', 'account_id'] + [
                ['stream', 'string', "Stream of the raw zone that the row comes from."],
                ['grain', 'string', "Length of the period, day to year."],
                ['period_start', 'date', "The period's first day."],
                ['dimension', 'string', "Cut; total for the whole."],
                ['vendor_member', 'string', "Member of the cut in the source's words."],
                ['visitors', 'bigint', "Unique visitors; not to be added."],
                ['active_visitors', 'bigint', "Those with an engaged visit."],
            ],
        ),
        'web_campaigns': shape(
            "Grain: as reported. How visits were tagged, with the channel that the counter itself gives them.",
            ['day', 'date_day', 'account_id'] + origin + [
                ['vendor_channel', 'string', "Channel by the counter's own rules."],
                ['sessions', 'bigint', "Visits so tagged."],
            ],
        ),
        'sessions': shape(
            "Grain: account_id, session_id. Single visits, or rows of a file that stand for several.",
            ['account_id'] + origin + ['term', 'content', 'landing_page', 'device', 'country'] + [
                ['raw_day', 'date', "Day of the raw zone that the visit began in."],
                ['session_id', 'string', "Id of the visit, unique within the account."],
                ['client_id', 'string', "Browser; null where nobody knows it."],
                ['started_at', 'moment', "When the visit began."],
                ['click_id', 'string', "Name of the click id that decides where the visit came from; null where the source has decided."],
            ] + click_id_shape_columns(landing_click_ids()) + [
                ['tag_problems', 'string', "What is wrong with the tags in the first address."],
                ['is_engaged', 'boolean', "The visit was engaged."],
                ['is_new_visitor', 'boolean', "First visit of this browser; null where nobody knows."],
                ['key_events', 'bigint', "Goals reached in it."],
                ['page_views', 'bigint', "Pages seen in it."],
                ['engagement_seconds', 'decimal(18, 3)', "Seconds looked at it."],
                ['session_count', 'bigint', "How many visits the row stands for."],
                ['engaged_sessions', 'bigint', "Of several, how many were engaged; null for one."],
                ['new_visitors', 'bigint', "Of several, how many were first ones; null for one."],
                ['sessions_with_key_event', 'bigint', "Of several, how many had a goal; null for one."],
                ['origin_key', 'string', "Key of the columns that say where the visit came from (macro origin_key)."],
            ],
        ),
        'placeholders': shape(
            "Grain: as collected. Ids of visits that are none: what a tag left unfilled. Those visits are of no known browser.",
            ['account_id'] + [
                ['placeholder_ids', 'string', "Which, such as client_id=undefined; null where the id is merely missing."],
                ['seen_at', 'moment', "When it was seen."],
            ],
        ),
        'logins': shape(
            "Grain: as collected. Who was logged in, or bought, in which visit.",
            ['account_id'] + [
                ['session_id', 'string', "The visit; the browser where it has none."],
                ['client_id', 'string', "The browser."],
                ['user_id_hash', 'string', "Keyed hash of the company's user id; null where nobody was logged in."],
                ['order_id', 'string', "The shop's order number; null where nothing was bought."],
                ['event_at', 'moment', "When it was seen."],
            ],
        ),
    }) }}
{%- endmacro %}
