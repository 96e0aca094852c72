-- Who feeds which subject: the parts of streams that are on, where one source is the truth those of the truth alone.
-- A subject with a dot is a column of another: web.device is fed by those parts of web that fill the device.
with settings as (

    select * from {{ ref('stg_config__settings') }}

),

web_truth as (

    select * from {{ ref('int_web_truth') }}

),

streams as (

    select * from {{ ref('stg_meta__switches') }} where is_on

),

declared as (

    select subjects.*
    from {{ ref('stg_meta__subjects') }} as subjects
    inner join streams on subjects.source = streams.source and subjects.stream = streams.stream
    where subjects.decides

),

deal_parts as (

    select distinct source, stream, part from declared where subject = 'deals'

),

-- orders are the won deals of the CRM, or what the source has that funnelhouse.yml names
of_truth as (

    select declared.*
    from declared
    cross join settings
    cross join web_truth
    left join deal_parts
        on
            declared.source = deal_parts.source
            and declared.stream = deal_parts.stream
            and declared.part = deal_parts.part
    where
        case
            when declared.subject in ('orders', 'orders.amount')
                then
                    case
                        when deal_parts.source is not null then settings.revenue_truth = 'crm'
                        else settings.revenue_truth = declared.source
                    end
            when declared.subject in ('visitors', 'goals') or declared.subject like 'web%'
                then declared.source = web_truth.web_truth
            else true
        end

),

-- a CRM whose values mean a stage, or that has shown it, says something about that stage; so do orders about customers
stages as (

    select leads.*, known.stage as known_stage
    from of_truth as leads
    inner join {{ ref('int_stages_mapped') }} as known on leads.source = known.crm
    where leads.subject = 'leads' and known.stage in ('mql', 'sal', 'sql', 'won')

),

fed as (

    select source, stream, part, entry, subject, has_range, first_day, last_day, begins from of_truth
    union
    select source, stream, part, entry, known_stage, has_range, first_day, last_day, begins from stages
    union
    select source, stream, part, entry, 'won' as subject, has_range, first_day, last_day, begins
    from of_truth
    where subject = 'orders'

)

select * from fed
