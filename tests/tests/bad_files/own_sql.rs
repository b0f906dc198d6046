//! The feed's own SQL fails in the words of bad data: no file has anything to do with it.

use serde_json::json;
use sluice_standin::deployment::LISTER;
use sluice_tests::{BUCKET, Site, expire_leases, numbers};
use test_case::test_case;

/// A COPY of its own, from a file that its table does not take.
const COPY: &str = "pre_sql = [\"COPY public.other FROM 's3://landing/config/other.csv' IAM_ROLE default CSV\"]";
/// The same, from a file that is not there.
const GONE: &str = "pre_sql = [\"COPY public.other FROM 's3://landing/config/none.csv' IAM_ROLE default CSV\"]";
/// An external table whose files are broken, or which is throttled.
const INSERT: &str = "post_sql = [\"INSERT INTO public.other SELECT id FROM public.numbers\"]";

/// What the table of the feed's own SQL says to every row.
fn raising(context: &str) -> String {
    let detail = format!("error:  Spectrum Scan Error code:      15007 context:   {context}");
    format!(
        "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $x$ BEGIN RAISE EXCEPTION USING MESSAGE = \
         'Spectrum Scan Error', DETAIL = $q${detail}$q$; END $x$; CREATE TRIGGER say BEFORE INSERT ON public.other FOR EACH \
         ROW EXECUTE FUNCTION say()"
    )
}

#[test_case(COPY, ""; "a copy before copy is refused")]
#[test_case(GONE, ""; "a copy before copy misses its file")]
#[test_case(INSERT, "File 'https://s3.us-east-1.amazonaws.com/other/part-0.parquet' has an incompatible Parquet schema"; "a strangers file is refused")]
#[test_case(INSERT, "File 'https://s3.us-east-1.amazonaws.com/landing/incoming/numbers/0.csv' has an incompatible Parquet schema"; "a file of the batch is named")]
#[test_case(INSERT, "Access throttled by AWS KMS."; "it is throttled")]
#[tokio::test]
async fn no_file_is_moved_for_the_feeds_own_sql(own_sql: &str, context: &str) {
    let feed = numbers("max_files = 8\nfiles_per_load = 8")
        .replace("format = \"csv\"", &format!("format = \"csv\"\n{own_sql}"));
    let site = Site::start(&feed).await;
    site.standin.eventbridge().deliver_times(0);
    site.sql("CREATE TABLE public.other (id INTEGER)").await;
    if !context.is_empty() {
        site.sql(&raising(context)).await;
    }
    site.standin.storage().put(BUCKET, "config/other.csv", b"no number\n".to_vec()).unwrap();
    for number in 0..6 {
        site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},x\n"));
    }
    for tick in 0..8 {
        site.answer(LISTER, &json!({})).await;
        site.deployed.idle().await;
        assert_eq!(site.keys("failed/"), [""; 0], "tick {tick}");
        assert_eq!(site.keys("incoming/").len(), 6, "tick {tick}");
        expire_leases(site.standin.storage(), BUCKET);
    }
    let failed: f64 = site.published("numbers", "LoadsFailed").iter().sum();
    assert!(failed >= 8.0, "LoadsFailed is {failed}");
    // What was wrong is mended; nothing else is done.
    site.sql("DROP TABLE public.other").await;
    site.sql("CREATE TABLE public.other (id VARCHAR(100))").await;
    for name in ["other", "none"] {
        site.standin.storage().put(BUCKET, &format!("config/{name}.csv"), b"1\n".to_vec()).unwrap();
    }
    for _ in 0..8 {
        site.answer(LISTER, &json!({})).await;
        site.deployed.idle().await;
        expire_leases(site.standin.storage(), BUCKET);
    }
    assert_eq!(site.ids("numbers").await, (0..6).collect::<Vec<_>>());
    assert!(site.keys("failed/").is_empty() && site.keys("sluice/claims/").is_empty());
    site.stop().await;
}
