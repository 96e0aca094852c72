"""What the columns of Shopify's orders hold."""

ABOUT = (
    "Shopify. Record stream: one row per version of an order that was seen. Amounts are in the currency in which the shop "
    "keeps its books."
)
_OF_A_VISIT = {
    "at": "when it was.",
    "source": "where it came from, in Shopify's words.",
    "source_type": "how it came, in Shopify's words (SEO, AD, NEWSLETTER …).",
    "referrer": "address of the page before it, without personal data.",
    "landing_page": "address of its first page, without personal data.",
    "utm_source": "utm_source.",
    "utm_medium": "utm_medium.",
    "utm_campaign": "utm_campaign.",
    "utm_term": "utm_term.",
    "utm_content": "utm_content.",
}
COLUMNS = {
    "id": "Id of the order, without the words before it.",
    "name": "Number that people see, such as #1001.",
    "created_at": "When it was made.",
    "processed_at": "When it was ordered: for an order that was brought in from elsewhere earlier than made.",
    "updated_at": "When it was last changed.",
    "cancelled_at": "When it was cancelled; null where it was not.",
    "is_test": "A test order: no money.",
    "financial_status": "PAID, PENDING, AUTHORIZED, PARTIALLY_REFUNDED, REFUNDED, VOIDED …",
    "currency_code": "Of the amounts, ISO 4217.",
    "total": "What is to be paid, with tax and shipping, before anything was given back.",
    "subtotal": "Goods after discounts; with tax where taxes_included.",
    "tax": "Tax in total.",
    "taxes_included": "Prices are with tax.",
    "refunded": "Given back so far.",
    "refunds": "What was given back, oldest first: id, created_at, amount (with tax), currency.",
    "customer_id": "Customer; null without the right to read who it is.",
    "email_hash": "Keyed hash of the e-mail; null unless sources.shopify.email is on.",
    "journey_ready": "The visits are known; Shopify fills them in minutes after the order.",
    "account_id": "Name of the shop.",
    **{f"first_visit_{name}": f"First visit before the order: {says}" for name, says in _OF_A_VISIT.items()},
    **{f"last_visit_{name}": f"Last visit before the order: {says}" for name, says in _OF_A_VISIT.items()},
}
