"""What the columns of Exchange rates of central banks hold: `column` of any stream, `stream.column` where one stream means something else."""

ABOUT = "Exchange rates from the European Central Bank and the Bank of Russia."
COLUMNS = {
    "date": "Day of the fixing.",
    "provider": "ecb or cbr.",
    "base_currency": "ISO 4217.",
    "currency": "ISO 4217.",
    "rate": "Units of currency for 1 base_currency.",
    "account_id": "Not used.",
}
