-- Text search: immutable functions of the generated column (docs/decisions/0004).

-- Accent folding, one character for one, so that offsets in the original text stay valid; replaces `unaccent`,
-- which the embedded Postgres does not have.
create function fold(t text) returns text language sql immutable strict parallel safe as $$
  select translate(t,
    'ÀÁÂÃÄÅàáâãäåÇçÈÉÊËèéêëÌÍÎÏìíîïÑñÒÓÔÕÖØòóôõöøÙÚÛÜùúûüÝýÿ',
    'AAAAAAaaaaaaCcEEEEeeeeIIIIiiiiNnOOOOOOooooooUUUUuuuuYyy') $$;

-- The text search configuration of a language code; a stored regconfig column would block pg_upgrade.
create function fts_config(lang text) returns regconfig language sql immutable parallel safe as $$
  select case split_part(lower(coalesce(lang, '')), '-', 1)
    when 'en' then 'pg_catalog.english'::regconfig when 'de' then 'pg_catalog.german'::regconfig
    when 'fr' then 'pg_catalog.french'::regconfig when 'es' then 'pg_catalog.spanish'::regconfig
    when 'it' then 'pg_catalog.italian'::regconfig when 'pt' then 'pg_catalog.portuguese'::regconfig
    when 'nl' then 'pg_catalog.dutch'::regconfig when 'sv' then 'pg_catalog.swedish'::regconfig
    when 'ru' then 'pg_catalog.russian'::regconfig else 'pg_catalog.simple'::regconfig end $$;
