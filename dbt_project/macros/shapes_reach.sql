{# Shapes of reach: what search engines show, who follows the company, and what came of its e-mails. #}
{% macro reach_shapes() -%}
    {{ return({
        'search_days': shape(
            "Grain: date_day, account_id, search_type, cut, query, page, country, device. Results of a search engine; rows of one cut add up, of several never.",
            ['day', 'date_day', 'account_id', 'country', 'device'] + [
                ['engine', 'string', "Search engine, as web analytics names it as a source."],
                ['search_type', 'string', "web, image, video or news."],
                ['cut', 'string', "total: without query and page; query or page: by that. An engine counts pages apart from sites, and withholds rare queries."],
                ['query', 'string', "What was searched for; null but in the cut query."],
                ['page', 'string', "Address that was shown; null but in the cut page."],
                ['clicks', 'bigint', "Clicks on the results."],
                ['impressions', 'bigint', "How often a result was shown."],
                ['position_sum', 'decimal(24, 6)', "Average position x impressions: divided by impressions it is the average again; 1 is the top."],
                ['is_final', 'boolean', "The engine does not call the day incomplete."],
            ],
        ),
        'survey_answers': shape(
            "Grain: account_id, response_id, question_id. Answers of one respondent to one question of a survey.",
            ['account_id', 'email_hash', 'ga_client_id', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content'] + [
                ['form_id', 'string', "Form by its id at the source."],
                ['response_id', 'string', "Who answered, by the source's id of the response."],
                ['question_id', 'string', "Question by its id at the source."],
                ['question_ref', 'string', "Reference that the company gave to the question."],
                ['question', 'string', "The question as it is asked; null where the source does not say."],
                ['answered_at', 'moment', "When it was answered."],
                ['answer_number', 'double', "The answer where it is a number."],
                ['answer_text', 'string', "What was chosen, several with ';' between, or typed; typed only where the question means something."],
            ],
        ),
        'followers': shape(
            "Grain: date_day, network, account_id. Followers as they were counted on the day itself, and who came and went.",
            ['day', 'date_day', 'account_id'] + [
                ['network', 'string', "Social network."],
                ['account_name', 'string', "Name of the account at the network; null where it does not say."],
                ['followers', 'bigint', "Followers when it was looked on this day; null on days on which nobody looked."],
                ['is_exact', 'boolean', "followers is not rounded by the network."],
                ['followers_gained', 'bigint', "Who began to follow on this day; null where the network does not say."],
                ['followers_lost', 'bigint', "Who stopped; null where the network does not say."],
            ],
        ),
        'email_days': shape(
            "Grain: date_day, account_id, platform, campaign_id. E-mail campaigns under the day on which they were sent, with what came of them until now.",
            ['day', 'date_day', 'account_id'] + [
                ['platform', 'string', "Tool that sent it."],
                ['campaign_id', 'string', "Id of the campaign at the tool; its name where a file has no id."],
                ['campaign_name', 'string', "Its name in the tool."],
                ['emails_sent', 'bigint', "E-mails that were sent, those that bounced included."],
                ['emails_delivered', 'bigint', "Those that did not bounce; null where the tool does not say."],
                ['unique_opens', 'bigint', "Recipients whose e-mail was opened, by themselves or by a proxy of their mail program."],
                ['unique_opens_less_proxies', 'bigint', "Recipients who opened it, less those whose proxy did; null where the tool does not tell."],
                ['unique_clicks', 'bigint', "Recipients who clicked."],
                ['unsubscribes', 'bigint', "Recipients who left the list by it."],
                ['complaints', 'bigint', "Recipients who called it spam."],
            ],
        ),
    }) }}
{%- endmacro %}
