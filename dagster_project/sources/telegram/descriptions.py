"""What the columns of Telegram hold: `column` of any stream."""

ABOUT = "Telegram Bot API: what is true at the moment of reading."
COLUMNS = {
    "date": "Day on which it was looked.",
    "chat_id": "Id that stays when the channel gets another name.",
    "title": "Title of the channel.",
    "chat_type": "channel, group or supergroup.",
    "members": "Members of the channel at that moment, exact.",
    "account_id": "The channel as the settings name it.",
}
