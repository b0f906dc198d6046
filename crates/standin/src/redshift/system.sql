SET client_min_messages = warning;
BEGIN;
-- Two processes may share a server, and IF NOT EXISTS does not keep them apart.
SELECT pg_advisory_xact_lock(7242013);
CREATE SCHEMA IF NOT EXISTS redshift_system;
SET LOCAL search_path = redshift_system;

CREATE TABLE IF NOT EXISTS load_error (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name char(64), table_id integer,
    start_time timestamp, file_name char(256), line_number bigint, column_name char(127), column_type char(10),
    column_length char(10), position integer, error_code integer, error_message char(512),
    raw_line varchar(1024), raw_field_value varchar(1024));
CREATE OR REPLACE VIEW sys_load_error_detail AS SELECT
    user_id, query_id, transaction_id, session_id, database_name, table_id, start_time, file_name, line_number,
    column_name, column_type, column_length, "position", error_code, error_message FROM load_error;
CREATE OR REPLACE VIEW stl_load_errors AS SELECT
    user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime, session_id AS session, query_id AS query,
    file_name AS filename, line_number, column_name AS colname, column_type AS type, column_length AS col_length,
    "position", raw_line, raw_field_value, error_code AS err_code, error_message AS err_reason FROM load_error;

CREATE TABLE IF NOT EXISTS sys_load_detail (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name char(64), table_id integer,
    start_time timestamp, end_time timestamp, file_name char(256), file_format varchar(16), bytes_scanned bigint, lines_scanned bigint,
    file_last_modified timestamp, file_etag varchar(256));
CREATE OR REPLACE VIEW stl_load_commits AS SELECT
    user_id AS userid, query_id AS query, 0 AS slice, file_name AS filename, lines_scanned, end_time AS curtime, 1 AS status,
    bytes_scanned AS file_size FROM sys_load_detail;

CREATE TABLE IF NOT EXISTS sys_load_history (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name char(64), status varchar(16),
    table_name varchar(256), start_time timestamp, end_time timestamp, duration bigint, data_source varchar(1024), file_format varchar(16),
    loaded_rows bigint, loaded_bytes bigint, source_file_count integer, source_file_bytes bigint, file_count_scanned integer,
    file_bytes_scanned bigint, error_count bigint, copy_job_id bigint);

CREATE OR REPLACE FUNCTION getdate() RETURNS timestamp LANGUAGE sql STABLE AS $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;
CREATE OR REPLACE FUNCTION sysdate() RETURNS timestamp LANGUAGE sql STABLE AS $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT coalesce(nullif(current_setting('sluice.last_copy_count', true), ''), '0')::bigint $$;
CREATE OR REPLACE FUNCTION pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT coalesce(nullif(current_setting('sluice.last_copy_id', true), ''), '-1')::bigint $$;
CREATE OR REPLACE FUNCTION json_parse(text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::jsonb $$;
DO $$ BEGIN CREATE DOMAIN super AS jsonb; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
COMMIT;
