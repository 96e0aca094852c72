"""What the columns of Typeform's answers hold."""

ABOUT = "Typeform. Record stream: one row per answer that was seen; moments are UTC."
COLUMNS = {
    "response_id": "Response.",
    "question_id": "Question by Typeform's id.",
    "question_ref": "Question by the reference that the company gave it.",
    "question": "The question as it is asked; null where it is gone from the form.",
    "question_type": "nps, opinion_scale, rating, multiple_choice, short_text …",
    "submitted_at": "When the response was sent.",
    "answer_number": "The answer where it is a number.",
    "answer_text": "What was chosen, several with ';' between. What was typed, without e-mails and phones, and only of questions "
    "in surveys.questions.",
    "email_hash": "Keyed hash of the e-mail in the response.",
    "client_id": "Hidden field client_id, ga_client_id or _ga.",
    "utm_source": "Hidden field utm_source.",
    "utm_medium": "Hidden field utm_medium.",
    "utm_campaign": "Hidden field utm_campaign.",
    "utm_term": "Hidden field utm_term.",
    "utm_content": "Hidden field utm_content.",
    "account_id": "Form.",
}
