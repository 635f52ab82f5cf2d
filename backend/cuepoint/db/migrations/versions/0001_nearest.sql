-- The vector arm of search. Best first; exact up to p_cut rows in scope, IVFFLAT above; never returns fewer than p_k
-- while the scope holds p_k. Figures and reasons: docs/decisions/0004.
-- p_hidden: videos that are marked as deleted and not gone yet; filtering them here keeps the promise about p_k.
-- `rows` makes the caller's join with the texts a nested loop: the default guess of 1000 invites a scan of the table.
create function nearest(q halfvec, p_space smallint, p_projects uuid[], p_k int, p_kinds text[] default null,
    p_videos uuid[] default null, p_hidden uuid[] default null, p_probes int default 64, p_cut int default 20000)
  returns table(text_id uuid, distance float8) language plpgsql stable rows 50 set plan_cache_mode = force_custom_plan
  as $f$
declare n bigint;
begin
  if p_videos is null then
    select count(*) into n from (select 1 from retrievable_text_embeddings e where e.space_id = p_space
      and e.project_id = any(p_projects) and (p_kinds is null or e.kind = any(p_kinds)) limit p_cut + 1) s;
  else
    select count(*) into n from (select 1 from retrievable_text_embeddings e where e.space_id = p_space
      and e.project_id = any(p_projects) and (p_kinds is null or e.kind = any(p_kinds))
      and e.video_id = any(p_videos) limit p_cut + 1) s;
  end if;
  if n <= p_cut then
    return query select e.text_id, e.embedding <#> q from retrievable_text_embeddings e
      where e.space_id = p_space and e.project_id = any(p_projects) and (p_kinds is null or e.kind = any(p_kinds))
        and (p_videos is null or e.video_id = any(p_videos)) and (p_hidden is null or e.video_id <> all(p_hidden))
      order by (e.embedding <#> q) + 0, e.text_id limit p_k;   -- "+ 0" keeps the planner off the approximate index
  else
    perform set_config('ivfflat.probes', p_probes::text, true),
            set_config('ivfflat.iterative_scan', 'relaxed_order', true);
    return query with c as materialized (
        select e.text_id as id, e.embedding <#> q as d from retrievable_text_embeddings e
        where e.space_id = p_space and e.project_id = any(p_projects) and (p_kinds is null or e.kind = any(p_kinds))
          and (p_videos is null or e.video_id = any(p_videos)) and (p_hidden is null or e.video_id <> all(p_hidden))
        order by e.embedding <#> q limit greatest(4 * p_k, 40))
      select c.id, c.d from c order by c.d + 0, c.id limit p_k;   -- "+ 0" again: without it the CTE counts as sorted
  end if;
end $f$;

-- Every embedding model gets a partition of its own, with the vectors stored in the row (3.4 times cheaper exact scans
-- than TOAST). The plain indexes are inherited; the IVFFLAT index is the partition's own, so that the index job can build
-- a new one beside it and drop the old. With one list, built on no rows, it is an exact flat index that never goes stale;
-- with 100 lists built on no rows recall is 0.42.
create function create_embedding_partition(p_space smallint) returns void language plpgsql
  set client_min_messages = warning as $f$   -- without it: a notice about the empty index
declare part text := 'retrievable_text_embeddings_' || p_space;
begin
  execute format('create table if not exists %I partition of retrievable_text_embeddings for values in (%s)', part, p_space);
  execute format('alter table %I alter column embedding set storage plain', part);
  execute format('create index if not exists %I on %I using ivfflat (embedding halfvec_ip_ops) with (lists = 1)',
                 'ix_' || part || '_ivfflat', part);
end $f$;
