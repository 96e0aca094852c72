"""Subjects: what a stream, or a part of one, says something about. Measures of KPIs name the same in `rests_on`."""

# A subject with a dot is a column of the one before the dot: whoever feeds `web` without filling it leaves `web.device`
# incomplete.
SUBJECTS = {
    "web": "sessions of the site",
    "web.origin": "where sessions come from: source, medium, tags, referrer",
    "web.engagement": "which sessions were engaged",
    "web.device": "devices of sessions",
    "visitors": "distinct visitors",
    "leads": "people who became a lead",
    "mql": "who is a marketing-qualified lead",
    "sal": "who is a sales-accepted lead",
    "sql": "who is a sales-qualified lead",
    "won": "who became a customer",
    "deals": "deals of the CRM",
    "deals.creation": "when deals were created",
    "deals.close": "when deals were closed",
    "orders": "orders and refunds: won deals, or what the truth for revenue has instead",
    "orders.amount": "what orders were worth",
    "buyers": "who the customers of orders are",
    "media": "media cost",
    "cost": "media cost and every cost of the ledger",
    "ads": "what ad platforms say of their ads; media cost of a ledger is none of it",
    "ads.impressions": "how often ads were shown",
    "ads.clicks": "how often ads were clicked",
    "ad_conversions": "what ad platforms claim to have brought; each for itself, so that none makes another incomplete",
    "rates": "exchange rates",
    "margins": "gross margins",
    "goals": "key events",
    "targets": "targets of KPIs",
    "rules": "business rules that every figure rests on",
}
