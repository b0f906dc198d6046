//! Parquet: the warehouse notes nothing, and its text names a file only where there is room. What is not named is found
//! by halves.

#![allow(clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ::parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use serde_json::Value;
use sluice_standin::deployment::WORKER;
use sluice_tests::{BUCKET, Site, numbers};
use test_case::test_case;

use super::copies;

const FILES: usize = 200;
/// 2·k·log2(n), rounded down, of two bad files among two hundred.
const COPIES: usize = 30;
/// One row; `id` is a string where `ids` says so, and may be null.
fn file(id: Option<i32>, label: &str, ids: &str) -> Vec<u8> {
    let schema = format!("message m {{ optional {ids} id; optional binary label (UTF8); }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let levels = [i16::from(id.is_some())];
    if ids == "int32" {
        let values: Vec<i32> = id.into_iter().collect();
        column.typed::<Int32Type>().write_batch(&values, Some(&levels), None).unwrap();
    } else {
        let values: Vec<ByteArray> = id.iter().map(|id| id.to_string().into_bytes().into()).collect();
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
    }
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&[label.as_bytes().to_vec().into()], Some(&[1]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// How a file is bad.
#[derive(Clone, Copy)]
enum Bad {
    /// Both are told with the URL at the beginning of the text.
    Type,
    NoParquet,
    /// Told with the URL at the end of the text, which is cut off in it.
    TooLong,
    /// Told without a file.
    Null,
}

impl Bad {
    fn content(self) -> Vec<u8> {
        match self {
            Self::Type => file(Some(-1), "bad", "binary"),
            Self::NoParquet => b"id,label\n-1,bad\nPAR1".to_vec(),
            Self::TooLong => file(Some(-1), &"x".repeat(2001), "int32"),
            Self::Null => file(None, "bad", "int32"),
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Type => "has an incompatible Parquet schema for column",
            Self::NoParquet => "has invalid file metadata",
            Self::TooLong => {
                "The length of the data column label is longer than the length defined in the table. Table: 2000, Data: 2001"
            }
            Self::Null => "NULL value in column id",
        }
    }
}

/// As Spark names its files, in folders as Hive names them.
fn name(number: usize) -> String {
    format!(
        "numbers/year=2026/month=11/part-{number:05}-6034cb60-860e-4a6c-a86d-6b1d9b1e4f7a-of-the-stage-that-wrote-it.c000.snappy.parquet"
    )
}

async fn site(bad: &[(usize, Bad)]) -> Site {
    let feed = numbers("max_files = 300\nfiles_per_load = 300").replace("format = \"csv\"", "format = \"parquet\"");
    // Time enough for all of it.
    let site = Site::with(&feed, |deployment| deployment.timeout = Duration::from_mins(5)).await;
    // The worker sees its COPYs end; the events would only bring more of them.
    site.standin.eventbridge().deliver_times(0);
    let bad: BTreeMap<usize, Bad> = bad.iter().copied().collect();
    for (number, id) in (0..FILES).zip(0..) {
        let content = bad.get(&number).map_or_else(|| file(Some(id), "good", "int32"), |bad| bad.content());
        site.standin.storage().put(BUCKET, &format!("incoming/{}", name(number)), content).unwrap();
    }
    site
}

/// One tick, and the one worker that it sends.
async fn tick(site: &Site) {
    assert_eq!(site.tick(0).await["claimed"], FILES);
    site.deployed.idle().await;
    assert_eq!(site.standin.lambda().reports(WORKER).len(), 1);
    assert!(site.keys("incoming/").is_empty() && site.keys("sluice/claims/").is_empty(), "{}", site.logs(WORKER));
}

#[tokio::test]
async fn two_hundred_good_files_are_one_copy() {
    let site = site(&[]).await;
    tick(&site).await;
    assert_eq!(site.ids("numbers").await, (0..200).collect::<Vec<_>>());
    assert_eq!((copies(&site).await, site.keys("failed/").len()), (1, 0));
    let loaded = site.sql("SELECT count(DISTINCT file_name), count(DISTINCT file_etag) FROM sys_load_detail").await;
    assert_eq!(loaded[0], [Some("200".to_owned()), Some("200".to_owned())]);
    site.stop().await;
}

#[test_case(&[(17, Bad::Type), (150, Bad::NoParquet)], 3; "both named")]
#[test_case(&[(99, Bad::NoParquet), (100, Bad::NoParquet)], 3; "both named, neighbours in the middle")]
#[test_case(&[(42, Bad::Type), (43, Bad::TooLong)], COPIES; "one named, neighbours")]
#[test_case(&[(0, Bad::TooLong), (199, Bad::Type)], COPIES; "one named, first and last")]
#[test_case(&[(0, Bad::TooLong), (199, Bad::TooLong)], COPIES; "neither named, first and last")]
#[test_case(&[(0, Bad::Null), (1, Bad::TooLong)], COPIES; "neither named, the first two")]
#[test_case(&[(198, Bad::TooLong), (199, Bad::Null)], COPIES; "neither named, the last two")]
#[test_case(&[(99, Bad::Null), (100, Bad::Null)], COPIES; "neither named, neighbours in the middle")]
#[test_case(&[(63, Bad::TooLong), (171, Bad::Null)], COPIES; "neither named, far from each other")]
#[tokio::test]
async fn of_200_files_2_are_bad_and_198_are_loaded_once(bad: &[(usize, Bad)], most: usize) {
    let site = site(bad).await;
    tick(&site).await;
    let good: Vec<i64> =
        (0..200).filter(|id| bad.iter().all(|(number, _)| i64::try_from(*number) != Ok(*id))).collect();
    assert_eq!(site.ids("numbers").await, good);
    assert_eq!(site.keys("processed/").len(), 198);
    let file = |number: usize| format!("failed/{}", name(number));
    let expected: BTreeSet<String> =
        bad.iter().flat_map(|(number, _)| [file(*number), file(*number) + ".error.json"]).collect();
    assert_eq!(site.keys("failed/").into_iter().collect::<BTreeSet<_>>(), expected);
    for (number, bad) in bad {
        let reason = site.standin.storage().get(BUCKET, &(file(*number) + ".error.json")).unwrap();
        let reason: Value = serde_json::from_slice(&reason).unwrap();
        assert_eq!(reason["code"], 15007, "{reason}");
        assert!(reason["message"].as_str().unwrap().contains(bad.message()), "{reason}");
    }
    let copies = copies(&site).await;
    println!("{copies} COPYs");
    assert!(copies <= most, "{copies} COPYs");
    site.stop().await;
}
