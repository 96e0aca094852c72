-- every value of utm_source, utm_medium and utm_campaign that somebody wrote, with each thing that is wrong with it
{%- set parameters = ['source', 'medium', 'campaign'] %}
with tags as (

    select * from {{ ref('int_tags_classified') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

-- auto-tagging brings a campaign's own name, which nobody wrote in a link
ad_names as (

    select distinct campaign_name from {{ ref('int_ads_daily') }} where campaign_name is not null

),

used as (

    {% for parameter in parameters -%}
    select
        'utm_{{ parameter }}' as parameter,
        tags.month_start,
        tags.vendor_{{ parameter }} as tag_value,
        {{ normalise_utm('tags.vendor_' ~ parameter) }} as normalised_value,
        {{ 'ad_names.campaign_name is not null' if parameter == 'campaign' else 'false' }} as is_platforms_own,
        -- source and medium of a visit without a campaign may be the vendor's, made of the referrer
        tags.is_tagged_paid or not coalesce({{ full_match('tags.vendor_campaign', "'[(].*[)]|'") }}, true) as is_in_a_link,
        tags.sessions
    from tags
    {% if parameter == 'campaign' -%}
    left join ad_names on tags.vendor_campaign = ad_names.campaign_name
    {% endif -%}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- '(direct)', '(not set)' and their like are the vendor's words
written as (

    select
        parameter,
        month_start,
        tag_value,
        {{ replace_matches('normalised_value', "'[\\s_.+-]+'") }} as bare_value,
        bool_or(is_platforms_own) as is_platforms_own,
        bool_or(is_in_a_link) as is_in_a_link,
        sum(sessions) as sessions
    from used
    where tag_value != '' and not {{ full_match('tag_value', "'[(].*[)]'") }}
    group by all

),

ranked as (

    select
        *,
        row_number() over (
            partition by parameter, month_start, bare_value
            order by case when is_platforms_own then 0 else 1 end, sessions desc, tag_value
        ) as preference
    from written

),

spelled as (

    select ranked.parameter, ranked.month_start, ranked.tag_value, standard.tag_value as better_value
    from ranked
    inner join ranked as standard
        on
            ranked.parameter = standard.parameter
            and ranked.month_start = standard.month_start
            and ranked.bare_value = standard.bare_value
            and standard.preference = 1
    where ranked.preference > 1 and not ranked.is_platforms_own

),

-- what a month's visits write otherwise than the platform itself has one mend: the platform's spelling
platform_spellings as (

    select month_start, parameter, bare_value from written where is_platforms_own

),

written_values as (

    select distinct parameter, tag_value from written where not is_platforms_own

),

broken as (

    {% for finding, condition in value_problems('tag_value') -%}
    select parameter, tag_value, '{{ finding }}' as finding
    from written_values
    where {{ condition }}
    union all
    {% endfor -%}

    {% for parameter in parameters -%}
    select distinct written.parameter, written.tag_value, 'naming_rule_broken' as finding
    from written
    cross join settings
    where
        written.parameter = 'utm_{{ parameter }}'
        and written.is_in_a_link
        and not written.is_platforms_own
        and not {{ full_match('written.tag_value', 'settings.naming_' ~ parameter) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    written.month_start,
    broken.parameter,
    broken.tag_value,
    broken.finding,
    case
        when broken.finding = 'spaces'
            then {{ replace_matches(normalise_utm('broken.tag_value'), "'[\\s\\x{00A0}]+'", "'_'") }}
        when broken.finding not in ('unexpanded_macro', 'broken_encoding', 'placeholder', 'naming_rule_broken')
            then {{ normalise_utm('broken.tag_value') }}
    end as better_value
from broken
inner join written on broken.parameter = written.parameter and broken.tag_value = written.tag_value
left join platform_spellings
    on
        written.month_start = platform_spellings.month_start
        and written.parameter = platform_spellings.parameter
        and written.bare_value = platform_spellings.bare_value
where platform_spellings.bare_value is null or broken.finding not in ('spaces', 'upper_case')

union all

select
    month_start,
    parameter,
    tag_value,
    'inconsistent_spelling' as finding,
    better_value
from spelled
