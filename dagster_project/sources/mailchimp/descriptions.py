"""What the columns of Mailchimp hold: `column` of any stream."""

ABOUT = "Mailchimp's reports of campaigns. Counts go on for weeks after the sending."
COLUMNS = {
    "send_date": "Day on which it was sent (UTC).",
    "id": "Id of the campaign.",
    "campaign_title": "Its title in Mailchimp, which readers do not see.",
    "type": "regular, automation, abtest, plaintext, rss or variate.",
    "list_id": "Audience to which it was sent.",
    "send_time": "When it was sent.",
    "emails_sent": "E-mails that were sent, those that bounced included.",
    "hard_bounces": "E-mails to addresses that do not exist.",
    "soft_bounces": "E-mails that could not be delivered for the time being.",
    "syntax_errors": "E-mails to what is no address.",
    "opens_total": "Opens, repeated ones included.",
    "unique_opens": "Recipients whose e-mail was opened, by themselves or by a mail program's proxy.",
    "proxy_excluded_opens": "Opens less those by proxies of mail programs; null in older accounts.",
    "proxy_excluded_unique_opens": "Recipients who opened it less those whose proxy did; null in older accounts.",
    "clicks_total": "Clicks, repeated ones included.",
    "unique_clicks": "Clicks on each link by each recipient once.",
    "unique_subscriber_clicks": "Recipients who clicked.",
    "unsubscribed": "Recipients who left the list by it.",
    "abuse_reports": "Recipients who called it spam.",
    "account_id": "Id of the account.",
}
