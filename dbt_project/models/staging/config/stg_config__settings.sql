with source as (

    select * from {{ source('raw_config', 'settings') }}

),

renamed as (

    select
        ---------- reporting
        reporting_time_zone,
        reporting_currency,
        case lower(reporting_week_start)
            when 'monday' then 0
            when 'tuesday' then 1
            when 'wednesday' then 2
            when 'thursday' then 3
            when 'friday' then 4
            when 'saturday' then 5
            when 'sunday' then 6
        end as reporting_week_start,
        reporting_fiscal_year_start_month,

        ---------- web
        web_truth,
        web_own_domains,
        web_ignored_referrers,
        brand_pattern,

        ---------- crm and revenue
        crm_truth,
        crm_customer,
        revenue_truth,
        revenue_amounts,
        gross_margin_default,

        ---------- identity
        identity_people_per_client_id,
        identity_people_per_click_id,
        identity_people_per_phone,
        identity_records_per_id,
        identity_browsers_per_login,
        naming_source,
        naming_medium,
        naming_campaign,

        ---------- attribution
        attribution_default_model,
        attribution_models,
        attribution_models_day,
        attribution_models_week,
        attribution_models_month,
        attribution_models_quarter,
        attribution_models_year,
        attribution_half_life_days,
        attribution_markov_window_days,
        attribution_earlier_conversions_reset,
        attribution_self_reported,
        attribution_lookback_days_lead,
        attribution_lookback_days_mql,
        attribution_lookback_days_sql,
        attribution_lookback_days_opportunity,
        attribution_lookback_days_order,

        ---------- maturity and customers
        maturity_stage_window_days,
        maturity_stage_window_days_lead_to_mql,
        maturity_stage_window_days_mql_to_sal,
        maturity_stage_window_days_sal_to_sql,
        maturity_stage_window_days_sql_to_opportunity,
        maturity_stage_window_days_opportunity_to_won,
        maturity_to_date_days,
        maturity_repeat_purchase_days,
        maturity_active_customer_days,

        ---------- exchange rates
        exchange_rates_providers,
        cast(exchange_rates_carry_days as integer) as exchange_rates_carry_days

    from source

)

select * from renamed
