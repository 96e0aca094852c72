"""What the columns of Yandex.Webmaster hold: `column` of any stream."""

ABOUT = "Yandex.Webmaster: shows and clicks in Yandex's search, of the last 14 days. Days are Moscow's."
COLUMNS = {
    "date": "Day, Moscow time.",
    "device": "DESKTOP, MOBILE or TABLET.",
    "query": "What was searched for, without personal data.",
    "page": "Address that was shown, without personal data.",
    "shows": "How often the site was shown.",
    "clicks": "Clicks.",
    "position": "Average position over shows; 1 is the top; null where it is not said.",
    "demand": "How often it was searched for at all, by Yandex's estimate; null where it is not said.",
    "account_id": "Site as Webmaster writes it, such as https:example.com:443.",
}
