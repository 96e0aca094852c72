with source as (

    {{ newest_versions(
        source('raw_files', 'orders'), 'account_id, order_id',
        'ordered_at desc, _extracted_at desc, day desc, _file desc, _line desc'
    ) }}

),

renamed as (

    select
        ---------- ids
        account_id,
        order_id,
        {{ usable_id('source.customer_id') }} as customer_id,
        {{ known('lead_id') }} as lead_id,
        {{ known('deal_id') }} as deal_id,
        {{ known('refund_of') }} as refund_of_order_id,
        {{ known('owner_id') }} as owner_id,
        email_hash,
        phone_hash,

        ---------- touch
        {{ named_origin('source') }},

        ---------- strings
        {{ known('product') }} as product,
        upper({{ known('currency_code') }}) as currency_code,

        ---------- numerics
        amount,

        ---------- booleans
        (coalesce(is_refund, false) or {{ known('refund_of') }} is not null or coalesce(amount, 0) < 0) as is_refund,

        ---------- timestamps
        ordered_at,
        coalesce(source.ordered_at_is_day, false) as ordered_at_is_day

    from source

)

select * from renamed
