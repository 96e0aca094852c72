with source as (

    {{ newest_versions(
        source('raw_hubspot', 'deals'), 'id',
        'greatest(hs_lastmodifieddate, coalesce(archivedAt, hs_lastmodifieddate)) desc, _extracted_at desc, day desc'
    ) }}

),

renamed as (

    select
        ---------- ids
        id as deal_id,
        pipeline as pipeline_id,
        hubspot_owner_id as owner_id,
        nullif(trim(refund_of_deal_id), '') as refund_of_deal_id,
        {{ usable_order_id('order_id') }} as order_id,
        contacts,
        company_ids,
        {{ split_text('hs_merged_object_ids', ';') }} as merged_deal_ids,

        ---------- strings
        dealstage as deal_stage,
        nullif(trim(product), '') as product,
        upper(nullif(trim(deal_currency_code), '')) as currency_code,

        ---------- numerics
        amount,
        hs_deal_stage_probability as stage_probability,

        ---------- histories
        dealstage_history as deal_stage_history,

        ---------- booleans
        hs_is_closed as is_closed,
        hs_is_closed_won as is_closed_won,
        coalesce(archived, false) as is_archived,

        ---------- timestamps
        createdate as created_at,
        closedate as close_at,
        hs_lastmodifieddate as updated_at,
        archivedAt as archived_at

    from source

)

select * from renamed
