SET client_min_messages = warning;
BEGIN;
-- Two processes may share a server, and IF NOT EXISTS does not keep them apart.
SELECT pg_advisory_xact_lock(7242013);
CREATE SCHEMA IF NOT EXISTS redshift_system;
SET LOCAL search_path = redshift_system;

-- What is written. The views below have Redshift's columns and types, and no others.
CREATE TABLE IF NOT EXISTS load_error (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, table_id integer,
    start_time timestamp, file_name text, line_number bigint, column_name text, column_type text,
    column_length text, position integer, error_code integer, error_message text, raw_line text, raw_field_value text);
CREATE TABLE IF NOT EXISTS load_file (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text,
    start_time timestamp, end_time timestamp, file_name text, file_format text, bytes_scanned bigint, lines_scanned bigint,
    file_last_modified timestamp, file_etag text);
CREATE TABLE IF NOT EXISTS load_history (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, status text,
    table_name text, start_time timestamp, end_time timestamp, duration bigint, data_source text, file_format text,
    loaded_rows bigint, loaded_bytes bigint, source_file_count integer, source_file_bytes bigint,
    file_count_scanned integer, file_bytes_scanned bigint, error_count bigint);
CREATE TABLE IF NOT EXISTS query_history (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, query_type text,
    status text, start_time timestamp, end_time timestamp, error_message text, returned_rows bigint,
    returned_bytes bigint, query_text text, username text);

-- An older stand-in had tables under the names of views.
DO $$ DECLARE old text; BEGIN
    FOREACH old IN ARRAY ARRAY['sys_load_detail', 'sys_load_history'] LOOP
        IF EXISTS (SELECT FROM pg_class WHERE relname = old AND relnamespace = 'redshift_system'::regnamespace AND relkind = 'r') THEN
            EXECUTE format('DROP TABLE %I CASCADE', old);
        END IF;
    END LOOP;
END $$;
DROP VIEW IF EXISTS sys_load_error_detail, sys_load_detail, sys_load_history, sys_query_history, stl_load_errors,
    stl_load_commits CASCADE;

CREATE VIEW sys_load_error_detail AS SELECT
    user_id, query_id, transaction_id, session_id, database_name::char(64), table_id, start_time,
    file_name::char(256), line_number, column_name::char(127), column_type::char(10), column_length::char(10),
    "position", error_code, error_message::char(512)
    FROM load_error;

CREATE VIEW sys_load_detail AS SELECT
    user_id, query_id::integer, file_name::char(256), least(bytes_scanned, 2147483647)::integer AS bytes_scanned, least(lines_scanned, 2147483647)::integer AS lines_scanned,
    end_time AS record_time, 1 AS splits_scanned, start_time, end_time, file_etag::char(256), file_last_modified
    FROM load_file;

CREATE VIEW sys_load_history AS SELECT
    user_id, query_id, transaction_id, session_id, database_name, status, table_name, start_time, end_time, duration,
    data_source, file_format, loaded_rows, loaded_bytes, source_file_count, source_file_bytes, file_count_scanned,
    file_bytes_scanned, error_count, 0::bigint AS copy_job_id
    FROM load_history;

CREATE VIEW sys_query_history AS SELECT
    user_id, query_id, 'default'::char(320) AS query_label, transaction_id, session_id, database_name::char(128),
    query_type::char(32), status::char(10), false AS result_cache_hit, start_time, end_time,
    (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS elapsed_time, 0::bigint AS queue_time,
    (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS execution_time, error_message::char(512),
    returned_rows, returned_bytes, query_text::char(4000), 'stand-in'::char(256) AS redshift_version,
    ''::char(150) AS usage_limit, 'primary'::varchar(32) AS compute_type, 0::bigint AS compile_time,
    0::bigint AS planning_time, 0::bigint AS lock_wait_time, -1 AS service_class_id, ''::char(64) AS service_class_name,
    NULL::char(20) AS query_priority, NULL::char(10) AS short_query_accelerated, md5(query_text)::char(40) AS user_query_hash,
    md5(query_type)::char(40) AS generic_query_hash, 1 AS query_hash_version, 0 AS result_cache_query_id,
    username::char(128)
    FROM query_history;

CREATE VIEW stl_load_errors AS SELECT
    user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime, session_id AS session,
    query_id::integer AS query, file_name::char(256) AS filename, line_number, column_name::char(127) AS colname,
    column_type::char(10) AS type, column_length::char(10) AS col_length, "position",
    regexp_replace(raw_line, '[^[:ascii:]]', '.', 'g')::char(1024) AS raw_line,
    raw_field_value::char(1024) AS raw_field_value, error_code AS err_code, error_message::char(100) AS err_reason,
    0 AS is_partial, 0::bigint AS start_offset, 0::bigint AS copy_job_id
    FROM load_error;

CREATE VIEW stl_load_commits AS SELECT
    user_id AS userid, query_id::integer AS query, 0 AS slice, ''::char(256) AS name, file_name::char(256) AS filename,
    0 AS byte_offset, least(lines_scanned, 2147483647)::integer AS lines_scanned, 0 AS errors, end_time AS curtime, 1 AS status,
    (CASE file_format WHEN 'json' THEN 'JSON' WHEN 'parquet' THEN 'Parquet' ELSE 'Text' END)::char(16) AS file_format,
    0 AS is_partial, 0::bigint AS start_offset, 0::bigint AS copy_job_id
    FROM load_file;

CREATE OR REPLACE FUNCTION getdate() RETURNS timestamp LANGUAGE sql STABLE AS $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;
CREATE OR REPLACE FUNCTION sysdate() RETURNS timestamp LANGUAGE sql STABLE AS $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT coalesce(nullif(current_setting('sluice.last_copy_count', true), ''), '0')::bigint $$;
CREATE OR REPLACE FUNCTION pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT coalesce(nullif(current_setting('sluice.last_copy_id', true), ''), '-1')::bigint $$;
-- SUPER is text that is JSON: jsonb could not hold what Redshift does, such as \u0000 in a string.
DROP FUNCTION IF EXISTS json_parse(text) CASCADE;
CREATE FUNCTION json_parse(text) RETURNS json LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::json $$;
CREATE OR REPLACE FUNCTION json_serialize(json) RETURNS varchar LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce($1::text, 'null') $$;
DO $$ BEGIN CREATE DOMAIN super AS json; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
COMMIT;
