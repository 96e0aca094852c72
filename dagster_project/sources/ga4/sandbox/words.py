"""What GA4 writes where a session does not say: "(not set)", "(direct)", "(organic)". Its reports never have an empty cell."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

NOT_SET, UNASSIGNED = "(not set)", "Unassigned"
# Where links are not tagged the name of the campaign is the medium in brackets.
# https://support.google.com/analytics/answer/11242841
_NAMED_AFTER_MEDIUM = pa.array(["organic", "referral", "ai-assistant"])


def in_words_of_google(sessions: pa.Table) -> pa.Table:
    """The company's sessions as GA4 spells them: no null in what a report shows of a session."""
    is_direct = pc.fill_null(pc.equal(sessions["channel"], "Direct"), False)
    is_tagged = pc.match_substring_regex(sessions["landing_query"], "(^|&)utm_source=[^&]")
    is_named = pc.and_(pc.is_in(sessions["medium"], _NAMED_AFTER_MEDIUM), pc.invert(is_tagged))
    medium_in_brackets = pc.binary_join_element_wise(pa.scalar("("), sessions["medium"], pa.scalar(")"), "")
    campaign = pc.if_else(is_direct, "(direct)", pc.if_else(is_named, medium_in_brackets, NOT_SET))
    words = {
        "source": pc.if_else(is_direct, "(direct)", NOT_SET),
        "medium": pc.if_else(is_direct, "(none)", NOT_SET),
        "campaign_name": campaign,
        "channel": UNASSIGNED,
        **dict.fromkeys(
            ("campaign_id", "term", "content", "landing_page", "country_id", "client_id_dimension"), NOT_SET
        ),
    }
    for name, word in words.items():
        position = sessions.schema.get_field_index(name)
        sessions = sessions.set_column(position, sessions.schema.field(position), pc.coalesce(sessions[name], word))
    return sessions
