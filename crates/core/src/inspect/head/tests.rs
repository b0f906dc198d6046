#![allow(clippy::unwrap_used)]

use std::io::Write;

use flate2::write::GzEncoder;
use test_case::test_case;

use super::*;
use crate::config::Config;
use crate::testing::MemoryKind;

/// A destination whose files are of this format with these options.
fn target(format: &str, options: &str) -> Target {
    let text = format!(
        "[bucket]\nname = \"bucket\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\n[feed.memory]\ntable = \"f\"\n\
         format = \"{format}\"\n{options}\n"
    );
    Config::parse(&text, "the test", &[&MemoryKind]).unwrap().feeds.remove(0).target
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is found in a whole file: `fine`, how it is packed, or the words that say why it cannot be loaded.
fn found(target: &Target, compression: Option<Compression>, content: &[u8], whole: bool) -> String {
    let expected = Expected { target, compression };
    match judge(expected, content, whole) {
        Found::Fine => "fine".to_owned(),
        Found::Packed(how) => how.map_or("plain", Compression::keyword).to_owned(),
        Found::Unfit(why) => {
            let words = ["zip archive", "xz file", "7z archive", "packed twice", "UTF-16", "JSON array", "CR alone"];
            words.into_iter().find(|words| why.contains(words)).unwrap().to_owned()
        }
    }
}

const GZIP: Option<Compression> = Some(Compression::Gzip);

#[test_case(None, b"1,x\n" => "fine"; "a text")]
#[test_case(None, b"" => "fine"; "nothing")]
#[test_case(GZIP, &gzip(b"1,x\n") => "fine"; "a gzip that says so")]
#[test_case(None, &gzip(b"1,x\n") => "GZIP"; "a gzip under a plain name")]
#[test_case(GZIP, b"1,x\n" => "plain"; "a text under the name of a gzip")]
#[test_case(GZIP, "1,\u{e9}\r\n".as_bytes() => "plain"; "a text beyond ASCII under the name of a gzip")]
#[test_case(GZIP, b"1,\xff\xd8\0" => "fine"; "what is no text is left to the warehouse")]
#[test_case(GZIP, &gzip(b"1,x\n")[..12] => "fine"; "a gzip cut off is left to the warehouse")]
#[test_case(None, &gzip(b"1,x\n")[..12] => "GZIP"; "a gzip cut off under a plain name")]
#[test_case(GZIP, b"\x28\xb5\x2f\xfd\x04\0" => "ZSTD"; "zstd under the name of a gzip")]
#[test_case(None, b"BZh91AY&SY\x12" => "BZIP2"; "bzip2 under a plain name")]
#[test_case(None, b"BZh9,a city\n" => "fine"; "a text that begins as bzip2 does")]
#[test_case(None, b"\x89LZO\0\r\n\x1a\n\x10" => "LZOP"; "lzop under a plain name")]
#[test_case(GZIP, &gzip(&gzip(b"1,x\n")) => "packed twice"; "packed twice")]
#[test_case(None, &gzip(&gzip(b"1,x\n")) => "packed twice"; "packed twice under a plain name")]
#[test_case(GZIP, &gzip(b"\x28\xb5\x2f\xfd\x04\0") => "packed twice"; "packed twice in two ways")]
#[test_case(None, b"PK\x03\x04\x14\0\x08\0" => "zip archive"; "zip")]
#[test_case(None, b"PK\x03\x04,x\n" => "fine"; "a text that begins as zip does")]
#[test_case(None, b"\xfd7zXZ\0" => "xz file"; "xz")]
#[test_case(None, b"7z\xbc\xaf\x27\x1c\0\x04" => "7z archive"; "sevenz")]
#[test_case(None, b"\xff\xfe1\0\n\0" => "UTF-16"; "UTF-16 little endian")]
#[test_case(None, b"\xfe\xff\x001\0\n" => "UTF-16"; "UTF-16 big endian")]
#[test_case(GZIP, &gzip(b"\xff\xfe1\0\n\0") => "UTF-16"; "UTF-16 packed")]
#[test_case(None, b"\xef\xbb\xbf1,x\n" => "fine"; "a byte order mark of UTF-8")]
#[test_case(None, b"1,x\r2,y\r" => "CR alone"; "old line ends")]
#[test_case(GZIP, &gzip(b"1,x\r2,y\r") => "CR alone"; "old line ends packed")]
#[test_case(None, b"1,x\r\n2,y\r\n" => "fine"; "line ends of DOS")]
#[test_case(None, b"1,\"x\ry\"" => "fine"; "a quoted carriage return in the only line")]
#[test_case(None, b"1,x\r" => "fine"; "one line that a carriage return ends")]
fn what_a_head_of_csv_shows(compression: Option<Compression>, content: &[u8]) -> String {
    found(&target("csv", ""), compression, content, true)
}

#[test_case("csv", "encoding = \"utf16\"", b"\xff\xfe1\0\n\0" => "fine"; "UTF-16 where the feed says so")]
#[test_case("csv", "encoding = \"iso88591\"", b"\xff\xfe\n" => "fine"; "Latin 1 may begin with anything")]
#[test_case("csv", "quote = \"'\"", b"1,'x\ry'" => "fine"; "another quote")]
#[test_case("delimited", "", b"1|\"x\ry\"" => "CR alone"; "no quotes in delimited text")]
#[test_case("json", "", b" \n[{\"a\": 1}]" => "JSON array"; "an array of objects")]
#[test_case("json", "", b"\xef\xbb\xbf[1]" => "JSON array"; "an array behind a byte order mark")]
#[test_case("json", "", b"{\"a\": [1]}" => "fine"; "an object")]
#[test_case("json", "json = \"noshred\"", b"[1]" => "fine"; "an array as one value")]
#[test_case("json", "json = \"s3://b/paths.json\"", b"[1]" => "fine"; "an array by paths")]
#[test_case("json", "", b"{}\r{}" => "fine"; "JSON has no lines")]
#[test_case("avro", "", b"Obj\x01\x04\x14" => "fine"; "avro")]
#[test_case("parquet", "", b"\x1f\x8b\x08\0" => "fine"; "columnar files are judged by their end")]
fn what_a_head_of_a_format_shows(format: &str, options: &str, content: &[u8]) -> String {
    found(&target(format, options), None, content, true)
}

#[test]
fn a_head_without_an_end_of_line_says_nothing_before_it_is_long_enough() {
    let (csv, line) = (target("csv", ""), b"1,x\r".repeat(100));
    assert_eq!(found(&csv, None, &line, false), "fine");
    assert_eq!(found(&csv, None, &line.repeat(20), false), "CR alone");
}

#[test]
fn what_a_gzip_unpacks_to_is_bounded() {
    let bomb = gzip(&vec![b'x'; 30 << 20]);
    let (start, whole) = unpacked(&bomb, true).unwrap();
    assert_eq!((start.len(), whole), (UNPACKED_AT_MOST, false));
    assert_eq!(unpacked(&gzip(b"x")[..15], true), None);
    assert_eq!(unpacked(&gzip(b"x"), true), Some((b"x".to_vec(), true)));
    let (start, whole) = unpacked(&gzip(&[b'x'; 1000])[..15], false).unwrap();
    assert!(start.len() <= 1000 && !whole);
}

#[test_case("parquet", b"....PAR1" => true; "a footer")]
#[test_case("parquet", b"....PARE" => true; "an encrypted footer")]
#[test_case("parquet", b"PAR1...." => false; "no footer")]
#[test_case("parquet", b"1" => false; "one byte")]
#[test_case("orc", b"1" => true; "of ORC nothing is said")]
fn a_parquet_file_ends_in_its_mark(format: &str, tail: &[u8]) -> bool {
    judge_tail(target(format, "").files.format, tail) == Found::Fine
}

#[test_case("csv", "ignoreheader = 1", b"a,b\n" => true; "a header")]
#[test_case("csv", "ignoreheader = 1", b"a,b" => true; "a header that nothing ends")]
#[test_case("csv", "ignoreheader = 1", b"a,b\n1,2" => false; "a header and a row")]
#[test_case("csv", "ignoreheader = 2", b"a,b\n1,2\n" => true; "two headers")]
#[test_case("csv", "", b"a,b\n" => false; "no header")]
#[test_case("csv", "", b"\n" => false; "an empty line may be a row")]
#[test_case("json", "", b" \n" => true; "blanks of JSON")]
#[test_case("json", "", b"{}" => false; "an object")]
#[test_case("avro", "", b"Obj\x01" => false; "of Avro nothing is said")]
fn some_files_hold_no_row(format: &str, options: &str, content: &[u8]) -> bool {
    let target = target(format, options);
    let expected = Expected { target: &target, compression: None };
    let both = [content.to_vec(), gzip(content)].map(|content| is_without_rows(expected, &content));
    assert_eq!(both[0], both[1], "packed or not");
    both[0]
}
