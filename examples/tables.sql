-- The demo's tables, in Redshift's words.
-- COPY fills columns by position: they stand in the order of the files.
--
-- Both tables are distributed and sorted by the hour, so that flights find the weather of their hour
-- on the same slice, and a query for some days reads those days only.

CREATE TABLE IF NOT EXISTS public.flights (
    year           SMALLINT NOT NULL,
    month          SMALLINT NOT NULL,
    day            SMALLINT NOT NULL,
    dep_time       SMALLINT,               -- local time as a number: 517 is 05:17; null where the flight was cancelled
    sched_dep_time SMALLINT NOT NULL,
    dep_delay      SMALLINT,               -- minutes; below zero is early
    arr_time       SMALLINT,
    sched_arr_time SMALLINT NOT NULL,
    arr_delay      SMALLINT,
    carrier        VARCHAR(2) NOT NULL,
    flight         SMALLINT NOT NULL,
    tailnum        VARCHAR(6),
    origin         CHAR(3) NOT NULL,
    dest           CHAR(3) NOT NULL,
    air_time       SMALLINT,               -- minutes
    distance       SMALLINT NOT NULL,      -- miles
    hour           SMALLINT NOT NULL,
    minute         SMALLINT NOT NULL,
    time_hour      TIMESTAMPTZ NOT NULL    -- the scheduled hour of departure
)
DISTSTYLE KEY
DISTKEY (time_hour)
SORTKEY (time_hour, origin);

CREATE TABLE IF NOT EXISTS public.weather (
    origin     CHAR(3) NOT NULL,
    year       SMALLINT NOT NULL,
    month      SMALLINT NOT NULL,
    day        SMALLINT NOT NULL,
    hour       SMALLINT NOT NULL,
    temp       DECIMAL(5, 2),              -- degrees Fahrenheit
    dewp       DECIMAL(5, 2),
    humid      DECIMAL(5, 2),              -- per cent
    wind_dir   SMALLINT,                   -- degrees
    wind_speed DOUBLE PRECISION,           -- miles per hour
    wind_gust  DOUBLE PRECISION,
    precip     DECIMAL(5, 2) NOT NULL,     -- inches
    pressure   DOUBLE PRECISION,           -- millibars; some are written 1e+03, which no DECIMAL takes
    visib      DECIMAL(5, 2) NOT NULL,     -- miles
    time_hour  TIMESTAMPTZ NOT NULL
)
DISTSTYLE KEY
DISTKEY (time_hour)
SORTKEY (time_hour, origin);
