"""What the columns of Google Search Console hold: `column` of any stream."""

ABOUT = (
    "Google Search Console: clicks and impressions in Google Search. Days are Pacific. Totals, queries and pages are counted "
    "apart and are never added: rare queries are left out, and a result with two pages counts for both. From 13 May 2025 to "
    "about 27 April 2026 Google counted too many impressions (clicks were right): do not compare across it."
)
COLUMNS = {
    "date": "Day, Pacific time.",
    "search_type": "web, image, video, news, discover or googleNews.",
    "query": "What was searched for, without personal data.",
    "page": "Address that was shown, without personal data.",
    "country": "Country, ISO 3166 alpha-3 in small letters; zzz where Google does not know it.",
    "device": "DESKTOP, MOBILE, TABLET; (not set) for search types that have none.",
    "clicks": "Clicks.",
    "impressions": "Impressions.",
    "position": "Average position over impressions; 1 is the top.",
    "aggregation_type": "How Google counted: byProperty or byPage.",
    "is_final": "Google does not call the day incomplete.",
    "account_id": "Property as Search Console writes it.",
}
