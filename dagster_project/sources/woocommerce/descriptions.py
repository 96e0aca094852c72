"""What the columns of WooCommerce's orders hold."""

ABOUT = "WooCommerce. Record stream: one row per version of an order that was seen; moments are UTC."
COLUMNS = {
    "id": "Id of the order.",
    "number": "Number that people see.",
    "status": "pending, processing, on-hold, completed, cancelled, refunded, failed, checkout-draft, or a plugin's own.",
    "created_at": "When it was made.",
    "updated_at": "When it was last changed.",
    "paid_at": "When it was paid; null where it was not.",
    "currency_code": "Of the amounts, ISO 4217.",
    "total": "What is to be paid, with tax and shipping, before anything was given back.",
    "total_tax": "Tax in total, that of shipping included.",
    "shipping_total": "Shipping, without tax.",
    "refunds": "What was given back, oldest first: id, created_at, amount (with tax).",
    "customer_id": "User of the site; null for a guest.",
    "email_hash": "Keyed hash of the e-mail.",
    "phone_hash": "Keyed hash of the phone.",
    "source_type": "How the buyer came, by WooCommerce: utm, organic, referral, typein, admin.",
    "utm_source": "utm_source, or what stands for it: an engine, a referring site.",
    "utm_medium": "utm_medium, or organic, referral.",
    "utm_campaign": "utm_campaign.",
    "utm_term": "utm_term.",
    "utm_content": "utm_content.",
    "referrer": "Address of the page before the visit, without personal data.",
    "landing_page": "Address of the visit's first page, without personal data.",
    "account_id": "Address of the site, without https.",
}
