{#
  Where a session, a lead or an ad comes from: six columns as the source gave them, and the one place that turns them
  into source, medium, campaign, campaign_key and channel.

  vendor_source, vendor_medium, vendor_campaign: as given; null = nothing collected, '(not set)' = the vendor's word
  vendor_campaign_id: the vendor's campaign id or utm_id; null if none
  click_id: name of the click id in the landing URL ('gclid'), where it shall decide; null where the vendor
      (GA4) has resolved the source already
  landing_page: path, only for user rules that name one; null is always right otherwise
#}
{% macro origin_columns() -%}
    {{ return(['vendor_source', 'vendor_medium', 'vendor_campaign', 'vendor_campaign_id', 'click_id', 'landing_page']) }}
{%- endmacro %}

{#
  Key of an origin: the same columns give the same key in every model. `landing_page`: what stands for that column
  where the relation's own landing_page is the page of the visit.
#}
{% macro origin_key(landing_page='landing_page') -%}
    {{ row_key(origin_columns()[:-1] + [landing_page]) }}
{%- endmacro %}

{#
  The landing page as part of an origin: only while a user rule names landing pages, because every page would be an
  origin of its own. `rules` is the alias of stg_config__landing_page_rules.
#}
{% macro origin_landing_page(landing_page, rules='rules') -%}
    case when {{ rules }}.have_landing_page then {{ landing_page }} end
{%- endmacro %}

{#
  The distinct origins of `relation` (a CTE or model with origin_columns()), classified.

  Grain: origin_key. Columns: origin_key, origin_columns(), source, medium, campaign, campaign_key, platform,
  channel, channel_basis. Join back on origin_key. Never null: unknown source, medium, campaign and campaign_key are
  '(not set)'; channel 'Unassigned'. platform is the ad platform of campaign_key, null for a campaign of its own.

  Order of deciding (first that speaks): click id of a paid platform; UTM or the vendor's source; click id that
  proves no payment. Then the place of an app, the source of an ad platform's label ("Facebook Ads"), source alias; AI
  assistants get their medium; campaign by id, by name, by alias; channel by
  user rule, by the platform's campaign type, Direct for a referral of our own domains, payment and sign-in pages (the
  source stays what the vendor resolved), by GA4's rules with our source overrides before Google's list.
#}
{% macro classify_origins(relation) -%}
    {%- set nothing_known -%}
        (cleaned.given_source = '(direct)' or (cleaned.given_source is null and cleaned.given_medium is null))
    {%- endset -%}
    (
        with given as (
            select distinct {{ origin_columns() | join(', ') }}
            from {{ relation }}
        ),

        cleaned as (
            select
                {{ origin_key() }} as origin_key,
                *,
                {{ normalise_utm('vendor_source') }} as given_source,
                {{ normalise_utm('vendor_medium') }} as given_medium,
                {{ normalise_utm('vendor_campaign') }} as given_campaign,
                {{ normalise_utm('vendor_campaign_id') }} as campaign_id
            from given
        ),

        clicked as (
            select
                cleaned.*,
                case
                    when click_ids.is_paid or (click_ids.source is not null and {{ nothing_known }}) then click_ids.source
                    else cleaned.given_source
                end as clicked_source,
                case
                    when click_ids.is_paid or (click_ids.source is not null and {{ nothing_known }}) then click_ids.medium
                    else cleaned.given_medium
                end as clicked_medium
            from cleaned
            left join {{ ref('click_ids') }} as click_ids on lower(cleaned.click_id) = lower(click_ids.click_id)
        ),

        -- an app is its site, a label of an ad platform is where the platform's clicks come from
        placed as (
            select
                clicked.*,
                coalesce(app_packages.source, ad_platforms.source, clicked.clicked_source) as placed_source,
                case
                    when labels.names_ads and coalesce(clicked.clicked_medium, '(not set)') = '(not set)' then ad_platforms.medium
                    else clicked.clicked_medium
                end as placed_medium
            from clicked
            left join {{ ref('app_packages') }} as app_packages
                on {{ replace_matches('clicked.clicked_source', "'^android-app:/*|/.*$'") }} = app_packages.package
            left join {{ ref('ad_platform_labels') }} as labels
                on {{ label_words('clicked.clicked_source') }} = labels.label
            left join {{ ref('ad_platforms') }} as ad_platforms on labels.platform = ad_platforms.platform
        ),

        aliased as (
            select
                placed.*,
                coalesce(as_given.source, as_placed.source, placed.placed_source) as named_source
            from placed
            left join {{ ref('stg_config__source_aliases') }} as as_given on placed.clicked_source = as_given.alias
            left join {{ ref('stg_config__source_aliases') }} as as_placed on placed.placed_source = as_placed.alias
        ),

        -- a vendor that does not know our payment pages calls the way back from them a referral
        referring_hosts as (
            select distinct {{ bare_host('named_source') }} as referrer_host
            from aliased
            where placed_medium = 'referral' and named_source like '%.%'
        ),

        ways_back as (
            select * from {{ ignored_hosts('referring_hosts') }} as found
        ),

        looked_up as (
            select
                aliased.*,
                ways_back.referrer_host is not null as is_way_back,
                coalesce(as_given.category, without_www.category) as category,
                coalesce(as_given.platform, without_www.platform) as source_platform,
                case
                    when
                        coalesce(as_given.is_ai_assistant, without_www.is_ai_assistant, false)
                        and not {{ is_paid_medium('aliased.placed_medium') }}
                        then 'ai-assistant'
                    else aliased.placed_medium
                end as named_medium,
                nullif(
                    case
                        when aliased.given_campaign in ('(direct)', '(organic)', '(referral)', '(ai-assistant)') then '(not set)'
                        else aliased.given_campaign
                    end,
                    '(not set)'
                ) as named_campaign
            from aliased
            left join {{ ref('int_sources_categorised') }} as as_given on aliased.named_source = as_given.source
            left join {{ ref('int_sources_categorised') }} as without_www
                on {{ bare_host('aliased.named_source') }} = without_www.source
            left join ways_back
                on aliased.placed_medium = 'referral' and {{ bare_host('aliased.named_source') }} = ways_back.referrer_host
        ),

        campaign_clues as (
            select origin_key, source_platform, 1 as clue_order, 'id' as clue, campaign_id as clue_value
            from looked_up
            where campaign_id is not null
            union all
            select origin_key, source_platform, 2 as clue_order, 'id' as clue, named_campaign as clue_value
            from looked_up
            where named_campaign is not null
            union all
            select origin_key, source_platform, 3 as clue_order, 'name' as clue, named_campaign as clue_value
            from looked_up
            where named_campaign is not null
            union all
            select origin_key, source_platform, 4 as clue_order, 'alias' as clue, named_campaign as clue_value
            from looked_up
            where named_campaign is not null
            union all
            select origin_key, source_platform, 5 as clue_order, 'link' as clue, named_campaign as clue_value
            from looked_up
            where named_campaign is not null
        ),

        campaign_matches as (
            select
                campaign_clues.origin_key,
                known_campaigns.campaign_key,
                known_campaigns.platform,
                known_campaigns.channel,
                row_number() over (
                    partition by campaign_clues.origin_key
                    order by
                        campaign_clues.clue_order,
                        case when known_campaigns.platform = campaign_clues.source_platform then 0 else 1 end,
                        known_campaigns.campaign_key
                ) as preference
            from campaign_clues
            inner join {{ ref('int_campaigns_named') }} as known_campaigns
                on
                    campaign_clues.clue = known_campaigns.clue
                    and campaign_clues.clue_value = known_campaigns.clue_value
            where
                -- one platform's campaign name on another platform's traffic is a coincidence ("brand")
                known_campaigns.platform = campaign_clues.source_platform
                or known_campaigns.clue = 'alias'
                or (
                    known_campaigns.is_only_platform
                    -- what an ad's link names, the company's newsletter may name, too
                    and known_campaigns.clue != 'link'
                    and (known_campaigns.clue = 'id' or campaign_clues.source_platform is null)
                )
        ),

        origin_parts as (
            select origin_key, 'source' as part, coalesce(named_source, '(not set)') as part_value
            from looked_up
            union all
            select origin_key, 'medium' as part, coalesce(named_medium, '(not set)') as part_value
            from looked_up
            union all
            select origin_key, 'campaign' as part, coalesce(named_campaign, '(not set)') as part_value
            from looked_up
            union all
            select origin_key, 'landing_page' as part, coalesce(lower(landing_page), '(not set)') as part_value
            from looked_up
        ),

        -- a pattern that is not a literal costs microseconds: each is tried once per value, not once per origin
        part_hits as (
            select
                rule_parts.rule_position,
                rule_parts.channel,
                rule_parts.parts,
                rule_parts.part,
                part_values.part_value
            from {{ ref('int_channel_rule_parts') }} as rule_parts
            inner join (select distinct part, part_value from origin_parts) as part_values
                on rule_parts.part = part_values.part
            where {{ full_match('part_values.part_value', 'rule_parts.pattern') }}
        ),

        rule_hits as (
            select
                origin_parts.origin_key,
                part_hits.rule_position,
                max(part_hits.channel) as channel
            from origin_parts
            inner join part_hits
                on origin_parts.part = part_hits.part and origin_parts.part_value = part_hits.part_value
            group by origin_parts.origin_key, part_hits.rule_position
            having count(*) = max(part_hits.parts)
        ),

        user_channels as (
            select origin_key, {{ earliest('channel', 'rule_position') }} as channel
            from rule_hits
            group by origin_key
        ),

        decided as (
            select
                looked_up.*,
                campaign_matches.campaign_key as matched_campaign_key,
                campaign_matches.platform,
                user_channels.channel as user_channel,
                case
                    when
                        campaign_matches.platform = looked_up.source_platform
                        and (
                            {{ is_paid_medium('looked_up.named_medium') }}
                            or {{ is_display_medium('looked_up.named_medium') }}
                        )
                        then campaign_matches.channel
                end as platform_channel,
                looked_up.named_source is null and looked_up.named_medium is null as is_uncollected
            from looked_up
            left join campaign_matches
                on looked_up.origin_key = campaign_matches.origin_key and campaign_matches.preference = 1
            left join user_channels on looked_up.origin_key = user_channels.origin_key
        )

        select
            origin_key,
            {{ origin_columns() | join(', ') }},
            case when is_uncollected then '(direct)' else coalesce(named_source, '(not set)') end as source,
            case when is_uncollected then '(none)' else coalesce(named_medium, '(not set)') end as medium,
            coalesce(named_campaign, '(not set)') as campaign,
            coalesce(matched_campaign_key, 'utm:' || named_campaign, '(not set)') as campaign_key,
            platform,
            coalesce(
                user_channel,
                platform_channel,
                case when is_way_back then 'Direct' end,
                {{ classify_channel('named_source', 'named_medium', 'named_campaign', 'category') }}
            ) as channel,
            case
                when user_channel is not null then 'user_rule'
                when platform_channel is not null then 'platform_type'
                when is_way_back then 'ignored_referrer'
                else 'ga4_rules'
            end as channel_basis
        from decided
    )
{%- endmacro %}

{# The words of a label, with '_' between them: 'Facebook Ads' and 'facebook-ads' are facebook_ads. #}
{% macro label_words(label) -%}
    {{ replace_matches(replace_matches("lower(" ~ label ~ ")", "'[^\\pL\\pN]+'", "'_'"), "'^_|_$'") }}
{%- endmacro %}

{# Key of a platform's campaign: the platform and the id, or the name where there is no id. #}
{% macro campaign_key(platform, campaign_id, campaign_name) -%}
    {{ platform }} || ':' || coalesce(lower({{ campaign_id }}), {{ normalise_utm(campaign_name) }}, '(not set)')
{%- endmacro %}
