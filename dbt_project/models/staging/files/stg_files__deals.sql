with source as (

    {{ newest_versions(
        source('raw_files', 'deals'), 'account_id, deal_id',
        'coalesce(updated_at, filed_at) desc nulls last, _extracted_at desc, day desc, _file desc, _line desc'
    ) }}

),

renamed as (

    select
        ---------- ids
        account_id,
        deal_id,
        {{ known('lead_id') }} as lead_id,
        lead_ids,
        {{ usable_id('source.customer_id') }} as customer_id,
        {{ known('owner_id') }} as owner_id,
        {{ known('sdr_id') }} as sdr_id,
        email_hash,
        phone_hash,

        ---------- touch
        {{ named_origin('source') }},

        ---------- strings
        lower(trim(status)) as status,
        {{ known('stage') }} as stage,
        {{ known('pipeline') }} as pipeline,
        {{ known('product') }} as product,
        upper({{ known('currency_code') }}) as currency_code,

        ---------- numerics
        amount,

        ---------- booleans
        source.created_at is not null as is_created_at_known,

        ---------- timestamps
        coalesce(source.created_at, source.closed_at) as created_at, -- exports of won deals often lack the former
        closed_at,
        updated_at,

        ---------- days without a time
        coalesce(case when source.created_at is null then closed_at_is_day else created_at_is_day end, false)
            as created_at_is_day,
        coalesce(source.closed_at_is_day, false) as closed_at_is_day

    from source

)

select * from renamed
