-- Drops the functions of search.
drop function nearest, create_embedding_partition, fts_config, fold;
