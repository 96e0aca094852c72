{# Shapes of CRMs and shops: people, deals, orders, and what they did. Keys begin with the name of the source. #}
{% macro people_shapes() -%}
    {% set tags = ['utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content'] -%}
    {% set clients = ['ga_client_id', 'ym_client_id'] -%}
    {% set clicks = click_id_shape_columns(click_id_names()) -%}
    {{ return({
        'people': shape(
            "Grain: record_key. Records of people, deleted ones and ones merged into others included.",
            ['account_id', 'email_hash', 'phone_hash', 'owner_id'] + tags + clicks + clients + [
                'landing_page', 'device', 'country', 'self_reported_source', 'placeholder_ids', 'is_export',
                ['record_key', 'string', "Key of the record."],
                ['crm_record_id', 'string', "Its id at the source."],
                ['survivor_key', 'string', "Key of the record that stands for it today; its own where it was not merged."],
                ['is_merged', 'boolean', "Another record stands for it."],
                ['is_deleted', 'boolean', "The record that stands for it is deleted."],
                ['created_at', 'moment', "When the record was made."],
                ['created_at_is_day', 'boolean', "Only the day of that is known."],
                ['further_email_hashes', 'texts', "Keyed hashes of further e-mails of the same person."],
                ['click_id', 'string', "Name of the click id that counts, of those on the record."],
                ['first_url', 'string', "First address that the source saw the person at."],
                ['last_url', 'string', "Last address that the source saw the person at."],
                ['crm_source', 'string', "The source's own word for where the person came from."],
                ['form', 'string', "Form that made the record."],
            ],
        ),
        'merged_people': shape(
            "Grain: record_key. Ids that stand for another record today.",
            [
                ['record_key', 'string', "Key of the record that is no more."],
                ['crm_record_id', 'string', "Its id at the source."],
                ['survivor_key', 'string', "Key of the record that it is a part of."],
            ],
        ),
        'deals': shape(
            "Grain: deal_key. Deals, deleted ones and ones merged into others included.",
            ['account_id', 'currency_code', 'owner_id', 'email_hash', 'phone_hash', 'is_export'] + tags + [
                ['deal_key', 'string', "Key of the deal."],
                ['crm_deal_id', 'string', "Its id at the source."],
                ['is_merged', 'boolean', "Another deal stands for it."],
                ['is_deleted', 'boolean', "Deleted at the source."],
                ['pipeline', 'string', "Pipeline by its name."],
                ['stage', 'string', "Stage of today by its name."],
                ['status', 'string', "Whether it is open, won or lost today, by the company's rules, else by the source's words."],
                ['created_at', 'moment', "When the deal was made."],
                ['created_at_is_day', 'boolean', "Of its making only the day is known."],
                ['is_created_at_known', 'boolean', "The source says when; else the close stands for it."],
                ['closed_at', 'moment', "When it was won or lost; null while it is open."],
                ['closed_at_is_day', 'boolean', "Of its close only the day is known."],
                ['amount', 'decimal(24, 6)', "Amount in currency_code; null where nobody knows."],
                ['product', 'string', "What is sold."],
                ['refund_of_deal_key', 'string', "Key of the deal that this one gives back."],
                ['company_key', 'string', "Key of the company that buys, or of the customer whom an export names."],
                ['order_id', 'string', "The shop's number of the order that it stands for."],
                ['named_lead_id', 'string', "Id of the lead that an export names."],
                ['named_lead_ids', 'texts', "Further leads that it names."],
                ['channel', 'string', "Channel that an export gives to the deal."],
            ],
        ),
        'deal_people': shape(
            "Grain: deal_key, record_key. Whom the source has on a deal.",
            [
                ['deal_key', 'string', "Key of the deal."],
                ['record_key', 'string', "Key of the person's record of today."],
                ['is_primary', 'boolean', "Labelled as the one who counts."],
            ],
        ),
        'stage_changes': shape(
            "Grain: record_key or deal_key, stage, basis. Hints that a person or a deal reached a stage of the funnel.",
            [
                ['record_key', 'string', "Key of the person's record; null where a deal says it."],
                ['deal_key', 'string', "Key of the deal; null where a person's record says it."],
                ['stage', 'string', "Stage of the funnel, by the company's rules."],
                ['reached_at', 'moment', "When it was reached."],
                ['reached_at_is_day', 'boolean', "Of that only the day is known."],
                ['basis', 'string', "history, latest_entry or creation: how well it is known."],
                ['preference', 'integer', "Which hint counts, the smallest first."],
            ],
        ),
        'submissions': shape(
            "Grain: submission_id. Forms that were sent.",
            ['email_hash', 'phone_hash'] + clients + tags + clicks + ['placeholder_ids', 'self_reported_source'] + [
                ['submission_id', 'string', "Id of the submission."],
                ['form', 'string', "The form by its name, else by its id."],
                ['page_url', 'string', "Address of the form's page."],
                ['submitted_at', 'moment', "When it was sent."],
            ],
        ),
        'owners': shape(
            "Grain: owner_id. Salespeople with their names.",
            [
                'owner_id',
                ['owner_name', 'string', "Their name; null where the source has none."],
                ['is_archived', 'boolean', "They have left."],
            ],
        ),
        'orders': shape(
            "Grain: order_key. Orders and refunds of a shop's or a billing system's books.",
            ['account_id', 'currency_code', 'owner_id', 'email_hash', 'phone_hash', 'is_export'] + tags + [
                ['order_key', 'string', "Key of the order."],
                ['order_id', 'string', "Its number at the source."],
                ['refund_of_order_key', 'string', "Key of the order that this one gives back."],
                ['customer_key', 'string', "Key of the customer whom it names."],
                ['lead_id', 'string', "Id of the lead that it names."],
                ['deal_id', 'string', "Id of the deal that it names."],
                ['is_refund', 'boolean', "It gives money back."],
                ['ordered_at', 'moment', "When it was made."],
                ['ordered_at_is_day', 'boolean', "Of that only the day is known: it stands at its first moment."],
                ['amount', 'decimal(24, 6)', "Amount in currency_code, as the books have it."],
                ['product', 'string', "What was sold."],
                ['channel', 'string', "Channel that an export gives to the order."],
            ],
        ),
        'email_clicks': shape(
            "Grain: as delivered. Clicks in e-mails that the company sent.",
            ['account_id', 'email_hash', 'vendor_source', 'vendor_medium', 'vendor_campaign', 'term', 'content'] + [
                ['url', 'string', "Address that was clicked."],
                ['clicked_at', 'moment', "When it was clicked."],
            ],
        ),
    }) }}
{%- endmacro %}
