{#
  Free text as answers are compared: one form of letters that people write in two (ё and е, Arabic and Persian ye and
  kaf), no vowel marks, words with one blank between and nothing else; '' where nothing is left.
#}
{% macro normalise_answer(value) -%}
    {%- set plain = "lower(" ~ strip_invisible(compose_unicode(value)) ~ ")" -%}
    {%- set letters = "translate(" ~ plain ~ ", 'ёيىك', 'еییک')" -%}
    trim({{ replace_matches(
        replace_matches(letters, "'[\\x{0640}\\x{064B}-\\x{065F}\\x{0670}]'"),
        "'[^\\p{L}\\p{M}\\p{N}]+'",
        "' '"
    ) }})
{%- endmacro %}

{# The same text with Cyrillic letters that look like Latin ones as these: people mix alphabets within a word. #}
{% macro latin_look(value) -%}
    translate({{ value }}, 'авекмнорстухіѕј', 'abekmhopctyxisj')
{%- endmacro %}
