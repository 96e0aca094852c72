-- What a person can be recognised by where somebody names them: e-mail and phone hashes. The e-mail of a merged contact
-- leads to its survivor; a phone beside several e-mails to who had it first.
select distinct
    id_kind as key_kind,
    id_value as key_value,
    id_person_id as person_id
from {{ ref('int_identity_links') }}
where id_kind in ('email', 'phone') and id_person_id is not null
