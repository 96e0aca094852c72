-- What a form submission, a CRM record, a deal or an order says itself of where the person came from: its UTM and click ids, else those
-- of the page's address; for a record without any, the CRM's own word for the source. A click id tells the source, and
-- the campaign where the platform lists the click; tags that came with it keep the rest.
{%- set click_id_columns = click_id_names() %}
{%- set tags = "'(?i).*[?&#;](?:utm_[a-z]+|[a-z]*clk?id|gbraid|wbraid|li_fat_id|epik|rdt_cid|sccid)=[^&#].*'" %}
with submissions as (

    select * from {{ ref('int_form_submissions_matched') }}

),

records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

sales as (

    select * from {{ ref('int_sale_origins') }}

),

people as (

    select record_key, person_id from {{ ref('int_people_deduplicated') }}

),

ad_clicks as (

    select click_id as gclid, min(campaign_id) as campaign_id
    from {{ ref('ad_clicks') }}
    where click_id_name = 'gclid'
    group by click_id

),

crm_sources as (

    select * from {{ ref('crm_sources') }}

),

channels as (

    select channel from {{ ref('int_channels') }}

),

events as (

    select
        'submission:' || submission_id as touch_id,
        'submission' as origin_kind,
        cast(null as string) as record_key,
        person_id,
        session_touch_id,
        submitted_at as event_at,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        click_id,
        {{ click_id_columns | join(',\n        ') }},
        page_url as tagged_url,
        true as is_of_the_visit,
        page_url as landing_url,
        cast(null as string) as crm,
        false as is_export,
        cast(null as string) as crm_source,
        form,
        cast(null as string) as device,
        cast(null as string) as country
    from submissions

    union all

    select
        'record:' || records.record_key as touch_id,
        'record' as origin_kind,
        records.record_key,
        people.person_id,
        cast(null as string) as session_touch_id,
        records.created_at as event_at,
        records.utm_source,
        records.utm_medium,
        records.utm_campaign,
        records.utm_term,
        records.utm_content,
        records.click_id,
        {% for column in click_id_columns -%}
        records.{{ column }},
        {% endfor -%}
        case
            when {{ full_match('records.landing_page', tags) }} then records.landing_page
            when {{ full_match('records.first_url', tags) }} then records.first_url
            else records.last_url
        end as tagged_url,
        -- the first or last address that a CRM saw may be of another visit than the tags on the record
        coalesce({{ full_match('records.landing_page', tags) }}, false) as is_of_the_visit,
        coalesce(records.landing_page, records.first_url) as landing_url,
        records.crm,
        records.is_export,
        records.crm_source,
        records.form,
        records.device,
        records.country
    from records
    inner join people on records.record_key = people.record_key

    union all

    select
        touch_id,
        origin_kind,
        cast(null as string) as record_key,
        person_id,
        cast(null as string) as session_touch_id,
        event_at,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        cast(null as string) as click_id,
        {% for column in click_id_columns -%}
        cast(null as string) as {{ column }},
        {% endfor -%}
        cast(null as string) as tagged_url,
        false as is_of_the_visit,
        cast(null as string) as landing_url,
        crm,
        is_export,
        channel as crm_source,
        cast(null as string) as form,
        cast(null as string) as device,
        cast(null as string) as country
    from sales

),

-- the address is read for what the row does not say itself: its tags, its click id
addresses as (

    select
        touch_id,
        tagged_url,
        {{ mended_address('tagged_url') }} as address,
        coalesce(utm_source, utm_medium, utm_campaign) is not null as has_utm,
        click_id is not null as has_click_id
    from events
    where
        (coalesce(utm_source, utm_medium, utm_campaign) is null or click_id is null)
        and (
            is_of_the_visit
            or coalesce(utm_source, utm_medium, utm_campaign, click_id) is null
            or contains(tagged_url, coalesce({{ click_id_columns | join(', ') }}))
        )
        and {{ full_match('tagged_url', tags) }}

),

parsed_addresses as (

    select
        touch_id,
        tagged_url,
        {% for name in ['source', 'medium', 'campaign', 'term', 'content', 'id'] -%}
        case when not has_utm then {{ url_param('address', 'utm_' ~ name) }} end as utm_{{ name }},
        {% endfor -%}
        {% for column in click_id_columns -%}
        case when not has_click_id then {{ usable_id(url_param('address', column)) }} end as {{ column }},
        {% endfor -%}
        {% for column in address_click_id_names() + ['srsltid'] -%}
        case when not has_click_id then {{ usable_id(rare_url_param('address', column)) }} end as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from addresses

),

address_tags as (

    select *, {{ click_id_of('parsed_addresses', landing_click_ids() + ['srsltid']) }} as click_id
    from parsed_addresses

),

tagged as (

    select
        events.touch_id,
        events.origin_kind,
        events.record_key,
        events.person_id,
        events.session_touch_id,
        events.event_at,
        events.crm,
        events.is_export,
        -- an export without a channel column may carry the same words as its source
        case
            when
                events.is_export
                and coalesce(events.crm_source, events.utm_medium, events.click_id) is null
                then events.utm_source
            else events.crm_source
        end as source_word,
        events.is_export and events.crm_source is not null as is_channel_given,
        coalesce(events.utm_source, address_tags.utm_source) as vendor_source,
        coalesce(events.utm_medium, address_tags.utm_medium) as vendor_medium,
        coalesce(events.utm_campaign, address_tags.utm_campaign) as vendor_campaign,
        coalesce(ad_clicks.campaign_id, address_tags.utm_id) as vendor_campaign_id,
        coalesce(events.click_id, address_tags.click_id) as click_id,
        coalesce(events.utm_term, address_tags.utm_term) as term,
        coalesce(events.utm_content, address_tags.utm_content) as content,
        {% for column in click_id_columns -%}
        coalesce(events.{{ column }}, address_tags.{{ column }}) as {{ column }},
        {% endfor -%}
        {% for column in address_click_id_names() -%}
        address_tags.{{ column }},
        {% endfor -%}
        -- where the tags come from, there the visit began
        {{ url_path('coalesce(address_tags.tagged_url, events.landing_url)') }} as landing_page,
        events.form,
        {{ normalise_device('events.device') }} as device,
        events.country
    from events
    left join address_tags on events.touch_id = address_tags.touch_id
    left join ad_clicks on coalesce(events.gclid, address_tags.gclid) = ad_clicks.gclid

),

keyed as (

    select *, {{ origin_key() }} as origin_key from tagged

),

origins as (

    select * from {{ classify_origins('keyed') }} as classified

),

worded as (

    select
        keyed.*,
        -- a column of channels has their names first, a source's word is a word first
        case
            when keyed.is_channel_given then coalesce(channels.channel, crm_sources.channel)
            else coalesce(crm_sources.channel, channels.channel)
        end as word_channel,
        coalesce(keyed.vendor_source, keyed.vendor_medium, keyed.vendor_campaign) is not null as has_utm,
        coalesce(keyed.vendor_source, keyed.vendor_medium, keyed.vendor_campaign, keyed.click_id) is not null
            as is_tagged,
        origins.channel as tag_channel,
        origins.source as tag_source,
        origins.medium as tag_medium,
        origins.campaign,
        origins.campaign_key
    from keyed
    inner join origins on keyed.origin_key = origins.origin_key
    left join crm_sources
        on
            keyed.crm = crm_sources.crm
            and replace(replace(lower(trim(keyed.source_word)), ' ', '_'), '-', '_') = crm_sources.crm_source
    left join channels on keyed.is_export and lower(trim(keyed.source_word)) = lower(channels.channel)

),

decided as (

    select
        *,
        case
            when is_channel_given and word_channel is not null then word_channel
            when is_export and tag_channel = 'Unassigned' and word_channel is not null then word_channel
            when is_tagged then tag_channel
            when source_word is null then '(not set)'
            else coalesce(word_channel, 'Unassigned')
        end as channel
    from worded

)

select
    touch_id,
    origin_kind,
    record_key,
    person_id,
    session_touch_id,
    event_at,
    case
        when channel = '(not set)' then 'none'
        when has_utm then 'utm'
        when click_id is not null then 'click_id'
        else 'crm_source'
    end as touch_basis,
    channel,
    case
        when is_tagged then tag_source
        when channel = 'Direct' then '(direct)'
        else '(not set)'
    end as source,
    case
        when is_tagged then tag_medium
        when channel = 'Direct' then '(none)'
        else '(not set)'
    end as medium,
    case when is_tagged then campaign else '(not set)' end as campaign,
    case when is_tagged then campaign_key else '(not set)' end as campaign_key,
    term,
    content,
    {{ click_id_columns | join(',\n    ') }},
    {{ address_click_id_names() | join(',\n    ') }},
    landing_page,
    form,
    device,
    country
from decided
