{# A paid medium by GA4's rules. Lower-case value expected. #}
{% macro is_paid_medium(medium) -%}
    {{ full_match("coalesce(" ~ medium ~ ", '')", "'.*cp.*|ppc|retargeting|paid.*'") }}
{%- endmacro %}

{% macro is_display_medium(medium) -%}
    coalesce({{ medium }}, '') in ('display', 'banner', 'expandable', 'interstitial', 'cpm')
{%- endmacro %}

{# A medium that says that the visit was paid for, in one way or the other. Never null. #}
{% macro is_paid_or_display_medium(medium) -%}
    ({{ is_paid_medium(medium) }} or {{ is_display_medium(medium) }})
{%- endmacro %}

{#
  GA4's default channel group: Google's 18 rules and AI Assistant, first match wins. Values are compared in lower
  case, patterns match whole values. Source: support.google.com/analytics/answer/9756891.

  `category` is the source's category in Google's list: search, shopping, social, video or null.
  '(not set)' differs from null: null source and null medium mean that nothing was collected, which is Direct.
#}
{% macro classify_channel(source, medium, campaign, category) -%}
    {%- set source_text = "lower(coalesce(" ~ source ~ ", ''))" -%}
    {%- set medium_text = "lower(coalesce(" ~ medium ~ ", ''))" -%}
    {%- set campaign_text = "lower(coalesce(" ~ campaign ~ ", ''))" -%}
    {%- set is_paid = is_paid_medium(medium_text) -%}
    {%- set is_shop = full_match(campaign_text, "'.*(([^a-df-z]|^)shop|shopping).*'") -%}
    case
        -- 1 Direct: source is (direct) and medium is (none) or (not set)
        when {{ source }} is null and {{ medium }} is null then 'Direct'
        when {{ source_text }} = '(direct)' and {{ medium_text }} in ('(none)', '(not set)', '') then 'Direct'
        -- 2 Cross-network: campaign name contains cross-network
        when {{ campaign_text }} like '%cross-network%' then 'Cross-network'
        -- 3 to 6 Paid: the site's category (or a shopping campaign) and a paid medium
        when ({{ category }} = 'shopping' or {{ is_shop }}) and {{ is_paid }} then 'Paid Shopping'
        when {{ category }} = 'search' and {{ is_paid }} then 'Paid Search'
        when {{ category }} = 'social' and {{ is_paid }} then 'Paid Social'
        when {{ category }} = 'video' and {{ is_paid }} then 'Paid Video'
        -- 7 Display: medium is one of these words; cpm from a search, social or video site was Paid above
        when {{ is_display_medium(medium_text) }} then 'Display'
        -- 8 Paid Other: any other paid medium
        when {{ is_paid }} then 'Paid Other'
        -- 9 AI Assistant (13 May 2026): medium is ai-assistant
        when {{ medium_text }} = 'ai-assistant' then 'AI Assistant'
        -- 10 to 13 Organic: the site's category, or a medium that says so; category beats medium
        when {{ category }} = 'shopping' or {{ is_shop }} then 'Organic Shopping'
        when
            {{ category }} = 'social'
            or {{ medium_text }} in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media')
            then 'Organic Social'
        when {{ category }} = 'video' or {{ medium_text }} like '%video%' then 'Organic Video'
        when {{ category }} = 'search' or {{ medium_text }} = 'organic' then 'Organic Search'
        -- 14 Referral: medium is referral, app or link
        when {{ medium_text }} in ('referral', 'app', 'link') then 'Referral'
        -- 15 Email: source or medium is exactly one of four spellings
        when
            {{ source_text }} in ('email', 'e-mail', 'e_mail', 'e mail')
            or {{ medium_text }} in ('email', 'e-mail', 'e_mail', 'e mail')
            then 'Email'
        -- 16 to 18
        when {{ medium_text }} = 'affiliate' then 'Affiliates'
        when {{ medium_text }} = 'audio' then 'Audio'
        when {{ source_text }} = 'sms' or {{ medium_text }} = 'sms' then 'SMS'
        -- 19 Mobile Push: medium ends with push, or contains mobile or notification, or source is firebase
        when
            {{ medium_text }} like '%push'
            or {{ medium_text }} like '%mobile%'
            or {{ medium_text }} like '%notification%'
            or {{ source_text }} = 'firebase'
            then 'Mobile Push Notifications'
        else 'Unassigned'
    end
{%- endmacro %}
