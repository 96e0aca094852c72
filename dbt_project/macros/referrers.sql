{#
  Those referrer_host values of `relation` that begin no visit: our own domains, payment and sign-in pages, and what
  funnelhouse.yml names under web, as hosts or whole addresses. Grain: referrer_host.
#}
{% macro ignored_hosts(relation) -%}
    (
        with settings as (
            select
                {{ replace_matches(
                    "',' || lower(coalesce(web_own_domains, '')) || ',' || lower(coalesce(web_ignored_referrers, '')) || ','",
                    "',\\s*(?:[a-z-]+:/*)?(?:www[.])?(?:m[.])?([^,/\\s]*)[^,]*'", "',\\1'"
                ) }} as ignored
            from {{ ref('stg_config__settings') }}
        ),

        -- every suffix that could be a listed domain: shop.example.co.uk, example.co.uk, co.uk
        suffixes as (
            select referrer_host, referrer_host as suffix from {{ relation }}
            union
            select referrer_host, {{ replace_matches('referrer_host', "'^[^.]+[.]'") }} as suffix from {{ relation }}
            union
            select referrer_host, {{ replace_matches('referrer_host', "'^[^.]+[.][^.]+[.]'") }} as suffix from {{ relation }}
        )

        select distinct suffixes.referrer_host
        from suffixes
        cross join settings
        left join {{ ref('ignored_referrers') }} as ignored_referrers on suffixes.suffix = ignored_referrers.host
        where
            ignored_referrers.host is not null
            or settings.ignored like '%,' || suffixes.suffix || ',%'
    )
{%- endmacro %}

{#
  The distinct referrer_host values of `relation` as source and medium. Grain: referrer_host (of url_host()).

  Search engines give their name and 'organic', social networks their host and 'social', everything else its host and
  'referral' (AI assistants get their medium in classify_origins). Our own domains, payment and sign-in pages
  are left out: they never begin a session. An app (com.linkedin.android) is the site whose app it is.
#}
{% macro resolve_referrers(relation) -%}
    (
        with hosts as (
            select distinct referrer_host
            from {{ relation }}
            where referrer_host is not null
        ),

        places as (
            select hosts.referrer_host, coalesce(app_packages.host, hosts.referrer_host) as place
            from hosts
            left join {{ ref('app_packages') }} as app_packages on hosts.referrer_host = app_packages.package
        ),

        places_and_apps as (
            select place as referrer_host from places
            union
            select referrer_host from places
        ),

        ignored_hosts as (
            select * from {{ ignored_hosts('places_and_apps') }} as found
        ),

        -- Matomo writes google.{} for all country domains and {}.bing.com for all country prefixes
        clues as (
            select place, place as clue, 1 as preference from places
            union
            select place, {{ replace_matches('place', "'[.](?:(?:co|com|org|net)[.])?[a-z]{2,3}$'", "'.{}'") }} as clue, 2 as preference
            from places
            union
            select place, {{ replace_matches('place', "'^[^.]+[.]'", "'{}.'") }} as clue, 3 as preference
            from places
        ),

        listed as (
            select
                clues.place,
                {{ earliest('referrer_hosts.source', 'clues.preference') }} as source,
                {{ earliest('referrer_hosts.type', 'clues.preference') }} as type
            from clues
            inner join {{ ref('referrer_hosts') }} as referrer_hosts on clues.clue = referrer_hosts.host
            group by clues.place
        )

        select
            places.referrer_host,
            case when listed.type = 'search' then listed.source else places.place end as source,
            case
                when listed.type = 'search' then 'organic'
                when listed.type = 'social' then 'social'
                else 'referral'
            end as medium
        from places
        left join listed on places.place = listed.place
        left join ignored_hosts as ignored_places on places.place = ignored_places.referrer_host
        left join ignored_hosts as ignored_apps on places.referrer_host = ignored_apps.referrer_host
        where ignored_places.referrer_host is null and ignored_apps.referrer_host is null
    )
{%- endmacro %}
