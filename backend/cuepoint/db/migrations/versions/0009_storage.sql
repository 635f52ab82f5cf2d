-- What a file is for, by its key: projects/<project>/<area>/..., and projects/<project>/videos/<video>/<folder>/... of
-- releases before the areas.
create function file_area(key text) returns text language sql immutable as $$
  select case
    when split_part(key, '/', 3) = 'videos' then
      case split_part(key, '/', 5)
        when 'original' then 'UPLOADS' when 'thumbnails' then 'THUMBNAILS'
        when 'audio' then 'AUDIO' when 'clips' then 'EXPORTS' else 'PROCESSED'
      end
    when split_part(key, '/', 3) in ('uploads', 'thumbnails', 'exports', 'audio', 'music', 'temp') then
      upper(split_part(key, '/', 3))
    else 'PROCESSED'
  end
$$;

-- Whether that attempt may still commit what it does: it runs, and no other has taken its place.
create function attempt_is_running(job uuid, wanted integer) returns boolean language sql stable as $$
  select exists (select from jobs where id = job and attempt = wanted and status = 'RUNNING')
$$;

-- On a table whose rows name a file: `track_file('column')`. The row has an `id` and either a project_id or a video_id.
create function track_file() returns trigger language plpgsql as $$
declare
  file_slot text := tg_table_name || '.' || tg_argv[0];
  row_after jsonb;
  file_key text;
begin
  if tg_op <> 'DELETE' then
    row_after := to_jsonb(new);
    -- A video has its key before its file, while that is imported, and keeps it when its files were given up.
    if row_after ->> 'files_removed_at' is null
        and not (tg_table_name = 'videos' and row_after ->> 'content_hash' is null) then
      file_key := row_after ->> tg_argv[0];
    end if;
  end if;
  if file_key is null then
    delete from stored_files where owner_id = old.id and slot = file_slot;
    return null;
  end if;
  insert into stored_files (owner_id, slot, key, project_id, video_id, area, size_bytes, created_at)
  values (
    new.id, file_slot, file_key,
    coalesce((row_after ->> 'project_id')::uuid,
             (select v.project_id from videos v where v.id = (row_after ->> 'video_id')::uuid)),
    case when tg_table_name = 'videos' then new.id else (row_after ->> 'video_id')::uuid end,
    file_area(file_key), coalesce((row_after ->> 'size_bytes')::bigint, 0), (row_after ->> 'created_at')::timestamptz
  )
  on conflict (owner_id, slot) do update set key = excluded.key, project_id = excluded.project_id,
    video_id = excluded.video_id, area = excluded.area, size_bytes = excluded.size_bytes;
  return null;
end
$$;

create function tally_file(project uuid, file_area text, made timestamptz, file_count bigint, byte_count bigint)
returns void language sql as $$
  insert into storage_tallies (project_id, area, month, files, bytes)
  values (project, file_area, date_trunc('month', made at time zone 'UTC')::date, file_count, byte_count)
$$;

-- What follows from a file getting or losing an owner: the counters, and the outbox.
create function stored_file_changed() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    perform tally_file(old.project_id, old.area, old.created_at, -1, -old.size_bytes);
    if tg_op = 'DELETE' or old.key <> new.key then
      if not exists (select from stored_files where key = old.key) then
        insert into file_removals (id, key, target, project_id, video_id, size_bytes)
        values (gen_random_uuid(), old.key, 'OBJECT', old.project_id, old.video_id, old.size_bytes)
        on conflict (key) do update set size_bytes = excluded.size_bytes,
          due_at = least(file_removals.due_at, excluded.due_at);
      end if;
    end if;
  end if;
  if tg_op <> 'DELETE' then
    perform tally_file(new.project_id, new.area, new.created_at, 1, new.size_bytes);
    if tg_op = 'INSERT' or old.key <> new.key then
      delete from file_removals
      where key = new.key and (claimed_until is null or claimed_until < clock_timestamp());
      if exists (select from file_removals where key = new.key) then
        raise exception 'the file % is being removed', new.key using errcode = 'object_in_use';
      end if;
    end if;
  end if;
  return null;
end
$$;

create trigger stored_file_changed after insert or delete or update on stored_files
  for each row execute function stored_file_changed();

-- Bytes of an upload that never became a video go with its row.
create function upload_dropped() returns trigger language plpgsql as $$
begin
  insert into file_removals (id, key, target, project_id, size_bytes)
  values (gen_random_uuid(), old.storage_key, 'UPLOAD', old.project_id, old.offset_bytes)
  on conflict (key) do nothing;
  return null;
end
$$;

create trigger upload_dropped after delete on uploads
  for each row when (starts_with(old.storage_key, 'uploads/')) execute function upload_dropped();

create trigger track_file_written after insert or update of storage_key, size_bytes, project_id, files_removed_at, content_hash
  on videos for each row execute function track_file('storage_key');
create trigger track_file_dropped after delete on videos for each row execute function track_file('storage_key');
create trigger track_file_written after insert or update of storage_key, size_bytes
  on renditions for each row execute function track_file('storage_key');
create trigger track_file_dropped after delete on renditions for each row execute function track_file('storage_key');
create trigger track_file_written after insert or update of storage_key, size_bytes, project_id
  on clips for each row execute function track_file('storage_key');
create trigger track_file_dropped after delete on clips for each row execute function track_file('storage_key');
create trigger track_file_written after insert or update of storage_key, size_bytes, project_id
  on clip_files for each row execute function track_file('storage_key');
create trigger track_file_dropped after delete on clip_files for each row execute function track_file('storage_key');
create trigger track_file_written after insert or update of storage_key, size_bytes, project_id
  on reels for each row execute function track_file('storage_key');
create trigger track_file_dropped after delete on reels for each row execute function track_file('storage_key');
create trigger track_file_written after insert or update of storage_key, size_bytes, project_id
  on audio_files for each row execute function track_file('storage_key');
create trigger track_file_dropped after delete on audio_files for each row execute function track_file('storage_key');

-- What the triggers should have made of all rows: to take over what is there already, and to find drift later.
create view owned_files as
select id as owner_id, 'videos.storage_key' as slot, storage_key as key, project_id, id as video_id, size_bytes, created_at
from videos where files_removed_at is null and content_hash is not null
union all
select r.id, 'renditions.storage_key', r.storage_key, v.project_id, v.id, r.size_bytes, r.created_at
from renditions r join videos v on v.id = r.video_id
union all
select id, 'clips.storage_key', storage_key, project_id, video_id, coalesce(size_bytes, 0), created_at
from clips where storage_key is not null
union all
select id, 'clip_files.storage_key', storage_key, project_id, video_id, size_bytes, created_at from clip_files
union all
select id, 'reels.storage_key', storage_key, project_id, null, coalesce(size_bytes, 0), created_at
from reels where storage_key is not null
union all
select id, 'audio_files.storage_key', storage_key, project_id, video_id, coalesce(size_bytes, 0), created_at
from audio_files where storage_key is not null;

insert into stored_files (owner_id, slot, key, project_id, video_id, area, size_bytes, created_at)
select owner_id, slot, key, project_id, video_id, file_area(key), size_bytes, created_at from owned_files;

insert into schedules (name, cron, kind, next_at) values
  ('file-removal', '*/10 * * * *', 'FILE_REMOVAL', job_now()), ('retention', '23 3 * * *', 'RETENTION', job_now());
